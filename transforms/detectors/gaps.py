"""Gaps between the samples of a series, and the length from which a gap is reported.

A *moment* is a state of knowledge: of every series its saved state, then one moment after each of
its samples, in the order of time. All figures are those of a moment, so they do not depend on how
the stream is cut.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.transforms.detectors.columns import Columns, Field

__all__ = ["FIELDS", "NEVER", "RECENT", "Habits", "Moments"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

RECENT = 64
"""Gaps that are remembered."""
NEVER = int(np.iinfo(np.int64).min)
_PAUSES = 8
_HABIT = 3  # as many pauses ...
_SHARE = 10  # ... that take this part of the time since the first of them are no outages
_AT_ONCE = 1 << 14
_LONGEST = 2.0**60  # microseconds; so that adding it to a time never overflows
FIELDS = {
    "gaps": Field((RECENT,), "<i8"),
    "pauses": Field((_PAUSES,), "<i8"),
    "begins": Field((_PAUSES,), "<i8"),
    "limit": Field((), "<i8"),
    "value": Field((), "<f8"),
    "born": Field((), "<i8", NEVER),
}


class Moments:
    """All moments of a table, those of a series one after the other.

    Args:
        state: with a row for every series of the table; `seen` is the time of the last sample.
        rows: int64 (s,), row of each of the table's series.
        table: the samples to look at.
        retention: a longer gap resets a series, microseconds.

    Attributes:
        first, last: int64 (k,), moments of each row of the state.
        owner: int64 (M,), row of the state.
        time, value: (M,) of the latest sample; time is `NEVER` before the first.
        gap: int64 (M,), time since the sample before; 0 where there is none.
        born: int64 (M,), time of the first sample since the series began.
        news: bool (M,), whether it is the moment of a sample of the table.
        of_row: int64 (n,), the moment at the end of each row of the table.
    """

    def __init__(self, state: Columns, rows: Ints, table: FeatureTable, retention: int) -> None:
        size = np.diff(table.offset)
        owner = rows[table.code]
        by_owner = np.argsort(owner, kind="stable")
        sample_owner = np.repeat(owner, size)
        order = np.argsort(sample_owner, kind="stable")
        series = len(state.seen)
        count = np.bincount(sample_owner, minlength=series).astype(np.int64)
        self.first = np.cumsum(count) - count + np.arange(series)
        self.last = self.first + count
        total = len(order) + series
        self.news = np.ones(total, bool)
        self.news[self.first] = False
        self.owner = np.repeat(np.arange(series), count + 1)
        self.time = np.empty(total, np.int64)
        self.time[self.first], self.time[self.news] = state.seen, table.time[order]
        self.value = np.empty(total)
        self.value[self.first], self.value[self.news] = state.data["value"], table.value[order]
        before = np.concatenate([[NEVER], self.time[:-1]])
        known = self.news & (before != NEVER)
        self.gap = np.where(known, self.time - np.where(known, before, 0), 0)
        self.begins = self.news & (~known | (self.gap > retention))
        begun = np.where(self.begins, np.arange(total), 0)
        begun[self.first] = self.first
        begun = np.maximum.accumulate(begun)
        self.born = np.where(self.begins[begun], self.time[begun], state.data["born"][self.owner])
        self.of_row = np.empty(len(table), np.int64)
        self.of_row[by_owner] = np.cumsum(size[by_owner]) + owner[by_owner]

    def last_before(self, row: int, end: int) -> int:
        """Time of the latest sample before `end` of a row of the state; `NEVER` without one."""
        first = int(self.first[row])
        times = self.time[first : int(self.last[row]) + 1]
        found = int(np.searchsorted(times, end))
        return int(times[found - 1]) if found else NEVER


class Habits:
    """The usual gap at each moment.

    Args:
        moments: of a table.
        state: before it.
        parameters: with `minimum`, `factor` and `warm_up` as in `NoDataParameters`.
    """

    def __init__(self, moments: Moments, state: Columns, parameters: Any) -> None:
        self._moments = moments
        self.minimum = round(parameters.minimum_sec * 1e6)
        self._factor = parameters.factor
        self._warm_up = parameters.warm_up
        counted = (moments.gap > 0) & ~moments.begins
        data: dict[str, Any] = state.data
        self.gaps = _Recent(data["gaps"], moments.gap, counted, moments)
        long = np.flatnonzero(counted & (moments.gap >= self.minimum))
        before = self._by_gaps(long - 1)
        long = long[(before > 0) & (moments.gap[long] >= before)]
        paused = np.zeros(len(moments.time), bool)
        paused[long] = True
        self.pauses = _Recent(data["pauses"], moments.gap, paused, moments)
        began = np.where(paused, moments.time - moments.gap, 0)
        self.begins = _Recent(data["begins"], began, paused, moments)
        self.recent = {"gaps": self.gaps, "pauses": self.pauses, "begins": self.begins}

    def limits(self, at: Ints) -> Ints:
        """Gap from which each moment's series is reported, microseconds; 0 while it warms up."""
        limit = self._by_gaps(at)
        habit = self.pauses.fill(at) >= _HABIT
        some = np.flatnonzero((limit > 0) & habit)
        length, begin = self.pauses.at(at[some]), self.begins.at(at[some])
        oldest = np.where(length > 0, begin, -NEVER - 1).min(axis=1, initial=-NEVER - 1)
        span = self._moments.time[at[some]] - oldest
        usual = length.sum(axis=1) * _SHARE >= span
        downwards, count = np.sort(length, axis=1)[:, ::-1], (length > 0).sum(axis=1)
        middle = downwards[np.arange(len(some)), count // 2]
        longer = np.maximum(limit[some], np.rint(self._factor * middle).astype(np.int64))
        limit[some] = np.where(usual, longer, limit[some])
        return limit

    def _by_gaps(self, at: Ints) -> Ints:
        limit = np.zeros(len(at), np.int64)
        for start in range(0, len(at), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            gaps, count = _sorted(self.gaps.at(at[part]))
            usual, middle = _share(gaps, count, 9), np.maximum(_share(gaps, count, 5), 1)
            uneven = np.sqrt(np.maximum(usual / middle, 1.0))
            by_usual = np.rint(np.minimum(self._factor * usual * uneven, _LONGEST)).astype(np.int64)
            found = np.maximum(np.maximum(by_usual, 2 * gaps[:, -2]), self.minimum)
            limit[part] = np.where(count >= self._warm_up, found, 0)
        return limit

    def figures(self, at: Ints) -> dict[str, Ints]:
        """For people: usual and longest gap in microseconds, and how many gaps these are of."""
        gaps, count = _sorted(self.gaps.at(at))
        return {"usual": _share(gaps, count, 9), "longest": gaps[:, -1], "count": count}


class _Recent:
    """The latest few of a value of each series, at any moment; newest last, 0 where missing."""

    def __init__(self, ring: Ints, value: Ints, adds: Bools, moments: Moments) -> None:
        series, self._width = ring.shape
        added = np.cumsum(adds)
        self._high = (moments.owner + 1) * self._width + added
        low = np.where(moments.begins, self._high, 0)
        low[moments.first] = self._high[moments.first] - (ring != 0).sum(axis=1)
        self._low = np.maximum.accumulate(low)
        self._values = np.zeros(series * self._width + int(adds.sum()), np.int64)
        base = self._high[moments.first] - self._width
        self._values[base[:, None] + np.arange(self._width)] = ring
        self._values[self._high[adds] - 1] = value[adds]

    def at(self, moment: Ints) -> Ints:
        """int64 (q, width)."""
        place = self._high[moment][:, None] + np.arange(-self._width, 0)
        found: Ints = np.where(place >= self._low[moment][:, None], self._values[place], 0)
        return found

    def fill(self, moment: Ints) -> Ints:
        """int64 (q,), how many there are; more than the width where more came."""
        filled: Ints = self._high[moment] - self._low[moment]
        return filled


def _sorted(recent: Ints) -> tuple[Ints, Ints]:
    return np.sort(recent, axis=1), (recent > 0).sum(axis=1)


def _share(gaps: Ints, count: Ints, tenths: int) -> Ints:
    """The gap that so many tenths do not exceed, of gaps sorted behind zeros."""
    place = RECENT - count + np.maximum((tenths * count + 9) // 10 - 1, 0)
    usual: Ints = gaps[np.arange(len(gaps)), np.minimum(place, RECENT - 1)]
    return usual
