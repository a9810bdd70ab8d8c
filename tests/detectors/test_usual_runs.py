"""Samples in a row farther out than all that was ever seen, in a series of heavy tail."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.detectors.test_usual import _judged

Array = NDArray[np.float64]
MINUTE = 60.0


def _latency(seed: int, size: int = 720) -> Array:
    """A latency whose records are each far beyond the last."""
    chance = np.random.default_rng([91, seed])
    return 0.03 * np.exp(0.25 * chance.normal(size=size)) * (
        1 + 12 * chance.exponential(size=size) * (chance.random(size) < 0.01)
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_three_in_a_row_twice_as_far_as_all_before_are_news(seed: int) -> None:
    values = _latency(seed)
    usual = np.median(values)
    values[600:604] = usual + 2 * (values[:600].max() - usual) * np.array([1.0, 0.9, 1.1, 1.0])
    news, _, _ = _judged(values, MINUTE)
    assert np.any((news >= 600 * MINUTE) & (news < 604 * MINUTE))


@pytest.mark.parametrize("seed", range(6))
def test_three_as_far_out_that_do_not_follow_each_other_are_none(seed: int) -> None:
    values = _latency(seed)
    usual = np.median(values)
    values[600:660:20] = usual + 2 * (values[:600].max() - usual)
    news, _, _ = _judged(values, MINUTE)
    assert not np.any(news >= 600 * MINUTE)


def test_what_comes_in_any_order_gives_no_run_of_records() -> None:
    """60 days of three tails: the budget is a run in 400 series-days by chance."""
    told = 0
    for seed in range(20):
        chance = np.random.default_rng([92, seed])
        for tail in (
            np.exp(1.2 * chance.normal(size=4320)),
            chance.pareto(1.5, 4320),
            chance.standard_t(2, 4320),
        ):
            values = np.round(tail, 6)
            news, _, _ = _judged(values, MINUTE)
            told += sum(_in_a_row(values, int(one / MINUTE)) for one in news)
    assert told == 0


def _in_a_row(values: Array, at: int) -> bool:
    """Whether this sample and the one before are both beyond all before them."""
    low, high = values[: at - 1].min(), values[: at - 1].max()
    return bool(min(values[at - 1 : at + 1]) > high or max(values[at - 1 : at + 1]) < low)


def test_bursts_that_are_as_long_as_those_before_are_no_run_of_records() -> None:
    """Each is a record; the first two are told, as all that is new, and a longer one is."""
    values = _latency(7, 1500)
    for k, at in enumerate(range(200, 1400, 120)):
        values[at : at + 5] = 0.4 * 1.4**k
    news, _, _ = _judged(values, MINUTE)
    assert len(news[news >= 800 * MINUTE]) <= 2


def test_a_new_level_that_is_accepted_is_told_once() -> None:
    """The run goes on behind the acceptance, and is no news any more."""
    values = _latency(0, 2600)
    values[1500:] = 0.1 * values[1500:] + 2 * values[:1500].max()
    news, _, _ = _judged(values, MINUTE)
    assert len(news[news >= 1500 * MINUTE]) == 1


@pytest.mark.parametrize(("offset", "sign"), [(0, -1.0), (1e8, -1.0), (-1e8, 1.0), (1e8, 1.0)])
def test_a_row_is_the_same_news_wherever_a_series_lies(offset: float, sign: float) -> None:
    values = np.round(1000 * _latency(0))  # whole numbers, so that they are exact anywhere
    usual = np.median(values)
    values[600:604] = usual + 2 * (values[:600].max() - usual)
    news, _, _ = _judged(offset + sign * values, MINUTE)
    assert np.any((news >= 600 * MINUTE) & (news < 604 * MINUTE))


@pytest.mark.parametrize("first", [0.0, -0.0, -0.001])
def test_what_it_was_at_the_very_first_is_no_record_again(first: float) -> None:
    values = 20 - 5 * _latency(0, 1210)
    values[:60] = first
    values[1200:1204] = 0.0
    news, _, _ = _judged(values, MINUTE)
    assert not np.any(news >= 1200 * MINUTE)


def test_a_burst_that_comes_each_week_is_no_record_from_the_third_on() -> None:
    """A sample each quarter of an hour; it is told twice, then it is routine."""
    values = _latency(8, 6 * 672)
    for week in range(1, 6):
        values[week * 672 + 40 : week * 672 + 43] = 3.0
    news, _, _ = _judged(values, 900.0)
    late = [one for one in news if one >= 3 * 672 * 900 and values[int(one / 900)] == 3.0]
    assert not late
