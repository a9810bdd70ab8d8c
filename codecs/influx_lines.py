"""InfluxDB line protocol: bytes to lines.

A line is `measurement[,tag=value...] field=value[,field=value...] [timestamp]`. In: a body as it
was posted. Out: its lines, and which lines were refused and why; one line never costs another.
Numbers are those that InfluxDB takes: no sign but `-`, no `nan`, no `1_000`, integers of 64 bits.
The protocol is ASCII: only U+0020 separates its parts and only a line feed ends a line; a no-break
space or U+2028 is part of a value. A line feed in a quoted string is part of it.
Whatever the bytes are, `parse_lines` does not raise; `parse_line` raises `LineError` only.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from padit.codecs.time_units import NANOS, probable_unit
from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = [
    "MOST_NAMED",
    "PRECISIONS",
    "Labels",
    "Line",
    "LineError",
    "Lines",
    "parse_line",
    "parse_lines",
]

MOST_NAMED = 100
"""Refused lines that are named, as InfluxDB does; beyond that they are counted only."""

PRECISIONS = {name: NANOS[name] for name in ("ns", "us", "ms", "s")}
"""Nanoseconds of a time stamp's unit."""

Labels = tuple[tuple[str, str], ...]

_FLOAT = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"-?[0-9]{1,20}[iu]")
_TIME = re.compile(r"-?[0-9]{1,19}")
_WORDS = dict.fromkeys(("t", "T", "true", "True", "TRUE"), 1.0)
_WORDS |= dict.fromkeys(("f", "F", "false", "False", "FALSE"), 0.0)
_INT64 = 1 << 63
_LONGEST_REMEMBERED = 1_000
_MOST_JOINED = 100
_EARLIEST_NS, _LATEST_NS = EARLIEST_US * 1000, LATEST_US * 1000
_BOM = b"\xef\xbb\xbf"
_BLANK = " \t\r"


class LineError(ValueError):
    """A line does not follow the protocol."""


class Line(NamedTuple):
    """One line.

    Attributes:
        fields: numeric ones only, booleans as 0 and 1.
        time: 64 bits, in the request's precision; None: now.
        texts: names of the fields that hold text.
    """

    measurement: str
    tags: Labels
    fields: tuple[tuple[str, float], ...]
    time: int | None
    texts: tuple[str, ...] = ()


@dataclass(slots=True)
class Lines:
    """The lines of a body.

    Attributes:
        good: lines that follow the protocol, in their order.
        others: numbers of the rows in which none of them begins; rows count from 1.
        refused: "number: reason" of the first `MOST_NAMED` that do not.
        refused_count: all that do not.
        taken: those of `good` that are taken whole.
    """

    good: list[Line] = field(default_factory=list)
    others: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    refused_count: int = 0
    taken: int = 0

    @property
    def numbers(self) -> list[int]:
        """The row in which each good line begins."""
        others = set(self.others)
        rows = range(1, len(self.good) + len(others) + 1)
        return [row for row in rows if row not in others]

    def refuse(self, number: int, reason: str) -> None:
        """Count a line, and name it while there are few."""
        self.refused_count += 1
        if len(self.refused) < MOST_NAMED:
            self.refused.append(f"{number}: {reason}")


def parse_lines(body: bytes, precision: str = "") -> Lines:
    """Read a body; empty lines and comments are passed over.

    Args:
        body: as it was posted, decompressed.
        precision: of its time stamps, a key of `PRECISIONS`; a line whose time is not in the years
            2000 to 2199 is then refused. "" takes any time.

    >>> body = bytes([10]).join([b"a v=1", b"b v=nan", b"# comment", b"", b"c v=2i", b"d v=1 7"])
    >>> found = parse_lines(body, "ns")
    >>> [line.measurement for line in found.good]
    ['a', 'c']
    >>> for refused in found.refused:
    ...     print(refused)
    2: 'nan' is no field value
    6: the time 7 in ns is not in the years 2000 to 2199
    """
    found = Lines()
    earliest, latest = _range(precision)
    rows = _rows(body)
    good, others = found.good, found.others
    skip = 0
    for number, row in enumerate(rows, 1):
        if number <= skip:
            others.append(number)
            continue
        try:
            usual = row if isinstance(row, str) and row[:1] > "#" and row[-1:] > " " else None
            text = usual or _trimmed(row)
            if not text:
                others.append(number)
                continue
            try:
                line = parse_line(text)
            except LineError:
                line, skip = _joined(rows, number)
            when = line.time
            if when is not None and not earliest <= when < latest:
                raise LineError(_time_fault(when, precision))
        except LineError as error:
            others.append(number)
            found.refuse(number, str(error))
        else:
            good.append(line)
    found.taken = len(good)
    return found


