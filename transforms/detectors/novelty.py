"""Novelty: distance to everything the series did before."""

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from pydantic import Field as Option

from domain.features import FeatureTable
from transforms.detectors import intervals, peaks
from transforms.detectors.base import Parameters, Scores
from transforms.detectors.columns import Columns, Field, Samples, locate, row_argmax, samples_of

__all__ = ["DETECTOR", "NoveltyDetector", "NoveltyParameters"]

Array = NDArray[np.float64]
Data = dict[str, NDArray[Any]]

BLOCK = 32  # samples between two updates of the memory
LAG = 2 * BLOCK  # samples that are not yet in the memory, at most
RECENT = 64  # samples kept as they are
QUIET = 2  # blocks that a peak must beat, besides its own: 64 to 96 samples
TOP = 1e6  # ratios end here
GUARD = 100.0  # one sample moves the usual distance as if it were at most so many times as far
MATURE = 512  # samples until a distance counts in full
SETTLE = 8192  # samples over which the usual distance is averaged
DECAY = 0.992  # of the count of peaks, a block: an e-fold in 4,000 samples
NEAR_SIZE = 3  # bins below a channel's size that still count as comparable
NEAR_PEAK = 2  # the same for peaks of the whole
MEMORIES = ("value", "variation of 8 samples", "departure from the mean of 32 samples")
FROZEN = {"low", "high", "usual", "count", "centre"}  # within a block
CHANNELS = ("value", "value", *MEMORIES[1:])


class NoveltyParameters(Parameters):
    """What the memory holds, and where a warning begins."""

    intervals: int = Option(
        64, ge=8, le=512, description="Intervals of values a memory holds; more is finer."
    )
    horizon: int = Option(
        16384, ge=256, multiple_of=BLOCK,
        description="Samples a generation of memory lasts; unseen for two of them is new again.",
    )  # fmt: skip
    warm_up: int = Option(32, ge=32, description="Samples without a score.")
    warning: float = Option(
        0.3, gt=0, description="Novelty that scores 0.7; 3.86 times as much scores 0.9."
    )
    retention_sec: float = Option(
        30 * 86400.0, gt=0, description="Seconds without a sample until a series is forgotten."
    )


