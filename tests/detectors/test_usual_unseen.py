"""How new a sample is: the memory of intervals against a plain twin, and what counts as news."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.transforms.detectors import usual_intervals, usual_unseen

Array = NDArray[np.float64]


def _unseen(values: Array) -> Array:
    memory = np.zeros(usual_unseen.SLOTS_OF_UNSEEN)
    return np.array([usual_unseen.unseen(memory, float(y), 0.0, True) for y in values])


class _Intervals:
    """The memory as a list of pairs, each question answered by looking at all of them."""

    def __init__(self) -> None:
        self.pairs: list[tuple[float, float]] = []

    def distance(self, y: float) -> float:
        return min((max(low - y, y - high, 0.0) for low, high in self.pairs), default=np.inf)

    def add(self, values: list[float]) -> None:
        new = {(y, y) for y in values if self.distance(y) > 0}
        pairs = sorted(self.pairs + list(new))
        gaps = sorted(b[0] - a[1] for a, b in itertools.pairwise(pairs))
        too_many = len(pairs) - usual_intervals.PLACES
        widest = gaps[too_many - 1] if too_many > 0 else -1.0
        joined = pairs[:1]
        for low, high in pairs[1:]:
            if low - joined[-1][1] <= widest:
                joined[-1] = (joined[-1][0], high)
            else:
                joined.append((low, high))
        self.pairs = joined


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(-60, 60), min_size=1, max_size=20), max_size=12))
def test_the_memory_of_intervals_answers_as_a_list_of_pairs_does(blocks: list[list[int]]) -> None:
    memory, twin = np.zeros(usual_intervals.SIZE), _Intervals()
    for block in blocks:
        values = [float(y * abs(y)) for y in block]
        usual_intervals.add(memory, np.array(values))
        twin.add(values)
        for y in (-4000.0, -30.5, 0.0, 7.25, 2000.0, *values):
            assert usual_intervals.distance(memory, y) == twin.distance(y)


def test_a_value_far_from_all_before_is_news_once() -> None:
    values = np.random.default_rng(3).normal(size=4000)
    values[[2000, 2600, 3200]] = 40.0
    found = _unseen(values)
    assert found[2000] > 50 * np.delete(found, 2000).max()
    assert found[3200] < 0.01 * found[2000]


def test_noise_that_bursts_inside_the_range_is_new_although_its_values_are_not() -> None:
    rng = np.random.default_rng(4)
    values = np.cumsum(rng.normal(size=6000) * 0.2)
    values[5000:5012] += 6.0 * np.tile([1.0, -1.0], 6)
    found = _unseen(values)
    assert found[5000:5012].max() > 3 * found[1024:5000].max()


@pytest.mark.parametrize("factor", [2.0**40, 2.0**-40, -1.0])
def test_the_unit_of_a_series_and_its_sign_do_not_matter(factor: float) -> None:
    values = np.random.default_rng(5).standard_t(3, size=3000)
    assert (_unseen(values * factor) == _unseen(values)).all()


@pytest.mark.parametrize(
    "values",
    [np.zeros(300), np.geomspace(1e-300, 1e150, 900), np.r_[np.zeros(200), 5e-324, -0.0, 1e150]],
    ids=["constant", "exponential", "denormal and huge"],
)
def test_what_is_new_is_a_finite_number_for_any_value(values: Array) -> None:
    found = _unseen(values)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


@pytest.mark.parametrize("tails", [4.2, 5.2])
def test_a_record_of_a_heavy_tail_is_no_news_unless_it_beats_the_last_by_far(tails: float) -> None:
    rng = np.random.default_rng(7)
    light, heavy = np.zeros((2, usual_unseen.SLOTS_OF_UNSEEN))
    gauss, student = rng.normal(size=4096), rng.standard_t(3, size=4096)
    for a, b in zip(gauss, student, strict=True):
        usual_unseen.unseen(light, a, 0.0, True)
        usual_unseen.unseen(heavy, b, 0.0, True)
    assert usual_unseen.record(light, 1.2 * gauss.max(), tails)
    assert not usual_unseen.record(heavy, 1.2 * student.max(), tails)
    assert usual_unseen.record(heavy, 8 * student.max(), tails)
    assert usual_unseen.record(heavy, -8 * np.abs(student).max(), tails)


def test_where_a_day_has_few_samples_a_record_of_a_heavy_tail_is_rare_enough() -> None:
    memory = np.zeros(usual_unseen.SLOTS_OF_UNSEEN)
    values = np.random.default_rng(7).standard_t(3, size=4096)
    for y in values:
        usual_unseen.unseen(memory, y, 0.0, True)
    assert usual_unseen.record(memory, 1.2 * values.max(), 2.76)


def test_a_place_is_known_for_a_day_of_samples_and_not_for_two() -> None:
    """Two generations of a day each, where a day has more samples than the least generation."""
    day = 2.0 * usual_unseen.HORIZON
    memory = np.zeros(usual_unseen.SLOTS_OF_UNSEEN)
    chance = np.random.default_rng(8)
    for y in np.r_[np.full(200, 9.0), chance.normal(size=int(day))].tolist():
        usual_unseen.unseen(memory, y, day, True)
    usual_unseen.unseen(memory, 9.0, day, True)
    assert usual_unseen.far_from_known(memory) == 0.0
    for y in chance.normal(size=2 * int(day)).tolist():
        usual_unseen.unseen(memory, y, day, True)
    usual_unseen.unseen(memory, 9.0, day, True)
    assert usual_unseen.far_from_known(memory) > 3.0


def test_nothing_is_near_an_empty_memory_and_what_is_not_learnt_stays_far() -> None:
    memory = np.zeros(usual_unseen.SLOTS_OF_UNSEEN)
    usual_unseen.unseen(memory, 1.0, 0.0, True)
    assert usual_unseen.far_from_known(memory) == np.inf
    for y in np.random.default_rng(9).normal(size=640).tolist():
        usual_unseen.unseen(memory, y, 0.0, True)
    for _ in range(640):
        usual_unseen.unseen(memory, 50.0, 0.0, False)
    assert usual_unseen.far_from_known(memory) > 40.0
