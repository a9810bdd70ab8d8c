"""Residual: what is left of a value after its level and the seasons of its series explained it."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Option

from padit.domain.features import FeatureTable
from padit.transforms.detectors import profiles
from padit.transforms.detectors import residual_block as block
from padit.transforms.detectors.base import Parameters, Scores
from padit.transforms.detectors.calibration import measured_confidence, score_of
from padit.transforms.detectors.columns import Columns, Samples, locate, row_argmax, samples_of
from padit.transforms.detectors.per_series import PerSeries
from padit.transforms.detectors.residual_block import BLOCK, FACTS
from padit.transforms.detectors.seasons import CALENDAR
from padit.transforms.detectors.wording import number, span

__all__ = ["DETECTOR", "ResidualDetector", "ResidualParameters"]

Array = NDArray[np.float64]

_SIDES = {1.0: "highest", -1.0: "lowest"}
_WHEN = {"hour": "minute of the hour", "day": "hour", "week": "hour of the week"}
_SEASONS = tuple(f"season_{i}" for i in range(profiles.SEASONS))


class ResidualParameters(Parameters):
    """Which seasons are looked for, and where a warning begins."""

    longest_sec: float = Option(
        7 * 86400.0,
        gt=0,
        le=1e9,
        description="The longest season looked for: six of it are remembered.",
    )
    calendar: bool = Option(
        True, description="A season within 1.5 % of an hour, 8 hours, a day or a week is just that."
    )
    gain: float = Option(
        0.7, gt=0, lt=1, description="A season counts if its error is below this share of none."
    )
    warm_up: int = Option(BLOCK, ge=BLOCK, description="Samples without a score.")
    warning: float = Option(
        3.0, gt=0, description="Residual that scores 0.7; 3.86 times as much scores 0.9."
    )
    retention_sec: float = Option(
        30 * 86400.0,
        gt=0,
        le=1e9,
        description="Seconds without a sample until a series is forgotten.",
    )


class ResidualDetector(PerSeries):
    """Distance from what is usual at this time in the seasons of the series, where it is a peak.

    Three residuals of a sample x, each compared with what it usually is:

        season     how far x is outside of the locations of its phase and the two beside it,
                   against sqrt(usual^2 + (2 d)^2 + (0.1 b)^2 + (0.05 |x - l|)^2)
        range      where no season has proven itself: how far x is outside of all values of the
                   last 4,096 to 8,192 samples, against b / 2 + 0.05 |x - l|
        departure  how far x - (mean of the last 32) is outside of all such departures of that
                   time, against their root mean square

        n     = max(residuals) min(1, age / 1024) / (1 + comparable earlier peaks)
        score = n / (n + 3/7 warning)

    where that is 1.3 times above all of the last 64 to 96 samples, else 0. l and b are the level
    and the mean deviation from it, d that at the phase, usual the root mean square of the earlier
    distances. Seasons are found in the autocorrelation of a thinned memory (`seasons`) once it
    holds 2.4 of them, three at most; each has a profile of 64 phases, which starts from the memory
    (`profiles`). The season with the smallest error is used, if that is below `gain` times the
    error without it; one that ended loses its proof the same way.

    Reference: Hyndman & Athanasopoulos (2021), Forecasting: principles and practice, 5.2 and 2.8.

    >>> from padit.domain.metric import Series
    >>> hour = np.arange(24 * 40.0)
    >>> value = 10 + 5 * np.sin(hour * np.pi / 12)
    >>> value += np.random.default_rng(7).normal(0, 0.2, len(value))
    >>> value[24 * 39 + 18] = 15.0  # the level of 6 a.m. at 6 p.m.
    >>> time = (hour * 3.6e9).astype(np.int64)
    >>> table = FeatureTable(
    ...     (Series("probe", "rtt", "ms"),), np.array([time[-1] + 1]), np.array([0], np.int32), {},
    ...     np.array([0, len(time)]), time, value, int(time[-1]) + 1)
    >>> detector = ResidualDetector(ResidualParameters())
    >>> state, scores = detector.step(detector.initial(), table)
    >>> np.flatnonzero(scores.sample >= 0.7)
    array([954])
    >>> detector.explain(table, scores, 0)["text"]
    'rtt 15 ms; usual at this hour 4.637 to 5.52; seasons found: 1 day'
    """

    name: ClassVar[str] = "residual"
    version: ClassVar[int] = 3
    Parameters: ClassVar[type[Parameters]] = ResidualParameters
    confidence = staticmethod(measured_confidence)

    def __init__(self, parameters: ResidualParameters) -> None:
        self.parameters = parameters
        self.fields = block.fields()
        self._longest = int(parameters.longest_sec * 1e6)

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, Scores]:
        """Score every new sample, block by block, all series side by side."""
        samples = samples_of(table)
        time = table.time[samples.order]
        retention = int(self.parameters.retention_sec * 1e6)
        state, rows = locate(state, self.fields, table, retention)
        out = np.zeros((len(FACTS) + len(_SEASONS), len(samples.value)))
        done = np.zeros(len(rows), np.int64)
        while (active := np.flatnonzero(done < samples.count)).size:
            for begin in range(0, len(active), 128):  # fits the cache
                part = active[begin : begin + 128]
                done[part] += self._advance(state, rows[part], samples, time, part, done[part], out)
        return state, self._scores(table, samples, out)

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """The value, what is usual at this time, and the seasons of the series."""
        if not np.isfinite(scores.score[row]):
            return {"text": "warming up"}
        detail = {key: float(column[row]) for key, column in (scores.detail or {}).items()}
        series = table.series[table.code[row]]
        seen = f"{series.metric_name} {number(detail['value'])} {series.unit}".rstrip()
        if detail["side"]:
            seen += f", {_SIDES[detail['side']]} in {span(int(detail['span']))}"
        elif int(detail["kind"]) == 2:
            away = f"{number(abs(detail['departure']))} from the mean of {BLOCK} samples"
            seen += f", {away}, farthest in {span(int(detail['span']))}"
        period = int(detail["period"])
        found = [int(detail[name]) for name in _SEASONS if detail[name]]
        low = detail["usual_low"] - 2 * detail["spread"]
        high = detail["usual_high"] + 2 * detail["spread"]
        text = "; ".join((
            seen,
            f"usual{_when(period)} {number(low)} to {number(high)}",
            f"seasons found: {', '.join(_length(one) for one in found) or 'none'}",
        ))  # fmt: skip
        return {
            "text": text,
            "value": detail["value"],
            "usual": [low, high],
            "departure": detail["departure"],
            "known_sec": detail["span"] / 1e6,
            "seasons_sec": [one / 1e6 for one in found],
        }

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
        p = self.parameters
        r: dict[str, NDArray[Any]] = {name: column[rows] for name, column in state.data.items()}
        take = np.minimum(samples.count[part] - done, BLOCK - r["age"] % BLOCK)
        ahead = np.arange(int(take.max()))
        valid = ahead < take[:, None]
        first = samples.start[part] + done
        place = np.minimum(first[:, None] + ahead, len(samples.value) - 1)
        when = time[place]
        block.begin(r, when[:, 0])
        at = block.shift(r, samples.value[place], when, take)
        found = block.judge(r, at, when, valid, p.gain)
        proven = np.where(profiles.trust(r, p.gain)[0], r["period"], 0)
        seasons = np.broadcast_to(proven.T[:, :, None], (len(_SEASONS), *valid.shape))
        facts = np.concatenate([np.stack([found[name] for name in FACTS]), seasons])
        out[:, place[valid]] = facts[:, valid]
        full = np.flatnonzero(r["age"] % BLOCK == 0)
        if full.size:
            ended = {name: column[full] for name, column in r.items()}
            for name, column in block.learn(ended, p.gain, self._longest, p.calendar).items():
                r[name][full] = column
        for name, column in state.data.items():
            if full.size or name not in block.FROZEN:
                column[rows] = r[name]
        moved: NDArray[np.int64] = take
        return moved

    def _scores(self, table: FeatureTable, samples: Samples, out: Array) -> Scores:
        """Scores in the order of the table, and the facts of each row's highest."""
        facts = dict(zip((*FACTS, *_SEASONS), out, strict=True))
        level = score_of(facts["novelty"], self.parameters.warning)
        level = np.where(facts["age"] < self.parameters.warm_up, np.nan, level)
        sample = np.empty_like(level)
        sample[samples.order] = level
        score, best = row_argmax(sample, table.offset)
        if not len(sample):
            return Scores(score, sample, dict.fromkeys(("value", *facts), np.zeros(len(table))))
        rank = np.empty(len(level), np.int64)
        rank[samples.order] = np.arange(len(level))
        detail = {name: column[rank[best]] for name, column in facts.items()}
        return Scores(score, sample, {"value": table.value[best], **detail})


def _when(period: int) -> str:
    """As " at this hour"; nothing without a period."""
    if not period:
        return ""
    name = CALENDAR.get(period // 1_000_000) if period % 1_000_000 == 0 else None
    return f" at this {_WHEN.get(name or '', f'phase of {_length(period)}')}"


def _length(period: int) -> str:
    """As "7 days" or "4.8 minutes"."""
    for name, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if period >= size * 1e6:
            count = number(round(period / 1e6 / size, 2))
            return f"{count} {name}" + ("" if count == "1" else "s")
    return f"{number(period / 1e6)} s"


DETECTOR = ResidualDetector