class NoveltyDetector:
    """Distance of a sample to everything the series did before, where it is a peak.

    Four channels: the value, the standard deviation of the last 8 samples, and the departure from
    the mean of the last 32, each against a memory that lags 32 to 64 samples behind; and the value
    against its memory and the samples since. A memory is a set of disjoint intervals of what was
    seen (`intervals`); d is the distance to the nearest.

        ratio_c = d_c / (root mean square of the earlier d_c)
        novelty = (mean over c of sqrt(ratio_c / (1 + comparable earlier peaks of ratio_c)))^2
        n       = novelty sqrt(min(1, age / 512)) / (1 + comparable earlier peaks of novelty)
        score   = n / (n + 3/7 warning)

    where the novelty is above all of the last 64 to 96 samples, else 0. Peaks are counted in a
    histogram that decays (e-fold in 4,000 samples); comparable is what is at least about 0.35 times
    (a channel) or half (the novelty) as large. What happens often is therefore not news, and one
    absurd value can neither widen the usual distance by more than 100 of it nor own the memory.
    A memory has two generations of `horizon` samples, so an endless stream never makes it deaf.

    The distance alone is the one-dimensional case of the nearest-neighbour novelty of
    Markou & Singh (2003), Novelty detection: a review.

    >>> from domain.metric import Series
    >>> from domain.metric import Series
    >>> value = np.random.default_rng(7).normal(size=3000)
    >>> value[2500] = 9.0
    >>> table = FeatureTable(
    ...     (Series("probe", "rtt_ms"),), np.array([3000]), np.array([0], np.int32), {},
    ...     np.array([0, 3000]), np.arange(3000), value, 3000)
    >>> detector = NoveltyDetector(NoveltyParameters())
    >>> state, scores = detector.step(detector.initial(), table)
    >>> np.flatnonzero(scores.sample[500:] > 0.9) + 500
    array([2500])
    >>> detector.explain(table, scores, 0)["text"]
    'value 9 is 6.01 away from everything in the last 2500 samples'
    """

    name: ClassVar[str] = "novelty"
    version: ClassVar[int] = 1
    Parameters: ClassVar[type[Parameters]] = NoveltyParameters
    judging: ClassVar[frozenset[str]] = frozenset({"warm_up", "warning"})

    def __init__(self, parameters: NoveltyParameters) -> None:
        self.parameters = parameters
        memory, channels = len(MEMORIES), len(CHANNELS)
        self._fields = {
            "age": Field((), "<i8"),
            "centre": Field((), "<f8"),
            "recent": Field((RECENT,), "<f8"),
            "lagging": Field((memory, LAG), "<f8", np.inf),
            "low": Field((memory, 2, parameters.intervals), "<f8", np.inf),
            "high": Field((memory, 2, parameters.intervals), "<f8", np.inf),
            "usual": Field((channels,), "<f8"),
            "squares": Field((channels,), "<f8"),
            "peak": Field((channels + 1, QUIET + 1), "<f8"),
            "count": Field((channels + 1, peaks.BINS), "<f4"),
        }

    def initial(self) -> Columns:
        """No series yet."""
        return Columns.empty(self._fields)

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, Scores]:
        """Score every new sample, block by block, all series side by side."""
        state, measured = self.measure(state, table)
        return state, self.judge(table, measured)

    def measure(self, state: Columns, table: FeatureTable) -> tuple[Columns, "_Measured"]:
        """What does not depend on the `judging` parameters: nearly all of the work."""
        samples = samples_of(table)
        retention = int(self.parameters.retention_sec * 1e6)
        state, rows = locate(state, self._fields, table, retention)
        out = _Out.empty(len(samples.value))
        done = np.zeros(len(rows), np.int64)
        while (active := np.flatnonzero(done < samples.count)).size:
            for begin in range(0, len(active), 64):  # fits the cache
                part = active[begin : begin + 64]
                done[part] += self._advance(state, rows[part], samples, part, done[part], out)
        age = np.zeros(len(table.series), np.int64)
        age[:] = state.data["age"][rows]
        return state, _Measured(samples, out, age)

    def judge(self, table: FeatureTable, measured: "_Measured") -> Scores:
        """Scores from what was measured."""
        samples, out, age = measured
        level = out.novelty / (out.novelty + 3 / 7 * self.parameters.warning)
        level = np.where(out.age < self.parameters.warm_up, np.nan, level)
        sample, distance = np.empty_like(level), np.empty_like(out.distance)
        channel = np.empty_like(out.channel)
        sample[samples.order] = level
        channel[samples.order] = out.channel
        distance[samples.order] = out.distance
        score, best = row_argmax(sample, table.offset)
        detail = {
            "value": table.value[best] if len(table.value) else np.zeros(len(table)),
            "channel": channel[best] if len(channel) else np.zeros(len(table)),
            "distance": distance[best] if len(distance) else np.zeros(len(table)),
            "known": _known(samples, table, best, age),
        }
        return Scores(score, sample, detail)

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """What was new, how far from what was known, and since when."""
        detail = {key: float(column[row]) for key, column in (scores.detail or {}).items()}
        if not np.isfinite(scores.score[row]):
            return {"text": "warming up"}
        known = int(min(detail["known"], 2 * self.parameters.horizon))
        name = CHANNELS[int(detail["channel"])]
        what = f"value {detail['value']:.6g}" if name == "value" else f"the {name}"
        far = f"{detail['distance']:.3g} away from everything"
        text = f"{what} is {far} in the last {known} samples"
        return {"text": text, "what": name, **detail}

    def dump(self, state: Columns) -> bytes:
        """Series in their canonical order."""
        return state.dump(self.version)

    def load(self, data: bytes) -> Columns:
        """Series from bytes.

        Raises:
            StateError: damaged, of another version or of other parameters.
        """
        return Columns.load(data, self.version, self._fields)

    def _advance(
        self,
        state: Columns,
        rows: NDArray[np.int64],
        samples: Samples,
        part: NDArray[np.int64],
        done: NDArray[np.int64],
        out: "_Out",
    ) -> NDArray[np.int64]:
        """Score samples of some series up to the end of their block; how many of each."""
        r: Data = {name: column[rows] for name, column in state.data.items()}
        take = np.minimum(samples.count[part] - done, BLOCK - r["age"] % BLOCK)
        ahead = np.arange(int(take.max()))
        valid = ahead < take[:, None]
        place = np.minimum((samples.start[part] + done)[:, None] + ahead, len(samples.value) - 1)
        recent = np.concatenate([r["recent"], np.where(valid, samples.value[place], 0.0)], axis=1)
        age = r["age"][:, None] + ahead
        moments = _statistics(recent - r["centre"][:, None], age)
        lagging = np.concatenate([recent[:, None, RECENT:], moments], axis=1)
        distance = _distances(r, recent, lagging)
        ratio = _ratios(r, distance, valid)
        novelty, channel = _novelty(r, ratio, valid)
        novelty = novelty * np.sqrt(np.minimum(age, MATURE) / MATURE)
        out.novelty[place[valid]] = novelty[valid]
        out.age[place[valid]] = age[valid]
        out.channel[place[valid]] = channel[valid]
        chosen = distance[np.arange(len(part))[:, None], channel, ahead]
        out.distance[place[valid]] = chosen[valid]
        _shift(r, recent, lagging, take)
        full = np.flatnonzero(r["age"] % BLOCK == 0)
        if full.size:
            learnt = self._learn({name: column[full] for name, column in r.items()})
            for name, column in learnt.items():
                r[name][full] = column
        for name, column in state.data.items():
            if full.size or name not in FROZEN:
                column[rows] = r[name]
        moved: NDArray[np.int64] = take
        return moved

    def _learn(self, r: Data) -> Data:
        """Take in the block that ended, of series that all ended one."""
        n, memory, _, size = r["low"].shape
        turn = r["age"] % self.parameters.horizon == 0
        for end in ("low", "high"):
            r[end][turn, :, 1] = r[end][turn, :, 0]
            r[end][turn, :, 0] = np.inf
        low, high = (r[end][:, :, 0].reshape(n * memory, size) for end in ("low", "high"))
        seen = r["lagging"][:, :, :BLOCK].reshape(n * memory, BLOCK)
        low, high = intervals.add(low, high, seen)
        r["low"][:, :, 0] = low.reshape(n, memory, size)
        r["high"][:, :, 0] = high.reshape(n, memory, size)
        r["centre"] = r["recent"][:, -1]
        part = (BLOCK / np.minimum(np.maximum(r["age"] - LAG, BLOCK), SETTLE))[:, None]
        mean = (1 - part) * r["usual"] ** 2 + part * (r["squares"] / BLOCK)
        r["usual"] = np.sqrt(mean)
        r["squares"] = np.zeros_like(r["squares"])
        now = r["peak"][:, :, -1]
        is_peak = (now > r["peak"][:, :, :-1].max(axis=2)) & (now > 0)
        r["count"] = peaks.remember(r["count"], now, is_peak, DECAY)
        r["peak"] = np.concatenate([r["peak"][:, :, 1:], np.zeros((*now.shape, 1))], axis=2)
        return r


