"""Change point: a level that moved and stayed, with the time it moved and the direction."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Option

from padit.domain.features import FeatureTable
from padit.domain.timestamps import format_utc
from padit.transforms.detectors import peaks
from padit.transforms.detectors.base import Parameters, Scores
from padit.transforms.detectors.calibration import measured_confidence, score_of
from padit.transforms.detectors.columns import Columns, Field, locate, row_argmax, samples_of
from padit.transforms.detectors.per_series import PerSeries

__all__ = ["DETECTOR", "ChangePointDetector", "ChangePointParameters"]

Array = NDArray[np.float64]
Data = dict[str, NDArray[Any]]

_NEAR = 2  # bins below a shift's size that still count as comparable
_DECAY = 0.9  # of the count of shifts, a shift: the last ten show how often levels move
_MOST = 20.0  # standard deviations: between levels without noise all shifts are alike
_CLIP = 4.0  # standard deviations: one outlier is not a change of level


class ChangePointParameters(Parameters):
    """What counts as a change, and how long the level is averaged."""

    slack: float = Option(0.5, gt=0, description="Half the smallest shift, standard deviations.")
    threshold: float = Option(
        12.0, gt=0, description="Sum of excess at which a change is reported."
    )
    warning: float = Option(
        4.5, gt=0, description="Shift in standard deviations that scores 0.7; 3.86 times 0.9."
    )
    memory: int = Option(1024, ge=64, description="Samples over which level and spread adapt.")
    warm_up: int = Option(32, ge=8, description="Samples without a score.")
    retention_sec: float = Option(
        30 * 86400.0,
        gt=0,
        le=1e9,
        description="Seconds without a sample until a series is forgotten.",
    )


class ChangePointDetector(PerSeries):
    """Page's two-sided CUSUM around a level that adapts, corrected for autocorrelation.

        z  = (x - m) / (s sqrt((1 + rho) / (1 - rho))), limited to +-4
        g+ = max(0, g+ + z - slack), g- = max(0, g- - z - slack)

    m, s and rho (correlation of neighbours, at least 0) are running figures. When g passes the
    threshold, the change is reported once, it is located where g last left zero, and the level
    restarts from the samples since. All other samples score 0.

        n = min(shift / s, 20) / (1 + comparable earlier shifts),  score = n / (n + 3/7 warning)

    so a series whose level moves all the time is no news; the last ten shifts count.

    Reference: Page (1954), Continuous inspection schemes.

    >>> from padit.domain.metric import Series
    >>> value = np.random.default_rng(7).normal(size=600)
    >>> value[400:] += 6
    >>> table = FeatureTable(
    ...     (Series("probe", "rtt_ms"),), np.array([600]), np.array([0], np.int32), {},
    ...     np.array([0, 600]), np.arange(600), value, 600)
    >>> detector = ChangePointDetector(ChangePointParameters())
    >>> state, scores = detector.step(detector.initial(), table)
    >>> np.flatnonzero(scores.sample >= 0.7), scores.detail["since"], scores.detail["shift"].round()
    (array([403]), array([400]), array([6.]))
    """

    name: ClassVar[str] = "changepoint"
    version: ClassVar[int] = 2
    Parameters: ClassVar[type[Parameters]] = ChangePointParameters
    confidence = staticmethod(measured_confidence)

    def __init__(self, parameters: ChangePointParameters) -> None:
        self.parameters = parameters
        pair = Field((2,), "<f8")  # up, down
        self.fields = {
            "age": Field((), "<i8"),
            "count": Field((), "<f8"),
            "mean": Field((), "<f8"),
            "var": Field((), "<f8"),
            "lag": Field((), "<f8"),
            "before": Field((), "<f8"),
            "excess": pair,
            "total": pair,
            "length": pair,
            "since": Field((2,), "<i8"),
            "told": Field((peaks.BINS,), "<f4"),
        }

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, Scores]:
        """Score sample by sample, all series side by side: the sums depend on each other."""
        samples = samples_of(table)
        retention = int(self.parameters.retention_sec * 1e6)
        state, rows = locate(state, self.fields, table, retention)
        time = table.time[samples.order]
        found = np.zeros((3, len(time)))
        since = np.zeros(len(time), np.int64)
        data: Data = {name: column[rows] for name, column in state.data.items()}
        for k in range(int(samples.count.max(initial=0))):
            active = np.flatnonzero(samples.count > k)
            at = samples.start[active] + k
            r = {name: column[active] for name, column in data.items()}
            with np.errstate(over="ignore"):
                found[:, at], since[at] = self._sample(r, samples.value[at], time[at])
            for name, column in r.items():
                data[name][active] = column
        for name, column in data.items():
            state.data[name][rows] = column
        sample, shift, level = np.empty_like(found)
        moment = np.empty_like(since)
        for target, column in zip((sample, shift, level), found, strict=True):
            target[samples.order] = column
        moment[samples.order] = since
        score, best = row_argmax(sample, table.offset)
        some = len(sample) > 0
        detail: Data = {
            "shift": shift[best] if some else np.zeros(len(table)),
            "level": level[best] if some else np.zeros(len(table)),
            "since": moment[best] if some else np.zeros(len(table), np.int64),
        }
        return state, Scores(score, sample, detail)

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """Where the level was, how far it moved, and when."""
        if not np.isfinite(scores.score[row]):
            return {"text": "warming up"}
        detail = scores.detail or {}
        shift, level = float(detail["shift"][row]), float(detail["level"][row])
        since = format_utc(int(detail["since"][row]))
        way = "up" if shift > 0 else "down"
        text = (
            f"level moved {way} by {abs(shift):.1f} standard deviations from {level:.6g} at {since}"
        )
        return {"text": text, "shift_sd": shift, "level": level, "since": since}

    def _sample(self, r: Data, x: Array, time: NDArray[np.int64]) -> tuple[Array, Any]:
        """Score, shift and level of one sample of each series, and since when; learns it."""
        p = self.parameters
        spread = np.sqrt(r["var"])
        spread = np.maximum(spread, 1e-9 * np.abs(r["mean"]) + 1e-150)
        rho = np.minimum(np.maximum(r["lag"], 0.0), 0.95)
        spread = spread * np.sqrt((1 + rho) / (1 - rho))
        known = r["count"] >= p.warm_up
        z = np.where(known, np.minimum(np.maximum((x - r["mean"]) / spread, -_CLIP), _CLIP), 0.0)
        both = np.stack([z, -z], axis=1)
        begins = r["excess"] <= 0
        r["excess"] = np.maximum(r["excess"] + both - p.slack, 0.0)
        r["total"] = np.where(begins, 0.0, r["total"]) + x[:, None]
        r["length"] = np.where(begins, 0.0, r["length"]) + 1
        r["since"] = np.where(begins, time[:, None], r["since"])
        way = r["excess"].argmax(axis=1)
        row = np.arange(len(x))
        most = r["excess"][row, way]
        mean = r["total"][row, way] / r["length"][row, way]
        shift = np.minimum(np.maximum((mean - r["mean"]) / spread, -1e6), 1e6)
        reported = most >= p.threshold
        news = self._news(r, np.where(reported, np.minimum(np.abs(shift), _MOST), 0.0))
        score = np.where(r["age"] < p.warm_up, np.nan, score_of(news, p.warning))
        level, since = r["mean"], r["since"][row, way]
        self._learn(r, x, reported, mean, r["length"][row, way])
        return np.stack([score, shift, level]), since

    def _news(self, r: Data, shift: Array) -> Array:
        """Shifts that are reported, discounted by comparable earlier ones; 0 stays 0."""
        reported = np.flatnonzero(shift)
        if not reported.size:
            return shift
        size = shift[reported][:, None]
        again = peaks.comparable(r["told"][reported], size, _NEAR)[:, 0]
        r["told"][reported] = peaks.remember(
            r["told"][reported], size[:, 0], size[:, 0] > 0, _DECAY
        )
        news = shift.copy()
        news[reported] = shift[reported] / (1 + again)
        return news

    def _learn(self, r: Data, x: Array, reported: Any, mean: Array, length: Array) -> None:
        """Let level, spread and correlation follow; after a change the level restarts."""
        r["age"] = r["age"] + 1
        r["count"] = np.where(reported, length, r["count"] + 1)
        off = x - r["mean"]
        sd = np.sqrt(r["var"])
        settled = r["count"] > self.parameters.warm_up
        held = np.minimum(np.maximum(off, -_CLIP * sd), _CLIP * sd)
        off = np.where(settled & (sd > 0), held, off)
        part = 1 / np.minimum(r["count"], self.parameters.memory)
        r["lag"] = r["lag"] + part * (
            np.divide(off * r["before"], r["var"], out=np.zeros_like(off), where=r["var"] > 0)
            - r["lag"]
        )
        r["lag"] = np.minimum(np.maximum(r["lag"], -1.0), 1.0)
        r["before"] = np.where(reported, 0.0, off)
        new = (1 - part) * (r["var"] + part * off * off)
        r["var"] = np.where(reported, r["var"], np.minimum(new, 1e300))
        r["mean"] = np.where(reported, mean, r["mean"] + part * off)
        r["excess"] = np.where(reported[:, None], 0.0, r["excess"])


DETECTOR = ChangePointDetector
