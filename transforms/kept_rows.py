"""Rows of closed slots that later windows need: appended at each close, dropped many at a time.

A close appends the rows of the slots it closed, as one piece, to one of two cells. Once nothing in
the other cell is needed any more, it is cleared as a whole and takes its turn. So each row is
written once here, and is cleared at most a window late. All of it is written anew, as one piece,
where the pieces are many (short slots), most rows are not needed (`--max_samples`), or there are so
few that reading several pieces costs more.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from padit.domain.batch import KeyedBatch, OffsetRange
from padit.domain.rows import Rows
from padit.transforms.arranging import NEVER
from padit.transforms.attributes import keep_latest
from padit.transforms.provenance import Origins, Piece, still_needed
from padit.transforms.saved_rows import pack_rows, read_rows
from padit.transforms.store import KEPT_CELLS, Store
from padit.transforms.windows import Closed, WindowOptions

__all__ = ["Held", "KeptCell", "KeptRows", "Piece"]

_MOST_PIECES = 64
_SPARE_ROWS = 1024
_FEW_ROWS = 512
_FEW_NAMES = 8

Held = tuple[list[Piece], ...]
"""The pieces of each cell, decoded; of those that a pass wrote, only where they came from."""
_WRITTEN = KeyedBatch(0, (), Rows.empty())


class KeptCell(msgspec.Struct, array_like=True):
    """What a cell holds: slot of its newest row (None: it is empty), pieces and rows."""

    newest: int | None = None
    pieces: int = 0
    rows: int = 0


class KeptRows(msgspec.Struct, array_like=True):
    """Part of the header: what the cells hold, and which of them is appended to."""

    cells: list[KeptCell] = msgspec.field(
        default_factory=lambda: [KeptCell() for _ in range(KEPT_CELLS)]
    )
    current: int = 0

    def read(self, store: Store, windows: WindowOptions, closed: int | None) -> Held:
        """By cell the rows that windows after slot `closed` can use, and some older ones."""
        held: Held = tuple([] for _ in self.cells)
        for number in self._useful(windows, closed):
            held[number].extend(read_rows(data) for data in store.read_kept(number))
        return held

    def pieces(self, held: Held, windows: WindowOptions, closed: int | None) -> list[Piece]:
        """The same as one list, those of the cell that is appended to last."""
        return [piece for number in self._useful(windows, closed) for piece in held[number]]

    def _useful(self, windows: WindowOptions, closed: int | None) -> list[int]:
        """Cells with rows that windows after slot `closed` can use."""
        if closed is None:
            return []
        oldest = closed + 1 - windows.slots
        order = (1 - self.current, self.current)
        return [number for number in order if _newest(self.cells[number], oldest) >= oldest]

    def write(
        self,
        store: Store,
        held: Held,
        windows: WindowOptions,
        result: Closed,
        slots: tuple[int, int],
        origins: Origins,
    ) -> Rows:
        """Keep what later windows need; returns it, sorted.

        Args:
            store: of the key group.
            held: what `read` gave; becomes what it would give of what is written.
            windows: their shape.
            result: of the close.
            slots: the first one that it closed, and the first that stays open.
            origins: where its rows came from.
        """
        closed, closing = slots
        self._clear(store, held, closing + 1 - windows.slots)
        history, newest = result.kept_since(NEVER), result.newest_kept
        if self._too_many(len(history)):
            for number, cell in enumerate(self.cells):
                if cell.pieces:
                    store.clear_kept(number)
                held[number].clear()
            self.cells = [KeptCell() for _ in range(KEPT_CELLS)]
            self._add(store, held, windows, history, closing, origins.of_all(), newest)
        else:
            fresh = result.kept_since(windows.start_of(closed))
            self._add(store, held, windows, fresh, closing, origins.of_came(), newest)
        return _for_the_next(history, windows)

    def _too_many(self, needed: int) -> bool:
        """Whether what the cells hold, and so many rows, are better written as one piece."""
        pieces = sum(one.pieces for one in self.cells)
        rows = sum(one.rows for one in self.cells)
        return pieces >= _MOST_PIECES or rows > 3 * needed + _SPARE_ROWS or needed <= _FEW_ROWS

    def _clear(self, store: Store, held: Held, oldest: int) -> None:
        """Clear cells without a row of a slot from `oldest` on; append to one that is empty."""
        for number, cell in enumerate(self.cells):
            if cell.pieces and _newest(cell, oldest) < oldest:
                store.clear_kept(number)
                held[number].clear()
                self.cells[number] = KeptCell()
        other = 1 - self.current
        if self.cells[self.current].pieces and not self.cells[other].pieces:
            self.current = other

    def _add(
        self,
        store: Store,
        held: Held,
        windows: WindowOptions,
        rows: Rows,
        closing: int,
        ranges: Sequence[OffsetRange],
        newest: int | None,
    ) -> None:
        """Append rows; `newest`: the slot of the newest of them."""
        if newest is None or not len(rows):
            return
        rows = keep_latest(_with_few_names(rows), windows.interval)
        needed = still_needed(ranges, closing, windows)
        store.add_kept(self.current, pack_rows(rows, needed, by_series=True))
        held[self.current].append((_WRITTEN, needed))
        cell = self.cells[self.current]
        self.cells[self.current] = KeptCell(
            max(newest, _newest(cell, newest)), cell.pieces + 1, cell.rows + len(rows)
        )


def _with_few_names(rows: Rows) -> Rows:
    """The rows over a table of their own series, where most of the others have none."""
    if len(rows.series) <= _FEW_NAMES:
        return rows
    present = np.flatnonzero(np.bincount(rows.code, minlength=len(rows.series)))
    if 2 * len(present) > len(rows.series):
        return rows
    number = np.zeros(len(rows.series), np.int32)
    number[present] = np.arange(len(present), dtype=np.int32)
    known = None if rows.attributes is None else rows.attributes.with_series(present)
    names = tuple(rows.series[i] for i in present.tolist())
    return Rows(names, number[rows.code], rows.time, rows.value, known)


def _for_the_next(rows: Rows, windows: WindowOptions) -> Rows:
    """The rows without attributes that no later window can have."""
    if not len(rows):
        return Rows.empty()
    rows = keep_latest(rows, windows.interval)
    known = rows.attributes
    if known is None or len(known.table) == 1:
        return rows
    return msgspec.structs.replace(rows, attributes=known.compact())


def _newest(cell: KeptCell, otherwise: int) -> int:
    """Slot of the newest row; a slot before `otherwise` where there is none."""
    return otherwise - 1 if cell.newest is None else cell.newest
