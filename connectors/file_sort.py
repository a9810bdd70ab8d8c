"""A file whose rows are not in the order of time, read as if they were.

A file is complete before it is read, so the order of its rows has no meaning: series after series
(pandas `melt`), newest first, several tables. Such a file of R rows is read twice. Offsets 0 to R
are its rows as they stand: they give the dead letters and what is left unwatched, and the samples
are collected. Offsets R to 2 R are R equal shares of the samples in the order of time, those of one
time in the order of the file. So an offset is a place that every worker finds again, whatever its
memory, and reading goes on from it after a restore; the sort is then done again.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.connectors.file_formats import OpenFile, Piece
from padit.connectors.spill import Sorter
from padit.domain.rows import Rows

__all__ = ["Span", "SortedFile", "ascending"]

_BLOCK_ROWS = 32_768
_MOST_SAMPLES = 1 << 20  # of a piece; a row may hold many


class Span(NamedTuple):
    """The rows of a file that are read: from `start` to before `stop`."""

    start: int
    stop: int

    @property
    def end(self) -> int:
        """The offset behind the last one, if the rows are sorted."""
        return 2 * self.stop - self.start


class SortedFile:
    """The rows of a span in the order of time; see the module.

    Args:
        scan: opens the file at the span's first row.
        span: what is read.
        offset: where to begin.
        sorter: takes the samples.
        spread: is applied to what is handed out.
    """

    def __init__(
        self,
        scan: Callable[[int], OpenFile],
        span: Span,
        offset: int,
        sorter: Sorter,
        spread: Callable[[Rows], Rows],
    ) -> None:
        self._span = span
        self._offset = offset
        self._sorter = sorter
        self._spread = spread
        self._row = span.start
        self._file: OpenFile | None = scan(span.start) if span.start < span.stop else None
        if self._file is None:
            self._finish()

    @property
    def collecting(self) -> bool:
        """Whether samples are still being collected."""
        return self._file is not None

    def take(self, most: int) -> Piece:
        """The next offsets, at most so many."""
        while self._file is not None:
            wanted = self._offset - self._row  # rows that were read before a restore
            block = min(wanted, _BLOCK_ROWS) if wanted > 0 else most
            piece = self._file.take(min(block, self._span.stop - self._row))
            if not piece.taken:
                return piece
            self._row += piece.taken
            self._sorter.add(piece.rows)
            if self._row == self._span.stop:
                self._finish()
            if wanted <= 0:
                self._offset += piece.taken
                return Piece(piece.taken, Rows.empty(), piece.dead, piece.unwatched)
        return self._shares(most)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _finish(self) -> None:
        self.close()
        self._sorter.finish()
        passed = self._rank(self._offset)  # handed out before a restore
        while passed > 0:
            rows = self._spread(self._sorter.take(min(passed, _BLOCK_ROWS)))
            passed -= len(rows) or passed

    def _shares(self, most: int) -> Piece:
        rows = self._span.stop - self._span.start
        fitting = max(1, _MOST_SAMPLES * rows // max(1, self._sorter.count))
        taken = min(most, fitting, self._span.end - self._offset)
        count = self._rank(self._offset + taken) - self._rank(self._offset)
        self._offset += taken
        return Piece(taken, self._spread(self._sorter.take(count)), [])

    def _rank(self, offset: int) -> int:
        """Samples before an offset."""
        rows = self._span.stop - self._span.start
        return max(0, offset - self._span.stop) * self._sorter.count // max(1, rows)


def ascending(times: Iterable[NDArray[np.int64]]) -> bool:
    """Whether event times never go back; stops at the first one that does."""
    highest = np.iinfo(np.int64).min
    for time in times:
        if not len(time):
            continue
        if time[0] < highest or (time[1:] < time[:-1]).any():
            return False
        highest = time[-1]
    return True
