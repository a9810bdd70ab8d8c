"""A webhook of your own: a CloudEvent with a signature.

The header `X-PADIT-Signature` is `sha256=` and the HMAC of the body with the secret.
"""

import hashlib
import hmac
from typing import Any

import msgspec
from pydantic import Field

from padit.alerting.effects import Handed
from padit.alerting.notifiers.base import (
    HttpNotifier,
    HttpSettings,
    Request,
    headline,
    link_to,
    secret,
)
from padit.domain.timestamps import format_utc

__all__ = ["Webhook", "cloud_event"]

_MOST_TRANSITIONS = 1_000  # of a digest; receivers refuse what is too large


def cloud_event(message: Handed, link: str) -> dict[str, Any]:
    """A message as a CloudEvent.

    Args:
        message: of the engine.
        link: template of the page of an incident.
    """
    further = len(message.transitions) - _MOST_TRANSITIONS
    return {
        "specversion": "1.0",
        "id": message.id,
        "source": "/padit/alerting",
        "type": f"io.padit.incident.{message.kind}",
        "subject": message.view.id if message.view is not None else message.route,
        "time": format_utc(message.time),
        "datacontenttype": "application/json",
        "data": {
            "route": message.route,
            "summary": headline(message),
            "link": link_to(link, message.view),
            "incident": message.view,
            "others": message.others,
            **({"more": message.more} if message.more else {}),
            "transitions": message.transitions[:_MOST_TRANSITIONS],
            **({"more_transitions": further} if further > 0 else {}),
            **({"text": message.text} if message.text else {}),
            **({"note": message.note} if message.note else {}),
        },
    }


class Webhook(HttpNotifier):
    """Sends messages as CloudEvents.

    Args:
        settings: of this receiver.
        link: template of the page of an incident.
    """

    class Settings(HttpSettings):
        """Settings of a webhook."""

        secret: str = Field(default="", description="File or `env:NAME` of the key of the HMAC.")

    def __init__(self, settings: Settings, link: str) -> None:
        super().__init__(settings, link)
        self._key = secret(settings.secret).encode() if settings.secret else None

    def render(self, message: Handed, reference: str) -> Request | None:
        """A CloudEvent in JSON."""
        del reference
        event = cloud_event(message, self._link)
        body = msgspec.json.encode(event)
        headers = {"content-type": "application/cloudevents+json"}
        if self._key is not None:
            digest = hmac.new(self._key, body, hashlib.sha256).hexdigest()
            headers["x-padit-signature"] = f"sha256={digest}"
        return Request("POST", self._url, headers, body)


NOTIFIER = Webhook
