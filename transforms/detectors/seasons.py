"""Seasons found in a series by itself: a thinned memory of its past, and how it resembles itself.

Each series keeps up to `SLOTS` means of consecutive slots of time. Where they are full, slots
become twice as wide, so the memory reaches back to the beginning; once it holds six of the longest
period, the older half goes instead. What flows in: blocks of samples of many series.
What flows out: periods at which the memory resembles itself, and the slots to learn a profile from.
Every series is independent of the others.

Reference: Box & Jenkins (1970), Time series analysis: the autocorrelation function.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel, warm_up
from padit.transforms.detectors.columns import Field

__all__ = ["CALENDAR", "SLOTS", "Found", "fields", "look", "remember"]

Array = NDArray[np.float64]
Data = dict[str, NDArray[Any]]

SLOTS = 384  # of the memory
CALENDAR = {3600: "hour", 28800: "shift of 8 hours", 86400: "day", 604800: "week"}  # seconds
_NEAR = 0.015  # of a calendar period: what is nearer is that period
_CYCLES = 2.4  # of a period that the memory must hold before it is believed
_LEAST = 0.35  # autocorrelation of a season
_BETTER = 0.08  # autocorrelation by which a longer period must be better than a shorter one
_SHORTEST = 4  # slots of a period
_EVERY = SLOTS // 8  # slots between two looks


class Found(NamedTuple):
    """A period, and the memory that shows it.

    Attributes:
        period: microseconds.
        width: of a slot, microseconds.
        time: int64 (m,), middle of each slot, microseconds since the series began.
        value: float64 (m,).
    """

    period: int
    width: int
    time: NDArray[np.int64]
    value: Array


def fields() -> dict[str, Field]:
    """State of a series."""
    return {
        "slot": Field((SLOTS,), "<f4", np.nan),
        "first": Field((), "<i8"),  # number of the first slot, since the series began
        "width": Field((), "<i8"),  # microseconds; 0: nothing is known yet
        "open": Field((), "<i8", -1),  # number of the slot that may still grow
        "sum": Field((), "<f8"),
        "size": Field((), "<f8"),
        "looked": Field((), "<i8"),  # slots at the last look
    }


def remember(r: Data, since: NDArray[np.int64], value: Array, longest: int) -> NDArray[np.bool_]:
    """Add samples (n, w) at `since` (n, w) microseconds; which series (n,) are worth a look."""
    begins = np.flatnonzero(r["width"] == 0)
    if begins.size:
        step = np.median(np.diff(since[begins], axis=1), axis=1).astype(np.int64)
        mean = since[begins, -1] // since.shape[1]  # where most times are equal
        r["width"][begins] = np.maximum(np.where(step > 0, step, mean), 1)
    _make_room(r, since.max(axis=1), longest)
    number = since // r["width"][:, None]
    width = number.shape[1]
    changes = np.ones(number.shape, bool)
    changes[:, 1:] = number[:, 1:] != number[:, :-1]
    group = np.cumsum(changes.ravel()) - 1  # runs of samples in one slot
    total = np.bincount(group, value.ravel())
    count = np.bincount(group).astype(np.float64)
    owner, column = np.nonzero(changes)
    slot = number[owner, column]
    goes_on = (column == 0) & (slot == r["open"][owner])
    total += np.where(goes_on, r["sum"][owner], 0.0)
    count += np.where(goes_on, r["size"][owner], 0.0)
    place = slot - r["first"][owner]
    known = (place >= 0) & (place < SLOTS)
    r["slot"][owner[known], place[known]] = (total / count)[known]
    last = group[width - 1 :: width]
    r["open"], r["sum"], r["size"] = slot[last], total[last], count[last]
    filled = r["open"] - r["first"] + 1
    due: NDArray[np.bool_] = (filled >= SLOTS // 4) & (filled - r["looked"] >= _EVERY)
    r["looked"] = np.where(due, filled, r["looked"])
    return due


def _make_room(r: Data, until: NDArray[np.int64], longest: int) -> None:
    """Widen the slots, or let the oldest go, until the newest sample has a place."""
    number = until // r["width"]
    far = number - r["first"] >= 8 * SLOTS  # a gap: samples before it show no season
    if far.any():
        r["first"][far] = number[far] - 32
        r["slot"][far], r["open"][far], r["looked"][far] = np.nan, -1, 0
    while (full := np.flatnonzero(until // r["width"] - r["first"] >= SLOTS)).size:
        wide = r["width"][full] * SLOTS >= 6 * longest
        slide, merge = full[wide], full[~wide]
        if slide.size:
            half = SLOTS // 2
            r["slot"][slide, :half] = r["slot"][slide, half:]
            r["slot"][slide, half:] = np.nan
            r["first"][slide] += half
            r["looked"][slide] = np.maximum(r["looked"][slide] - half, 0)
        if merge.size:
            _merge(r, merge)


def _merge(r: Data, rows: NDArray[np.int64]) -> None:
    """Slots of twice the width."""
    old = r["slot"][rows].astype(np.float64)
    odd = r["first"][rows] % 2 == 1  # the oldest slot has no partner
    old[odd, :-1] = old[odd, 1:]
    old[odd, -1] = np.nan
    r["first"][rows] += odd
    one, two = old[:, ::2], old[:, 1::2]
    mean = np.where(np.isnan(one), two, np.where(np.isnan(two), one, (one + two) / 2))
    r["slot"][rows] = np.nan
    r["slot"][rows[:, None], np.arange(SLOTS // 2)] = mean
    r["first"][rows] //= 2
    r["width"][rows] *= 2
    r["open"][rows] = np.where(r["open"][rows] >= 0, r["open"][rows] // 2, -1)
    at = r["open"][rows] - r["first"][rows]
    inside = (at >= 0) & (at < SLOTS)
    held = mean[np.arange(len(rows)), np.where(inside, np.minimum(at, SLOTS // 2 - 1), 0)]
    r["sum"][rows] = np.where(np.isnan(held), 0.0, held) * r["size"][rows]
    r["looked"][rows] //= 2


def look(slot: NDArray[Any], first: int, width: int, calendar: bool) -> list[Found]:
    """Periods at which the memory (SLOTS,) of one series resembles itself, at most two.

    Args:
        slot: the means, NaN where there was no sample.
        first: number of the first slot.
        width: of a slot, microseconds.
        calendar: whether a period near to an hour, a shift, a day or a week counts as exactly that.
    """
    known = np.flatnonzero(~np.isnan(slot))
    size = int(known[-1]) + 1 if known.size else 0
    if 2 * len(known) < max(size, _EVERY):
        return []
    value = slot[:size].astype(np.float64)
    time = (first + np.arange(size)) * width + width // 2
    periods = [round(lag * width) for lag in _lags(value, known)]
    if calendar:
        periods = [_snap(period) for period in periods]
    return [Found(period, width, time[known], value[known]) for period in periods]


def _snap(period: int) -> int:
    near = [c * 1_000_000 for c in CALENDAR if abs(period - c * 1e6) < _NEAR * c * 1e6]
    return near[0] if near else period


def _lags(value: Array, known: NDArray[np.int64]) -> list[float]:
    """The shortest lag that is nearly the best, and the shortest longer one that is better."""
    size = len(value)
    low, high = np.quantile(value[known], (0.02, 0.98))
    held = np.clip(value, low, high)
    away = known - known.mean()
    middle = held[known].mean()
    slope = (away * (held[known] - middle)).sum() / max((away * away).sum(), 1.0)
    off = held - middle - slope * (np.arange(size) - known.mean())
    off = np.where(np.isnan(off), 0.0, off)
    covariance = _covariance(off, int(size / _CYCLES) + 2)
    if covariance[0] <= 1e-12 * max(1.0, float(np.square(held[known]).sum())):
        return []
    alike = covariance / covariance[0] * size / (size - np.arange(len(covariance)))
    inner = alike[1:-1]
    peak = (inner > alike[:-2]) & (inner >= alike[2:]) & (inner >= _LEAST)
    lags = np.flatnonzero(peak) + 1
    through = np.flatnonzero(alike < _LEAST / 2)  # nearness alone resembles, too
    lags = lags[lags > through[0]] if through.size else lags[:0]
    lags = lags[lags >= _SHORTEST]
    if not lags.size:
        return []
    chosen = [int(lags[alike[lags] >= alike[lags].max() - _BETTER][0])]
    chosen += [int(k) for k in lags[(lags < chosen[0]) & (alike[lags] >= 0.5)][:1]]
    return [_refine(alike, lag) for lag in sorted(chosen)]


@kernel
def _covariance(off: Array, lags: int) -> Array:
    """(lags,): sum of the products of values (m,) that lie 0, 1, ... apart."""
    found = np.zeros(lags)
    for lag in range(lags):
        total = 0.0
        for i in range(len(off) - lag):
            total += off[i] * off[i + lag]
        found[lag] = total
    return found


def _refine(alike: Array, lag: int) -> float:
    """The lag between slots, from the highest of its multiples that still stands out."""
    best = float(lag)
    for times in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32):
        middle = round(best * times)
        reach = max(1, middle // 50) if times > 1 else 0
        around = np.arange(middle - reach, middle + reach + 1)
        if around[-1] + 1 >= len(alike):
            break
        at = int(around[alike[around].argmax()])
        a, b, c = alike[at - 1 : at + 2]
        if b < a or b < c or b < _LEAST:
            break
        bend = a - 2 * b + c
        best = (at + (0.5 * (a - c) / bend if bend < 0 else 0.0)) / times
    return best


@warm_up
def covariance() -> None:
    """Of a few values."""
    _covariance(np.ones(4), 2)