class _Out(NamedTuple):
    """What is found out about each sample."""

    novelty: Array
    age: NDArray[np.int64]
    channel: NDArray[np.int64]
    distance: Array

    @classmethod
    def empty(cls, size: int) -> "_Out":
        count = np.zeros(size, np.int64)
        return cls(np.zeros(size), count, count.copy(), np.zeros(size))


class _Measured(NamedTuple):
    """Samples of a table by series, what was found out about each, and the ages of the series."""

    samples: Samples
    out: _Out
    age: NDArray[np.int64]


def _known(
    samples: Samples, table: FeatureTable, best: NDArray[np.int64], age: NDArray[np.int64]
) -> Array:
    """How many samples of its series came before each row's best one."""
    rank = np.empty(len(samples.order), np.int64)
    rank[samples.order] = np.arange(len(samples.order))
    if not len(rank):
        return np.zeros(len(table))
    before = age[table.code] - samples.count[table.code]
    known: Array = (before + rank[best] - samples.start[table.code]).astype(np.float64)
    return known


def _statistics(recent: Array, age: NDArray[np.int64]) -> Array:
    """(n, 2, w): deviation of the last 8, departure from the last 32; +inf where too young.

    Spans double (8 = 4 + 4), so each sum is a fixed tree of the same samples in every cut.
    """
    width = age.shape[1]
    centred = recent[:, RECENT:]
    total, square = recent, recent * recent
    found = []
    for half in (1, 2, 4, 8, 16):
        total = total[:, half:] + total[:, :-half]
        square = square[:, half:] + square[:, :-half]
        mean = total[:, -width:] / (2 * half)
        if half == 4:
            variance = np.maximum(square[:, -width:] / 8 - mean * mean, 0.0)
            found.append(np.where(age >= 7, np.sqrt(variance), np.inf))
    found.append(np.where(age >= 31, centred - mean, np.inf))
    return np.stack(found, axis=1)


