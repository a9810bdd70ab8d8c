"""Lines of text to records: a table of formats, tried by a line's first character.

A format claims a line by its whole shape, so the answer depends on the line alone, never on the
lines before it. What no format claims is plain: a time, a level and a duration are looked for in
it.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from padit.codecs.logs.durations import text_duration
from padit.codecs.logs.levels import KNOWN, level_by_word
from padit.codecs.logs.objects import Context, access_level, read_object
from padit.codecs.logs.record import MOST_MESSAGE, LogRecord
from padit.codecs.logs.times import format_time, leading_time, yearless

__all__ = ["FORMATS", "Line", "TextForm", "json_object", "read_line"]

_SYSLOG = ("EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "INFO", "INFO", "DEBUG")
_ESCAPED = re.compile(r"\\(.)")
_MESSAGES = frozenset(("message", "msg", "event", "body", "level", "lvl", "severity"))


class Line(NamedTuple):
    """A line that was read.

    Attributes:
        record: without a template, which is made when the record is complete.
        whole: no later line can belong to it.
        dated: it begins with a time, so that a line without one belongs to it.
        headed: it begins with a time or a level of its own.
        half: its level stands in the next line.
    """

    record: LogRecord
    whole: bool = False
    dated: bool = False
    headed: bool = False
    half: bool = False


class TextForm(Protocol):
    """One format of lines.

    Attributes:
        name: as in the option `format`.
        first: characters with which such a line can begin; "" for any.
    """

    name: ClassVar[str]
    first: ClassVar[str]

    def read(self, text: str, service: str, context: Context) -> Line | None:
        """The line; None if it is not of this format."""


def _severity(priority: str) -> str:
    """The level of a syslog priority; "" of a number that is none."""
    number = int(priority)
    return _SYSLOG[number & 7] if number <= 191 else ""


def _line(
    context: Context, service: str, stamp: str, level: str, message: str,
    attributes: dict[str, Any], *, whole: bool = False,
) -> Line:  # fmt: skip
    bare = context.settings.bare
    record = LogRecord(
        stamp or context.arrival,
        service[:200],
        level,
        message[:MOST_MESSAGE],
        latency_ms=text_duration(message, bare, context.nanos),
        attributes=attributes,
    )
    return Line(record, whole, dated=bool(stamp), headed=True)


def json_object(line: bytes | str) -> dict[str, Any] | None:
    """The JSON object that a line is, None if it is none; NaN and Infinity are let pass."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        try:
            text = line if isinstance(line, str) else line.decode("utf-8", "replace")
            found = json.loads(text)
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


class Klog:
    """Kubernetes' klog and glog: `E0105 00:00:01.000000       1 main.go:11] no route`."""

    name: ClassVar[str] = "klog"
    first: ClassVar[str] = "IWEF"
    _shape = re.compile(
        r"([IWEF])(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{1,9}) +(\d+) ([^\]\s]+:\d+)\] ?(.*)",
        re.DOTALL,
    )
    _levels: ClassVar = {"I": "INFO", "W": "WARNING", "E": "ERROR", "F": "FATAL"}

    def read(self, text: str, service: str, context: Context) -> Line | None:
        """See `TextForm`."""
        found = self._shape.match(text)
        if not found:
            return None
        clock = found.group(4, 5, 6, 7)
        when = yearless(
            int(found[2]), int(found[3]), clock, context.settings.zone, context.reference
        )
        stamp = format_time(when) if when else ""
        rest = {"thread": found[8], "source": found[9]}
        return _line(context, service, stamp, self._levels[found[1]], found[10], rest)


class Syslog5424:
    """RFC 5424: `<11>1 2026-01-05T00:00:01Z host app 123 ID47 [a@1 b="c"] no route`."""

    name: ClassVar[str] = "syslog5424"
    first: ClassVar[str] = "<"
    _shape = re.compile(
        r"<(\d{1,3})>\d{1,2} (\S+) (\S+) (\S+) (\S+) (\S+) "
        r'(-|(?:\[(?:[^\]"]++|"(?:[^"\\]++|\\.)*+")*+\])++) ?(?:\ufeff)?(.*)',
        re.DOTALL,
    )
    _element = re.compile(r'\[([^\s\]=]+)((?: [^\s=\]]+="(?:[^"\\]|\\.)*")*)\s*\]')
    _pair = re.compile(r' ([^\s=\]]+)="((?:[^"\\]|\\.)*)"')

    def read(self, text: str, service: str, context: Context) -> Line | None:
        """See `TextForm`."""
        found = self._shape.match(text)
        if not found or not (severity := _severity(found[1])):
            return None
        stamp = context.time(found[2]) if found[2] != "-" else ""
        names = ("host", "app", "process", "message_id")
        values = zip(names, found.group(3, 4, 5, 6), strict=True)
        rest: dict[str, Any] = {name: value for name, value in values if value != "-"}
        for element, pairs in self._element.findall(found[7]):
            for key, value in self._pair.findall(pairs):
                rest[f"{element}.{key}"] = re.sub(r'\\(["\\\]])', r"\1", value)
        level = context.stated(found[8], strict=True) or severity
        return _line(context, rest.pop("app", service), stamp, level, found[8], rest)


