"""The protocols of detectors.

A detector is pure: `step(state, table) -> (state, scores)`. It reads closed windows of all
series of a key group at once, knows neither Beam nor a clock, and gives a series the same
scores, to the byte, whichever other series are in the table and however the stream is cut
into tables. A new detector is one new file in this folder: `registry()` finds it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from padit.domain.config import Levels
from padit.domain.features import FeatureTable
from padit.domain.metric import Series

__all__ = [
    "Budgeted",
    "Detector",
    "Forgetting",
    "Levelled",
    "NoDataRows",
    "Parameters",
    "Parted",
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


class Scores(msgspec.Struct, frozen=True):
    """Scores of one detector over a table of n rows and m samples.

    A score is news and opens an alert; a level is a state and keeps it open. Both are on the same
    scale: from 0.7 on worth a warning, from 0.9 on critical.

    Attributes:
        score: float64 (n,) in [0, 1]; NaN while the series is warming up.
        sample: float64 (m,) with the score of each sample, or None where the detector judges
            windows and not samples.
        detail: columns (n,) that `explain` needs later, so that evidence costs nothing for rows
            that are never explained.
        ongoing: bool (n,), what only goes on since the window before: it keeps an alert open, but
            is no anomaly of its own. None where nothing does.
        absent: scores of windows without a sample; only the `no_data` detector gives them.
        level: float64 (n,) in [0, 1], how far outside of the usual the series is at the end of the
            window; NaN where that is not known. None: the score is the level, and an alert of a
            detector under the budget lasts while the series is out of its usual range, too.
        held: bool (n,), what goes on may never be accepted as the new normal: missing data, a
            stuck value, an availability below its usual, a value at the bad end of its bounds.
            None: nothing is.
        missing: bool (n,), what is reported is that samples are missing; it is held, too. None:
            nowhere.
        accepted: bool (n,), within this window the detector took what it had reported as the new
            normal. None: it never does.
        expected_low, expected_high: float64 (n,), the usual range of the next values, in the unit
            of the metric; NaN where there is none. None: the detector has none.
        baseline: columns `median`, `iqr` and `n` (n,) of what the window was compared with: float64
            in the unit of the metric, twice, and the number of samples; NaN where there is none.
        shift: float64 (n,), signed distance of the window from the baseline in IQRs of the
            baseline; NaN where there is none.
    """

    score: NDArray[np.float64]
    sample: NDArray[np.float64] | None = None
    detail: Mapping[str, NDArray[Any]] | None = None
    ongoing: NDArray[np.bool_] | None = None
    absent: NoDataRows | None = None
    level: NDArray[np.float64] | None = None
    held: NDArray[np.bool_] | None = None
    missing: NDArray[np.bool_] | None = None
    accepted: NDArray[np.bool_] | None = None
    expected_low: NDArray[np.float64] | None = None
    expected_high: NDArray[np.float64] | None = None
    baseline: Mapping[str, NDArray[np.float64]] | None = None
    shift: NDArray[np.float64] | None = None


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
class TimeDriven(Protocol):
    """A detector whose result can change when time passes without a sample."""

    def next_due(self, state: Any) -> int | None:
        """Event time from which on its result can change, microseconds; None: by samples only."""


@runtime_checkable
class Forgetting(Protocol[State]):
    """A detector whose state is neither `Columns` nor empty: it has to drop series itself."""

    def forget(self, state: State, gone: Collection[Series]) -> State:
        """The state as if these series had never been; `state` is not used again after."""


@runtime_checkable
class Parted(Protocol):
    """A state that is kept by series, so that it has a part for each."""

    def part_of(self, series: Series, oldest: float) -> Any:
        """The state of one series alone; that of none if it was not seen since `oldest`."""


@runtime_checkable
class Budgeted(Protocol):
    """A detector that states whether the budget of alerts decides when it opens one.

    Attributes:
        budgeted: False where limits that somebody stated decide, or lines that the detector makes
            from the series' own past; without it, a detector is.
    """

    budgeted: ClassVar[bool]


@runtime_checkable
class Levelled(Protocol):
    """A detector that does not learn while it reports, and so has to know when alerts are open.

    What is learnt while an alert is open is decided inside the detector, sample by sample. A report
    of the alerts stage would come once a pass, and where passes begin is not the data's decision.
    """

    def at(self, levels: Levels) -> Self:
        """The same detector with these levels; `Detection` calls it once, before the first step."""
