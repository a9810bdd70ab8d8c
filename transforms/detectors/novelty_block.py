"""One block of samples of many series, as novelty sees it: statistics, distances, peaks, learning.

Everything here is a function of columns: `r` holds the state of n series by name, arrays are
(n, channels or memories, w) with w the samples of this step. Within a block what was learnt stands
still, so that any cut of a stream gives the same bits.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.transforms.detectors import innovation, intervals, peaks, spread
from padit.transforms.detectors.columns import Field

__all__ = [
    "BLOCK", "FROZEN", "GROSS", "MATURE", "MEMORIES", "NEVER", "RECENT", "YOUNG",
    "fields", "judge", "learn", "shift",
]  # fmt: skip

Array = NDArray[np.float64]
Data = dict[str, NDArray[Any]]

BLOCK = 32  # samples between two updates of the memory
LAG = 2 * BLOCK  # samples that are not yet in the memory, at most
RECENT = 64  # samples kept as they are
QUIET = 2  # blocks that a peak must beat, besides its own: 64 to 96 samples
TOP = 1e6  # ratios end here
GUARD = 100.0  # one sample moves the usual distance as if it were at most so many times as far
MATURE = 1024  # samples until a distance counts in full
YOUNG = 8  # samples before the first gross outlier can be reported
GROSS = 8.0  # ranges of all before, outside of it, that deserve a warning while a series is young
EVEN = 0.1  # standard deviations that a distance must be comparable with
MARGIN = 0.05  # of the departure from the mean that a distance must be comparable with
UNSURE = 0.2  # as much more in a young series with heavy tails
SETTLED = 2048  # samples until such a series is no longer young
LIGHT, HEAVY = 4.0, 6.0  # standard deviations that the farthest of all before lies from the mean
BEAT = 1.3  # times the highest of the last samples makes a peak
SETTLE = 8192  # samples over which the usual distance is averaged
DECAY = 0.992  # of the count of peaks, a block: an e-fold in 4,000 samples
NEAR_SIZE = 2  # bins below a channel's size that still count as comparable
NEAR_PEAK = 4  # the same for peaks of the whole
MEMORIES = (
    "value",
    "variation of 8 samples",
    "departure from the mean of 32 samples",
    "departure from what the 8 samples before imply",
)
FIRST = np.array([0, 7, 31, RECENT + BLOCK])  # samples before each of them is known
CHANNELS = (0, 0, 1, 2, 3)  # the memory each looks at; the second knows the samples since, too
_MEMORY_OF = np.array(CHANNELS)
WEIGHT = np.array([1.0, 1.0, 1.0, 1.0, 0.5])
# Within a block they stay as they are.
FROZEN = {"low", "high", "usual", "count", "mean", "spread", "weights", "normal", "since"}
NEVER = -(2.0**63)


def fields(size: int) -> dict[str, Field]:
    """State of a series; `size` intervals a memory."""
    memory, channels = len(MEMORIES), len(CHANNELS)
    return {
        "age": Field((), "<i8"),
        "centre": Field((), "<f8"),
        "recent": Field((RECENT,), "<f8"),
        "lagging": Field((memory, LAG), "<f8", np.inf),
        "low": Field((memory, 2, size), "<f8", np.inf),
        "high": Field((memory, 2, size), "<f8", np.inf),
        "least": Field((2,), "<f8", np.inf),
        "most": Field((2,), "<f8", -np.inf),
        "since": Field((2,), "<i8", NEVER),
        "mean": Field((memory,), "<f8"),
        "spread": Field((memory,), "<f8"),
        "normal": Field((innovation.ORDER, innovation.ORDER + 1), "<f8"),
        "weights": Field((innovation.ORDER,), "<f8"),
        "usual": Field((channels,), "<f8"),
        "squares": Field((channels,), "<f8"),
        "peak": Field((channels + 1, QUIET + 1), "<f8"),
        "count": Field((channels + 1, peaks.BINS), "<f4"),
    }


def judge(
    r: Data, new: Array, valid: NDArray[np.bool_], age: NDArray[np.int64]
) -> tuple[dict[str, Array], Array, Array]:
    """Facts about samples (n, w), and the last samples and statistics with them."""
    recent = np.concatenate([r["recent"], new], axis=1)
    statistics = _statistics(r, recent, age)
    distance = _distances(r, recent, statistics)
    gross, side, least, most = _extremes(r, new, valid, age)
    grown = np.minimum(age, MATURE) / MATURE
    young = 1.0 - np.minimum(age, SETTLED) / SETTLED
    margin = MARGIN + UNSURE * young * _heaviness(r, least, most)
    ratio = _ratios(r, distance, statistics, valid, margin)
    novelty, channel = _novelty(r, ratio, valid)
    novelty = novelty * grown
    channel = np.where(side != 0, 0, channel)  # a record is what a person understands first
    memory = _MEMORY_OF[channel]
    row, column = np.arange(len(new))[:, None], np.arange(new.shape[1])
    middle, reach = r["mean"][row, memory], 2 * r["spread"][row, memory]
    ranged = (memory == 0) & (age < MATURE)
    floor = np.where(memory == 1, 0.0, -np.inf)  # a deviation is not negative
    found = {
        "novelty": novelty,
        "gross": gross,
        "age": age.astype(np.float64),
        "memory": memory.astype(np.float64),
        "measured": statistics[row, memory, column],
        "distance": distance[row, channel, column],
        "usual_low": np.where(ranged, least, np.maximum(middle - reach, floor)),
        "usual_high": np.where(ranged, most, middle + reach),
        "side": side,
    }
    return found, recent, statistics


def _statistics(r: Data, recent: Array, age: NDArray[np.int64]) -> Array:
    """(n, memories, w): what each memory is of; +inf where too young.

    Spans double (8 = 4 + 4), so each sum is a fixed tree of the same samples in every cut.
    """
    width = age.shape[1]
    centred = recent - r["centre"][:, None]
    total, square = centred, centred * centred
    found = np.empty((len(recent), len(MEMORIES), width))
    found[:, 0] = recent[:, RECENT:]
    for half in (1, 2, 4, 8, 16):
        total = total[:, half:] + total[:, :-half]
        square = square[:, half:] + square[:, :-half]
        if half == 4:
            mean = total[:, -width:] / 8
            variance = np.maximum(square[:, -width:] / 8 - mean * mean, 0.0)
            found[:, 1] = np.where(age >= FIRST[1], np.sqrt(variance), np.inf)
    departure = centred[:, RECENT:] - total[:, -width:] / 32
    found[:, 2] = np.where(age >= FIRST[2], departure, np.inf)
    missed = innovation.innovations(recent, r["weights"], r["mean"][:, 0], width)
    found[:, 3] = np.where(age >= FIRST[3], missed, np.inf)
    return found


def _distances(r: Data, recent: Array, lagging: Array) -> Array:
    """(n, channels, w): distance to what is known; 0 where nothing is."""
    n, memory, width = lagging.shape
    known = np.isfinite(lagging)
    value = np.where(known, lagging, 0.0).reshape(n * memory, width)
    far = _farness(r, 0, value)
    if (r["since"][:, 1] != NEVER).any():
        far = np.minimum(far, _farness(r, 1, value))
    far = far.reshape(n, memory, width)
    far = np.where(known & np.isfinite(far), far, 0.0)
    step = recent.strides[1]
    earlier: Array = np.ndarray(  # the LAG samples before each; sliding_window_view takes 70 us
        (n, width, LAG), np.float64, recent, (RECENT - LAG) * step, (recent.strides[0], step, step)
    )
    since = np.abs(earlier - recent[:, RECENT:, None]).min(axis=2)
    near = np.minimum(far[:, 0], since)
    return np.concatenate([far[:, :1], near[:, None], far[:, 1:]], axis=1)


def _farness(r: Data, generation: int, value: Array) -> Array:
    """Distance of values (n * memories, w) to one generation of each memory; inf from none."""
    low, high = (
        np.ascontiguousarray(r[end][:, :, generation]).reshape(len(value), -1)
        for end in ("low", "high")
    )
    return intervals.distance(low, high, value)


def _ratios(
    r: Data, distance: Array, statistics: Array, valid: NDArray[np.bool_], margin: Array
) -> Array:
    """Distances in units of the usual one, whose squares are added up in order.

    A distance is compared with the spread of what it is of, and with how far out the value is: a
    record that is broken by little is not news, whatever the usual distance. How much is little:
    `margin` (n, w), of how far out the value is.
    """
    usual = r["usual"][:, :, None]
    known = usual > 0
    limit = np.where(known, GUARD * usual, np.inf)
    counted = np.where(valid[:, None], np.minimum(distance, limit), 0.0)
    terms = np.concatenate([r["squares"][:, :, None], counted * counted], axis=2)
    r["squares"] = terms.cumsum(axis=2)[:, :, -1]  # one after the other, unlike sum
    deviation = r["spread"][:, _MEMORY_OF, None]
    out = np.abs(statistics - r["mean"][:, :, None])[:, _MEMORY_OF]
    out = np.where((deviation > 0) & np.isfinite(out), out, 0.0)
    even, wide = EVEN * deviation, margin[:, None] * out
    unit = np.sqrt(usual * usual + even * even + wide * wide)
    ratio: Array = np.minimum(distance / np.where(known, unit, np.inf), TOP)
    return np.where(valid[:, None], ratio, 0.0)


def _heaviness(r: Data, least: Array, most: Array) -> Array:
    """(n, w): 0 where all before reached as far as Gaussian samples do, 1 where the tail is heavy.

    In a heavy tail a record beats the last by a share of itself, whatever the usual distance.
    """
    middle, spread = r["mean"][:, :1], r["spread"][:, :1]
    reach = np.maximum(np.maximum(most - middle, middle - least), 0.0)
    reach = np.minimum(reach, HEAVY * spread)
    far = reach / np.where(spread > 0, spread, np.inf)
    heavy: Array = np.maximum(far - LIGHT, 0.0) / (HEAVY - LIGHT)
    return heavy


def _novelty(r: Data, ratio: Array, valid: NDArray[np.bool_]) -> tuple[Array, NDArray[np.int64]]:
    """(n, w): novelty where it is a peak, else 0; and the channel that adds most."""
    channels = ratio.shape[1]
    often = peaks.comparable(r["count"][:, :channels], ratio, NEAR_SIZE)
    root = np.sqrt(ratio / (1.0 + often))
    total = WEIGHT[0] * root[:, 0]
    for c in range(1, channels):
        total = total + WEIGHT[c] * root[:, c]
    share = total / WEIGHT.sum()
    whole = np.where(valid, share * share, 0.0)
    before = r["peak"][:, channels].max(axis=1)
    highest = np.maximum.accumulate(np.concatenate([before[:, None], whole], axis=1), axis=1)
    peak = np.where(whole > BEAT * highest[:, :-1], whole, 0.0)
    r["peak"][:, :channels, -1] = np.maximum(r["peak"][:, :channels, -1], ratio.max(axis=2))
    r["peak"][:, channels, -1] = np.maximum(r["peak"][:, channels, -1], whole.max(axis=1))
    again = peaks.comparable(r["count"][:, channels], peak, NEAR_PEAK)
    channel: NDArray[np.int64] = root.argmax(axis=1)
    return peak / (1.0 + again), channel


def _extremes(
    r: Data, new: Array, valid: NDArray[np.bool_], age: NDArray[np.int64]
) -> tuple[Array, Array, Array, Array]:
    """(n, w) each: ranges outside of all before while young; 1 highest, -1 lowest; the range."""
    low = np.concatenate([r["least"].min(axis=1)[:, None], np.where(valid, new, np.inf)], axis=1)
    high = np.concatenate([r["most"].max(axis=1)[:, None], np.where(valid, new, -np.inf)], axis=1)
    r["least"][:, 0] = np.minimum(r["least"][:, 0], low[:, 1:].min(axis=1))
    r["most"][:, 0] = np.maximum(r["most"][:, 0], high[:, 1:].max(axis=1))
    least, most = (
        np.minimum.accumulate(low, axis=1)[:, :-1],
        np.maximum.accumulate(high, axis=1)[:, :-1],
    )
    side = (new > most).astype(np.float64) - (new < least)
    whole = np.where(age > 0, most - least, 0.0)
    far = np.maximum(np.maximum(new - most, least - new), 0.0)
    judged = valid & (age >= YOUNG) & (age < MATURE) & (whole > 0)
    gross = np.where(judged, far / np.where(judged, whole, 1.0), 0.0)
    return np.minimum(gross, TOP), side, least, most


def learn(r: Data, horizon: int, time: NDArray[np.int64]) -> Data:
    """Take in the block that ended, of series that all ended one at `time` (n,)."""
    n, memory, _, size = r["low"].shape
    (turn,) = (r["age"] % horizon == 0).nonzero()
    if turn.size:
        _next_generation(r, turn, time)
    low, high = (r[end][:, :, 0].reshape(n * memory, size) for end in ("low", "high"))
    seen = r["lagging"][:, :, :BLOCK].reshape(n * memory, BLOCK)
    low, high = intervals.add(low, high, seen)
    r["low"][:, :, 0] = low.reshape(n, memory, size)
    r["high"][:, :, 0] = high.reshape(n, memory, size)
    _learn_shape(r)
    r["centre"] = r["recent"][:, -1]
    part = (BLOCK / np.minimum(np.maximum(r["age"] - LAG, BLOCK), SETTLE))[:, None]
    mean = (1 - part) * (r["usual"] * r["usual"]) + part * (r["squares"] / BLOCK)
    r["usual"] = np.sqrt(mean)
    r["squares"] = np.zeros_like(r["squares"])
    now = r["peak"][:, :, -1]
    is_peak = (now > r["peak"][:, :, :-1].max(axis=2)) & (now > 0)
    r["count"] = peaks.remember(r["count"], now, is_peak, DECAY)
    r["peak"] = np.concatenate([r["peak"][:, :, 1:], np.zeros((*now.shape, 1))], axis=2)
    return r


def _next_generation(r: Data, turn: NDArray[np.int64], time: NDArray[np.int64]) -> None:
    """Begin new memories for the series `turn`; those of before become the older ones."""
    for end in ("low", "high"):
        r[end][turn, :, 1] = r[end][turn, :, 0]
        r[end][turn, :, 0] = np.inf
    for end, start in (("least", np.inf), ("most", -np.inf), ("since", time[turn])):
        r[end][turn, 1] = r[end][turn, 0]
        r[end][turn, 0] = start


def _learn_shape(r: Data) -> None:
    """Prediction, means and deviations, each with the means and deviations of before."""
    latest = r["lagging"][:, :, LAG - BLOCK :]
    grown = r["age"] >= FIRST[3]
    if grown.any():
        old = slice(None) if grown.all() else grown  # a slice copies nothing
        r["normal"][old], r["weights"][old] = innovation.learn(
            r["normal"][old],
            _missed(r, latest[:, 3])[old],
            r["recent"][old, RECENT - BLOCK - innovation.ORDER :],
            r["mean"][old, 0],
            r["spread"][old, 0],
            r["spread"][old, 3],
        )
    memory = len(MEMORIES)
    known = np.maximum(r["age"][:, None] - FIRST, 0).ravel()
    mean, deviation = spread.update(
        r["mean"].ravel(), r["spread"].ravel(), latest.reshape(len(known), BLOCK), known, SETTLE
    )
    r["mean"], r["spread"] = mean.reshape(-1, memory), deviation.reshape(-1, memory)


def _missed(r: Data, known: Array) -> Array:
    """Innovations (n, BLOCK) of the block that ended; `known` already, except for the first one."""
    if np.isfinite(known).all():
        return known
    found = innovation.innovations(r["recent"], r["weights"], r["mean"][:, 0], BLOCK)
    return np.where(np.isfinite(known), known, found)


def shift(r: Data, recent: Array, lagging: Array, take: NDArray[np.int64]) -> None:
    """Keep the last samples and statistics; every series has moved on by its own number."""
    row = np.arange(len(take))[:, None]
    r["recent"] = recent[row, take[:, None] + np.arange(RECENT)]
    both = np.concatenate([r["lagging"], lagging], axis=2)
    memory = np.arange(both.shape[1])[:, None]
    r["lagging"] = both[row[:, None], memory, take[:, None, None] + np.arange(LAG)]
    r["age"] = r["age"] + take
