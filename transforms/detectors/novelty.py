"""Novelty: distance to everything the series did before."""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Option

from padit.domain.features import FeatureTable
from padit.transforms.detectors import novelty_block as block
from padit.transforms.detectors.base import Parameters, Scores
from padit.transforms.detectors.calibration import measured_confidence, score_of
from padit.transforms.detectors.columns import Columns, Samples, locate, row_argmax, samples_of
from padit.transforms.detectors.novelty_block import BLOCK, MEMORIES
from padit.transforms.detectors.per_series import PerSeries
from padit.transforms.detectors.wording import number, span

__all__ = ["DETECTOR", "NoveltyDetector", "NoveltyParameters"]

Array = NDArray[np.float64]

_SIDES = {1.0: "highest", -1.0: "lowest", 0.0: "not seen"}


class NoveltyParameters(Parameters):
    """Size of the memory, and where a warning begins."""

    intervals: int = Option(
        48, ge=8, le=512, description="Intervals of values a memory holds; more is finer."
    )
    horizon: int = Option(
        16384, ge=256, multiple_of=BLOCK,
        description="Samples a generation of memory lasts; unseen for two of them is new again.",
    )  # fmt: skip
    warm_up: int = Option(block.YOUNG, ge=block.YOUNG, description="Samples without a score.")
    warning: float = Option(
        0.6, gt=0, description="Novelty that scores 0.7; 3.86 times as much scores 0.9."
    )
    retention_sec: float = Option(
        30 * 86400.0,
        gt=0,
        le=1e9,
        description="Seconds without a sample until a series is forgotten.",
    )


