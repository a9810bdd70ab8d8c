"""Detectors that share their work: each distinct one is stepped once for each table.

Configurations of a sweep mostly differ in a parameter or two. Detectors with equal parameters
give equal scores, and those that differ only in parameters of `TwoStage.judge` share their
measurements.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from padit.domain.config import Levels
from padit.domain.features import FeatureTable
from padit.transforms.detectors import Detector, Parameters, Scores, create_detector
from padit.transforms.detectors.base import Levelled, TwoStage

__all__ = ["Sharing"]


class Sharing:
    """Makes the detectors of many configurations over the same tables."""

    def __init__(self) -> None:
        self._works: dict[tuple[str, str], _Work] = {}
        self._detectors: dict[tuple[str, str], _Shared] = {}

    def create(
        self, name: str, parameters: Mapping[str, Any], levels: Levels | None = None
    ) -> Detector[Any]:
        """A detector with levels; raises as `create_detector`."""
        own = create_detector(name, parameters)
        full = own.parameters.model_dump_json()  # type: ignore[attr-defined]
        learns = f"{full} at {levels}"
        if levels is not None and isinstance(own, Levelled):
            own, full = own.at(levels), learns
        if (name, full) not in self._detectors:
            judging = own.judging if isinstance(own, TwoStage) else frozenset()
            measuring = own.parameters.model_dump_json(exclude=set(judging))  # type: ignore[attr-defined]
            work = self._works.setdefault((name, measuring), _Work(own))
            self._detectors[name, full] = _Shared(own, work)
        return self._detectors[name, full]


class _Work:
    """The state that detectors share, and their results for the latest table."""

    def __init__(self, detector: Detector[Any]) -> None:
        self._detector = detector
        self.state = detector.initial()
        self._table: FeatureTable | None = None
        self._found: Any = None

    def on(self, table: FeatureTable) -> Any:
        if table is not self._table:
            two = self._detector
            step = two.measure if isinstance(two, TwoStage) else two.step
            self.state, self._found = step(self.state, table)
            self._table = table
        return self._found


class _Shared:
    """One detector of one or more configurations; its state lies in the work it shares."""

    name: ClassVar[str]
    version: ClassVar[int]
    Parameters: ClassVar[type[Parameters]]

    def __init__(self, own: Detector[Any], work: _Work) -> None:
        self._own = own
        self._work = work
        self._table: FeatureTable | None = None
        self._scores: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)  # name, version, Parameters, parameters

    def at(self, levels: Levels) -> Self:
        """It was made with them."""
        return self

    def initial(self) -> None:
        return None

    def step(self, state: None, table: FeatureTable) -> tuple[None, Scores]:
        if table is not self._table:
            found = self._work.on(table)
            own = self._own
            self._scores = own.judge(table, found) if isinstance(own, TwoStage) else found
            self._table = table
        return None, self._scores

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        return self._own.explain(table, scores, row)

    def confidence(self, score: float, anomaly: bool) -> float:
        return self._own.confidence(score, anomaly)

    def dump(self, state: None) -> bytes:
        return self._own.dump(self._work.state)

    def load(self, data: bytes) -> None:
        message = "a sweep runs in one go and is never restored"
        raise NotImplementedError(message)
