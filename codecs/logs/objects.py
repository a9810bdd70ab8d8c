"""JSON objects to records: a table of loggers, and one reader for what they have in common.

A logger whose fields do not mean what their names say (Serilog, journald, GELF, Loguru) is a small
class that gives its fields their common names. ECS, pino, bunyan, zap, zerolog, logrus,
slog, Logback, structlog, python-json-logger and hclog use common names already.
"""

import re
from datetime import UTC, datetime
from typing import Any, ClassVar, NamedTuple, Protocol

from padit.codecs.logs.durations import DURATION_RANK, duration_ms
from padit.codecs.logs.levels import KNOWN, level_by_number, level_by_word, level_in_text
from padit.codecs.logs.record import ANSI, MOST_MESSAGE, LogRecord, Notes, Settings, template_of
from padit.codecs.logs.times import format_time, time_of

__all__ = ["FORMS", "Context", "access_level", "read_object"]

_KEYS: dict[str, tuple[str, ...]] = {
    "time": ("timestamp", "@timestamp", "time", "ts", "datetime", "asctime", "date", "eventTime",
             "time_iso8601",
        "time_local", "timeUnixNano", "msec"),
    "service": (
        "service", "service.name", "service_name", "app", "application", "logger", "name",
    ),
    "level": ("level_name", "levelname", "level", "severity", "log.level", "lvl", "loglevel",
              "log_level", "logLevel", "LogLevel", "severity_text", "severityText",
              "SeverityText", "@level", "levelno", "level_value", "severity_number",
              "severityNumber", "SeverityNumber"),
    "message": ("message", "msg", "event", "body", "@message", "short_message",
                "RenderedMessage", "MessageTemplate", "text",
        "log",
        "textPayload",
        "error",
        "request",
    ),
}  # fmt: skip
_ROLES = {
    form: (role, rank)
    for role, names in _KEYS.items()
    for rank, name in enumerate(names)
    for form in {name.upper(), name[:1].upper() + name[1:], name}
}
del _ROLES["Name"]  # of a person or a thing, where names begin with a capital
_ROLES |= {name: ("latency", rank) for name, rank in DURATION_RANK.items()}
_NESTED = ("log", "service", "event")
_PYTHON = ("levelno", "levelname", "funcName", "lineno", "pathname")
_REQUESTS = frozenset(
    ("request", "request_uri", "request_method", "method", "uri", "url", "path", "http_method")
)
_PLACEHOLDER = re.compile(r"\{[@$]?(\w{1,64})(?:[,:][^{}]{0,32})?\}")


class Context:
    """What reading a line needs beside the line.

    Args:
        settings: how lines are read.
        notes: where it is said what was noticed.
    """

    def __init__(self, settings: Settings, notes: Notes) -> None:
        self.settings = settings
        self.notes = notes
        self.nanos: set[str] = set()
        self.plans: dict[tuple[str, ...], Any] = {}
        self.reference = self.received = datetime.fromtimestamp(0, UTC)
        self.arrival = ""

    def at(self, received: datetime, reference: datetime) -> None:
        """Set the times that stand in for those a line does not have."""
        self.received, self.reference = received, reference
        self.arrival = format_time(received)

    def level(self, value: Any, scale: str = "auto") -> str:
        """A level by word or number."""
        settings = self.settings
        if isinstance(value, dict):  # Loguru
            value = value.get("name")
        if isinstance(value, str):
            if not settings.levels and value.isalpha():
                return level_by_word(value)
            value = ANSI.sub("", value).strip()
        named = settings.levels.get(str(value).upper()) if settings.levels else None
        if named is not None:
            return named
        return self._level(value, settings.scale if settings.scale != "auto" else scale)

    def _level(self, value: Any, scale: str) -> str:
        if isinstance(value, str):
            if not (value.isdecimal() and value.isascii() and len(value) < 7):
                return level_by_word(value)
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return ""
        return level_by_number(value, scale) or str(value)[:20]

    def stated(self, text: str, *, strict: bool = False) -> str:
        """The level that a text states; by the configured words first."""
        levels = self.settings.levels
        if levels:
            for token in text[:200].split(None, 6)[:6]:
                found = levels.get(token.strip("[]<>():,|").upper())
                if found is not None:
                    return found
        return level_in_text(text, strict=strict)

    def duration(self, name: str, value: Any, *, go: bool = False) -> float | None:
        """Milliseconds of a field; None if it is no duration."""
        before = len(self.nanos)
        bare = self.settings.bare
        found = duration_ms(name, value, go=go, bare=bare, nanos=self.nanos)
        if len(self.nanos) > before:
            self.notes.note("duration_unit", f"{name}={value}")
        return found

    def time(self, value: Any) -> str:
        """RFC 3339 of a field; the time of arrival if it is none, which is noted."""
        found = time_of(value, self.settings.zone, self.reference)
        if found is not None:
            return format_time(found)
        if value is not None:
            self.notes.note("time", str(value)[:100])
        return self.arrival


