"""PagerDuty, Events API version 2: https://developer.pagerduty.com/docs/events-api-v2-overview.

The incident is the `dedup_key`, so PagerDuty has one incident for each of ours. An event that is
refused with 400 is wrong, and is never sent again.
"""

from typing import Any

import msgspec
from pydantic import Field

from padit.alerting.effects import Handed, View
from padit.alerting.messages import shortened
from padit.alerting.notifiers.base import (
    HttpNotifier,
    HttpSettings,
    Request,
    headline,
    lines_of,
    link_to,
    plain,
    secret,
    subject_of,
)
from padit.domain.timestamps import format_utc

__all__ = ["PagerDuty"]

_LONGEST_SUMMARY = 1024
_LARGEST = 512_000
_ACTIONS = {"resolved": "resolve", "acknowledged": "acknowledge", "job_back": "resolve"}
_SEVERITY = {"INFO": "info", "WARNING": "warning", "CRITICAL": "critical"}


class PagerDuty(HttpNotifier):
    """Triggers, acknowledges and resolves.

    Args:
        settings: of this receiver.
        link: template of the page of an incident.
    """

    default_url = "https://events.pagerduty.com/v2/enqueue"

    class Settings(HttpSettings):
        """Settings of a service in PagerDuty."""

        routing_key: str = Field(description="File or `env:NAME` of the integration key.")

    def __init__(self, settings: Settings, link: str) -> None:
        super().__init__(settings, link)
        self._key = secret(settings.routing_key)

    def render(self, message: Handed, reference: str) -> Request | None:
        """One event; a digest is one of its own, which a person closes."""
        del reference
        if message.kind in ("heartbeat", "digest_over"):
            return None  # it would be a page
        event: dict[str, Any] = {
            "routing_key": self._key,
            "event_action": _ACTIONS.get(message.kind, "trigger"),
            "dedup_key": subject_of(message),
        }
        if event["event_action"] == "trigger":
            event["payload"] = self._payload(message)
            link = link_to(self._link, message.view)
            if link:
                event["links"] = [{"href": link, "text": "Incident in PADIT"}]
        body = msgspec.json.encode(event)
        if len(body) > _LARGEST:
            event["payload"]["custom_details"] = {"shortened": "beyond the limit of PagerDuty"}
            body = msgspec.json.encode(event)
        return Request("POST", self._url, {"content-type": "application/json"}, body)

    def _payload(self, message: Handed) -> dict[str, Any]:
        view = message.view
        first = view.members[0] if view is not None else None
        return {
            "summary": shortened(headline(message), _LONGEST_SUMMARY),
            "source": plain(first.source_id) if first is not None else "padit",
            "severity": _SEVERITY[view.severity] if view is not None else "warning",
            "timestamp": format_utc(message.time),
            "component": plain(first.metric_name) if first is not None else "",
            "custom_details": {
                **(_details(view) if view is not None else {}),
                **({"text": lines_of(message)} if message.text or message.note else {}),
            },
        }


def _details(view: View) -> dict[str, Any]:
    return {
        "members": [
            plain(f"{one.source_id} {one.metric_name}: {one.summary}") for one in view.members
        ],
        "more": view.more,
        "likely_first": [plain(f"{source}: {why}") for source, _, why in view.causes]
        if view.decided
        else "not decided",
    }


NOTIFIER = PagerDuty
