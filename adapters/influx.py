"""InfluxDB line protocol: `POST /api/v2/write` (and the older `/write`), for its many clients.

A line is `measurement[,tag=value...] field=value[,field=value...] [timestamp]`. Every numeric
or boolean field is one sample, named `measurement_field`; tags become source and name as in
`adapters.series`. Strings give nothing. Precision is ns, us, ms or s, by the query. A bad line
is answered with 400 and its reason, and the good ones of the same request are taken, as
InfluxDB does.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from pydantic import Field

from padit.adapters.base import AdapterOptions
from padit.adapters.receiver import (
    BadRequestError,
    Call,
    ReceiverAdapter,
    ReceiverOptions,
    Reply,
    Route,
)
from padit.adapters.series import Labels, Namer, Naming, shorten
from padit.domain.metric import Metric

__all__ = ["InfluxAdapter", "InfluxOptions", "Line", "LineError", "parse_line"]

_SECONDS = {"ns": 1e-9, "n": 1e-9, "us": 1e-6, "u": 1e-6, "ms": 1e-3, "s": 1.0}
_TRUE = frozenset(("t", "T", "true", "True", "TRUE"))
_FALSE = frozenset(("f", "F", "false", "False", "FALSE"))


class InfluxOptions(ReceiverOptions):
    """Options of the `influx` adapter."""

    port: int = Field(default=8086, ge=0, le=65_535, description="Port; 0 takes a free one.")
    naming: Naming = Field(default=Naming(), description="How tags become names.")


class LineError(ValueError):
    """A line does not follow the protocol."""


class Line(NamedTuple):
    """One line.

    Attributes:
        fields: numeric ones only, booleans as 0 and 1.
        time: in the request's precision; None: now.
    """

    measurement: str
    tags: Labels
    fields: tuple[tuple[str, float], ...]
    time: int | None


def parse_line(line: str) -> Line:
    """Read one line, without its line break.

    Raises:
        LineError: says what is wrong with it.

    >>> line = parse_line("weather,place=a temperature=21.5,wet=f 7")
    >>> line.measurement, line.tags, line.time
    ('weather', (('place', 'a'),), 7)
    >>> line.fields
    (('temperature', 21.5), ('wet', 0.0))
    """
    plain = "\\" not in line and '"' not in line
    head, body, stamp = _sections(line, plain)
    names = _cut(head, ",", plain, quotes=False)
    if not names[0]:
        message = "the measurement is missing"
        raise LineError(message)
    tags = []
    for text in names[1:]:
        tag, content = _pair(text, plain, quotes=False)
        tags.append((tag, content if plain else _unescape(content)))
    fields = []
    for text in _cut(body, ",", plain, quotes=True):
        name, raw = _pair(text, plain, quotes=True)
        value = _number(raw)
        if value is not None:
            fields.append((name, value))
    measurement = names[0] if plain else _unescape(names[0])
    return Line(measurement, tuple(tags), tuple(fields), _time(stamp))


def _sections(line: str, plain: bool) -> tuple[str, str, str]:
    """Head, fields and time stamp."""
    if plain:
        parts = line.split()
    else:
        end = _end(line, 0, " ", quotes=False)
        rest = line[end:].lstrip(" ")
        stop = _end(rest, 0, " ", quotes=True)
        parts = [line[:end], *filter(None, (rest[:stop], rest[stop:].strip(" ")))]
    if not 2 <= len(parts) <= 3:
        message = "a line needs a measurement, fields, and perhaps a time stamp"
        raise LineError(message)
    return parts[0], parts[1], parts[2] if len(parts) == 3 else ""


def _end(text: str, start: int, separator: str, *, quotes: bool) -> int:
    """Where the next separator stands that is neither escaped nor, with `quotes`, quoted."""
    position, quoted = start, False
    while position < len(text):
        sign = text[position]
        if sign == "\\":
            position += 1
        elif sign == '"' and quotes and (quoted or text[position - 1 : position] == "="):
            quoted = not quoted
        elif sign == separator and not quoted:
            return position
        position += 1
    return len(text)


def _cut(text: str, separator: str, plain: bool, *, quotes: bool) -> list[str]:
    if plain:
        return text.split(separator)
    parts, start = [], 0
    while True:
        end = _end(text, start, separator, quotes=quotes)
        parts.append(text[start:end])
        if end >= len(text):
            return parts
        start = end + 1


def _pair(text: str, plain: bool, *, quotes: bool) -> tuple[str, str]:
    parts = _cut(text, "=", plain, quotes=quotes)
    if len(parts) != 2 or not parts[0] or not parts[1]:
        message = f"{text[:60]!r} is no name=value"
        raise LineError(message)
    return parts[0] if plain else _unescape(parts[0]), parts[1]


def _number(raw: str) -> float | None:
    """A field's value; None for a string."""
    last = raw[-1]
    try:
        if last in "iu":
            return float(int(raw[:-1]))
        return float(raw)
    except ValueError:
        pass
    if raw[0] == '"':
        if len(raw) >= 2 and last == '"':
            return None
    elif raw in _TRUE:
        return 1.0
    elif raw in _FALSE:
        return 0.0
    message = f"{raw[:60]!r} is no field value"
    raise LineError(message)


