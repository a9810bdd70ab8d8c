"""Season: what the series did at the same time of the days and weeks before.

Four weeks of half hours, each with the least and greatest value seen in it. At the beginning of
each half hour the envelope is read again: of every day and week before, least and greatest within
an hour of the same time (a clock change is no news). From the second least to the second greatest
of the days is *known*: two days agree on it. From three days on a value outside of what is known
is evidence as in `usual_evidence`; from two weeks on the weeks decide, so that a working day as
quiet as a weekend is news and a weekend is not.

How much of the variance of the half hours before the time of the day or week explains says how far
outside a value has to be: four standard deviations, of the part that it does not explain, beyond
what is known. Twice as much evidence is needed where it explains nothing; where it explains two
fifths and more, a value eight such deviations beyond counts up to four times as much. The limit
rises with the share of the half hours of the last four weeks that were outside, each day counted
once it is over, and with what the sum reached before, so that a long excursion does not raise its
own limit. Days, weeks and the fading of records are counted in half hours that have a sample.

All that happens is learnt here, faults too: one of them moves no second least.
"""

import math

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.usual_evidence import DOWN, HINT, KNOWN, UP

__all__ = ["DAYS", "SEASON", "SLOTS_OF_SEASON", "season_judge", "season_learn", "season_restart"]

Array = NDArray[np.float64]
HALF_HOUR = 1_800_000_000
DAY, WEEK, WEEKS = 48, 336, 4
RING = WEEK * (WEEKS - 1) + 3  # an hour more than the farthest week, and this half hour
SLOTS_OF_SEASON = 2 * RING
# Slots of the state of a season.
(
    NOW,
    DAYS,
    LOW,
    HIGH,
    COUNTED,  # days of which it is known how often they were outside
    STRICT_LOW,
    STRICT_HIGH,
    NOISE,
    SUM,
    RECORD,
    PEAK,
    SEEN,
    OUT,
    HIGHEST,
    WEEKLY,
) = range(15)
OF_DAYS, OF_WEEKS = 15, 20  # analysis of variance
MIDDLE, BETWEEN, ERROR, TOTAL, COMPARED = 0, 1, 2, 3, 4
RISEN = 25  # the sum of this half hour alone, and HIGHEST the most it reached
HALVES, OUTS = 26, 27  # half hours of this day, and those outside
SEASON = 28
HOLD = 2.0  # deviations
LEAST = 0.01  # share of the whole variance that a single time of the day has at the least
CLEAR, NO_SEASON = 0.4, 2.0  # share that a season explains; times the evidence if it is nothing
APART, GROSS = 4.0, 8.0  # standard deviations beyond what is known, of what no season explains
MOST, GROSSLY = 4.0, 16.0  # what a sample counts at most, and one that lies grossly outside
SURELY = 16.0  # times the error, of a week whose days are alike
ROUNDED, FARTHEST = 2.0**-22, 1e30  # of a value, by which a float32 may miss it; the greatest kept
WILD = 20.0  # times the noise that a half hour counts at most: it doubles it
LIMIT = 8.0
PROVEN = 96  # half hours that were judged before the season may speak
MONTH = 7.0 * WEEKS  # days
FADE = 1.0 - 1.0 / (26 * WEEK)  # of a record, a half hour that has a sample
WRONG = 30.0  # how much wider its limit is where it is always wrong


@lean_kernel
def season_judge(
    s: Array, y: float, directions: int, learn: bool, doubt: float
) -> tuple[float, int]:
    """Evidence that a value is not of this time, and the context of `usual_evidence.judge`.

    Args:
        s: float64 (SEASON,).
        y: the value.
        directions: bits UP and DOWN, the sides that are worth a word.
        learn: whether no alert is open.
        doubt: by how much more evidence it takes while no alert is open, at least 1.
    """
    if s[DAYS] < 1:
        return 0.0, directions
    y = float(_stored(y))
    unit = 0.25 * (s[HIGH] - s[LOW]) + s[NOISE]
    context = directions
    if s[LOW] - unit <= y <= s[HIGH] + unit:
        context |= HINT | KNOWN if s[DAYS] >= 2 else HINT
    if s[DAYS] < 3:
        return 0.0, context
    largest = max(abs(s[STRICT_LOW]), abs(s[STRICT_HIGH]))
    unit = max(0.2 * (s[STRICT_HIGH] - s[STRICT_LOW]) + s[NOISE], ROUNDED * largest, 1e-300)
    share = _explained(s)
    doubt *= 1.0 + (NO_SEASON - 1.0) * max(0.0, 1.0 - share / CLEAR)
    deviation = math.sqrt((1.0 - share) * max(s[OF_DAYS + TOTAL], 0.0))
    beyond = 0.0
    if directions & UP:
        beyond = max(beyond, y - s[STRICT_HIGH])
    if directions & DOWN:
        beyond = max(beyond, s[STRICT_LOW] - y)
    most = GROSSLY if share >= CLEAR and beyond > GROSS * deviation else MOST
    over = min((beyond - APART * deviation) / unit, most)
    verdict = _add(s, over, learn, doubt)
    if s[SEEN] < PROVEN:
        s[SUM] = s[PEAK] = 0.0
        return 0.0, context
    return verdict, context & ~KNOWN if verdict >= 1 else context


