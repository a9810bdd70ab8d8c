"""Slack: posts a message for an incident, and edits it when something changes.

With `token` the Web API is used (chat.postMessage, chat.update), so that an incident is one
message; an incoming webhook (`url_file`) can only post, and shows no plots. A plot is uploaded
first (scope files:write), and then shown by its id.
https://docs.slack.dev/reference/methods/chat.postMessage
https://docs.slack.dev/reference/methods/files.getUploadURLExternal
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import msgspec
from pydantic import Field, model_validator

from padit.alerting.effects import Handed
from padit.alerting.messages import shortened
from padit.alerting.notifiers.base import (
    HttpSettings,
    Picture,
    PictureError,
    Request,
    Result,
    by_status,
    checked_url,
    headline,
    lines_of,
    link_to,
    secret,
)

__all__ = ["Slack"]

_API = "https://slack.com/api"
_LONGEST_TEXT = 2900
_MOST_LINES = 8
_RETRY = {"ratelimited", "internal_error", "service_unavailable", "request_timeout", "fatal_error"}
_MARKS = {"INFO": ":information_source:", "WARNING": ":warning:", "CRITICAL": ":rotating_light:"}
_ANEW = {
    "worse", "flapping", "reminder", "digest", "digest_over", "test", "heartbeat", "job_silent",
    "job_back",
}  # fmt: skip


class Slack:
    """Posts to one channel.

    Args:
        settings: of this receiver.
        link: template of the page of an incident.
    """

    class Settings(HttpSettings):
        """Settings of a channel."""

        token: str = Field(default="", description="File or `env:NAME` of a bot token.")
        channel: str = Field(default="", description="Id of the channel, with a token.")

        @model_validator(mode="after")
        def _one_way(self) -> "Slack.Settings":
            if bool(self.token) != bool(self.channel):
                message = "`token` and `channel` go together"
                raise ValueError(message)
            return self

    def __init__(self, settings: Settings, link: str) -> None:
        self._url = settings.address(_API if settings.token else "")
        self._token = secret(settings.token) if settings.token else ""
        self._channel = settings.channel
        self._link = link

    pause_sec = 1.0  # a message a second and channel is what Slack takes

    @property
    def shows_pictures(self) -> bool:
        """An incoming webhook cannot upload."""
        return bool(self._token)

    def upload(self, picture: Picture, post: Callable[[Request], tuple[int, bytes]]) -> Picture:
        """Bring a plot to Slack; see `Notifier`."""
        form = "application/x-www-form-urlencoded"
        asked = urlencode(
            {"filename": "plot.png", "length": len(picture.png), "alt_txt": shortened(picture.name)}
        )
        place = self._call(post, "files.getUploadURLExternal", form, asked.encode())
        address, name = str(place.get("upload_url", "")), str(place.get("file_id", ""))
        try:
            checked_url(address)
        except ValueError as error:
            message = "Slack gave no address to upload to"
            raise PictureError(message) from error
        status, _ = post(Request("POST", address, {"content-type": "image/png"}, picture.png))
        if status != 200:
            message = f"the upload was answered by HTTP {status}"
            raise PictureError(message)
        files = msgspec.json.encode(
            {"files": [{"id": name, "title": shortened(picture.name, 200)}]}
        )
        self._call(post, "files.completeUploadExternal", "application/json; charset=utf-8", files)
        return picture._replace(reference=name)

    def _call(
        self, post: Callable[[Request], tuple[int, bytes]], method: str, kind: str, body: bytes
    ) -> dict[str, Any]:
        headers = {"content-type": kind, "authorization": f"Bearer {self._token}"}
        status, answered = post(Request("POST", f"{self._url}/{method}", headers, body))
        try:
            answer = msgspec.json.decode(answered, type=dict[str, Any])
        except msgspec.DecodeError:
            answer = {}
        if status != 200 or answer.get("ok") is not True:
            reason = str(answer.get("error", ""))[:100] or f"HTTP {status}"
            message = f"{method}: {reason}"
            raise PictureError(message)
        return answer

    def render(
        self, message: Handed, reference: str, picture: Picture | None = None
    ) -> Request | None:
        """A message of blocks; one that edits the first where Slack allows it."""
        view = message.view
        content: dict[str, Any] = {
            "text": shortened(_escaped(headline(message)), _LONGEST_TEXT),
            "blocks": self._blocks(message, picture),
        }
        headers = {"content-type": "application/json; charset=utf-8"}
        url = self._url
        if self._token:
            headers["authorization"] = f"Bearer {self._token}"
            content["channel"] = self._channel
            edits = reference and message.kind not in _ANEW
            url += "/chat.update" if edits else "/chat.postMessage"
            if edits:
                content["ts"] = reference
            elif reference and view is not None:
                content["thread_ts"], content["reply_broadcast"] = reference, True
        return Request("POST", url, headers, msgspec.json.encode(content))

    def _blocks(self, message: Handed, picture: Picture | None) -> list[dict[str, Any]]:
        view = message.view
        mark = _MARKS[view.severity] if view is not None else ":information_source:"
        blocks = [_section(f"{mark} *{_escaped(headline(message))}*")]
        lines = [f"• {one}" for one in lines_of(message, _MOST_LINES)]
        if lines:
            blocks.append(_section(_escaped("\n".join(lines))))
        if picture is not None and picture.reference:
            blocks.append(
                {"type": "image", "slack_file": {"id": picture.reference},
                 "alt_text": shortened(picture.name, 1000)}
            )  # fmt: skip
        if view is not None:
            link = link_to(self._link, view)
            if link:
                blocks.append(_section(f"<{_escaped(link)}|Incident in PADIT>"))
        return blocks

    def result(self, status: int, headers: dict[str, str], body: bytes) -> Result:
        """The Web API answers 200 also when it refuses; `ok` says which."""
        if not self._token or not 200 <= status < 300:
            return by_status(status, headers, body)
        try:
            answer = msgspec.json.decode(body, type=dict[str, Any])
        except msgspec.DecodeError:
            return Result("retry", "the answer is no JSON")
        if answer.get("ok") is True:
            return Result("delivered", reference=str(answer.get("ts", "")))
        error = str(answer.get("error", ""))[:100]
        return Result("retry" if error in _RETRY else "dead", f"Slack: {error}")


def _section(text: str) -> dict[str, Any]:
    """A block; `verbatim`, or Slack would make mentions and links of plain words such as @here."""
    return {
        "type": "section",
        "text": {
            "type": "mrkdwn", "text": shortened(text, _LONGEST_TEXT) or " ", "verbatim": True,
        },
    }  # fmt: skip


def _escaped(text: str) -> str:
    """Slack's three characters, so that a name can neither mention people nor make a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


NOTIFIER = Slack
