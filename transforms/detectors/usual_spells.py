"""Whether a series stays away from its usual for longer than it did before.

That a value was seen at the same time of two days says that it may come, not that it may stay: a
probe that fails now and then is no outage. A sample not nearer than the 90 % quantile of its side
adds one to a count, any other takes two away, or an eighth if that is more and it is the third in a
row: some minutes of the usual end a stay, a probe that gets through does not. The two highest
counts of each side are kept, and fade within four weeks. They are of more than six hours each: an
outage that comes back at once is the same one. So two excursions have to agree, and one long outage
does not hide the next. A series that stays away for twice the second highest is where it never was,
whatever the days say; so what comes each week is known, though it fades in between. That is asked
from four days on, when two swings of a day have been seen from end to end.
"""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.usual_channels import MONTH
from padit.transforms.detectors.usual_scale import CENTRE, SIDES, WIDTH, distance
from padit.transforms.detectors.usual_state import (
    AGE,
    BACK_FOR,
    BORN,
    LAST_TIME,
    STAY,
    STAY_AT,
    STAY_LAST,
    STAY_PEAK,
    STAYED,
)

__all__ = ["stays"]

Array = NDArray[np.float64]
TAIL = 1.2816 * (1.0 - 1e-9)  # of a width: the 90 % quantile and beyond, however it was rounded
BACK, BACK_SHARE, IN_A_ROW = 2.0, 0.125, 3.0  # what a sample takes away that does not lie there
LONGER, LEAST = 2.0, 4 * 86400e6
FAR_LONGER = 2.0  # times as long as those of the last hours
APART = 6 * 3600e6  # microseconds within which stays count as one, the longest


@lean_kernel
def stays(s: Array, c: Array, t: int, y: float) -> bool:
    """Count a sample; whether the series stays away for longer than it did before.

    Args:
        s: float64 (SLOTS,).
        c: float64 (CHANNEL,), its channel.
        t: microseconds.
        y: the value.
    """
    side = SIDES if y >= c[CENTRE] else SIDES + 5
    sign = 1.0 if y >= c[CENTRE] else -1.0
    away = distance(c, y - c[CENTRE]) >= TAIL * c[side + WIDTH]
    s[BACK_FOR] = 0.0 if away else s[BACK_FOR] + 1.0
    fade = max(1.0 - (t - s[LAST_TIME]) / MONTH, 0.0) if s[AGE] > 0 else 1.0
    for k in range(2):
        s[STAYED + 2 * k] *= fade
        s[STAYED + 2 * k + 1] *= fade
        if s[STAY_LAST + k] > 0 and t - s[STAY_AT + k] > APART:
            _keep(s, STAYED + 2 * k, s[STAY_LAST + k])
            s[STAY_LAST + k] = 0.0
    if away and s[STAY] * sign >= 0:
        s[STAY] += sign
        s[STAY_PEAK] = max(s[STAY_PEAK], abs(s[STAY]))
    elif s[STAY] != 0:
        _back(s, t)
        away = False
    second = s[STAYED + 1] if s[STAY] > 0 else s[STAYED + 3]
    longer = away and abs(s[STAY]) > LONGER * second + 1.0
    return bool(longer and t - s[BORN] >= LEAST)


@lean_kernel
def _back(s: Array, t: int) -> None:
    """Count a sample that does not lie where the series stays; note a stay that has ended."""
    count = abs(s[STAY])
    left = count - max(BACK, BACK_SHARE * count if s[BACK_FOR] >= IN_A_ROW else 0.0)
    if left > 0:
        s[STAY] *= left / count
        return
    k = 0 if s[STAY] > 0 else 1
    if s[STAY_PEAK] > FAR_LONGER * s[STAY_LAST + k]:  # else the hours are those of the first
        s[STAY_AT + k] = t
    s[STAY_LAST + k] = max(s[STAY_LAST + k], s[STAY_PEAK])
    s[STAY] = s[STAY_PEAK] = 0.0


@lean_kernel
def _keep(s: Array, at: int, count: float) -> None:
    """Put a count among the two highest of its side."""
    if count > s[at]:
        s[at + 1] = s[at]
        s[at] = count
    elif count > s[at + 1]:
        s[at + 1] = count
