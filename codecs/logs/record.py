"""A log record, and what is said about reading it: settings, notes, templates."""

import re
from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

import msgspec

from padit.codecs.logs.levels import ERRORS, KNOWN

__all__ = ["ANSI", "MOST_MESSAGE", "LogRecord", "Notes", "Settings", "template_of"]

MOST_MESSAGE = 16_384
ANSI = re.compile(
    r"\x1b(?:\[[0-9;:?]{0,32}[ -/]?[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\)|[@-Z\\-_])"
)
_TEMPLATE = (
    (re.compile(r"\"[^\"]{0,1000}\"|'[^']{0,1000}'"), "<text>"),
    (re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"), "<id>"),
    (re.compile(r"\b(?:0x)?(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b"), "<hex>"),
    (re.compile(r"\d+(?:[.:,]\d+)*"), "<n>"),
)


class LogRecord(msgspec.Struct, omit_defaults=True):
    """One log record, as it goes to `logs.ingestion`.

    Attributes:
        timestamp: RFC 3339, UTC.
        service: the program that wrote it.
        level: in capitals; "" if unknown.
        message: at most 16 KiB; the lines of a stack trace belong to it.
        latency_ms: duration of what was logged, milliseconds.
        template: the message without what varies.
        attributes: everything else.
        lines: how many lines of a file it was.
    """

    timestamp: str
    service: str
    level: str
    message: str
    latency_ms: float | None = None
    template: str = ""
    attributes: dict[str, Any] = {}
    lines: int = 1

    @property
    def is_error(self) -> bool:
        """Whether it reports an error."""
        return self.level in ERRORS

    @property
    def is_known(self) -> bool:
        """Whether its level is known."""
        return self.level in KNOWN


class Settings(NamedTuple):
    """How lines are read.

    Attributes:
        form: name of a format, or "auto".
        pattern: a compiled expression for plain lines, or None.
        zone: of times that name none.
        levels: levels of words and numbers, by the word in capitals.
        scale: of numeric levels, one of `levels.SCALES`.
        bare: factor to milliseconds of durations without a unit; None guesses it.
        client_errors: level of HTTP answers 400 to 499.
        multiline: whether lines without a beginning of their own belong to the record before.
    """

    form: str = "auto"
    pattern: re.Pattern[str] | None = None
    zone: tzinfo = UTC
    levels: Mapping[str, str] = {}
    scale: str = "auto"
    bare: float | None = None
    client_errors: str = "INFO"
    multiline: bool = True


class Notes(dict[str, tuple[int, str]]):
    """What was noticed, by kind: how often, and the first example."""

    def note(self, kind: str, example: str, count: int = 1) -> None:
        """Count one more."""
        before = self.get(kind)
        self[kind] = (count, example[:200]) if before is None else (before[0] + count, before[1])


def template_of(message: str) -> str:
    """The message with what varies replaced.

    >>> template_of("user 42 failed: 'no route' after 3.5 s (id 9f86d081884c7d65)")
    'user <n> failed: <text> after <n> s (id <hex>)'
    """
    text = message[:500]
    for pattern, sign in _TEMPLATE:
        text = pattern.sub(sign, text)
    return text
