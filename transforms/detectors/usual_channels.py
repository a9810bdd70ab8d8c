"""What `usual` derives from a series: its increase, its activity, how long it repeats a value."""

import math

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.directions import COUNTS, DAY_OLD, GAUGED, LOWER, NAMED_TOTAL
from padit.transforms.detectors.usual_scale import log2
from padit.transforms.detectors.usual_state import (
    ACTIVE,
    ACTIVITY_FLOOR,
    AGE,
    BLOCK,
    BORN,
    COUNTER,
    EQUALS,
    FALLS,
    FRACTIONS,
    HALF_HOUR,
    INTERVAL,
    LAST,
    LAST_TIME,
    OPEN,
    QUEUE,
    RESETS,
    RISES,
    RUN,
    RUN_LONG,
    RUN_MEAN,
    RUN_RECORD,
    RUN_SPREAD,
    RUNS,
    STEP1,
    STEP2,
    STEP_SUM,
    STEPS,
    TOLD_RUN,
    WAIT,
    WAITING,
)

__all__ = [
    "MONTH", "RECORDS", "activity", "before", "increase", "kept_for", "of_a_day", "sides", "stuck",
]  # fmt: skip

Array = NDArray[np.float64]
RECORDS, DAY = 4096.0, 86400e6  # samples and microseconds for which a record is kept, the longer
MONTH, LONGER = 28 * 86400e6, 1.5  # microseconds; what comes each week is known, though it fades
LEAST_RUNS = 32  # before a run can be news
CHANCE, LONG = 8.5, 16384.0  # deviations of runs; samples over which these are learnt


@lean_kernel
def increase(s: Array, t: int, x: float, kind: int) -> tuple[float, bool]:
    """What is judged: the value, or of a counter its increase a second; False: nothing yet.

    Another kind begins from nothing: what was known is of the value, or of its increase.

    Args:
        s: float64 (SLOTS,).
        t: microseconds.
        x: the value.
        kind: what is stated, bits of `directions`.
    """
    if np.floor(x) != x:
        s[FRACTIONS] = 1.0
    if s[AGE] == 0:
        s[COUNTER] = 1.0 if kind & (COUNTS | NAMED_TOTAL) else 0.0
        return x, s[COUNTER] == 0
    step, dt = x - s[LAST], (t - s[LAST_TIME]) / 1e6
    if s[OPEN] == 0 or step < 0:
        _count_step(s, step)
    counter = _is_counter(s, kind)
    if counter != (s[COUNTER] > 0):
        _begin_again(s, t)
        s[COUNTER] = 1.0 if counter else 0.0
    if not counter:
        return x, True
    if step < 0 or dt <= 0:
        if step < 0 and x <= 0.5 * s[LAST]:
            s[RESETS] += 1.0
        return 0.0, False
    return step / dt, True


@lean_kernel
def _begin_again(s: Array, t: int) -> None:
    last, when, interval = s[LAST], s[LAST_TIME], s[INTERVAL]
    rises, falls, equals, fractions = s[RISES], s[FALLS], s[EQUALS], s[FRACTIONS]
    s[:] = 0.0
    s[LAST], s[LAST_TIME], s[INTERVAL] = last, when, interval
    s[RISES], s[FALLS], s[EQUALS], s[FRACTIONS] = rises, falls, equals, fractions
    s[BORN], s[AGE] = t, 1.0


@lean_kernel
def sides(s: Array, t: int, kind: int) -> int:
    """Bits of `kind` that count: not that a series grows slower which may be no counter.

    What warms up rises for an hour, ever slower; a day of that, a fall to less than half, or whole
    numbers are those of a counter.
    """
    if s[COUNTER] == 0 or kind & (COUNTS | NAMED_TOTAL) or s[FRACTIONS] == 0:
        return kind
    doubtful = s[RESETS] == 0 and t - s[BORN] < DAY_OLD
    return kind & ~LOWER if doubtful else kind


@lean_kernel
def _count_step(s: Array, step: float) -> None:
    fade = 1.0 - 1.0 / 512
    s[RISES], s[FALLS], s[EQUALS] = s[RISES] * fade, s[FALLS] * fade, s[EQUALS] * fade
    if step > 0:
        s[RISES] += 1
    elif step < 0:
        s[FALLS] += 1
    else:
        s[EQUALS] += 1


