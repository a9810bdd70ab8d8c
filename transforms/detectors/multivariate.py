"""Multivariate: relations between the metrics of a source that no longer hold."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Option

from domain.errors import StateError
from domain.features import FeatureTable
from domain.metric import Series
from transforms.detectors import hotelling
from transforms.detectors.base import Parameters, Scores

__all__ = ["DETECTOR", "MultivariateDetector", "MultivariateParameters"]

Array = NDArray[np.float64]


class MultivariateParameters(Parameters):
    """How long it learns, and what counts as unusual."""

    learn: int = Option(400, ge=64, le=10_000, description="Rows of a source that are learnt.")
    warning: float = Option(
        17.5,
        gt=1,
        description="Score 0.7 at this multiple of the T2 that 1 % of the learnt rows exceed.",
    )
    max_metrics: int = Option(32, ge=2, le=64, description="Metrics of a source that are related.")
    retention_sec: float = Option(
        30 * 86400.0, gt=0, description="Seconds without a sample until a source is forgotten."
    )


@dataclass(slots=True)
class _Source:
    """One source: its metrics, the rows it learns or was left with, and its model."""

    metrics: tuple[Series, ...]
    seen: int
    last: Array  # (d,), NaN before a metric's first sample
    rows: Array  # (<= learn, d) while learning, later the last SPAN - 1 rows
    model: hotelling.Model | None


State = dict[str, _Source]


class MultivariateDetector:
    """Hotelling's T-squared of the mean of the last 32 rows of a source, blind to drift.

    A row is the values of all metrics of a source at one time (a metric without a sample then
    keeps its last one). The first `learn` rows give mean, covariance S of the moving mean, and D,
    the covariance of how the means of the four quarters differ. With z the moving mean in
    learnt standard deviations:

        T2 = z' (S + 9 D + 0.001 I)^-1 z,   r = T2 / (its 99 % quantile over the learnt rows)
        score = r / (r + 3/7 warning)

    D makes it blind to directions that wandered already while learning (a machine that warms up).
    The score stands at the metric that the others explain least: its residual given them, in
    standard deviations, is (P z)_j / sqrt(P_jj) with P the inverse above. Other metrics of the
    source get the share of their squared residual. A new metric starts the source's learning anew.

    Reference: Hotelling (1947), Multivariate quality control; Mason, Tracy & Young (1995),
    Decomposition of T2 for multivariate control chart interpretation.

    >>> noise = np.random.default_rng(7).normal(size=(2, 600))
    >>> load = noise[0]
    >>> current = 2 * load + 0.1 * noise[1]
    >>> current[550:] -= 1.5  # each value on its own is usual
    >>> pair = (Series("pump", "current"), Series("pump", "load"))
    >>> time = np.arange(600)
    >>> table = FeatureTable(
    ...     pair, np.array([600, 600]), np.array([0, 1], np.int32), {}, np.array([0, 600, 1200]),
    ...     np.r_[time, time], np.r_[current, load], 600)
    >>> detector = MultivariateDetector(MultivariateParameters())
    >>> sample = detector.step(detector.initial(), table)[1].sample
    >>> int(np.flatnonzero(sample[:600] > 0.7)[0])
    559
    """

    name: ClassVar[str] = "multivariate"
    version: ClassVar[int] = 1
    Parameters: ClassVar[type[Parameters]] = MultivariateParameters

    def __init__(self, parameters: MultivariateParameters) -> None:
        self.parameters = parameters

    def initial(self) -> State:
        """No source yet."""
        return {}

    def step(self, state: State, table: FeatureTable) -> tuple[State, Scores]:
        """Score every joint row of every source, window by window, then learn it."""
        sample = np.full(len(table.value), np.nan)
        residual = np.full(len(table.value), np.nan)
        source_of = [series.source_id for series in table.series]
        bounds = np.flatnonzero(np.diff(table.window_end)) + 1
        # A source has a few metrics and some dozen rows a window: about 60 us each, so the
        # loop over sources costs less than a sample's share of the rest of the job.
        for first, last in zip(np.r_[0, bounds], np.r_[bounds, len(table)], strict=True):
            begin = int(first)
            while begin < last:
                source = source_of[table.code[begin]]
                end = begin + 1
                while end < last and source_of[table.code[end]] == source:
                    end += 1
                self._source(state, source, table, begin, end, sample, residual)
                begin = end
        keep = table.closed_until - int(self.parameters.retention_sec * 1e6)
        state = {key: value for key, value in state.items() if value.seen >= keep}
        detail = {"residual": _row_max(residual, table.offset)}
        return state, Scores(_row_max(sample, table.offset), sample, detail)

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """How far the metric is from what the other metrics of its source imply."""
        series = table.series[table.code[row]]
        off = float((scores.detail or {})["residual"][row])
        if not np.isfinite(off):
            return {"text": f"{series.source_id} is still being learnt"}
        text = (
            f"{series.metric_name} is {off:.1f} standard deviations from what the other "
            f"metrics of {series.source_id} imply"
        )
        return {"text": text, "residual_sd": off}

    def dump(self, state: State) -> bytes:
        """Sources in the order of their names."""
        saved = [
            (
                key,
                [tuple(metric) for metric in source.metrics],
                source.seen,
                source.last.tobytes(),
                source.rows.tobytes(),
                None if source.model is None else hotelling.dump(source.model),
            )
            for key, source in sorted(state.items())
        ]
        return msgspec.msgpack.encode((self.version, saved))

    def load(self, data: bytes) -> State:
        """Sources from bytes.

        Raises:
            StateError: the bytes are damaged or of another version.
        """
        try:
            version, saved = msgspec.msgpack.decode(data, type=tuple[int, list[_Saved]])
            if version != self.version:
                message = (
                    f"multivariate state has version {version}, this code reads {self.version}; "
                    "replay the history instead of restoring it"
                )
                raise StateError(message)
            return {key: _restore(item) for key, *item in cast(list[Any], saved)}
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            message = f"multivariate state is damaged ({error}); restore another savepoint"
            raise StateError(message) from error

    def _source(
        self,
        state: State,
        key: str,
        table: FeatureTable,
        begin: int,
        end: int,
        sample: Array,
        residual: Array,
    ) -> None:
        metrics = tuple(table.series[c] for c in table.code[begin:end])
        limit = int(self.parameters.retention_sec * 1e6)
        source = state.get(key)
        seen = int(table.window_end[begin])
        if source is None or seen - source.seen > limit:
            source = _new(metrics[: self.parameters.max_metrics], seen)
        elif not set(metrics) <= set(source.metrics):
            joint = sorted(set(source.metrics) | set(metrics))[: self.parameters.max_metrics]
            if tuple(joint) != source.metrics:
                source = _new(tuple(joint), seen)
        state[key] = source
        source.seen = seen
        # joint rows: distinct times of the source in this window, last value of each metric
        low, high = int(table.offset[begin]), int(table.offset[end])
        time = table.time[low:high]
        column = np.repeat(np.arange(begin, end), np.diff(table.offset[begin : end + 1]))
        place = {series: i for i, series in enumerate(source.metrics)}
        where = np.array([place.get(series, -1) for series in metrics])[column - begin]
        known = where >= 0
        moment, at = np.unique(time[known], return_inverse=True)
        if not len(moment) or len(source.metrics) < 2:
            return
        rows = np.full((len(moment) + 1, len(source.metrics)), np.nan)
        rows[0] = source.last
        rows[at + 1, where[known]] = table.value[low:high][known]
        rows = _carry(rows)
        source.last = rows[-1].copy()
        score, off = self._rows(source, rows[1:])
        index = low + np.flatnonzero(known)
        sample[index] = score[at, where[known]]
        residual[index] = off[at, where[known]]

    def _rows(self, source: _Source, rows: Array) -> tuple[Array, Array]:
        """Scores and residuals (n, d) of joint rows; learns as long as there is no model."""
        score = np.full(rows.shape, np.nan)
        off = np.full(rows.shape, np.nan)
        whole = np.flatnonzero(~np.isnan(rows).any(axis=1))
        begin = int(whole[0]) if whole.size else len(rows)
        if source.model is None:
            need = self.parameters.learn - len(source.rows)
            source.rows = np.concatenate([source.rows, rows[begin : begin + need]])
            begin = min(begin + need, len(rows))
            if len(source.rows) == self.parameters.learn:
                source.model = hotelling.fit(source.rows)
                source.rows = source.rows[-(hotelling.SPAN - 1) :]
        if source.model is not None and begin < len(rows):
            together = np.concatenate([source.rows, rows[begin:]])
            ratio, off[begin:] = hotelling.judge(source.model, together)
            share = off[begin:] ** 2
            top = share.max(axis=1, keepdims=True)
            share = np.divide(share, top, out=np.zeros_like(share), where=top > 0)
            level = ratio / (ratio + 3 / 7 * self.parameters.warning)
            score[begin:] = level[:, None] * share
            source.rows = together[-(hotelling.SPAN - 1) :]
        return score, np.abs(off)


_Saved = tuple[str, list[tuple[str, str, str]], int, bytes, bytes, bytes | None]


def _new(metrics: tuple[Series, ...], seen: int) -> _Source:
    d = len(metrics)
    return _Source(metrics, seen, np.full(d, np.nan), np.empty((0, d)), None)


def _restore(item: list[Any]) -> _Source:
    metrics, seen, last, rows, model = item
    d = len(metrics)
    return _Source(
        tuple(Series(*metric) for metric in metrics),
        seen,
        np.frombuffer(last, np.float64).copy(),
        np.frombuffer(rows, np.float64).reshape(-1, d).copy(),
        None if model is None else hotelling.load(model, d),
    )


def _carry(rows: Array) -> Array:
    """Every NaN replaced by the last number above it."""
    index = np.where(np.isnan(rows), 0, np.arange(len(rows))[:, None])
    return np.take_along_axis(rows, np.maximum.accumulate(index, axis=0), axis=0)


def _row_max(sample: Array, offset: NDArray[np.int64]) -> Array:
    score = np.full(len(offset) - 1, np.nan)
    some = np.flatnonzero(np.diff(offset))
    if some.size:
        score[some] = np.fmax.reduceat(sample, offset[some])
    return score


DETECTOR = MultivariateDetector
