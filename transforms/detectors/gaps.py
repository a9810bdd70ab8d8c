"""Gaps between the samples of a series, and the length from which a gap is reported.

Of each series the last 64 gaps are kept and the last eight pauses (gaps above its limit), newest
last and 0 where there is none. All figures are those after some sample, so they do not
depend on how the stream is cut.

Arguments of `learn`:
    gaps: int64 (series, RECENT), state as in `FIELDS`; changed, as are the next six.
    pauses: int64 (series, 8), their lengths.
    begins: int64 (series, 8), and when they began.
    limit: int64 (series,), from which a gap is reported; 0 while the series warms up.
    value: float64 (series,), of the latest sample.
    born: int64 (series,), time of the first sample since the series began.
    seen: int64 (series,), time of the latest sample; `NEVER` before the first.
    rows: int64 (n,), the series of each window.
    end: int64 (n,), its end, microseconds.
    offset: int64 (n + 1,), of its samples.
    time: int64 (m,), microseconds.
    samples: float64 (m,), their values.
    bounds: int64 (4,): shortest gap that is reported, gaps before a series is judged, how long
        it must have lived, after how long a gap it begins anew; microseconds.
    factor: times the usual gap.
    out: int64 (5, n), after each window: latest sample, limit, and where that is exceeded the
        usual and longest gap, and of how many gaps these are; zeros before.
    out_value: float64 (n,), of the latest sample.

It gives int64 (k, LONG) and float64 (k,); the samples of a series come in the order of time.
"""

import math

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel
from padit.transforms.detectors.columns import Field

