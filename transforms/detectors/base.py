"""The protocols of detectors.

A detector is pure: `step(state, table) -> (state, scores)`. It reads closed windows of all
series of a key group at once, knows neither Beam nor a clock, and gives a series the same
scores, to the byte, whichever other series are in the table and however the stream is cut
into tables. A new detector is one new file in this folder: `registry()` finds it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from padit.domain.config import Levels
from padit.domain.features import FeatureTable
from padit.domain.metric import Series

__all__ = [
    "Baseline",
    "Detector",
    "Forgetting",
    "Levelled",
    "NoDataRows",
    "Parameters",
    "Scores",
    "TimeDriven",
    "TwoStage",
]

State = TypeVar("State")


class Parameters(BaseModel):
    """Base of every detector's parameters: documented fields with bounds, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class NoDataRows:
    """Scores of series that have no sample in a window, and so no row in the table.

    Attributes:
        series: sorted.
        window_end: int64 (k,), microseconds; with `code` in no row of the table.
        code: int32 (k,), index into `series`.
        score, ongoing, detail: as in `Scores`.
    """

    series: tuple[Series, ...]
    window_end: NDArray[np.int64]
    code: NDArray[np.int32]
    score: NDArray[np.float64]
    ongoing: NDArray[np.bool_]
    detail: Mapping[str, NDArray[Any]]


class Baseline(NamedTuple):
    """What is usual for the series of n rows, float64 (n,) each; NaN while it is not known.

    Attributes:
        median: of the values that are usual.
        iqr: distance between their quartiles.
        n: how many samples it was learnt from.
    """

    median: NDArray[np.float64]
    iqr: NDArray[np.float64]
    n: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of one detector over a table of n rows and m samples.

    Attributes:
        score: float64 (n,) in [0, 1]; NaN while the series is warming up. From 0.7 on it is
            worth a warning, from 0.9 on critical.
        sample: float64 (m,) with the score of each sample, or None where the detector judges
            windows and not samples.
        detail: columns (n,) that `explain` needs later, so that evidence costs nothing for rows
            that are never explained.
        ongoing: bool (n,), what only goes on since the window before: it keeps an alert open, but
            is no anomaly of its own. None where nothing does.
        absent: scores of windows without a sample; only the `no_data` detector gives them.
        level: float64 (n,) in [0, 1], how far the series is outside of what is usual now; from
            `close_at` on it keeps an open alert open. None: the score does.
        expected_low, expected_high: float64 (n,), the usual range; NaN where there is none.
        baseline: what is usual.
        shift: float64 (n,), distance from the median of what is usual.
        held: bool (n,), never accepted as a new normal.
        hold: int64 (n,), microseconds; an alert stays open that much longer, since no sample of
            the series is due before.
    """

    score: NDArray[np.float64]
    sample: NDArray[np.float64] | None = None
    detail: Mapping[str, NDArray[Any]] | None = None
    ongoing: NDArray[np.bool_] | None = None
    absent: NoDataRows | None = None
    level: NDArray[np.float64] | None = None
    expected_low: NDArray[np.float64] | None = None
    expected_high: NDArray[np.float64] | None = None
    baseline: Baseline | None = None
    shift: NDArray[np.float64] | None = None
    held: NDArray[np.bool_] | None = None
    hold: NDArray[np.int64] | None = None


@runtime_checkable
class Detector(Protocol[State]):
    """A detection algorithm over columns of series.

    Attributes:
        name: in configuration, alerts and the registry.
        version: raised with every change that may change a score; part of every alert.
        Parameters: the pydantic model of its options; `__init__` takes one instance.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    Parameters: ClassVar[type[Parameters]]

    def initial(self) -> State:
        """State before the first window."""

    def step(self, state: State, table: FeatureTable) -> tuple[State, Scores]:
        """Score the table's rows, then learn from them; `state` is not used again after."""

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """Evidence for one row as plain JSON values; `text` is one sentence for a person."""

    def confidence(self, score: float, anomaly: bool) -> float:
        """How likely a result with this score is right, in [0, 1]; the detector's own rule."""

    def dump(self, state: State) -> bytes:
        """State as versioned bytes; the same state always gives the same bytes."""

    def load(self, data: bytes) -> State:
        """State from bytes.

        Raises:
            StateError: the bytes are damaged or of a version this code does not know.
        """


@runtime_checkable
class TwoStage(Protocol[State]):
    """A detector whose `step` is `measure`, then `judge`, so that what is measured can be shared.

    A sweep measures once for all configurations that differ in the `judging` parameters only.

    Attributes:
        judging: names of the parameters that `measure` does not read.
    """

    judging: ClassVar[frozenset[str]]

    def measure(self, state: State, table: FeatureTable) -> tuple[State, Any]:
        """All that changes the state."""

    def judge(self, table: FeatureTable, measured: Any) -> Scores:
        """Scores from what was measured; changes nothing."""


@runtime_checkable
class Levelled(Protocol):
    """A detector that knows whether an alert of its series is open, and learns nothing then."""

    def at(self, levels: Levels) -> Self:
        """The same detector with the levels at which the job's alerts open and close."""


@runtime_checkable
class TimeDriven(Protocol):
    """A detector whose result can change when time passes without a sample."""

    def next_due(self, state: Any) -> int | None:
        """Event time from which on its result can change, microseconds; None: by samples only."""


@runtime_checkable
class Forgetting(Protocol[State]):
    """A detector whose state is neither `Columns` nor empty: it has to drop series itself."""

    def forget(self, state: State, gone: Collection[Series]) -> State:
        """The state as if these series had never been; `state` is not used again after."""
