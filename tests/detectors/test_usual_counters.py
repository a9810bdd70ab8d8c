"""A counter's increase is judged, a gauge's value; what is stated decides which it is."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors import create_detector

START = 1_772_409_600_000_000
Array = NDArray[np.float64]


def _judged(value: Array, kind: str = "custom", name: str = "m", every: int = 10) -> Any:
    n = len(value)
    time = START + np.arange(n) * every * 1_000_000
    stated = AttributeColumn([Attributes(kind)], np.zeros(1, np.int32), True)
    table = FeatureTable(
        (Series("host", name),), time + 1, np.zeros(n, np.int32), {}, np.arange(n + 1), time,
        value, int(time[-1]) + 1, attributes=stated,
    )  # fmt: skip
    detector = create_detector("usual", {})
    return detector.step(detector.initial(), table)[1]


def _opened(scores: Any) -> list[int]:
    return list(np.flatnonzero(np.nan_to_num(scores.sample) >= 0.7))


def _failures(seed: int) -> Array:
    """One failure in 100 samples; from 3,000 on five a sample, for 60."""
    rng = np.random.default_rng(seed)
    more = rng.poisson(0.01, 4000).astype(float)
    more[3000:3060] += rng.poisson(5, 60)
    return np.cumsum(more)


@pytest.mark.parametrize(("kind", "name"), [("counter", "failed"), ("custom", "failed_total")])
@pytest.mark.parametrize("seed", range(4))
def test_a_counter_that_seldom_rises_is_judged_by_its_increase(
    kind: str, name: str, seed: int
) -> None:
    scores = _judged(_failures(seed), kind, name, 30)
    opened = _opened(scores)
    assert [one for one in opened if 3000 <= one < 3060]
    assert len(opened) <= 2  # two failures at once may be news
    assert np.all(scores.detail["counter"][1:] == 1)


def test_a_gauge_is_never_taken_for_a_counter() -> None:
    rising = np.arange(2000.0)
    assert np.any(_judged(rising).detail["counter"] == 1)
    assert np.all(_judged(rising, "gauge").detail["counter"] == 0)
    assert np.all(_judged(rising, "gauge", "m_total").detail["counter"] == 0)


def test_a_declared_counter_stays_one_however_often_it_begins_again() -> None:
    value = np.arange(2000.0) % 7
    assert np.all(_judged(value, "counter").detail["counter"] == 1)
    assert np.all(_judged(value).detail["counter"] == 0)


@pytest.mark.parametrize("seed", range(8))
def test_what_warms_up_is_no_counter_that_slows_down(seed: int) -> None:
    rng = np.random.default_rng(seed)
    t = np.arange(2160) * 10.0
    share = 1 - np.exp(-t / rng.uniform(900, 5400))
    ripple = rng.uniform(0.05, 1.5) * np.sin(2 * np.pi * t / rng.uniform(300, 1500))
    noise = rng.normal(0, (0.001, 0.01, 0.05)[seed % 3], len(t))
    value = 20 + rng.uniform(20, 60) * share + ripple * share + noise
    scores = _judged(np.round(value, 2))
    assert _opened(scores) == []
    assert not np.any(scores.ongoing)


def test_whole_numbers_that_only_grow_stand_still_after_an_hour() -> None:
    rng = np.random.default_rng(3)
    steps = rng.poisson(400, 1200).astype(float)
    steps[900:] = 0
    opened = _opened(_judged(np.cumsum(steps)))
    assert opened
    assert 900 <= opened[0] < 930


def test_a_total_that_falls_as_often_as_it_rises_is_a_value() -> None:
    rng = np.random.default_rng(5)
    value = 100 + rng.normal(size=600).cumsum()
    assert _judged(value, name="members_total").detail["counter"][-1] == 0


@pytest.mark.parametrize("seed", range(3))
def test_a_slow_series_that_leaps_out_of_its_range_is_told_at_once(seed: int) -> None:
    """A rate that follows the day falls to a tenth for an hour."""
    rng = np.random.default_rng(seed)
    n = 4 * 2880
    rate = 40 + 20 * np.sin(2 * np.pi * np.arange(n) / 2880) + 3 * rng.normal(size=n)
    assert _opened(_judged(rate, every=30)) == []
    rate[6000:6120] *= 0.1
    opened = _opened(_judged(rate, every=30))
    assert opened
    assert 6000 <= opened[0] < 6060
