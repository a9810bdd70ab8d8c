"""A sample an hour, with days and weekends: few samples, of which each counts."""

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors import create_detector

HOUR = 3_600_000_000
START = 1_772_409_600_000_000  # a Monday
Array = NDArray[np.float64]


def _orders(seed: int, weeks: int = 8) -> Array:
    hour = np.arange(24 * 7 * weeks)
    day = 20 + 400 * np.exp(-0.5 * ((hour % 24 - 14) / 4) ** 2)
    weekend = np.where(hour // 24 % 7 >= 5, 0.45, 1.0)
    return np.round(day * weekend * np.exp(np.random.default_rng(seed).normal(0, 0.06, len(hour))))


def _opened(value: Array) -> list[int]:
    n = len(value)
    time = START + np.arange(n) * HOUR
    table = FeatureTable(
        (Series("shop", "orders"),), time + 1, np.zeros(n, np.int32), {}, np.arange(n + 1), time,
        value, int(time[-1]) + 1,
    )  # fmt: skip
    detector = create_detector("usual", {})
    _, scores = detector.step(detector.initial(), table)
    assert scores.sample is not None
    return np.flatnonzero(np.nan_to_num(scores.sample) >= 0.7).tolist()


def test_working_days_without_half_of_their_orders_are_told() -> None:
    told = 0
    for seed in range(8):
        value = _orders(seed)
        assert _opened(value) == []
        noon = 24 * (35 + seed % 4) + 10  # Monday to Thursday of the sixth week
        value[noon : noon + 6] *= 0.35
        opened = _opened(value)
        told += bool(opened and noon <= opened[0] < noon + 6)
    assert told >= 6


def test_a_quiet_day_is_told_two_weeks_after_another_one() -> None:
    """What a day adds up to does not widen its own limit, nor for months that of others."""
    told = 0
    for seed in range(8):
        value = _orders(seed, weeks=8)
        quiet = [24 * 7 * week + 24 for week in (5, 7)]  # Tuesdays
        for at in quiet:
            value[at : at + 24] *= 0.4
        opened = np.array(_opened(value))
        told += sum(bool(((opened >= at) & (opened < at + 24)).any()) for at in quiet)
    assert told >= 14


@pytest.mark.parametrize(
    ("times", "hours", "day", "opens"),
    [(2.0, 10, 3, True), (3.0, 4, 2, True), (3.0, 4, 5, True), (1.3, 10, 3, False)],
)
def test_what_lies_far_beyond_the_first_days_is_told_before_the_first_week_is_over(
    times: float, hours: int, day: int, opens: bool
) -> None:
    """Six swings of a daily cycle take six days; the second day knows how far a day goes."""
    for seed in range(4):
        hour = np.arange(24 * 9)
        value = 40 + 8 * np.sin(2 * np.pi * (hour - 7) / 24)
        value += np.random.default_rng(seed).normal(size=len(hour))
        assert _opened(value) == []
        at = 24 * day + 10
        value[at : at + hours] *= times
        found = _opened(value)
        assert bool(found and at <= found[0] < at + hours) == opens
