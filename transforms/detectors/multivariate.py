"""Multivariate: relations between the metrics of a source that no longer hold."""

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Option

from padit.domain.errors import StateError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors import hotelling
from padit.transforms.detectors.base import Parameters, Scores
from padit.transforms.detectors.calibration import measured_confidence
from padit.transforms.detectors.columns import row_argmax
from padit.transforms.detectors.joint import Joint, join, stretches
from padit.transforms.detectors.multivariate_source import Source, new_source, restore

__all__ = ["DETECTOR", "MultivariateDetector", "MultivariateParameters"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
_AT_ONCE = 1 << 20  # numbers in a matrix of rows, so that many sources need no more memory


class MultivariateParameters(Parameters):
    """How long it learns, and what counts as unusual."""

    learn: int = Option(400, ge=64, le=10_000, description="Rows of a source before it is judged.")
    warning: float = Option(
        7.0,
        gt=1,
        description="Score 0.7 at this multiple of the T2 that 1 % of the learnt rows exceed, "
        "after 400 rows; in inverse proportion to the independent rows learnt, down to 5.",
    )
    memory_rows: int = Option(
        262_144, ge=16_384, description="Rows after which what was learnt is forgotten."
    )
    max_metrics: int = Option(32, ge=2, le=64, description="Metrics of a source that are related.")
    retention_sec: float = Option(
        30 * 86400.0,
        gt=0,
        le=1e9,
        description="Seconds without a sample until a source is forgotten.",
    )


State = dict[str, Source]


class _Sheet:
    """Scores of joint rows (u, D), filled in source by source."""

    def __init__(self, joint: Joint) -> None:
        shape = joint.rows.shape
        self.score, self.residual, self.mean, self.expected, self.spread = (
            np.full(shape, np.nan) for _ in range(5)
        )
        self.partner = np.zeros(shape, np.int64)

    def fill(self, chosen: slice, judged: hotelling.Judged, source: int, related: Ints) -> None:
        """Copy the rows of one source, in the columns `related`, from the scores of several."""
        size = chosen.stop - chosen.start
        off = judged.off[source, :size]
        share = off * off
        top = share.max(axis=1, keepdims=True)
        share = np.divide(share, top, out=np.zeros_like(share), where=top > 0)
        self.score[chosen, related] = judged.level[source, :size, None] * share
        self.residual[chosen, related] = np.abs(off)
        self.mean[chosen, related] = judged.mean[source, :size]
        self.expected[chosen, related] = judged.expected[source, :size]
        self.spread[chosen, related] = judged.spread[source]
        self.partner[chosen, related] = related[judged.partner[source]]


class MultivariateDetector:
    """Hotelling's T-squared of the mean of the last 32 rows of a source, blind to drift.

    A row is the values of all metrics of a source at one time (a metric without a sample then
    keeps its last one). With z the moving mean in standard deviations of the first rows, S its
    covariance over all that was learnt, and D the mean square of how the means of consecutive
    stretches differ (4 to 16 stretches, which grow with the memory):

        T2 = z' (S + 27 D + 0.001 I)^-1 z,   r = T2 / (what 1 % of the learnt rows exceed)
        score = r / (r + 3/7 w),   w = max(5, 2800 / n) or 1.5 times the latest peaks

    D makes it blind to directions that wandered while learning (a machine that warms up). n are
    the independent rows learnt: all of them as long as no more than half of the variance lies
    between stretches, fewer the more of it does. After the first `learn` rows there are no scores
    until the source has settled: a stretch of 100 rows without an alarm where at least 0.9 of the
    rows are independent, else 4,000 rows. A row counts as at most 20 standard deviations from the
    latest stretch, so that a metric may wander and one absurd value does not own the mean.

    It goes on learning, rows that score below 0.45. The others are only counted; when they
    outnumber all that was learnt 1.5 times (or reach 4,000), they are the new normal. So a
    passing anomaly is not learnt, and no alert lasts forever. Fits become rarer as the memory
    grows: stretches double in length up to a 16th of `memory_rows`.

    The score stands at the metric that the others explain least: its residual given them, in
    standard deviations, is (P z)_j / sqrt(P_jj) with P the inverse above. Other metrics of the
    source get the share of their squared residual. A new metric resets the source.

    A metric with at most 4 values in the first `learn` rows is a switch or a state: it is left
    alone, neither judged nor related to others, since its flips are no distances. When it has had
    more values than that, the source is learnt anew with it.

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
    561
    """

    name: ClassVar[str] = "multivariate"
    version: ClassVar[int] = 4
    Parameters: ClassVar[type[Parameters]] = MultivariateParameters
    confidence = staticmethod(measured_confidence)

    def __init__(self, parameters: MultivariateParameters) -> None:
        self.parameters = parameters
        self._retention = int(parameters.retention_sec * 1e6)

    def initial(self) -> State:
        """No source yet."""
        return {}

    def step(self, state: State, table: FeatureTable) -> tuple[State, Scores]:
        """Score every joint row of every source, then learn it."""
        sample = np.full(len(table.value), np.nan)
        detail = {
            name: np.full(len(table.value), np.nan)
            for name in ("residual", "mean", "expected", "spread", "partner_mean")
        }
        partner = np.full(len(table.value), "", object)
        for first, last in self._stretches(state, table):
            self._stretch(state, table, first, last, sample, detail, partner)
        score, best = row_argmax(sample, table.offset)
        columns: dict[str, NDArray[Any]] = {"partner": _at(partner, best)}
        columns |= {name: _at(column, best) for name, column in detail.items()}
        keep = table.closed_until - self._retention
        state = {key: source for key, source in state.items() if source.seen >= keep}
        return state, Scores(score, sample, columns)

    def forget(self, state: State, gone: Collection[Series]) -> State:
        """A source that loses a metric is reset, as one that gets a new metric is."""
        for one in gone:
            source = state.get(one.source_id)
            if source is not None and one in source.metrics:
                del state[one.source_id]
        return state

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """How far the metric is from what the other metrics of its source imply."""
        series = table.series[table.code[row]]
        detail = {name: column[row] for name, column in (scores.detail or {}).items()}
        if np.isnan(scores.score[row]):
            return {"text": f"{series.source_id} is still being learnt"}
        expected, spread = float(detail["expected"]), float(detail["spread"])
        low, high = expected - 2 * spread, expected + 2 * spread
        text = (
            f"{series.metric_name} {_number(detail['mean'])} {series.unit}".rstrip()
            + f" is unusual with {detail['partner']} {_number(detail['partner_mean'])}: "
            f"expected {_number(low)} to {_number(high)} (means of {hotelling.SPAN} rows, "
            f"{detail['residual']:.1f} standard deviations)"
        )
        return {
            "text": text,
            "mean": float(detail["mean"]),
            "expected": [low, high],
            "residual_sd": float(detail["residual"]),
            "related_metric": detail["partner"],
            "related_mean": float(detail["partner_mean"]),
        }

    def dump(self, state: State) -> bytes:
        """Sources in the order of their names."""
        saved = [(key, *source.saved()) for key, source in sorted(state.items())]
        return msgspec.msgpack.encode((self.version, saved))

    def load(self, data: bytes) -> State:
        """Sources from bytes.

        Raises:
            StateError: the bytes are damaged or of another version.
        """
        try:
            version, saved = msgspec.msgpack.decode(data, type=tuple[int, list[Any]])
            if version != self.version:
                message = (
                    f"multivariate state has version {version}, this code reads {self.version}; "
                    "replay the history instead of restoring it"
                )
                raise StateError(message)
            return {key: restore(item) for key, *item in saved}
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            message = f"multivariate state is damaged ({error}); restore another savepoint"
            raise StateError(message) from error

    def _stretches(self, state: State, table: FeatureTable) -> Iterable[tuple[int, int]]:
        seen = [
            state[series.source_id].seen if series.source_id in state else -1
            for series in table.series
        ]

        def is_known(series: Series) -> bool:
            source = state.get(series.source_id)
            return source is not None and series in source.metrics

        return stretches(table, is_known, seen, self._retention)

    def _stretch(
        self,
        state: State,
        table: FeatureTable,
        first: int,
        last: int,
        sample: Array,
        detail: dict[str, Array],
        partner: NDArray[Any],
    ) -> None:
        """Rows of a table in which no source changes its metrics."""
        names = self._meet(state, table, first, last)
        number = {name: i for i, name in enumerate(names)}
        sources = [state[name] for name in names]
        width = max(len(source.metrics) for source in sources)
        places = [{series: i for i, series in enumerate(one.metrics)} for one in sources]
        owner = np.array([number.get(series.source_id, -1) for series in table.series], np.int64)
        place = np.array(
            [
                places[at].get(series, -1) if at >= 0 else -1
                for series, at in zip(table.series, owner.tolist(), strict=True)
            ],
            np.int64,
        )
        before = np.full((len(sources), width), np.nan)
        for i, source in enumerate(sources):
            before[i, : len(source.metrics)] = source.last
        joint = join(table, first, last, owner, place, before)
        for i, source in enumerate(sources):
            source.last = joint.last[i, : len(source.metrics)].copy()
        sheet = self._judge(sources, joint)
        row, column = joint.row, joint.column
        sample[joint.sample] = sheet.score[row, column]
        for name in ("residual", "mean", "expected", "spread"):
            detail[name][joint.sample] = getattr(sheet, name)[row, column]
        related = sheet.partner[row, column]
        detail["partner_mean"][joint.sample] = sheet.mean[row, related]
        metrics = np.full((len(sources), width), "", object)
        for i, source in enumerate(sources):
            metrics[i, : len(source.metrics)] = [one.metric_name for one in source.metrics]
        of = np.repeat(np.arange(len(sources)), np.diff(joint.start))[row]
        partner[joint.sample] = metrics[of, related]

    def _meet(self, state: State, table: FeatureTable, first: int, last: int) -> list[str]:
        """Sources of these rows, in order; new ones, and those with new metrics, begin empty."""
        found: dict[str, list[Series]] = {}
        for code in np.unique(table.code[first:last]).tolist():
            found.setdefault(table.series[code].source_id, []).append(table.series[code])
        ends: dict[str, tuple[int, int]] = {}
        for code, end in zip(
            table.code[first:last].tolist(), table.window_end[first:last].tolist(), strict=True
        ):
            name = table.series[code].source_id
            ends[name] = (ends.get(name, (end, end))[0], end)
        for name, metrics in found.items():
            source = state.get(name)
            if source is None or ends[name][0] - source.seen > self._retention:
                state[name] = new_source(tuple(metrics[: self.parameters.max_metrics]))
            elif not set(metrics) <= set(source.metrics):
                joint = tuple(sorted({*source.metrics, *metrics}))[: self.parameters.max_metrics]
                if joint != source.metrics:
                    state[name] = new_source(joint)
            state[name].seen = ends[name][1]
        return sorted(found)

    def _judge(self, sources: list[Source], joint: Joint) -> _Sheet:
        """Rows of all sources: the same steps for each, many at once."""
        sheet = _Sheet(joint)
        at = joint.start[:-1].copy()
        stop = joint.start[1:]
        for i, source in enumerate(sources):
            d = len(source.metrics)
            rows = joint.rows[at[i] : stop[i], :d]
            known = np.flatnonzero(~np.isnan(rows).any(axis=1))
            at[i] = at[i] + known[0] if known.size and d > 1 else stop[i]
        until = at.copy()  # the rows of each source that its metrics are known for
        while True:
            for i in np.flatnonzero(at < stop).tolist():
                at[i], until[i] = self._begin(
                    sources[i], joint.rows, int(at[i]), int(until[i]), int(stop[i])
                )
            ready = np.flatnonzero(at < stop)
            if not ready.size:
                return sheet
            sizes = np.array([len(cast(Ints, sources[i].related)) for i in ready])
            for d in np.unique(sizes).tolist():
                chosen = ready[sizes == d]
                at[chosen] = self._together(sources, joint.rows, chosen, at, until, sheet)

    def _begin(
        self, source: Source, rows: Array, at: int, until: int, stop: int
    ) -> tuple[int, int]:
        """Let a source that has not learnt do so; where its rows go on, and to where it may judge.

        Args:
            source: whose rows these are.
            rows: of all sources.
            at: the first of its rows that is not judged yet.
            until: the row behind those it was found to be ready for.
            stop: the row behind its last one.
        """
        while at < stop:
            if source.related is not None:
                if until <= at:
                    until = source.more_values(rows, at, stop)
                if until > at and source.memory is not None:
                    return at, until
                at = max(at, until)  # nothing to relate up to here
                if at < stop:
                    source.learn_anew()
                continue
            upto = min(at + self.parameters.learn - len(source.rows), stop)
            source.rows = np.concatenate([source.rows, rows[at:upto, : len(source.metrics)]])
            if len(source.rows) == self.parameters.learn:
                source.begin(self.parameters.warning)
            at = until = upto
        return at, until

    def _together(
        self,
        sources: list[Source],
        rows: Array,
        chosen: NDArray[np.int64],
        at: Ints,
        until: Ints,
        sheet: _Sheet,
    ) -> Ints:
        """Judge what each source may take before it learns; where their rows go on."""
        related = np.stack([cast(Ints, sources[i].related) for i in chosen])
        d = related.shape[1]
        where = hotelling.layout(d)
        memory = np.stack([cast(Array, sources[i].memory) for i in chosen])
        count = np.minimum(hotelling.room(memory, where), until[chosen] - at[chosen])
        count = np.minimum(count, max(_AT_ONCE // (len(chosen) * d), 1))
        size = int(count.max())
        index = at[chosen][:, None] + np.minimum(np.arange(size), count[:, None] - 1)
        judged, lost = hotelling.step(
            memory, rows[index[:, :, None], related[:, None, :]], count, self.parameters.warning,
            self.parameters.memory_rows,
        )  # fmt: skip
        for place, i in enumerate(chosen.tolist()):
            part = slice(int(at[i]), int(at[i] + count[place]))
            sheet.fill(part, judged, place, related[place])
            sources[i].memory = memory[place].copy()
            if lost[place]:
                sources[i].learn_anew()
        onwards: Ints = at[chosen] + count
        return onwards


def _at(column: NDArray[Any], best: NDArray[np.int64]) -> NDArray[Any]:
    found: NDArray[Any] = column[best] if len(column) else np.full(len(best), None, column.dtype)
    return found


def _number(value: Any) -> str:
    return f"{float(value):,.4g}"


DETECTOR = MultivariateDetector