def _trimmed(row: str | UnicodeDecodeError) -> str:
    """A row without blanks around it, "" for a comment; raises LineError if it is no UTF-8."""
    if isinstance(row, UnicodeDecodeError):
        message = f"no UTF-8 at byte {row.start}"
        raise LineError(message)
    text = row.strip(_BLANK)
    return "" if text[:1] == "#" else text


def _range(precision: str) -> tuple[int, int]:
    unit = PRECISIONS.get(precision)
    if unit is None:
        return -_INT64, _INT64
    return -(-_EARLIEST_NS // unit), -(-_LATEST_NS // unit)


def _rows(body: bytes) -> Sequence[str | UnicodeDecodeError]:
    body = body.removeprefix(_BOM)  # some clients write one; it is no part of a name
    try:
        return body.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        return [_decoded(row) for row in body.split(b"\n")]


def _decoded(row: bytes) -> str | UnicodeDecodeError:
    try:
        return row.decode("utf-8")
    except UnicodeDecodeError as error:
        return "" if row.lstrip(_BLANK.encode())[:1] == b"#" else error


def _joined(rows: Sequence[str | UnicodeDecodeError], number: int) -> tuple[Line, int]:
    """A line with a line feed in a quoted string, and the last of its rows.

    Raises:
        LineError: of the first row alone, if no quote is open at its end or the rows that follow
            do not close it.
    """
    text = rows[number - 1]
    joined: list[str] = []
    quotes = 0
    for row in rows[number - 1 : number + _MOST_JOINED]:
        if isinstance(row, UnicodeDecodeError):
            break
        joined.append(row)
        quotes += row.count('"') - row.count('\\"')
        if quotes % 2 == 0:
            break
    if len(joined) > 1 and quotes % 2 == 0:
        try:
            return parse_line("\n".join(joined).strip(_BLANK)), number + len(joined) - 1
        except LineError:
            pass
    return parse_line(str(text).strip(_BLANK)), 0


def _time_fault(time: int, precision: str) -> str:
    fits = probable_unit(time)
    hint = f"; is it in {fits}? then add precision={fits}" if fits else ""
    return f"the time {time} in {precision} is not in the years 2000 to 2199{hint}"


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
    texts: list[str] = []
    fields: list[tuple[str, float]] = []
    for text in body.split(",") if plain else _cut(body, ",", plain, quotes=True):
        name, raw = _pair(text, plain, quotes=True)
        value = _number(raw)
        if value is None:
            texts.append(name)
        else:
            fields.append((name, value))
    if texts or len(fields) > 1:
        _check_distinct("field", [*(name for name, _ in fields), *texts])
    return Line(measurement, tags, tuple(fields), _time(stamp), tuple(texts) if texts else ())


def _check_distinct(what: str, names: list[str]) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        message = f"the {what} {twice[:60]!r} is there twice"
        raise LineError(message)


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
    _check_distinct("tag", [tag for tag, _ in tags])
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
        if name and value and "=" not in value:
            return name, value
        single = False
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
    elif raw[0] == '"' and _closed(raw):
        return None
    elif raw in _WORDS:
        return _WORDS[raw]
    message = f"{raw[:60]!r} is no field value"
    raise LineError(message)


def _closed(raw: str) -> bool:
    """Whether a text that begins with a quote ends with another one that is not escaped."""
    text = raw[1:-1]
    return len(raw) > 1 and raw[-1] == '"' and (len(text) - len(text.rstrip("\\"))) % 2 == 0


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
