"""A detector that gives what a script says, and alerts over it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from padit.domain.alert import Transition
from padit.domain.config import DetectorSetting, Levels
from padit.domain.features import FEATURES, FeatureTable
from padit.domain.metric import Series
from padit.transforms.alerts import Alerts
from padit.transforms.budget import BudgetLines
from padit.transforms.detect import Detection
from padit.transforms.detectors import Scores
from padit.transforms.windows import WindowOptions

NAN = float("nan")
WINDOWS = WindowOptions(20, 10, 1000)


@dataclass(frozen=True)
class Row:
    """What the detector says of a window; see `Scores`."""

    score: float = 0.0
    level: float = 0.0
    held: bool = False
    missing: bool = False
    accepted: bool = False
    samples: int = 9
    expected: tuple[float, float] = (NAN, NAN)
    baseline: tuple[float, float, float] = (NAN, NAN, NAN)
    shift: float = NAN


Window = tuple[int, Series, Row]
"""End of the window, series, and what is said of it."""


def windows_of(series: Series, rows: Iterable[Row], first: int = 10) -> list[Window]:
    """Windows that follow one another."""
    return [(first + 10 * number, series, row) for number, row in enumerate(rows)]


@dataclass
class Scripted:
    """Looks up the row of each window."""

    rows: Mapping[tuple[int, Series], Row] = field(default_factory=dict)
    levels: Levels | None = None
    budgeted: bool = True
    name: ClassVar[str] = "scripted"
    version: ClassVar[int] = 1

    def at(self, levels: Levels) -> Self:
        """Note the levels."""
        self.levels = levels
        return self

    def initial(self) -> None:
        """Nothing."""

    def step(self, state: None, table: FeatureTable) -> tuple[None, Scores]:
        """As the script says."""
        pairs = zip(table.window_end.tolist(), table.code.tolist(), strict=True)
        rows = [self.rows[end, table.series[code]] for end, code in pairs]
        columns: dict[str, Any] = {
            name: np.array([getattr(row, name) for row in rows], kind)
            for name, kind in (("score", float), ("level", float), ("held", bool),
                               ("missing", bool), ("accepted", bool), ("shift", float))
        }  # fmt: skip
        low, high = (np.array([row.expected[i] for row in rows], float) for i in (0, 1))
        baseline = {
            name: np.array([row.baseline[i] for row in rows], float)
            for i, name in enumerate(("median", "iqr", "n"))
        }
        return None, Scores(**columns, expected_low=low, expected_high=high, baseline=baseline)

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """One sentence."""
        return {"text": "as the script says"}

    def confidence(self, score: float, anomaly: bool) -> float:
        """Certain."""
        return 1.0

    def dump(self, state: None) -> bytes:
        """Nothing."""
        return b""

    def load(self, data: bytes) -> None:
        """Nothing."""


def follow(
    windows: Sequence[Window],
    cuts: Sequence[int] = (),
    until: int = 10**12,
    *,
    resolve_after: int = 30,
    accept_after: int = 10**9,
    reload: bool = False,
    budget: BudgetLines | None = None,
    budgeted: bool = True,
) -> list[Transition]:
    """Transitions over windows.

    Args:
        windows: in any order.
        cuts: event times at which a pass ends.
        until: every window up to here is closed in the last pass.
        resolve_after: microseconds.
        accept_after: microseconds.
        reload: state is written and read between passes.
        budget: of alerts.
        budgeted: whether the detector is under it.
    """
    scripted = Scripted({(end, series): row for end, series, row in windows}, budgeted=budgeted)
    detection = Detection(
        [DetectorSetting(name="scripted")],
        lambda *_: scripted,  # type: ignore[arg-type]
        levels=Levels(0.7, 0.5, accept_after),
    )
    alerts = Alerts(detection, resolve_after, WINDOWS, budget)
    followed, found = alerts.initial(), []
    before = -1
    for end in sorted({*cuts, until}):
        if reload:
            followed = alerts.load(alerts.dump(followed))
        part = [one for one in windows if before < one[0] <= end]
        _, detected = detection.step(detection.initial(), _table(part, end))
        followed, transitions = alerts.step(followed, detected)
        found += transitions
        before = end
    kept = (followed.episodes, followed.incidents, followed.members)
    assert kept == ({}, {}, {}), "what is over is forgotten"
    return found


def _table(windows: Sequence[Window], until: int) -> FeatureTable:
    windows = sorted(windows, key=lambda one: (one[0], one[1]))
    series = tuple(sorted({key for _, key, _ in windows}))
    count = [float(row.samples) for _, _, row in windows]
    features = {name: np.zeros(len(windows)) for name in FEATURES} | {"count": np.array(count)}
    return FeatureTable(
        series,
        np.array([end for end, _, _ in windows], np.int64),
        np.array([series.index(key) for _, key, _ in windows], np.int32),
        features,
        np.arange(len(windows) + 1),
        np.array([end - 1 for end, _, _ in windows], np.int64),
        np.zeros(len(windows)),
        until,
    )
