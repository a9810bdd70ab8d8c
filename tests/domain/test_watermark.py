"""Lateness: decided by a partition's log alone, however it is read, and by no single clock."""

from dataclasses import dataclass, field
from itertools import pairwise
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import (
    FAR,
    WATERMARK_NONE,
    Vote,
    _all_heard,
    _bucket,
    find_late,
    reached,
)
from tests.codecs.samples import steady

SECOND = 1_000_000
DAY = 86_400
NAMES = tuple(Series(name, "x") for name in ("a", "b", "c", "d", "e"))
STEPS = st.sampled_from([0, 1, 1, 1, 5, -5, -20, 45, 70, 290, 400, 5000, -5000, DAY, 2 * DAY])
LOG = st.lists(st.tuples(STEPS, st.integers(0, 4)), max_size=80)
STEADY_LOG = st.lists(st.tuples(st.integers(-20, 40), st.integers(0, 4)), max_size=60)
DISORDER = st.integers(0, 90)
Log = list[tuple[int, int]]
"""Seconds since the row before, and which source."""


def rows_of(log: Log) -> Rows:
    time = np.cumsum([step for step, _ in log], dtype=np.int64) * SECOND + 10**15
    code = np.array([source for _, source in log], np.int32)
    return Rows(NAMES, code, time, np.zeros(len(log)))


def at(*seconds_and_sources: tuple[float, int]) -> Rows:
    """Rows at seconds, of sources."""
    time = np.array([seconds * SECOND for seconds, _ in seconds_and_sources], np.int64)
    code = np.array([source for _, source in seconds_and_sources], np.int32)
    return Rows(NAMES, code, time, np.zeros(len(code)))


@dataclass
class Slow:
    """The rule, row by row, over sets of buckets."""

    allowed: int
    base: int | None = None
    heard: set[int] = field(default_factory=set)
    ahead: set[int] = field(default_factory=set)
    lowest: int | None = None
    since: dict[int, int] = field(default_factory=dict)
    jumped: int | None = None
    doubted: int | None = None

    def row(self, time: int, bucket: int) -> tuple[bool, bool]:
        late = self.base is not None and time < self.base - self.allowed
        far = not self._ordinary(time) and self._doubts(time)
        while not self._ordinary(time):
            self.ahead.add(bucket)
            if self.lowest is None or (self.base is not None and self._ordinary(self.lowest)):
                self.lowest = time
            self.lowest = min(self.lowest, time)
            if not self._followed(time, time - self.since.setdefault(bucket, time)):
                return late, far
            self.base, self.heard = self._climb(self.lowest, time), self.ahead
            self.ahead, self.lowest, self.since = set(), None, {}
            self.jumped = self.doubted = None
        self._take(time, bucket)
        return late, far

    def _doubts(self, time: int) -> bool:
        if self.base is None:
            return False
        if self.jumped is not None and self.jumped < self.base < self.jumped + FAR:
            self.doubted = self.base
        self.jumped = self.base
        recent = self.doubted is not None and self.base < self.doubted + FAR
        return recent and time > self.base + max(FAR, self.step)

    def _followed(self, time: int, alone: int) -> bool:
        if self.base is None:
            return len(self.ahead) >= 2 or alone >= 60 * SECOND
        oldest = min(self.since.values())
        gone_on = max(alone, self._climb(oldest, time) - oldest)
        return len(self.ahead) > len(self.heard - self.ahead) or gone_on >= 120 * SECOND

    def _climb(self, start: int, time: int) -> int:
        for later in sorted([*self.since.values(), time]):
            if start < later <= start + self.step:
                start = later
        return start

    @property
    def step(self) -> int:
        return max(300 * SECOND, self.allowed)

    def _ordinary(self, time: int) -> bool:
        return self.base is not None and time <= self.base + self.step

    def _take(self, time: int, bucket: int) -> None:
        assert self.base is not None
        self.base = max(self.base, time)
        self.heard.add(bucket)
        self.ahead.discard(bucket)
        self.since = {}
        if not self.ahead:
            self.lowest = None


