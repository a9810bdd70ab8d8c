"""Memory of the values a series has taken, as few disjoint intervals; compiled.

A memory is float64 (SIZE,): how many intervals there are, their lower ends in ascending order, from
1 + PLACES on their upper ends, and last the interval of the latest value, which is tried first.
Where there are more intervals than places, the narrowest gaps between neighbours are closed. So an
outlier costs one place, the wide gaps (what novelty is about) stay exact, and resolution follows
the data.
"""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, lean_kernel

__all__ = ["SIZE", "add", "distance", "span"]

Array = NDArray[np.float64]
PLACES = 31  # a search takes five steps
SIZE = 2 + 2 * PLACES


@lean_kernel
def distance(memory: Array, y: float) -> float:
    """Of a value to the nearest interval; inf from an empty memory."""
    count, latest = int(memory[0]), int(memory[SIZE - 1])
    if latest < count and memory[1 + latest] <= y <= memory[1 + PLACES + latest]:
        return 0.0
    begun = _begun(memory, y)
    nearest = np.inf
    if begun > 0:
        nearest = max(y - memory[PLACES + begun], 0.0)
        if nearest == 0.0:
            memory[SIZE - 1] = begun - 1
            return 0.0
    if begun < count:
        nearest = min(nearest, memory[1 + begun] - y)
    return nearest


@lean_kernel
def span(memory: Array) -> tuple[float, float]:
    """Least and greatest value; inf and -inf of an empty memory."""
    count = int(memory[0])
    if count == 0:
        return np.inf, -np.inf
    return memory[1], memory[PLACES + count]


@lean_kernel
def _begun(memory: Array, y: float) -> int:
    """How many intervals begin at or before a value; steps that no branch has to guess."""
    begun, count = 0, int(memory[0])
    for step in (16, 8, 4, 2, 1):
        probe = begun + step
        ends = memory[min(probe, PLACES)] <= y
        begun = probe if (probe <= count) & ends else begun
    return begun


@kernel
def add(memory: Array, values: Array) -> None:
    """Take in at most as many values as there are places, in any order; none is NaN."""
    new = np.empty(len(values))
    outside = 0
    for y in values:
        if distance(memory, y) > 0:
            new[outside] = y
            outside += 1
    if outside == 0:
        return
    new = np.sort(new[:outside])
    low, high = np.empty(PLACES + outside), np.empty(PLACES + outside)
    size = _merge(memory, new, low, high)
    if size > PLACES:
        size = _close_gaps(low, high, size)
    memory[0] = size
    memory[1 : 1 + size] = low[:size]
    memory[1 + PLACES : 1 + PLACES + size] = high[:size]


@kernel
def _merge(memory: Array, new: Array, low: Array, high: Array) -> int:
    """Intervals and single values in ascending order, each value once; how many."""
    count, i, j, size = int(memory[0]), 0, 0, 0
    while i < count or j < len(new):
        if j == len(new) or (i < count and memory[1 + i] <= new[j]):
            low[size], high[size] = memory[1 + i], memory[1 + PLACES + i]
            i += 1
        else:
            low[size] = high[size] = new[j]
            j += 1
            if size > 0 and low[size] <= high[size - 1]:
                continue  # the same value again
        size += 1
    return size


@kernel
def _close_gaps(low: Array, high: Array, size: int) -> int:
    """Join neighbours across the narrowest gaps until all fit; how many are left."""
    gaps = np.sort(low[1:size] - high[: size - 1])
    limit = gaps[size - 1 - PLACES]
    left = 1
    for k in range(1, size):
        if low[k] - high[left - 1] > limit:
            low[left], high[left] = low[k], high[k]
            left += 1
        else:
            high[left - 1] = high[k]
    return left
