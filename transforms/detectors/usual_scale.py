"""The usual range of a channel: its memory on five time scales, and the quantiles of that.

A channel is a stream of numbers derived from a series (its value, its activity, its increase). Its
memory is five rings of 64 values each, the newest 64, and every 4th, 16th, 64th and 256th of all.
Together they know the last minutes well and the last 16,384 samples at all.

From the sorted memory come, for each side of the median, three distances: of the 90 % quantile, of
the 99 % quantile, and between the two. A side with a heavy tail (the 99 % quantile more than 2.3
times as far as the 90 %; 1.8 is Gaussian) is measured by log2(1 + d / w) instead of d, w its
quartile's distance, so that a log-normal channel is judged like a normal one.
"""

import math

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, lean_kernel

__all__ = [
    "CENTRE", "CHANNEL", "COUNT", "EDGE", "FULL_SWINGS", "GAPS", "GAP_COUNT", "HIGH", "JUMP",
    "LEAP", "LEAST", "LOW", "MOST", "OFTEN", "OUTSIDE_RUN", "OVER", "PATIENCE", "QUANTUM", "REACH",
    "SCALE", "SIDE", "SIDES", "SLOW", "SWINGS", "SWUNG", "TENTH", "UNIT", "WIDTH", "adopt",
    "compressed", "distance", "fit", "log2", "persistence", "remember", "slowness", "tolerance",
]  # fmt: skip

Array = NDArray[np.float64]

RINGS, RING = 5, 64
_FARTHEST = RING << 2 * (RINGS - 1)  # samples that the last ring reaches back
LAG = 32
# Slots of a channel; SIDES holds five numbers for each side, up first.
COUNT, SWINGS, SIDE, CENTRE, LOW, HIGH, SIDES = 0, 1, 2, 3, 4, 5, 6
SCALE, EDGE, UNIT, WIDTH, REACH = 0, 1, 2, 3, 4  # of a side; SCALE 0: distances are not compressed
GAPS, GAP_COUNT = 16, 3
OUTSIDE_RUN, JUMP = 22, 23
NEWEST, RECENT, FULL_SWINGS = 39, 40, 41
STATISTICS = 24  # fifteen numbers of `usual_evidence`
LEAST, MOST = 42, 43  # of the memory
TURNS = 44  # of the swings: five numbers of the peaks, five of the troughs
TURN_NOW, TURN_MEAN, TURN_SPREAD, TURN_MOST, TURN_COUNT = 0, 1, 2, 3, 4
QUANTUM = 54  # least step between the values, of which there are few; else 0
OVER = 55  # how far outside the last judged sample lay, on a side that is worth a word
LEAP = 56  # greatest change within 32 samples, which fades
SWUNG = 57  # how wide the quartiles lay apart when full swings were counted from nothing
MEMORY = 58
CHANNEL = MEMORY + RINGS * RING

HEAVY = 2.3
TURN_REACH = 2.0
SLOW, OFTEN = 8.0, 4.0  # swings, in white noise's, of a slow channel; full ones that make it known
PATIENCE = 256.0  # samples
FADE = 1.0 - 1.0 / 4096
TENTH = 0.30102999566398120  # log10(2)
_SQRT_HALF = math.sqrt(0.5)
_TWO_OVER_LN2 = 2.0 / 0.6931471805599453


@lean_kernel
def log2(x: float) -> float:
    """Binary logarithm of a positive number from exact operations, to about 1e-9.

    >>> round(log2(8.0), 8), round(log2(0.1), 6)
    (3.0, -3.321928)
    """
    mantissa, exponent = math.frexp(x)
    t = (mantissa - _SQRT_HALF) / (mantissa + _SQRT_HALF)
    q = t * t
    series = t * (1.0 + q * (1.0 / 3 + q * (0.2 + q * (1.0 / 7 + q * (1.0 / 9 + q / 11)))))
    return exponent - 0.5 + _TWO_OVER_LN2 * series


@lean_kernel
def distance(c: Array, away: float) -> float:
    """How far `away` (signed, from the centre) is on its side, at least 0."""
    side = SIDES if away >= 0 else SIDES + 5
    d = abs(away)
    return compressed(d, c[side + SCALE]) if c[side + SCALE] > 0 else d


@lean_kernel
def compressed(d: float, scale: float) -> float:
    """A distance on a side with a heavy tail; of any two finite numbers it is finite."""
    return log2(1.0 + min(d / scale, 1e300))


@lean_kernel
def tolerance(c: Array) -> float:
    """By how much a limit is wider because little was seen: 1 + 1 / sqrt((swings + 1) / 4)."""
    return 1.0 + 2.0 / math.sqrt(c[SWINGS] + 1.0)


@lean_kernel
def slowness(c: Array) -> float:
    """How many times longer a swing takes than that of white noise, which takes 8 samples."""
    return float(max(1.0, c[RECENT] / (8.0 * max(c[SWINGS], 0.5))))


