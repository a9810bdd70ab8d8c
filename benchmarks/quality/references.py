"""Other detectors under the same harness: Beam's `ml.anomaly`, river's, and published figures.

Each detector goes through its own `score_one`, then `learn_one`, row by row from scratch: a row is
scored before it is learnt and nothing looks ahead. One configuration each, the default of its
documentation; what river's documentation recommends around it is part of it (values scaled to 0..1
for HalfSpaceTrees). NAB and Merlion take the best threshold, as for every detector there; SKAB
takes the threshold that the documentation gives. What is not finite is not a score: 0.
"""

import pickle
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import apache_beam as beam
import numpy as np
from apache_beam.ml.anomaly.detectors.iqr import IQR
from apache_beam.ml.anomaly.detectors.robust_zscore import RobustZScore
from apache_beam.ml.anomaly.detectors.zscore import ZScore
from numpy.typing import NDArray
from river import anomaly, preprocessing, stats

from benchmarks.quality.corpus import Array
from benchmarks.quality.scoring import Flags, Univariate

__all__ = ["REFERENCES", "Reference", "flags_of", "measure", "scores_of", "state_bytes"]

SEED = 42
FULL = 20_000  # rows after which every window is full


class Stream(Protocol):
    """A detector of one source, from scratch; `held` is all that it remembers."""

    held: Any

    def step(self, row: Sequence[float]) -> float:
        """Score one row, one value a metric, then learn it."""


class Reference(NamedTuple):
    """A detector to compare with.

    Attributes:
        name: in the table.
        start: makes one for so many metrics.
        alarms: bool (n,) from the scores (n,) of a series in order, by the documented threshold.
    """

    name: str
    start: Callable[[int], Stream]
    alarms: Callable[[Array], NDArray[np.bool_]]


class _Beam:
    """One of Beam's detectors a metric; the highest score counts."""

    def __init__(self, detector: type, metrics: int) -> None:
        self.held = [detector() for _ in range(metrics)]

    def step(self, row: Sequence[float]) -> float:
        highest = 0.0
        for one, value in zip(self.held, row, strict=True):
            element = beam.Row(value=value)
            score = one.score_one(element)
            one.learn_one(element)
            highest = max(highest, score)  # NaN, warming up, is never above
        return highest


class _Gaussian:
    """One GaussianScorer a metric; the highest score counts."""

    def __init__(self, metrics: int) -> None:
        self.held = [anomaly.GaussianScorer() for _ in range(metrics)]

    def step(self, row: Sequence[float]) -> float:
        highest = 0.0
        for one, value in zip(self.held, row, strict=True):
            highest = max(highest, one.score_one(None, value))
            one.learn_one(None, value)
        return highest


class _HalfSpaceTrees:
    """One forest for all metrics together."""

    def __init__(self, _metrics: int) -> None:
        self.held = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=SEED)

    def step(self, row: Sequence[float]) -> float:
        element = dict(enumerate(row))
        score = float(self.held.score_one(element))
        self.held.learn_one(element)
        return score


def _from(threshold: float) -> Callable[[Array], NDArray[np.bool_]]:
    return lambda scores: scores >= threshold


def _above_quantile(scores: Array) -> NDArray[np.bool_]:
    """At or above the 0.95 quantile of the scores before: river's QuantileFilter."""
    quantile = stats.Quantile(q=0.95)
    found = np.zeros(len(scores), bool)
    for i, score in enumerate(scores.tolist()):
        found[i] = score >= (quantile.get() or np.inf)
        quantile.update(score)
    return found


REFERENCES = (
    Reference("Beam ZScore", lambda n: _Beam(ZScore, n), _from(3.0)),
    Reference("Beam RobustZScore", lambda n: _Beam(RobustZScore, n), _from(3.0)),
    Reference("Beam IQR", lambda n: _Beam(IQR, n), _from(1.5)),
    Reference("river HalfSpaceTrees", _HalfSpaceTrees, _above_quantile),
    Reference("river GaussianScorer", _Gaussian, _from(0.995)),
)


def scores_of(reference: Reference, values: Array) -> Array:
    """A score for each row of (n,) or (n, metrics), from scratch; 0 for what is not finite."""
    rows = values.reshape(len(values), -1)
    good = np.flatnonzero(np.isfinite(rows).all(axis=1))
    stream = reference.start(rows.shape[1])
    result = np.zeros(len(rows))
    result[good] = np.nan_to_num([stream.step(row) for row in rows[good].tolist()])
    return result


def flags_of(reference: Reference) -> Flags:
    """Flags the rows of several metrics by the documented threshold."""
    return lambda _time, values: reference.alarms(scores_of(reference, values.T))


def state_bytes(reference: Reference) -> int:
    """Bytes of one series' pickled state, all windows full."""
    stream = reference.start(1)
    for value in np.random.default_rng(1).normal(size=FULL).tolist():
        stream.step((value,))
    return len(pickle.dumps(stream.held))


def measure(
    reference: Reference, nab: Univariate, merlion: Univariate, skab: Callable[[Flags], Any]
) -> dict[str, Any]:
    """Points, F1 and cost of one reference."""

    def scorer(values: Array) -> Array:
        return scores_of(reference, values)

    begin = time.process_time()
    scores = nab.run(scorer)
    spent = time.process_time() - begin
    return {
        "nab": nab.score(scores) | {"guard": nab.guard(scores)[0]},
        "merlion": merlion.score(merlion.run(scorer)),
        "skab": skab(flags_of(reference)),
        "us_per_row": 1e6 * spent / sum(len(values) for values in scores.values()),
        "bytes_per_series": state_bytes(reference),
    }
