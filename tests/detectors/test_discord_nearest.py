"""The nearest stretch that `discord` finds in its memory is that of trying all."""

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.transforms.detectors.discord_kernel import BACK, LENGTH, nearest
from tests.detectors.discord_twin import nearest_twin


def _ring(units: list[int]) -> NDArray[np.int8]:
    ring = np.zeros(BACK + LENGTH, np.int8)
    for i, one in enumerate(units):
        ring[i % BACK] = one
        if i % BACK < LENGTH:
            ring[BACK + i % BACK] = one
    return ring


@pytest.mark.parametrize("size", [64, 65, 96, 130])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_nearest_of_few_is_that_of_trying_all(seed: int, size: int) -> None:
    chance = np.random.default_rng(seed)
    units = [int(one) for one in chance.integers(-127, 128, size)]
    found = nearest(_ring(units), size - 1, size, np.empty(BACK + LENGTH, np.int32))
    assert found == nearest_twin(units)


@pytest.mark.parametrize(
    ("at", "begin"), [(100, 4080), (40, 104), (4095, 4000), (4095, 4033), (63, 0)]
)
def test_the_nearest_is_found_across_the_end_of_a_full_memory(at: int, begin: int) -> None:
    ring = np.full(BACK + LENGTH, 100, np.int8)
    ring[np.arange(at - LENGTH + 1, at + 1) % BACK] = np.arange(LENGTH)
    overlaps = begin == 4033
    copy = np.arange(LENGTH) + (0 if overlaps else np.arange(LENGTH) >= 24)
    ring[np.arange(begin, begin + LENGTH) % BACK] = copy
    ring[BACK:] = ring[:LENGTH]
    whole, prefix = nearest(ring, at, BACK, np.empty(BACK + LENGTH, np.int32))
    if overlaps:
        assert min(whole, prefix) > 8
    else:
        assert (whole, prefix) == (8, 0)
