"""Homes: ranges that were the usual one within the last day; to come back to one is no news.

A machine stays at one operating point for hours, so that the memory of `usual_scale` knows no
other, and goes back to the one before. A home is the usual range as it was, a little wider; four
are kept. What an alert saw is none until it is accepted, so a fault that comes again is told again.
"""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.usual_scale import (
    CENTRE,
    GAP_COUNT,
    GAPS,
    HIGH,
    LOW,
    REACH,
    SCALE,
    SIDES,
    UNIT,
)

__all__ = ["HOMES", "at_home", "keep_home"]

Array = NDArray[np.float64]
HOMES, FIRST, LAST, SEEN = 4, 0, 1, 2  # of a home: its ends, and microseconds until it is forgotten
MARGIN = 2.0  # tails beyond the 99 % quantile
EDGE_OF_GAP = 0.15


@lean_kernel
def at_home(homes: Array, c: Array, t: int, y: float, until: float) -> bool:
    """Whether a value that is unlike most of now lies where the usual range was within a day.

    Args:
        homes: float64 (3 * HOMES,).
        c: float64 (CHANNEL,).
        t: microseconds.
        y: the value.
        until: microseconds until which a home that is visited is known; 0: as before.
    """
    if c[LOW] <= y <= c[HIGH]:
        return False
    for k in range(HOMES):
        low, high = homes[3 * k + FIRST], homes[3 * k + LAST]
        here = low <= c[CENTRE] <= high
        if not here and low <= y <= high and t < homes[3 * k + SEEN]:
            homes[3 * k + SEEN] = max(homes[3 * k + SEEN], until)
            return True
    return False


@lean_kernel
def keep_home(homes: Array, c: Array, until: float) -> None:
    """The usual range as it is now, in place of a home it belongs to, or of the oldest.

    Args:
        homes: float64 (3 * HOMES,).
        c: float64 (CHANNEL,).
        until: microseconds when it is forgotten.
    """
    chosen = 0
    for k in range(HOMES):
        at = 3 * k
        if homes[at + SEEN] > 0 and homes[at + FIRST] <= c[CENTRE] <= homes[at + LAST]:
            chosen = at
            break
        if homes[at + SEEN] < homes[chosen + SEEN]:
            chosen = at
    up, down = SIDES, SIDES + 5
    above = c[up + REACH] + (MARGIN * c[up + UNIT] if c[up + SCALE] == 0 else 0.0)
    below = c[down + REACH] + (MARGIN * c[down + UNIT] if c[down + SCALE] == 0 else 0.0)
    low, high = c[CENTRE] - below, c[CENTRE] + above
    for k in range(GAP_COUNT):  # what lies beyond a gap is another place
        first, last = c[GAPS + 2 * k], c[GAPS + 2 * k + 1]
        margin = EDGE_OF_GAP * (last - first)
        if last <= c[CENTRE] and margin > 0:
            low = max(low, last - margin)
        elif first >= c[CENTRE] and margin > 0:
            high = min(high, first + margin)
    homes[chosen + FIRST], homes[chosen + LAST] = low, high
    homes[chosen + SEEN] = until
