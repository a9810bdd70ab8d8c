"""Each step of `relation` by hand: one window of a few metrics, with pairs that are given."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.transforms.detectors import relation_kernel as kernel
from padit.transforms.detectors.relation_kernel import PAIR, PARTNERS, average, run

Array = NDArray[np.float64]
NOW = 1_000_000_000_000_000
MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
BOTH = 3


class Metrics:
    """Series of one source; pairs are those of the first one."""

    def __init__(self, count: int = 2) -> None:
        self.own = np.zeros((count, kernel.SLOTS))
        self.partner = np.zeros((count, PARTNERS), np.int64)
        self.pairs = np.zeros((count, PARTNERS * PAIR))
        self.own[:, kernel.WINDOWS] = 100
        self.own[:, kernel.LAST] = -1.0

    def pair(self, place: int = 0, who: int = 12, /, **given: float) -> "Metrics":
        """A line y = 100 + 2 (x - 10) whose errors have a deviation of 1, taken as 1.5."""
        usual: dict[str, float] = {
            "COUNT": 200, "MEAN_X": 10.0, "MEAN_Y": 100.0, "VAR_X": 4.0, "COVAR": 8.0,
            "VAR_Y": 20.0, "ERROR": 1.0, "SWINGS": 20, "ERROR_SWINGS": 15, "SEEN": NOW - MINUTE,
        }  # fmt: skip
        for name, value in (usual | given).items():
            self.pairs[0, place * PAIR + getattr(kernel, name)] = value
        self.partner[0, place] = who
        return self

    def get(self, name: str, place: int = 0) -> float:
        return float(self.pairs[0, place * PAIR + getattr(kernel, name)])

    def window(
        self, mean: Sequence[float], *, directions: int = BOTH, accepted: float = 1e18,
        source: Sequence[int] | None = None, end: Sequence[int] | None = None,
    ) -> Array:  # fmt: skip
        """Facts of one window of each metric; identities are 11, 12 and so on."""
        count = len(mean)
        out = np.full((kernel.FACTS, count), -7.0)
        run(
            self.own, self.partner, self.pairs, np.arange(count),
            np.zeros(count, np.int64) if source is None else np.array(source),
            11 + np.arange(count), np.full(count, NOW) if end is None else np.array(end),
            np.array(mean, np.float64), np.full(count, directions),
            np.array([1.0, 0.5, accepted]), out,
        )  # fmt: skip
        return out


def test_a_window_is_judged_by_its_distance_from_the_line() -> None:
    metrics = Metrics().pair(SUM=1.0)
    out = metrics.window([102.0 + 6 * 1.5, 11.0])
    assert metrics.get("SUM") == pytest.approx(1.0 + 6.0 - 3.0)
    verdict = 4.0 / 8.0
    low, high = 102.0 - 4.5, 102.0 + 4.5
    assert out[:, 0] == pytest.approx([verdict, verdict, 0, 1, low, high, 102.0, 0.95, 1])
    assert np.isnan(out[[0, 4, 5, 6, 7], 1]).all()  # the other one has no pair yet
    assert out[[1, 2, 3, 8], 1].tolist() == [0, 0, -1, 0]
    assert metrics.get("SEEN") == NOW


@pytest.mark.parametrize(
    ("given", "judged"),
    [
        ({"COUNT": 60}, True), ({"COUNT": 59}, False), ({"SWINGS": 5}, True),
        ({"SWINGS": 4}, False), ({"ERROR_SWINGS": 12}, True), ({"ERROR_SWINGS": 11}, False),
        ({"ERROR": 5.9}, True), ({"ERROR": 6.1}, False), ({"VAR_Y": 0.0}, False),
    ],
)  # fmt: skip
def test_a_pair_judges_once_it_has_seen_enough_and_explains_enough(
    given: Mapping[str, float], judged: bool
) -> None:
    out = Metrics().pair(**given).window([110.0, 11.0])
    assert out[8, 0] == judged
    assert np.isnan(out[0, 0]) == (not judged)


@pytest.mark.parametrize(
    ("y", "x", "given", "total"),
    [
        (102.0, 11.0, {"SUM": 4.0}, 1.0),
        (102.0, 11.0, {"SUM": 2.0}, 0.0),
        (102.0 - 5 * 1.5, 11.0, {}, 2.0),
        (102.0 + 100, 11.0, {}, 5.0),  # an error counts as eight deviations at the most
        (102.0 + 100, 11.0, {"SUM": 11.0}, 12.0),  # one and a half times the limit
        (102.0 + 100, 11.0, {"SUM": 21.0, "RECORD": 10.0}, 24.0),
        (112.0 + 6 * 1.5, 16.0, {}, 3.0),  # three deviations of the partner away
        (114.0 + 8 * 1.5, 17.0, {}, 8 / 1.5 - 3.0),
        (80.0 - 18 * 1.5, 0.0, {}, 3.0),
        (102.0 + 4 * 2.0, 11.0, {"ERROR_SWINGS": 15, "ERROR": 16 / 9}, 1.0),
        (102.0 + 4 * 1.25, 11.0, {"ERROR_SWINGS": 63}, 1.0),
    ],
)
def test_errors_add_up_beyond_three_deviations(
    y: float, x: float, given: Mapping[str, float], total: float
) -> None:
    metrics = Metrics().pair(**given)
    out = metrics.window([y, x])
    assert metrics.get("SUM") == pytest.approx(total, abs=1e-5)
    limit = max(8.0, 1.6 * given.get("RECORD", 0.0))
    assert out[1, 0] == pytest.approx(total / limit, abs=1e-6)


@pytest.mark.parametrize(
    ("directions", "away", "total"),
    [(1, 9.0, 3.0), (2, 9.0, 0.0), (1, -9.0, 0.0), (2, -9.0, 3.0), (0, 9.0, 0.0), (7, -9.0, 3.0)],
)
def test_only_the_sides_that_are_worth_a_word_count(
    directions: int, away: float, total: float
) -> None:
    metrics = Metrics().pair()
    metrics.window([102.0 + away, 11.0], directions=directions)
    assert metrics.get("SUM") == pytest.approx(total, abs=1e-5)


def test_the_highest_sum_that_came_back_to_nothing_is_a_record_which_fades() -> None:
    rising = Metrics().pair(PEAK=1.0, RECORD=2.0)
    rising.window([111.0, 11.0])
    assert rising.get("PEAK") == pytest.approx(3.0, abs=1e-5)
    assert rising.get("RECORD") == pytest.approx(2.0 * (1 - 1 / 2048))
    falling = Metrics().pair(PEAK=6.0, RECORD=2.0, SUM=2.0)
    falling.window([102.0, 11.0])
    assert (falling.get("PEAK"), falling.get("RECORD"), falling.get("SUM")) == (0.0, 6.0, 0.0)


def _open(metrics: Metrics, since: int = NOW - MINUTE, calm: float = 0.0) -> Metrics:
    metrics.own[0, [kernel.OPEN, kernel.SINCE, kernel.CALM]] = 1.0, since, calm
    return metrics


@pytest.mark.parametrize(("record", "total"), [(0.0, 8.0), (5.0, 8.0), (10.0, 7.0)])
def test_inside_an_alert_nothing_is_learnt_and_calm_counts_more(
    record: float, total: float
) -> None:
    metrics = _open(Metrics().pair(SUM=11.0, RECORD=record, PEAK=5.0))
    out = metrics.window([102.0, 11.0])
    assert metrics.get("SUM") == pytest.approx(total)
    assert (metrics.get("PEAK"), metrics.get("RECORD")) == (0.0, record)
    assert (metrics.get("COUNT"), metrics.get("MEAN_X")) == (200, 10.0)
    assert out[0, 0] == 0.0
    risen = _open(Metrics().pair(SUM=1.0))
    risen.window([111.0, 11.0])
    assert risen.get("SUM") == pytest.approx(4.0, abs=1e-5)


def test_alerts_open_close_and_are_accepted_unless_that_is_never_right() -> None:
    opening = Metrics().pair(SUM=11.0)
    assert opening.window([140.0, 11.0])[0, 0] == pytest.approx(1.5)
    assert opening.own[0, [kernel.OPEN, kernel.SINCE]].tolist() == [1.0, NOW]
    lasting = _open(Metrics().pair(SUM=11.0), NOW - 60 * MINUTE)
    out = lasting.window([140.0, 11.0], accepted=30 * MINUTE)
    assert out[:3, 0].tolist() == [0.0, 0.0, 1.0]
    assert lasting.own[0, kernel.OPEN] == 0
    assert not lasting.pairs[0].any()
    full = _open(Metrics().pair(SUM=11.0), NOW - 60 * MINUTE)
    out = full.window([140.0, 11.0], accepted=30 * MINUTE, directions=7)
    assert out[:3, 0] == pytest.approx([0.0, 1.5, 0.0])
    assert full.own[0, kernel.OPEN] == 1
    assert full.get("COUNT") == 200


def test_the_middle_of_all_pairs_decides_the_lower_one_of_two() -> None:
    sums = (2.0, 8.0, 5.0)
    for count, verdict in ((1, 2.0), (2, 2.0), (3, 5.0)):
        metrics = Metrics(4)
        for place in range(count):
            metrics.pair(place, 12 + place, SUM=sums[place] + 3.0)
        out = metrics.window([102.0, 11.0, 11.0, 11.0])
        assert out[8, 0] == count
        assert out[1, 0] == pytest.approx(verdict / 8)
        assert out[3, 0] == min(count, 2)  # the line of the pair with the highest verdict


def test_a_metric_that_repeats_itself_is_not_judged() -> None:
    for repeats, judged in ((0.49, True), (0.51, False)):
        metrics = Metrics().pair()
        metrics.own[0, kernel.REPEATS] = repeats * 64 / 63
        assert metrics.window([102.0, 11.0])[8, 0] == judged
        assert metrics.own[0, kernel.REPEATS] == pytest.approx(repeats)
        assert metrics.own[0, [kernel.WINDOWS, kernel.LAST]].tolist() == [101, 102.0]
    again = Metrics()
    again.own[0, kernel.LAST] = 102.0
    again.window([102.0, 11.0])
    assert again.own[0, kernel.REPEATS] == 1 / 64
    first = Metrics()
    first.own[0, [kernel.WINDOWS, kernel.LAST]] = 0.0
    first.window([0.0, 11.0])
    assert first.own[0, kernel.REPEATS] == 0


def test_a_window_without_samples_changes_nothing() -> None:
    metrics = Metrics().pair()
    before = metrics.pairs.copy(), metrics.own.copy()
    out = metrics.window([np.nan, 11.0])
    np.testing.assert_array_equal(metrics.pairs, before[0])
    np.testing.assert_array_equal(metrics.own[0], before[1][0])
    assert out[1:4, 0].tolist() == [0, 0, -1]
    assert np.isnan(out[[0, 4, 5, 6, 7, 8], 0]).all()
    silent = Metrics().pair()
    out = silent.window([102.0, np.nan])
    assert out[8, 0] == 0
    assert silent.get("SEEN") == NOW - MINUTE


def test_windows_of_other_sources_and_other_ends_are_no_partners() -> None:
    other = Metrics().pair()
    assert other.window([102.0, 11.0], source=[1, 2])[8].tolist() == [0, 0]
    later = Metrics().pair()
    assert later.window([102.0, 11.0], end=[NOW, NOW + 1])[8].tolist() == [0, 0]
    assert not later.partner[1].any()
    two = Metrics(4).pair()
    assert two.window([102.0, 11.0, 1.0, 2.0], source=[1, 1, 2, 2])[8, 0] == 1
    assert two.partner[:, 0].tolist() == [12, 11, 14, 13]


def test_eight_of_the_next_metrics_become_partners() -> None:
    metrics = Metrics(11)
    metrics.window(list(range(11)))
    assert metrics.partner[0].tolist() == list(range(12, 20))
    assert metrics.partner[10].tolist() == list(range(11, 19))
    assert metrics.partner[5].tolist() == [17, 18, 19, 20, 21, 11, 12, 13]
    assert metrics.get("COUNT", 7) == 1
    assert (metrics.get("MEAN_X", 7), metrics.get("MEAN_Y", 7)) == (8.0, 0.0)


def test_only_the_32_next_metrics_are_looked_at() -> None:
    metrics = Metrics(40).pair(0, 11 + 32).pair(1, 11 + 33)
    mean = np.full(40, np.nan)
    mean[[0, 32, 33]] = 102.0, 11.0, 11.0
    metrics.window(mean.tolist())
    assert (metrics.get("SEEN", 0), metrics.get("SEEN", 1)) == (NOW, NOW - MINUTE)
    few = Metrics(33).pair(0, 11 + 32)
    mean = np.full(33, np.nan)
    mean[[0, 32]] = 102.0, 11.0
    assert few.window(mean.tolist())[8, 0] == 1


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({}, False), ({"SEEN": NOW - DAY}, False), ({"SEEN": NOW - DAY - 1}, True),
        ({"ERROR": 16.1, "COUNT": 240}, True), ({"ERROR": 16.1, "COUNT": 239}, False),
        ({"ERROR": 15.9, "COUNT": 240}, False), ({"VAR_Y": 0.0, "COUNT": 500}, True),
    ],
)  # fmt: skip
def test_a_partner_that_says_nothing_or_is_gone_makes_room(
    given: Mapping[str, float], taken: bool
) -> None:
    metrics = Metrics(2)
    for place in range(PARTNERS):
        metrics.pair(place, 50 + place, **(given if place == 3 else {}))
    metrics.window([102.0, 11.0])
    who = [50 + place for place in range(PARTNERS)]
    if taken:
        who[3] = 12
        expected = np.zeros(PAIR)
        expected[[kernel.COUNT, kernel.MEAN_X, kernel.MEAN_Y, kernel.SEEN]] = 1, 11.0, 102.0, NOW
        np.testing.assert_array_equal(metrics.pairs[0, 3 * PAIR : 4 * PAIR], expected)
    assert metrics.partner[0].tolist() == who
    assert metrics.get("COUNT", 2) == metrics.get("COUNT", 4) == 200


def test_the_first_free_place_is_taken_and_a_known_partner_keeps_its_own() -> None:
    metrics = Metrics(2).pair(5, 12)
    metrics.window([102.0, 11.0])
    assert metrics.partner[0].tolist() == [0, 0, 0, 0, 0, 12, 0, 0]
    assert metrics.get("COUNT", 5) == 201


X = (1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 0.0, 3.0)
Y = (3.0, 7.0, 1.0, 9.0, 9.0, 2.0, 4.0, 6.0)


def test_the_moments_of_few_windows_are_those_of_all() -> None:
    metrics = Metrics()
    for x, y in zip(X, Y, strict=True):
        metrics.window([y, x])
    assert metrics.get("COUNT") == 8
    found = [metrics.get(name) for name in ("MEAN_X", "MEAN_Y", "VAR_X", "COVAR", "VAR_Y")]
    covariance = np.cov(X, Y, bias=True)
    expected = [np.mean(X), np.mean(Y), covariance[0, 0], covariance[0, 1], covariance[1, 1]]
    assert found == pytest.approx(expected)
    assert metrics.get("ERROR") == 0
    slope = covariance[0, 1] / covariance[0, 0]
    error = 5.0 - (np.mean(Y) + slope * (9.0 - np.mean(X)))
    metrics.window([5.0, 9.0])
    assert metrics.get("ERROR") == pytest.approx(error**2)  # of the ninth, alone


def test_old_windows_fade_and_an_error_is_learnt_as_three_deviations() -> None:
    for away, kept in ((100.0, 4.5), (-100.0, -4.5), (4.0, 4.0)):
        metrics = Metrics().pair(COUNT=9999)
        metrics.window([102.0 + away, 11.0])
        w, dy = 1 / 512, 2.0 + kept
        assert metrics.get("COUNT") == 10_000
        assert metrics.get("MEAN_X") == pytest.approx(10 + w)
        assert metrics.get("MEAN_Y") == pytest.approx(100 + w * dy)
        assert metrics.get("VAR_X") == pytest.approx(4 + w * ((1 - w) - 4))
        assert metrics.get("COVAR") == pytest.approx(8 + w * ((1 - w) * dy - 8))
        assert metrics.get("VAR_Y") == pytest.approx(20 + w * ((1 - w) * dy * dy - 20))
        assert metrics.get("ERROR") == pytest.approx(1 + (kept**2 - 1) / 512, rel=1e-6)
    young = Metrics().pair(COUNT=59)
    young.window([122.0, 11.0])
    assert young.get("ERROR") == pytest.approx(1 + 399 / 52)
    assert young.get("MEAN_Y") == pytest.approx(100 + 22 / 60)
    known = Metrics().pair(COUNT=60)
    known.window([122.0, 11.0])
    assert known.get("MEAN_Y") == pytest.approx(100 + 6.5 / 61)


@pytest.mark.parametrize(
    ("x", "side", "swings", "after"),
    [
        (13.0, 0.0, 21, 1.0), (13.0, -1.0, 21, 1.0), (13.0, 1.0, 20, 1.0), (7.0, 1.0, 20, -1.0),
        (7.0, -1.0, 20, -1.0), (11.0, -1.0, 20, -1.0), (9.0, 1.0, 20, 1.0),
        (11.34, -1.0, 20, -1.0), (11.36, -1.0, 21, 1.0), (8.66, 1.0, 20, 1.0),
        (8.64, 1.0, 20, -1.0),
    ],
)  # fmt: skip
def test_a_swing_goes_from_beyond_one_quartile_to_beyond_the_other(
    x: float, side: float, swings: int, after: float
) -> None:
    metrics = Metrics().pair(SIDE=side)
    metrics.window([100.0 + 2 * (x - 10.0), x])
    assert (metrics.get("SWINGS"), metrics.get("SIDE")) == (swings, after)
    errors = Metrics().pair(ERROR_SIDE=side, COUNT=9999, ERROR=4.0)
    errors.window([102.0 + x - 10.0, 11.0])
    assert (errors.get("ERROR_SWINGS") - 15, errors.get("ERROR_SIDE")) == (swings - 20, after)


def test_a_metric_that_never_moves_has_no_swings_and_no_line() -> None:
    metrics = Metrics()
    for _ in range(12):
        metrics.window([5.0, 3.0])
    names = ("SWINGS", "ERROR_SWINGS", "VAR_X", "VAR_Y", "COVAR", "ERROR")
    assert [metrics.get(name) for name in names] == [0.0] * 6
    assert (metrics.get("MEAN_X"), metrics.get("MEAN_Y")) == (3.0, 5.0)


def test_a_line_to_beyond_all_numbers_is_taken_as_the_mean() -> None:
    steep = Metrics().pair(COVAR=8e150, ERROR=0.0)
    out = steep.window([100.0, 10.0 + 1e3])
    assert out[6, 0] == 100.0
    flat = Metrics().pair(VAR_X=0.0)
    assert flat.window([100.0, 11.0])[6, 0] == 100.0


def test_the_mean_of_a_window_is_that_of_its_samples() -> None:
    value = np.array([1.0, 2.0, 6.0, -4.0, 1e300, np.inf])
    found = average(value, np.array([0, 3, 3, 4]))
    assert found[[0, 2]].tolist() == [3.0, -4.0]
    assert np.isnan(found[1])
    assert np.isfinite(average(value, np.array([4, 6]))).all()