__all__ = ["FIELDS", "LONG", "NEVER", "RECENT", "figures", "learn"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

RECENT = 64
"""Gaps that are remembered."""
NEVER = int(np.iinfo(np.int64).min)
_PAUSES = 8
_HABIT = 3  # as many pauses ...
_SHARE = 10  # ... that take this part of the time since the first of them are no outages
_LONGEST = 2.0**60  # microseconds; so that adding it to a time never overflows
FIELDS = {
    "gaps": Field((RECENT,), "<i8"),
    "pauses": Field((_PAUSES,), "<i8"),
    "begins": Field((_PAUSES,), "<i8"),
    "limit": Field((), "<i8"),
    "value": Field((), "<f8"),
    "born": Field((), "<i8", NEVER),
}
LONG = 7
"""Numbers of a long gap: row of the state, begin, end, limit; usual and longest gap, how many."""


@kernel
def learn(
    gaps: Ints,
    pauses: Ints,
    begins: Ints,
    limit: Ints,
    value: Floats,
    born: Ints,
    seen: Ints,
    rows: Ints,
    end: Ints,
    offset: Ints,
    time: Ints,
    samples: Floats,
    bounds: Ints,
    factor: float,
    out: Ints,
    out_value: Floats,
) -> tuple[Ints, Floats]:
    """Learn the samples of n windows; gaps as long as their limit, and the value before each."""
    found, values, count = np.empty((4, LONG), np.int64), np.empty(4), 0
    for row in range(len(rows)):
        s = rows[row]
        for i in range(offset[row], offset[row + 1]):
            gap = time[i] - seen[s] if seen[s] != NEVER else 0
            by_gaps = 0
            if gap >= bounds[0]:
                by_gaps = _by_gaps(gaps[s], bounds, factor)
                if i > offset[row]:  # else it is that of the latest sample already
                    limit[s] = _limit(
                        by_gaps, pauses[s], begins[s], seen[s], born[s], bounds, factor
                    )
                if 0 < limit[s] <= gap:
                    found, values = _with_room(found, values, count)
                    _note(found[count], s, seen[s], time[i], limit[s], gaps[s])
                    values[count] = value[s]
                    count += 1
            if seen[s] == NEVER or gap > bounds[3]:
                gaps[s], pauses[s], begins[s], born[s] = 0, 0, 0, time[i]
            else:
                _take(gaps[s], pauses[s], begins[s], gap, seen[s], by_gaps)
            seen[s], value[s] = time[i], samples[i]
        if offset[row + 1] > offset[row]:
            by_gaps = _by_gaps(gaps[s], bounds, factor)
            limit[s] = _limit(by_gaps, pauses[s], begins[s], seen[s], born[s], bounds, factor)
        out[0, row], out[1, row], out_value[row] = seen[s], limit[s], value[s]
        _exceeded(gaps[s], limit[s], end[row] - seen[s], out[2:, row])
    return found[:count], values[:count]


@kernel
def figures(gaps: Ints) -> Ints:
    """int64 (n, 3) of gaps (n, RECENT): usual and longest gap, and of how many gaps these are."""
    found = np.empty((len(gaps), 3), np.int64)
    for i in range(len(gaps)):
        _figures(gaps[i], found[i])
    return found


@kernel
def _with_room(found: Ints, values: Floats, count: int) -> tuple[Ints, Floats]:
    """Both with place for one more."""
    if count < len(found):
        return found, values
    longer = np.concatenate((found, np.empty_like(found)))
    return longer, np.concatenate((values, np.empty_like(values)))


@kernel
def _note(out: Ints, row: int, begin: int, end: int, limit: int, gaps: Ints) -> None:
    """Write down a long gap."""
    out[0], out[1], out[2], out[3] = row, begin, end, limit
    _figures(gaps, out[4:])


@kernel
def _take(gaps: Ints, pauses: Ints, begins: Ints, gap: int, begin: int, by_gaps: int) -> None:
    """Put a gap where it belongs; samples of one time have none between them."""
    if 0 < by_gaps <= gap:
        _push(pauses, gap)
        _push(begins, begin)
    if gap > 0:
        _push(gaps, gap)


@kernel
def _push(ring: Ints, one: int) -> None:
    for i in range(len(ring) - 1):
        ring[i] = ring[i + 1]
    ring[len(ring) - 1] = one


@kernel
def _sorted(ring: Ints) -> Ints:
    """The numbers in order; by insertion, as most of them are alike."""
    found = ring.copy()
    for i in range(1, len(found)):
        one, k = found[i], i
        while k > 0 and found[k - 1] > one:
            found[k] = found[k - 1]
            k -= 1
        found[k] = one
    return found


@kernel
def _count(ring: Ints) -> int:
    count = 0
    for one in ring:
        count += 1 if one > 0 else 0
    return count


@kernel
def _share(ordered: Ints, count: int, tenths: int) -> int:
    """The gap that so many tenths do not exceed, of gaps sorted behind zeros."""
    place = RECENT - count + max((tenths * count + 9) // 10 - 1, 0)
    return int(ordered[min(place, RECENT - 1)])


@kernel
def _figures(ring: Ints, out: Ints) -> None:
    ordered, count = _sorted(ring), _count(ring)
    out[0], out[1], out[2] = _share(ordered, count, 9), ordered[RECENT - 1], count


@kernel
def _exceeded(ring: Ints, limit: int, waited: int, out: Ints) -> None:
    if 0 < limit <= waited:
        _figures(ring, out)


@kernel
def _by_gaps(ring: Ints, bounds: Ints, factor: float) -> int:
    """Limit by the usual gap and the second longest; 0 while there are too few."""
    count = _count(ring)
    if count < bounds[1]:
        return 0
    ordered = _sorted(ring)
    usual, middle = _share(ordered, count, 9), max(_share(ordered, count, 5), 1)
    uneven = math.sqrt(max(usual / middle, 1.0))
    by_usual = int(np.rint(min(factor * usual * uneven, _LONGEST)))
    return max(by_usual, int(2 * ordered[RECENT - 2]), int(bounds[0]))


@kernel
def _limit(
    by_gaps: int, pauses: Ints, begins: Ints, now: int, born: int, bounds: Ints, factor: float
) -> int:
    """Limit of a series, longer where pauses are a habit; 0 while it is not to be judged."""
    count = _count(pauses)
    if by_gaps == 0 or now - born < bounds[2]:
        return 0
    if count < _HABIT:
        return by_gaps
    oldest, together = now, 0
    for k in range(len(pauses)):
        together += pauses[k]
        if pauses[k] > 0:
            oldest = min(oldest, begins[k])
    if together * _SHARE < now - oldest:
        return by_gaps
    middle = factor * _sorted(pauses)[len(pauses) - 1 - count // 2]
    return max(by_gaps, int(np.rint(middle)))