class Form(Protocol):
    """A logger whose fields have other names or meanings.

    Attributes:
        name: as in the option `format`.
        marks: a record with one of these fields is of this form.
    """

    name: ClassVar[str]
    marks: ClassVar[tuple[str, ...]]

    def named(self, fields: dict[str, Any], context: Context) -> dict[str, Any] | None:
        """The fields by their common names, `level` as a word; None if it is not this form."""


class Serilog:
    """Serilog's compact JSON; without `@l` a record is Information."""

    name: ClassVar[str] = "serilog"
    marks: ClassVar[tuple[str, ...]] = ("@t", "@mt", "@m")

    def named(self, fields: dict[str, Any], context: Context) -> dict[str, Any] | None:
        """See `Form`."""
        rest = dict(fields)
        template = str(rest.pop("@mt", ""))
        message = rest.pop("@m", None)
        if message is None:
            message = _PLACEHOLDER.sub(lambda one: str(fields.get(one[1], one[0])), template)
        level = rest.pop("@l", "Information")
        return {"timestamp": rest.pop("@t", None), "message": message, **rest, "level": level}


class Journald:
    """`journalctl -o json`: syslog severities, microseconds, a message that may be bytes."""

    name: ClassVar[str] = "journald"
    marks: ClassVar[tuple[str, ...]] = (
        "__REALTIME_TIMESTAMP",
        "_SOURCE_REALTIME_TIMESTAMP",
        "SYSLOG_IDENTIFIER",
    )

    def named(self, fields: dict[str, Any], context: Context) -> dict[str, Any] | None:
        """See `Form`."""
        rest = dict(fields)
        message = rest.pop("MESSAGE", "")
        if isinstance(message, list) and all(isinstance(b, int) and 0 <= b < 256 for b in message):
            message = bytes(message).decode("utf-8", "replace")
        stamp = rest.pop("__REALTIME_TIMESTAMP", None) or rest.get("_SOURCE_REALTIME_TIMESTAMP")
        service = rest.pop("SYSLOG_IDENTIFIER", None) or rest.get("_SYSTEMD_UNIT")
        level = context.stated(str(message), strict=True) or context.level(
            rest.pop("PRIORITY", None), "syslog"
        )
        return {**rest, "timestamp": stamp, "service": service, "level": level, "message": message}


class Gelf:
    """Graylog's GELF: syslog severities; a record without `level` has none."""

    name: ClassVar[str] = "gelf"
    marks: ClassVar[tuple[str, ...]] = ("short_message",)

    def named(self, fields: dict[str, Any], context: Context) -> dict[str, Any] | None:
        """See `Form`."""
        rest = {key.removeprefix("_"): value for key, value in fields.items()}
        message = rest.pop("short_message")
        if "level" in rest:
            rest["level"] = context.level(rest["level"], "syslog")
        return {"message": message, **rest}


class Loguru:
    """Loguru's `serialize=True`: everything under `record`."""

    name: ClassVar[str] = "loguru"
    marks: ClassVar[tuple[str, ...]] = ("record",)

    def named(self, fields: dict[str, Any], context: Context) -> dict[str, Any] | None:
        """See `Form`."""
        record = fields["record"]
        if not isinstance(record, dict) or "message" not in record:
            return None
        rest = dict(record)
        stamp, took = rest.pop("time", None), rest.pop("elapsed", None)
        if isinstance(stamp, dict):
            stamp = stamp.get("timestamp")
        return {**rest, "timestamp": stamp, "since_start": took}


FORMS: tuple[Form, ...] = (Serilog(), Journald(), Gelf(), Loguru())
_MARKS = {mark: form for form in reversed(FORMS) for mark in form.marks}
_LONGEST_NAME = 200
_MOST_PLANS = 500
_MOST_NAMES = 100


