"""LabVIEW's measurements of several segments, or with an X column for each channel, as one table.

Every line of the file stays one line, so that a row keeps its number: the names of the first
segment become the header, a row its time and its cells, a line of a head an empty one.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from padit.connectors.file_options import FileOptions
from padit.connectors.file_plan import file_stem
from padit.connectors.tables.dialect import Dialect
from padit.connectors.tables.labview import BEGIN, END, FIRST_DAY, moment, sign_of
from padit.connectors.tables.records import Cut, Text
from padit.connectors.tables.stream import LineTurning, TextStream
from padit.domain.errors import SourceError
from padit.domain.findings import Findings, Guess
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["of_segments"]

_CHUNK = 1 << 18
_MOST = 100_000
_LARGE = 3e9  # seconds from 1904 to 1999
_LONGEST = 1e10  # seconds, 317 years


class _Channel(NamedTuple):
    """A column of values: its name, its place, that of its times (-1: none), and its number."""

    name: str
    at: int
    x: int
    number: int


class _Head:
    """The fields of a head while it is read; a field has a value for each channel."""

    def __init__(self, common: dict[str, list[str]]) -> None:
        self.fields = dict(common)

    def take(self, line: str, sign: str) -> None:
        name, *values = line.split(sign)
        if name.strip():
            self.fields[name.strip()] = [one.strip() for one in values]

    def first(self, name: str) -> str:
        """The first value of a field, "" where there is none."""
        return self.of(name, 0)

    def of(self, name: str, channel: int) -> str:
        """The value of a field for a channel; the first where it has none of its own."""
        values = [one for one in self.fields.get(name, []) if one]
        return values[channel] if channel < len(values) else next(iter(values), "")


class Segments(NamedTuple):
    """How lines become rows; travels to workers.

    Attributes:
        sign: between cells.
        decimal: mark of numbers.
        absolute: whether large X count from 1904.
        channels: that are read.
        source: of all rows.
        header: line that becomes the header.
    """

    sign: str
    decimal: str
    absolute: bool
    channels: tuple[_Channel, ...]
    source: str
    header: int

    def start_turning(self) -> "_Turning":
        """For the text of the file, from its beginning on."""
        return _Turning(self)


def of_segments(path: str, options: FileOptions) -> Dialect | None:
    """The dialect of such a file; None: it is none, or options say how its rows begin.

    Raises:
        SourceError: channels have times of their own and none is chosen, or a head has no time.
    """
    if options.skip_lines or options.columns or options.timestamp != "timestamp":
        return None
    lines = _lines(path)
    if not next(lines, "").startswith(BEGIN):
        return None
    common, kinds, header, segments = _survey(path, lines)
    if segments < 2 and common.first("X_Columns") in ("", "One"):
        return None
    sign = {"comma": ",", "tab": "\t"}.get(common.first("Separator").lower(), "\t")
    channels = _chosen(path, kinds, common.first("X_Columns"), options)
    source = options.source_id or file_stem(path)
    absolute = common.first("Time_Pref").lower() == "absolute"
    form = Segments(
        sign, common.first("Decimal_Separator") or ".", absolute, channels, source, header
    )
    names = ["timestamp", "source_id", *(one.name for one in channels)]
    what = f"it is a measurement of LabVIEW, of {segments} segments with times of their own"
    return Dialect(
        Text("utf-8", False, turns=form), Cut(header + 1, "\t", len(names)), names, frozenset(),
        False, [Guess(path, what, "")], report=Findings(),
    )  # fmt: skip


def _lines(path: str) -> Iterator[str]:
    stream = TextStream(path, "utf-8", lone_cr=False)
    try:
        rest = b""
        while chunk := stream.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode("utf-8", "replace").rstrip("\r") for line in lines)
        if rest:
            yield rest.decode("utf-8", "replace")
    finally:
        stream.close()


def _survey(path: str, lines: Iterator[str]) -> tuple[_Head, list[str], int, int]:
    """The common head, the names of the columns, their line, and how many segments there are."""
    common, header, segments, ends = _Head({}), -1, 0, 0
    names: list[str] = []
    named = False
    for number, line in enumerate(lines, 1):
        if not ends:
            common.take(line, sign_of(line))
        if line.startswith(END):
            ends += 1
            named = ends > 1
            segments += named
        elif named and line.strip():
            cells = line.split(sign_of(line))
            if names and cells != names:
                message = (
                    f"{path} is a measurement of LabVIEW whose segment {segments} has other "
                    f"channels ({', '.join(cells)[:80]}) than the first: write it to another file"
                )
                raise SourceError(message)
            names, named = cells, False
            header = header if header >= 0 else number
        if segments > _MOST:
            message = f"{path} has more than {_MOST} segments: split the file"
            raise SourceError(message)
    return common, names, header, segments


def _chosen(
    path: str, names: Sequence[str], kind: str, options: FileOptions
) -> tuple[_Channel, ...]:
    """The channels that are read; with an X column for each, those of one."""
    multi, x = kind == "Multi", -1
    found: list[_Channel] = []
    for at, name in enumerate(names):
        if name == "X_Value":
            x = at if kind != "No" else -1
        elif name.strip() and name != "Comment":
            found.append(_Channel(name, at, x, len(found)))
    if multi and len({one.x for one in found}) > 1:
        found = [one for one in found if one.name in options.metrics]
        if len({one.x for one in found}) != 1:
            all_names = [name for name in names if name not in ("X_Value", "Comment", "")]
            message = (
                f"{path} is a measurement of LabVIEW whose channels have times of their own: read "
                f"one at a time, with {' or '.join(f'metrics={name}' for name in all_names[:20])}"
            )
            raise SourceError(message)
    if not found:
        message = f"{path} is a measurement of LabVIEW that names no channels"
        raise SourceError(message)
    return tuple(found)


class _Turning(LineTurning):
    """Turns the lines of a measurement, in order, into those of the table."""

    def __init__(self, form: Segments) -> None:
        self._form = form
        self._head: _Head | None = _Head({})
        self._named = False
        self._ends = 0
        self._start = 0
        self._step = self._first = 0.0
        self._row = 0
        self._number = 0

    def _line(self, data: bytes) -> bytes:
        line = data.decode("utf-8", "replace").rstrip("\r")
        number, self._number = self._number, self._number + 1
        if line.startswith(END):
            self._ends += 1
            self._named = self._ends > 1
            self._begin()
            return b"\n"
        if number == self._form.header:
            self._named = False
            names = ["timestamp", "source_id", *(one.name for one in self._form.channels)]
            return "\t".join(names).encode() + b"\n"
        if self._ends < 2 or self._named or not line.strip():
            self._named = self._named and not line.strip()
            self._head_line(line)
            return b"\n"
        cells = line.split(self._form.sign)
        if _is_field(cells):  # a head begins again
            self._head_line(line)
            return b"\n"
        return self._turned_row(cells)

    def _head_line(self, line: str) -> None:
        if self._head is None:
            self._head = _Head({})
        self._head.take(line, sign_of(line))

    def _begin(self) -> None:
        """Rows follow; their times begin where the head says."""
        head, self._head = self._head, None
        self._row = 0
        if head is None:
            return
        number = self._form.channels[0].number
        self._step = _number(head.of("Delta_X", number), self._form.decimal)
        self._first = _number(head.of("X0", number), self._form.decimal)
        date = head.of("Date", number)
        if date:
            # Rows that count from 1970 are refused, for their times are in no year that is read.
            self._start = moment(date, head.of("Time", number)) or 0

    def _turned_row(self, cells: list[str]) -> bytes:
        form, x = self._form, self._form.channels[0].x
        if x >= 0:
            time = self._time(_nth(cells, x))
        else:
            time = self._at(self._first + self._row * self._step)
        self._row += 1
        shown = [_nth(cells, one.at).replace(form.decimal, ".") for one in form.channels]
        if not any(shown):
            return b"\n"
        return "\t".join([time, form.source, *shown]).encode() + b"\n"

    def _time(self, cell: str) -> str:
        """The time that an X shows; what is no number of seconds stays, and is refused as such."""
        try:
            seconds = float(cell.replace(self._form.decimal, "."))
        except ValueError:
            return cell
        return self._at(seconds)

    def _at(self, seconds: float) -> str:
        if not abs(seconds) < _LONGEST:  # not a number, too
            return f"{seconds} s"
        since_1904 = self._form.absolute and seconds >= _LARGE
        start = round(FIRST_DAY.timestamp()) * MICROS if since_1904 else self._start
        return format_utc(start + round(seconds * MICROS))


def _is_field(cells: Sequence[str]) -> bool:
    """Whether a line is one of a head: its first cell is a word."""
    return cells[0][:1].isalpha() and cells[0] not in ("NaN", "Inf", "nan", "inf")


def _nth(values: Sequence[str], at: int) -> str:
    return values[at].strip() if at < len(values) else ""


def _number(text: str, decimal: str) -> float:
    try:
        return float(text.replace(decimal, "."))
    except ValueError:
        return 0.0
