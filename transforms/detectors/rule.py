"""Fixed limits on window features: what an engineer knows beforehand."""

from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from padit.domain.errors import StateError
from padit.domain.features import FEATURES, FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors.base import Parameters, Scores

__all__ = ["DETECTOR", "Condition", "Rule", "RuleDetector", "RuleParameters"]

_COMPARE = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
}


class Condition(BaseModel):
    """One limit; what it adds to the score where it is crossed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    feature: Literal[FEATURES] = Field(description="Window feature that is compared.")  # type: ignore[valid-type]
    op: Literal[">", ">=", "<", "<="] = Field(default=">", description="How it is compared.")
    limit: float = Field(description="Threshold, in the unit of the metric.")
    adds: float = Field(default=0.5, gt=0, le=1, description="Score that a crossed limit adds.")


class Rule(BaseModel):
    """Limits for the series that match; `*` and `?` are wild cards."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    source: str = Field(default="*", description="Pattern of source_id.", examples=["cell-*"])
    metric: str = Field(default="*", description="Pattern of metric_name.", examples=["*_rtt_ms"])
    conditions: tuple[Condition, ...] = Field(
        description="Limits; the score is the sum of what the crossed ones add, at most 1."
    )


class RuleParameters(Parameters):
    """The first rule whose patterns match a series applies to it."""

    rules: tuple[Rule, ...] = Field(
        default=(
            Rule(
                conditions=(
                    Condition(feature="p99", limit=10.0),
                    Condition(feature="cusum", limit=50.0),
                )
            ),
        ),
        description="Rules in order of precedence.",
    )


class _Stateless(NamedTuple):
    """Rules remember nothing."""


class RuleDetector:
    """Adds up what the crossed limits are worth.

    score = min(1, sum of `adds` over the conditions that hold). With the defaults (p99 > 10
    adds 0.5, cusum > 50 adds 0.5) both must hold to be above the anomaly threshold of 0.5.
    A series that no rule matches scores 0. The level is 1 while the score is above 0.5.

    >>> table = FeatureTable(
    ...     (Series("cell-7", "rtt_ms"),), np.array([60_000_000]), np.array([0], np.int32),
    ...     {"p99": np.array([87.2]), "cusum": np.array([214.0])},
    ...     np.array([0, 0]), np.empty(0, np.int64), np.empty(0), 60_000_000)
    >>> detector = RuleDetector(RuleParameters())
    >>> detector.step(detector.initial(), table)[1].score
    array([1.])
    """

    name: ClassVar[str] = "rule"
    version: ClassVar[int] = 2
    Parameters: ClassVar[type[Parameters]] = RuleParameters
    budgeted: ClassVar[bool] = False

    def __init__(self, parameters: RuleParameters) -> None:
        self.parameters = parameters
        self._rule_of = lru_cache(maxsize=1 << 18)(self._find_rule)

    def initial(self) -> _Stateless:
        """Nothing to begin with."""
        return _Stateless()

    def step(self, state: _Stateless, table: FeatureTable) -> tuple[_Stateless, Scores]:
        """Score every row on its own."""
        rule = np.array([self._rule_of(series) for series in table.series], np.int64)[table.code]
        score = np.zeros(len(table))
        for index, parameters in enumerate(self.parameters.rules):
            mine = rule == index
            rows = slice(None) if mine.all() else np.flatnonzero(mine)
            for condition in parameters.conditions:
                score[rows] += condition.adds * _holds(condition, table, rows)
        if score.any():
            # 0.7 + 0.2 must be 0.9, not 0.8999...: rounding takes the binary fractions away.
            score = np.minimum(np.round(score, 9), 1.0)
        # What an engineer limits is never the new normal: an alert stays until it is over.
        return state, Scores(
            score, level=(score > 0.5).astype(np.float64), held=np.ones(len(table), bool)
        )

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """Which limits the row crosses, and by how much."""
        rule = self._rule_of(table.series[table.code[row]])
        crossed = []
        for condition in self.parameters.rules[rule].conditions if rule >= 0 else ():
            if _holds(condition, table, np.array([row]))[0]:
                value = float(table.features[condition.feature][row])
                crossed.append({**condition.model_dump(), "value": value})
        text = " and ".join(
            f"{item['feature']} {item['value']:.6g} {item['op']} {item['limit']:g}"
            for item in crossed
        )
        return {"text": text, "crossed": crossed}

    def confidence(self, score: float, anomaly: bool) -> float:
        """How sure the verdict is: 0.8 of an anomaly, 0.9 otherwise; nothing calibrates limits."""
        return 0.8 if anomaly else 0.9

    def dump(self, state: _Stateless) -> bytes:
        """Nothing."""
        return b""

    def load(self, data: bytes) -> _Stateless:
        """Nothing.

        Raises:
            StateError: there are bytes where none can be.
        """
        if data:
            message = f"the rule detector keeps no state, but {len(data)} bytes were restored"
            raise StateError(message)
        return _Stateless()

    def _find_rule(self, series: Series) -> int:
        for index, rule in enumerate(self.parameters.rules):
            if fnmatchcase(series.source_id, rule.source) and fnmatchcase(
                series.metric_name, rule.metric
            ):
                return index
        return -1


def _holds(
    condition: Condition, table: FeatureTable, rows: NDArray[np.int64] | slice
) -> NDArray[np.bool_]:
    holds: NDArray[np.bool_] = _COMPARE[condition.op](
        table.features[condition.feature][rows], condition.limit
    )
    return holds


DETECTOR = RuleDetector
