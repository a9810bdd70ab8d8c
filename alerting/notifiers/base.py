"""What a notifier is, what it makes, and how a secret reaches it."""

import os
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple, Protocol

from pydantic import AfterValidator, Field

from padit.alerting.effects import Handed, MemberView, View
from padit.domain.config import Section
from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import MICROS, format_utc
from padit.ops.retrying import asked_wait

__all__ = [
    "HttpNotifier",
    "HttpSettings",
    "Notifier",
    "Picture",
    "PictureError",
    "Request",
    "Result",
    "checked_url",
    "headline",
    "lines_of",
    "link_to",
    "plain",
    "secret",
    "subject_of",
]

_LONGEST_SECRET = 10_000
_OFTEN = 3  # fewer beginnings are no coming and going
_MOST_EDGES = 3


class Request(NamedTuple):
    """One HTTP request, ready to be sent.

    Attributes:
        method: of HTTP.
        url: where.
        headers: by name.
        body: bytes.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Picture(NamedTuple):
    """A plot for a message.

    Attributes:
        png: its bytes.
        name: the series, for people who cannot see it.
        reference: what the receiver called it when it was uploaded; empty where it goes along.
    """

    png: bytes
    name: str
    reference: str = ""


class Result(NamedTuple):
    """What came of an attempt.

    Attributes:
        state: `delivered`, `retry` or `dead`.
        reason: for people; holds no secret.
        after: seconds that the receiver wants to wait, or 0.
        reference: what the receiver calls the message.
    """

    state: str
    reason: str = ""
    after: float = 0.0
    reference: str = ""


class PictureError(Exception):
    """A picture could not be uploaded; its message goes without it, and says so."""


class Notifier(Protocol):
    """A kind of receiver.

    One that shows pictures has `shows_pictures = True`, and its `render` takes a `Picture` or None
    as third argument. If pictures are uploaded before, it has `upload(picture, post)`, too, which
    gives the picture with its reference, or raises `PictureError`. One that takes only so many
    messages has `pause_sec`, the seconds between two.

    Attributes:
        Settings: of one receiver, without `kind`.
    """

    Settings: ClassVar[type[Section]]

    def render(self, message: Handed, reference: str) -> Request | None:
        """The request of a message; None: this receiver is not sent this kind.

        Args:
            message: of the engine.
            reference: of the first message of the same incident; empty without one.
        """

    def result(self, status: int, headers: dict[str, str], body: bytes) -> Result:
        """What an answer means."""


def checked_url(url: str) -> str:
    """An address that is encrypted, or of this machine.

    Raises:
        ValueError: it is neither.
    """
    host = url.split("://", 1)[-1].split("/", 1)[0]
    name = host.rsplit("@", 1)[-1].split(":", 1)[0].strip("[]")
    if url.startswith("https://") or (
        url.startswith("http://") and name in ("127.0.0.1", "localhost")
    ):
        return url
    message = "it must begin with https:// (http:// only for 127.0.0.1)"
    raise ValueError(message)


Url = Annotated[str, AfterValidator(checked_url)]


class HttpSettings(Section):
    """Settings that all receivers over HTTP have."""

    url: Url = Field(default="", description="Address; https, except on this machine.")
    url_file: str = Field(default="", description="File that holds the address, if it is secret.")
    timeout_sec: float = Field(default=10.0, gt=0, le=120, description="Of one attempt.")

    def address(self, default: str = "") -> str:
        """The address, from the file if one is given."""
        found = checked_url(secret(self.url_file)) if self.url_file else self.url or default
        if not found:
            message = "a receiver needs `url` or `url_file`"
            raise ConfigurationError(message)
        return found


class HttpNotifier:
    """What receivers over HTTP share: an address, a link, and the usual meaning of answers.

    Args:
        settings: of this receiver.
        link: template of the page of an incident.
    """

    default_url: ClassVar[str] = ""

    def __init__(self, settings: HttpSettings, link: str) -> None:
        self._url = settings.address(self.default_url)
        self._link = link

    def result(self, status: int, headers: dict[str, str], body: bytes) -> Result:
        """As `by_status`: 429 and 5xx are tried again, all else that is refused is dead."""
        return by_status(status, headers, body)


def secret(place: str) -> str:
    """A secret from a file, or from the environment as `env:NAME`; never from the configuration.

    Raises:
        ConfigurationError: there is none; names the place, not the secret.
    """
    if place.startswith("env:"):
        value = os.environ.get(place[4:], "")
    else:
        try:
            value = Path(place).read_text(encoding="utf-8")[:_LONGEST_SECRET]
        except (OSError, UnicodeDecodeError) as error:
            message = f"the secret {place} cannot be read: {error}"
            raise ConfigurationError(message) from error
    if not value.strip():
        message = f"the secret {place} is empty"
        raise ConfigurationError(message)
    return value.strip()


def headline(message: Handed) -> str:
    """One line for a person.

    Controls and marks that turn text around are taken out, so that a name cannot disguise itself.
    """
    if message.title:
        return plain(message.title)
    if message.kind in _WITHOUT_INCIDENT:
        return _WITHOUT_INCIDENT[message.kind].format(time=format_utc(message.time))
    if message.view is None:
        what = "incidents are over" if message.kind == "digest_over" else "more incidents"
        count = len(message.others) + message.more
        return f"{count} {what}, together because the route's rate is reached"
    return plain(f"{_PREFIX[message.kind]}{_what(message.view)}")


def lines_of(message: Handed, most: int = 20) -> list[str]:
    """What a message shows below its headline: members, the likely cause; or a template's text.

    Args:
        message: to show.
        most: members, or incidents of a digest.
    """
    note = [plain(message.note)] if message.note else []
    if message.text:
        return [plain(one) for one in message.text.splitlines()]
    view = message.view
    if view is None:
        lines = [_line(one) for one in message.others[:most]]
        rest = message.more + len(message.others[most:])
        return [*lines, *([f"and {rest} more"] if rest else []), *note]
    lines = [
        plain(f"{one.severity} {one.source_id} {one.metric_name} since {format_utc(one.opened)}: "
              f"{one.summary}{_taken(one, message.time, ' (', ')')}")
        for one in view.members[:most]
    ]  # fmt: skip
    more = view.more + len(view.members[most:])
    if more:
        lines.append(f"and {more} more")
    whole = _taken(view, message.time)
    often = f"it began {view.began} times" if view.began >= _OFTEN else ""
    behind = (plain(one) for one in (whole, often, *_edges(view)) if one)
    return [*lines, *behind, *_first_cause(view), *note]


def _taken(one: View | MemberView, now: int, before: str = "", behind: str = "") -> str:
    """Who has an incident, or a member of it alone, and for how long; empty: nobody."""
    if not one.acknowledged_by:
        return ""
    minutes = max(now - one.acknowledged_at, 0) // (60 * MICROS)
    age = f" {minutes} min ago" if minutes else ""
    return f"{before}acknowledged by {one.acknowledged_by}{age}{behind}"


def _edges(view: View) -> list[str]:
    """What hangs on what, as adapters state it; a line for each source that others depend on."""
    lines = []
    for below, sources, count in view.edges[:_MOST_EDGES]:
        names = sources[:_MOST_EDGES]
        more = f" and {count - len(names)} more" if count > len(names) else ""
        verb = "depends" if count == 1 else "depend"
        lines.append(f"{', '.join(names)}{more} {verb} on {below} (known from the adapter)")
    return lines


def _first_cause(view: View) -> list[str]:
    """What was likely first, or between which sources that is not decided."""
    if view.decided and view.causes:
        return [plain(f"Likely first: {view.causes[0][0]} ({view.causes[0][2]})")]
    if len(view.causes) > 1:
        names = ", ".join(name for name, _, _ in view.causes)
        return [plain(f"Which was first is not decided; most speaks for {names}")]
    return []


def _line(view: View) -> str:
    first = view.members[0]
    return plain(f"{view.severity} {first.source_id}: {first.summary}")


def subject_of(message: Handed) -> str:
    """What a message is about: the incident, the job, or only itself."""
    if message.view is not None:
        return message.view.id
    about_job = message.kind in ("job_silent", "job_back")
    return f"job of {message.route}" if about_job else message.id


_WITHOUT_INCIDENT = {
    "test": "Weekly test of PADIT: this receiver works",
    "heartbeat": "PADIT works as of {time}",
    "job_silent": "PADIT's job has reported no progress since before {time}: nothing is watched",
    "job_back": "PADIT's job reports progress again as of {time}",
}
_PREFIX = {
    "opened": "",
    "worse": "Worse: ",
    "acknowledged": "Acknowledged: ",
    "resolved": "Over: ",
    "flapping": "Comes and goes: ",
    "steady": "Steady again: ",
    "reminder": "Still open: ",
}


def _what(view: View) -> str:
    first = view.members[0]
    count = len(view.members) + view.more
    others = f" and {count - 1} more" if count > 1 else ""
    cause = view.causes[0][0] if view.decided else first.source_id
    likely = f", likely first {cause}" if cause != first.source_id else ""
    return f"{view.severity} {first.source_id}: {first.summary}{others}{likely}"


def plain(text: str) -> str:
    """One line of text, without controls and marks that change the direction of writing.

    A break of the line in a name would let it write lines of its own, such as that somebody has
    acknowledged it.
    """
    return "".join(
        one if one.isprintable() else " " if one.isspace() else "\N{REPLACEMENT CHARACTER}"
        for one in text
    )


def link_to(template: str, view: View | None) -> str:
    """The page of an incident at its event time; empty without a template."""
    if not template or view is None:
        return ""
    return template.replace("{incident}", view.id).replace("{time}", format_utc(view.opened))


def by_status(status: int, headers: dict[str, str], body: bytes, reference: str = "") -> Result:
    """The usual meaning of an answer of HTTP."""
    if 200 <= status < 300:
        return Result("delivered", reference=reference)
    shown = plain(body[:200].decode("utf-8", "replace"))
    if status == 429 or status >= 500:
        return Result("retry", f"HTTP {status} {shown}", asked_wait(headers))
    return Result("dead", f"HTTP {status} {shown}")
