"""InfluxDB line protocol: bytes to lines.

A line is `measurement[,tag=value...] field=value[,field=value...] [timestamp]`. In: a body as it
was posted. Out: its lines, and which lines were refused and why; one line never costs another.
Numbers are those that InfluxDB takes: no sign but `-`, no `nan`, no `1_000`, integers of 64 bits.
Whatever the bytes are, `parse_lines` does not raise; `parse_line` raises `LineError` only.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

__all__ = ["MOST_NAMED", "Labels", "Line", "LineError", "Lines", "parse_line", "parse_lines"]

MOST_NAMED = 100
"""Refused lines that are named, as InfluxDB does; beyond that they are counted only."""

Labels = tuple[tuple[str, str], ...]

_FLOAT = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"-?[0-9]{1,20}[iu]")
_TIME = re.compile(r"-?[0-9]{1,19}")
_WORDS = dict.fromkeys(("t", "T", "true", "True", "TRUE"), 1.0)
_WORDS |= dict.fromkeys(("f", "F", "false", "False", "FALSE"), 0.0)
_INT64 = 1 << 63
_LONGEST_REMEMBERED = 1_000


class LineError(ValueError):
    """A line does not follow the protocol."""


class Line(NamedTuple):
    """One line.

    Attributes:
        fields: numeric ones only, booleans as 0 and 1.
        time: 64 bits, in the request's precision; None: now.
    """

    measurement: str
    tags: Labels
    fields: tuple[tuple[str, float], ...]
    time: int | None


@dataclass(slots=True)
class Lines:
    """The lines of a body.

    Attributes:
        good: lines that follow the protocol, in their order.
        refused: "number: reason" of the first `MOST_NAMED` that do not; lines count from 1.
        refused_count: all that do not.
    """

    good: list[Line] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refused_count: int = 0

    def refuse(self, number: int, reason: str) -> None:
        """Count a line, and name it while there are few."""
        self.refused_count += 1
        if len(self.refused) < MOST_NAMED:
            self.refused.append(f"{number}: {reason}")


def parse_lines(body: bytes) -> Lines:
    """Read a body; empty lines and comments are passed over.

    >>> body = bytes([10]).join([b"a v=1", b"b v=nan", b"# comment", b"", b"c v=2i"])
    >>> found = parse_lines(body)
    >>> [line.measurement for line in found.good]
    ['a', 'c']
    >>> found.refused
    ["2: 'nan' is no field value"]
    """
    found = Lines()
    for number, row in enumerate(_rows(body), 1):
        try:
            line = (row if isinstance(row, str) else row.decode("utf-8")).strip()
            if line and line[0] != "#":
                found.good.append(parse_line(line))
        except UnicodeDecodeError as error:
            found.refuse(number, f"no UTF-8 at byte {error.start}")
        except LineError as error:
            found.refuse(number, str(error))
    return found


def _rows(body: bytes) -> Sequence[str | bytes]:
    try:
        return body.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return body.split(b"\n")  # each is decoded by itself, to find the bad ones


def parse_line(line: str) -> Line:
    """Read one line, without its line break.

    Raises:
        LineError: it does not follow the protocol.

    >>> line = parse_line("weather,place=a temperature=21.5,wet=f 7")
    >>> line.measurement, line.tags, line.time
    ('weather', (('place', 'a'),), 7)
    >>> line.fields
    (('temperature', 21.5), ('wet', 0.0))
    """
    plain = "\\" not in line and '"' not in line
    head, body, stamp = _sections(line, plain)
    named = _remembered if len(head) <= _LONGEST_REMEMBERED else _named
    measurement, tags = named(head, plain)
    fields = []
    for text in _cut(body, ",", plain, quotes=True):
        name, raw = _pair(text, plain, quotes=True)
        value = _number(raw)
        if value is not None:
            fields.append((name, value))
    return Line(measurement, tags, tuple(fields), _time(stamp))


def _named(head: str, plain: bool) -> tuple[str, Labels]:
    """Measurement and tags."""
    names = _cut(head, ",", plain, quotes=False)
    if not names[0]:
        message = "the measurement is missing"
        raise LineError(message)
    tags = []
    for text in names[1:]:
        tag, content = _pair(text, plain, quotes=False)
        tags.append((tag, content if plain else _unescape(content)))
    return names[0] if plain else _unescape(names[0]), tuple(tags)


_remembered = lru_cache(maxsize=1 << 16)(_named)


def _sections(line: str, plain: bool) -> tuple[str, str, str]:
    """Head, fields and time stamp."""
    if plain:
        parts = line.split(" ")
        if "" in parts:
            parts = [part for part in parts if part]
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
    if plain:
        name, _, value = text.partition("=")
        single = "=" not in value
    else:
        name, *values = _cut(text, "=", plain, quotes=quotes)
        single, value = len(values) == 1, values[0] if values else ""
        name = _unescape(name)
    if not (name and value and single):
        message = f"{text[:60]!r} is no name=value"
        raise LineError(message)
    return name, value


def _number(raw: str) -> float | None:
    """A field's value; None for a string."""
    if _FLOAT.fullmatch(raw):
        value = float(raw)
        if value - value == 0:  # not beyond the largest float
            return value
    elif raw[-1] in "iu":
        number = _whole(raw)
        if number is not None:
            return number
    elif raw[0] == '"' and raw[-1] == '"' and len(raw) > 1:
        return None
    elif raw in _WORDS:
        return _WORDS[raw]
    message = f"{raw[:60]!r} is no field value"
    raise LineError(message)


def _whole(raw: str) -> float | None:
    """A signed or unsigned integer of 64 bits; None for anything else."""
    if not _INTEGER.fullmatch(raw):
        return None
    number = int(raw[:-1])
    fits = -_INT64 <= number < _INT64 if raw[-1] == "i" else 0 <= number < 2 * _INT64
    return float(number) if fits else None


def _time(stamp: str) -> int | None:
    if not stamp:
        return None
    if _TIME.fullmatch(stamp) and -_INT64 <= (when := int(stamp)) < _INT64:
        return when
    message = f"{stamp[:60]!r} is no time stamp"
    raise LineError(message)


def _unescape(text: str) -> str:
    return re.sub(r"\\([,= \\])", r"\1", text) if "\\" in text else text
