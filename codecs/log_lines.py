"""Log records: one line or one object at a time, and what a posted body holds.

`padit.codecs.logs` holds the formats; `LineParser` there reads the lines of a file.
A message's *template* is the message with everything that varies (numbers, hashes, identifiers,
quoted text, addresses) replaced; a template that was never seen before is reported.
"""

from datetime import UTC, datetime
from typing import Any

from padit.codecs.logs.levels import ERRORS as ERROR_LEVELS
from padit.codecs.logs.levels import level_by_number, level_by_word
from padit.codecs.logs.objects import Context, read_object
from padit.codecs.logs.parser import LineParser
from padit.codecs.logs.posted import objects_of
from padit.codecs.logs.record import LogRecord, Notes, Settings, template_of

__all__ = [
    "ERROR_LEVELS",
    "LogRecord",
    "from_object",
    "level_of",
    "objects_of",
    "parse_line",
    "template_of",
]


def parse_line(line: str, service: str, received: float, pattern: Any = None) -> LogRecord:
    """One line by itself; one that is blank or binary is its own message.

    Args:
        line: without its line break.
        service: for lines that name none.
        received: epoch seconds, for lines without a time.
        pattern: a compiled expression with the groups timestamp, service, level, message,
            latency_ms; others become attributes. A line that does not match is plain text.
    """
    parser = LineParser(service, Settings(pattern=pattern))
    made = parser.feed([line.encode("utf-8", "replace")], received) + parser.flush()
    return made[0] if made else from_object({"message": line}, service, received)


def from_object(
    fields: dict[str, Any], service: str, received: float, context: Context | None = None
) -> LogRecord:
    """A record from named fields; unknown ones become attributes."""
    context = context or Context(Settings(), Notes())
    now = datetime.fromtimestamp(received, UTC)
    context.at(now, now)
    return read_object(fields, service, context)


def level_of(value: Any) -> str:
    """A level in the spelling of `LogRecord.level`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return level_by_number(value, "auto") or str(value)[:20]
    return level_by_word(str(value or ""))
