"""Inside an alert of `usual`: how severe it is, when it ends, and what is learnt from it."""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, lean_kernel
from padit.transforms.detectors.directions import DAY_OLD
from padit.transforms.detectors.usual_evidence import (
    accept_evidence,
    close_evidence,
)
from padit.transforms.detectors.usual_runs import accept_runs, close_runs
from padit.transforms.detectors.usual_scale import (
    CENTRE,
    CHANNEL,
    FULL_SWINGS,
    HIGH,
    LOW,
    adopt,
    fit,
)
from padit.transforms.detectors.usual_season import SEASON, season_restart
from padit.transforms.detectors.usual_state import (
    ACCEPTED,
    ACTIVITY,
    AGE,
    BETWEEN,
    BORN,
    CALM,
    CALM_AFTER,
    CHANNEL_OF,
    COUNTER,
    FAR,
    FAR_FOR,
    INSIDE,
    INTERVAL,
    JUDGED,
    KIND,
    KINDS,
    LAST_TIME,
    LASTING,
    NEXT_KIND,
    OPEN,
    RUN_LONG,
    RUN_RECORD,
    SEASON_AT,
    SEASONAL,
    SINCE,
    STASH,
    STASHED,
    STOOD,
    STORE,
    STRIDE,
    STUCK,
    TOLD_RUN,
    TURN,
    VALUE,
    WAITING,
    WAITING_A,
)

__all__ = ["follow", "open_alert", "severity", "told"]

ROUTINE, NEARLY = 3.0, 0.7  # times; share of the distance
TWICE = 2.0  # as far, from which on an excursion is another one
CRITICAL = 3.86  # the verdict that scores 0.9
Array = NDArray[np.float64]


@lean_kernel
def open_alert(s: Array, t: int) -> None:
    """Begin an alert at microseconds `t`; what waits to be learnt is dropped."""
    s[OPEN], s[SINCE], s[CALM], s[FAR_FOR] = 1.0, t, 0.0, 0.0
    s[WAITING], s[WAITING_A] = 0.0, 0.0
    s[STASHED], s[STRIDE], s[TURN], s[TOLD_RUN] = 0.0, 1.0, 0.0, 0.0


@lean_kernel
def severity(s: Array, t: int, over: float, stated: bool) -> float:
    """The verdict of an alert that has been far outside for long, else 0.

    Time far outside counts, other time of the alert counts against it. CRITICAL is from five
    minutes and eight samples on; the score goes on to rise.
    """
    c = s[VALUE : VALUE + CHANNEL]
    young, moves = t - s[BORN] < DAY_OLD, c[LOW] < c[HIGH]
    if young and (not stated or (moves and c[FULL_SWINGS] < 8)):
        return 0.0  # what it does in a day, or how far it swings, is not known
    far = 2.0 * FAR if young and moves else FAR
    step = min(t - s[LAST_TIME], 4.0 * s[INTERVAL]) if s[AGE] > 0 else 0.0
    s[FAR_FOR] = max(0.0, s[FAR_FOR] + (step if over >= far else -step))
    share = s[FAR_FOR] / max(LASTING, 8.0 * s[INTERVAL])
    return CRITICAL * min(share, 8.0) if share >= 1.0 and over >= far else 0.0


@kernel
def follow(
    s: Array,
    season: NDArray[np.float32],
    t: int,
    y: float,
    verdict: float,
    channel: float,
    limits: Array,
    held: bool,
) -> float:
    """Inside an alert: close it when all is usual, accept what has lasted."""
    s[INSIDE] += 1
    if verdict < limits[1]:
        if s[CALM] == 0:
            s[CALM] = t
        if t - s[CALM] >= max(CALM_AFTER, 2 * s[INTERVAL]):
            _close(s, held)
        return verdict
    s[CALM] = 0.0
    _stash(s, y)
    age = t - s[SINCE]
    if age < limits[2] or channel == STUCK or held or s[STASHED] < 12:
        return verdict
    goes_on = channel == SEASONAL or _moves(s[STORE : STORE + int(s[STASHED])])
    if goes_on and age < 8 * limits[2]:
        return verdict
    _accept(s)
    if channel == SEASONAL:
        season_restart(s[SEASON_AT : SEASON_AT + SEASON], season)
    return 0.0


