"""The loop of `relation`: a line through each pair of metrics, learnt and judged by windows.

A pair (metric, partner) has the means and the exponentially weighted moments of both, with a weight
of 1 / 512 a window once 512 were seen. From them come slope and intercept of the metric over the
partner, and from the errors of its predictions, each made before its window is learnt, how good the
line is. An error of more than three of its deviations is learnt as three (Huber), so no single
window, and no fault of some hours, turns the line.
"""

import math

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.ops.compiled import kernel, lean_kernel
from padit.transforms.detectors.columns import bounded
from padit.transforms.detectors.directions import DUE, NEVER_ACCEPTED, follow

__all__ = ["FACTS", "PAIR", "PARTNERS", "SLOTS", "average", "means_of", "run"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

PARTNERS = 8
LOOKED_AT = 32  # of the metrics of a source, so many after one in their order may be its partners
# Numbers of a pair.
COUNT, MEAN_X, MEAN_Y, VAR_X, COVAR, VAR_Y, ERROR, SUM = 0, 1, 2, 3, 4, 5, 6, 7
RECORD, PEAK, SWINGS, SIDE, SEEN = 8, 9, 10, 11, 12
ERROR_SWINGS, ERROR_SIDE = 13, 14
PAIR = 15
# Numbers of a series, before its pairs.
OPEN, SINCE, CALM, LAST, REPEATS, WINDOWS = 0, 1, 2, 3, 4, 5
SLOTS = 6
FACTS = 9
LEAST_WINDOWS, LEAST_SWINGS, LEAST_ERRORS, MEMORY = 60, 5, 12, 512
EXPLAINED = 0.7  # of the variance, out of sample, before a pair may judge
LIMIT, SLACK, MOST, CAP = 8.0, 3.0, 8.0, 1.5
DAY = 86_400_000_000


@kernel
def average(value: Array, offset: Ints) -> Array:
    """float64 (n,): mean of each window's `bounded` new samples in order; NaN without any."""
    found = np.full(len(offset) - 1, np.nan)
    for row in range(len(found)):
        total = 0.0
        for i in range(offset[row], offset[row + 1]):
            total += bounded(value[i])
        if offset[row + 1] > offset[row]:
            found[row] = total / (offset[row + 1] - offset[row])
    return found


def means_of(table: FeatureTable) -> Array:
    """`average` of a table."""
    found: Array = average(table.value, table.offset)
    return found


@kernel
def run(
    own: Array,
    partner: Ints,
    pairs: Array,
    rows: Ints,
    source: Ints,
    identity: Ints,
    end: Ints,
    mean: Array,
    directions: Ints,
    limits: Array,
    out: Array,
) -> None:
    """Judge n windows, in order of their ends and of their series within.

    Args:
        own: float64 (series, SLOTS).
        partner: int64 (series, PARTNERS), identities of the partners, 0: none.
        pairs: float64 (series, PARTNERS * PAIR).
        rows: int64 (n,), the series of each window.
        source: int64 (n,), numbers that tell sources apart.
        identity: int64 (n,), numbers that tell the metrics of a source apart, not 0.
        end: int64 (n,), microseconds.
        mean: float64 (n,), see `average`.
        directions: int64 (n,), bit 0: higher is worth a word; bit 1: lower is; bit 2: never
            accepted.
        limits: float64 (3,), verdicts that open and that keep open; microseconds until accepted.
        out: float64 (FACTS, n): event, level, accepted, row of the partner, its slot's line
            (low, high, prediction), explained share, pairs that judged.
    """
    first = 0
    while first < len(rows):
        last = first + 1
        while last < len(rows) and end[last] == end[first] and source[last] == source[first]:
            last += 1
        for row in range(first, last):
            _window(
                own[rows[row]], partner[rows[row]], pairs[rows[row]], row, first, last, identity,
                end[row], mean, directions[row], limits, out,
            )  # fmt: skip
        first = last


@kernel
def _window(
    s: Array,
    partner: Ints,
    pairs: Array,
    row: int,
    first: int,
    last: int,
    identity: Ints,
    end: int,
    mean: Array,
    directions: int,
    limits: Array,
    out: Array,
) -> None:
    out[0, row], out[1, row], out[2, row], out[3, row] = np.nan, 0.0, 0.0, -1.0
    for k in range(4, FACTS):
        out[k, row] = np.nan
    y = mean[row]
    if y != y:
        return
    s[REPEATS] += ((1.0 if s[WINDOWS] > 0 and y == s[LAST] else 0.0) - s[REPEATS]) / 64.0
    s[WINDOWS] += 1.0
    s[LAST] = y
    verdicts = np.empty(LOOKED_AT)  # of each that is looked at: slots may be given away meanwhile
    judged, best = 0, -1.0
    size = last - first
    for step in range(1, min(size, LOOKED_AT + 1)):
        other = first + (row - first + step) % size
        known = mean[other] == mean[other] and identity[other] != identity[row]  # no twin of itself
        k = _slot(partner, pairs, identity[other], end) if known else -1
        if k < 0:
            continue
        p = pairs[k * PAIR : (k + 1) * PAIR]
        p[SEEN] = end
        verdict = _judge(p, mean[other], y, s[OPEN] == 0, directions)
        if verdict >= 0 and s[REPEATS] < 0.5:
            verdicts[judged] = verdict
            judged += 1
            best = _line(p, mean[other], other, row, out, verdict, best)
        if s[OPEN] == 0:
            _learn(p, mean[other], y)
    out[8, row] = judged
    if judged > 0:
        verdict = np.sort(verdicts[:judged])[(judged - 1) // 2]
        _follow(s, pairs, end, verdict, directions, limits, row, out)


@lean_kernel
def _slot(partner: Ints, pairs: Array, who: int, end: int) -> int:
    """The place of a partner; a new one gets one that is free, or says nothing; -1: full."""
    free = -1
    for k in range(PARTNERS):
        if partner[k] == who:
            return k
        p = pairs[k * PAIR : (k + 1) * PAIR]
        useless = p[COUNT] >= 4 * LEAST_WINDOWS and _explained(p) < 0.2
        if free < 0 and (partner[k] == 0 or useless or end - p[SEEN] > DAY):
            free = k
    if free >= 0:
        partner[free] = who
        pairs[free * PAIR : (free + 1) * PAIR] = 0.0
    return free


@lean_kernel
def _explained(p: Array) -> float:
    """Share of the metric's variance that the line predicts, out of sample."""
    return float(1.0 - p[ERROR] / p[VAR_Y]) if p[VAR_Y] > 0 else 0.0


@lean_kernel
def _predicted(p: Array, x: float) -> float:
    slope = p[COVAR] / p[VAR_X] if p[VAR_X] > 0 else 0.0
    found = float(p[MEAN_Y] + slope * (x - p[MEAN_X]))
    return found if abs(found) <= 1e151 else float(p[MEAN_Y])  # squares of errors stay finite


@lean_kernel
def _spread(p: Array) -> float:
    """Deviation of an error, wider while errors have changed their side seldom."""
    wide = 1.0 + 2.0 / math.sqrt(p[ERROR_SWINGS] + 1.0)
    return float(wide * math.sqrt(p[ERROR]) + 1e-9 * abs(p[MEAN_Y]) + 1e-300)


@lean_kernel
def _judge(p: Array, x: float, y: float, learn: bool, directions: int) -> float:
    """Sum of Page over the errors, as a share of its limit; -1 while the pair may not judge."""
    ready = p[COUNT] >= LEAST_WINDOWS and p[SWINGS] >= LEAST_SWINGS
    ready = ready and p[ERROR_SWINGS] >= LEAST_ERRORS
    if not ready or _explained(p) < EXPLAINED:
        return -1.0
    error = y - _predicted(p, x)
    z = abs(error) / _spread(p)
    # Where the partner was never, the line is a guess.
    reach = abs(x - p[MEAN_X]) / math.sqrt(p[VAR_X] + 1e-300)
    if reach > 3.0:
        z /= 1.0 + (reach - 3.0)
    if not directions & (1 if error > 0 else 2):
        z = 0.0
    limit = max(LIMIT, 1.6 * p[RECORD])
    gain = min(z, MOST) - SLACK
    if not learn and gain < 0:
        gain = min(gain, -limit / 4.0)
    p[SUM] = min(max(0.0, p[SUM] + gain), CAP * limit)
    if learn:
        p[RECORD] *= 1.0 - 1.0 / 2048
        p[PEAK] = max(p[PEAK], p[SUM])
        if p[SUM] == 0.0:
            p[RECORD] = max(p[RECORD], p[PEAK])
            p[PEAK] = 0.0
    else:
        p[PEAK] = 0.0
    return float(p[SUM] / limit)


@lean_kernel
def _learn(p: Array, x: float, y: float) -> None:
    """Put a window into the moments, an error beyond three deviations as three."""
    count = p[COUNT]
    p[COUNT] = count + 1.0
    if count == 0:
        p[MEAN_X], p[MEAN_Y] = x, y
        return
    weight = 1.0 / min(count + 1.0, MEMORY)
    predicted = _predicted(p, x)
    error = y - predicted
    if count >= LEAST_WINDOWS:
        most = 3.0 * _spread(p)
        error = min(max(error, -most), most)
        y = predicted + error
    if count >= 8:
        seen = min(count - 7.0, MEMORY)
        p[ERROR] += (error * error - p[ERROR]) / seen
        _swing(p, ERROR_SWINGS, ERROR_SIDE, error, 0.6745 * math.sqrt(p[ERROR]))
    dx, dy = x - p[MEAN_X], y - p[MEAN_Y]
    p[MEAN_X] += weight * dx
    p[MEAN_Y] += weight * dy
    p[VAR_X] += weight * ((1.0 - weight) * dx * dx - p[VAR_X])
    p[COVAR] += weight * ((1.0 - weight) * dx * dy - p[COVAR])
    p[VAR_Y] += weight * ((1.0 - weight) * dy * dy - p[VAR_Y])
    _swing(p, SWINGS, SIDE, dx, 0.6745 * math.sqrt(p[VAR_X]))


@lean_kernel
def _swing(p: Array, swings: int, side: int, away: float, far: float) -> None:
    """Count swings from one side of the middle to the other, each beyond a quartile."""
    if away >= far and p[side] <= 0 and far > 0:
        p[side] = 1.0
        p[swings] += 1.0
    elif away <= -far:
        p[side] = -1.0


@lean_kernel
def _line(
    p: Array, x: float, other: int, row: int, out: Array, verdict: float, best: float
) -> float:
    """Note the line of the pair with the highest verdict, which is returned."""
    if verdict <= best:
        return best
    predicted, spread = _predicted(p, x), 3.0 * _spread(p)
    out[3, row] = other
    out[4, row], out[5, row], out[6, row] = predicted - spread, predicted + spread, predicted
    out[7, row] = _explained(p)
    return verdict


@lean_kernel
def _follow(
    s: Array,
    pairs: Array,
    end: int,
    verdict: float,
    directions: int,
    limits: Array,
    row: int,
    out: Array,
) -> None:
    """Open, close and accept by the verdict of a window."""
    due = follow(s[OPEN : CALM + 1], end, verdict, limits, row, out) == DUE
    if due and not directions & NEVER_ACCEPTED:
        s[OPEN], out[1, row], out[2, row] = 0.0, 0.0, 1.0
        pairs[:] = 0.0  # the lines are learnt again