def _slow(rows: Rows, disorder: int) -> tuple[list[bool], list[bool], int]:
    rule = Slow(disorder * SECOND)
    found = [
        rule.row(time, crc32(rows.series[code].source_id.encode()) % 64)
        for time, code in zip(rows.time.tolist(), rows.code.tolist(), strict=True)
    ]
    watermark = WATERMARK_NONE if rule.base is None else rule.base - rule.allowed
    return [late for late, _ in found], [far for _, far in found], watermark


def _fast(rows: Rows, disorder: int, cuts: list[int]) -> tuple[list[bool], list[bool], int]:
    late: list[bool] = []
    far: list[bool] = []
    watermark, vote = WATERMARK_NONE, Vote()
    edges = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    for first, last in pairwise(edges):
        part = rows.select(np.arange(first, last))
        found = find_late(part, watermark, disorder * SECOND, vote)
        watermark, vote = found.watermark, found.vote
        late += [False] * len(part) if found.late is None else found.late.tolist()
        far += [False] * len(part) if found.far is None else found.far.tolist()
    return late, far, watermark


@steady
@given(st.one_of(LOG, STEADY_LOG), DISORDER, st.lists(st.integers(0, 100), max_size=5))
def test_the_columns_judge_as_a_loop_over_the_rows_does_however_the_log_is_cut(
    log: Log, disorder: int, cuts: list[int]
) -> None:
    rows = rows_of(log)
    expected = _slow(rows, disorder)
    assert _fast(rows, disorder, []) == expected
    assert _fast(rows, disorder, cuts) == expected


@pytest.mark.parametrize("seed", range(4))
def test_long_logs_are_judged_as_by_the_loop_too(seed: int) -> None:
    chance = np.random.default_rng(seed)
    steps = np.where(chance.random(6000) < 0.01, chance.choice([320, DAY, -DAY], 6000), 0)
    log = [
        (int(step), int(source))
        for step, source in zip(
            steps + chance.integers(-3, 5, 6000), chance.integers(0, 5, 6000), strict=True
        )
    ]
    rows = rows_of(log)
    assert _fast(rows, 10, [777, 778, 4100]) == _slow(rows, 10)


@steady
@given(LOG, DISORDER)
def test_a_watermark_never_goes_back(log: Log, disorder: int) -> None:
    watermark, vote = WATERMARK_NONE, Vote()
    for place in range(len(log)):
        found = find_late(
            rows_of(log).select(np.array([place])), watermark, disorder * SECOND, vote
        )
        assert found.watermark >= watermark
        watermark, vote = found.watermark, found.vote


@steady
@given(LOG, DISORDER)
def test_no_row_within_the_allowed_disorder_is_late(log: Log, disorder: int) -> None:
    rows = rows_of(log)
    late, _, _ = _fast(rows, disorder, [])
    newest = -1
    for time, is_late in zip(rows.time.tolist(), late, strict=True):
        newest = max(newest, time)
        assert not is_late or time < newest - disorder * SECOND


@steady
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 4)), max_size=60))
def test_among_clocks_that_agree_lateness_is_what_it_always_was(log: Log) -> None:
    rows = rows_of([(0, 0), (0, 1), *log])
    late, far, watermark = _fast(rows, 10, [])
    newest = np.maximum.accumulate(rows.time)
    assert watermark == int(newest[-1]) - 10 * SECOND
    assert late == [False, *(rows.time[1:] < newest[:-1] - 10 * SECOND).tolist()]
    assert not any(far)


def test_one_sample_a_day_ahead_makes_no_other_late() -> None:
    rows = at((0, 0), (1, 1), (2, 2), (DAY, 2), (3, 0), (4, 1), (5, 0))
    late, far, watermark = _fast(rows, 10, [])
    assert (any(late), any(far), watermark) == (False, False, (5 - 10) * SECOND)


def test_a_clock_that_stays_wild_makes_no_other_late_and_its_rows_become_dead_letters() -> None:
    log = [
        row
        for second in range(0, 3000, 10)
        for row in ((second, 0), (second, 1), (second + 2 * DAY, 2))
    ]
    late, far, watermark = _fast(at(*log), 10, [300])
    assert not any(late)
    assert watermark == (2990 - 10) * SECOND
    assert [place for place, is_far in enumerate(far) if not is_far and place % 3 == 2] == [2]


