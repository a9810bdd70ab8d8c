"""An external sort of samples by event time: bounded memory, the rest in one temporary file.

Samples are collected up to a limit, sorted and written as a *run*; runs are merged block by
block. The sort is stable: samples of one time keep the order in which they were added. Neither the
limit nor the number of runs changes the result.

Memory: the samples that are collected (`SORT_BYTES`), three times that while they are sorted, and
one block of each run while they are merged (0.5 % of what was spilled). The temporary file has no
name, so nothing is left of it, whatever happens to the process.
"""

import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

import msgspec
import numpy as np

from padit.domain.attributes import AttributeColumn
from padit.domain.batch import decode_kept, encode_kept
from padit.domain.errors import SourceError
from padit.domain.rows import Rows, concatenate

__all__ = ["SORT_BYTES", "Sorter", "SpillFile"]

SORT_BYTES = 64 << 20
"""Bytes of samples that are collected before they are written to disk as a sorted run."""
_ROW_BYTES = 20
_NAME_BYTES = 250  # of a series, without its characters
_BLOCK_ROWS = 16_384


class _Place(NamedTuple):
    """Where a block lies in the temporary file."""

    start: int
    size: int


class SpillFile:
    """Blocks of bytes in a temporary file without a name, made when it is first needed."""

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._end = 0

    def write(self, data: bytes) -> _Place:
        """Append a block.

        Raises:
            SourceError: the disk is full, or cannot be written.
        """
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # see close
            self._file.seek(self._end)
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            message = (
                f"the temporary file of a sort cannot grow beyond {self._end} bytes in "
                f"{tempfile.gettempdir()}: {error.strerror or error}; set TMPDIR to a directory "
                "with more room, or sort the input by time"
            )
            raise SourceError(message) from error
        place = _Place(self._end, len(data))
        self._end += len(data)
        return place

    def read(self, place: _Place) -> bytes:
        """Read a block again. Raises SourceError."""
        parts: list[bytes] = []
        size = 0
        try:
            if self._file is not None:
                self._file.seek(place.start)
            while self._file is not None and size < place.size:
                parts.append(self._file.read(place.size - size))
                if not parts[-1]:
                    break
                size += len(parts[-1])
        except OSError as error:
            message = f"the temporary file of a sort cannot be read: {error.strerror or error}"
            raise SourceError(message) from error
        return b"".join(parts)

    def close(self) -> None:
        """Remove the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Sorter:
    """Sorts samples by event time.

    Args:
        spill: where runs go.
        most_bytes: of the samples that are held, before a run is written.
        keep: whether the last run may stay in memory.
    """

    def __init__(self, spill: SpillFile, most_bytes: int = SORT_BYTES, *, keep: bool = True):
        self._spill = spill
        self._most = most_bytes
        self._keep = keep
        self._block = max(1, min(_BLOCK_ROWS, most_bytes // _ROW_BYTES // 4))
        self._parts: list[Rows] = []
        self._held = 0
        self._runs: list[Iterator[Rows]] = []
        self._merged: Iterator[Rows] = iter(())
        self._ready = Rows.empty()
        self.count = 0

    def add(self, rows: Rows) -> None:
        """Take samples; only before `finish`."""
        if not len(rows):
            return
        self.count += len(rows)
        self._parts.append(rows)
        names = sum(len(source) + len(metric) + len(unit) for source, metric, unit in rows.series)
        self._held += _ROW_BYTES * len(rows) + names + _NAME_BYTES * len(rows.series)
        if rows.attributes is not None:
            self._held += _held_by(rows.attributes)
        if self._held > self._most:
            self._write_run()

    def finish(self) -> None:
        """No more samples come; `take` may be called."""
        if self._parts and not self._keep:
            self._write_run()
        runs = self._runs
        if self._parts:
            runs.append(_blocks(self._sorted(), self._block))
        self._runs = []
        self._merged = runs[0] if len(runs) == 1 else _merge(runs)

    def take(self, count: int) -> Rows:
        """The next samples in the order of time: so many, or those that are left."""
        parts: list[Rows] = []
        while count:
            if not len(self._ready):
                found = next(self._merged, None)
                if found is None:
                    break
                self._ready = found
            parts.append(_cut(self._ready, 0, count))
            self._ready = _cut(self._ready, count, len(self._ready))
            count -= len(parts[-1])
        return concatenate(parts)

    def _sorted(self) -> Rows:
        rows = concatenate(self._parts)
        self._parts, self._held = [], 0
        return rows.select(np.argsort(rows.time, kind="stable"))

    def _write_run(self) -> None:
        blocks = _blocks(self._sorted(), self._block)
        places = [self._spill.write(encode_kept(_compact(rows), [])) for rows in blocks]
        self._runs.append(self._read_run(places))

    def _read_run(self, places: Sequence[_Place]) -> Iterator[Rows]:
        for place in places:
            keyed, _ = decode_kept(self._spill.read(place))
            yield keyed.rows


def _held_by(column: AttributeColumn) -> int:
    """Bytes of attributes, about."""
    texts = sum(len(name) + len(text) for one in column.table for name, text in one.labels)
    pairs = sum(len(one.labels) for one in column.table)
    return column.code.nbytes + texts + _NAME_BYTES * (len(column.table) + pairs)


def _blocks(rows: Rows, size: int) -> Iterator[Rows]:
    for start in range(0, len(rows), size):
        block = _cut(rows, start, start + size)
        yield block if block.attributes is None else _compact(block)


def _cut(rows: Rows, start: int, stop: int) -> Rows:
    """Consecutive rows, without a copy."""
    return rows.select(slice(start, stop))  # a view where it may be one


def _compact(rows: Rows) -> Rows:
    """The same over only those series and attributes that have rows."""
    if rows.attributes is not None:
        rows = msgspec.structs.replace(rows, attributes=rows.attributes.compact())
    present = np.flatnonzero(np.bincount(rows.code, minlength=len(rows.series)))
    if len(present) == len(rows.series):
        return rows
    place = np.zeros(len(rows.series), np.int32)
    place[present] = np.arange(len(present), dtype=np.int32)
    series = tuple(rows.series[i] for i in present.tolist())
    known = rows.attributes and rows.attributes.with_series(present)
    return msgspec.structs.replace(rows, series=series, code=place[rows.code], attributes=known)


def _merge(runs: Sequence[Iterator[Rows]]) -> Iterator[Rows]:
    """Sorted runs as one; of equal times those of an earlier run are first.

    Each step hands out whatever no later block of any run can precede: everything up to the
    smallest last time of the present blocks.
    """
    heads = [next(run, None) for run in runs]
    while True:
        for number, head in enumerate(heads):
            if head is not None and not len(head):
                heads[number] = next(runs[number], None)
        ends = [(int(head.time[-1]), i) for i, head in enumerate(heads) if head is not None]
        if not ends:
            return
        last, whole = min(ends)
        parts: list[Rows] = []
        for number, head in enumerate(heads):
            if head is None:
                continue
            side = "right" if number <= whole else "left"
            stop = int(np.searchsorted(head.time, last, side=side))  # type: ignore[call-overload]
            if stop:
                parts.append(_compact(_cut(head, 0, stop)))
                heads[number] = _cut(head, stop, len(head))
        rows = concatenate(parts)
        yield rows if len(parts) == 1 else rows.select(np.argsort(rows.time, kind="stable"))
