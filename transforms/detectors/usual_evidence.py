"""Evidence that a channel has left its usual range: sums that fall while all is usual.

Page's cumulative sums (1954), on both sides, of two things. *Outside*: how far a sample lies
beyond the 99 % quantile, in units of the tail, at most 3 a sample, so that no single sample
decides. *Shifted*: how far it lies from the centre in standard deviations, at most 3, less 1,
divided by how many samples say as much as one of white noise. *Between*: samples in a gap of the
memory.

A sum is judged against the larger of a fixed limit and 1.6 times the highest it reached before
without an alert, or in one that was routine: a record that fades within a day, or 4,096 samples if
that is longer. What a channel does now and then is no news. A line that seldom leaves its one
value, and for one it had before, has 3 times: what comes by chance now and then comes twice in a
row sooner or later. A verdict is sum / limit: 1 is news.
"""

import math

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.usual_scale import (
    CENTRE,
    COUNT,
    EDGE,
    FULL_SWINGS,
    GAP_COUNT,
    GAPS,
    HIGH,
    JUMP,
    LEAP,
    LEAST,
    LOW,
    MOST,
    OFTEN,
    OVER,
    QUANTUM,
    SIDES,
    SLOW,
    STATISTICS,
    SWINGS,
    UNIT,
    WIDTH,
    beyond_turns,
    distance,
    persistence,
    slowness,
    tolerance,
)

__all__ = [
    "AGED",
    "DOWN",
    "FEW",
    "HERE",
    "HINT",
    "KNOWN",
    "OLD",
    "UP",
    "YOUNG",
    "accept_evidence",
    "close_evidence",
    "extreme",
    "judge",
    "keep_evidence",
    "known",
]

Array = NDArray[np.float64]

OUTSIDE, SHIFTED, BETWEEN = 5.0, 9.0, 8.0
UP, DOWN, AGED, KNOWN, HINT, OLD, HERE = 1, 2, 4, 8, 16, 256, 512
FARTHER = 1.5  # times the greatest leap
NOISE = 16.0  # swings; of fewer nobody knows whether they were noise, and limits are wider instead
FEW, YOUNG = 8, 24  # samples, until a range, and until quantiles are known
RECORD, SELDOM, CAP = 1.6, 3.0, 1.5
UNEVEN = 0.1  # share of a counter's rate


@lean_kernel
def judge(
    c: Array,
    y: float,
    before: float,
    far: float,
    context: int,
    learn: bool,
    steps: bool,
    fade: float,
    pace: float,
) -> tuple[float, float]:
    """The highest verdict of a channel over a sample, and the number of the sum that gives it.

    Args:
        c: float64 (CHANNEL,).
        y: the value.
        before: what it was some samples ago, before a jump.
        far: how far it lies from all values that are remembered.
        context: what else is known, bits of `UP` (higher is worth a word), `DOWN` (lower is),
            `AGED` (the channel is older than a day), `KNOWN` (this is usual at this time of the
            day, or for a slow series at all, and counts for nothing), `HINT` (it was so a day ago:
            a walk there is no news), `OLD` (a line that seldom moves had values as far out before).
        learn: whether records may rise.
        steps: whether the channel is the sizes of steps: sums fall twice as fast inside an alert,
            and blocks that share a step are alike without going on.
        fade: by what records fade a sample.
        pace: how many times faster sums fall inside an alert, because samples are seldom.
    """
    away = y - c[CENTRE]
    over, z, slack = _outside(c, away, before - c[CENTRE], far, context, learn)
    slow, wide = slowness(c), tolerance(c)
    relief = pace * (2.0 if steps else 1.0)
    long = slow if steps or c[SWINGS] < NOISE else persistence(slow)
    verdict, which = 0.0, 0.0
    record = SELDOM if context & OLD else RECORD
    c[OVER] = over if context & (UP if away >= 0 else DOWN) else 0.0
    for k in range(2):
        mine = (away >= 0) == (k == 0)
        gain = min(over, 4.0) - slack if mine and over > 0 else -1.0
        if learn and over < 6.0 and (slack > 0.6 or gain < 0):
            gain /= math.sqrt(min(slow, 9.0))
        v = _sum(c, STATISTICS + k, gain, OUTSIDE * wide, record, relief, fade, learn)
        shift = ((z if mine else -z) - 1.0) / long
        w = _sum(c, STATISTICS + 2 + k, shift, SHIFTED * wide, RECORD, long * relief, fade, learn)
        if context & (UP << k) and max(v, w) > verdict:
            verdict, which = max(v, w), k + (2.0 if w > v else 0.0)
    between = 1.0 if _in_gap(c, y, before, far) else -1.0
    v = _sum(c, STATISTICS + 4, between, BETWEEN * wide, RECORD, relief, fade, learn)
    return (v, 4.0) if v > verdict else (verdict, which)


