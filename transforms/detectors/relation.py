"""Relation: a metric that no longer follows the other metrics of its source."""

import hashlib
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from padit.domain.config import Levels
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors.base import Parameters, Scores
from padit.transforms.detectors.calibration import measured_confidence
from padit.transforms.detectors.columns import Columns, Field, locate
from padit.transforms.detectors.directions import (
    NO_SAMPLES,
    VerdictParameters,
    directions_of,
    everywhere,
    limits_of,
    scored,
)
from padit.transforms.detectors.per_series import PerSeries
from padit.transforms.detectors.relation_kernel import (
    FACTS,
    LEAST_WINDOWS,
    PAIR,
    PARTNERS,
    SLOTS,
    means_of,
    run,
)
from padit.transforms.detectors.wording import number
from padit.transforms.of_names import OfNames

__all__ = ["DETECTOR", "RelationDetector", "RelationParameters"]

_FIELDS = {
    "own": Field((SLOTS,), "float64"),
    "partner": Field((PARTNERS,), "int64"),
    "pairs": Field((PARTNERS * PAIR,), "float64"),
}


class RelationParameters(VerdictParameters):
    """How easily the detector speaks, and how long it remembers."""


class RelationDetector(PerSeries):
    """A metric that leaves the line over its partners, though each stays in its usual range.

    The mean of each window's new samples is predicted from that of up to eight other metrics of
    the same source, by a line for each pair (see `relation_kernel`). A pair judges once its line
    predicts 70 % of the variance out of sample, over 60 windows, 5 swings of the partner and 12 of
    the errors. Errors beyond three deviations add up, as in Page (1954); a verdict is the sum
    divided by its limit. Of several pairs the median counts, of two the lower one: a metric that
    goes wrong leaves all its lines, one whose partner goes wrong leaves one.

        score = verdict / (verdict + 3/7)    while no alert is open; 0 inside one
        level = verdict / (verdict + 3/7)    always

    Nothing is learnt while an alert is open; once it has stood for `accept_after` the lines are
    learnt anew, but for an availability, an error rate and a value at the bad end of its bounds.
    """

    name: ClassVar[str] = "relation"
    version: ClassVar[int] = 2
    fields = _FIELDS
    Parameters: ClassVar[type[Parameters]] = RelationParameters
    samples_first: ClassVar[int] = LEAST_WINDOWS
    budgeted: ClassVar[bool] = False
    confidence = staticmethod(measured_confidence)

    def __init__(self, parameters: RelationParameters, levels: Levels | None = None) -> None:
        self.parameters = parameters
        self.levels = levels or Levels()
        self._limits = limits_of(self.levels, parameters.sensitivity)
        self._retention = int(parameters.retention_sec * 1e6)

    def at(self, levels: Levels) -> "RelationDetector":
        """The same detector that opens, closes and accepts where the job's alerts do."""
        return RelationDetector(self.parameters, levels)

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, Scores]:
        """Judge every window, then learn from it."""
        state, rows = locate(state, _FIELDS, table, self._retention)
        sensitivity = self.parameters.sensitivity
        number_of, identity = _named_by(table.series)
        facts = np.empty((FACTS, len(table)))
        mean = table.once(means_of)
        data: dict[str, Any] = state.data
        run(
            data["own"],
            data["partner"],
            data["pairs"],
            rows.take(table.code),
            number_of.take(table.code),
            identity.take(table.code),
            table.window_end,
            mean,
            table.once(directions_of),
            self._limits,
            facts,
        )
        return state, _scores(facts, mean, sensitivity, table)

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """The line that it left, and the metric that it is over."""
        if not np.isfinite(scores.score[row]):
            return {"text": "warming up"}
        columns = dict(scores.detail or {})
        partner = columns.pop("partner")[row]
        detail = {key: float(column[row]) for key, column in columns.items()}
        series = table.series[table.code[row]]
        if not partner:
            return {"text": f"{series.metric_name} has no partner to follow"}
        low, high = number(detail["low"]), number(detail["high"])
        seen = f"{series.metric_name} {number(detail['mean'])} {series.unit}".rstrip()
        return {
            "text": f"{seen}, does not follow {partner}: {low} to {high} expected",
            "what": "relation",
            "partner": partner,
            "expected_low": detail["low"],
            "expected_high": detail["high"],
            "explained": detail["explained"],
            "pairs": int(detail["pairs"]),
        }


def _scores(
    facts: NDArray[np.float64], mean: NDArray[np.float64], sensitivity: float, table: FeatureTable
) -> Scores:
    accepted, _ = scored(facts, (1, 2, -1), NO_SAMPLES, sensitivity)
    event, level, _, other, low, high, _, explained, pairs = facts
    detail = {
        "mean": mean, "partner": _named(other, table), "low": low, "high": high,
        "explained": explained, "pairs": pairs,
    }  # fmt: skip
    return Scores(
        score=event,
        detail=detail,
        level=level,
        held=table.once(everywhere),  # it accepts by itself, and says so
        accepted=accepted,
    )


def _named(row: NDArray[np.float64], table: FeatureTable) -> NDArray[Any]:
    """Names (n,) of the metrics of rows of the table, 0 of -1.

    Numbers would be those of another metric once rows of missing data are put in between.
    """
    found = np.zeros(len(row), object)
    known = (row >= 0).nonzero()[0]
    if not len(known):
        return found
    codes = table.code[row[known].astype(np.int64)].tolist()
    found[known] = [table.series[code].metric_name for code in codes]
    return found


@OfNames
def _named_by(series: tuple[Series, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """int64 (series,) twice: the number of the source of each, and of its metric."""
    sources: dict[str, int] = {}
    number_of = [sources.setdefault(one.source_id, len(sources)) for one in series]
    identity = [_identity(one.metric_name, one.unit) for one in series]
    return np.array(number_of, np.int64), np.array(identity, np.int64)


@lru_cache(maxsize=1 << 16)
def _identity(metric_name: str, unit: str) -> int:
    """A number for a metric of a source, never 0."""
    digest = hashlib.blake2b(f"{metric_name}\0{unit}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "little") >> 1) | 1


DETECTOR = RelationDetector
