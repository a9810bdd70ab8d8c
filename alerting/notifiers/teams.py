"""Microsoft Teams through a Workflows webhook: an adaptive card of at most 28 KB.

A 202 means that the workflow has taken it, not that it is posted; Teams does not say more.
"""

from base64 import b64encode
from typing import Any

import msgspec

from padit.alerting.effects import Handed
from padit.alerting.messages import shortened
from padit.alerting.notifiers.base import (
    HttpNotifier,
    HttpSettings,
    Picture,
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

    shows_pictures = True

    def render(
        self, message: Handed, reference: str, picture: Picture | None = None
    ) -> Request | None:
        """A card with a plot; as many members as its size allows."""
        del reference
        view = message.view
        title = _text(shortened(headline(message), 2000), message.title, weight="bolder")
        lines, left = lines_of(message), 0
        link = link_to(self._link, view)
        while True:
            shown = [_text(shortened(one, 500), message.text) for one in [*lines, *_rest(left)]]
            body = msgspec.json.encode(_card([title, *shown], link, picture))
            if len(body) <= _LARGEST or not (lines or picture):
                return Request("POST", self._url, {"content-type": "application/json"}, body)
            if len(lines) <= 1:
                picture = None
            kept = len(lines) // 2
            left += len(lines) - kept
            lines = lines[:kept]


def _rest(lines: int) -> list[str]:
    """Says of a card that is too large how many lines are not on it."""
    return [f"{lines} lines more do not fit on this card"] if lines else []


def _text(text: str, own: str, **look: str) -> dict[str, Any]:
    """A block of text; only a template's own may have Markdown, or a name could make links."""
    if own:
        return {"type": "TextBlock", "text": text, "wrap": True, **look}
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **look}]}


def _card(blocks: list[dict[str, Any]], link: str, picture: Picture | None) -> dict[str, Any]:
    if picture is not None:
        data = b64encode(picture.png).decode()
        blocks.append(
            {
                "type": "Image",
                "url": f"data:image/png;base64,{data}",
                "altText": shortened(picture.name),
            }
        )
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
