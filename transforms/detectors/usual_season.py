"""Season: what the series did at the same time of the days and weeks before.

Four weeks of half hours, each with the least and greatest value seen in it. At the beginning of
each half hour the envelope is read again: of every day and week before, least and greatest within
an hour of the same time (a clock change is no news). From the second least to the second greatest
of the days is *known*: two days agree on it. From three days on a value outside of what is known
is evidence as in `usual_evidence`; from two weeks on the weeks decide, so that a working day as
quiet as a weekend is news and a weekend is not.

Where the time of the day or week explains no more of the half hours before than chance would,
there is no season, and twice as much evidence is needed.

All that happens is learnt here, faults too: one of them moves no second least.
"""

import math

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel
from padit.transforms.detectors.usual_evidence import DOWN, HINT, KNOWN, UP

__all__ = ["SEASON", "SLOTS_OF_SEASON", "season_judge", "season_learn", "season_restart"]

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
    TIMES,
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
HOLD = 2.0  # deviations
NO_SEASON = 2.0  # times the evidence, where the time of the day says nothing
SEASON = 25
LIMIT = 5.0
PROVEN = 96  # half hours that were judged before the season may speak
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
    unit = 0.25 * (s[HIGH] - s[LOW]) + s[NOISE]
    context = directions
    if s[LOW] - unit <= y <= s[HIGH] + unit:
        context |= HINT | KNOWN if s[DAYS] >= 2 else HINT
    if s[DAYS] < 3:
        return 0.0, context
    unit = 0.2 * (s[STRICT_HIGH] - s[STRICT_LOW]) + s[NOISE] + 1e-300
    over = 0.0
    if directions & UP:
        over = max(over, (y - s[STRICT_HIGH]) / unit)
    if directions & DOWN:
        over = max(over, (s[STRICT_LOW] - y) / unit)
    if not (_returns(s, OF_DAYS) or _returns(s, OF_WEEKS)):
        doubt *= NO_SEASON
    verdict = _add(s, over, learn, doubt)
    if s[SEEN] < PROVEN:
        return 0.0, context
    return verdict, context & ~KNOWN if verdict >= 1 else context


@lean_kernel
def _add(s: Array, over: float, learn: bool, doubt: float) -> float:
    """Add to the sum; its limit rises with its record and with how often the season is wrong."""
    wrong = max(s[OUT], 2.0 / (s[SEEN] + 1.0))
    limit = max(LIMIT, 1.6 * s[RECORD]) * (1.0 + WRONG * wrong)
    gain = min(over, 4.0) - 0.5 if over > 0 else -1.0
    if learn:
        limit *= doubt
    elif gain < 0:
        gain *= limit / 2.5
    s[SUM] = min(max(0.0, s[SUM] + gain), 1.5 * limit)
    s[HIGHEST] = max(s[HIGHEST], s[SUM])
    if not learn:
        s[PEAK] = 0.0
        return float(s[SUM] / limit)
    s[PEAK] = max(s[PEAK], s[SUM])
    if s[SUM] == 0.0:
        s[RECORD] = max(s[RECORD] * (1.0 - 1.0 / 1024), s[PEAK])
        s[PEAK] = 0.0
    return float(s[SUM] / limit)


@lean_kernel
def season_learn(s: Array, slots: NDArray[np.float32], t: int, y: float, few: bool) -> None:
    """Move on to the half hour of `t`, and put the value into it; `few`: it has one or two."""
    now = t // HALF_HOUR + 1
    if now != s[NOW]:
        before = int(s[NOW])
        if s[DAYS] >= 3:
            s[SEEN] += 1
            s[OUT] += ((1.0 if s[HIGHEST] > 0.5 * LIMIT else 0.0) - s[OUT]) / min(s[SEEN], WEEK)
            s[HIGHEST] = 0.0
        if before > 0:
            at = before % RING
            spread = 0.5 * (slots[2 * at + 1] - slots[2 * at])
            if spread == 0.0:  # one value, or a line that stands still
                spread = _step_from(slots, before)
            if spread >= 0:
                s[NOISE] = spread if s[NOISE] == 0 else s[NOISE] + 0.05 * (spread - s[NOISE])
            for k in range(before + 1, min(now, before + RING) + 1):
                slots[2 * (k % RING)] = slots[2 * (k % RING) + 1] = np.nan
        s[NOW] = now
        _envelope(s, slots, now, few)
    at = 2 * (now % RING)
    low, high = slots[at], slots[at + 1]
    slots[at] = y if not low <= y else low
    slots[at + 1] = y if not high >= y else high


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
            s[OUT], s[RECORD], s[SEEN] = 0.0, 0.0, min(s[SEEN], PROVEN)
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

    Of the middle of each half hour, held at two deviations, averaged over a period.
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
    error = squares / ((found - 1) * found)
    weight = 1.0 / min(s[at + COMPARED] + 1.0, period)
    s[at + COMPARED] += 1.0
    s[at + MIDDLE] += weight * mean
    between = (1.0 - weight) * mean * mean
    s[at + BETWEEN] += weight * (between - error - s[at + BETWEEN])
    s[at + ERROR] += weight * (error - s[at + ERROR])
    s[at + TOTAL] += weight * (between + squares / found - s[at + TOTAL])


@lean_kernel
def _returns(s: Array, at: int) -> bool:
    """Whether there is a season: its variance is at least that of the error it is known with."""
    return bool(s[at + COMPARED] >= DAY and s[at + BETWEEN] >= s[at + ERROR])


@lean_kernel
def season_restart(s: Array, slots: NDArray[np.float32]) -> None:
    """Forget the days: what they were is not usual any more."""
    slots[:] = np.nan
    s[:] = 0.0
