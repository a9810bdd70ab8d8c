"""Gaps between the samples of a series, and the length from which a gap is reported.

A *moment* is a state of knowledge: of every series its saved state, then one moment after each of
its samples, in the order of time. All figures are those of a moment, so they do not depend on how
the stream is cut. The slow twin, a moment at a time over all series, is in the tests.
"""

from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.transforms.detectors.columns import Columns, Field
from padit.transforms.detectors.gaps_kernel import NEVER, PAUSES, RECENT, Rules, run

__all__ = ["FIELDS", "Lasting", "Moments", "follow"]

Ints = NDArray[np.int64]
Values = NDArray[np.float64]

FIELDS = {
    "gaps": Field((RECENT,), "<i8"),
    "pauses": Field((PAUSES,), "<i8"),
    "begins": Field((PAUSES,), "<i8"),
    "limit": Field((), "<i8"),
    "value": Field((), "<f8"),
    "born": Field((), "<i8", NEVER),
}


class Lasting(NamedTuple):
    """Moments after which a series had no sample for at least its limit, in their order.

    Attributes:
        moment: int64 (q,), which.
        following: int64 (q,), time of the next moment of the series, or until when all is known.
        usual, longest, gaps: int64 (q,), for people: both in microseconds, and of how many gaps.
    """

    moment: Ints
    following: Ints
    usual: Ints
    longest: Ints
    gaps: Ints


class Moments(msgspec.Struct, frozen=True):
    """All moments of a table, those of a series one after the other.

    Attributes:
        first, last: int64 (k,), moments of each row of the state.
        time, value: (M,) of the latest sample; time is `NEVER` before the first.
        limit: int64 (M,), gap that is reported, microseconds; 0 while it warms up or nobody looks.
        of_row: int64 (n,), the moment at the end of each row of the table.
        lasting: those that are followed by a gap that is reported.
    """

    first: Ints
    last: Ints
    time: Ints
    value: Values
    limit: Ints
    of_row: Ints
    lasting: Lasting

    def owner(self, moment: Ints) -> Ints:
        """Rows of the state that moments belong to."""
        return np.searchsorted(self.first, moment, "right") - 1

    def last_before(self, row: int, end: int) -> int:
        """Time of the latest sample before `end` of a row of the state; `NEVER` without one."""
        first = int(self.first[row])
        times = self.time[first : int(self.last[row]) + 1]
        found = int(np.searchsorted(times, end))
        return int(times[found - 1]) if found else NEVER


def follow(state: Columns, rows: Ints, table: FeatureTable, rules: Rules, until: int) -> Moments:
    """Learn the gaps of all samples of a table; the state is moved on.

    Args:
        state: with a row for every series of the table; `seen` is the time of the last sample.
        rows: int64 (s,), row of each of the table's series.
        table: the samples to look at.
        rules: what decides a limit.
        until: event time up to which missing samples are known; `NEVER` where nothing is known.
    """
    data: dict[str, Any] = state.data
    series, total = len(state.seen), len(state.seen) + len(table.time)
    first, last = np.zeros(series, np.int64), np.empty(series, np.int64)
    time, value, limit = np.empty(total, np.int64), np.empty(total), np.zeros(total, np.int64)
    of_row = np.empty(len(table), np.int64)
    lasting = np.empty((len(Lasting._fields), total), np.int64)
    # One argument after another: to take a tuple of arrays apart takes several times as long.
    found = run(
        table.code, table.offset, table.time, table.value, rows,
        state.seen, data["gaps"], data["pauses"], data["begins"], data["limit"], data["value"],
        data["born"], *rules, until, last, first, time, value, limit, of_row, lasting,
    )  # fmt: skip
    return Moments(first, last, time, value, limit, of_row, Lasting(*lasting[:, :found]))