@lean_kernel
def _stash(s: Array, y: float) -> None:
    """Keep at most 128 values of the alert, evenly spaced."""
    if s[TURN] % s[STRIDE] == 0:
        if s[STASHED] == STASH:
            for k in range(STASH // 2):
                s[STORE + k] = s[STORE + 2 * k]
            s[STASHED] = STASH // 2
            s[STRIDE] *= 2
        s[STORE + int(s[STASHED])] = y
        s[STASHED] += 1
    s[TURN] += 1


@kernel
def _close(s: Array, held: bool) -> None:
    """The end of an alert; what comes a third time, or takes a sixth of the time, is routine."""
    times = _times(s, s[VALUE : VALUE + CHANNEL]) if s[STASHED] > 0 else 0.0
    routine = times >= ROUTINE or (times >= 2 and s[INSIDE] >= 0.15 * s[AGE])
    routine &= not held
    stood = False
    if s[CHANNEL_OF] == STUCK and not held:
        s[STOOD] += 1.0
        stood = s[STOOD] >= ROUTINE
    if stood:
        s[RUN_RECORD] = max(s[RUN_RECORD], s[TOLD_RUN])
    if stood or routine:  # what it stood at in a routine excursion is routine, too
        s[RUN_LONG] = max(s[RUN_LONG], s[TOLD_RUN])
    close_evidence(s[VALUE : VALUE + CHANNEL], routine)
    close_evidence(s[ACTIVITY : ACTIVITY + CHANNEL], routine)
    close_runs(s, routine)
    if routine:
        _adopt(s)
    s[OPEN] = 0.0


@kernel
def _times(s: Array, c: Array) -> float:
    """How often an excursion to where this one lay has come: on the same side, about as far.

    Where it lay is the median of what was outside of the quartiles: an alert over bursts lasts
    longer than they do, and most of its values are usual ones.
    """
    values = s[STORE : STORE + int(s[STASHED])]
    outside = values[(values < c[LOW]) | (values > c[HIGH])]
    if s[CHANNEL_OF] < BETWEEN and len(outside) > 0:
        values = outside
    away = np.median(values) - c[CENTRE]
    margin = max(0.3 * abs(away), 0.5 * (c[HIGH] - c[LOW]))
    for k in range(KINDS):
        at = KIND + 2 * k
        if s[at + 1] > 0 and abs(s[at] - c[CENTRE] - away) <= margin:
            s[at] = away + c[CENTRE]
            s[at + 1] += 1.0
            return float(s[at + 1])
    # Less than twice as far as one to the same side that came before: it counts as one of those.
    for k in range(KINDS):
        at = KIND + 2 * k
        share = (s[at] - c[CENTRE]) * away
        if s[CHANNEL_OF] != BETWEEN and s[at + 1] > 0 and TWICE * share >= away * away:
            if share < away * away:  # by half: else faults that grow were all one kind
                s[at] += 0.5 * (away + c[CENTRE] - s[at])
            s[at + 1] += 1.0
            return float(s[at + 1])
    at = KIND + 2 * (int(s[NEXT_KIND]) % KINDS)
    s[at], s[at + 1] = away + c[CENTRE], 1.0
    s[NEXT_KIND] += 1.0
    return 1.0


@lean_kernel
def told(s: Array, y: float) -> bool:
    """Whether a value lies where an excursion was that was told and is not routine yet.

    Not so what is nearer than a routine excursion to the same side, or hardly farther.
    """
    away = y - s[VALUE + CENTRE]
    found = False
    for k in range(KINDS):
        at = KIND + 2 * k
        place = s[at] - s[VALUE + CENTRE]
        if s[at + 1] >= ROUTINE and 0.0 < NEARLY * away * place <= place * place:
            return False
        found |= 0 < s[at + 1] < ROUTINE and away * place >= NEARLY * place * place
    return bool(found)


@kernel
def _moves(values: Array) -> bool:
    """Whether the second half lies elsewhere than the first, by its own quartiles."""
    half = len(values) // 2
    first, second = np.sort(values[:half]), np.sort(values[half:])
    n = half // 4
    spread = max(first[half - 1 - n] - first[n], second[half - 1 - n] - second[n])
    return bool(abs(np.median(second) - np.median(first)) > spread)


@kernel
def _accept(s: Array) -> None:
    """Begin again with what was seen inside the alert."""
    c, a = s[VALUE : VALUE + CHANNEL], s[ACTIVITY : ACTIVITY + CHANNEL]
    accept_evidence(c)
    accept_evidence(a)
    accept_runs(s)
    _adopt(s)
    s[JUDGED] = 0.0
    s[OPEN] = 0.0
    s[ACCEPTED] = 1.0


@kernel
def _adopt(s: Array) -> None:
    c = s[VALUE : VALUE + CHANNEL]
    if s[STASHED] > 0:
        adopt(c, s[STORE : STORE + int(s[STASHED])])
        fit(c, 1e-3 if s[COUNTER] > 0 else 1e-12)
