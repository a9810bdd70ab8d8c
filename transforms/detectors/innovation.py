"""Innovations: the part of each sample that a linear prediction from those before misses.

Each series keeps the normal equations of an autoregression over its last 8 samples around its
mean, and its weights; both change only where a block of samples ends. What flows in: columns of
many series. What flows out: innovations. Every series is independent of the others.

Reference: Box & Jenkins (1970), Time series analysis: forecasting and control.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, warm_up

__all__ = ["ORDER", "innovations", "learn"]

Array = NDArray[np.float64]

ORDER = 8  # samples that predict the next
FORGET = 0.998  # of the normal equations, a block of 32: an e-fold in 16,000 samples
RIDGE = 1e-8  # of the mean square, pulled towards "as the sample before"
FARTHEST = 8.0  # deviations from the mean that the regression sees at most
SURPRISE = 4.0  # deviations that an innovation teaches at most
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
    after, weights = np.empty_like(normal), np.empty((len(block), ORDER))
    normal, missed, block = (np.ascontiguousarray(one) for one in (normal, missed, block))
    mean, spread, surprise = (np.ascontiguousarray(one) for one in (mean, spread, surprise))
    _learn(normal, missed, block, mean, spread, surprise, after, weights)  # one layout: one kernel
    return after, weights


@kernel
def _learn(
    normal: Array,
    missed: Array,
    block: Array,
    mean: Array,
    spread: Array,
    surprise: Array,
    after: Array,
    weights: Array,
) -> None:
    """`learn`, one series after the other; the last two are written."""
    work = np.empty((ORDER, ORDER + 1))
    for i in range(len(block)):
        reach = FARTHEST * spread[i] if spread[i] > 0 else np.inf
        least = SURPRISE * surprise[i] if surprise[i] > 0 else np.inf
        _add(missed[i], block[i] - mean[i], reach, least, work)
        trace = 0.0
        for lag in range(ORDER):
            for k in range(ORDER + 1):
                work[lag, k] += normal[i, lag, k]
                after[i, lag, k] = FORGET * work[lag, k]
            trace += work[lag, lag]
        ridge = RIDGE / ORDER * trace
        _solve(work, ridge if ridge > 0 else 1.0, weights[i])  # 1: nothing but the mean


@kernel
def _add(missed: Array, off: Array, reach: float, least: float, added: Array) -> None:
    """The normal equations (8, 9) of a block alone; `off` are its samples less their mean."""
    row = np.empty(ORDER + 1)
    added[:] = 0.0
    for t in range(ORDER, len(off)):
        miss = missed[t - ORDER]
        taught = off[t] - miss + min(max(miss, -least), least)
        row[ORDER] = min(max(taught, -reach), reach)
        for lag in range(ORDER):
            row[lag] = min(max(off[t - 1 - lag], -reach), reach)
        for lag in range(ORDER):
            for k in range(ORDER + 1):
                added[lag, k] += row[lag] * row[k]


@kernel
def _solve(work: Array, ridge: float, weights: Array) -> None:
    """Weights of the equations (8, 9), by Gauss with the largest pivot; `work` is changed.

    Where they do not tell the weights apart, "as the sample before".
    """
    for i in range(ORDER):
        work[i, i] += ridge
    work[0, ORDER] += ridge
    for i in range(ORDER):
        _eliminate(work, i)
    finite = True
    for i in range(ORDER - 1, -1, -1):
        total = work[i, ORDER]
        for k in range(i + 1, ORDER):
            total -= work[i, k] * weights[k]
        weights[i] = total / work[i, i] if work[i, i] != 0 else np.nan
        finite = finite and abs(weights[i]) < np.inf
    if not finite:
        weights[:] = 0.0
        weights[0] = 1.0


@kernel
def _eliminate(work: Array, i: int) -> None:
    """Take column i out of the rows below row i, the one with the largest number there first."""
    best = i
    for k in range(i + 1, ORDER):
        if abs(work[k, i]) > abs(work[best, i]):
            best = k
    for j in range(ORDER + 1):
        work[i, j], work[best, j] = work[best, j], work[i, j]
    if work[i, i] == 0:
        return
    for k in range(i + 1, ORDER):
        factor = work[k, i] / work[i, i]
        for j in range(i, ORDER + 1):
            work[k, j] -= factor * work[i, j]


@warm_up
def equations() -> None:
    """A block of one series."""
    zero = np.zeros(1)
    learn(np.zeros((1, ORDER, ORDER + 1)), np.zeros((1, 1)), np.ones((1, ORDER + 1)), *[zero] * 3)
