"""The slow twin of the detector no_data: every figure of every moment, by numpy.

It is the detector as it was before its gaps were followed in compiled code; `test_no_data_twin`
compares both.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.timestamps import MICROS
from padit.transforms.detectors.base import Scores
from padit.transforms.detectors.calibration import score_of
from padit.transforms.detectors.columns import Columns
from padit.transforms.detectors.gaps import FIELDS
from padit.transforms.detectors.gaps_kernel import NEVER, RECENT
from padit.transforms.detectors.no_data import NoDataDetector, _admit, _known_until, _named

__all__ = ["NoDataTwin"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
_PAUSES = 8
_HABIT = 3
_SHARE = 10
_A_WHILE = 6 * 3_600_000_000
_AT_ONCE = 1 << 14
_LONGEST = 2.0**60
_WARNING = 0.7


class _Ends(NamedTuple):
    """Window ends at which series are judged; see `no_data`."""

    end: Ints
    moment: Ints
    limit: Ints


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
        life = self._moments.time[at[some]] - self._moments.born[at[some]]
        usual = (length.sum(axis=1) * _SHARE >= span) & (span >= np.minimum(_A_WHILE, life // 2))
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


class NoDataTwin(NoDataDetector):
    """The same detector, slowly."""

    @property
    def _lived(self) -> int:
        return round(self.parameters.lived_sec * MICROS)

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, Scores]:
        """Learn the gaps of all samples, and judge each window by those before its end."""
        rows = _admit(state, table.series)
        moments = Moments(state, rows, table, self._retention)
        habits = Habits(moments, state, self.parameters)
        limit = self._limits(moments, habits, state)
        rows_of_table = _Ends(table.window_end, moments.of_row, limit[moments.of_row])
        absent = self._all_absent(moments, limit, table)
        ends = _Ends(*(np.concatenate(pair) for pair in zip(rows_of_table, absent, strict=True)))
        score, ongoing = self._judge(ends, moments, table)
        keys = list(state.row)
        detail = _detail(ends, moments, habits, score >= _WARNING)
        detail |= _company(ends, moments, keys, score >= _WARNING, self._retention)
        here, there = slice(len(table)), slice(len(table), None)
        added = _named(
            keys, moments.owner[absent.moment], absent.end, score[there], ongoing[there],
            {name: column[there] for name, column in detail.items()},
        )  # fmt: skip
        mine = {name: column[here] for name, column in detail.items()}
        state = self._learn(state, moments, habits, limit, table)
        missing = score[here] >= _WARNING
        return state, Scores(score[here], None, mine, ongoing[here], added, missing=missing)

    def _limits(self, moments: Moments, habits: Habits, state: Columns) -> Ints:
        """Limit at every moment that is judged, microseconds; the state holds its own moments'."""
        limit = np.zeros(len(moments.time), np.int64)
        limit[moments.first] = state.data["limit"]
        judged = np.zeros(len(limit), bool)
        judged[moments.of_row] = judged[moments.last] = True
        judged[np.flatnonzero(moments.gap >= habits.minimum) - 1] = True
        at = np.flatnonzero(judged & moments.news)
        limit[at] = habits.limits(at)
        lived = np.where(moments.news, moments.time - moments.born, self._lived)
        limit[lived < self._lived] = 0
        return limit

    def _all_absent(self, moments: Moments, limit: Ints, table: FeatureTable) -> _Ends:
        """Ends of windows without samples, and so without a row, of series that have no data."""
        passed, until = table.passed, _known_until(table)
        if passed is None or until == NEVER:
            return _Ends(*(np.empty(0, np.int64) for _ in range(3)))
        # A gap lasts from a moment to the next of its series, the latest one until now.
        following = np.append(moments.time[1:], until)
        following[moments.last] = until
        lasting = (limit > 0) & (following - np.where(limit > 0, moments.time, 0) >= limit)
        at = np.flatnonzero(lasting)
        time, interval = moments.time[at], passed.interval
        final = np.minimum(np.minimum(following[at], until), time + self._retention) // interval
        begun = -(-(time + limit[at]) // interval)
        in_table = time // interval + passed.size // interval
        start = np.maximum(np.maximum(begun, in_table + 1), passed.since // interval + 1)
        count = np.maximum(final - start + 1, 0)
        before = np.cumsum(count) - count
        end = np.repeat(start - before, count) + np.arange(int(count.sum()))
        moment = np.repeat(at, count)
        return _Ends(end * interval, moment, limit[moment])

    def _judge(
        self, ends: _Ends, moments: Moments, table: FeatureTable
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Score at each end, and whether the series had no data at the end before."""
        until = _known_until(table)
        interval = 0 if table.passed is None else table.passed.interval
        known = (ends.limit > 0) & (ends.end <= until)
        gap = ends.end - np.where(known, moments.time[ends.moment], ends.end)
        known &= gap <= self._retention
        ratio = gap / np.maximum(ends.limit, 1)
        score = np.where(ratio < 1, ratio / 2, score_of(ratio, 1.0))
        ongoing = known & (gap - interval >= ends.limit)
        return np.where(known, score, np.nan), ongoing

    def _learn(
        self, state: Columns, moments: Moments, habits: Habits, limit: Ints, table: FeatureTable
    ) -> Columns:
        """Keep the latest moment of each series, and drop series past their retention."""
        data: dict[str, Any] = state.data
        changed = np.flatnonzero(moments.last > moments.first)
        at = moments.last[changed]
        for name, recent in habits.recent.items():
            data[name][changed] = recent.at(at)
        data["limit"][changed], data["value"][changed] = limit[at], moments.value[at]
        data["born"][changed] = moments.born[at]
        state.seen[changed] = moments.time[at]
        # Exactly when it is due, so that the state does not depend on how the stream is cut.
        until = _known_until(table)
        oldest = NEVER + 1 if until == NEVER else until - self._retention
        keep = np.flatnonzero(state.seen >= oldest)
        if len(keep) == len(state.seen):
            return state
        keys = list(state.row)
        row = {keys[old]: new for new, old in enumerate(keep.tolist())}
        return Columns(row, state.seen[keep], {name: data[name][keep] for name in FIELDS})


def _detail(
    ends: _Ends, moments: Moments, habits: Habits, without_data: NDArray[np.bool_]
) -> dict[str, NDArray[Any]]:
    """Columns for the evidence; the usual gap only where a series has no data."""
    known = ends.limit > 0
    detail: dict[str, NDArray[Any]] = {
        "last": np.where(known, moments.time[ends.moment], 0),
        "value": moments.value[ends.moment],
        "limit": ends.limit,
    }
    at, inverse = np.unique(ends.moment[without_data], return_inverse=True)
    for name, column in habits.figures(at).items():
        detail[name] = np.zeros(len(without_data), np.int64)
        detail[name][without_data] = column[inverse]
    return detail


def _company(
    ends: _Ends,
    moments: Moments,
    keys: Sequence[Series],
    without_data: NDArray[np.bool_],
    retention: int,
) -> dict[str, NDArray[Any]]:
    """Series of the same source that have no data at that end, and all its known series."""
    at = np.flatnonzero(without_data)
    found = {name: np.zeros(len(without_data), np.int64) for name in ("without_data", "known")}
    if not len(at):
        return found
    names = [keys[one].source_id for one in moments.owner[ends.moment[at]].tolist()]
    pairs = list(zip(names, ends.end[at].tolist(), strict=True))
    members: dict[str, list[int]] = {name: [] for name in names}
    for number, key in enumerate(keys):
        if key.source_id in members:
            members[key.source_id].append(number)
    known = {}
    for source, end in dict.fromkeys(pairs):
        last = [moments.last_before(number, end) for number in members[source]]
        known[source, end] = sum(one != NEVER and end - one <= retention for one in last)
    together = Counter(pairs)
    found["without_data"][at] = [together[pair] for pair in pairs]
    found["known"][at] = [known[pair] for pair in pairs]
    return found
