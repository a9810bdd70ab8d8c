"""The loops of `lasting`: how long a series stays on one side, and how far a ramp runs.

Both look at the mean of each window's new samples, so a job, a load or a shift of some minutes is
one thing, not hundreds of samples that depend on each other.

*Side.* Page's sums (1954) of `min(|z|, 3) - 1.25` for either side of the series' mean, z in its
deviations. The limit is learnt: twice what a sum reached before without an alert, and at least 1.1
times the windows that one swing of the series takes, from quartile to quartile and back. A series
is judged after 26 hours (before, a first morning would be news) and eight swings, and only if it
forgets where it was: the mean over 32 windows has less than a tenth of its variance. So a drift, a
walk or a season is not judged; nor is an excursion that does not begin within some windows (1.3
deviations from the mean over 8 windows before it).

*Stay.* See `lasting_state`: two levels, and how long it stays on one of them.

*Ramp.* An episode rises in 19 of 20 windows, for at least 20, by steps that are all the same within
3 %, then falls back by half of what it rose, or more. What counts as evenly as a clock (tool wear,
hours of use) is reset by a rule, not by chance; other cycles are those of `usual`. The next top is
expected where n were before, with their spread and one more, of 0.3 % of the height, that stands
for what is not known yet (the posterior predictive of a normal distribution with that prior):

    limit = mean + 4 (1 + 2/n) s sqrt(1 + 1/n),    s^2 = (prior^2 + sum of squares) / n

so 5 % after the first reset, 1 % after the sixth. Falling ramps are the same upside down. A ramp
of one a second, or a thousand, is a clock: how long something has run ends by chance, no news.
"""

import math

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, lean_kernel
from padit.transforms.detectors.directions import CLOSED, DAY_OLD, DUE, NEVER_ACCEPTED, follow
from padit.transforms.detectors.lasting_state import LASTS, STAY, stay

