"""Which offsets the rows of an alert's window came from, without keeping them by row.

Rows wait in the state in pieces. Each piece carries *offset ranges*: for every partition of the
batch that brought it, the offsets the batch covers and the event times of the rows. When pieces
become one, their ranges are condensed to one for each partition and slot, so their number is
bounded, however finely the topic was cut; what that costs is precision, never a record.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from padit.domain.alert import Transition
from padit.domain.audit import Provenance
from padit.domain.batch import KeyedBatch, OffsetRange
from padit.transforms.arranging import ends
from padit.transforms.windows import WindowOptions

__all__ = ["Origins", "Piece", "offset_ranges_of", "provenance_of", "still_needed"]

_MOST = 256
Piece = tuple[KeyedBatch, Sequence[OffsetRange]]


def offset_ranges_of(pieces: Sequence[Piece], windows: WindowOptions) -> list[OffsetRange]:
    """Where the rows of all pieces came from, at most 256 ranges or one for each partition.

    Args:
        pieces: keyed batches, each with at least one row, and rows kept before with their ranges.
        windows: their shape.
    """
    found: dict[int, dict[int, list[int]]] = {}
    came = [piece for piece, _ in pieces if piece.positions]
    for piece, low, high in zip(came, *_ends(came), strict=True):
        of_slot = found.setdefault(high // windows.interval, {})
        for one in piece.positions:
            if one.first < one.following:
                _widen(of_slot, one.partition, one.start, one.first, one.following, low, high)
    for _, offset_ranges in pieces:
        for offset_range in offset_ranges:
            _widen(found.setdefault(offset_range.newest // windows.interval, {}), *offset_range)
    return _fewer(found)


class Origins:
    """Where the rows of a close came from; worked out when it is asked for, and once.

    Args:
        came: pieces that came since the last close.
        kept: those that were kept before.
        windows: their shape.
    """

    def __init__(
        self, came: Sequence[Piece], kept: Sequence[Piece], windows: WindowOptions
    ) -> None:
        self._came = came
        self._kept = kept
        self._windows = windows
        self._of_came: list[OffsetRange] | None = None
        self._of_all: list[OffsetRange] | None = None

    def of_came(self) -> list[OffsetRange]:
        """Of the rows that came."""
        if self._of_came is None:
            self._of_came = offset_ranges_of(self._came, self._windows)
        return self._of_came

    def of_all(self) -> list[OffsetRange]:
        """Of all rows."""
        if not self._kept:
            return self.of_came()
        if self._of_all is None:
            self._of_all = offset_ranges_of([*self._came, *self._kept], self._windows)
        return self._of_all


def _widen(
    found: dict[int, list[int]],
    partition: int,
    start: int,
    first: int,
    following: int,
    oldest: int,
    newest: int,
) -> None:
    # Live, a window comes in thousands of pieces: changing in place costs a third of new tuples.
    have = found.get(partition)
    if have is None:
        found[partition] = [partition, start, first, following, oldest, newest]
        return
    if first < have[2]:
        have[1:3] = [start, first]
    if following > have[3]:
        have[3] = following
    if oldest < have[4]:
        have[4] = oldest
    if newest > have[5]:
        have[5] = newest


def _ends(pieces: Sequence[KeyedBatch]) -> tuple[list[int], list[int]]:
    """Event times of the oldest and the newest row of each piece."""
    if not pieces:
        return [], []
    if len(pieces) == 1:
        oldest, newest = ends(pieces[0].rows.time)
        return [int(oldest)], [int(newest)]
    time = np.concatenate([piece.rows.time for piece in pieces])
    start = np.cumsum([0] + [len(piece.rows) for piece in pieces[:-1]])
    return np.minimum.reduceat(time, start).tolist(), np.maximum.reduceat(time, start).tolist()


def _fewer(found: dict[int, dict[int, list[int]]]) -> list[OffsetRange]:
    """One for each partition and slot; neighbouring slots are joined until there are few."""
    while len(found) > 1 and sum(map(len, found.values())) > _MOST:
        wider: dict[int, dict[int, list[int]]] = {}
        for slot, of_slot in found.items():
            joined = wider.setdefault(slot // 2, {})
            for one in of_slot.values():
                _widen(joined, *one)
        found = wider
    return sorted(OffsetRange(*one) for of_slot in found.values() for one in of_slot.values())


def still_needed(
    offset_ranges: Iterable[OffsetRange], closing: int, windows: WindowOptions
) -> list[OffsetRange]:
    """Ranges of rows that windows after slot `closing` can use."""
    since = (closing + 1 - windows.slots) * windows.interval
    return [offset_range for offset_range in offset_ranges if offset_range.newest >= since]


def provenance_of(
    transitions: Iterable[Transition], offset_ranges: Sequence[OffsetRange], windows: WindowOptions
) -> list[tuple[Provenance, Transition]]:
    """Provenance of every transition that a window caused; an alert resolves without one."""
    caused = [one for one in transitions if one.kind != "resolved"]
    # Many series may alert in one window: its offsets are joined once.
    joined = {
        end: _joined(_within(offset_ranges, end - windows.size, end))
        for end in {one.time for one in caused}
    }
    return [(_provenance(one, joined[one.time]), one) for one in caused]


def _joined(offset_ranges: Iterable[OffsetRange]) -> list[OffsetRange]:
    """One for each partition."""
    joined: dict[int, list[int]] = {}
    for offset_range in offset_ranges:
        _widen(joined, *offset_range)
    return [OffsetRange(*one) for _, one in sorted(joined.items())]


def _provenance(transition: Transition, found: Sequence[OffsetRange]) -> Provenance:
    return Provenance(
        transition.id,
        transition.alert.id,
        transition.time,
        {one.partition: (one.first, one.following) for one in found},
        {one.partition: one.start for one in found},
    )


def _within(offset_ranges: Iterable[OffsetRange], start: int, end: int) -> list[OffsetRange]:
    return [
        offset_range
        for offset_range in offset_ranges
        if offset_range.oldest < end and offset_range.newest >= start
    ]
