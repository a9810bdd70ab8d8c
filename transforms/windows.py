"""Sliding windows over event time, pure: rows in, closed windows with features out.

Time is cut into slots of one extraction interval. A window is `size / interval` slots and ends
at a multiple of the interval, so closing one more window adds one slot, its slice. Rows are
sorted by (series, time, value) before anything is computed, never by arrival.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable, Passed
from padit.domain.metric import Series
from padit.domain.rows import Rows, concatenate
from padit.domain.watermark import WATERMARK_NONE
from padit.transforms import arranging
from padit.transforms.arranging import find_windows
from padit.transforms.features import compute_features
from padit.transforms.of_names import OfNames

__all__ = ["Closed", "WindowOptions", "close_windows"]

Ints = NDArray[np.int64]
_FAR = 2**63 - 1
_NO_ROWS = Rows.empty()


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """Shape of the windows.

    Attributes:
        size: length of a window in microseconds, a multiple of `interval`.
        interval: time between the ends of two windows in microseconds.
        max_samples: a window uses at most the latest so many samples of a series.
    """

    size: int
    interval: int
    max_samples: int

    @property
    def slots(self) -> int:
        """Slots in a window."""
        return self.size // self.interval

    def start_of(self, slot: int) -> int:
        """Where a slot begins, microseconds, within what 64 bits can hold."""
        return max(-_FAR, min(slot * self.interval, _FAR))

    def slot_before(self, watermark: int) -> int:
        """Number of the first slot that a watermark leaves open; all before it are complete."""
        return watermark // self.interval


class Closed(NamedTuple):
    """The result of a close.

    Attributes:
        table: the windows that closed.
        ready: the rows of all slots before the first open one, sorted, without repeats.
        bounds: int64 (series + 1,), where the rows of each series begin in `ready`.
        needed: int64 (series,), the first of them that later windows need.
        waiting: rows whose slot is still open, as they came.
        newest_kept: slot of the newest needed row, or None.
        oldest_open: slot of the oldest row whose slot is still open, or None.
        scored: rows that stand in a slice of `table`.
        duplicates: exact repeats of (series, time, value), dropped.
    """

    table: FeatureTable
    ready: Rows
    bounds: Ints
    needed: Ints
    waiting: Rows
    newest_kept: int | None
    oldest_open: int | None
    scored: int
    duplicates: int

    @property
    def kept(self) -> Rows:
        """Rows that later windows need, sorted; then those whose slot is still open."""
        kept = self.kept_since(arranging.NEVER)
        return concatenate([kept, self.waiting]) if len(self.waiting) else kept

    def kept_since(self, time: int) -> Rows:
        """Of the sorted rows that later windows need, those that are not older; microseconds."""
        chosen = arranging.suffixes(self.bounds, self.needed, self.ready.time, time)
        return self.ready if len(chosen) == len(self.ready) else self.ready.select(chosen)


def close_windows(
    pieces: Sequence[Rows],
    closed: int,
    closing: int,
    options: WindowOptions,
    known_until: int = WATERMARK_NONE,
) -> Closed:
    """Close all windows that end after slot `closed` and by slot `closing`.

    Args:
        pieces: all rows kept so far, in any order; quickest in the order of time.
        closed: the first slot not closed before this call; older rows were scored already.
        closing: the first slot that stays open.
        options: shape of the windows.
        known_until: of windows that end later it is not known whether samples are missing,
            microseconds.
    """
    rows = concatenate(pieces)
    limit = options.start_of(closing)
    ready, bounds, early = _sort(rows, limit)
    waiting = _NO_ROWS if early == len(rows) else rows.select(rows.time >= limit)
    since = max(closed * options.interval, WATERMARK_NONE)
    passed = Passed(since, known_until, options.size, options.interval)
    table = _windows(ready, bounds, closed, closing, options, passed)
    needed, newest = _needed(ready, bounds, closing, options)
    return Closed(
        table,
        ready,
        bounds,
        needed,
        waiting,
        newest // options.interval if newest != arranging.NEVER else None,
        int(waiting.time.min()) // options.interval if len(waiting) else None,
        len(table.time),
        len(rows) - len(waiting) - len(ready),
    )


def _sort(rows: Rows, limit: int) -> tuple[Rows, Ints, int]:
    """Rows before `limit` by (series, time, value), without repeats, and where each series begins.

    Their table holds the series that have rows, sorted. The last figure counts repeats, too.
    """
    names = tuple(rows.series)
    canonical, in_order = _canonical(names)
    known = rows.attributes if rows.attributes is None else rows.attributes.ranked()
    attribute = arranging.NOTHING if known is None or known.of_series else known.code
    present, bounds, early, code, time, value, attribute = arranging.arranged(
        rows.code, rows.time, rows.value, attribute, limit, canonical
    )
    some = int(bounds[-1])
    if known is not None:
        known = known.with_series(present)
        known = known if known.of_series else replace(known, code=attribute[:some])
    if len(present) < len(names) or not in_order:
        names = tuple([names[i] for i in present.tolist()])
    return Rows(names, code[:some], time[:some], value[:some], known), bounds, early


@OfNames
def _canonical(names: tuple[Series, ...]) -> tuple[NDArray[np.int32], bool]:
    """Numbers of the names in their canonical order, and whether that is theirs."""
    order = sorted(range(len(names)), key=names.__getitem__)
    return np.array(order, np.int32), order == list(range(len(names)))


def _windows(
    rows: Rows, bounds: Ints, closed: int, closing: int, options: WindowOptions, passed: Passed
) -> FeatureTable:
    """All windows of sorted rows that end in the slots (closed, closing]."""
    found = np.empty((len(rows.series), 5), np.int64)
    shape = (options.interval, options.slots, closed, closing, options.max_samples)
    windows = find_windows(bounds, rows.time, *shape, found)
    if windows > len(found):
        found = np.empty((windows, 5), np.int64)
        find_windows(bounds, rows.time, *shape, found)
    found = found[:windows]
    end = found[:, 0]
    if windows > 1 and (end != end[:1]).any():
        found = found[np.argsort(end, kind="stable")]
    offset, time, value = arranging.slices(found, rows.time, rows.value)
    start, stop = found[:, 2], found[:, 3]
    return FeatureTable(
        series=tuple(rows.series),
        window_end=found[:, 0] * options.interval,
        code=found[:, 1].astype(np.int32),
        features=compute_features(rows.value, start, stop - start),
        offset=offset,
        time=time,
        value=value,
        closed_until=closing * options.interval,
        history=(rows.time, rows.value),
        history_start=start,
        passed=passed,
        attributes=None if rows.attributes is None else rows.attributes.select(stop - 1),
    )


def _needed(rows: Rows, bounds: Ints, closing: int, options: WindowOptions) -> tuple[Ints, int]:
    """The first row of each series that windows after `closing` can use, and the newest time."""
    since = options.start_of(closing + 1 - options.slots)
    return arranging.first_needed(bounds, rows.time, since, options.max_samples)