class _Plan(NamedTuple):
    """What the names of an object's fields say, kept for the next object with the same names.

    Attributes:
        form: the logger with names of its own, None for one with common names.
        nested: names that may hold an object.
        time, service, level, message, latency: names with that meaning, the best first.
        python: whether numbers are on Python's scale.
        go: whether the logger is logrus or slog, whose durations are nanoseconds.
        request: whether it is about an HTTP request.
        long: whether a name is longer than an attribute's may be.
    """

    form: Form | None
    nested: tuple[str, ...]
    time: tuple[str, ...]
    service: tuple[str, ...]
    level: tuple[str, ...]
    message: tuple[str, ...]
    latency: tuple[str, ...]
    python: bool
    go: bool
    request: bool
    long: bool


def _plan(names: tuple[str, ...]) -> _Plan:
    roles: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        kind, rank = _ROLES.get(name, ("", 0))
        roles.setdefault(kind, []).append((rank, name))

    def best(kind: str) -> tuple[str, ...]:
        return tuple(name for _, name in sorted(roles.get(kind, ())))

    return _Plan(
        next((_MARKS[name] for name in names if name in _MARKS), None),
        tuple(name for name in _NESTED if name in names),
        best("time"), best("service"), best("level"), best("message"), best("latency"),
        python=any(name in names for name in _PYTHON),
        go="msg" in names and "time" in names and "level" in names,
        request=not _REQUESTS.isdisjoint(names),
        long=any(len(name) > _LONGEST_NAME for name in names),
    )  # fmt: skip


def read_object(fields: dict[str, Any], service: str, context: Context) -> LogRecord:
    """A record from named fields; those without a meaning become attributes."""
    plan = _planned(fields, context)
    if plan.form is not None:
        fields = plan.form.named(fields, context) or fields
        plan = _planned(fields, context)
    for key in plan.nested:
        inner = fields.get(key)
        if isinstance(inner, dict):
            fields = _flat(fields, key, inner)
            plan = _planned(fields, context)
    return _common(fields, plan, service, context)


def _planned(fields: dict[str, Any], context: Context) -> _Plan:
    names = tuple(fields)
    plan = context.plans.get(names)
    if plan is None:
        plan = _plan(names)
        if not plan.long and len(names) <= _MOST_NAMES:
            if len(context.plans) >= _MOST_PLANS:
                context.plans.clear()
            context.plans[names] = plan
    return plan


def _flat(fields: dict[str, Any], key: str, inner: dict[str, Any]) -> dict[str, Any]:
    """ECS may nest or dot its names."""
    rest = {name: value for name, value in fields.items() if name != key}
    return rest | {f"{key}.{name}": value for name, value in inner.items()}


def _common(fields: dict[str, Any], plan: _Plan, service: str, context: Context) -> LogRecord:
    rest = dict(fields)
    stamp = _taken(rest, plan.time)
    message = _taken(rest, plan.message)
    text = message if isinstance(message, str) else "" if message is None else str(message)
    if "\x1b" in text:
        text = ANSI.sub("", text)
    named = _taken(rest, plan.service)
    record = LogRecord(
        context.time(stamp),
        service if named is None else str(named)[:200],
        _level(rest, plan, text, context),
        text[:MOST_MESSAGE],
        None,
        template_of(text),
        rest,
    )
    for name in plan.latency:
        go = plan.go and isinstance(stamp, str)
        record.latency_ms = context.duration(name, fields[name], go=go)
        if record.latency_ms is not None:
            break
    if plan.long:
        record.attributes = {key[:_LONGEST_NAME]: value for key, value in rest.items()}
    return record


def _taken(rest: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        value = rest[name]
        if value is not None and value != "" and not isinstance(value, list | dict):
            del rest[name]
            return value
    return None


def _level(rest: dict[str, Any], plan: _Plan, text: str, context: Context) -> str:
    for name in plan.level:
        value = rest[name]
        if value is None or value == "":
            continue
        del rest[name]
        scale = "python" if plan.python and not isinstance(value, str) else "auto"
        if name[-6:].lower() == "number":
            scale = "otel"
        return context.level(value, scale)
    status = rest.get("status")
    if status is not None and plan.request:
        return access_level(str(status), context.settings)
    if isinstance(status, str) and level_by_word(status) in KNOWN:
        return level_by_word(status)
    return context.stated(text) if text else ""


def access_level(status: str, settings: Settings) -> str:
    """The level of an HTTP answer: 500 and above is an error, 400 to 499 as configured."""
    if len(status) != 3 or not status.isdecimal():
        return ""
    if status >= "500":
        return "ERROR"
    return settings.client_errors if status >= "400" else "INFO"
