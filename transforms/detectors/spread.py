"""Running mean and standard deviation of many statistics, block by block, each outlier held.

A value counts as at most five standard deviations from the mean, so that one absurd value moves
neither figure for long. Every row is independent of the others.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["update"]

Array = NDArray[np.float64]

HOLD = 5.0  # standard deviations


def update(
    mean: Array, spread: Array, value: Array, known: NDArray[np.int64], settle: int
) -> tuple[Array, Array]:
    """Mean and standard deviation (n,) after a block of values.

    Args:
        mean: (n,) before.
        spread: (n,) before; 0: not known yet.
        value: (n, w), the newest last.
        known: how many values there were up to now, this block's too; of the block, the last so
            many count.
        settle: values over which both are averaged.
    """
    width = value.shape[1]
    counts = np.arange(width) >= width - known[:, None]
    number = np.maximum(np.minimum(known, width), 1)
    hold = np.where(spread > 0, HOLD * spread, np.inf)[:, None]
    centre = mean[:, None]
    off = np.where(counts, np.minimum(np.maximum(value - centre, -hold), hold), 0.0)
    shift = off.sum(axis=1) / number
    first = known <= width
    square = np.where(counts & first[:, None], off - shift[:, None], off)
    part = number / np.maximum(np.minimum(known, settle), 1)
    variance = (1 - part) * (spread * spread) + part * ((square * square).sum(axis=1) / number)
    some = known > 0
    early = known <= 2 * width
    after = mean + np.where(early, 1.0, part) * shift
    return np.where(some, after, mean), np.where(some, np.sqrt(variance), spread)