@lean_kernel
def _is_counter(s: Array, kind: int) -> bool:
    """What is stated decides, else how it moves.

    A counter falls at no more than one step of 25. If it is of whole numbers 48 steps are enough,
    half of them rises, or 256 without a fall; of other numbers 256 steps, half of them rises.
    """
    if kind & (COUNTS | GAUGED):
        return bool(kind & COUNTS)
    steps = s[RISES] + s[FALLS] + s[EQUALS]
    if kind & NAMED_TOTAL:
        return bool(s[FALLS] <= 2.0 + 0.1 * steps)
    if s[COUNTER] > 0:
        return bool(s[FALLS] <= 0.1 * steps)
    whole = s[FRACTIONS] == 0
    if steps < (48 if whole else 256) or s[FALLS] > 0.04 * steps:
        return False
    seldom = whole and steps >= 256 and s[FALLS] == 0 and s[RISES] >= 2
    return bool(seldom or s[RISES] >= 0.5 * steps)


@lean_kernel
def of_a_day(s: Array) -> float:
    """How many samples a day has."""
    return float(DAY / max(s[INTERVAL], 1.0))


@lean_kernel
def kept_for(s: Array) -> float:
    """For how many samples a record is kept."""
    return max(RECORDS, of_a_day(s))


@lean_kernel
def before(s: Array, centre: float) -> float:
    """Mean of eight values that were usual, of up to half an hour ago; the centre without any."""
    at = int(s[WAITING])
    lag = int(min(max(HALF_HOUR / max(s[INTERVAL], 1.0) - 8, 4), WAIT - 8))
    first, last = max(0, at - lag - 8), at - lag
    if last <= first:
        return centre
    total = 0.0
    for k in range(first, last):
        total += s[QUEUE + k % WAIT]
    return total / (last - first)


@lean_kernel
def activity(s: Array, x: float) -> bool:
    """Sum the sizes of steps, each the least of three, which a jump leaves alone.

    True once a block of 8 is full; its activity is in slot ACTIVE then.
    """
    step = abs(x - s[LAST]) if s[AGE] > 0 else 0.0
    s[STEP_SUM] += min(step, s[STEP1], s[STEP2])
    s[STEP2], s[STEP1] = s[STEP1], step
    s[STEPS] += 1
    if s[STEPS] < BLOCK:
        return False
    mean = s[STEP_SUM] / BLOCK
    s[STEP_SUM], s[STEPS] = 0.0, 0.0
    if s[ACTIVITY_FLOOR] == 0:
        s[ACTIVITY_FLOOR] = 0.05 * mean
    if s[ACTIVITY_FLOOR] == 0:
        return False
    s[ACTIVE] = log2(mean + s[ACTIVITY_FLOOR])
    return True


@lean_kernel
def stuck(s: Array, x: float, learn: bool) -> float:
    """How long one value has been repeated, as a share of what would be news.

    News is 2.5 times the record of the last day (or of 4,096 samples if these take longer), and
    longer by half than that of four weeks, which fades, so that what comes each week is routine.
    What stood at first, such as a placeholder, could not be news, and is no record of weeks.
    What was told counts an eighth, and in full the third time (`usual_alert`).
    """
    if s[AGE] > 0 and x == s[LAST]:
        s[RUN] += 1
    else:
        if s[RUN] > 0:
            usual, part = s[RUN] if learn else s[RUN] / 8, s[RUN] / kept_for(s)
            s[RUN_RECORD] = max(s[RUN_RECORD] * max(1.0 - part, 0.0), usual)
            if s[RUNS] >= LEAST_RUNS:
                faded = s[RUN_LONG] * max(1.0 - s[RUN] * s[INTERVAL] / MONTH, 0.0)
                s[RUN_LONG] = max(faded, usual)
            s[RUNS] += 1
            if learn:
                _learn_run(s)
            else:
                s[TOLD_RUN] = max(s[TOLD_RUN], s[RUN])
        s[RUN] = 1.0
    if s[RUNS] < LEAST_RUNS:
        return 0.0
    limit = max(2.5 * s[RUN_RECORD], LONGER * s[RUN_LONG]) + 8.0
    if s[RUN_RECORD] >= 3:  # it repeats values now and then
        by_chance = (1.0 + 16.0 / s[RUNS]) * (s[RUN_MEAN] + CHANCE * math.sqrt(s[RUN_SPREAD]))
        limit = max(limit, 300e6 / max(s[INTERVAL], 1.0), by_chance)
    return float(s[RUN] / limit)


@lean_kernel
def _learn_run(s: Array) -> None:
    """Mean and variance of runs, each sample counting for its own.

    Between events that come by chance runs are of exponential length: a mean of 2 m and a deviation
    of 1.41 m, where m is the plain mean. So `CHANCE` deviations above are 14 m: once in a million.
    """
    part = min(s[RUN] / (s[AGE] + 1.0), 1.0) if s[AGE] < LONG else min(s[RUN] / LONG, 1.0)
    away = s[RUN] - s[RUN_MEAN]
    s[RUN_MEAN] += part * away
    s[RUN_SPREAD] = (1.0 - part) * (s[RUN_SPREAD] + part * away * away)