class Syslog3164:
    """RFC 3164, in files without a priority: `<11>Jan  5 00:00:01 host app[123]: no route`."""

    name: ClassVar[str] = "syslog3164"
    first: ClassVar[str] = "<JFMASOND"
    _shape = re.compile(
        r"(?:<(\d{1,3})>)?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:\d{4} )?"
        r"(\d\d:\d\d:\d\d(?:\.\d{1,6})?):? (?:(\S+) )?([\w./@-]{1,64})(?:\[(\d{1,10})\])?: ?(.*)",
        re.DOTALL,
    )

    def read(self, text: str, service: str, context: Context) -> Line | None:
        """See `TextForm`."""
        found = self._shape.match(text)
        if not found:
            return None
        severity = _severity(found[1]) if found[1] else ""
        if found[1] and not severity:
            return None
        begin = found.end(1) + 1 if found[1] else 0
        when, _ = leading_time(text[begin:], context.settings.zone, context.reference)
        if when is None:
            return None
        names = zip(("host", "process"), found.group(5, 7), strict=True)
        rest = {name: value for name, value in names if value}
        level = context.stated(found[8], strict=bool(found[1])) or severity
        return _line(context, found[6], format_time(when), level, found[8], rest)


class SyslogIso:
    """As rsyslog writes, and forwards it: `2026-01-05T00:00:01.123456+00:00 host app[7]: no route`.

    With a priority the time may have any precision, `<11>2026-01-05T00:00:01Z host app: no route`.
    """

    name: ClassVar[str] = "syslog"
    first: ClassVar[str] = "2<"
    _named: ClassVar[str] = r"(\S+) ([\w./@-]{1,64})(?:\[(\d{1,10})\])?: ?(.*)"
    _shape = re.compile(r"()(\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}[+-]\d\d:\d\d) " + _named, re.DOTALL)
    _forwarded = re.compile(
        r"<(\d{1,3})>(\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:\d\d)) " + _named, re.DOTALL
    )

    def read(self, text: str, service: str, context: Context) -> Line | None:
        """See `TextForm`."""
        shape = self._forwarded if text[:1] == "<" else self._shape
        found = shape.match(text) if "T" in text[10:17] else None
        if not found or level_by_word(found[3]) in KNOWN:
            return None
        severity = _severity(found[1]) if found[1] else ""
        if found[1] and not severity:
            return None
        rest = {"host": found[3], "process": found[5]} if found[5] else {"host": found[3]}
        level = context.stated(found[6], strict=bool(found[1])) or severity
        return _line(context, found[4], context.time(found[2]), level, found[6], rest)


class Priority:
    """A priority and a message, as services of systemd and the kernel write: `<3>no route`."""

    name: ClassVar[str] = "priority"
    first: ClassVar[str] = "<"
    _shape = re.compile(r"<(\d{1,3})>(.*)", re.DOTALL)

    def read(self, text: str, service: str, context: Context) -> Line | None:
        """See `TextForm`."""
        found = self._shape.match(text)
        if not found or not (severity := _severity(found[1])):
            return None
        when, end = leading_time(found[2], context.settings.zone, context.reference)
        message = found[2][end:]
        level = context.stated(message, strict=True) or severity
        return _line(context, service, format_time(when) if when else "", level, message, {})


class Access:
    """Access logs of nginx, Apache and their kin: common or combined, with a time taken."""

    name: ClassVar[str] = "access"
    first: ClassVar[str] = ""
    _shape = re.compile(
        r"(?:(\S+) )?(\S+) (\S+) ([^\[\]\"]{1,128}) \[([^\]]{20,40})\] "
        r'"((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?(.*)',
        re.DOTALL,
    )
    _named = re.compile(r"\b(?:rt|request_time|duration)[=:]\"?(\d+(?:\.\d+)?(?:[mun]?s)?)\b")
    _taken = re.compile(r"(?:^|\s)(\d+\.\d+|\d+(?:\.\d+)?[mun]?s)(?=\s|$)")
    _whole = re.compile(r"(?:^|\s)(\d+)\s*$")

    def read(self, text: str, service: str, context: Context) -> Line | None:
        """See `TextForm`."""
        if '] "' not in text:
            return None
        found = self._shape.match(text)
        if not found:
            return None
        when, _ = leading_time(found[5], context.settings.zone, context.reference)
        names = ("host", "client", "identity", "user", "", "request", "status", "bytes", "referrer",
                 "agent")  # fmt: skip
        rest: dict[str, Any] = {
            name: value
            for name, value in zip(names, found.groups(), strict=False)
            if name and value not in (None, "-", "")
        }
        level = access_level(found[7], context.settings)
        message = f"{found[6]} {found[7]}"[:MOST_MESSAGE]
        record = LogRecord(
            format_time(when) if when else context.arrival, service, level, message,
            self._latency(found[11], context), attributes=rest,
        )  # fmt: skip
        return Line(record, whole=True, dated=when is not None, headed=True)

    def _latency(self, end: str, context: Context) -> float | None:
        """A number with a fraction is seconds; a whole one is what `duration_unit` says."""
        if not end:
            return None
        found = self._named.search(end) or self._taken.search(end)
        if found:
            return context.duration("request_time", found[1])
        whole = self._whole.search(end) if context.settings.bare is not None else None
        return float(whole[1]) * (context.settings.bare or 0.0) if whole else None


