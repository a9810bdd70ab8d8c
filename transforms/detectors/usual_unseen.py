"""Unseen: how far a sample lies from all that the series did before; the event of one sample.

Two memories, of the value and of its variation (standard deviation of the last 8 samples), hold
what was seen as few disjoint intervals (`usual_intervals`), 32 to 64 samples late. Three distances
d are to the nearest known value, to the nearest known value or one of the last 64 samples, and to
the nearest known variation. With s the standard deviation of what a distance is of, and o how far
from its mean the sample is:

    ratio  = d / sqrt(mean square of the earlier d + (0.1 s)^2 + (k o)^2)
    whole  = (mean of sqrt(ratio / (1 + earlier peaks about as high)))^2
    unseen = whole / (1 + earlier peaks about as high) * min(1, age / 1024)

where it is 1.3 times above all of the last 64 to 96 samples, else 0; k is 0.05, and up to 0.25 in a
young series with heavy tails, in which a record beats the last by a share of itself. "About as
high" is at least half as high for a ratio, a quarter for the whole, counted in bins of a factor of
two that fade (an e-fold in 4,000 samples): what happens often is no news. A series that never moved
has no scale; any other value is a million times as far.

This is the nearest-neighbour novelty of Markou & Singh (2003), Novelty detection: a review, with
its usual distance learnt.
"""

import math

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, lean_kernel
from padit.transforms.detectors.usual_intervals import PLACES, SIZE, add, distance, span

__all__ = [
    "HORIZON", "PLACES_OF_UNSEEN", "SLOTS_OF_UNSEEN", "far_from_known", "reached", "record",
    "unseen",
]  # fmt: skip

Array = NDArray[np.float64]

BLOCK, LAG = 32, 64
RECENT = LAG + 8  # samples kept as they are
MEMORIES, CHANNELS, GENERATIONS = 2, 3, 2
BINS, LEAST_BIN = 24, -8  # peaks from 2^-8 to 2^16
HORIZON = 16384  # samples of a generation; what was not seen for two is new again
TOP = 1e6
GUARD = 100.0  # one sample moves the usual distance as if it were at most so many times as far
HOLD = 5.0  # standard deviations from the mean that a value counts at most
SETTLE = 8192  # samples over which means are taken
MATURE, SETTLED = 1024.0, 2048.0
EVEN, MARGIN, UNSURE = 0.1, 0.05, 0.2
LIGHT, HEAVY = 4.0, 6.0  # standard deviations that the farthest of all before lies from the mean
FURTHER = 2.0  # by what share a record of a heavy tail has to beat the last, a factor of ten
RARE = 3.0  # above so many samples (as a decimal logarithm)
BEAT = 1.3
DECAY = 0.992  # of the count of peaks, a block
# Slots.
AGE = 0
FAR = 1  # distance of the latest sample to the nearest known value
TURNED = 2  # age at which the older generation was forgotten
MEAN = 3
VARIANCE = MEAN + MEMORIES
USUAL = VARIANCE + MEMORIES
SQUARES = USUAL + CHANNELS
PEAK = SQUARES + CHANNELS  # of each channel and the whole: the last two blocks, and this one
COUNTED = PEAK + 3 * (CHANNELS + 1)
LAST = COUNTED + BINS * (CHANNELS + 1)
VARIED = LAST + RECENT  # variations of this block
MEMORY = VARIED + BLOCK
SLOTS_OF_UNSEEN = MEMORY + MEMORIES * GENERATIONS * SIZE
# How many intervals a memory has, and the one that is tried first.
PLACES_OF_UNSEEN = tuple(
    (MEMORY + number * SIZE + at, most)
    for number in range(MEMORIES * GENERATIONS)
    for at, most in ((0, PLACES), (SIZE - 1, PLACES - 1))
)


