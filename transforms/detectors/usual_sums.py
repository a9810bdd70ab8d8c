"""When the sums of `usual` may speak: what value and activity reach before is a record, no news."""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.directions import NEVER_ACCEPTED
from padit.transforms.detectors.usual_channels import RECORDS, before, kept_for
from padit.transforms.detectors.usual_evidence import AGED, DOWN, UP, judge, keep_evidence
from padit.transforms.detectors.usual_scale import CENTRE, COUNT, HIGH, LOW, OVER, SWINGS
from padit.transforms.detectors.usual_state import (
    ACTIVE,
    ACTIVE_CHANNEL,
    AGE,
    BACK_FOR,
    BLOCK,
    BORN,
    COUNTER,
    EQUALS,
    FALLS,
    INTERVAL,
    JUDGED,
    LONG_QUIET,
    QUIET,
    RISES,
)

__all__ = ["moves_seldom", "ripe", "weigh"]

TRIED, UNTRIED = 512, 0.5  # samples; by how much more it takes of the first
SELDOM_MOVES = 0.4  # share of the samples that repeat the one before
MINUTE = 60e6
GROSS = 8.0  # usual ranges from all that is known
Array = NDArray[np.float64]


@lean_kernel
def weigh(
    s: Array,
    c: Array,
    a: Array,
    t: int,
    y: float,
    active: bool,
    directions: int,
    context: int,
    closed: bool,
    far: float,
) -> tuple[float, float]:
    """The verdict of the sums of value and activity, and the channel.

    They add up from the first sample of a known range on. What they reach before the series is ripe
    is no news but a record: it may come again. Of fewer than `TRIED` samples the quantiles and
    records are hardly known, so the fewer there are, the more evidence it takes.
    """
    kept = kept_for(s)
    verdict, channel = judge(
        c, y, before(s, c[CENTRE]), far, context, closed, False, 1.0 - 1.0 / kept, _pace(s)
    )
    if a[COUNT] >= 32 and a[SWINGS] >= 3 and c[LOW] < c[HIGH] and s[COUNTER] == 0:
        if active:
            _judge_activity(s, a, context & AGED, closed, max(RECORDS, kept / BLOCK))
        if s[JUDGED] > verdict:
            verdict, channel = s[JUDGED], ACTIVE_CHANNEL
    if not ripe(s, c, t, directions, far):
        c[OVER] = 0.0
        keep_evidence(c)
        return 0.0, 0.0
    if closed:
        verdict /= 1.0 + UNTRIED * max(0.0, 1.0 - s[AGE] / TRIED)
    return verdict, channel


@lean_kernel
def ripe(s: Array, c: Array, t: int, directions: int, far: float) -> bool:
    """Whether a series has been seen for long enough to judge a value `far` from all known ones.

    One that moves, and whose kind is not stated, may not have shown all of its states before 45
    minutes: only what lies grossly outside is judged sooner.
    """
    if t - s[BORN] >= LONG_QUIET:
        return True
    if t - s[BORN] < QUIET and c[COUNT] < 512:
        return False
    gross = far >= GROSS * (c[HIGH] - c[LOW])
    return bool(directions & NEVER_ACCEPTED or c[LOW] == c[HIGH] or gross)


@lean_kernel
def moves_seldom(s: Array) -> bool:
    """Whether a series repeats its values, so that its steps are hardly more than rounding."""
    return bool(s[EQUALS] >= SELDOM_MOVES * (s[RISES] + s[FALLS] + s[EQUALS]))


@lean_kernel
def _pace(s: Array) -> float:
    """How much faster sums fall inside an alert: a sample each two minutes says as much as two.

    But one that is usual between others that are not is not the end.
    """
    return float(min(max(s[INTERVAL] / MINUTE, 1.0), 2.0)) if s[BACK_FOR] >= 2 else 1.0


@lean_kernel
def _judge_activity(s: Array, a: Array, aged: int, closed: bool, kept: float) -> None:
    """Judge the sizes of steps, unless the series moves seldom, and then by its rounding."""
    if moves_seldom(s):
        s[JUDGED] = 0.0
        return
    s[JUDGED], _ = judge(
        a, s[ACTIVE], a[CENTRE], np.inf, aged | UP | DOWN, closed, True, 1.0 - 1.0 / kept, _pace(s)
    )