@lean_kernel
def _add(s: Array, over: float, learn: bool, doubt: float) -> float:
    """Add to the sum; its limit rises with its record and with how often the season is wrong.

    The record is of the sum in units of what widens the limit, and at most `LIMIT`. So after an
    alert the next one needs at most 1.6 times as much evidence, and a fault that comes once a month
    opens one each time.
    """
    wrong = max(s[OUT], 2.0 / (s[SEEN] + 1.0))
    limit = max(LIMIT, 1.6 * s[RECORD])
    wide = (1.0 + WRONG * wrong) * (doubt if learn else 1.0)
    gain = over - 0.5 if over > 0 else -1.0
    s[RISEN] = max(0.0, s[RISEN] + gain)
    s[HIGHEST] = max(s[HIGHEST], s[RISEN])
    if not learn and gain < 0:
        gain *= limit * wide / 2.5
    s[SUM] = min(max(0.0, s[SUM] + gain), 1.5 * limit * wide)
    verdict = s[SUM] / wide
    s[PEAK] = max(s[PEAK], min(verdict, LIMIT))
    if s[SUM] == 0.0:
        s[RECORD] = max(s[RECORD], s[PEAK])
        s[PEAK] = 0.0
    return float(verdict / limit)


@lean_kernel
def _count(s: Array) -> None:
    """The end of a half hour: whether it was outside, which counts once the day is over."""
    s[SEEN] += 1.0
    s[RECORD] *= FADE
    s[HALVES] += 1.0
    s[OUTS] += 1.0 if s[HIGHEST] > 0.5 * LIMIT else 0.0
    s[HIGHEST] = s[RISEN] = 0.0
    if s[HALVES] == DAY:
        s[COUNTED] = min(s[COUNTED] + 1.0, MONTH)
        s[OUT] += (s[OUTS] / DAY - s[OUT]) / s[COUNTED]
        s[HALVES] = s[OUTS] = 0.0


@lean_kernel
def season_learn(s: Array, slots: NDArray[np.float32], t: int, y: float, few: bool) -> None:
    """Move on to the half hour of `t`, and put the value into it; `few`: it has one or two."""
    now = t // HALF_HOUR + 1
    if now != s[NOW]:
        before = int(s[NOW])
        if s[DAYS] >= 3:
            _count(s)
        if before > 0:
            at = before % RING
            spread = 0.5 * (slots[2 * at + 1] - slots[2 * at])
            if spread == 0.0:  # one value, or a line that stands still
                spread = _step_from(slots, before)
            if spread >= 0 and s[NOISE] == 0:
                s[NOISE] = spread
            elif spread >= 0:
                s[NOISE] += 0.05 * (min(spread, WILD * s[NOISE]) - s[NOISE])
            for k in range(before + 1, min(now, before + RING) + 1):
                slots[2 * (k % RING)] = slots[2 * (k % RING) + 1] = np.nan
        s[NOW] = now
        _envelope(s, slots, now, few)
    at = 2 * (now % RING)
    low, high, kept = slots[at], slots[at + 1], _stored(y)
    slots[at] = kept if not low <= kept else low
    slots[at + 1] = kept if not high >= kept else high


@lean_kernel
def _stored(y: float) -> np.float32:
    """A value as the days keep it: rounded, and within what a float32 holds."""
    return np.float32(min(max(y, -FARTHEST), FARTHEST))


@lean_kernel
def _step_from(slots: NDArray[np.float32], now: int) -> float:
    """Half of the distance of a half hour to the nearest of the four before that has a value."""
    y = slots[2 * (now % RING)]
    for k in range(now - 1, now - 5, -1):
        at = 2 * (k % RING)
        if slots[at] <= slots[at + 1]:
            return float(0.5 * max(y - slots[at + 1], slots[at] - y, 0.0))
    return 0.0


