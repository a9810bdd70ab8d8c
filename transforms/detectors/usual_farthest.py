"""What is farther out than all that was ever seen: a run of records, or one absurd value."""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.usual_channels import before
from padit.transforms.detectors.usual_evidence import DOWN, UP, extreme, known
from padit.transforms.detectors.usual_runs import records_in_a_row
from padit.transforms.detectors.usual_scale import CENTRE
from padit.transforms.detectors.usual_state import BEYOND, COUNTER, EQUALS, FALLS, INTERVAL, RISES
from padit.transforms.detectors.usual_sums import SELDOM_MOVES, ripe

__all__ = ["DOWNWARD", "MOST_ALONE", "SELDOM_SAMPLED", "UPWARD", "farther"]

Array = NDArray[np.float64]
MOST_ALONE = 3.8  # of a single sample; what is CRITICAL lasts
SELDOM_SAMPLED = 900e6  # microseconds from one sample to the next
UPWARD, DOWNWARD = 0.0, 1.0  # channels


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
    stands = s[EQUALS] >= SELDOM_MOVES * (s[RISES] + s[FALLS] + s[EQUALS])
    begins = closed and stands and not ripe(s, c, t, directions, far)
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
