"""One block of samples of many series, as residual sees it: distances, peaks, learning.

Everything here is a function of columns: `r` holds the state of n series by name, arrays are
(n, w) with w the samples of this step. Within a block what was learnt stands still, so that any cut
of a stream gives the same bits. Values are in units of the series' first block (`centre`, `unit`).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.transforms.detectors import peaks, profiles, seasons
from padit.transforms.detectors.columns import Field

__all__ = ["BLOCK", "FACTS", "FROZEN", "begin", "fields", "judge", "learn", "shift"]

Array = NDArray[np.float64]
Data = dict[str, NDArray[Any]]

BLOCK = 32  # samples between two updates of what was learnt
QUIET = 2  # blocks that a peak must beat, besides its own: 64 to 96 samples
BEAT = 1.3  # times the highest of the last samples makes a peak
NEAR = 1  # bins below a peak's size that still count as comparable
DECAY = 0.992  # of the count of peaks, a block: an e-fold in 4,000 samples
TOP = 1e6  # ratios end here
CLIP = 4.0  # mean deviations: one outlier is not the level
GUARD = 100.0  # one sample moves the usual distance as if it were at most so many times as far
MEMORY = 2048  # samples over which level and deviation adapt
GENERATION = 4096  # samples; the widest range is that of this and the last generation
SETTLE = 8192  # samples over which the usual distance is averaged
MATURE = 1024  # samples until a distance counts in full
EVEN = 0.1  # mean deviations from the level that a distance must be comparable with
MARGIN = 0.05  # of the distance from the level that a distance must be comparable with
HALF = 0.5  # mean deviations that a distance from the widest range is compared with
WIDE = 2.0  # mean deviations at a phase that a distance from its usual is compared with
FAR = 1e18  # units; squares stay finite, in single precision too
NEVER = -(2.0**63)
FACTS = (
    "novelty", "age", "kind", "usual_low", "usual_high", "spread", "side", "departure", "span",
    "period",
)  # fmt: skip


def fields() -> dict[str, Field]:
    """State of a series."""
    one = Field((), "<f8")
    own = {
        "age": Field((), "<i8"), "begin": Field((), "<i8"),
        "centre": one, "unit": one,
        "recent": Field((2 * BLOCK,), "<f8"),  # the last block and this one, as they came
        "when": Field((BLOCK,), "<i8"),
        "level": one, "base": one,  # and mean deviation from it
        "usual": one,  # distance from the season, root mean square
        "ripple": one,  # departure from the mean of 32, root mean square
        "least": Field((2, 2), "<f8", np.inf),  # of value and departure, by generation
        "most": Field((2, 2), "<f8", -np.inf),
        "since": Field((2,), "<i8", NEVER),
        "peak": Field((QUIET + 1,), "<f8"), "count": Field((peaks.BINS,), "<f4"),
    }  # fmt: skip
    return own | profiles.fields() | seasons.fields()


# What changes within a block; all else stays as it is.
MOVING = {"age", "begin", "recent", "when", "least", "most", "since", "peak"}
FROZEN = frozenset(fields()) - MOVING


def begin(r: Data, time: NDArray[np.int64]) -> None:
    """Series that begin do so at `time` (n,)."""
    young = r["age"] == 0
    r["begin"] = np.where(young, time, r["begin"])
    r["since"][:, 0] = np.where(young, time, r["since"][:, 0])


def shift(
    r: Data, value: Array, time: NDArray[np.int64], take: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Keep the samples of the block so far; where each of (n, w) stands in `recent`."""
    ahead = np.arange(value.shape[1])
    at = r["age"][:, None] % BLOCK + ahead
    row, column = np.nonzero(ahead < take[:, None])
    r["recent"][row, BLOCK + at[row, column]] = value[row, column]
    r["when"][row, at[row, column]] = time[row, column]
    r["age"] = r["age"] + take
    return np.minimum(BLOCK + at, 2 * BLOCK - 1)


