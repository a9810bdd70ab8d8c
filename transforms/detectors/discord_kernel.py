"""The loop of `discord`: how far the last samples are from the nearest earlier ones.

A left discord (Keogh, Lin & Fu 2005; past only) is a stretch that resembles nothing before it. With
D(m) the root mean square distance of m samples to the nearest m of the 4,096 before them, judged is

    r = D(32) / (D(24) + (mean of D(24)) / 2 + 0.3)

at every eighth sample: D(24) is that of the first 24 of the 32, so r is large where what went
before has been seen and how it goes on has not. A plain D(32) is large wherever a series seldom
comes, too.

Of each 64 samples the largest log2 r is kept: mean M, deviation S and record R of n of
those. News is

    log2 r > max(M + 4 (1 + 8/n) S, R + log2 1.1, log2 1.3)

Samples are remembered as whole numbers of a 32nd of the series' deviation, in one byte, so every
distance is exact. Only a series gets this memory that is smooth (the mean square of its second
differences is below 0.6 of that of its first: noise has 3, a random walk 2) and that moves by two
deviations within 32 samples; only one that has near neighbours is judged (mean D(32) below a
quarter of the deviation, which noise never has).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, lean_kernel
from padit.transforms.detectors.columns import bounded
from padit.transforms.detectors.directions import CLOSED, DUE, follow
from padit.transforms.detectors.usual_scale import log2

__all__ = [
    "AGE", "BACK", "DECIDE_EVERY", "EVERY", "FACTS", "HAS", "LENGTH", "PREFIX", "SLOTS",
    "may_begin", "nearest", "run",
]  # fmt: skip

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]

BACK, LENGTH, PREFIX = 4096, 32, 24
EVERY = 8  # samples from one judgement to the next
DECIDE_EVERY = 512  # samples after which it is decided whether a series gets a memory
FIRST = 1024  # samples in the memory before distances are taken
UNITS, MOST = 32.0, 127.0  # of a deviation; of what a byte holds
SMOOTH, ROUGH = 0.6, 0.9  # squares of second differences by those of first: begins, ends
MOVES, STANDS = 2.0, 1.0  # deviations within 32 samples: begins, ends
NEAR = 8.0  # units: a quarter of a deviation
FLOOR = 0.3  # units: what the rounding to whole ones makes of equal stretches
BLOCK, BLOCKS = 8, 24  # judgements in a block; blocks until there is a limit
SPREADS, LEAST, BEAT = 4.0, 0.37851162325372983, 0.13750352374993502  # log2 of 1.3 and 1.1
FADE = 0.002  # of the record, a block
MEMORY, SHORT = 512.0, 256.0  # blocks, and judgements, over which means are taken
RANKED = 0.4  # what is no news stays below this verdict
CAP = 3.8  # a shape is never CRITICAL
CUT = 0.25  # share of samples beyond what a byte holds, at which the scale is learnt anew
# Slots of a series.
(
    OPEN, SINCE, CALM, AGE, LAST_TIME, INTERVAL, LAST, STEP, MEAN, VARIANCE, FIRST_SQUARE,
    SECOND_SQUARE, HAS, CENTRE, UNIT, STORED, CLIPPED, UNBROKEN, JUDGED, USUAL_PREFIX, USUAL,
    NUMBER, BLOCK_MEAN, SQUARES, RECORD, HIGHEST, IN_BLOCK, LEVEL, RATIO, LIMIT,
) = range(30)  # fmt: skip
SLOTS = 32
FACTS = 7


@kernel
def may_begin(states: Array, rows: Ints, offset: Ints, code: Codes) -> NDArray[np.bool_]:
    """Bool (series,): which may begin a memory within a table.

    Args:
        states: float64 (states, SLOTS).
        rows: int64 (series,), the row of the state of each.
        offset: int64 (n + 1,), where the samples of each row of the table begin.
        code: int32 (n,), the series of each row of the table.
    """
    samples = np.zeros(len(rows), np.int64)
    for i in range(len(code)):
        samples[code[i]] += offset[i + 1] - offset[i]
    found = np.empty(len(rows), np.bool_)
    for series in range(len(rows)):
        age = int(states[rows[series], AGE])
        found[series] = age // DECIDE_EVERY != (age + samples[series]) // DECIDE_EVERY
    return found


@kernel
def run(
    states: Array,
    rings: NDArray[np.int8],
    rows: Ints,
    ring_of: Ints,
    offset: Ints,
    time: Ints,
    value: Array,
    end: Ints,
    limits: Array,
    scratch: NDArray[np.int32],
    sample: Array,
    out: Array,
) -> None:
    """Judge the samples of n windows, in the order of the table, then learn from them.

    Args:
        states: float64 (series, SLOTS).
        rings: int8 (memories, BACK + LENGTH); the first LENGTH places stand at its end again.
        rows: int64 (n,), the series of each window.
        ring_of: int64 (n,), the memory of each window's series, or one that it may take.
        offset: int64 (n + 1,), its samples.
        time: int64 (m,), microseconds, ascending within a series.
        value: float64 (m,), taken as `bounded`.
        end: int64 (n,), of the windows.
        limits: float64 (3,), of `limits_of`.
        scratch: int32 (BACK + LENGTH,).
        sample: float64 (m,), gets the event verdict of each sample; NaN while warming up.
        out: float64 (FACTS, n): event, level, accepted, ratio, its limit, samples remembered, and
            the sample that gave the event.
    """
    for row in range(len(rows)):
        s = states[rows[row]]
        ring = rings[ring_of[row]] if ring_of[row] >= 0 else rings[0]
        found, best = -1.0, -1.0
        out[3, row], out[4, row] = np.nan, np.nan
        for i in range(offset[row], offset[row + 1]):
            verdict = _sample(s, ring, time[i], bounded(value[i]), limits[0], scratch)
            sample[i] = np.nan if s[NUMBER] < BLOCKS else (0.0 if s[OPEN] > 0 else verdict)
            if verdict > found and s[NUMBER] >= BLOCKS:
                found, best = verdict, float(i)
                out[3, row], out[4, row] = s[RATIO], s[LIMIT]
        _follow(s, end[row], found, best, limits, row, out)


@lean_kernel
def _follow(
    s: Array, end: int, found: float, best: float, limits: Array, row: int, out: Array
) -> None:
    """The end of a window: open, close or accept its alert."""
    if s[HAS] == 0:
        s[LEVEL] = 0.0
    what = follow(s[OPEN : CALM + 1], end, max(found, s[LEVEL]), limits, row, out)
    out[0, row] = np.nan if s[NUMBER] < BLOCKS else min(out[0, row], max(found, 0.0))
    out[2, row], out[5, row], out[6, row] = 0.0, min(s[STORED], BACK), best
    if what == DUE:
        _restart(s)
        out[1, row], out[2, row] = 0.0, 1.0
    elif what == CLOSED:
        s[HIGHEST], s[IN_BLOCK] = -np.inf, 0.0


@lean_kernel
def _sample(
    s: Array, ring: NDArray[np.int8], t: int, x: float, opens: float, scratch: NDArray[np.int32]
) -> float:
    """One sample; the verdict at every eighth of a series that has a memory, else 0."""
    _shape(s, t, x)
    if s[AGE] % DECIDE_EVERY == 0:
        _decide(s)
    if s[HAS] == 0:
        return 0.0
    if s[STORED] == 0:
        ring[:] = 0
    _store(s, ring, x)
    stored = int(s[STORED])
    if stored % EVERY != 0 or stored < FIRST:
        return 0.0
    s[LEVEL] = 0.0
    if s[UNBROKEN] < LENGTH:
        return 0.0
    whole, prefix = nearest(ring, (stored - 1) % BACK, min(stored, BACK), scratch)
    far, near = math.sqrt(whole / LENGTH), math.sqrt(prefix / PREFIX)
    s[JUDGED] += 1.0
    part = 1.0 / min(s[JUDGED], SHORT)
    s[RATIO] = far / (near + 0.5 * s[USUAL_PREFIX] + FLOOR)
    if s[OPEN] == 0:
        s[USUAL_PREFIX] += part * (near - s[USUAL_PREFIX])
        s[USUAL] += part * (far - s[USUAL])
    return _judge(s, opens)


@lean_kernel
def _judge(s: Array, opens: float) -> float:
    """The verdict on a ratio, from `opens` on news; what is none is learnt then."""
    ratio = log2(max(s[RATIO], 1e-3))
    verdict = 0.0
    if s[NUMBER] >= BLOCKS:
        spread = math.sqrt(s[SQUARES] / s[NUMBER])
        wide = SPREADS * (1.0 + 8.0 / s[NUMBER]) * spread
        limit = max(s[BLOCK_MEAN] + wide, s[RECORD] + BEAT, LEAST)
        s[LIMIT] = limit
        share = (ratio - s[BLOCK_MEAN]) / (limit - s[BLOCK_MEAN])
        if s[USUAL] < NEAR:
            s[LEVEL] = min(max(share, 0.0), CAP)
            rank = RANKED * max(2.0 * share - opens, 0.0)
            verdict = s[LEVEL] if share >= opens else rank
    if s[OPEN] > 0 or verdict >= opens:
        return verdict
    s[HIGHEST] = max(s[HIGHEST], ratio) if s[IN_BLOCK] > 0 else ratio
    s[IN_BLOCK] += 1.0
    if s[IN_BLOCK] == BLOCK:
        _learn_block(s)
    return verdict


@lean_kernel
def _learn_block(s: Array) -> None:
    """Put the largest ratio of 64 samples into what is known of them (Welford 1962)."""
    n = min(s[NUMBER] + 1.0, MEMORY)
    if s[NUMBER] >= MEMORY:
        s[SQUARES] *= 1.0 - 1.0 / MEMORY
    away = s[HIGHEST] - s[BLOCK_MEAN]
    s[BLOCK_MEAN] += away / n
    s[SQUARES] += away * (s[HIGHEST] - s[BLOCK_MEAN])
    s[RECORD] = max(s[RECORD] - FADE, s[HIGHEST]) if s[NUMBER] > 0 else s[HIGHEST]
    s[NUMBER], s[IN_BLOCK] = n, 0.0


@lean_kernel
def _shape(s: Array, t: int, x: float) -> None:
    """Mean, variance, squares of first and second differences; samples without a gap."""
    n = s[AGE]
    s[UNBROKEN] += 1.0
    if n > 0:
        passed = float(t) - s[LAST_TIME]
        if passed > 2.5 * s[INTERVAL] and n > 16:
            s[UNBROKEN] = 1.0
        part = 1.0 / min(n, 64.0)
        s[INTERVAL] += part * (min(passed, 4.0 * s[INTERVAL] if n > 16 else passed) - s[INTERVAL])
        step = x - s[LAST]
        if s[UNBROKEN] > 2:
            part = 1.0 / min(n, FIRST)
            turn = step - s[STEP]
            s[FIRST_SQUARE] += part * (step * step - s[FIRST_SQUARE])
            s[SECOND_SQUARE] += part * (turn * turn - s[SECOND_SQUARE])
        s[STEP] = step
    part = 1.0 / min(n + 1.0, float(BACK))
    away = x - s[MEAN]
    s[MEAN] += part * away
    s[VARIANCE] = (1.0 - part) * (s[VARIANCE] + part * away * away)
    s[AGE] = n + 1.0
    s[LAST_TIME], s[LAST] = t, x


@lean_kernel
def _decide(s: Array) -> None:
    """Begin a memory where a series is smooth and moves; end one where it is so no longer."""
    first, second = s[FIRST_SQUARE], s[SECOND_SQUARE]
    within = LENGTH * math.sqrt(first / s[VARIANCE]) if s[VARIANCE] > 0 else 0.0
    if s[HAS] == 0:
        unit = math.sqrt(s[VARIANCE]) / UNITS
        if second < SMOOTH * first and within >= MOVES and unit > 1e-300:
            s[HAS], s[CENTRE], s[UNIT] = 1.0, s[MEAN], unit
            s[STORED] = s[CLIPPED] = 0.0
            _restart(s)
    elif second > ROUGH * first or within < STANDS or s[CLIPPED] > CUT:
        s[HAS] = s[STORED] = s[LEVEL] = 0.0
        _restart(s)


@lean_kernel
def _restart(s: Array) -> None:
    """Forget what ratios were usual; the samples stay."""
    s[OPEN], s[CALM], s[LEVEL] = 0.0, 0.0, 0.0
    s[JUDGED], s[USUAL_PREFIX], s[USUAL] = 0.0, 0.0, 0.0
    s[NUMBER], s[BLOCK_MEAN], s[SQUARES], s[RECORD] = 0.0, 0.0, 0.0, 0.0
    s[HIGHEST], s[IN_BLOCK] = -np.inf, 0.0


@lean_kernel
def _store(s: Array, ring: NDArray[np.int8], x: float) -> None:
    """Put a sample into the memory, as a whole number of units."""
    away = (x - s[CENTRE]) / s[UNIT] + 0.5  # may be beyond what an integer holds
    units = math.floor(min(max(away, -MOST - 1.0), MOST + 2.0))
    kept = min(max(units, -MOST), MOST)
    s[CLIPPED] += ((0.0 if kept == units else 1.0) - s[CLIPPED]) / DECIDE_EVERY
    at = int(s[STORED]) % BACK
    ring[at] = np.int8(kept)
    if at < LENGTH:
        ring[BACK + at] = np.int8(kept)
    s[STORED] += 1.0


@lean_kernel
def nearest(
    ring: NDArray[np.int8], at: int, filled: int, scratch: NDArray[np.int32]
) -> tuple[int, int]:
    """Least squared distance of the last 32 samples to 32 earlier ones, and of their first 24.

    The earlier ones end before the last ones begin. Squares of six samples come first: what they
    leave farther than the nearest so far is passed over.

    Args:
        ring: int8 (BACK + LENGTH,).
        at: the place of the last sample.
        filled: places that hold a sample.
        scratch: int32 (BACK + LENGTH,), overwritten.
    """
    now = scratch[BACK:]
    for k in range(LENGTH):
        now[k] = ring[(at - LENGTH + 1 + k) % BACK]
    total: Any
    whole: Any = 2**40
    prefix: Any = 2**40
    starts = BACK if filled == BACK else filled - LENGTH + 1
    for i in range(starts):
        total = np.int32(0)
        for k in range(0, PREFIX, 4):
            away = np.int32(now[k] - ring[i + k])
            total += away * away
        scratch[i] = total
    for i in range(starts):
        if scratch[i] >= whole or (at - i) % BACK < 2 * LENGTH - 1:
            continue
        total = 0
        for k in range(PREFIX):
            away = np.int32(now[k] - ring[i + k])
            total += away * away
        prefix = min(prefix, total)
        for k in range(PREFIX, LENGTH):
            away = np.int32(now[k] - ring[i + k])
            total += away * away
        whole = min(whole, total)
    return whole, prefix
