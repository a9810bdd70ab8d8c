"""Steps of the runs of `usual` by hand: a state that is given, and one sample."""

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.transforms.detectors import usual_scale, usual_state
from padit.transforms.detectors.usual_runs import far_in_a_row

State = NDArray[np.float64]


def _channel(**given: float) -> State:
    """Two days of an hourly series between 10 and 20, which swung twice."""
    usual: dict[str, float] = {
        "COUNT": 48, "SWINGS": 2, "LEAST": 10, "MOST": 20, "LOW": 12, "HIGH": 18, "CENTRE": 15,
    }  # fmt: skip
    c = np.zeros(usual_scale.CHANNEL)
    for name, value in (usual | given).items():
        c[getattr(usual_scale, name)] = value
    return c


def _row(c: State, *values: float, far: float = np.inf) -> list[float]:
    s = np.zeros(usual_state.SLOTS)
    return [float(far_in_a_row(s, c, y, far)) for y in values]


def test_distances_of_a_range_and_more_add_up_to_as_many_as_are_news_of_one_sample() -> None:
    assert _row(_channel(), 50.0, 40.0, 30.0) == pytest.approx([3 / 8, 5 / 8, 6 / 8])
    assert _row(_channel(), -20.0, -30.0) == pytest.approx([3 / 8, 7 / 8])
    assert _row(_channel(), 100.0, 100.0) == pytest.approx([1.0, 1.5])  # no more than that


def test_a_sample_that_is_nearer_begins_the_row_again() -> None:
    assert _row(_channel(), 50.0, 29.9, 50.0) == pytest.approx([3 / 8, 0.0, 3 / 8])


@pytest.mark.parametrize(
    "given",
    [
        {"COUNT": 23}, {"SWINGS": 6}, {"COUNT": 512}, {"QUANTUM": 5}, {"LOW": 15, "HIGH": 15},
        {"LEAST": 15, "MOST": 15},
    ],
)  # fmt: skip
def test_nothing_adds_up_where_little_or_enough_is_known(given: dict[str, float]) -> None:
    assert _row(_channel(**given), 50.0, 500.0) == [0.0, 0.0]


def test_what_is_remembered_is_not_far() -> None:
    assert _row(_channel(), 50.0, 50.0, far=9.9) == [0.0, 0.0]
    assert _row(_channel(), 50.0, far=15.0) == pytest.approx([1.5 / 8])