def judge(
    r: Data, at: NDArray[np.int64], time: NDArray[np.int64], valid: NDArray[np.bool_], gain: float
) -> dict[str, Array]:
    """Facts about samples (n, w) that `shift` has kept at places `at`."""
    ready = (r["unit"] > 0)[:, None]
    age = r["age"][:, None] - valid.sum(axis=1)[:, None] + np.arange(valid.shape[1])
    whole = _scaled(r, r["recent"])
    row = np.arange(len(at))[:, None]
    z, departure = whole[row, at], _departures(whole)[row, at - BLOCK]
    season = profiles.usual(r, time - r["begin"][:, None], gain)
    seen = valid & ready
    low, high = _range(r, 0, z, seen)
    lowest, highest = _range(r, 1, departure, seen & (age >= 3 * BLOCK))
    base, out = r["base"][:, None], np.abs(z - r["level"][:, None])
    least = 1e-9 * np.abs(z) + 1e-12
    parts = r["usual"][:, None], WIDE * season.spread, EVEN * base, MARGIN * out
    usual, wide, even, margin = (one * one for one in parts)
    unit = np.sqrt(usual + wide + even + margin)
    ratio = np.stack([
        np.where(season.known, _outside(z, season.low, season.high) / np.maximum(unit, least), 0.0),
        np.where(season.known, 0.0, _outside(z, low, high))
        / np.maximum(HALF * base + MARGIN * out, least),
        _outside(departure, lowest, highest) / np.maximum(r["ripple"][:, None], least),
    ])  # fmt: skip
    ratio = np.where(seen, np.minimum(ratio, TOP), 0.0)
    oldest = np.where(r["since"][:, 1] == NEVER, r["since"][:, 0], r["since"][:, 1])
    scale, middle = r["unit"][:, None], r["centre"][:, None]
    low, high = np.where(np.isfinite(low), low, z), np.where(np.isfinite(high), high, z)
    return {
        "novelty": _peak(r, ratio.max(axis=0) * (np.minimum(age, MATURE) / MATURE)),
        "age": age.astype(np.float64),
        "kind": ratio.argmax(axis=0).astype(np.float64),
        "usual_low": np.where(season.known, season.low, low) * scale + middle,
        "usual_high": np.where(season.known, season.high, high) * scale + middle,
        "spread": np.where(season.known, season.spread, 0.0) * scale,
        "side": (z > high).astype(np.float64) - (z < low),
        "departure": departure * scale,
        "span": (time - oldest[:, None]).astype(np.float64),
        "period": np.where(season.known, r["period"][row, season.season], 0).astype(np.float64),
    }


def learn(r: Data, gain: float, longest: int, calendar: bool) -> Data:
    """Take in the block that ended, of n series that all ended one."""
    fresh = np.flatnonzero(r["unit"] == 0)
    if fresh.size:
        _begin(r, fresh)
    whole = _scaled(r, r["recent"])
    z, since = whole[:, BLOCK:], r["when"] - r["begin"][:, None]
    _follow(r, z, _departures(whole), since, gain)
    some = np.flatnonzero((r["period"] > 0).any(axis=1))
    if some.size:
        part = {name: r[name][some] for name in profiles.fields()}
        profiles.fold(part, z[some], since[some], r["base"][some])
        for name, column in part.items():
            r[name][some] = column
    due = seasons.remember(r, since, z, longest)
    for i in np.flatnonzero(due).tolist():
        step = max(float(np.median(np.diff(since[i]))), 1.0)
        for found in seasons.look(r["slot"][i], int(r["first"][i]), int(r["width"][i]), calendar):
            profiles.adopt(r, i, found, step, gain)
    _turn(r)
    now = r["peak"][:, -1]
    is_peak = (now > r["peak"][:, :-1].max(axis=1)) & (now > 0)
    r["count"] = peaks.remember(r["count"], now, is_peak, DECAY)
    r["peak"] = np.concatenate([r["peak"][:, 1:], np.zeros((len(now), 1))], axis=1)
    r["recent"] = np.concatenate([r["recent"][:, BLOCK:], np.zeros_like(z)], axis=1)
    return r


def _scaled(r: Data, value: Array) -> Array:
    """Values (n, w) in units of the first block."""
    unit = np.where(r["unit"] > 0, r["unit"], 1.0)[:, None]
    with np.errstate(over="ignore"):
        off = (value - r["centre"][:, None]) / unit
    return np.asarray(np.minimum(np.maximum(off, -FAR), FAR))


def _departures(whole: Array) -> Array:
    """(n, 32): how far the samples of this block are from the mean of 32, from (n, 64).

    Spans double, so each sum is a fixed tree of the same samples in every cut.
    """
    total = whole
    for half in (1, 2, 4, 8, 16):
        total = total[:, half:] + total[:, :-half]
    found: Array = whole[:, BLOCK:] - total[:, 1:] / BLOCK
    return found


