"""Lines of points: exports of promtool (`.prom`), and what senders write (`codecs.text_points`).

Of promtool there is a sample, a series or a point of it in each line; an exposition with times is
of the same form.

The metric is the name with its labels in braces, but for the one that is the source: the first of
`SOURCES` that a series has, or `source_column`. Counters stay counters; `rate()` in the query makes
rates of them. NaN, and so the marker of a series that has ended, is no sample and counted.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.codecs.arrow_labels import attribute_column, labels_of
from padit.codecs.contract import Reject, bounded
from padit.codecs.dead_letter import DeadRecord
from padit.codecs.names import shortened
from padit.codecs.promtool import Labels, read_line
from padit.codecs.text_points import KINDS, Point, read_points
from padit.connectors.file_bytes import Stream, open_unpacked
from padit.connectors.file_formats import OpenFile, Piece, register
from padit.connectors.file_lines import LineReader, count_lines
from padit.connectors.file_options import OF_ANY_FORMAT, FileOptions
from padit.connectors.file_sort import ascending
from padit.connectors.side_outputs import label_names, note_left_out
from padit.connectors.source import Decoder
from padit.connectors.tables.annotated import SOURCES
from padit.domain.errors import ConfigurationError, WireFormatError
from padit.domain.findings import Findings, Unwatched
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.timestamps import EARLIEST_US, LATEST_US, MICROS, micros_from_numbers

__all__ = ["Lines"]

_ALLOWED = OF_ANY_FORMAT | {"source_id", "source_column"}
_LINES = 32_768
_SMALLEST, _LARGEST = EARLIEST_US / MICROS, LATEST_US / 1000  # seconds, milliseconds
_NAN = "it has no value there (NaN)"
_TEXT = "they hold text, and numbers are watched"
_ORPHAN = "a point without a series above it: the lines before it are missing"


class _Promtool:
    """Reads lines of promtool one after another."""

    def __init__(self) -> None:
        self._above: Labels | None = None  # series of the points that follow
        self.texts = 0

    def reads_on(self, line: bytes) -> bool:
        """Whether a line concerns those that follow."""
        return b"=>" in line

    def read(self, line: bytes) -> list[Point]:
        """The points of a line; raises WireFormatError and UnicodeDecodeError."""
        try:
            found = read_line(line.decode().rstrip("\r"))
        except (WireFormatError, UnicodeDecodeError):
            if b"=>" in line:
                self._above = None
            raise
        if found is None:
            return []
        if found.labels is not None and found.value is None:
            self._above = found.labels
            return []
        labels = self._above if found.labels is None else found.labels
        if labels is None or found.value is None:
            raise WireFormatError(_ORPHAN)
        return [(labels, found.value, found.time)]


class _Sent:
    """Reads lines that senders of metrics write."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.texts = 0

    def reads_on(self, line: bytes) -> bool:
        """None does."""
        return False

    def read(self, line: bytes) -> list[Point]:
        """The points of a line; raises WireFormatError and UnicodeDecodeError."""
        points, texts = read_points(self._kind, line.decode())
        self.texts += texts
        return points


@register(".prom", *(f".{kind}" for kind in KINDS))
class Lines:
    """Text that promtool or a sender of metrics has written."""

    def __init__(self, options: FileOptions, suffix: str) -> None:
        given = sorted(options.model_fields_set - _ALLOWED)
        if given:
            message = (
                f"{suffix} files name their metrics themselves and take only "
                f"{', '.join(sorted(_ALLOWED))} (given: {', '.join(given)})"
            )
            raise ConfigurationError(message)
        self.options = options
        self.opened: Callable[[str], Stream] = open_unpacked
        self._suffix = suffix

    def reader(self) -> _Promtool | _Sent:
        """For lines from the beginning on."""
        return _Promtool() if self._suffix == ".prom" else _Sent(self._suffix[1:])

    def count(self, path: str) -> int:
        """Lines of the file."""
        return count_lines(path, self.opened)

    def findings(self, path: str, labels: tuple[str, ...] = ()) -> Findings:
        """None; what has no value is counted while it is read."""
        return Findings()

    def in_order(self, path: str) -> bool:
        """Whether no time goes back."""
        return ascending(self._times(path))

    def open(self, path: str, row: int, decode: Decoder) -> OpenFile:
        """Open at a line; of promtool, the series above it is looked for from the beginning."""
        return _OpenLines(path, row, self, decode)

    def _times(self, path: str) -> Iterator[NDArray[np.int64]]:
        file = _OpenLines(path, 0, self, None)
        try:
            while (piece := file.take(_LINES)).taken:
                yield piece.rows.time
        finally:
            file.close()


