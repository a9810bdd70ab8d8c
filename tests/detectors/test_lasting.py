"""What `lasting` reports: what goes on for longer than ever, and ramps beyond their usual reset."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.domain.config import Levels
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors import lasting_kernel
from padit.transforms.detectors.lasting import LastingDetector, LastingParameters

Array = NDArray[np.float64]
SECOND = 1_000_000
MINUTE = 60 * SECOND
START = 1_772_409_600 * SECOND


def _table(value: Array, first: int = 0, unit: str = "", each: int = 1) -> FeatureTable:
    """One sample and window of one series each minute, or each `each`."""
    n = len(value)
    end = START + (first + np.arange(n) + 1) * each * MINUTE
    return FeatureTable(
        (Series("press", "m", unit),), end, np.zeros(n, np.int32), {}, np.arange(n + 1),
        end - SECOND, value, int(end[-1]),
    )  # fmt: skip


def _detector(levels: Levels | None = None) -> LastingDetector:
    return LastingDetector(LastingParameters.model_validate({}), levels)


def _opened(value: Array, unit: str = "", levels: Levels | None = None) -> list[int]:
    """Minutes at which alerts open."""
    detector = _detector(levels)
    _, scores = detector.step(detector.initial(), _table(value, unit=unit))
    return np.flatnonzero(scores.score >= 0.7).tolist()


def _jobs(seed: int, minutes: int, length: int = 3) -> Array:
    """Work of a machine: each job of some minutes asks for its own torque, from 25 to 55."""
    chance = np.random.default_rng(seed)
    jobs = np.clip(40 + 9 * chance.normal(size=minutes // length + 1), 25, 55)
    return np.repeat(jobs, length)[:minutes] + 0.5 * chance.normal(size=minutes)


def _wear(tops: Sequence[float]) -> Array:
    """A tool that is changed when its wear reaches each of `tops`."""
    return np.concatenate([np.arange(0, top) for top in tops])


@pytest.mark.parametrize("level", [56.0, 24.0])
def test_usual_values_that_last_for_longer_than_ever_are_told_once(level: float) -> None:
    """An hour of work that only lasted minutes before, two thirds of the times."""
    found = []
    for seed in range(40):
        value = _jobs(seed, 1800)
        value[1700:1760] = level + np.random.default_rng(seed).normal(size=60)
        found += _opened(value)
    assert len(found) >= 24  # of 40: some begin after a stretch that was near the level already
    assert all(1705 <= at < 1770 for at in found)


def test_what_lasts_is_no_news_before_a_day_was_seen() -> None:
    """Noise of some hours, and then its first morning: an hour higher, then all day."""
    for seed in range(10):
        value = np.random.default_rng(seed).normal(size=1560)
        value[300:] += 6 * np.sin(np.arange(1260) * np.pi / 1260)
        assert _opened(value) == []


def test_what_lasted_on_the_first_day_hides_no_later_one() -> None:
    found = 0
    for seed in range(12):
        value = _jobs(seed, 3600)
        for begin in (800, 2600):
            value[begin : begin + 40] = 57 + 0.5 * np.random.default_rng(seed).normal(size=40)
        found += any(2600 <= at < 2650 for at in _opened(value))
    assert found >= 8


@pytest.mark.parametrize("seed", range(6))
def test_the_same_work_in_its_usual_order_is_quiet(seed: int) -> None:
    assert _opened(_jobs(seed, 3000, 2 + seed % 4)) == []


NO_NEWS: Mapping[str, Callable[[np.random.Generator, Array], Array]] = {
    "a random walk": lambda chance, at: chance.normal(size=len(at)).cumsum(),
    "a season": lambda chance, at: 10 * np.sin(at / 200) + chance.normal(size=len(at)),
    "a drift": lambda chance, at: 0.01 * at + chance.normal(size=len(at)),
    "noise with heavy tails": lambda chance, at: chance.standard_t(2, size=len(at)),
    "log-normal noise": lambda chance, at: chance.lognormal(size=len(at)),
    "slow noise": lambda chance, at: np.convolve(
        chance.normal(size=len(at) + 79), 0.95 ** np.arange(80), "valid"
    ),
    "two states": lambda chance, at: (chance.random(len(at)) < 0.05).cumsum() % 2 * 5.0,
    "one value": lambda chance, at: np.full(len(at), 3.0),
    "a switch that is on once": lambda chance, at: np.where(at > 900, 1.0, 0.0),
}


@pytest.mark.parametrize("kind", NO_NEWS)
def test_what_swings_by_chance_or_drifts_is_not_reported(kind: str) -> None:
    at = np.arange(2000.0)
    found = [len(_opened(NO_NEWS[kind](np.random.default_rng(seed), at))) for seed in range(8)]
    assert sum(found) <= 1, f"{kind}: alerts in 8 series of 2,000 windows each: {found}"


def test_a_routine_that_ends_by_itself_is_told_three_times_and_then_no_more() -> None:
    value = _jobs(2, 6800)
    for night in range(7):
        value[1700 + 700 * night : 1740 + 700 * night] = 57
    assert 1 <= len(_opened(value)) <= 3


def test_a_tool_used_beyond_where_it_was_ever_changed_is_told() -> None:
    [at] = _opened(_wear([200, 202, 199, 260, 200]))
    assert 601 + 203 < at < 601 + 220


def test_after_one_change_the_limit_is_wide_and_after_many_narrow() -> None:
    [first] = _opened(_wear([200, 260]))
    [tenth] = _opened(_wear([200] * 10 + [260]))
    assert 0 < tenth - 2200 < 5 < first - 400 < 20


def test_tools_changed_by_chance_are_quiet_once_that_is_seen() -> None:
    chance = np.random.default_rng(3)
    lives = [float(x) for x in chance.integers(100, 300, 30)]
    assert len(_opened(_wear(lives))) <= 2


def test_a_ramp_that_is_accepted_is_told_once_and_its_reset_learnt() -> None:
    value = _wear([200, 201, 800, 700, 600])
    detector = _detector(Levels(accept_after=60 * MINUTE))
    _, scores = detector.step(detector.initial(), _table(value))
    assert scores.accepted is not None
    assert np.count_nonzero(scores.accepted) == 1
    assert np.flatnonzero(scores.score >= 0.7).tolist() == [608]


def test_a_ramp_that_falls_is_judged_upside_down() -> None:
    [at] = _opened(-_wear([200, 202, 199, 260, 200]))
    assert 601 + 203 < at < 601 + 220


@pytest.mark.parametrize("unit", ["s", "ms"])
def test_how_long_something_has_run_is_no_news(unit: str) -> None:
    assert _opened(_wear([200, 202, 199, 260, 200]), unit) == []


@pytest.mark.parametrize("rate", [60.0, 60_000.0])
def test_a_clock_without_a_unit_is_known_by_its_slope(rate: float) -> None:
    assert _opened(rate * _wear([200, 202, 199, 260, 200])) == []
    assert len(_opened(1.5 * rate * _wear([200, 202, 199, 260, 200]))) == 1


def test_uneven_growth_is_no_ramp() -> None:
    chance = np.random.default_rng(4)
    tops = (200, 202, 199, 300)
    value = np.concatenate([chance.exponential(size=top).cumsum() for top in tops])
    assert _opened(value) == []


def test_the_alert_stays_until_the_tool_is_changed_and_the_next_one_is_told_again() -> None:
    value = _wear([200, 200, 200, 260, 200, 260, 200])
    detector = _detector()
    _, scores = detector.step(detector.initial(), _table(value))
    opened = np.flatnonzero(scores.score >= 0.7)
    assert len(opened) == 2
    assert scores.level is not None
    assert (scores.level[opened[0] : 859] >= 0.35).all()
    assert (scores.level[870:1060] < 0.35).all()


def test_what_stands_for_accept_after_becomes_usual() -> None:
    value = _jobs(0, 2800)
    value[1700:] = 56 + 0.5 * np.random.default_rng(1).normal(size=1100)
    detector = _detector(Levels(accept_after=60 * MINUTE))
    _, scores = detector.step(detector.initial(), _table(value))
    assert scores.accepted is not None
    assert len(np.flatnonzero(scores.accepted)) == 1
    assert np.flatnonzero(scores.score >= 0.7).size == 1


def test_what_still_climbs_is_accepted_later_and_eight_times_later_at_the_latest() -> None:
    value = _jobs(0, 2800)
    away = np.arange(1100)
    accepted = {}
    for name, shift in (("stands", 0.0 * away), ("climbs", 0.15 * away)):
        value[1700:] = 56 + shift + 0.5 * np.random.default_rng(1).normal(size=1100)
        detector = _detector(Levels(accept_after=60 * MINUTE))
        _, scores = detector.step(detector.initial(), _table(value))
        assert scores.accepted is not None
        accepted[name] = int(np.flatnonzero(scores.accepted)[0]) - 1700
    assert accepted["stands"] < 120
    assert 480 <= accepted["climbs"] < 520


@pytest.mark.parametrize("each", [1, 5, 15])
def test_a_step_is_accepted_after_two_hours_however_seldom_windows_are(each: int) -> None:
    """Means over so many windows reach back beyond the alert where these are seldom."""
    found = []
    for seed in range(8):
        value = _jobs(seed, 2300)
        deviation = np.std(value[:1700])
        noise = np.random.default_rng(seed).normal(size=600)
        value[1700:] = np.mean(value[:1700]) + (2.5 + 0.3 * noise) * deviation
        detector = _detector(Levels(accept_after=120 * MINUTE))
        _, scores = detector.step(detector.initial(), _table(value, each=each))
        assert scores.accepted is not None
        opened = np.flatnonzero(scores.score >= 0.7)
        if len(opened) > 0:
            found.append(each * (np.flatnonzero(scores.accepted)[0] - opened[0]))
    assert len(found) >= 4
    assert max(found) < 150  # minutes


def test_an_alert_says_what_lasts_and_what_was_usual() -> None:
    value = _jobs(0, 1800)
    value[1700:1760] = 56
    detector = _detector()
    table = _table(value)
    _, scores = detector.step(detector.initial(), table)
    row = int(np.flatnonzero(scores.score >= 0.7)[0])
    found = detector.explain(table, scores, row)
    assert found["text"].startswith("m 56, higher for longer than ever: ")
    assert found["expected_low"] < 40 < found["expected_high"] < 56


@pytest.mark.parametrize("cut", [1, 450, 601, 910, 1199])
def test_the_same_bytes_however_the_input_is_cut(cut: int) -> None:
    value = np.concatenate([_jobs(1, 600), _wear([200, 205, 260])])
    value[400:440] = 56
    detector = _detector()
    whole, scores = detector.step(detector.initial(), _table(value))
    state, first = detector.step(detector.initial(), _table(value[:cut]))
    state = detector.load(detector.dump(state))
    state, second = detector.step(state, _table(value[cut:], cut))
    assert detector.dump(state) == detector.dump(whole)
    assert np.r_[first.score, second.score].tobytes() == scores.score.tobytes()


@pytest.mark.parametrize("bad", [1e308, -1e308, 5e-324, -0.0, 0.0, 1e150])
def test_bad_values_give_finite_scores_or_none(bad: float) -> None:
    value = np.concatenate([_jobs(1, 600), _wear([200, 205, 260])])
    value[100:1200:7] = bad
    value[300:320] = bad
    detector = _detector()
    state, scores = detector.step(detector.initial(), _table(value))
    known = scores.score[~np.isnan(scores.score)]
    assert ((known >= 0) & (known <= 1)).all()
    assert scores.level is not None
    assert np.isfinite(scores.level).all()
    assert not np.isnan(np.asarray(state.data["state"], float)).any()
    assert state.data["state"].shape[1] == lasting_kernel.SLOTS


def _batches(seed: int, minutes: int) -> Array:
    """A machine that works and waits, for seven to thirteen minutes each."""
    chance = np.random.default_rng(seed)
    value = np.empty(0)
    while len(value) < minutes:
        for level in (60.0, 20.0):
            value = np.r_[value, np.full(chance.integers(7, 14), level)]
    return value[:minutes] + chance.normal(size=minutes)


@pytest.mark.parametrize("level", [60.0, 20.0])
@pytest.mark.parametrize("seed", range(4))
def test_a_machine_that_stays_in_one_of_its_two_states_is_told(level: float, seed: int) -> None:
    value = _batches(seed, 1500)
    assert _opened(value) == []
    value[1200:1290] = level + np.random.default_rng(seed).normal(size=90)
    [opened] = _opened(value)
    assert 1200 < opened < 1240


def test_states_that_end_by_chance_are_no_news_however_long_one_lasts() -> None:
    told = 0
    for seed in range(40):
        chance = np.random.default_rng(seed)
        stays = chance.exponential(15, 400).astype(int) + 1
        value = np.repeat(np.arange(400) % 2 * 50.0, stays)[:4000]
        told += len(_opened(value + chance.normal(size=len(value))))
    assert told <= 3  # 110 days of it


@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_states(seed: int) -> None:
    chance = np.random.default_rng(seed)
    assert _opened(chance.normal(size=5000)) == []
    assert _opened(np.sin(np.arange(5000) / 9) + 0.1 * chance.normal(size=5000)) == []


def test_what_lies_far_outside_is_no_matter_of_lasting() -> None:
    """An hour beyond three deviations: `usual` tells that, at once."""
    for seed in range(10):
        value = np.random.default_rng([3, seed]).normal(size=1200)
        value[900:960] += 8.0
        assert _opened(value) == []
