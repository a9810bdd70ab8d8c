"""What `usual` reports, what it keeps quiet about, and its kernels against plain twins."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.config import Levels
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors import usual_evidence, usual_scale, usual_season
from padit.transforms.detectors.base import Scores
from padit.transforms.detectors.usual import UsualDetector, UsualParameters

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
SECOND = 1_000_000
START = 1_772_409_600 * SECOND


def _scored(
    values: Array, step: float = 10.0, kind: str = "custom", levels: Levels | None = None
) -> tuple[Ints, Ints, Scores]:
    """Times of samples and ends of windows of a minute, microseconds, and the scores of these."""
    time = (START + np.arange(len(values)) * round(step * SECOND)).astype(np.int64)
    end = time // (60 * SECOND) * 60 * SECOND + 60 * SECOND
    ends, first = np.unique(end, return_index=True)
    table = FeatureTable(
        (Series("a", "m", ""),), ends, np.zeros(len(ends), np.int32), {},
        np.append(first, len(values)), time, np.asarray(values, float), int(ends[-1]),
        attributes=AttributeColumn((Attributes(kind),), np.zeros(1, np.int32), True),
    )  # fmt: skip
    detector = UsualDetector(UsualParameters.model_validate({}), levels)
    return time, ends, detector.step(detector.initial(), table)[1]


def _judged(
    values: Array, step: float = 10.0, kind: str = "custom", levels: Levels | None = None
) -> tuple[Array, Array, Array]:
    """Times at which an event scores 0.7, seconds; times and levels of all windows of a minute."""
    time, ends, scores = _scored(values, step, kind, levels)
    assert scores.sample is not None
    assert scores.level is not None
    news = (time[scores.sample >= 0.7] - START) / SECOND
    return news, (ends - START) / SECOND, scores.level


def _open_at(judged: tuple[Array, Array, Array], second: float) -> bool:
    _, ends, level = judged
    return bool(level[np.searchsorted(ends, second)] >= 0.35)


def _noise(seed: int, size: int) -> Array:
    return np.random.default_rng(seed).normal(size=size)


NOISE: Mapping[str, Array] = {
    "gauss": _noise(1, 8640),
    "poisson": np.random.default_rng(2).poisson(5, 8640).astype(float),
    "log-normal": np.exp(_noise(3, 8640)),
    "counts that are mostly 0": np.random.default_rng(4).poisson(0.3, 8640).astype(float),
    "whole numbers": np.round(20 + 0.6 * _noise(5, 8640)),
    "sawtooth": np.arange(8640) % 720 + _noise(6, 8640),
    "two states": np.repeat([2.0, 15.0] * 36, 120) + 0.1 * _noise(7, 8640),
}


@pytest.mark.parametrize("kind", [one for one in NOISE if one != "two states"])
def test_a_day_of_what_is_usual_is_quiet(kind: str) -> None:
    news, _, _ = _judged(NOISE[kind])
    assert not news.size


def test_two_states_are_quiet_after_the_first_of_them_and_a_stall_between_is_told() -> None:
    values = NOISE["two states"].copy()
    news, _, _ = _judged(values)
    assert (news < 7200).all()
    values[6600:6720] = 8.0 + 0.1 * _noise(8, 120)
    news, _, _ = _judged(values)
    assert ((news >= 66000) & (news < 66300)).any()


def test_an_outage_is_told_within_three_samples_each_time_and_stays_open() -> None:
    up = np.ones(3000)
    for begin in (150, 1000, 2000):
        up[begin : begin + 100] = 0
    judged = _judged(up, kind="availability")
    assert judged[0].tolist() == [1500, 10010, 20010]  # one sample of a line that never moved
    for begin in (150, 1000, 2000):
        assert all(_open_at(judged, 10.0 * at) for at in range(begin + 6, begin + 95))
        assert not _open_at(judged, 10.0 * (begin + 130))


def test_an_availability_is_never_accepted_and_another_level_is_after_two_hours() -> None:
    down = np.r_[np.ones(300), np.zeros(1500)]
    assert _open_at(_judged(down, kind="availability"), 17_000)
    shift = 500 + _noise(9, 2400)
    shift[800:] += 60
    judged = _judged(shift)
    assert judged[0].tolist() == [8010.0]
    assert _open_at(judged, 8000 + 7100)
    assert not _open_at(judged, 8000 + 7500)


def test_acceptance_comes_when_the_job_says() -> None:
    shift = 500 + _noise(9, 2400)
    shift[800:] += 60
    judged = _judged(shift, levels=Levels(accept_after=1800 * SECOND))
    assert _open_at(judged, 8000 + 1700)
    assert not _open_at(judged, 8000 + 2000)


def test_the_recovery_of_an_error_rate_is_no_news_and_its_rise_is() -> None:
    rate = 0.3 + 0.01 * _noise(10, 1200)
    rate[40:] -= 0.29
    rate[900:1000] += 0.29
    news, _, _ = _judged(rate, step=60, kind="error_rate")
    assert len(news) == 1
    assert 54_000 <= news[0] < 58_000


def test_single_spikes_are_no_news_and_a_rise_that_stays_is() -> None:
    values = 20 + 2 * _noise(11, 3000)
    values[100:3000:150] *= 10
    values[2510:2600] *= 3
    news, _, _ = _judged(values)
    assert len(news) == 1
    assert 25_100 <= news[0] < 25_300


@pytest.mark.parametrize("factor", [0.1, 5.0])
def test_noise_that_grows_or_dies_is_told(factor: float) -> None:
    values = _noise(12, 3000)
    values[2000:2300] *= factor
    news, _, _ = _judged(50 + values)
    assert news.size
    assert (news >= 20_000).all()
    assert news[0] < 22_000


def test_a_stuck_sensor_is_told_while_it_is_stuck() -> None:
    values = 60 + _noise(13, 3000)
    values[2000:2400] = values[2000]
    judged = _judged(values)
    assert 20_000 < judged[0][0] < 20_300
    assert _open_at(judged, 23_900)


@pytest.mark.parametrize("factor", [0.0, 6.0])
def test_a_counter_that_stands_still_or_races_is_told_and_its_resets_are_not(factor: float) -> None:
    step = 1e5 + 1.5e4 * _noise(14, 4000)
    step[3000:3180] *= factor
    total = step.cumsum()
    for reset in (500, 1100, 1700, 2500):
        total[reset:] -= total[reset]
    news, _, _ = _judged(total)
    assert len(news) == 1
    assert 30_000 <= news[0] < 30_300


def test_a_peak_that_does_not_come_and_one_at_night_are_told() -> None:
    hour = np.arange(13 * 288) / 12 % 24
    values = 20 + 80 * np.exp(-0.5 * ((hour - 13) / 3) ** 2)
    values *= 1 + 0.03 * _noise(15, len(values))
    values[7 * 288 + 120 : 7 * 288 + 192] = 22 + 0.7 * _noise(16, 72)
    values[10 * 288 + 24 : 10 * 288 + 48] += 60
    news, _, _ = _judged(values, step=300)
    assert [round(float(one) // 3600) for one in news] == [7 * 24 + 10, 10 * 24 + 2]


@given(x=st.floats(1e-300, 1e300))
def test_the_logarithm_is_that_of_the_library_to_nine_digits(x: float) -> None:
    assert usual_scale.log2(x) == pytest.approx(math.log2(x), abs=2e-9 * max(1, abs(math.log2(x))))
    log2: Any = usual_scale.log2
    assert usual_scale.log2(x) == log2.py_func(x)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=24, max_size=64))
@settings(deadline=None, max_examples=50)
def test_quantiles_are_those_of_the_sorted_memory(values: list[float]) -> None:
    channel = np.zeros(usual_scale.CHANNEL)
    for value in values:
        usual_scale.remember(channel, value, False, False, usual_scale.PATIENCE)
    usual_scale.fit(channel, 1e-12)
    ordered = sorted(values)
    n = len(ordered)
    centre = ordered[n // 2]
    assert channel[usual_scale.CENTRE] == centre
    assert channel[usual_scale.LOW] == ordered[n // 4]
    assert channel[usual_scale.HIGH] == ordered[3 * n // 4]
    assert channel[usual_scale.SIDES + usual_scale.REACH] == ordered[-1] - centre
    assert channel[usual_scale.SIDES + 5 + usual_scale.REACH] == centre - ordered[0]


@given(
    count=st.integers(1, 10**7), recent=st.floats(0, 1e7), swings=st.floats(0, 1e5),
    filled=st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=8),
)  # fmt: skip
@example(count=40_000, recent=40_000.0, swings=1.0, filled=[1.0, 2, 3, 4, 5, 6, 7, 8])
@settings(deadline=None, max_examples=50)
def test_some_of_the_memory_is_always_asked(
    count: int, recent: float, swings: float, filled: list[float]
) -> None:
    channel = np.zeros(usual_scale.CHANNEL)
    memory = slice(usual_scale.MEMORY, usual_scale.MEMORY + usual_scale.RINGS * usual_scale.RING)
    channel[memory] = np.resize(filled, usual_scale.RINGS * usual_scale.RING)
    channel[usual_scale.COUNT], channel[usual_scale.SWINGS] = count, swings
    channel[usual_scale.RECENT] = recent
    fit: Any = usual_scale.fit
    fit.py_func(channel, 1e-12)  # which would fail where compiled code reads what is not its own
    least, centre, most = channel[[usual_scale.LEAST, usual_scale.CENTRE, usual_scale.MOST]]
    assert {least, centre, most} <= set(filled)
    assert least <= centre <= most


@given(
    gains=st.lists(st.floats(-2, 4), min_size=1, max_size=200),
    beyond=st.sampled_from([1.6, 3.0]),
    fade=st.sampled_from([1 - 1 / 4096, 1 - 1 / 86400]),
)
@settings(deadline=None, max_examples=50)
def test_a_sum_is_the_plain_sum_of_page(gains: list[float], beyond: float, fade: float) -> None:
    channel = np.zeros(usual_scale.CHANNEL)
    at = usual_scale.STATISTICS
    total = record = peak = 0.0
    for gain in gains:
        verdict = usual_evidence._sum(channel, at, gain, 5.0, beyond, 1.0, fade, True)
        limit = max(5.0, beyond * record)
        total = min(max(0.0, total + gain), 1.5 * limit)
        record *= fade
        peak = max(peak, total)
        if total == 0:
            record, peak = max(record, peak), 0.0
        assert verdict == total / limit


def test_the_envelope_of_a_season_is_that_of_the_same_hours() -> None:
    rng = np.random.default_rng(17)
    low = rng.normal(size=usual_season.RING).astype(np.float32)
    slots = np.column_stack([low, low + 1]).ravel()
    now = 5000
    found = usual_season._extremes(slots, now, usual_season.DAY, 7)
    lows, highs = [], []
    for lag in range(1, 8):
        near = [(now - lag * usual_season.DAY + k) % usual_season.RING for k in range(-2, 3)]
        lows.append(min(slots[2 * k] for k in near))
        highs.append(max(slots[2 * k + 1] for k in near))
    lows.sort()
    highs.sort()
    assert found == (lows[0], lows[1], highs[-1], highs[-2], 7)


def test_a_season_keeps_all_half_hours_that_it_reads() -> None:
    last, weeks = 5 * usual_season.WEEK, usual_season.WEEKS - 1
    slots = np.full((usual_season.RING, 2), np.nan, np.float32)
    for k in range(last + 1):
        slots[k % usual_season.RING] = k, k + 0.5
    found = usual_season._extremes(slots.ravel(), last, usual_season.WEEK, weeks)
    of_weeks = [last - lag * usual_season.WEEK for lag in range(1, weeks + 1)]
    assert found == (of_weeks[2] - 2, of_weeks[1] - 2, of_weeks[0] + 2.5, of_weeks[1] + 2.5, weeks)


@pytest.mark.parametrize(
    "values",
    [
        np.full(500, 5.0),
        np.array([3.0]),
        np.r_[_noise(18, 500), [1e308, -1e308, 5e-324, -0.0], _noise(19, 200)],
        np.geomspace(1e-300, 1e150, 800),
        np.where(np.arange(600) % 7 == 0, np.nan, 1.0),
    ],
    ids=["constant", "one", "huge", "exponential", "gaps"],
)
def test_bad_input_gives_finite_scores_or_none(values: Array) -> None:
    _, _, level = _judged(values)
    assert np.isfinite(level).all()
    assert ((level >= 0) & (level <= 1)).all()