def _outside(value: Array, low: Array, high: Array) -> Array:
    """How far values are outside of ranges; 0 where there is none yet."""
    far = np.maximum(np.maximum(value - high, low - value), 0.0)
    found: Array = np.where(np.isfinite(far), far, 0.0)
    return found


def _range(r: Data, what: int, value: Array, seen: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Lowest and highest of all before each sample (n, w); takes the samples in."""
    before = r["least"][:, what].min(axis=1), r["most"][:, what].max(axis=1)
    low, high = np.where(seen, value, np.inf), np.where(seen, value, -np.inf)
    least = np.minimum.accumulate(np.concatenate([before[0][:, None], low], axis=1), axis=1)
    most = np.maximum.accumulate(np.concatenate([before[1][:, None], high], axis=1), axis=1)
    r["least"][:, what, 0] = np.minimum(r["least"][:, what, 0], low.min(axis=1))
    r["most"][:, what, 0] = np.maximum(r["most"][:, what, 0], high.max(axis=1))
    return least[:, :-1], most[:, :-1]


def _peak(r: Data, ratio: Array) -> Array:
    """Ratios where they stand above all of the last 64 to 96 samples, discounted by their like."""
    before = np.concatenate([r["peak"].max(axis=1)[:, None], ratio], axis=1)
    highest = np.maximum.accumulate(before, axis=1)[:, :-1]
    news = np.where(ratio > BEAT * highest, ratio, 0.0)
    r["peak"][:, -1] = np.maximum(r["peak"][:, -1], ratio.max(axis=1))
    found: Array = news / (1.0 + peaks.comparable(r["count"], news, NEAR))
    return found


def _begin(r: Data, rows: NDArray[np.int64]) -> None:
    """Units and range of series, from their first block."""
    first = r["recent"][rows, BLOCK:]
    centre = np.median(first, axis=1)
    off = np.abs(first - centre[:, None])
    unit = np.median(off, axis=1)
    unit = np.where(unit > 0, unit, off.mean(axis=1))
    r["centre"][rows] = centre
    r["unit"][rows] = np.maximum(unit, 1e-9 * np.abs(centre) + 1e-150)
    z = _scaled({name: r[name][rows] for name in ("centre", "unit")}, first)
    r["least"][rows, 0, 0], r["most"][rows, 0, 0] = z.min(axis=1), z.max(axis=1)
    r["recent"][rows, :BLOCK] = centre[:, None]


def _follow(r: Data, z: Array, departure: Array, since: NDArray[np.int64], gain: float) -> None:
    """Let the level, its mean deviation and the usual distances follow a block (n, 32)."""
    part = BLOCK / np.minimum(r["age"], MEMORY)
    settled = (r["age"] > BLOCK) & (r["base"] > 0)
    limit = np.where(settled, CLIP * r["base"], np.inf)[:, None]
    off = np.minimum(np.maximum(z - r["level"][:, None], -limit), limit)
    season = profiles.usual(r, since, gain)
    distance = np.where(season.known, _outside(z, season.low, season.high), 0.0)
    r["usual"] = _spread(r["usual"], distance, season.known.sum(axis=1), GUARD, r["age"], SETTLE)
    count = np.where(r["age"] > BLOCK, BLOCK, 0)
    r["ripple"] = _spread(r["ripple"], np.abs(departure), count, CLIP, r["age"], MEMORY)
    r["level"] = r["level"] + part * off.mean(axis=1)
    r["base"] = r["base"] + part * (np.abs(off).mean(axis=1) - r["base"])


def _spread(
    old: Array, size: Array, count: NDArray[np.int64], hold: float, age: Array, settle: int
) -> Array:
    """Root mean square (n,) after `count` of sizes (n, w), each at most `hold` times the old."""
    held = np.minimum(size, np.where(old > 0, hold * old, np.inf)[:, None])
    mean = (held * held).sum(axis=1) / np.maximum(count, 1)
    part = np.where(old > 0, count / np.minimum(np.maximum(age, BLOCK), settle), count > 0)
    return np.asarray(np.sqrt((1 - part) * old * old + part * mean))


def _turn(r: Data) -> None:
    """Where a generation ends, the range of the one before the last is forgotten."""
    turn = r["age"] % GENERATION == 0
    for name, start in (("least", np.inf), ("most", -np.inf)):
        old = r[name][:, :, 0]
        r[name][turn] = np.stack([np.full_like(old, start), old], axis=2)[turn]
    r["since"][turn] = np.stack([r["when"][:, -1], r["since"][:, 0]], axis=1)[turn]
