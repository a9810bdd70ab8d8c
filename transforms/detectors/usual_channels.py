"""What `usual` derives from a series: its increase, its activity, how long it repeats a value."""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.usual_scale import CHANNEL, log2
from padit.transforms.detectors.usual_state import (
    ACTIVE,
    ACTIVITY_FLOOR,
    AGE,
    BLOCK,
    COUNTER,
    EQUALS,
    FALLS,
    HALF_HOUR,
    INTERVAL,
    LAST,
    LAST_TIME,
    OPEN,
    QUEUE,
    RISES,
    RUN,
    RUN_RECORD,
    RUNS,
    STEP1,
    STEP2,
    STEP_SUM,
    STEPS,
    VALUE,
    WAIT,
    WAITING,
)

__all__ = ["activity", "before", "increase", "stuck"]

Array = NDArray[np.float64]


@lean_kernel
def increase(s: Array, t: int, x: float) -> tuple[float, bool]:
    """What is judged: the value, or of a counter its increase a second; False: nothing yet.

    A counter rises, or stands still, at 96 % of its steps and at least half of them rise.
    """
    if s[AGE] == 0:
        return x, True
    step, dt = x - s[LAST], (t - s[LAST_TIME]) / 1e6
    if s[OPEN] == 0 or step < 0:
        _count_step(s, step)
    counter = _is_counter(s)
    if counter != (s[COUNTER] > 0):
        s[COUNTER] = 1.0 if counter else 0.0
        s[VALUE : VALUE + CHANNEL] = 0.0
        s[WAITING] = 0.0
    if not counter:
        return x, True
    if step < 0 or dt <= 0:
        return 0.0, False
    return step / dt, True


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
def _is_counter(s: Array) -> bool:
    steps = s[RISES] + s[FALLS] + s[EQUALS]
    if s[COUNTER] > 0:
        return bool(s[FALLS] <= 0.1 * steps)
    return bool(steps >= 48 and s[FALLS] <= 0.04 * steps and s[RISES] >= 0.5 * steps)


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
    """How long one value has been repeated, as a share of what would be news."""
    if s[AGE] > 0 and x == s[LAST]:
        s[RUN] += 1
    else:
        if s[RUN] > 0:
            usual = s[RUN] if learn else s[RUN] / 8
            s[RUN_RECORD] = max(s[RUN_RECORD] * (1 - 1 / 2048), usual)
            s[RUNS] += 1
        s[RUN] = 1.0
    if s[RUNS] < 32:
        return 0.0
    limit = 2.5 * s[RUN_RECORD] + 8.0
    if s[RUN_RECORD] >= 3:  # it repeats values now and then
        limit = max(limit, 300e6 / max(s[INTERVAL], 1.0))
    return float(s[RUN] / limit)