class NoveltyDetector(PerSeries):
    """Distance of a sample to everything the series did before, where it is a peak.

    Five channels: the value, the standard deviation of the last 8 samples, the departure from the
    mean of the last 32, and what an autoregression over the last 8 does not explain (`innovation`,
    half weight), each against a memory that lags 32 to 64 samples behind; and the value against its
    memory and the samples since. A memory is a set of disjoint intervals of what was seen
    (`intervals`); d is the distance to the nearest, s the standard deviation of the channel, o how
    far from its mean the sample is.

        m       = min(1, age / 1024)
        k       = 0.05 + 0.2 (1 - min(1, age / 2048)) h
        ratio_c = d_c / sqrt(mean square of the earlier d_c + (0.1 s_c)^2 + (k o_c)^2)
        novelty = (weighted mean of sqrt(ratio_c / (1 + comparable earlier peaks of ratio_c)))^2
        n       = novelty m / (1 + comparable earlier peaks of novelty)
        score   = n / (n + 3/7 warning)

    where the novelty is 1.3 times above all of the last 64 to 96 samples, else 0. h is 0 where the
    farthest value before lies within 4 s of the mean, 1 from 6 s on: in a heavy tail a record beats
    the last by a share of itself. Peaks are counted in a histogram that decays (e-fold in 4,000
    samples); comparable is what is at least about half as large in a channel, a quarter as a whole.
    What happens often is therefore not news, and one absurd value can neither widen the usual
    distance by more than 100 of it nor own the memory. A memory has two generations of `horizon`
    samples, so an endless stream never makes it deaf.

    From the 9th sample to the 1,024th a value that lies outside the range of all before, by at
    least 8 such ranges, scores 0.7 too (31: 0.9): less is ordinary in a young series.

    The distance alone is the one-dimensional case of the nearest-neighbour novelty of
    Markou & Singh (2003), Novelty detection: a review.

    >>> from padit.domain.metric import Series
    >>> value = np.random.default_rng(7).normal(size=3000)
    >>> value[2500] = 9.0
    >>> table = FeatureTable(
    ...     (Series("probe", "rtt", "ms"),), np.array([3000]), np.array([0], np.int32), {},
    ...     np.array([0, 3000]), np.arange(3000) * 1_000_000, value, 3000)
    >>> detector = NoveltyDetector(NoveltyParameters())
    >>> state, scores = detector.step(detector.initial(), table)
    >>> np.flatnonzero(scores.sample >= 0.9)
    array([2500])
    >>> detector.explain(table, scores, 0)["text"]
    'rtt 9 ms, highest in 41 minutes; usual -1.999 to 1.947'
    """

    name: ClassVar[str] = "novelty"
    version: ClassVar[int] = 7
    Parameters: ClassVar[type[Parameters]] = NoveltyParameters
    confidence = staticmethod(measured_confidence)
    judging: ClassVar[frozenset[str]] = frozenset({"warm_up", "warning"})

    def __init__(self, parameters: NoveltyParameters) -> None:
        self.parameters = parameters
        self.fields = block.fields(parameters.intervals)

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, Scores]:
        """Score every new sample, block by block, all series side by side."""
        state, measured = self.measure(state, table)
        return state, self.judge(table, measured)

    def measure(self, state: Columns, table: FeatureTable) -> tuple[Columns, "_Measured"]:
        """The part that does not depend on the `judging` parameters: nearly all of the work."""
        samples = samples_of(table)
        time = table.time[samples.order]
        retention = int(self.parameters.retention_sec * 1e6)
        state, rows = locate(state, self.fields, table, retention)
        out = np.zeros((len(_FACTS), len(samples.value)))
        done = np.zeros(len(rows), np.int64)
        while (active := np.flatnonzero(done < samples.count)).size:
            for begin in range(0, len(active), 64):  # fits the cache
                part = active[begin : begin + 64]
                done[part] += self._advance(state, rows[part], samples, time, part, done[part], out)
        return state, _Measured(samples, out)

    def judge(self, table: FeatureTable, measured: "_Measured") -> Scores:
        """Scores from what was measured."""
        samples, out = measured
        facts = dict(zip(_FACTS, out, strict=True))
        warning = self.parameters.warning
        measure = np.maximum(facts["novelty"], facts["gross"] * (warning / block.GROSS))
        level = score_of(measure, warning)
        level = np.where(facts["age"] < self.parameters.warm_up, np.nan, level)
        sample = np.empty_like(level)
        sample[samples.order] = level
        score, best = row_argmax(sample, table.offset)
        if not len(sample):
            return Scores(score, sample, dict.fromkeys(("value", *_FACTS), np.zeros(len(table))))
        rank = np.empty(len(level), np.int64)
        rank[samples.order] = np.arange(len(level))
        detail = {name: column[rank[best]] for name, column in facts.items()}
        return Scores(score, sample, {"value": table.value[best], **detail})

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """What was new, how far from what was known, and since when."""
        if not np.isfinite(scores.score[row]):
            return {"text": "warming up"}
        detail = {key: float(column[row]) for key, column in (scores.detail or {}).items()}
        series = table.series[table.code[row]]
        what = MEMORIES[int(detail["memory"])]
        if what == "value":
            seen = f"{series.metric_name} {number(detail['value'])} {series.unit}".rstrip()
            side = _SIDES[detail["side"]]
        else:
            seen, side = f"{what} {number(detail['measured'])}", "not seen"
        usual = f"{number(detail['usual_low'])} to {number(detail['usual_high'])}"
        text = f"{seen}, {side} in {span(int(detail['span']))}; usual {usual}"
        names = ("value", "measured", "distance", "usual_low", "usual_high")
        found = {name: detail[name] for name in names if np.isfinite(detail[name])}
        return {"text": text, "what": what, **found, "known_sec": detail["span"] / 1e6}

    def _advance(
        self,
        state: Columns,
        rows: NDArray[np.int64],
        samples: Samples,
        time: NDArray[np.int64],
        part: NDArray[np.int64],
        done: NDArray[np.int64],
        out: Array,
    ) -> NDArray[np.int64]:
        """Score samples of some series up to the end of their block; how many of each."""
        where = _run(rows)
        r: dict[str, NDArray[Any]] = {name: column[where] for name, column in state.data.items()}
        take = np.minimum(samples.count[part] - done, BLOCK - r["age"] % BLOCK)
        ahead = np.arange(int(take.max()))
        valid = ahead < take[:, None]
        first = samples.start[part] + done
        place = np.minimum(first[:, None] + ahead, len(samples.value) - 1)
        began = r["since"][:, 0] == block.NEVER
        r["since"][began, 0] = time[first[began]]
        age = r["age"][:, None] + ahead
        found, recent, statistics = block.judge(
            r, np.where(valid, samples.value[place], 0.0), valid, age
        )
        oldest = np.where(r["since"][:, 1] == block.NEVER, r["since"][:, 0], r["since"][:, 1])
        found["span"] = (time[place] - oldest[:, None]).astype(np.float64)
        _put(out, [found[name] for name in _FACTS], place, valid)
        block.shift(r, recent, statistics, take)
        (full,) = (r["age"] % BLOCK == 0).nonzero()
        if full.size:
            ended = time[first[full] + take[full] - 1]
            horizon = self.parameters.horizon
            if full.size == len(rows):
                r = block.learn(r, horizon, ended)
            else:
                some = {name: column[full] for name, column in r.items()}
                for name, column in block.learn(some, horizon, ended).items():
                    r[name][full] = column
        fresh = full.size or began.any()
        for name, column in state.data.items():
            if fresh or name not in block.FROZEN:
                column[where] = r[name]
        moved: NDArray[np.int64] = take
        return moved


def _run(rows: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Rows that follow one another as a slice, through which columns are seen without a copy."""
    in_order = rows[-1] - rows[0] == len(rows) - 1 and bool((rows[1:] > rows[:-1]).all())
    return slice(int(rows[0]), int(rows[-1]) + 1) if in_order else rows


def _put(
    out: Array, facts: Sequence[Array], place: NDArray[np.int64], valid: NDArray[np.bool_]
) -> None:
    """Write the `valid` ones of facts (n, w) into the columns `place` (n, w) of `out`."""
    if len(place) == 1:  # a slice: nothing is looked up
        size = int(valid.sum())
        begin = int(place[0, 0])
        for row, fact in zip(out, facts, strict=True):
            row[begin : begin + size] = fact[0, :size]
    else:
        out[:, place[valid]] = np.stack(facts)[:, valid]


_FACTS = (
    "novelty", "gross", "age", "memory", "measured", "distance", "usual_low", "usual_high", "side",
    "span",
)  # fmt: skip


class _Measured(NamedTuple):
    """Samples of a table by series, and what was found out about each, a row for each fact."""

    samples: Samples
    out: Array


DETECTOR = NoveltyDetector
