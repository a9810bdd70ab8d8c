"""Log lines to records: JSON, logfmt, or plain text by a pattern.

A record has a time, a service, a level, a message, a latency where the line has one, and the rest
as attributes. A message's *template* is the message with everything that varies (numbers, hashes,
identifiers, quoted text, addresses) replaced; a template that was never seen before is reported.
"""

import json
import math
import re
from typing import Any

import msgspec

from padit.domain.timestamps import MICROS, format_utc, parse_timestamp

__all__ = [
    "ERROR_LEVELS",
    "LogRecord",
    "from_object",
    "level_of",
    "objects_of",
    "parse_line",
    "template_of",
]

ERROR_LEVELS = frozenset(("ERROR", "CRITICAL", "FATAL", "ALERT", "EMERGENCY", "PANIC"))
_LEVELS = {
    "ERR": "ERROR",
    "WARN": "WARNING",
    "CRIT": "CRITICAL",
    "EMERG": "EMERGENCY",
    "NOTICE": "INFO",
    "INFORMATION": "INFO",
}
_NUMERIC = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL", 60: "FATAL"}
_MOST_MESSAGE = 16_384
_TIME_KEYS = ("timestamp", "@timestamp", "time", "ts", "datetime")
_SERVICE_KEYS = ("service", "service.name", "service_name", "app", "logger", "name")
_LEVEL_KEYS = ("level", "severity", "levelname", "lvl", "log.level")
_MESSAGE_KEYS = ("message", "msg", "event", "body")
_LATENCIES = {  # name of a field: factor to milliseconds
    "latency_ms": 1.0,
    "duration_ms": 1.0,
    "elapsed_ms": 1.0,
    "response_time_ms": 1.0,
    "took_ms": 1.0,
    "latency": 1.0,
    "latency_s": 1e3,
    "duration_s": 1e3,
    "elapsed": 1e3,
    "duration": 1e3,
}
_STAMP = re.compile(
    r"^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)\]?\s*"
)
_LEVEL = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|ALERT|EMERG(?:ENCY)?|PANIC)\b"
)
_LATENCY = re.compile(
    r"\b(?:latency|duration|took|elapsed|response[_ ]time)(_ms|_s)?\s*[=:]?\s*"
    r"(\d{1,12}(?:\.\d{1,9})?)\s*(ms|us|s)?\b",
    re.IGNORECASE,
)
_LOGFMT = re.compile(r'([A-Za-z_@][\w.@-]{0,63})=("(?:[^"\\]|\\.)*"|[^\s"]*)')
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
        message: at most 16 KiB.
        latency_ms: duration of what was logged, milliseconds.
        template: the message without what varies.
        attributes: everything else.
    """

    timestamp: str
    service: str
    level: str
    message: str
    latency_ms: float | None = None
    template: str = ""
    attributes: dict[str, Any] = {}

    @property
    def is_error(self) -> bool:
        """Whether it reports an error."""
        return self.level in ERROR_LEVELS


def objects_of(body: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """Posted records, and why others are unusable: a JSON object, an array, or one per line.

    >>> objects_of(b'[{"message": "x"}, 7]')
    ([{'message': 'x'}], ['record 2 is no JSON object'])
    """
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _objects_by_line(body)
    items = content if isinstance(content, list) else [content]
    refused = [
        f"record {number} is no JSON object"
        for number, item in enumerate(items, 1)
        if not isinstance(item, dict)
    ]
    return [item for item in items if isinstance(item, dict)], refused


def _objects_by_line(body: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    found: list[dict[str, Any]] = []
    refused: list[str] = []
    for number, line in enumerate(body.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refused.append(f"line {number}: neither JSON nor one JSON object per line: {error}")
            continue
        if isinstance(item, dict):
            found.append(item)
        else:
            refused.append(f"line {number} is no JSON object")
    return found, refused


def template_of(message: str) -> str:
    """The message with what varies replaced.

    >>> template_of("user 42 failed: 'no route' after 3.5 s (id 9f86d081884c7d65)")
    'user <n> failed: <text> after <n> s (id <hex>)'
    """
    text = message[:500]
    for pattern, sign in _TEMPLATE:
        text = pattern.sub(sign, text)
    return text


def parse_line(line: str, service: str, received: float, pattern: Any = None) -> LogRecord:
    """One line of a file.

    Args:
        line: without its line break.
        service: for lines that name none.
        received: epoch seconds, for lines without a time.
        pattern: a compiled expression with the groups timestamp, service, level, message,
            latency_ms; others become attributes. A line that does not match is plain text.
    """
    if pattern is not None:
        found = pattern.search(line)
        if found:
            fields = {key: text for key, text in found.groupdict().items() if text is not None}
            return from_object({"message": line, **fields}, service, received)
    if line.lstrip()[:1] == "{":
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            content = None
        if isinstance(content, dict):
            return from_object(content, service, received)
    pairs = {key: _unquoted(text) for key, text in _LOGFMT.findall(line)}
    if any(key in pairs for key in _MESSAGE_KEYS):
        return from_object(pairs, service, received)
    return _plain(line, service, received)


def _unquoted(text: str) -> str:
    if text[:1] != '"':
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _plain(line: str, service: str, received: float) -> LogRecord:
    stamp = _STAMP.match(line)
    message = line[stamp.end() :] if stamp else line
    level = _LEVEL.search(message[:200])
    latency = _LATENCY.search(message[:2000])
    fields: dict[str, Any] = {"message": message}
    if stamp:
        fields["timestamp"] = stamp[1].replace(",", ".")
    if level:
        fields["level"] = level[1]
    if latency:
        unit = (latency[3] or (latency[1] or "_ms").lstrip("_")).lower()
        fields["latency_ms"] = float(latency[2]) * {"ms": 1.0, "s": 1e3, "us": 1e-3}[unit]
    return from_object(fields, service, received)


def from_object(fields: dict[str, Any], service: str, received: float) -> LogRecord:
    """A record from named fields; unknown ones become attributes."""
    rest = dict(fields)
    message = str(_taken(rest, _MESSAGE_KEYS) or "")[:_MOST_MESSAGE]
    named = _taken(rest, _SERVICE_KEYS)
    found = LogRecord(
        timestamp=_time(_taken(rest, _TIME_KEYS), received),
        service=str(named or service)[:200],
        level=level_of(_taken(rest, _LEVEL_KEYS)),
        message=message,
        latency_ms=_latency(rest),
        template=template_of(message),
    )
    found.attributes = {str(key)[:200]: value for key, value in rest.items()}
    return found


def _taken(fields: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if fields.get(name) not in (None, ""):
            return fields.pop(name)
    return None


def _time(value: Any, received: float) -> str:
    micros = 0
    if isinstance(value, str) and value.replace(".", "", 1).isdigit() and len(value) < 20:
        value = float(value)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            micros = parse_timestamp(value)
        except (ValueError, OverflowError):
            micros = 0
    try:
        return format_utc(micros if micros > 0 else int(received * MICROS))
    except (OverflowError, ValueError):
        return format_utc(int(received * MICROS))


def level_of(value: Any) -> str:
    """A level in the spelling of `LogRecord.level`."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _NUMERIC.get(value, str(value)[:20])
    text = str(value or "").strip().upper()[:20]
    return _LEVELS.get(text, text)


def _latency(fields: dict[str, Any]) -> float | None:
    for name, factor in _LATENCIES.items():
        value = fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            continue
        try:
            milliseconds = float(value) * factor
        except (ValueError, OverflowError):
            continue
        if math.isfinite(milliseconds) and milliseconds >= 0:
            return milliseconds
    return None
