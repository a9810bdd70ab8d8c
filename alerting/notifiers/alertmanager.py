"""Any receiver of Alertmanager's webhook, version 4 of its payload.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from typing import Any

import msgspec

from padit.alerting.effects import Handed, MemberView, View
from padit.alerting.notifiers.base import (
    HttpNotifier,
    HttpSettings,
    Request,
    headline,
    lines_of,
    link_to,
    subject_of,
)
from padit.domain.timestamps import format_utc

__all__ = ["Alertmanager"]

_NEVER = "0001-01-01T00:00:00Z"


class Alertmanager(HttpNotifier):
    """Sends an incident as a group of alerts.

    Args:
        settings: of this receiver.
        link: template of the page of an incident.
    """

    class Settings(HttpSettings):
        """Settings of a receiver."""

    def render(self, message: Handed, reference: str) -> Request | None:
        """The group; a digest is one group of all its incidents."""
        del reference
        views = [message.view] if message.view is not None else list(message.others)
        alerts = [self._alert(view, one) for view in views for one in view.members]
        firing = any(view.firing for view in views) or message.kind in ("test", "job_silent")
        key = subject_of(message)
        content = {
            "version": "4",
            "groupKey": f"{message.route}:{key}",
            "truncatedAlerts": sum(view.more for view in views) + message.more,
            "status": "firing" if firing else "resolved",
            "receiver": message.receiver,
            "groupLabels": {"incident": key},
            "commonLabels": {"incident": key},
            "commonAnnotations": {
                "summary": headline(message),
                **({"description": "\n".join(lines_of(message))} if _own_text(message) else {}),
            },
            "externalURL": link_to(self._link, message.view),
            "alerts": alerts,
        }
        body = msgspec.json.encode(content)
        return Request("POST", self._url, {"content-type": "application/json"}, body)

    def _alert(self, view: View, one: MemberView) -> dict[str, Any]:
        labels = {
            **one.labels,
            "alertname": one.metric_name,
            "instance": one.source_id,
            "severity": one.severity.lower(),
        }
        return {
            "status": "resolved" if one.closed else "firing",
            "labels": labels,
            "annotations": {"summary": one.summary},
            "startsAt": format_utc(one.opened),
            "endsAt": format_utc(one.closed) if one.closed else _NEVER,
            "generatorURL": link_to(self._link, view),
            "fingerprint": one.fingerprint[:16],
        }


def _own_text(message: Handed) -> bool:
    return bool(message.text or message.note)


NOTIFIER = Alertmanager
