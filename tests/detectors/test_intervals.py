"""Memories as intervals: the fast search finds what trying every interval finds, to the bit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.transforms.detectors import intervals

Array = NDArray[np.float64]
VALUES = st.floats(-1e6, 1e6, allow_subnormal=False) | st.integers(-5, 5).map(float)


def _by_trying_all(low: Array, high: Array, value: Array) -> Array:
    below = low[:, None, :] - value[:, :, None]
    above = value[:, :, None] - high[:, None, :]
    nearest: Array = np.maximum(np.maximum(below, above), 0.0).min(axis=2)
    return nearest


@given(
    st.integers(1, 40),
    st.lists(st.lists(VALUES | st.just(np.inf), min_size=4, max_size=4), max_size=20),
    st.lists(VALUES, min_size=1, max_size=30),
)
def test_distance_is_that_to_the_nearest_of_all_intervals(
    size: int, seen: list[list[float]], asked: list[float]
) -> None:
    low = high = np.full((2, size), np.inf)
    for block in seen:
        low, high = intervals.add(low, high, np.array([block, block[::-1]]))
    known = low[np.isfinite(low)].tolist() + high[np.isfinite(high)].tolist()
    value = np.tile(np.array(asked + known), (2, 1))
    with np.errstate(invalid="ignore"):
        want = _by_trying_all(low, high, value)
    assert intervals.distance(low, high, value).tobytes() == want.tobytes()