def test_a_wild_first_row_makes_no_other_late() -> None:
    late, _, watermark = _fast(at((DAY, 2), (0, 0), (1, 1), (2, 0)), 10, [])
    assert (any(late), watermark) == (False, -8 * SECOND)


def test_after_an_outage_the_watermark_follows_once_most_sources_are_back() -> None:
    before = [(second, source) for second in range(10) for source in range(5)]
    back = [(7200 + second, second % 5) for second in range(3)]
    assert _fast(at(*before, *back[:2]), 10, [])[2] == (9 - 10) * SECOND
    assert _fast(at(*before, *back), 10, [])[2] == (7202 - 10) * SECOND


def test_one_source_alone_is_followed_over_any_gap() -> None:
    late, far, watermark = _fast(at(*((hour * 3600, 0) for hour in range(50))), 10, [7])
    assert (any(late), any(far), watermark) == (False, False, (49 * 3600 - 10) * SECOND)


def test_the_last_of_several_sources_is_followed_two_minutes_behind_a_gap() -> None:
    before = [(second, source) for second in range(10) for source in range(5)]
    back = [(7200 + second, 0) for second in range(0, 121, 10)]
    assert _fast(at(*before, *back[:-1]), 10, [])[2] == (9 - 10) * SECOND
    late, far, watermark = _fast(at(*before, *back), 10, [])
    assert (any(late), any(far), watermark) == (False, False, (7320 - 10) * SECOND)


def test_no_rows_leave_the_watermark_where_it_is() -> None:
    assert find_late(Rows.empty(), 7, 5).watermark == 7


def test_a_log_that_ends_behind_a_jump_is_known_to_its_last_row() -> None:
    rows = at((0, 0), (1, 1), (500, 0))
    found = find_late(rows, WATERMARK_NONE, 10 * SECOND)
    assert found.watermark == -9 * SECOND
    assert reached(found.watermark, found.vote, 10 * SECOND) == 490 * SECOND


def test_a_wild_clock_does_not_stretch_what_is_known_at_the_end() -> None:
    found = find_late(at((0, 0), (1, 1), (DAY, 2), (2, 0)), WATERMARK_NONE, 10 * SECOND)
    assert reached(found.watermark, found.vote, 10 * SECOND) == found.watermark == -8 * SECOND


@steady
@given(st.one_of(LOG, STEADY_LOG), DISORDER)
def test_how_far_behind_a_late_row_is_counts_from_the_newest_time_before_it(
    log: Log, disorder: int
) -> None:
    rows = rows_of(log)
    whole = find_late(rows, WATERMARK_NONE, disorder * SECOND)
    watermark, vote = WATERMARK_NONE, Vote()
    behind: list[int] = []
    for place, time in enumerate(rows.time.tolist()):
        found = find_late(rows.select(np.array([place])), watermark, disorder * SECOND, vote)
        if found.late is not None:
            behind.append(watermark + disorder * SECOND - time)
        watermark, vote = found.watermark, found.vote
    assert ([] if whole.behind is None else whole.behind.tolist()) == behind
    assert all(one > disorder * SECOND for one in behind)


@steady
@given(STEADY_LOG, DISORDER)
def test_with_the_disorder_of_the_row_furthest_behind_no_row_is_late(
    log: Log, disorder: int
) -> None:
    rows = rows_of([(0, 0), (0, 1), *log])
    found = find_late(rows, WATERMARK_NONE, disorder * SECOND)
    if found.behind is not None:
        enough = int(found.behind.max())
        assert find_late(rows, WATERMARK_NONE, enough).late is None


def test_rows_that_did_not_jump_are_heard_by_the_bucket_of_their_source() -> None:
    names = [f"source {i}" for i in range(40)]
    rows = Rows(
        tuple(Series(name, "m") for name in names), np.arange(0, 40, 2, dtype=np.int32),
        np.full(20, 5), np.zeros(20), None,
    )  # fmt: skip
    before = Vote(heard=1 << _bucket("another"), since={3: 7})
    after = _all_heard(rows, before)
    expected = before.heard
    for name in names[::2]:
        expected |= 1 << _bucket(name)
    assert after.heard == expected
    assert after.since == {}
    assert before.since == {3: 7}
