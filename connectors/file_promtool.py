"""Exports of promtool (`.prom`): a sample, a series or a point of it in each line.

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

__all__ = ["Promtool"]

_ALLOWED = OF_ANY_FORMAT | {"source_id", "source_column"}
_LINES = 32_768
_SMALLEST, _LARGEST = EARLIEST_US / MICROS, LATEST_US / 1000  # seconds, milliseconds
_NAN = "it has no value there (NaN)"
_ORPHAN = "a point without a series above it: the lines before it are missing"


@register(".prom")
class Promtool:
    """Text that promtool has written."""

    def __init__(self, options: FileOptions, suffix: str) -> None:
        given = sorted(options.model_fields_set - _ALLOWED)
        if given:
            message = (
                f"{suffix} files name their metrics themselves and take only "
                f"{', '.join(sorted(_ALLOWED))} (given: {', '.join(given)})"
            )
            raise ConfigurationError(message)
        self._options = options
        self._opened: Callable[[str], Stream] = open_unpacked

    def count(self, path: str) -> int:
        """Lines of the file."""
        return count_lines(path, self._opened)

    def findings(self, path: str, labels: tuple[str, ...] = ()) -> Findings:
        """None; what has no value is counted while it is read."""
        return Findings()

    def in_order(self, path: str) -> bool:
        """Whether no time goes back."""
        return ascending(self._times(path))

    def open(self, path: str, row: int, decode: Decoder) -> OpenFile:
        """Open at a line; the series above it is looked for from the beginning."""
        return _OpenPromtool(path, row, self._options, decode, self._opened)

    def _times(self, path: str) -> Iterator[NDArray[np.int64]]:
        file = _OpenPromtool(path, 0, self._options, None, self._opened)
        try:
            while (piece := file.take(_LINES)).taken:
                yield piece.rows.time
        finally:
            file.close()


class _OpenPromtool:
    def __init__(
        self,
        path: str,
        row: int,
        options: FileOptions,
        decode: Decoder | None,
        opened: Callable[[str], Stream],
    ) -> None:
        self._path = path
        self._decode = decode
        self._names = () if decode is None else label_names(decode)
        self._options = options
        self._lines = LineReader(path, 0, opened)
        self._above: Labels | None = None  # series of the points that follow
        while row > 0 and (block := self._lines.take(min(row, _LINES))).lines:
            row -= block.lines
            for line in block.data.split(b"\n"):
                if b"=>" in line:
                    self._read(line)

    def take(self, most: int) -> Piece:
        block = self._lines.take(most)
        samples: list[tuple[Labels, float, float]] = []
        dead: list[DeadRecord] = []
        nothing = 0
        for at, line in enumerate(block.data.split(b"\n")[:-1]):
            found = self._read(line)
            if isinstance(found, str):
                reject = Reject(0, bounded(found))
                dead.append(DeadRecord(line, reject, self._path, 0, block.first + at))
            elif found is not None and math.isnan(found[1]):
                nothing += 1
            elif found is not None:
                samples.append(found)
        left = Unwatched("", "points without a value", _NAN, "", nothing, "lines")
        return Piece(block.lines, self._rows(samples), dead, (left,) if nothing else ())

    def _read(self, data: bytes) -> tuple[Labels, float, float] | str | None:
        """A sample; why a line is none; None where it holds nothing, or names a series."""
        try:
            line = read_line(data.decode().rstrip("\r"))
            if line is None:
                return None
            if line.labels is not None and line.value is None:
                self._above = line.labels
                return None
        except (WireFormatError, UnicodeDecodeError) as error:
            if b"=>" in data:
                self._above = None
            return str(error)
        labels = self._above if line.labels is None else line.labels
        if labels is None or line.value is None:
            return _ORPHAN
        if math.isinf(line.value):
            return f"value {line.value} is not a finite number"
        if not _SMALLEST <= line.time < _LARGEST:
            return f"timestamp {line.time:g} is not in 2000 to 2199"
        return labels, line.value, line.time

    def _rows(self, samples: Sequence[tuple[Labels, float, float]]) -> Rows:
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
