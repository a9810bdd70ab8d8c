"""What a series says of itself decides which side is news, and what is never the new normal."""

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.config import Levels
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors.directions import NEVER_ACCEPTED, directions_of
from padit.transforms.detectors.usual import UsualDetector, UsualParameters

MINUTE = 60_000_000
START = 1_772_409_600_000_000
Bounds = tuple[float | None, float | None]


def _table(value: NDArray[np.float64], bounds: Bounds | None) -> FeatureTable:
    """Six samples a window of a minute."""
    n = len(value) // 6
    stated = AttributeColumn([Attributes("custom", (), bounds)], np.zeros(1, np.int32), True)
    return FeatureTable(
        (Series("host", "disk_percent", "%"),), START + (1 + np.arange(n)) * MINUTE,
        np.zeros(n, np.int32), {}, np.arange(n + 1) * 6,
        START + np.arange(len(value)) * MINUTE // 6, value, START + n * MINUTE, attributes=stated,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bounds", "never"),
    [
        (None, [0, 0, 0, 0]),
        ((0.0, 100.0), [1, 0, 1, 1]),
        ((None, 100.0), [0, 0, 0, 1]),
        ((0.0, None), [1, 0, 0, 0]),
        ((-1e308, 1e308), [0, 0, 0, 0]),
    ],
)
def test_windows_with_a_sample_at_a_stated_bound_are_never_accepted(
    bounds: Bounds | None, never: list[int]
) -> None:
    value = np.repeat([0.0, 50.0, 98.5, 100.0], 6)
    found = directions_of(_table(value, bounds)) & NEVER_ACCEPTED
    assert (found > 0).tolist() == [one > 0 for one in never]


def test_a_window_without_samples_reaches_no_bound() -> None:
    table = _table(np.full(12, 100.0), (0.0, 100.0))
    empty = FeatureTable(
        table.series, table.window_end, table.code, {}, np.array([0, 0, 12]), table.time,
        table.value, table.closed_until, attributes=table.attributes,
    )  # fmt: skip
    assert (directions_of(empty) & NEVER_ACCEPTED > 0).tolist() == [False, True]


@pytest.mark.parametrize(
    ("bounds", "accepted"), [(None, True), ((0.0, 100.0), False), ((0.0, 200.0), True)]
)
def test_a_disk_that_stays_full_is_not_the_new_normal(
    bounds: Bounds | None, accepted: bool
) -> None:
    value = 55 + np.random.default_rng(1).normal(size=6 * 900)
    value[6 * 500 :] = 99.9 - 0.1 * np.random.default_rng(2).random(6 * 400)
    detector = UsualDetector(UsualParameters.model_validate({}), Levels(accept_after=60 * MINUTE))
    _, scores = detector.step(detector.initial(), _table(value, bounds))
    assert scores.sample is not None
    assert scores.accepted is not None
    assert (scores.sample[6 * 500 :] >= 0.7).sum() >= 1
    assert scores.accepted.any() == accepted
