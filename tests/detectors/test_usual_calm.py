"""What keeps `usual` quiet in calm time: slow noise, routine bursts, no season."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.transforms.detectors import (
    usual_alert,
    usual_channels,
    usual_evidence,
    usual_scale,
    usual_season,
    usual_state,
)
from tests.detectors.test_usual import _judged

Array = NDArray[np.float64]


def _slow(chance: np.random.Generator, size: int, memory: float) -> Array:
    """An AR(1) of deviation 1."""
    step = chance.normal(size=size) * np.sqrt(1 - memory * memory)
    values, y = np.empty(size), 0.0
    for i in range(size):
        y = memory * y + step[i]
        values[i] = y
    return values


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9, 0.97, 0.99])
def test_the_persistence_of_slow_noise_is_the_variance_of_its_mean(memory: float) -> None:
    values = _slow(np.random.default_rng(41), 200_000, memory)
    low, high = np.quantile(values, (0.25, 0.75))
    ends = np.where(values >= high, 1, np.where(values <= low, -1, 0))
    swings = np.count_nonzero(np.diff(ends[ends != 0]) > 0)
    slow = max(1.0, len(values) / (8 * swings))
    found = usual_scale.persistence(slow)
    assert found == pytest.approx((1 + memory) / (1 - memory), rel=0.12)


def test_the_trough_of_a_load_that_swings_within_hours_is_no_news() -> None:
    """The first one was no news and not learnt either, so that a later one was, of four series."""
    t = np.arange(2160) / 60.0  # 36 hours, a sample each minute
    told = []
    for seed in range(40):
        chance = np.random.default_rng([43, seed])
        load = 100 + 45 * np.sin(2 * np.pi * t / 7) + 8 * _slow(chance, len(t), 0.97)
        for at in chance.uniform(3, 33, 6):
            load[(t >= at) & (t < at + 1 / 3)] += 90
        values = load * (1 + chance.normal(0, 0.03, len(t)))
        news, _, _ = _judged(values, 60.0)
        told += [seed for one in news if values[int(one / 60)] < 90]
    assert not told


def _bursts(chance: np.random.Generator) -> Array:
    """A day at 1 Hz: some minutes of work, each half hour or so."""
    values = 5 + chance.normal(size=86_400)
    at = int(chance.exponential(1800))
    while at < len(values):
        lasts = int(chance.uniform(60, 240))
        values[at : at + lasts] += 60 * chance.uniform(0.7, 1.3)
        at += lasts + int(chance.exponential(1800))
    return values


def test_bursts_that_became_routine_stay_so_for_the_day() -> None:
    """Three are told of each kind of height; before, one or two in three hours, all day."""
    late = [_judged(_bursts(np.random.default_rng([42, k])), 1.0)[0] for k in range(4)]
    assert sum(int((news >= 6 * 3600).sum()) for news in late) <= 4


@given(gains=st.lists(st.floats(-2, 4), min_size=1, max_size=100), routine=st.booleans())
@settings(deadline=None, max_examples=50)
def test_what_an_alert_reached_is_a_record_if_it_was_routine(
    gains: list[float], routine: bool
) -> None:
    channel = np.zeros(usual_scale.CHANNEL)
    at = usual_scale.STATISTICS
    reached = 0.0
    for gain in gains:
        usual_evidence._sum(channel, at, gain, 5.0, 1.6, 1.0, 0.999, False)
        reached += max(gain, 0.0)
    usual_evidence.close_evidence(channel, routine)
    assert channel[at + 5] == (reached if routine else 0.0)
    assert channel[at + 10] == 0.0


def _compared(values: Array) -> tuple[Array, bool]:
    """The state of a season after half hours of one value each, and whether its days return."""
    slots = np.full(usual_season.SLOTS_OF_SEASON, np.nan, np.float32)
    state = np.zeros(usual_season.SEASON)
    for k, y in enumerate(values):
        usual_season.season_learn(state, slots, k * usual_season.HALF_HOUR, float(y), False)
    return state, bool(usual_season._returns(state, usual_season.OF_DAYS, 1.0))


@pytest.mark.parametrize("seed", range(5))
def test_a_day_that_returns_is_a_season_and_slow_noise_is_none(seed: int) -> None:
    chance = np.random.default_rng([43, seed])
    at = np.arange(12 * usual_season.DAY)
    noise = _slow(chance, len(at), 0.9)
    day = np.sin(at * 2 * np.pi / usual_season.DAY)
    assert _compared(day + 0.5 * noise)[1]
    assert not _compared(noise)[1]
    spiked = day + 0.5 * noise
    spiked[chance.integers(4 * usual_season.DAY, len(at), 8)] += 1e3  # held, as faults are
    assert _compared(spiked)[1]


def test_the_analysis_of_variance_is_the_plain_one() -> None:
    """Of the last half hour, before anything is held: between, and of the mean of seven days."""
    values = np.random.default_rng(44).normal(size=3 * usual_season.DAY)
    state, _ = _compared(values)
    at = usual_season.OF_DAYS
    middle = between = error = total = 0.0
    held = values.astype(np.float32).astype(float)
    for n, now in enumerate(range(2 * usual_season.DAY, 3 * usual_season.DAY)):
        before = held[now - usual_season.DAY :: -usual_season.DAY][:7] - middle
        weight = 1 / min(n + 1.0, usual_season.DAY)
        wrong = before.var(ddof=1) / len(before)
        square = (1 - weight) * before.mean() ** 2
        middle += weight * before.mean()
        between += weight * (square - wrong - between)
        error += weight * (wrong - error)
        total += weight * (square + before.var() - total)
    assert state[at : at + 4] == pytest.approx([middle, between, error, total])


def _walk(chance: np.random.Generator) -> Array:
    """A day at 1 Hz: a level that wanders for ever."""
    found: Array = 50 + np.cumsum(chance.normal(size=86_400)) / 60
    return found


def _blips(chance: np.random.Generator) -> Array:
    """A day at 1 Hz: lone samples of any height, each 20 minutes or so."""
    lone = np.where(chance.random(86_400) < 1 / 1200, chance.exponential(5, 86_400), 0.0)
    found: Array = lone + 0.05 * np.abs(chance.normal(size=86_400))
    return found


def _duty(chance: np.random.Generator) -> Array:
    """Six hours at 1 Hz: on for 15 minutes, off for 15."""
    at = np.arange(21_600)
    found: Array = np.where(at % 1800 < 900, 70.0, 12.0) + chance.normal(size=21_600)
    return found


@pytest.mark.parametrize(
    ("series", "many", "most"),
    [(_walk, 3, 2), (_blips, 12, 56), (_duty, 3, 6)],
    ids=["walk", "blips", "duty cycle"],
)
def test_a_series_each_second_is_quiet_on_its_first_day(
    series: Callable[[np.random.Generator], Array], many: int, most: int
) -> None:
    """Before, of walks four, of blips 62. A first pause is gross: it is told."""
    opened = [len(_judged(series(np.random.default_rng([45, k])), 1.0)[0]) for k in range(many)]
    assert sum(opened) <= most


def _told(states: tuple[float, float], y: float) -> bool:
    """Whether nothing is known at a value, after excursions to a place, so many times."""
    s = np.zeros(usual_state.SLOTS)
    s[usual_state.KIND], s[usual_state.KIND + 1] = states
    s[usual_state.VALUE + usual_scale.CENTRE] = 10.0
    return bool(usual_alert.told(s, y))


def test_a_place_that_was_told_is_not_known_until_it_is_routine() -> None:
    assert _told((30.0, 1.0), 30.0)
    assert _told((30.0, 2.0), 25.0)
    assert not _told((30.0, 2.0), 20.0)  # half as far
    assert not _told((30.0, 2.0), -10.0)  # on the other side
    assert not _told((30.0, 3.0), 30.0)
    assert not _told((0.0, 0.0), 0.0)


def test_a_slow_series_that_was_told_at_a_place_is_told_there_again() -> None:
    slow = 20 + 3 * np.sin(np.arange(6000) * 2 * np.pi / 400)
    value = slow + 0.1 * np.random.default_rng(46).normal(size=6000)
    value[[*range(3000, 3060), *range(4500, 4560)]] += 25.0
    news = _judged(value)[0]
    assert any(30_000 <= one < 30_600 for one in news)
    assert any(45_000 <= one < 45_600 for one in news)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_sums_reach_before_a_series_is_judged_may_come_again(seed: int) -> None:
    """Bursts within the first 45 minutes: the first lies grossly outside of all, none after it."""
    values = np.random.default_rng([43, seed]).normal(size=7200)
    for at in (500, 1300, 2000, 4000, 5200, 6300):
        values[at : at + 40] += 20
    news = _judged(values, 1.0)[0]
    assert len(news) == 1
    assert 500 <= news[0] < 540


@pytest.mark.parametrize("seed", range(5))
def test_a_value_that_stood_still_three_times_and_moved_on_is_routine(seed: int) -> None:
    values = np.round(np.random.default_rng([44, seed]).normal(size=60_000) * 3)
    stops = range(6000, 60_000, 6000)
    for at in stops:
        values[at : at + 400] = 0.0
    news = _judged(values, 1.0)[0]
    told = [bool(((news >= at) & (news < at + 400)).any()) for at in stops]
    assert told[:2] == [True] * 2
    assert told[4:] == [False] * 5


def test_a_record_of_how_long_a_value_stood_fades_by_samples_not_by_moves() -> None:
    state = np.zeros(usual_state.SLOTS)
    state[usual_state.INTERVAL] = 60e6
    for i in range(100):
        usual_channels.stuck(state, 7.0, True)
        state[usual_state.AGE], state[usual_state.LAST] = i + 1, 7.0
    for i in range(4096):
        x = float(i % 2)
        usual_channels.stuck(state, x, True)
        state[usual_state.AGE], state[usual_state.LAST] = 101 + i, x
    assert state[usual_state.RUN_RECORD] == pytest.approx(100 / np.e, rel=0.01)


def test_what_stood_at_first_is_no_record_of_weeks() -> None:
    """Zeros for half a day before the sensor was connected: later it is told as stuck as soon."""
    chance = np.random.default_rng(45)
    values = np.round(chance.normal(50, 5, 20 * 1440))
    values[-720:] = values[-721]
    begun = values.copy()
    begun[:720] = 0.0
    plain, late = (_judged(one, 60.0)[0] for one in (values, begun))
    stuck = 60.0 * (len(values) - 720)
    assert plain[plain >= stuck].tolist() == late[late >= stuck].tolist() != []


def _states(chance: np.random.Generator, hours: list[float], levels: list[float]) -> Array:
    parts = [np.full(round(3600 * one), level) for one, level in zip(hours, levels, strict=True)]
    values = np.concatenate(parts)
    return values + chance.normal(size=len(values))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_machine_that_is_back_where_it_was_usual_within_a_day_is_no_news(seed: int) -> None:
    """Three hours at a level are longer than the memory of the others; each is accepted once."""
    values = _states(
        np.random.default_rng([46, seed]), [5, 5, 5, 5, 5], [40.0, 70.0, 40.0, 70.0, 40.0]
    )
    news = _judged(values, 1.0)[0]
    assert [int(one // 18_000) for one in news] == [1]


def test_what_was_not_accepted_is_no_home() -> None:
    """An hour at a level is told each time, and so is a level between two homes."""
    chance = np.random.default_rng([46, 5])
    values = _states(chance, [5, 1, 5, 1, 3], [40.0, 70.0, 40.0, 70.0, 40.0])
    assert len(_judged(values, 1.0)[0]) >= 2
    values = _states(chance, [5, 5, 5, 5, 0.5, 2], [40.0, 70.0, 40.0, 70.0, 55.0, 70.0])
    news = _judged(values, 1.0)[0]
    assert (news >= 20 * 3600).any()


@pytest.mark.parametrize("seed", range(6))
def test_a_series_that_goes_up_slowly_has_no_absurd_value(seed: int) -> None:
    """The first morning of a quiet night: far beyond all that was learnt, and no leap."""
    hour = np.arange(170) / 12
    values = 20 + 80 * np.exp(-0.5 * ((hour - 13) / 3) ** 2)
    noise = np.repeat(np.random.default_rng([47, seed]).normal(size=57), 3)  # few swings
    values *= 1 + 0.03 * noise[: len(values)]
    assert not len(_judged(values, 300.0)[0])
    values[150:] += 1000
    assert len(_judged(values, 300.0)[0])