@lean_kernel
def persistence(slow: float) -> float:
    """How many samples of a channel that swings so slowly say as much as one of white noise.

    That is (1 + p) / (1 - p) for an AR(1) of coefficient p: so much larger is the variance of the
    mean of many. Its time constant t gives 2 t, and a swing from quartile to quartile and back
    takes 3.64 t, so 16 / 3.64 for each slowness. Sampled at intervals it goes beyond the quartiles
    before it is seen to turn, by a step that is like the root of 1 / t; white noise gives 1. Within
    8 % from p = 0 to 0.995.
    """
    return 4.4 * slow - 3.4 * math.sqrt(slow)


@lean_kernel
def remember(c: Array, y: float, home: bool, young: bool, patience: float) -> None:
    """Put a value into the memory; count full swings between the quartiles.

    What lies outside the usual twice in a row and more is not learnt for `patience` samples: a slow
    walk out of the range must not be followed while it is judged. Then it is, by all rings where
    samples are so seldom that 256 of them take more than some hours (or what grows for weeks would
    be news each day), else by the two slowest. Of a `young` slow channel that has not swung four
    times it is no news, and learnt.
    """
    count = int(c[COUNT])
    if count > 0:
        c[JUMP] = max(c[JUMP] * FADE, abs(y - c[NEWEST]))
    c[NEWEST] = y
    c[LEAST] = min(c[LEAST], y) if count > 0 else y
    c[MOST] = max(c[MOST], y) if count > 0 else y
    away = y - c[CENTRE]
    side = SIDES if away >= 0 else SIDES + 5
    outside = count >= 64 and not home and distance(c, away) > c[side + EDGE] + c[side + UNIT]
    c[OUTSIDE_RUN] = c[OUTSIDE_RUN] + 1.0 if outside else 0.0
    first = 0
    judged = not young or c[FULL_SWINGS] >= OFTEN or slowness(c) < SLOW
    if c[OUTSIDE_RUN] >= 2 and judged:
        slowest = RINGS - 2 if patience >= PATIENCE else 0
        first = RINGS if c[OUTSIDE_RUN] < patience else slowest
    stride = 1
    for ring in range(RINGS):
        if count % stride == 0:
            place = MEMORY + ring * RING + (count // stride) % RING
            if ring >= first or count < 4 * stride:
                c[place] = y
            elif count < RING * stride:
                c[place] = np.nan  # never written, so never read
        stride *= 4
    if count >= LAG and c[OUTSIDE_RUN] < 2:
        c[LEAP] = max(c[LEAP] * FADE, abs(y - c[MEMORY + (count - LAG) % RING]))
    c[COUNT] = count + 1
    _swing(c, y)


@lean_kernel
def _swing(c: Array, y: float) -> None:
    """Count swings from quartile to quartile, and learn where they turn."""
    c[RECENT] = c[RECENT] * FADE + 1.0
    c[SWINGS] *= FADE
    if c[LOW] == c[HIGH]:
        c[SWINGS] += 0.125
    elif y >= c[HIGH] and c[SIDE] <= 0:
        if c[SIDE] < 0:
            _turned(c, TURNS + 5, -1.0)
        c[TURNS + TURN_NOW] = y
        c[SIDE] = 1.0
        c[SWINGS] += 1.0
        c[FULL_SWINGS] += 1.0
    elif y <= c[LOW] and c[SIDE] >= 0:
        if c[SIDE] > 0:
            _turned(c, TURNS, 1.0)
        c[TURNS + 5 + TURN_NOW] = y
        c[SIDE] = -1.0
    if c[SIDE] > 0:
        c[TURNS + TURN_NOW] = max(c[TURNS + TURN_NOW], y)
    elif c[SIDE] < 0:
        c[TURNS + 5 + TURN_NOW] = min(c[TURNS + 5 + TURN_NOW], y)


@lean_kernel
def _turned(c: Array, at: int, sign: float) -> None:
    """Learn where a swing turned: mean, mean deviation, and the farthest, which fades."""
    y = c[at + TURN_NOW]
    c[at + TURN_COUNT] += 1.0
    if c[at + TURN_COUNT] == 1.0:
        c[at + TURN_MEAN] = c[at + TURN_MOST] = y
        return
    weight = 1.0 / min(c[at + TURN_COUNT], 16.0)
    away = y - c[at + TURN_MEAN]
    c[at + TURN_SPREAD] += weight * (abs(away) - c[at + TURN_SPREAD])
    c[at + TURN_MEAN] += weight * away
    c[at + TURN_MOST] += (c[at + TURN_MEAN] - c[at + TURN_MOST]) / 32.0
    if sign * (y - c[at + TURN_MOST]) > 0:
        c[at + TURN_MOST] = y


@lean_kernel
def beyond_turns(c: Array, y: float) -> float:
    """How far a value lies beyond where the swings of a slow channel turn, in their deviations.

    -1 where that is not known: fewer than five swings, or a channel that swings quickly, whose
    quantiles say more.
    """
    at, sign = (TURNS, 1.0) if y >= c[CENTRE] else (TURNS + 5, -1.0)
    n = c[at + TURN_COUNT]
    if n < 5 or slowness(c) < 8.0:
        return -1.0
    spread = 1.25 * c[at + TURN_SPREAD]
    height = abs(c[TURNS + TURN_MEAN] - c[TURNS + 5 + TURN_MEAN])
    if max(spread, c[QUANTUM]) > 0.12 * height:
        return -1.0
    unit = max(spread, 0.05 * height, 1e-12 * abs(c[CENTRE]), 1e-300)
    line = sign * c[at + TURN_MEAN] + TURN_REACH * spread * tolerance(c)
    return float((sign * y - max(line, sign * c[at + TURN_MOST])) / unit)


@kernel
def fit(c: Array, floor: float) -> None:
    """Quantiles and gaps of the memory.

    Args:
        c: float64 (CHANNEL,).
        floor: least unit of a side, relative to the centre.
    """
    values = np.empty(RINGS * RING)
    size, stride = 0, 1
    count = int(c[COUNT])
    span = min(4.0 * c[RECENT] / max(c[SWINGS], 0.5), count / 2)  # four swings, if there were
    span = min(span, _FARTHEST)  # which is always asked
    for ring in range(RINGS):
        filled = min(RING, (count + stride - 1) // stride)
        if (ring > 0 and count <= RING * stride // 4) or RING * stride < span:
            filled = 0  # all of it is in the ring before, or it knows too little
        for k in range(filled):
            y = c[MEMORY + ring * RING + k]
            if y == y:
                values[size] = y
                size += 1
        stride *= 4
    if size == 0:
        return
    values = np.sort(values[:size])
    c[LEAST], c[MOST] = values[0], values[size - 1]
    c[CENTRE] = values[size // 2]
    before = c[HIGH] - c[LOW]
    c[LOW], c[HIGH] = values[size // 4], values[(3 * size) // 4]
    grown = c[HIGH] - c[LOW]
    if grown > 1.25 * c[SWUNG]:  # those were no full swings, however slowly it has grown
        c[FULL_SWINGS] = c[TURNS + TURN_COUNT] = c[TURNS + 5 + TURN_COUNT] = 0.0
        c[SWUNG] = grown
    if before > 0 and grown > 2.0 * before:
        c[SWINGS] *= 0.5
    c[QUANTUM] = _quantum(values)
    _fit_side(c, values, SIDES, 1.0, floor)
    _fit_side(c, values, SIDES + 5, -1.0, floor)
    _fit_gaps(c, values)


@kernel
def _fit_side(c: Array, values: Array, side: int, sign: float, floor: float) -> None:
    size = len(values)
    last = size - 1
    places = (max(0, (size + 3) // 4 - 1), size // 10, size // 100, 0)
    d = np.empty(4)  # of the quartile, the 90 % and 99 % quantile, and the extreme
    for k in range(4):
        place = last - places[k] if sign > 0 else places[k]
        d[k] = max(0.0, sign * (values[place] - c[CENTRE]))
    c[side + REACH] = d[2]
    least = max(floor * abs(c[CENTRE]), 1e-300)
    step = c[QUANTUM]
    c[side + SCALE] = 0.0
    if d[2] > HEAVY * d[1] and d[0] > least and size >= 64:
        scale = d[0]
        c[side + SCALE] = scale
        for k in range(4):
            d[k] = compressed(d[k], scale)
        least = step = 0.0
    c[side + EDGE] = d[2]
    c[side + UNIT] = max(d[2] - d[1], 0.15 * d[2], 0.5 * (d[3] - d[2]), least, step)
    c[side + WIDTH] = d[1] / 1.2816
    if c[side + WIDTH] <= least:
        c[side + WIDTH] = max(d[2] / 2.33, d[3] / 3.0, least)


@lean_kernel
def _quantum(values: Array) -> float:
    """Least step between values of which there are few, else 0."""
    distinct, least = 1, np.inf
    for i in range(1, len(values)):
        step = values[i] - values[i - 1]
        if step > 0:
            distinct += 1
            least = min(least, step)
    return least if 1 < distinct <= 2 + len(values) // 10 else 0.0


@lean_kernel
def _fit_gaps(c: Array, values: Array) -> None:
    """The widest stretches between remembered values, at least a fifth of their range each."""
    size = len(values)
    low, high = values[size // 50], values[size - 1 - size // 50]
    for k in range(2 * GAP_COUNT):
        c[GAPS + k] = 0.0
    found = 0
    least = max(0.2, 24.0 / size) * (high - low)  # chance leaves gaps between few
    for i in range(size // 50, size - 1 - size // 50):
        if values[i + 1] - values[i] > least and found < GAP_COUNT:
            c[GAPS + 2 * found], c[GAPS + 2 * found + 1] = values[i], values[i + 1]
            found += 1


@kernel
def adopt(c: Array, new: Array) -> None:
    """Give every other place of each ring to values that are accepted as usual, in their order."""
    size = len(new)
    count = int(c[COUNT])
    stride = 1
    for ring in range(RINGS):
        newest = (count + stride - 1) // stride  # places written so far
        filled = min(RING, newest)
        for k in range(0, filled, 2):
            place = (newest - 1 - k) % RING
            c[MEMORY + ring * RING + place] = new[size - 1 - (k * size) // (filled + 1)]
        stride *= 4
