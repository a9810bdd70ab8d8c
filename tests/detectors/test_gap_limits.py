"""From which gap on a series is reported, by hand: few samples, one window."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import pytest

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors.columns import Columns, locate
from padit.transforms.detectors.gaps import FIELDS, Moments, follow
from padit.transforms.detectors.gaps_kernel import NEVER, Rules

SECOND = 1_000_000
START = 1_772_409_600 * SECOND
DAY = 86_400 * SECOND
ONE = Series("a", "m", "")
RULES = Rules(minimum=300 * SECOND, factor=5.0, warm_up=10, retention=30 * DAY, lived=0)


def _follow(
    gaps: Sequence[float], rules: Rules = RULES, after: float | None = None
) -> tuple[Columns, Moments]:
    """Samples with gaps of so many seconds between them, and none for some seconds `after`."""
    time = START + np.array([*accumulate([0.0, *gaps])], np.float64).astype(np.int64) * SECOND
    end = int(time[-1]) + SECOND
    table = FeatureTable(
        (ONE,), np.array([end]), np.zeros(1, np.int32), {}, np.array([0, len(time)]), time,
        np.arange(len(time), dtype=np.float64), end,
    )  # fmt: skip
    state, rows = locate(Columns.empty(FIELDS), FIELDS, table, rules.retention)
    state.seen[:] = NEVER
    until = NEVER if after is None else int(time[-1] + after * SECOND)
    return state, follow(state, rows, table, rules, until)


def _limit(gaps: Sequence[float], rules: Rules = RULES) -> float:
    """Seconds, after the last sample."""
    _, moments = _follow(gaps, rules)
    return float(moments.limit[-1] / SECOND)


@pytest.mark.parametrize(
    ("gaps", "limit"),
    [
        ([100] * 9, 0), ([100] * 10, 500), ([100] * 70, 500), ([10] * 10, 300),
        ([100] * 9 + [1000], 500), ([1000] + [100] * 9, 500),
        ([100] * 8 + [1000] * 2, 5000 * 10**0.5), ([100] * 18 + [1000] * 2, 2000),
        ([100] * 17 + [1000] * 3, 5000 * 10**0.5), ([1000] * 2 + [100] * 64, 500),
        ([1000] * 5 + [2000] * 5, 10_000 * 2**0.5), ([1000] * 4 + [2000] * 6, 10_000),
        ([0] * 5 + [100] * 9, 0), ([0] * 5 + [100] * 10, 500),
    ],
)  # fmt: skip
def test_the_limit_is_a_multiple_of_the_gap_that_nine_tenths_do_not_exceed(
    gaps: Sequence[float], limit: float
) -> None:
    assert _limit(gaps) == pytest.approx(limit, abs=1e-6)


def test_a_series_has_no_limit_before_it_lived_long_enough() -> None:
    rules = RULES._replace(lived=1500 * SECOND)
    assert (_limit([100] * 14, rules), _limit([100] * 15, rules)) == (0, 500)


def test_a_gap_beyond_what_is_kept_begins_anew() -> None:
    rules = RULES._replace(retention=3600 * SECOND)
    assert _limit([100] * 20 + [3601] + [100] * 9, rules) == 0
    assert _limit([100] * 20 + [3601] + [100] * 10, rules) == 500
    assert _limit([100] * 20 + [3600] + [100] * 9, rules) == 500
    state, _ = _follow([100] * 20 + [4000] + [10] * 3, rules)
    assert state.data["born"].tolist() == [START + 6000 * SECOND]
    assert state.data["gaps"][0, -4:].tolist() == [0, 10 * SECOND, 10 * SECOND, 10 * SECOND]
    assert not state.data["pauses"].any()


@pytest.mark.parametrize(("gap", "pause"), [(499, False), (500, True), (9000, True)])
def test_a_gap_that_is_longer_than_usual_ones_allow_is_a_pause(gap: float, pause: bool) -> None:
    state, _ = _follow([*[100] * 20, gap, 100])
    begun = START + 2000 * SECOND
    assert state.data["pauses"][0, -2:].tolist() == [0, gap * SECOND if pause else 0]
    assert state.data["begins"][0, -2:].tolist() == [0, begun if pause else 0]
    assert state.data["gaps"][0, -3:].tolist() == [100 * SECOND, gap * SECOND, 100 * SECOND]
    young, _ = _follow([*[100] * 9, gap, 100])
    assert not young.data["pauses"].any()
    short, _ = _follow([*[10] * 20, 299, 10])
    assert not short.data["pauses"].any()


def test_pauses_that_are_a_habit_raise_the_limit() -> None:
    busy = [60] * 70
    habit = [*busy, 3600, *busy, 7200, *busy, 3600, *busy]
    assert _limit(habit) == 18_000  # five times the middle one
    assert _limit([*busy, 3600, *busy, 7200, *busy]) == 300  # two are no habit
    assert _limit([*[60] * 900, *[400, *busy] * 3]) == 300  # less than a tenth of the time
    assert _limit([*[60] * 900, *[1200, *busy] * 3]) == 300  # all within a quarter of its life
    assert _limit([*busy, *[1200, *busy] * 3]) == 6000


def test_what_is_remembered_of_gaps_goes_on_with_the_next_table() -> None:
    state, moments = _follow([100] * 12)
    time = np.array([START + 1300 * SECOND])
    table = FeatureTable(
        (ONE,), time + 1, np.zeros(1, np.int32), {}, np.array([0, 1]), time, np.zeros(1),
        int(time[0]) + 1,
    )  # fmt: skip
    again = follow(state, state.rows_of(table.series), table, RULES, NEVER)
    assert (moments.limit[-1], again.limit[-1]) == (500 * SECOND, 500 * SECOND)
    assert state.data["gaps"][0, -13:].tolist() == [100 * SECOND] * 13
    assert state.data["gaps"][0, -14] == 0
    assert again.time.tolist() == [START + 1200 * SECOND, START + 1300 * SECOND]


def test_a_gap_that_is_reported_says_what_was_usual() -> None:
    _, quiet = _follow([100] * 20, after=499)
    assert len(quiet.lasting.moment) == 0
    _, moments = _follow([100] * 19 + [150], after=500)
    lasting = moments.lasting
    last = len(moments.time) - 1
    assert [column.tolist() for column in lasting] == [
        [last], [START + 2550 * SECOND], [100 * SECOND], [150 * SECOND], [20],
    ]  # fmt: skip
    _, within = _follow([*[100] * 20, 700, 100])
    assert within.lasting.moment.tolist() == [21]
    assert within.lasting.following.tolist() == [START + 2700 * SECOND]
    _, unknown = _follow([100] * 5, after=1e6)
    assert len(unknown.lasting.moment) == 0