@lean_kernel
def _envelope(s: Array, slots: NDArray[np.float32], now: int, few: bool) -> None:
    """Read the days and weeks before this half hour.

    Records fade by samples. Where there are few, those of the days before the weeks were known
    would outlast them: they begin again.
    """
    low1, low2, high1, high2, days = _extremes(slots, now, DAY, 7)
    s[DAYS] = days
    s[LOW], s[HIGH] = (low2, high2) if days >= 2 else (low1, high1)
    s[STRICT_LOW], s[STRICT_HIGH] = (low2, high2) if days >= 5 else (low1, high1)
    _compare(s, OF_DAYS, slots, now, DAY, 7)
    _compare(s, OF_WEEKS, slots, now, WEEK, WEEKS - 1)
    low1, low2, high1, high2, weeks = _extremes(slots, now, WEEK, WEEKS - 1)
    if weeks >= 2:
        if few and s[WEEKLY] == 0:
            s[OUT] = s[COUNTED] = s[RECORD] = 0.0
            s[SEEN] = min(s[SEEN], PROVEN)
        s[WEEKLY] = 1.0
        s[STRICT_LOW], s[STRICT_HIGH] = low1, high1
        s[LOW], s[HIGH] = min(s[LOW], low2), max(s[HIGH], high2)
        if weeks >= 3:
            s[STRICT_LOW], s[STRICT_HIGH] = low2, high2


@lean_kernel
def _extremes(
    slots: NDArray[np.float32], now: int, period: int, most: int
) -> tuple[float, float, float, float, int]:
    """Least, second least, greatest and second greatest of the periods before; how many."""
    low1 = low2 = np.inf
    high1 = high2 = -np.inf
    found = 0
    for lag in range(1, most + 1):
        low, high = np.inf, -np.inf
        for k in range(now - lag * period - 2, now - lag * period + 3):
            at = 2 * (k % RING)
            if slots[at] <= low:
                low = slots[at]
            if slots[at + 1] >= high:
                high = slots[at + 1]
        if low <= high:
            found += 1
            low1, low2 = min(low1, low), min(max(low1, low), low2)
            high1, high2 = max(high1, high), max(min(high1, high), high2)
    return low1, low2, high1, high2, found


@lean_kernel
def _compare(
    s: Array, at: int, slots: NDArray[np.float32], now: int, period: int, most: int
) -> None:
    """Analysis of variance (Fisher 1925): between the times of a period, and of a time's mean.

    Of the middle of each half hour, held at two deviations, averaged over a period. The days of one
    time are held at two of their own deviations, so that a day that was told is no reason to miss
    the next.
    """
    known = s[at + COMPARED] >= DAY
    limit = HOLD * math.sqrt(max(s[at + TOTAL], 0.0)) if known else np.inf
    found, mean, squares = 0, 0.0, 0.0
    for lag in range(1, most + 1):
        place = 2 * ((now - lag * period) % RING)
        if slots[place] <= slots[place + 1]:
            y = 0.5 * (float(slots[place]) + float(slots[place + 1])) - s[at + MIDDLE]
            if limit > 0:
                y = min(max(y, -limit), limit)
            found += 1
            away = y - mean
            mean += away / found
            squares += away * (y - mean)
    if found < 2:
        return
    if known and limit > 0:
        within = max(s[at + TOTAL] - s[at + BETWEEN], LEAST * s[at + TOTAL])
        squares = min(squares, HOLD * HOLD * within * found)
    error = squares / ((found - 1) * found)
    weight = 1.0 / min(s[at + COMPARED] + 1.0, period)
    s[at + COMPARED] += 1.0
    s[at + MIDDLE] += weight * mean
    between = (1.0 - weight) * mean * mean
    s[at + BETWEEN] += weight * (between - error - s[at + BETWEEN])
    s[at + ERROR] += weight * (error - s[at + ERROR])
    s[at + TOTAL] += weight * (between + squares / found - s[at + TOTAL])


@lean_kernel
def _explained(s: Array) -> float:
    """Share of the variance that the time of the day or week explains, 0 to 1.

    What moves slowly differs from day to day of a week as if there were a week in it. So weeks
    count where days return, too, or where they are alike beyond doubt.
    """
    share = _share(s, OF_DAYS)
    if _returns(s, OF_DAYS, 1.0) or _returns(s, OF_WEEKS, SURELY):
        share = max(share, _share(s, OF_WEEKS))
    return share


@lean_kernel
def _returns(s: Array, at: int, times: float) -> bool:
    """Whether the variance between the times of a period is at least so many times its error."""
    return bool(s[at + COMPARED] >= DAY and s[at + BETWEEN] >= times * s[at + ERROR])


@lean_kernel
def _share(s: Array, at: int) -> float:
    """Share of the variance that the times of a period explain."""
    if s[at + COMPARED] < DAY or not s[at + TOTAL] > 0:
        return 0.0
    return float(min(max(s[at + BETWEEN] / s[at + TOTAL], 0.0), 1.0))


@lean_kernel
def season_restart(s: Array, slots: NDArray[np.float32]) -> None:
    """Forget the days: what they were is not usual any more. How often they were wrong is."""
    slots[:] = np.nan
    out, counted, record = s[OUT], s[COUNTED], max(s[RECORD], s[PEAK])
    s[:] = 0.0
    s[OUT], s[COUNTED], s[RECORD] = out, counted, record
