"""What is farther out than all that was ever seen: a run of records, or one absurd value."""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.usual_channels import before
from padit.transforms.detectors.usual_evidence import DOWN, UP, extreme, known
from padit.transforms.detectors.usual_runs import records_in_a_row
from padit.transforms.detectors.usual_scale import CENTRE
from padit.transforms.detectors.usual_state import (
    BEYOND,
    COUNTER,
    DOWNWARD,
    INTERVAL,
    SELDOM_SAMPLED,
    UPWARD,
)
from padit.transforms.detectors.usual_sums import moves_seldom, ripe

__all__ = ["MOST_ALONE", "farther"]

Array = NDArray[np.float64]
MOST_ALONE = 3.8  # of a single sample; what is CRITICAL lasts


@lean_kernel
def farther(
    s: Array,
    c: Array,
    t: int,
    y: float,
    directions: int,
    closed: bool,
    far: float,
    found: tuple[float, float],
) -> tuple[float, float]:
    """The higher of what was found and of what is farther than all before, a run or one value.

    What stands still at first (zeros, until a job has begun) is absurd nowhere before it is ripe.
    Of a known series no single value is CRITICAL: that is what lasts. Inside an alert a value is as
    far as it ever was, though it is known by now: it has to come back.
    """
    verdict, channel = found
    row = records_in_a_row(s, c, y, directions, closed)
    if row > verdict and ripe(s, c, t, directions, far):
        verdict, channel = row, UPWARD if s[BEYOND] > 0 else DOWNWARD
    up = y >= c[CENTRE]
    begins = closed and moves_seldom(s) and not ripe(s, c, t, directions, far)
    if begins or not directions & (UP if up else DOWN):
        return verdict, channel
    seldom, rate = s[INTERVAL] >= SELDOM_SAMPLED, s[COUNTER] > 0
    away = far if closed else np.inf
    alone = extreme(c, y, away, seldom, rate)
    if alone > verdict:
        alone = extreme(c, y, min(away, abs(y - before(s, c[CENTRE]))), seldom, rate)
    if closed and known(c):
        alone = min(alone, MOST_ALONE)
    return (alone, UPWARD if up else DOWNWARD) if alone > verdict else (verdict, channel)
