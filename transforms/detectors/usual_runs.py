"""Runs of records: several samples in a row farther out than all that was ever seen.

How far out a sample lies says little in a series of heavy tail: the next record may be three times
the last. That several in a row are records says the same in every series whose samples come in any
order: of n samples seen, k more are all above them with the chance k! n! / (n + k)!, whatever their
distribution is. Of a series that swings slowly as many count as one as say as much as one of white
noise. What comes in bursts is not of that kind, so a run must be longer than those outside of the
usual range were before; nor is what walks, so a run begins with a leap, half as far again from the
centre as all before. A side without a heavy tail is judged by its sums alone, which are sooner.
"""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.usual_channels import before, kept_for, of_a_day
from padit.transforms.detectors.usual_evidence import DOWN, FEW, UP, known
from padit.transforms.detectors.usual_scale import (
    CENTRE,
    COUNT,
    LEAP,
    OVER,
    SCALE,
    SIDES,
    TENTH,
    log2,
    persistence,
    slowness,
)
from padit.transforms.detectors.usual_state import (
    AGE,
    BEYOND,
    BEYOND_FROM,
    FARTHEST,
    LONGEST,
    SPELL,
    TOLD_FARTHEST,
    TOLD_SPELL,
)

__all__ = ["accept_runs", "close_runs", "records_in_a_row"]

Array = NDArray[np.float64]
BUDGET = 400.0  # series-days with one such run by chance
MARGIN = 0.5  # of how far the farthest lies
LONGER = 1.6  # times the longest run outside before
KEPT = 28.0  # times as long as other records the farthest value is known


@lean_kernel
def records_in_a_row(s: Array, c: Array, y: float, context: int, learn: bool) -> float:
    """The verdict that a run of records is news, on a side that is worth a word.

    Args:
        s: float64 (SLOTS,).
        c: float64 (CHANNEL,), judged already.
        y: the value.
        context: bits of `UP` and `DOWN`.
        learn: whether no alert is open.
    """
    kept = kept_for(s)
    _spells(s, 1.0 if y >= c[CENTRE] else -1.0, c[OVER] > 0, 1.0 - 1.0 / kept, learn)
    _follow(s, c, y)
    _widen(s, c, y, learn, 1.0 / (KEPT * kept))
    upward = s[BEYOND] > 0
    if s[BEYOND] == 0.0 or not context & (UP if upward else DOWN):
        return 0.0
    long = max(persistence(slowness(c)), 1.0)
    k = abs(s[BEYOND]) / long
    seen = min(s[AGE], 2.0 * kept) / long
    if k < 1.0 or seen <= k:
        return 0.0
    chance = k * TENTH * log2(seen / k)
    needed = TENTH * log2(BUDGET * max(of_a_day(s), 1.0))
    longest = s[LONGEST] if upward else s[LONGEST + 1]
    return float(min(chance / needed, abs(s[BEYOND]) / (LONGER * longest + 1.0)))


@lean_kernel
def _follow(s: Array, c: Array, y: float) -> None:
    """Count a run of records on, begin one with a leap, or end it."""
    if s[BEYOND] > 0 and y > s[BEYOND_FROM]:
        s[BEYOND] += 1.0
        return
    if s[BEYOND] < 0 and y < s[BEYOND_FROM]:
        s[BEYOND] -= 1.0
        return
    s[BEYOND] = 0.0
    up = y >= c[CENTRE]
    if not c[(SIDES if up else SIDES + 5) + SCALE] > 0 or not known(c):
        return
    side, farthest = (1.0, s[FARTHEST]) if up else (-1.0, s[FARTHEST + 1])
    edge = farthest + MARGIN * (farthest - c[CENTRE])
    if side * (y - edge) > 0 and abs(y - before(s, c[CENTRE])) > c[LEAP]:
        s[BEYOND], s[BEYOND_FROM] = side, edge


@lean_kernel
def _widen(s: Array, c: Array, y: float, learn: bool, fade: float) -> None:
    """Keep the farthest value of each side; it comes back to the centre, once known, slowly."""
    begun = s[TOLD_FARTHEST] < s[TOLD_FARTHEST + 1] or s[TOLD_FARTHEST] != 0
    if not begun and s[FARTHEST] == 0 and s[FARTHEST + 1] == 0:
        s[FARTHEST] = s[FARTHEST + 1] = y
        s[TOLD_FARTHEST], s[TOLD_FARTHEST + 1] = -np.inf, np.inf
    at = FARTHEST if learn else TOLD_FARTHEST
    s[at] = max(s[at], y)
    s[at + 1] = min(s[at + 1], y)
    if learn and c[COUNT] >= FEW:
        s[FARTHEST] += fade * (c[CENTRE] - s[FARTHEST])
        s[FARTHEST + 1] += fade * (c[CENTRE] - s[FARTHEST + 1])


@lean_kernel
def _spells(s: Array, side: float, outside: bool, fade: float, learn: bool) -> None:
    """Count the samples in a row outside of the usual range, and keep the longest of each side."""
    if learn:
        s[LONGEST] *= fade
        s[LONGEST + 1] *= fade
    if outside and s[SPELL] * side >= 0:
        s[SPELL] += side
        return
    place = 0 if s[SPELL] > 0 else 1
    at = (LONGEST if learn else TOLD_SPELL) + place
    s[at] = max(s[at], abs(s[SPELL]))
    s[SPELL] = side if outside else 0.0


@lean_kernel
def close_runs(s: Array, routine: bool) -> None:
    """The end of an alert: what ran outside then is a record, if it was routine."""
    if routine:
        for k in range(2):
            s[LONGEST + k] = max(s[LONGEST + k], s[TOLD_SPELL + k])
        s[FARTHEST] = max(s[FARTHEST], s[TOLD_FARTHEST])
        s[FARTHEST + 1] = min(s[FARTHEST + 1], s[TOLD_FARTHEST + 1])
    s[TOLD_SPELL] = s[TOLD_SPELL + 1] = 0.0
    s[TOLD_FARTHEST], s[TOLD_FARTHEST + 1] = -np.inf, np.inf


@lean_kernel
def accept_runs(s: Array) -> None:
    """Begin again: what ran outside in the alert is a record, and what goes on is usual now."""
    close_runs(s, True)
    s[BEYOND] = s[SPELL] = 0.0