@lean_kernel
def unseen(u: Array, x: float, horizon: float, learn: bool) -> float:
    """How new a sample is, in multiples of what is ordinary; then it is learnt.

    Args:
        u: float64 (SLOTS_OF_UNSEEN,).
        x: the sample, its square finite.
        horizon: samples of a generation, at the least `HORIZON`.
        learn: whether the values of a block that ends with this sample may be learnt.
    """
    age = int(u[AGE])
    at = age % RECENT
    u[LAST + at] = x
    varied = _variation(u, at) if age >= 7 else 0.0
    u[VARIED + age % BLOCK] = varied
    far = _distance(u, 0, x)
    wild = _distance(u, 1, varied) if age >= 7 else 0.0
    u[FAR] = far
    found = 0.0
    if far > 0 or wild > 0:
        near = min(far, _since(u, age, at, x)) if far > 0 else 0.0
        found = _novelty(u, age, x, varied, far, near, wild)
    u[AGE] = age + 1
    if (age + 1) % BLOCK == 0:
        _learn(u, age + 1, horizon, learn)
    return found


@lean_kernel
def _variation(u: Array, at: int) -> float:
    """Standard deviation of the sample at a place and the seven before it."""
    centre = u[LAST + at]
    total = square = 0.0
    for _ in range(7):
        at = at - 1 if at > 0 else RECENT - 1
        away = u[LAST + at] - centre
        total += away
        square += away * away
    mean = total / 8
    return math.sqrt(max(square / 8 - mean * mean, 0.0))


@lean_kernel
def _place(memory: int, generation: int) -> int:
    return MEMORY + (memory * GENERATIONS + generation) * SIZE


@lean_kernel
def _distance(u: Array, memory: int, y: float) -> float:
    """To the nearest interval of both generations; 0 from an empty memory."""
    new, old = _place(memory, 0), _place(memory, 1)
    d = distance(u[new : new + SIZE], y)
    if d > 0:
        d = min(d, distance(u[old : old + SIZE], y))
    return d if d < np.inf else 0.0


@lean_kernel
def _since(u: Array, age: int, at: int, x: float) -> float:
    """Distance to the nearest of the 64 samples before the one at a place."""
    nearest = np.inf
    for _ in range(min(age, LAG)):
        at = at - 1 if at > 0 else RECENT - 1
        nearest = min(nearest, abs(u[LAST + at] - x))
    return nearest


@lean_kernel
def _novelty(
    u: Array, age: int, x: float, varied: float, far: float, near: float, wild: float
) -> float:
    margin = MARGIN + UNSURE * (1.0 - min(age, SETTLED) / SETTLED) * _heaviness(u)
    total, whole_at = 0.0, PEAK + 3 * CHANNELS
    for c in range(CHANNELS):
        d = far if c == 0 else near if c == 1 else wild
        memory = 0 if c < 2 else 1
        usual, variance = u[USUAL + c], u[VARIANCE + memory]
        counted = min(d, GUARD * usual) if usual > 0 else d
        u[SQUARES + c] += counted * counted
        out = margin * (x if c < 2 else varied) - margin * u[MEAN + memory]
        if not variance > 0:
            out = 0.0
        unit = math.sqrt(usual * usual + EVEN * EVEN * variance + out * out)
        ratio = min(d / unit, TOP) if unit > 0 else (TOP if d > 0 else 0.0)
        if c == 2 and not variance > 0:
            ratio = 0.0
        u[PEAK + 3 * c + 2] = max(u[PEAK + 3 * c + 2], ratio)
        total += math.sqrt(ratio / (1.0 + _earlier(u, c, ratio, 1)))
    whole = total / CHANNELS
    whole *= whole
    before = max(u[whole_at], u[whole_at + 1], u[whole_at + 2])
    u[whole_at + 2] = max(u[whole_at + 2], whole)
    if not whole > BEAT * before:
        return 0.0
    return float(whole / (1.0 + _earlier(u, CHANNELS, whole, 2)) * min(age / MATURE, 1.0))


@lean_kernel
def _heaviness(u: Array) -> float:
    """0 where all before reached as far as Gaussian samples do, 1 where the tail is heavy."""
    mean = u[MEAN]
    if not u[VARIANCE] > 0:
        return 0.0
    low, high = reached(u)
    reach = max(high - mean, mean - low, 0.0)
    return float(max(min(reach / math.sqrt(u[VARIANCE]), HEAVY) - LIGHT, 0.0) / (HEAVY - LIGHT))


