"""How often were there peaks of this size? A histogram of sizes that forgets slowly.

Sizes are ratios; a bin is a factor of sqrt(2). `count[..., b]` is the decayed number of earlier
peaks in bin b or above, so that one look-up answers "how many at least this large".
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "bin_of", "comparable", "remember"]

BINS = 48  # from 2^-8 to 2^16
_EDGES = np.array([math.ldexp((0.5, math.sqrt(0.5))[b % 2], b // 2 - 8) for b in range(1, BINS)])

Array = NDArray[Any]


def bin_of(size: Array) -> NDArray[np.int64]:
    """Bin of each size; exact (no logarithm, whose last bit differs between machines)."""
    return np.asarray(_EDGES.searchsorted(size, side="right"), np.int64)


def comparable(count: Array, size: Array, below: int) -> Array:
    """How many earlier peaks were at least `size`, less `below` bins; shapes (..., w)."""
    place = np.maximum(bin_of(size) - below, 0).reshape(-1, size.shape[-1])
    flat = count.reshape(-1, BINS)
    found: Array = flat[np.arange(len(flat))[:, None], place]
    return found.reshape(size.shape)


def remember(count: Array, size: Array, is_peak: NDArray[np.bool_], decay: float) -> Array:
    """The histogram (..., BINS) one block later, with the peaks `size` (...) in it."""
    reached = (np.arange(BINS) <= bin_of(size)[..., None]) & is_peak[..., None]
    after: Array = count * np.float32(decay) + reached
    return after.astype(np.float32)
