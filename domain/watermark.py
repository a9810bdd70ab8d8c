"""Progress of event time, carried in the data.

A *watermark* of a partition is a promise decided by its log alone: the highest event time so far,
minus the allowed out-of-orderness. A row older than the watermark before it is late. Watermarks
never go back. Everything downstream closes windows by them, so no result depends on a runner's
watermark, timers or bundles.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["WATERMARK_END", "WATERMARK_NONE", "Position", "find_late"]

WATERMARK_NONE = -(2**62)
"""Watermark of a partition before its first row."""
WATERMARK_END = 2**62
"""Watermark of an exhausted partition (bounded input)."""


class Position(NamedTuple):
    """Offsets of one partition that a batch covers, and the watermark after them.

    Attributes:
        partition: number of the partition, from 0.
        start: offset at which the job began to read this partition.
        first: first offset the batch covers.
        following: offset after the last one the batch covers.
        watermark: microseconds; every later row of the partition that is older is late.
        read: metrics of the partition read before `following`, since the job began.
        late: those of them that were late.
        dead_lettered: those of them that could not be read.
        reached: the last watermark before the partition was exhausted; `WATERMARK_NONE` while it
            is not exhausted.
    """

    partition: int
    start: int
    first: int
    following: int
    watermark: int
    read: int = 0
    late: int = 0
    dead_lettered: int = 0
    reached: int = WATERMARK_NONE


def find_late(
    time: NDArray[np.int64], watermark: int, out_of_orderness: int
) -> tuple[NDArray[np.bool_] | None, int]:
    """Find the late rows of one partition, and the watermark after them.

    Args:
        time: int64 (n,), event times in log order, microseconds.
        watermark: the watermark before the first row.
        out_of_orderness: how far a row may be older than the newest before it, microseconds.

    Returns:
        A mask (n,) of late rows, or None where there are none, and the new watermark.

    >>> find_late(np.array([100, 70, 130, 90]), WATERMARK_NONE, 35)
    (array([False, False, False,  True]), 95)
    """
    if not len(time):
        return None, watermark
    newest = np.maximum.accumulate(time)
    after = max(watermark, int(newest[-1]) - out_of_orderness)
    if int(time.min()) >= after:
        return None, after
    before = np.empty_like(time)
    before[0] = watermark
    np.maximum(newest[:-1] - out_of_orderness, watermark, out=before[1:])
    late = time < before
    return (late if late.any() else None), after
