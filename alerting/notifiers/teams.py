"""Microsoft Teams through a Workflows webhook: an adaptive card of at most 28 KB.

A 202 means that the workflow has taken it, not that it is posted; Teams does not say more.
"""

from typing import Any

import msgspec

from padit.alerting.effects import Handed
from padit.alerting.notifiers.base import (
    HttpNotifier,
    HttpSettings,
    Request,
    headline,
    lines_of,
    link_to,
)

__all__ = ["Teams"]

_LARGEST = 28_000


class Teams(HttpNotifier):
    """Posts adaptive cards.

    Args:
        settings: of this receiver; the address is a secret, so give `url_file`.
        link: template of the page of an incident.
    """

    class Settings(HttpSettings):
        """Settings of a workflow."""

    def render(self, message: Handed, reference: str) -> Request | None:
        """A card; as many members as its size allows."""
        del reference
        view = message.view
        lines = lines_of(message)
        link = link_to(self._link, view)
        while True:
            body = msgspec.json.encode(_card(headline(message), lines, link))
            if len(body) <= _LARGEST or not lines:
                return Request("POST", self._url, {"content-type": "application/json"}, body)
            lines = lines[: len(lines) // 2]


def _card(title: str, lines: list[str], link: str) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": title[:2000], "weight": "bolder", "wrap": True}
    ]
    blocks += [{"type": "TextBlock", "text": one[:500], "wrap": True} for one in lines]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
    }
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Incident in PADIT", "url": link}]
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [content]}


NOTIFIER = Teams