@lean_kernel
def extreme(c: Array, y: float, far: float, seldom: bool, rate: bool) -> float:
    """The verdict that one value alone is news: how far it lies beyond all that was seen.

    That is 8 times its range while the channel is young, when nothing else can be judged, and 50
    times later: a spike is no news, an absurd value is. Where samples are `seldom` one stands for a
    quarter of an hour and more, and 8 times are enough. At 8 samples it is news from 24 times on,
    in inverse proportion to them, and counts in full then. What the range has forgotten, the long
    memory may still know. A channel that never moved has no range, and that of a young one which
    only went from one value to the next is its rounding: 50 times then, too.

    Args:
        c: float64 (CHANNEL,).
        y: the value.
        far: how far it lies from all values that are remembered.
        seldom: whether samples are at least 15 minutes apart.
        rate: whether the channel is the increase of a counter a second. One that counts evenly has
            no range either, and a sample that comes late changes its rate: it is a tenth at least.
    """
    reach = c[MOST] - c[LEAST]
    beyond = min(max(y - c[MOST], c[LEAST] - y), far)
    if c[COUNT] < FEW or not reach > 0 or beyond <= 0 or (c[COUNT] >= YOUNG and c[LOW] == c[HIGH]):
        return 0.0
    rounding = reach <= 2.0 * c[QUANTUM]
    spike = known(c) and not seldom
    times = 50.0 if spike or rounding else 8.0
    if rate:
        reach = max(reach, UNEVEN * abs(c[CENTRE]))
    verdict = min(beyond / (times * reach), 1e6)
    least = 1.0 if known(c) else max(1.0, YOUNG / c[COUNT])
    return float(verdict if verdict >= least else verdict / least)


@lean_kernel
def known(c: Array) -> bool:
    """Whether a channel has been seen for long enough, in samples and swings, to be judged."""
    return bool(c[COUNT] >= YOUNG and (c[SWINGS] >= 6 or c[COUNT] >= 512))


@lean_kernel
def _outside(
    c: Array, away: float, ahead: float, far: float, context: int, learn: bool
) -> tuple[float, float, float]:
    """How far beyond its 99 % quantile and from its centre a value is, and what does not count.

    Args:
        c: float64 (CHANNEL,).
        away: distance of the value from the centre.
        ahead: distance of what it was before.
        far: as in `judge`: where it has been, a swing may turn again.
        context: as in `judge`.
        learn: as in `judge`.
    """
    side = SIDES if away >= 0 else SIDES + 5
    u, wide, slow = distance(c, away), tolerance(c), slowness(c)
    over = (u - c[side + EDGE]) / (c[side + UNIT] * wide)
    z = min(u / (c[side + WIDTH] * wide), 3.0)
    turns = beyond_turns(c, c[CENTRE] + away) if far > 0 else -1.0
    if turns > 0:
        return max(over, turns), z, 0.5
    if context & KNOWN:
        return min(over, 0.0), min(z, 1.0 if learn else 0.0), 0.5
    if not learn:
        return over, z, 0.5
    slack = 2.2 - 1.7 / slow
    range_is_known = context & AGED or (slow >= SLOW and c[FULL_SWINGS] >= OFTEN)
    if context & AGED and slow >= SLOW and abs(away - ahead) > FARTHER * c[LEAP]:
        return over, z, 0.5
    walks = ahead * away > 0 and distance(c, ahead) > 0.3 * u
    if walks and (context & HINT or not range_is_known):
        return over, min(z, 1.0), max(slack, over + 1.0)
    return over, z, slack


@lean_kernel
def _in_gap(c: Array, y: float, before: float, far: float) -> bool:
    """Whether a value lies where the channel jumps across, and where it never was."""
    for k in range(GAP_COUNT):
        low, high = c[GAPS + 2 * k], c[GAPS + 2 * k + 1]
        margin = 0.15 * (high - low)
        if high - low > 1.2 * c[JUMP]:
            continue  # a smooth series, seen at intervals
        if low + margin < y < high - margin and min(far, abs(y - before)) > margin:
            return True
    return False


@lean_kernel
def _sum(
    c: Array,
    at: int,
    gain: float,
    limit: float,
    beyond: float,
    relief: float,
    fade: float,
    learn: bool,
) -> float:
    """Add to a sum; inside an alert it falls faster, so that the alert closes in time."""
    record, peak = at + 5, at + 10
    limit = max(limit, beyond * c[record])
    if not learn and gain < 0:
        gain *= relief * limit / 4.0
    c[at] = min(max(0.0, c[at] + gain), CAP * limit)
    if learn:
        c[record] *= fade
        if c[at] > c[peak]:
            c[peak] = c[at]
        if c[at] == 0.0:
            c[record] = max(c[record], c[peak])
            c[peak] = 0.0
    else:
        c[peak] += max(gain, 0.0)
    return float(c[at] / limit)


@lean_kernel
def close_evidence(c: Array, routine: bool) -> None:
    """The end of an alert: what its sums would have reached is a record, if it was routine."""
    for k in range(5):
        s = STATISTICS + k
        if routine:
            c[s + 5] = max(c[s + 5], c[s + 10])
        c[s + 10] = 0.0


@lean_kernel
def keep_evidence(c: Array) -> None:
    """What sums have reached so far is a record: it was before anything is news."""
    for k in range(5):
        s = STATISTICS + k
        c[s + 5] = max(c[s + 5], c[s])


@lean_kernel
def accept_evidence(c: Array) -> None:
    """Start the sums again; what was reached is a record now."""
    for k in range(5):
        s = STATISTICS + k
        c[s + 5] = max(c[s + 5], c[s])
        c[s] = c[s + 10] = 0.0