def _distances(r: Data, recent: Array, lagging: Array) -> Array:
    """(n, channels, w): distance to what is known; 0 where nothing is."""
    n, memory, width = lagging.shape
    known = np.isfinite(lagging)
    low, high = (r[end].reshape(n * memory, -1) for end in ("low", "high"))
    value = np.where(known, lagging, 0.0).reshape(n * memory, width)
    far = intervals.distance(low, high, value).reshape(n, memory, width)
    far = np.where(known & np.isfinite(far), far, 0.0)
    earlier = sliding_window_view(recent[:, RECENT - LAG : -1], LAG, axis=1)
    since = np.abs(earlier - recent[:, RECENT:, None]).min(axis=2)
    near = np.minimum(far[:, 0], since)
    return np.concatenate([far[:, :1], near[:, None], far[:, 1:]], axis=1)


def _ratios(r: Data, distance: Array, valid: NDArray[np.bool_]) -> Array:
    """Distances in units of the usual one, whose squares are added up in order."""
    usual = r["usual"][:, :, None]
    known = usual > 0
    limit = np.where(known, GUARD * usual, np.inf)
    counted = np.where(valid[:, None], np.minimum(distance, limit), 0.0)
    terms = np.concatenate([r["squares"][:, :, None], counted * counted], axis=2)
    r["squares"] = np.cumsum(terms, axis=2)[:, :, -1]  # one after the other, unlike sum
    ratio: Array = np.minimum(distance / np.where(known, usual, np.inf), TOP)
    return np.where(valid[:, None], ratio, 0.0)


def _novelty(r: Data, ratio: Array, valid: NDArray[np.bool_]) -> tuple[Array, NDArray[np.int64]]:
    """(n, w): novelty where it is a peak, else 0; and the channel that says most."""
    channels = ratio.shape[1]
    often = peaks.comparable(r["count"][:, :channels], ratio, NEAR_SIZE)
    root = np.sqrt(ratio / (1.0 + often))
    total = root[:, 0]
    for c in range(1, channels):
        total = total + root[:, c]
    whole = np.where(valid, (total / channels) ** 2, 0.0)
    before = r["peak"][:, channels].max(axis=1)
    highest = np.maximum.accumulate(np.concatenate([before[:, None], whole], axis=1), axis=1)
    peak = np.where(whole > highest[:, :-1], whole, 0.0)
    r["peak"][:, :channels, -1] = np.maximum(r["peak"][:, :channels, -1], ratio.max(axis=2))
    r["peak"][:, channels, -1] = np.maximum(r["peak"][:, channels, -1], whole.max(axis=1))
    again = peaks.comparable(r["count"][:, channels], peak, NEAR_PEAK)
    channel: NDArray[np.int64] = root.argmax(axis=1)
    return peak / (1.0 + again), channel


def _shift(r: Data, recent: Array, lagging: Array, take: NDArray[np.int64]) -> None:
    """Keep the last samples and statistics; every series has moved on by its own number."""
    row = np.arange(len(take))[:, None]
    r["recent"] = recent[row, take[:, None] + np.arange(RECENT)]
    both = np.concatenate([r["lagging"], lagging], axis=2)
    memory = np.arange(both.shape[1])[:, None]
    r["lagging"] = both[row[:, None], memory, take[:, None, None] + np.arange(LAG)]
    r["age"] = r["age"] + take


DETECTOR = NoveltyDetector