@lean_kernel
def record(u: Array, x: float, tails: float) -> bool:
    """Whether a sample lies farther out than the tail lets records lie.

    Records of light tails beat the last by little, those of heavy ones by a share of it, and the
    more samples a day has, the more records.

    Args:
        u: float64 (SLOTS_OF_UNSEEN,).
        x: the sample.
        tails: decimal logarithm of the samples among which one may be such a record.
    """
    further = FURTHER * max(tails - RARE, 0.0)
    if not further > 0:
        return True
    low, high = reached(u)
    reach = max(high - u[MEAN], u[MEAN] - low)  # a tail is heavy on either side, or may be
    return bool(abs(x - u[MEAN]) > (1.0 + further * _heaviness(u)) * reach)


@lean_kernel
def reached(u: Array) -> tuple[float, float]:
    """The least and greatest value of both generations."""
    new, old = _place(0, 0), _place(0, 1)
    low, high = span(u[new : new + SIZE])
    older_low, older_high = span(u[old : old + SIZE])
    return min(low, older_low), max(high, older_high)


@lean_kernel
def far_from_known(u: Array) -> float:
    """How far the latest sample lies from all that are known; inf if none is."""
    return float(u[FAR]) if u[_place(0, 0)] + u[_place(0, 1)] > 0 else np.inf


@lean_kernel
def _bin(size: float) -> int:
    _, exponent = math.frexp(size)
    return min(max(exponent - 1 - LEAST_BIN, 0), BINS - 1)


@lean_kernel
def _earlier(u: Array, channel: int, size: float, below: int) -> float:
    """Earlier peaks at least as high, less `below` bins."""
    return float(u[COUNTED + channel * BINS + max(_bin(size) - below, 0)]) if size > 0 else 0.0


@kernel
def _learn(u: Array, age: int, horizon: float, learn: bool) -> None:
    """The end of a block: learn the samples of 64 to 32 ago, the shape, and the peaks."""
    if age - u[TURNED] >= max(horizon, HORIZON):
        u[TURNED] = age
        for m in range(MEMORIES):
            new, old = _place(m, 0), _place(m, 1)
            u[old : old + SIZE] = u[new : new + SIZE]
            u[new] = 0.0
    if age >= LAG and learn:
        values = np.empty(BLOCK)
        at = (age - LAG) % RECENT
        for k in range(BLOCK):
            values[k] = u[LAST + at]
            at = at + 1 if at + 1 < RECENT else 0
        add(u[_place(0, 0) : _place(0, 0) + SIZE], values)
    add(
        u[_place(1, 0) : _place(1, 0) + SIZE],
        u[VARIED + (7 if age == BLOCK else 0) : VARIED + BLOCK],
    )
    _shape(u, age)
    part = BLOCK / min(max(age - LAG, BLOCK), SETTLE)
    for c in range(CHANNELS):
        usual = u[USUAL + c]
        u[USUAL + c] = math.sqrt((1.0 - part) * usual * usual + part * (u[SQUARES + c] / BLOCK))
        u[SQUARES + c] = 0.0
    for c in range(CHANNELS + 1):
        _count_peak(u, PEAK + 3 * c, COUNTED + BINS * c)


@lean_kernel
def _count_peak(u: Array, peak: int, counted: int) -> None:
    now = u[peak + 2]
    for b in range(BINS):
        u[counted + b] *= DECAY
    if now > max(u[peak], u[peak + 1]) and now > 0:
        for b in range(_bin(now) + 1):
            u[counted + b] += 1.0
    u[peak], u[peak + 1], u[peak + 2] = u[peak + 1], now, 0.0


@lean_kernel
def _shape(u: Array, age: int) -> None:
    """Mean and variance of the value and its variation, outliers held, with the latest block."""
    for m in range(MEMORIES):
        first = 7 if m == 1 else 0
        for k in range(first if age == BLOCK else 0, BLOCK):
            y = u[LAST + (age - BLOCK + k) % RECENT] if m == 0 else u[VARIED + k]
            n = min(age - BLOCK + k - first + 1, SETTLE)
            away, variance = y - u[MEAN + m], u[VARIANCE + m]
            if variance > 0 and n > BLOCK and away * away > HOLD * HOLD * variance:
                limit = HOLD * math.sqrt(variance)
                away = min(max(away, -limit), limit)
            part = 1.0 / n
            u[MEAN + m] += part * away
            u[VARIANCE + m] = (1.0 - part) * (variance + part * away * away)