class _OpenLines:
    def __init__(
        self,
        path: str,
        row: int,
        form: "Lines",
        decode: Decoder | None,
    ) -> None:
        self._path = path
        self._decode = decode
        self._names = () if decode is None else label_names(decode)
        self._options = form.options
        self._lines = LineReader(path, 0, form.opened)
        self._reader = form.reader()
        while row > 0 and (block := self._lines.take(min(row, _LINES))).lines:
            row -= block.lines
            for line in filter(self._reader.reads_on, block.data.split(b"\n")):
                self._read(line)

    def take(self, most: int) -> Piece:
        block = self._lines.take(most)
        samples: list[Point] = []
        dead: list[DeadRecord] = []
        nothing, self._reader.texts = 0, 0
        for at, line in enumerate(block.data.split(b"\n")[:-1]):
            found = self._read(line)
            if isinstance(found, str):
                reject = Reject(0, bounded(found))
                dead.append(DeadRecord(line, reject, self._path, 0, block.first + at))
                continue
            samples += [one for one in found if not math.isnan(one[1])]
            nothing += sum(math.isnan(one[1]) for one in found)
        left = [
            Unwatched("", "points without a value", _NAN, "", nothing, "lines"),
            Unwatched("", "fields of text", _TEXT, "", self._reader.texts, "fields"),
        ]
        shown = tuple(one for one in left if one.amount)
        return Piece(block.lines, self._rows(samples), dead, shown)

    def _read(self, line: bytes) -> list[Point] | str:
        """The points of a line; why it has none."""
        try:
            found = self._reader.read(line)
        except (WireFormatError, UnicodeDecodeError) as error:
            return str(error)
        for _, value, time in found:
            if math.isinf(value):
                return f"value {value} is not a finite number"
            if not _SMALLEST <= time < _LARGEST:
                return f"timestamp {time:g} is not in 2000 to 2199"
        return found

    def _rows(self, samples: Sequence[Point]) -> Rows:
        if not samples:
            return Rows.empty()
        labels, values, times = zip(*samples, strict=True)
        distinct = {one: code for code, one in enumerate(dict.fromkeys(labels))}
        code = np.array([distinct[one] for one in labels], np.int64)
        names = [_series(self._path, one, self._options) for one in distinct]
        table = list(dict.fromkeys(names))
        place = {one: number for number, one in enumerate(table)}
        codes = np.array([place[one] for one in names], np.int32)[code]
        known = None
        if self._names:
            columns = {
                name: pa.array([dict(one).get(name) for one in distinct], pa.string()).take(code)
                for name in self._names
            }
            found = labels_of(pa.table(columns), [(name, name) for name in columns])
            known = attribute_column(None, found, (codes, len(table)))
            if self._decode is not None:
                note_left_out(self._decode, found.left_out(np.ones(len(code), bool)))
        time = micros_from_numbers(np.array(times, np.float64))
        return Rows(table, codes, time, np.array(values, np.float64), known)

    def close(self) -> None:
        self._lines.close()


def _series(path: str, labels: Labels, options: FileOptions) -> Series:
    """The name of a series, as the receiver of remote write gives it."""
    known = dict(labels)
    name = known.pop("__name__")
    order = (options.source_column,) if options.source_column else SOURCES
    chosen = None if options.source_id else next((one for one in order if known.get(one)), None)
    source = known.pop(chosen) if chosen else options.source_id or _stem(path)
    rest = ",".join(f"{label}={_quoted(text)}" for label, text in sorted(known.items()) if text)
    return Series(shortened(source), shortened(f"{name}{{{rest}}}" if rest else name))


def _quoted(text: str) -> str:
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n")):
        text = text.replace(plain, escaped)
    return f'"{text}"'


def _stem(path: str) -> str:
    name = PurePath(path)
    return PurePath(name.stem).stem if name.suffix in (".gz", ".zst") else name.stem
