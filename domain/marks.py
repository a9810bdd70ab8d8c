"""Progress of event time, carried in the data.

A *mark* of a partition is a promise decided by its log alone: the highest event time so far,
minus the allowed out-of-orderness. A row older than the mark before it is late. Marks never go
back. Everything downstream closes windows by marks, so no result depends on a runner's
watermark, timers or bundles.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["MARK_END", "MARK_NONE", "Position", "judge"]

MARK_NONE = -(2**62)
"""Mark of a partition of which nothing is known yet."""
MARK_END = 2**62
"""Mark of a partition that is exhausted (bounded input)."""


class Position(NamedTuple):
    """What a block covers of one partition, and the partition's mark behind it.

    Attributes:
        partition: number of the partition, from 0.
        start: offset at which the job began to read this partition.
        first: first offset the block covers.
        following: offset after the last one the block covers.
        mark: microseconds; every later row of the partition that is older is late.
        read: metrics of the partition read before `following`, since the job began.
        late: those of them that were late.
        dead_lettered: those of them that could not be read.
        reached: the mark before the partition was exhausted: so far its log tells of time.
            `MARK_NONE` while it is not exhausted.
    """

    partition: int
    start: int
    first: int
    following: int
    mark: int
    read: int = 0
    late: int = 0
    dead_lettered: int = 0
    reached: int = MARK_NONE


def judge(
    time: NDArray[np.int64], mark: int, out_of_orderness: int
) -> tuple[NDArray[np.bool_] | None, int]:
    """Which rows of one partition are late, and the mark behind them.

    Args:
        time: int64 (n,), event times in log order, microseconds.
        mark: the mark before the first row.
        out_of_orderness: how far a row may be older than the newest before it, microseconds.

    Returns:
        A mask (n,) of late rows, or None where there are none, and the new mark.

    >>> judge(np.array([100, 70, 130, 90]), MARK_NONE, 35)
    (array([False, False, False,  True]), 95)
    """
    if not len(time):
        return None, mark
    newest = np.maximum.accumulate(time)
    after = max(mark, int(newest[-1]) - out_of_orderness)
    if int(time.min()) >= after:
        return None, after
    before = np.empty_like(time)
    before[0] = mark
    np.maximum(newest[:-1] - out_of_orderness, mark, out=before[1:])
    late = time < before
    return (late if late.any() else None), after