def _time(stamp: str) -> int | None:
    if not stamp:
        return None
    try:
        return int(stamp)
    except ValueError:
        message = f"{stamp[:60]!r} is no time stamp"
        raise LineError(message) from None


def _unescape(text: str) -> str:
    return re.sub(r"\\([,= \\])", r"\1", text) if "\\" in text else text


class InfluxAdapter(ReceiverAdapter):
    """InfluxDB line protocol, v2 and v1 write endpoints."""

    Options: ClassVar[type[AdapterOptions]] = InfluxOptions

    def __init__(self, options: InfluxOptions) -> None:
        routes = [
            Route("POST", "/api/v2/write", self.write),
            Route("POST", "/write", self.write),
            Route("GET", "/ping", _ping, needs="nothing"),
            Route("GET", "/health", _health, needs="nothing"),
        ]
        super().__init__(options, routes)
        self._namer = Namer(options.naming, options.name)

    def write(self, call: Call) -> Reply:
        """Take the lines of one request; raises BadRequestError if it is not text."""
        unit = _precision(call.query)
        try:
            text = call.body.decode("utf-8")
        except UnicodeDecodeError as error:
            message = f"the body is not UTF-8: {error}"
            raise BadRequestError(message) from error
        found, faults = self._samples(text, unit, time.time())
        if self._emitter is not None:
            self._emitter.emit(found)
            if faults:
                self._emitter.fault("malformed", f"line {faults[0]}", len(faults))
        if not faults:
            return Reply(204)
        answer = {
            "code": "invalid",
            "message": f"partial write: {len(faults)} lines were dropped; line {faults[0]}",
        }
        return Reply(400, json.dumps(answer).encode())

    def _samples(self, text: str, unit: float, received: float) -> tuple[list[Metric], list[str]]:
        found: list[Metric] = []
        faults: list[str] = []
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip() or line.lstrip()[0] == "#":
                continue
            try:
                parsed = parse_line(line.strip())
            except LineError as error:
                faults.append(f"{number}: {error}")
                continue
            source, suffix = self._namer.split(parsed.tags)
            when = received if parsed.time is None else parsed.time * unit
            for field, value in parsed.fields:
                name = shorten(f"{parsed.measurement}_{field}{suffix}")
                found.append(Metric(when, source, name, value, "", "custom", "influx"))
        return found, faults


def _precision(query: Mapping[str, str]) -> float:
    given = query.get("precision", "ns")
    if given not in _SECONDS:
        message = f"precision {given!r}; one of: ns, us, ms, s"
        raise BadRequestError(message)
    return _SECONDS[given]


def _ping(_call: Call) -> Reply:
    return Reply(204, headers={"X-Influxdb-Version": "v2.7.0", "X-Influxdb-Build": "OSS"})


def _health(_call: Call) -> Reply:
    body = {"name": "influxdb", "status": "pass", "message": "ready for queries and writes"}
    return Reply(200, json.dumps(body).encode())