class Logfmt:
    """`time=2026-01-05T00:00:01Z level=error msg="no route"`, also behind a time."""

    name: ClassVar[str] = "logfmt"
    first: ClassVar[str] = ""
    _begin = re.compile(r"[A-Za-z_@][\w.@-]{0,63}=")
    _pair = re.compile(r'([A-Za-z_@][\w.@-]{0,63})=("(?:[^"\\]|\\.)*"|[^\s"]*)')

    def read(self, text: str, service: str, context: Context) -> Line | None:
        """See `TextForm`."""
        return self.behind("", text, service, context) if self._begin.match(text) else None

    def behind(self, stamp: str, text: str, service: str, context: Context) -> Line | None:
        """Pairs from the beginning of `text`; None if it has no message and no level."""
        if not self._begin.match(text):
            return None
        pairs: dict[str, Any] = {key: _unquoted(value) for key, value in self._pair.findall(text)}
        if _MESSAGES.isdisjoint(pairs):
            return None
        if stamp:
            pairs.setdefault("timestamp", stamp)
        record = read_object(pairs, service, context)
        record.message = record.message or text[:MOST_MESSAGE]
        return Line(record, whole=True, dated=True, headed=True)


class Pattern:
    """Lines that match the configured expression."""

    name: ClassVar[str] = "pattern"
    first: ClassVar[str] = ""

    def read(self, text: str, service: str, context: Context) -> Line | None:
        """See `TextForm`."""
        pattern = context.settings.pattern
        found = pattern.search(text) if pattern is not None else None
        if not found:
            return None
        fields = {key: value for key, value in found.groupdict().items() if value is not None}
        dated = "timestamp" in fields
        record = read_object({"message": text, **fields}, service, context)
        return Line(record, dated=dated, headed=True)


class Plain:
    """Anything else: log4j, logback, Python, Go, Serilog text, error logs of nginx and Apache."""

    name: ClassVar[str] = "plain"
    first: ClassVar[str] = ""

    def read(self, text: str, service: str, context: Context) -> Line:
        """See `TextForm`."""
        when, end = leading_time(text, context.settings.zone, context.reference)
        message = text[end:] if end else text
        stamp = format_time(when) if when else ""
        if end and not when:
            context.notes.note("time", text[:end])
        if end and "=" in message:
            pairs = _LOGFMT.behind(stamp, message, service, context)
            if pairs:
                return pairs
        level = context.stated(message)
        line = _line(context, service, stamp, level, message, {})
        half = not level and text[max(end - 3, 0) : end] in ("AM ", "PM ")
        return line._replace(dated=bool(end), headed=bool(end) or bool(level), half=half)


_LOGFMT, _PLAIN = Logfmt(), Plain()
FORMATS: tuple[TextForm, ...] = (
    Pattern(),
    Klog(),
    Syslog5424(),
    Syslog3164(),
    SyslogIso(),
    Priority(),
    Access(),
    _LOGFMT,
    _PLAIN,
)
_ANY = tuple(form for form in FORMATS if not form.first and form.name != "pattern")
_BY_FIRST = {
    sign: tuple(form for form in FORMATS if sign in form.first) + _ANY
    for sign in sorted({sign for form in FORMATS for sign in form.first})
}
_BY_NAME = {form.name: form for form in FORMATS}


def read_line(text: str, service: str, context: Context) -> Line:
    """A line of text, by the first format that claims it; plain lines are claimed by `Plain`."""
    settings = context.settings
    if settings.pattern is not None:
        found = _BY_NAME["pattern"].read(text, service, context)
        if found is not None:
            return found
    forms: Iterable[TextForm] = _BY_FIRST.get(text[:1], _ANY)
    if settings.form != "auto":
        forms = (_BY_NAME.get(settings.form, _PLAIN), _PLAIN)
    for form in forms:
        found = form.read(text, service, context)
        if found is not None:
            return found
    raise ValueError(text)  # Plain claims every line


def _unquoted(text: str) -> str:
    if text[:1] != '"':
        return text
    return _ESCAPED.sub(r"\1", text[1:-1]) if "\\" in text else text[1:-1]
