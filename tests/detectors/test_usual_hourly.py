"""A sample an hour, with days and weekends: few samples, of which each counts."""

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.domain.metric import Series
from padit.transforms.detectors import create_detector
from tests.detectors.tables import cut, samples, table_of

HOUR = 3600  # seconds
SHOP = Series("shop", "orders")
Array = NDArray[np.float64]


def _orders(seed: int, weeks: int = 8) -> Array:
    hour = np.arange(24 * 7 * weeks)
    day = 20 + 400 * np.exp(-0.5 * ((hour % 24 - 14) / 4) ** 2)
    weekend = np.where(hour // 24 % 7 >= 5, 0.45, 1.0)
    return np.round(day * weekend * np.exp(np.random.default_rng(seed).normal(0, 0.06, len(hour))))


def _opened(value: Array) -> list[int]:
    found = samples(create_detector("usual", {}), [table_of({SHOP: value}, step=HOUR)])[SHOP]
    return np.flatnonzero(np.nan_to_num(found) >= 0.7).tolist()


def _quiet_days_told(seeds: int, weeks: int, days: Sequence[int]) -> int:
    """On how many of these days, with 0.4 of their orders, an alert opens, over all seeds."""
    told = 0
    for seed in range(seeds):
        value = _orders(seed, weeks)
        quiet = [24 * day for day in days]
        for at in quiet:
            value[at : at + 24] *= 0.4
        opened = np.array(_opened(value))
        told += sum(bool(((opened >= at) & (opened < at + 24)).any()) for at in quiet)
    return told


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
    tuesdays = [7 * week + 1 for week in (5, 7)]
    assert _quiet_days_told(seeds=8, weeks=8, days=tuesdays) >= 14


def test_a_value_that_no_float32_is_stands_still_without_a_word() -> None:
    """The days are kept as float32; by what they are rounded is no distance."""
    for x in (0.1, 100.3, -1e-50, 1e300, -5e38):
        assert _opened(np.full(24 * 40, x)) == []
        little = np.full(24 * 40, x)
        little[::2] = np.nextafter(x, np.inf)
        assert _opened(little) == []


def test_a_value_that_no_float32_holds_does_not_end_the_season() -> None:
    for seed in range(4):
        value = _orders(seed, weeks=8)
        value[24 * 20 + 3] = 1e300
        noon = 24 * (42 + seed % 4) + 10
        value[noon : noon + 8] *= 0.35
        opened = np.array(_opened(value))
        assert ((opened >= noon) & (opened < noon + 8)).any()


def test_a_fault_of_each_month_is_told_each_month() -> None:
    """What was told does not raise the limit without end."""
    days = [7 * week + week % 5 for week in range(6, 24, 4)]
    assert _quiet_days_told(seeds=4, weeks=24, days=days) >= 17  # of 20


@given(at=st.lists(st.integers(1, 24 * 7 * 4 - 1), max_size=8, unique=True))
@settings(max_examples=10, deadline=None)
def test_any_cut_of_weeks_of_hours_gives_the_same_bytes(at: list[int]) -> None:
    """Four weeks: what is not seen for a month is forgotten, and a piece is one window here."""
    values = {Series("shop", f"orders{seed}"): _orders(seed, weeks=4) for seed in range(3)}
    values[Series("shop", "orders1")][24 * 22 : 24 * 23] *= 0.4
    values[Series("shop", "orders2")][24 * 20] = 1e300
    detector = create_detector("usual", {})
    whole = samples(detector, [table_of(values, step=HOUR)])
    parts = samples(detector, list(cut(values, sorted(at), step=HOUR)), reload=True)
    for key, expected in whole.items():
        assert parts[key].tobytes() == expected.tobytes()
