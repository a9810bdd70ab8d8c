"""Innovations: the part of each sample that a linear prediction from those before misses.

Each series keeps the normal equations of an autoregression over its last 8 samples around its
mean, and its weights; both change only where a block of samples ends. What flows in: columns of
many series. What flows out: innovations. Every series is independent of the others.

Reference: Box & Jenkins (1970), Time series analysis: forecasting and control.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["ORDER", "innovations", "learn"]

Array = NDArray[np.float64]

ORDER = 8  # samples that predict the next
FORGET = 0.998  # of the normal equations, a block of 32: an e-fold in 16,000 samples
RIDGE = 1e-8  # of the mean square, pulled towards "as the sample before"
FARTHEST = 8.0  # deviations from the mean that the regression sees at most
SURPRISE = 4.0  # deviations that an innovation teaches at most
_ONES = np.eye(ORDER)
_LIMIT = 1e150  # squares stay finite


def innovations(recent: Array, weights: Array, mean: Array, width: int) -> Array:
    """Last `width` samples less what the eight before each imply.

    Args:
        recent: (n, at least width + 8) samples, newest last.
        weights: (n, 8), for the sample before first.
        mean: (n,), around which the series is predicted.
        width: of what is returned, (n, width).
    """
    off = recent - mean[:, None]
    terms = off[:, _lags(off.shape[1], width)]
    terms[:, :, 1:] *= -weights[:, None]
    missed = terms.cumsum(axis=2)[:, :, -1]  # one after the other: the same sum in every cut
    held: Array = np.minimum(np.maximum(missed, -_LIMIT), _LIMIT)
    return held


@cache
def _lags(size: int, width: int) -> NDArray[np.int64]:
    """(width, 9): the places of each of the last `width` of `size` samples and of the 8 before."""
    places: NDArray[np.int64] = np.arange(size - width, size)[:, None] - np.arange(ORDER + 1)
    places.flags.writeable = False
    return places


def learn(
    normal: Array, missed: Array, block: Array, mean: Array, spread: Array, surprise: Array
) -> tuple[Array, Array]:
    """Normal equations (n, 8, 9) and weights (n, 8) after a block.

    Args:
        normal: (n, 8, 9), the right side last.
        missed: (n, w), the innovations of the block.
        block: (n, 8 + w), the samples of the block and the eight before it.
        mean: (n,), of the series.
        spread: (n,), standard deviation of the series; 0: not known yet.
        surprise: (n,), standard deviation of the innovations; 0: not known yet.
    """
    n, width = len(block), block.shape[1] - ORDER
    reach = np.where(spread > 0, FARTHEST * spread, np.inf)[:, None]
    least = np.where(surprise > 0, SURPRISE * surprise, np.inf)[:, None]
    off = block - mean[:, None]
    taught = off[:, ORDER:] - missed + np.minimum(np.maximum(missed, -least), least)
    off = np.minimum(np.maximum(off, -reach), reach)
    columns = np.empty((n, ORDER + 1, width))
    for lag in range(1, ORDER + 1):
        columns[:, lag - 1] = off[:, ORDER - lag : ORDER - lag + width]
    columns[:, ORDER] = np.minimum(np.maximum(taught, -reach), reach)
    normal = normal + columns[:, :ORDER] @ columns.transpose(0, 2, 1)
    ridge = RIDGE / ORDER * normal.trace(axis1=1, axis2=2)
    ridge = np.where(ridge > 0, ridge, 1.0)  # nothing but the mean: the sample before
    left = normal[:, :, :ORDER] + ridge[:, None, None] * _ONES
    right = normal[:, :, ORDER].copy()
    right[:, 0] += ridge
    after: Array = np.asarray(np.linalg.solve(left, right[:, :, None])[:, :, 0], np.float64)
    return FORGET * normal, after
