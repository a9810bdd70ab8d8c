"""What log records are counted by, as columns in memory: 21 bytes a record.

A count over hundreds of thousands of records reads these instead of their text on the disk.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

__all__ = ["Chosen", "LogColumns", "Row", "slices"]

Row = tuple[int, str, str, int]
"""Time, source, level and number of the template."""
_SLICES = 60


class Chosen(NamedTuple):
    """Columns of the records that a question is about.

    Attributes:
        number: ids of the records.
        time: in microseconds.
        source: a digest of the name.
        level: number of the level.
        template: number of the template.
    """

    number: NDArray[np.int64]
    time: NDArray[np.int64]
    source: NDArray[np.int64]
    level: NDArray[np.int8]
    template: NDArray[np.int32]

    def commonest(self, column: str, most: int) -> list[tuple[int, int]]:
        """Values of a column and their counts, the commonest first, then the smaller value."""
        counted = pc.value_counts(pa.array(getattr(self, column)))
        value = counted.field("values").to_numpy(zero_copy_only=False)
        count = counted.field("counts").to_numpy(zero_copy_only=False)
        order = np.lexsort((value, -count))[:most]
        return [(int(value[at]), int(count[at])) for at in order]

    def one_of(self, source: int) -> int:
        """The id of a record of a source."""
        return int(self.number[np.argmax(self.source == source)])


class LogColumns:
    """Begins empty; one thread adds at a time, any may read.

    Args:
        levels: their names; a record holds the position, one of another level their number.
    """

    def __init__(self, levels: Sequence[str]) -> None:
        self._levels = {name: at for at, name in enumerate(levels)}
        self._space = 1024
        self._columns = self._empty(self._space)
        self._count = 0
        self.last = 0

    @staticmethod
    def _empty(space: int) -> list[NDArray[Any]]:
        return [np.zeros(space, kind) for kind in (np.int64, np.int64, np.int8, np.int32)]

    def add(self, first: int, rows: Sequence[Row]) -> None:
        """Records whose ids follow one another from `first`.

        If they do not follow the last one, all that are there are gone: the oldest go first.
        """
        if not rows:
            return
        if first != self.last + 1:
            self._space = 1024
            self._count = 0
            self._copy(0)
        begin, end = self._count, self._count + len(rows)
        if end > self._space:
            self._space = max(end, 2 * self._space)
            self._copy(0)
        digests = {name: _digest(name) for name in {row[1] for row in rows}}
        time, source, level, template = self._columns
        other = len(self._levels)
        time[begin:end] = [row[0] for row in rows]
        source[begin:end] = [digests[row[1]] for row in rows]
        level[begin:end] = [self._levels.get(row[2], other) for row in rows]
        template[begin:end] = [row[3] for row in rows]
        self.last = first + len(rows) - 1
        self._count = end

    def _copy(self, begin: int) -> None:
        """Other columns, from one place on: who reads the old ones is not disturbed."""
        fresh = self._empty(self._space)
        for old, new in zip(self._columns, fresh, strict=True):
            new[: self._count - begin] = old[begin : self._count]
        self._columns, self._count = fresh, self._count - begin

    def forget(self, border: int) -> None:
        """Records up to an id are gone; their memory is used again once they are a quarter."""
        gone = border - (self.last - self._count)
        if gone > self._count // 4:
            self._copy(gone)

    def choose(self, ids: NDArray[np.int64] | None, border: int, source: str, start: int,
               end: int) -> Chosen:  # fmt: skip
        """Records behind a border, with these ids, of a source, in a span.

        Args:
            ids: None: all.
            border: the last id that is gone.
            source: "": all.
            start: of event time.
            end: of event time; both are inclusive.
        """
        columns, count, last = self._columns, self._count, self.last
        number = np.arange(last - count + 1, last + 1)
        time, place = columns[0][:count], columns[1][:count]
        wanted = (time >= start) & (time <= end) & (number > border)
        if source:
            wanted &= place == _digest(source)
        if ids is not None:
            named = np.zeros(count, bool)
            at = ids - (last - count + 1)
            named[at[(at >= 0) & (at < count)]] = True
            wanted &= named
        kept = [number, *(one[:count] for one in columns)]
        return Chosen(*(kept if wanted.all() else [one[wanted] for one in kept]))


def _digest(name: str) -> int:
    """64 bits of a name: names may be long and many, and are in the store."""
    data = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(data, "big", signed=True)


def slices(time: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Begin and count of each of at most 61 slices of time that has any.

    >>> slices(np.array([10, 10, 70]))
    [(10, 2), (70, 1)]
    """
    if not len(time):
        return []
    first = int(time.min())
    width = max((int(time.max()) - first) // _SLICES + 1, 1)
    counts = np.bincount((time - first) // width)
    return [(first + int(k) * width, int(counts[k])) for k in np.flatnonzero(counts)]
