"""Memory of the values a series has taken, as few disjoint intervals.

A memory is two arrays (n, size): the lower and upper ends of the intervals, sorted, empty places
+inf. Values are added a few at a time; where there are more intervals than places, the narrowest
gaps between neighbours are closed. So an outlier costs one place, the wide gaps (what novelty is
about) stay exact, and resolution follows the data. Every row is independent of the others.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["add", "distance"]

Array = NDArray[np.float64]

FEW = 64  # rows up to which each is searched by itself


def distance(low: Array, high: Array, value: Array) -> Array:
    """Distance (n, r) of finite values (n, r) to the nearest interval; inf from an empty memory.

    The nearest is the last that begins at or before a value, or the one after it.
    """
    size = low.shape[1]
    row = np.arange(len(low))[:, None] * size
    begun = _begun(low, value)
    above = np.maximum(value - high.take(row + np.maximum(begun - 1, 0)), 0.0)
    below = low.take(row + np.minimum(begun, size - 1)) - value
    nearest: Array = np.minimum(
        np.where(begun > 0, above, np.inf), np.where(begun < size, below, np.inf)
    )
    return nearest


def _begun(low: Array, value: Array) -> NDArray[np.int64]:
    """How many intervals begin at or before each value.

    A binary search in all rows at once takes log2(size) steps, 20 times faster than trying all 64.
    For a few rows a loop is faster: 6 us instead of 72 for 4 rows of 32 values, alike at 128 rows.
    """
    begun = np.zeros(value.shape, np.int64)
    if len(low) <= FEW:
        for i in range(len(low)):
            begun[i] = low[i].searchsorted(value[i], side="right")
        return begun
    size = low.shape[1]
    row = np.arange(len(low))[:, None] * size
    step = 1 << (size.bit_length() - 1)
    while step:
        probe = begun + step
        fits = (probe <= size) & (low.take(row + np.minimum(probe, size) - 1) <= value)
        begun = np.where(fits, probe, begun)
        step >>= 1
    return begun


def add(low: Array, high: Array, value: Array) -> tuple[Array, Array]:
    """Memories (n, size) after seeing values (n, r); +inf is no value."""
    size = low.shape[1]
    merged = np.concatenate([low, value], axis=1)
    order = merged.argsort(axis=1, kind="stable")
    order += np.arange(len(low))[:, None] * merged.shape[1]
    merged = merged.take(order)
    upper = np.concatenate([high, value], axis=1).take(order)
    np.maximum.accumulate(upper, axis=1, out=upper)
    real = np.isfinite(merged)
    gap = np.full(merged.shape, -np.inf)
    np.subtract(merged[:, 1:], upper[:, :-1], out=gap[:, 1:], where=real[:, 1:])
    gap[:, 0] = np.inf  # the first interval always begins one
    limit = np.sort(gap, axis=1)[:, [-size - 1]]
    begins = real & (gap > np.maximum(limit, 0.0))
    begins[:, 0] = real[:, 0]
    ends = np.zeros_like(begins)
    ends[:, :-1] = begins[:, 1:] | (real[:, :-1] & ~real[:, 1:])
    ends[:, -1] = real[:, -1]
    owner, column = np.nonzero(begins)
    place = np.cumsum(begins, axis=1)[owner, column] - 1
    new_low = np.full(low.shape, np.inf)
    new_high = np.full(low.shape, np.inf)
    new_low[owner, place] = merged[begins]
    new_high[owner, place] = upper[ends]
    return new_low, new_high
