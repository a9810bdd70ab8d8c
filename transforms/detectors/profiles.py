"""Profiles of seasons: what is usual at each phase of a period, and whether the period holds.

A period has at most `PHASES` phases. A phase keeps the location and mean deviation of its visits,
forgotten over `CYCLES` of them; a block of samples counts as the share of a visit that it is, each
sample limited to 4 mean deviations. A period holds while its mean error is below `gain` times that
of the profile's own mean: so a random walk, which is near to itself at any lag, has none.

What flows in: samples (n, w) of n series at microseconds since each began. What flows out: usual
values. `r` holds the state by name; every series is independent of the others.

Reference: the seasonal naive and mean-profile methods in Hyndman & Athanasopoulos (2021),
Forecasting: principles and practice, 5.2.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.transforms.detectors.columns import Field
from padit.transforms.detectors.seasons import Found

__all__ = ["SEASONS", "Usual", "adopt", "fields", "fold", "trust", "usual"]

Array = NDArray[np.float64]
Data = dict[str, NDArray[Any]]

SEASONS = 3  # periods a series can have at once
PHASES = 64  # of a period, at most
CYCLES = 7.0  # over which a profile forgets
KNOWN = 1.8  # visits of a phase until it is judged by
MEMORY = 2048  # samples over which errors adapt
CLIP = 4.0  # mean deviations: one outlier is not a habit
SAME = 0.03  # of a period: nearer ones are the same
COARSE = 16  # phases; of fewer, those beside are another time
_SEASON = np.arange(SEASONS)[:, None]
_BESIDE = np.array([-1, 0, 1])
BETTER = 0.8  # of the error of the best season that another must stay below
_WHOLE = 0.003  # of a period that it may be off
FINER = 0.002  # of a period: what is nearer needs no second look


class Usual(NamedTuple):
    """What is usual for samples (n, w): the lowest and highest location of three phases.

    Attributes:
        low, high, spread: (n, w); only where `known`.
        season: int64 (n, w), the season it comes from.
        known: bool (n, w), a season has proven itself and knows this phase.
    """

    low: Array
    high: Array
    spread: Array
    season: NDArray[np.int64]
    known: NDArray[np.bool_]


def fields() -> dict[str, Field]:
    """State of a series."""
    each, profile = Field((SEASONS,), "<f8"), Field((SEASONS, PHASES), "<f4")
    return {
        "period": Field((SEASONS,), "<i8"),  # microseconds; 0: none
        "phases": Field((SEASONS,), "<i8", 1.0),
        "share": each,  # of a visit that a sample is
        "error": each,
        "rival": each,
        "trials": each,
        "middle": each,
        "location": profile,
        "spread": profile,
        "visits": profile,
    }


def trust(r: Data, gain: float) -> tuple[NDArray[np.bool_], Array]:
    """(n, seasons): which have proven themselves, and their error as a share of none."""
    share = np.where(r["rival"] > 0, r["error"] / np.maximum(r["rival"], 1e-30), 1.0)
    proven: NDArray[np.bool_] = (r["period"] > 0) & (share < gain)
    return proven, share


def usual(r: Data, since: NDArray[np.int64], gain: float) -> Usual:
    """What is usual for a sample, by the season with the smallest error that knows its phase."""
    n, width = since.shape
    nothing = np.zeros((n, width))
    if not (r["period"] > 0).any():
        return Usual(nothing, nothing, nothing, nothing.astype(np.int64), nothing > 0)
    proven, share = trust(r, gain)
    place = _places(r, since)
    holds = (_at(r, "visits", place) >= KNOWN) & proven[:, :, None]
    order = np.where(holds, share[:, :, None], np.inf)
    best = order.argmin(axis=1)
    row, column = np.arange(n)[:, None], np.arange(width)
    known = holds[row, best, column]
    here, phases = place[row, best, column], r["phases"][row, best]
    # In fine phases, what comes one earlier or later than usual is no news.
    beside = np.where(phases >= COARSE, 1, 0)[:, :, None] * _BESIDE
    near = (here[:, :, None] + beside) % phases[:, :, None]
    at = row[:, :, None], best[:, :, None], near
    seen = r["visits"][at] >= KNOWN
    location = r["location"][at]
    low = np.where(seen, location, np.inf).min(axis=2)
    high = np.where(seen, location, -np.inf).max(axis=2)
    spread = np.where(seen, r["spread"][at], 0.0).max(axis=2)
    return Usual(np.where(known, low, 0.0), np.where(known, high, 0.0), spread, best, known)


def fold(r: Data, z: Array, since: NDArray[np.int64], base: Array) -> None:
    """Judge the seasons by samples (n, w), then let their profiles learn them.

    Args:
        r: state, changed.
        z: the samples.
        since: their times.
        base: (n,), mean deviation from the level; 0: not known.
    """
    place = _places(r, since)
    known = (_at(r, "visits", place) >= KNOWN) & (r["period"] > 0)[:, :, None]
    off = z[:, None] - _at(r, "location", place)
    limit = np.where(base > 0, CLIP * base, np.inf)[:, None, None]
    count = known.sum(axis=2)
    r["trials"] = np.minimum(r["trials"] + count, MEMORY)
    part = 1 / np.maximum(r["trials"], 1)
    away = z[:, None] - r["middle"][:, :, None]
    for name, missed in (("error", off), ("rival", away)):
        total = np.where(known, np.minimum(np.abs(missed), limit), 0.0).sum(axis=2)
        r[name] = r[name] + part * (total - count * r[name])
    bound = np.maximum(_at(r, "spread", place), r["error"][:, :, None])
    bound = np.where(known, CLIP * bound, np.inf)
    _learn(r, place, np.minimum(np.maximum(off, -bound), bound))


def _learn(r: Data, place: NDArray[np.int64], off: Array) -> None:
    """Move locations and spreads by how far samples (n, seasons, w) are off."""
    n = len(place)
    flat = (np.arange(n * SEASONS)[:, None] * PHASES + place.reshape(n * SEASONS, -1)).ravel()
    shape, size = (n, SEASONS, PHASES), n * SEASONS * PHASES
    number = np.bincount(flat, minlength=size).reshape(shape)
    moved = np.bincount(flat, off.ravel(), minlength=size).reshape(shape)
    missed = np.bincount(flat, np.abs(off).ravel(), minlength=size).reshape(shape)
    weight = number * r["share"][:, :, None]
    old = r["visits"].astype(np.float64)
    part = np.where(weight > 0, weight / np.maximum(old + weight, 1e-30), 0.0)
    each = np.maximum(number, 1)
    r["location"] = (r["location"] + part * (moved / each)).astype(np.float32)
    error = np.broadcast_to(r["error"][:, :, None], shape)
    spread = np.where(old >= 1, r["spread"] + part * (missed / each - r["spread"]), error)
    r["spread"] = np.where(weight > 0, spread, r["spread"]).astype(np.float32)
    r["visits"] = np.minimum(old + weight, CYCLES).astype(np.float32)
    seen = r["visits"] > 0
    total = np.where(seen, r["location"], 0).astype(np.float64).sum(axis=2)
    r["middle"] = total / np.maximum(seen.sum(axis=2), 1)


def adopt(r: Data, i: int, found: Found, step: float, gain: float) -> None:
    """Take up a period of series i, for a worse estimate of itself or the least proven one.

    Args:
        r: state of all series, changed.
        i: the series.
        found: the period and the memory that shows it, from which the profile starts.
        step: between two samples, microseconds.
        gain: see `trust`.
    """
    found = found._replace(period=_whole(found.period, step))
    period = r["period"][i]
    proven, share = trust({name: r[name][i : i + 1] for name in ("period", "error", "rival")}, gain)
    same = np.abs(period - found.period) < SAME * found.period
    k = int(same.argmax() if same.any() else np.where(period > 0, share[0], np.inf).argmax())
    near = abs(int(period[k]) - found.period) < FINER * found.period
    if near or (proven[0, k] and not same[k]):
        return
    slot = float(found.width)
    phases = int(min(PHASES, max(2, round(found.period / max(step, slot)))))
    place = found.time % found.period * phases // found.period
    number = np.bincount(place, minlength=PHASES)
    mean = np.bincount(place, found.value, minlength=PHASES) / np.maximum(number, 1)
    off = np.abs(found.value - mean[place])
    cycles = (found.time[-1] - found.time[0]) / found.period
    middle = float(mean[number > 0].mean())
    error = float(off.mean()) * cycles / (cycles - 1)  # in-sample; each mean is of few cycles
    rival = float(np.abs(found.value - middle).mean())
    # A multiple of a season resembles as much; it is one of its own if it explains more.
    needed = share[0, k] if same[k] else BETTER * np.where(proven, share, 1.0).min()
    if error >= rival * needed:
        return
    visits = number * min(1.0, slot * phases / found.period)
    r["period"][i, k], r["phases"][i, k] = found.period, phases
    r["share"][i, k] = min(1.0, step * phases / found.period)
    r["location"][i, k] = mean
    r["spread"][i, k] = np.bincount(place, off, minlength=PHASES) / np.maximum(number, 1)
    r["visits"][i, k] = np.minimum(visits, CYCLES)
    r["middle"][i, k], r["error"][i, k], r["rival"][i, k] = middle, error, rival
    r["trials"][i, k] = min(len(found.time), MEMORY)


def _whole(period: int, step: float) -> int:
    """A period that is nearly a whole number of samples is one: else phases would slip."""
    whole = round(period / step) * step
    near = abs(period - whole) < min(_WHOLE * period, step / 2)
    return round(whole) if near else period


def _places(r: Data, since: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n, seasons, w): the phase of each sample in each period."""
    period = np.maximum(r["period"], 1)[:, :, None]
    place: NDArray[np.int64] = since[:, None] % period * r["phases"][:, :, None] // period
    return place


def _at(r: Data, name: str, place: NDArray[np.int64]) -> Array:
    """A profile's entries (n, seasons, w) at these phases."""
    row = np.arange(len(place))[:, None, None]
    found: Array = r[name][row, _SEASON, place].astype(np.float64)
    return found
