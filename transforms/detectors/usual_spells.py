"""Whether a series stays away from its usual for longer than it did before.

That a value was seen at the same time of two days says that it may come, not that it may stay: a
probe that fails now and then is no outage. A sample beyond the 90 % quantile of its side adds one
to a count, any other takes two away. The two highest counts of each side are kept and fade within
four weeks: two excursions have to agree, so that one long outage does not hide the next. A series
that stays away for 1.6 times the second highest is where it never was, whatever the days say. That
is asked from four days on, when two swings of a day have been seen from end to end.
"""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.usual_channels import MONTH, kept_for
from padit.transforms.detectors.usual_scale import CENTRE, SIDES, WIDTH, distance
from padit.transforms.detectors.usual_season import DAYS
from padit.transforms.detectors.usual_state import SEASON_AT, STAY, STAY_PEAK, STAYED

__all__ = ["stays"]

Array = NDArray[np.float64]
TAIL = 1.2816  # of a width: the 90 % quantile
BACK = 2.0  # what a sample that is not takes away
LONGER, LEAST_DAYS = 1.6, 4


@lean_kernel
def stays(s: Array, c: Array, y: float) -> bool:
    """Count a sample; whether the series stays away for longer than it did before.

    Args:
        s: float64 (SLOTS,).
        c: float64 (CHANNEL,), its channel.
        y: the value.
    """
    side = SIDES if y >= c[CENTRE] else SIDES + 5
    sign = 1.0 if y >= c[CENTRE] else -1.0
    away = distance(c, y - c[CENTRE]) > TAIL * c[side + WIDTH]
    fade = 1.0 - 1.0 / (MONTH * kept_for(s))
    for k in range(4):
        s[STAYED + k] *= fade
    if away and s[STAY] * sign >= 0:
        s[STAY] += sign
        s[STAY_PEAK] = max(s[STAY_PEAK], abs(s[STAY]))
    elif s[STAY] != 0:
        before = abs(s[STAY])
        if away or before <= BACK:
            _keep(s, STAYED if s[STAY] > 0 else STAYED + 2)
            s[STAY] = sign if away else 0.0
            s[STAY_PEAK] = abs(s[STAY])
        else:
            s[STAY] *= (before - BACK) / before
    upward = s[STAY] > 0
    second = s[STAYED + 1] if upward else s[STAYED + 3]
    longer = away and abs(s[STAY]) > LONGER * second + 1.0
    return bool(longer and s[SEASON_AT + DAYS] >= LEAST_DAYS)


@lean_kernel
def _keep(s: Array, at: int) -> None:
    """Put a count among the two highest of its side."""
    count = s[STAY_PEAK]
    if count > s[at]:
        s[at + 1] = s[at]
        s[at] = count
    elif count > s[at + 1]:
        s[at + 1] = count
