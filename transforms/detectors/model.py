"""Model: what was learnt from a recording, and judges without learning more."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Option

from padit.domain.errors import StateError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors.artefact import Artefact, Judged, Metric, judge
from padit.transforms.detectors.base import Parameters, Scores
from padit.transforms.detectors.calibration import measured_confidence
from padit.transforms.detectors.channels import SPANS
from padit.transforms.detectors.columns import row_argmax
from padit.transforms.detectors.joint import Joint, join, stretches
from padit.transforms.detectors.versions import Versions
from padit.transforms.detectors.words import sentence

__all__ = ["DETECTOR", "ModelDetector", "ModelParameters", "moving_means"]

Array = NDArray[np.float64]
_TAIL = SPANS[-1] - 1


class ModelParameters(Parameters):
    """Where the model is, and how long a source is remembered."""

    path: str = Option(
        min_length=1,
        description="Model of `padit train`, or a folder of its versions, looked at again "
        "whenever windows close.",
    )
    retention_sec: float = Option(
        30 * 86400.0,
        gt=0,
        le=1e9,
        description="Seconds without a sample until a source is forgotten.",
    )


class _Source(msgspec.Struct, array_like=True):
    """One source: its last window, last values (d,) and last rows (31, d), as bytes in state."""

    seen: int
    last: Any
    tail: Any


@dataclass(slots=True)
class _State:
    """All sources, and which models were there in time.

    Attributes:
        closed: end of the last window that was judged, microseconds.
        admitted: digests of models that may judge.
        late: digests of models that came after their `valid_from`.
        metrics: of the model that judged last; the sources' columns.
    """

    closed: int | None = None
    admitted: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    sources: dict[str, _Source] = field(default_factory=dict)


_Saved = tuple[int, int | None, list[str], list[str], list[tuple[str, str]], list[Any]]


class ModelDetector:
    """Judges the joint rows of a source by a model that `padit train` made from a recording.

    A channel (a metric, a product or difference of two, T2 of all, an empty corner of two) kept a
    range [low, high] in the recording, of which the outermost 1 % is a tail of width t. Of a row,
    and of the mean of 32 rows:

        x = how far outside the range, in tail widths;   score = x / (x + 3/35)

    0.7 stands a fifth of a tail beyond anything recorded, 0.9 at four fifths. The score of a row
    is that of its worst channel, and stands at the metric of it that is farthest from its mean. A
    source without all metrics of the model gets no score. The model never learns from what it
    judges.

    The digest of the model stands in the evidence. How versions follow each other: see `versions`.

    Reference: Hotelling (1947), Multivariate quality control (T2); the ranges are those of an
    order statistic, see David & Nagaraja (2003), Order Statistics.
    """

    name: ClassVar[str] = "model"
    version: ClassVar[int] = 1
    Parameters: ClassVar[type[Parameters]] = ModelParameters
    confidence = staticmethod(measured_confidence)

    def __init__(self, parameters: ModelParameters) -> None:
        self.parameters = parameters
        self._retention = int(parameters.retention_sec * 1e6)
        self._versions = Versions(parameters.path)

    def initial(self) -> _State:
        """No source yet; every model that is there may judge."""
        return _State()

    def step(self, state: _State, table: FeatureTable) -> tuple[_State, Scores]:
        """Score every joint row of every source that has the model's metrics."""
        self._versions.refresh()
        self._admit(state)
        sample = np.full(len(table.value), np.nan)
        detail = {
            name: np.full(len(table.value), np.nan)
            for name in ("channel", "value", "own", "expected")
        }
        digest = np.full(len(table.value), "", object)
        for first, last, model in self._stretches(state, table):
            where, judged, at = self._stretch(state, table, first, last, model)
            sample[where] = judged.score[at]
            for name, column in detail.items():
                column[where] = getattr(judged, name)[at]
            digest[where] = model.digest
        score, best = row_argmax(sample, table.offset)
        columns: dict[str, NDArray[Any]] = {"digest": _at(digest, best)}
        columns |= {name: _at(column, best) for name, column in detail.items()}
        limit = table.closed_until - self._retention
        state.sources = {k: one for k, one in state.sources.items() if one.seen >= limit}
        if len(table):
            state.closed = int(table.window_end[-1])
        return state, Scores(score, sample, columns)

    def forget(self, state: _State, gone: Collection[Series]) -> _State:
        """A source that loses a metric of the model waits again until it has them all."""
        for one in gone:
            if Metric(one.metric_name, one.unit) in state.metrics:
                state.sources.pop(one.source_id, None)
        return state

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """The value of the worst channel, and its range in the recording."""
        detail = {name: column[row] for name, column in (scores.detail or {}).items()}
        series = table.series[table.code[row]]
        if np.isnan(scores.score[row]):
            return {"text": f"{series.source_id} lacks a metric of the model, or a sample of it"}
        model = self._versions.models[detail["digest"]]
        channel = model.channels[int(detail["channel"])]
        value, own, expected = (float(detail[name]) for name in ("value", "own", "expected"))
        metric = Metric(series.metric_name, series.unit)
        found: dict[str, Any] = {
            "text": sentence(model, channel, metric, value, own, expected),
            "model": model.digest,
            "channel": msgspec.to_builtins(channel.what)["kind"],
            "rows_averaged": channel.span,
            "value": value,
            "recorded": [channel.low, channel.high],
        }
        return found if np.isnan(expected) else found | {"expected": expected}

    def dump(self, state: _State) -> bytes:
        """Sources in the order of their names."""
        sources = [
            (key, one.seen, one.last.tobytes(), one.tail.tobytes())
            for key, one in sorted(state.sources.items())
        ]
        metrics = [(one.name, one.unit) for one in state.metrics]
        saved = (self.version, state.closed, state.admitted, state.late, metrics, sources)
        return msgspec.msgpack.encode(saved)

    def load(self, data: bytes) -> _State:
        """Sources from bytes.

        Raises:
            StateError: damaged, of another version, or of a model that is gone.
        """
        try:
            saved = msgspec.msgpack.decode(data, type=_Saved)
            version, closed, admitted, late, names, sources = saved
            if version != self.version:
                message = (
                    f"model state has version {version}, this code reads {self.version}; "
                    "replay the history instead of restoring it"
                )
                raise StateError(message)
            metrics = [Metric(*one) for one in names]
            restored = {key: _restore(len(metrics), *one) for key, *one in sources}
        except (msgspec.DecodeError, ValueError, TypeError) as error:
            message = f"model state is damaged ({error}); restore another savepoint"
            raise StateError(message) from error
        self._versions.refresh()
        gone = [one for one in admitted if one not in self._versions.models]
        if gone:
            message = (
                f"the state was made with the model {gone[0]}, which is not in "
                f"{self.parameters.path} any more: put it back, or begin without the savepoint"
            )
            raise StateError(message)
        return _State(closed, admitted, late, metrics, restored)

    def _admit(self, state: _State) -> None:
        """Take note of new models: those in time may judge, the others never will."""
        known = {*state.admitted, *state.late}
        for digest, model in sorted(self._versions.models.items()):
            if digest not in known:
                in_time = state.closed is None or model.valid_from >= state.closed
                (state.admitted if in_time else state.late).append(digest)

    def _stretches(self, state: _State, table: FeatureTable) -> Iterator[tuple[int, int, Artefact]]:
        """Rows of the table, and the model that is valid for their windows."""
        models = [self._versions.models[digest] for digest in state.admitted]
        models.sort(key=lambda one: (one.valid_from, one.digest))
        starts = np.array([one.valid_from for one in models], np.int64)
        # A window belongs to the latest model that became valid before its end.
        which = np.searchsorted(starts, table.window_end, side="left") - 1
        seen = [
            state.sources[one.source_id].seen if one.source_id in state.sources else -1
            for one in table.series
        ]
        pauses = stretches(table, lambda _: True, seen, self._retention)
        edges = {0, len(table), *(np.flatnonzero(np.diff(which)) + 1).tolist()}
        for first, last in pairwise(sorted(edges.union(*pauses))):
            if which[first] >= 0:
                yield first, last, models[int(which[first])]

    def _stretch(
        self, state: _State, table: FeatureTable, first: int, last: int, model: Artefact
    ) -> tuple[NDArray[np.int64], Judged, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Judge rows of the table; samples, scores, and where each sample's score stands."""
        if state.metrics != model.metrics:
            state.metrics, state.sources = model.metrics, {}
        d = len(model.metrics)
        number = {one: i for i, one in enumerate(model.metrics)}
        place = np.array([number.get(Metric(s.metric_name, s.unit), -1) for s in table.series])
        names = sorted({s.source_id for s, p in zip(table.series, place, strict=True) if p >= 0})
        index = {name: i for i, name in enumerate(names)}
        owner = np.array([index.get(series.source_id, -1) for series in table.series], np.int64)
        sources = [self._source(state, name, d, int(table.window_end[first])) for name in names]
        for code, end in zip(
            table.code[first:last].tolist(), table.window_end[first:last].tolist(), strict=True
        ):
            if owner[code] >= 0:
                sources[owner[code]].seen = end
        before = np.array([one.last for one in sources]).reshape(len(sources), d)
        joint = join(table, first, last, owner, place, before)
        judged = judge(model, joint.rows, _follow(sources, joint))
        return joint.sample, judged, (joint.row, joint.column)

    def _source(self, state: _State, name: str, d: int, end: int) -> _Source:
        source = state.sources.get(name)
        if source is None or end - source.seen > self._retention:
            source = _Source(end, np.full(d, np.nan), np.full((_TAIL, d), np.nan))
            state.sources[name] = source
        return source


def moving_means(joint: Joint, tails: Array) -> tuple[Array, Array]:
    """Means of 32 rows (u, d) for all joint rows, and what is left for the next, (S, 31, d)."""
    count = np.diff(joint.start)
    begin = joint.start[:-1] + _TAIL * np.arange(len(count))  # each source after its tail
    rows = np.empty((len(joint.rows) + _TAIL * len(count), joint.rows.shape[1]))
    own = np.arange(len(joint.rows)) + _TAIL * (np.repeat(np.arange(len(count)), count) + 1)
    rows[own] = joint.rows
    rows[begin[:, None] + np.arange(_TAIL)] = tails
    left = rows[(begin + count)[:, None] + np.arange(_TAIL)]
    span = 1
    while span < SPANS[-1]:
        rows = rows[span:] + rows[:-span]
        span *= 2
    return rows[own - _TAIL] / SPANS[-1], left


def _follow(sources: list[_Source], joint: Joint) -> Array:
    """The moving means; each source keeps what comes next to them."""
    if not sources:
        return np.empty_like(joint.rows)
    moving, left = moving_means(joint, np.array([one.tail for one in sources]))
    for i, source in enumerate(sources):
        source.last, source.tail = joint.last[i].copy(), left[i].copy()
    return moving


def _restore(d: int, seen: int, last: bytes, tail: bytes) -> _Source:
    return _Source(
        seen,
        np.frombuffer(last, np.float64).reshape(d).copy(),
        np.frombuffer(tail, np.float64).reshape(_TAIL, d).copy(),
    )


def _at(column: NDArray[Any], best: NDArray[np.int64]) -> NDArray[Any]:
    found: NDArray[Any] = column[best] if len(column) else np.full(len(best), None, column.dtype)
    return found


DETECTOR = ModelDetector
