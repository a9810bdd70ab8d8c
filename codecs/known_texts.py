"""Hash tables of texts that were seen before, as words of eight bytes; for compiled code."""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel

__all__ = ["place_all", "word_of"]

_EIGHT, _ONE = np.uint64(8), np.uint64(1)


@lean_kernel
def word_of(words: NDArray[np.uint64], at: int, left: int) -> np.uint64:
    """The word at a position, of which `left` bytes count."""
    if left >= 8:
        return np.uint64(words[at])
    return np.uint64(words[at] & ((_ONE << (_EIGHT * np.uint64(left))) - _ONE))


def place_all(slots: NDArray[np.int32], hashes: NDArray[np.uint64]) -> None:
    """Put the numbers of hashes into the slots of an empty table, the next free one each.

    Args:
        slots: a power of two of them, -1 where free.
        hashes: fewer than slots.
    """
    last = len(slots) - 1
    for number, one in enumerate(hashes.tolist()):
        slot = one >> 32 & last
        while slots[slot] >= 0:
            slot = slot + 1 & last
        slots[slot] = number