__all__ = ["FACTS", "RAMP", "SIDE", "run"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

# Numbers of a series: what its alert is, moments, then a block for each side, then for each ramp.
COUNT, OPEN, SINCE, CALM, WHAT, MEAN, VAR, RECENT, SWINGS, TURNED, DRIFTED, SLOW = range(12)
SIDES, SIDE = 12, 8
SUM, RECORD, PEAK, BEFORE, LASTED, DRIFT, REACH, TOLD = range(8)
RAMPS, RAMP = 28, 13
STEPS, UPS, FIRST, TOP, TOPS, TOP_MEAN, TOP_SQUARES, HEIGHT, OVER, REPORTED = range(10)
STEP_MEAN, STEP_SQUARES, BEGUN = 10, 11, 12
STAYS = RAMPS + 2 * RAMP
INSIDE, BORN = STAYS + STAY, STAYS + STAY + 1  # windows of the alert so far; microseconds
SLOTS = BORN + 1
FACTS = 9

LEAST_WINDOWS, LEAST_SWINGS, MEMORY = 60, 8, 512
SLACK, MOST, LIMIT, BEYOND_RECORD, CAP = 1.25, 3.0, 1.1, 2.0, 1.5
CONTRAST, STEADY, FORGETS = 1.3, 0.5, 0.1
LEAST_STEPS, EVEN = 20.0, 0.03
NO_RAMP = 8
PRIOR, FAR = 0.003, 4.0
MOVES, GOES_ON = 0.25, 8.0  # deviations; times the time until acceptance
LONGER_HIGH, LONGER_LOW, BEYOND_TOP, BEYOND_BOTTOM = range(4)


@kernel
def run(
    states: Array,
    rows: Ints,
    end: Ints,
    mean: Array,
    directions: Ints,
    limits: Array,
    out: Array,
) -> None:
    """Judge n windows, in order of their ends, then learn from them.

    Args:
        states: float64 (series, SLOTS).
        rows: int64 (n,), the series of each window.
        end: int64 (n,), microseconds.
        mean: float64 (n,), of the new samples; NaN without any.
        directions: int64 (n,), bit 0: higher is worth a word; bit 1: lower is; bit 2: never
            accepted; bit 3: its ramps are no news.
        limits: float64 (3,), verdicts that open and that keep open; microseconds until accepted.
        out: float64 (FACTS, n): event, level, accepted, what, expected low and high, windows it
            lasts, tops that were seen and their mean.
    """
    for row in range(len(rows)):
        s = states[rows[row]]
        out[0, row], out[1, row], out[2, row] = np.nan, 0.0, 0.0
        for k in range(3, FACTS):
            out[k, row] = np.nan
        y = mean[row]
        if y != y:
            continue
        if s[BORN] == 0:
            s[BORN] = end[row]
        verdict = _judge(s, y, end[row], directions[row], row, out)
        if s[COUNT] >= LEAST_WINDOWS:
            _follow(s, end[row], verdict, directions[row], limits, row, out)
        if s[OPEN] == 0:
            _learn(s, y)
        else:
            _track(s, y)
        s[COUNT] += 1.0


@lean_kernel
def _judge(s: Array, y: float, end: int, directions: int, row: int, out: Array) -> float:
    """The highest verdict of sides and ramps; its facts are noted."""
    found, what = 0.0, s[WHAT]
    young = end - s[BORN] < DAY_OLD
    for side in range(2):
        sign = 1.0 if side == 0 else -1.0
        verdict = _lasts(s, s[SIDES + side * SIDE : SIDES + (side + 1) * SIDE], y, sign, young)
        if verdict > found and directions & (1 << side) and not young:
            found, what = verdict, side
        ramp = s[RAMPS + side * RAMP : RAMPS + (side + 1) * RAMP]
        verdict = _beyond(ramp, sign * y, end, s[OPEN])
        if verdict > found and directions & (1 << side) and not directions & NO_RAMP:
            found, what = verdict, 2 + side
    known = s[COUNT] >= LEAST_WINDOWS and s[VAR] > 0
    z = (y - s[MEAN]) / math.sqrt(s[VAR]) if known else 0.0
    verdict, side = stay(s[STAYS:INSIDE], z, s[OPEN] > 0, known and s[SLOW] <= FORGETS * s[VAR])
    stays = verdict > found and (directions & (1 << side)) != 0
    if stays:
        found, what = verdict, side
    if s[OPEN] == 0:
        s[WHAT] = what
    _note(s, int(what), row, out)
    if stays:
        out[6, row] = s[STAYS + LASTS]
    return found


@lean_kernel
def _lasts(s: Array, p: Array, y: float, sign: float, young: bool) -> float:
    """Page's sum of one side as a share of its limit.

    What it reaches while the series is young, when it is no news, is no record.
    """
    if s[COUNT] < LEAST_WINDOWS or s[VAR] <= 0:
        return 0.0
    deviation = math.sqrt(s[VAR])
    z = sign * (y - s[MEAN]) / deviation
    gain = min(z, MOST) - SLACK
    limit = max(LIMIT * s[COUNT] / max(s[SWINGS], 1.0), BEYOND_RECORD * p[RECORD])
    if s[OPEN] > 0 and gain < 0:
        gain = min(gain, -limit / 3.0)
    if p[SUM] == 0:
        p[BEFORE] = sign * (s[RECENT] - s[MEAN])
        p[DRIFT] = sign * (s[DRIFTED] - s[MEAN])
        p[LASTED] = 0.0
    p[SUM] = min(max(0.0, p[SUM] + gain), CAP * limit)
    p[LASTED] += 1.0
    p[REACH] = p[REACH] + max(gain, 0.0) if s[OPEN] > 0 else p[SUM]
    if s[OPEN] > 0:
        p[PEAK] = 0.0
        return float(p[SUM] / limit)
    p[PEAK] = max(p[PEAK], p[SUM])
    if p[SUM] == 0:
        p[RECORD] = max(p[RECORD], 0.0 if young else p[PEAK])
        p[PEAK] = 0.0
    within = SLACK + p[SUM] / p[LASTED] - p[BEFORE] / deviation
    steady = abs(p[DRIFT]) <= STEADY * deviation and s[SLOW] <= FORGETS * s[VAR]
    if s[SWINGS] < LEAST_SWINGS or not steady or within < CONTRAST or z > MOST:
        return 0.0
    return float(p[SUM] / limit)


@lean_kernel
def _learn_side(p: Array) -> None:
    """What was reported and ended by itself is learnt the third time: then it is routine."""
    p[TOLD] += 1.0
    if p[TOLD] % 3.0 == 0.0:
        p[RECORD] = max(p[RECORD], p[REACH])


@lean_kernel
def _expected(p: Array) -> float:
    """The top up to which a ramp is usual."""
    n = p[TOPS]
    prior = PRIOR * max(p[HEIGHT], p[TOP_MEAN] - p[FIRST])  # the first one may be seen in part
    spread = math.sqrt((prior * prior + p[TOP_SQUARES]) / n)
    return float(p[TOP_MEAN] + FAR * (1.0 + 2.0 / n) * math.sqrt(1.0 + 1.0 / n) * spread)


@lean_kernel
def _beyond(p: Array, y: float, end: int, opened: float) -> float:
    """How far a ramp is beyond its limit, 1 at the limit for two windows; then learn its steps."""
    verdict = 0.0
    rises = y > p[TOP]
    ramp = p[STEPS] >= LEAST_STEPS and p[UPS] >= 0.95 * p[STEPS]
    ramp = ramp and p[STEP_SQUARES] <= EVEN * EVEN * p[STEP_MEAN] * p[STEP_MEAN] * p[STEPS]
    if ramp and rises and p[TOPS] > 0:
        top = _expected(p)
        p[OVER] = p[OVER] + 1.0 if y > top else 0.0
        if p[OVER] >= 2.0 and not _is_clock(p, end):
            verdict = min((y - p[TOP_MEAN]) / (top - p[TOP_MEAN]), CAP)
    if p[STEPS] == 0 or p[TOP] - y > 0.5 * (p[TOP] - p[FIRST]):
        if ramp:
            _learn_top(p, opened > 0 and p[OVER] > 0)
        p[STEPS], p[UPS], p[FIRST], p[TOP], p[OVER] = 1.0, 1.0, y, y, 0.0
        p[STEP_MEAN], p[STEP_SQUARES], p[BEGUN] = 0.0, 0.0, end
        return 0.0
    if rises:
        step = y - p[TOP]
        away = step - p[STEP_MEAN]
        p[STEP_MEAN] += away / p[UPS]
        p[STEP_SQUARES] += away * (step - p[STEP_MEAN])
    p[STEPS] += 1.0
    p[UPS] += 1.0 if rises else 0.0
    p[TOP] = max(p[TOP], y)
    p[FIRST] = min(p[FIRST], y)
    return float(verdict)


@lean_kernel
def _is_clock(p: Array, end: int) -> bool:
    """Whether a ramp counts seconds or milliseconds: how long something has run."""
    seconds = (end - p[BEGUN]) / 1e6
    if seconds <= 0:
        return False
    rate = (p[TOP] - p[FIRST]) / seconds
    return bool(abs(rate - 1.0) <= EVEN or abs(rate - 1000.0) <= 1000.0 * EVEN)


@lean_kernel
def _learn_top(p: Array, reported: bool) -> None:
    """Put the top of an episode that ended into what tops are (Welford 1962), of 64 at most.

    Of those that were reported only each third (what comes three times is routine), and those half
    as high again as usual: so far nobody lets a ramp run by mistake, it is reset by chance.
    """
    if reported:
        p[REPORTED] += 1.0
        if p[REPORTED] % 3.0 != 0.0 and p[TOP] - p[FIRST] < 1.5 * p[HEIGHT]:
            return
    n = min(p[TOPS] + 1.0, 64.0)
    if p[TOPS] == 0:
        p[TOP_MEAN] = p[TOP]
    if p[TOPS] >= 64.0:
        p[TOP_SQUARES] *= 63.0 / 64.0
    away = p[TOP] - p[TOP_MEAN]
    p[TOP_MEAN] += away / n
    p[TOP_SQUARES] += away * (p[TOP] - p[TOP_MEAN])
    p[HEIGHT] += (p[TOP] - p[FIRST] - p[HEIGHT]) / n
    p[TOPS] = n


@lean_kernel
def _learn(s: Array, y: float) -> None:
    """Put a window into mean and deviation, from the 60th on at most three deviations away."""
    if s[COUNT] == 0:
        s[MEAN], s[RECENT], s[DRIFTED] = y, y, y
        return
    weight = 1.0 / min(s[COUNT] + 1.0, MEMORY)
    away = y - s[MEAN]
    deviation = math.sqrt(s[VAR])
    if s[COUNT] >= LEAST_WINDOWS and deviation > 0:
        away = min(max(away, -3.0 * deviation), 3.0 * deviation)
    s[MEAN] += weight * away
    s[VAR] += weight * ((1.0 - weight) * away * away - s[VAR])
    _track(s, y)
    drift = s[DRIFTED] - s[MEAN]
    s[SLOW] += weight * (drift * drift - s[SLOW])
    far = 0.6745 * math.sqrt(s[VAR])
    if far > 0 and away >= far and s[TURNED] <= 0:
        s[TURNED] = 1.0
        s[SWINGS] += 1.0
    elif away <= -far:
        s[TURNED] = -1.0


@lean_kernel
def _track(s: Array, y: float) -> None:
    """Put a window into the means over the last 8 and the last 32, of an alert its own alone."""
    s[INSIDE] = s[INSIDE] + 1.0 if s[OPEN] > 0 else 0.0
    count = s[INSIDE] if s[OPEN] > 0 else s[COUNT] + 1.0
    s[RECENT] += (y - s[RECENT]) / min(count, 8.0)
    s[DRIFTED] += (y - s[DRIFTED]) / min(count, 32.0)


@lean_kernel
def _note(s: Array, what: int, row: int, out: Array) -> None:
    """What the verdict is about, and the range that is usual for it."""
    out[3, row] = what
    if what < 2:
        p = s[SIDES + what * SIDE : SIDES + (what + 1) * SIDE]
        width = SLACK * math.sqrt(s[VAR])
        out[4, row], out[5, row], out[6, row] = s[MEAN] - width, s[MEAN] + width, p[LASTED]
        return
    p = s[RAMPS + (what - 2) * RAMP : RAMPS + (what - 1) * RAMP]
    sign = 1.0 if what == BEYOND_TOP else -1.0
    out[6, row], out[7, row], out[8, row] = p[STEPS], p[TOPS], sign * p[TOP_MEAN]
    if p[TOPS] > 0 and what == BEYOND_TOP:
        out[4, row], out[5, row] = p[TOP_MEAN] - p[HEIGHT], _expected(p)
    elif p[TOPS] > 0:
        out[4, row], out[5, row] = -_expected(p), p[HEIGHT] - p[TOP_MEAN]


@lean_kernel
def _follow(
    s: Array, end: int, verdict: float, directions: int, limits: Array, row: int, out: Array
) -> None:
    """Open, close and accept by the verdict of a window."""
    found = follow(s[OPEN : CALM + 1], end, verdict, limits, row, out)
    if found == CLOSED:
        if s[WHAT] < 2:
            side = SIDES + int(s[WHAT]) * SIDE
            _learn_side(s[side : side + SIDE])
        s[RECENT], s[DRIFTED] = s[MEAN], s[MEAN]
    elif found == DUE and not directions & NEVER_ACCEPTED:
        if _goes_on(s) and end - s[SINCE] < GOES_ON * limits[2]:
            return
        _accept(s)
        out[1, row], out[2, row] = 0.0, 1.0


@lean_kernel
def _goes_on(s: Array) -> bool:
    """Whether the side that was told still moves away: it is no new normal yet."""
    if s[WHAT] >= 2:
        return False
    sign = 1.0 if s[WHAT] == LONGER_HIGH else -1.0
    return bool(sign * (s[RECENT] - s[DRIFTED]) > MOVES * math.sqrt(s[VAR]))


@lean_kernel
def _accept(s: Array) -> None:
    """What stands becomes usual: a side is learnt anew, a ramp runs on and its reset is learnt."""
    if s[WHAT] < 2:
        born = s[BORN]
        s[:] = 0.0
        s[BORN] = born
        return
    s[OPEN] = 0.0
    s[RAMPS + (int(s[WHAT]) - 2) * RAMP + OVER] = -1e9  # no news until it is reset
