"""The compiled normal equations of `innovation` against numpy's, which use BLAS and LAPACK."""

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.transforms.detectors import innovation
from padit.transforms.detectors.innovation import FARTHEST, FORGET, ORDER, RIDGE, SURPRISE

Array = NDArray[np.float64]
BLOCK = 32


def _plain(
    normal: Array, missed: Array, block: Array, mean: Array, spread: Array, surprise: Array
) -> tuple[Array, Array]:
    """The same with matrices, as in the book."""
    reach, least = FARTHEST * spread[:, None], SURPRISE * surprise[:, None]
    off = block - mean[:, None]
    taught = off[:, ORDER:] - missed + np.clip(missed, -least, least)
    off = np.clip(off, -reach, reach)
    lags = [off[:, ORDER - lag : ORDER - lag + BLOCK] for lag in range(1, ORDER + 1)]
    columns = np.stack([*lags, np.clip(taught, -reach, reach)], axis=1)
    normal = normal + columns[:, :ORDER] @ columns.transpose(0, 2, 1)
    ridge = RIDGE / ORDER * normal.trace(axis1=1, axis2=2)
    right = normal[:, :, ORDER].copy()
    right[:, 0] += ridge
    left = normal[:, :, :ORDER] + ridge[:, None, None] * np.eye(ORDER)
    return FORGET * normal, np.linalg.solve(left, right[:, :, None])[:, :, 0]


def test_equations_and_weights_are_those_of_linear_algebra() -> None:
    chance = np.random.default_rng(1)
    value = 20 + 0.1 * chance.normal(size=(5, 2000)).cumsum(axis=1) + chance.normal(size=(5, 2000))
    mean, spread = value.mean(axis=1), value.std(axis=1)
    normal, weights = np.zeros((5, ORDER, ORDER + 1)), np.eye(ORDER)[np.zeros(5, np.int64)]
    for at in range(ORDER, 2000 - BLOCK, BLOCK):
        block = value[:, at - ORDER : at + BLOCK]
        missed = innovation.innovations(block, weights, mean, BLOCK)
        given = (normal, missed, block, mean, spread, 0.5 * spread)
        normal, weights = innovation.learn(*given)
        plain_normal, plain_weights = _plain(*given)
        np.testing.assert_allclose(normal, plain_normal, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(weights, plain_weights, rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 5.0, 1e150, -1e150, 5e-324])
def test_a_line_that_says_nothing_is_predicted_by_its_last_sample(value: float) -> None:
    zero, block = np.zeros(1), np.full((1, ORDER + BLOCK), value)
    mean = np.array([value if abs(value) < 1e100 else 0.0])
    missed = np.zeros((1, BLOCK))
    _, weights = innovation.learn(np.zeros((1, ORDER, ORDER + 1)), missed, block, mean, zero, zero)
    assert weights.tolist() == [[1.0] + [0.0] * (ORDER - 1)]
