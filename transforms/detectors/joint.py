"""Joint rows: the values of all metrics of a source at one moment, side by side.

What flows in: a table's samples, series by series. What flows out: for every source one row for
each distinct time, in order; a metric without a sample at that time keeps its last one.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.domain.metric import Series

__all__ = ["Joint", "join", "stretches"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


class Joint(NamedTuple):
    """Joint rows of S sources.

    Attributes:
        rows: float64 (u, D), source by source in order of time; NaN before a metric's first
            sample and in columns that a source does not have.
        start: int64 (S + 1,); source s has the rows start[s] to start[s + 1].
        last: float64 (S, D), what each source is left with.
        sample: int64 (k,), positions in the table of the samples that have a place.
        row, column: int64 (k,), where they stand in `rows`.
    """

    rows: Array
    start: Ints
    last: Array
    sample: Ints
    row: Ints
    column: Ints


def join(
    table: FeatureTable, first: int, last: int, source: Ints, place: Ints, before: Array
) -> Joint:
    """Join the samples of the table's rows `first` to `last`.

    Args:
        table: what closed.
        first: the first of its rows to join.
        last: the row behind the last one.
        source: int64 (k,), number of the source of each of the table's series.
        place: int64 (k,), column of each series, -1 for none.
        before: float64 (S, D), the last value of each metric, NaN for none.
    """
    low = int(table.offset[first])
    code = np.repeat(table.code[first:last], np.diff(table.offset[first : last + 1]))
    known = low + np.flatnonzero(place[code] >= 0)
    code = code[known - low]
    order = np.lexsort((table.time[known], source[code]))  # stable: of two values the last wins
    known, code = known[order], code[order]
    owner, time = source[code], table.time[known]
    fresh = np.ones(len(known), bool)
    fresh[1:] = (owner[1:] != owner[:-1]) | (time[1:] != time[:-1])
    row = np.cumsum(fresh) - 1
    count = np.bincount(owner[fresh], minlength=len(before))
    start = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    # What a source was left with stands as one more row ahead of its own.
    head = start[:-1] + np.arange(len(before))
    rows = np.full((int(start[-1]) + len(before), before.shape[1]), np.nan)
    rows[head] = before
    rows[row + owner + 1, place[code]] = np.clip(table.value[known], -1e150, 1e150)
    index = np.where(
        np.isnan(rows), np.repeat(head, count + 1)[:, None], np.arange(len(rows))[:, None]
    )
    rows = np.take_along_axis(rows, np.maximum.accumulate(index, axis=0), axis=0)
    keep = np.ones(len(rows), bool)
    keep[head] = False
    return Joint(rows[keep], start, rows[head + count], known, row, place[code])


def stretches(
    table: FeatureTable, is_known: Callable[[Series], bool], seen: Sequence[int], limit: int
) -> list[tuple[int, int]]:
    """Cut a table's rows where the metrics of a source change, or it comes back after a pause.

    A cut lies at the border of a window, so it is the same however the stream comes in tables.

    Args:
        table: what closed.
        is_known: whether a series already has its place.
        seen: for each of the table's series the last window of its source, microseconds, or -1.
        limit: the longest pause, microseconds.
    """
    if not len(table):
        return []
    codes, first = np.unique(table.code, return_index=True)
    at = {int(table.window_end[row]) for code, row in zip(codes, first, strict=True)
          if not is_known(table.series[code])}  # fmt: skip
    if int(table.window_end[-1]) - min(seen) > limit:
        latest: dict[str, int] = {}
        for code, before in enumerate(seen):
            latest[table.series[code].source_id] = before
        for code, end in zip(table.code.tolist(), table.window_end.tolist(), strict=True):
            source = table.series[code].source_id
            if 0 <= latest[source] < end - limit:
                at.add(end)
            latest[source] = end
    edges = np.searchsorted(table.window_end, sorted(at))
    bounds = sorted({0, *edges.tolist(), len(table)})
    return list(pairwise(bounds))
