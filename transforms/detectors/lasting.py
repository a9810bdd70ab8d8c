"""Lasting: what goes on for longer than it ever did, though each value is a usual one."""

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
    COUNTS,
    NO_SAMPLES,
    VerdictParameters,
    directions_of,
    everywhere,
    kinds_of,
    limits_of,
    scored,
)
from padit.transforms.detectors.lasting_kernel import (
    FACTS,
    LEAST_WINDOWS,
    NO_RAMP,
    SLOTS,
    WHAT,
    run,
)
from padit.transforms.detectors.per_series import PerSeries
from padit.transforms.detectors.relation_kernel import means_of
from padit.transforms.detectors.wording import number
from padit.transforms.of_names import OfNames

__all__ = ["DETECTOR", "LastingDetector", "LastingParameters"]

_WORDS = (
    "higher for longer than ever", "lower for longer than ever",
    "beyond where it fell back before", "beyond where it rose again before",
)  # fmt: skip
_FIELDS = {"state": Field((SLOTS,), "float64", places=((WHAT, len(_WORDS) - 1),))}
_CLOCKS = frozenset(("s", "ms", "us", "ns", "sec", "seconds"))  # how long something has run


class LastingParameters(VerdictParameters):
    """How easily the detector speaks, and how long it remembers."""


class LastingDetector(PerSeries):
    """A series that stays on one side for longer than ever, or a ramp beyond its usual top.

    The mean of each window's new samples is judged (see `lasting_kernel`): sums of Page (1954) of
    how far it lies from the series' mean, with a limit learnt from the sums before; and of an even
    ramp (tool wear, hours of use) the tops before, from the first one on. A ramp in seconds, by its
    unit or its slope, is how long something has run, and ends by chance: it is no news.

        score = verdict / (verdict + 3/7)    while no alert is open; 0 inside one
        level = verdict / (verdict + 3/7)    always

    Nothing is learnt while an alert is open; once it has stood for `accept_after` the series is
    learnt anew, but for an availability or an error rate.

    >>> from padit.domain.metric import Series
    >>> wear = np.arange(1000) % 200.0
    >>> wear[600:] = np.arange(400)
    >>> end = (1 + np.arange(1000)) * 60_000_000
    >>> table = FeatureTable(
    ...     (Series("mill", "wear", "min"),), end, np.zeros(1000, np.int32), {},
    ...     np.arange(1001), end - 1, wear, 60_000_000_000)
    >>> detector = LastingDetector(LastingParameters())
    >>> state, scores = detector.step(detector.initial(), table)
    >>> np.flatnonzero(scores.score >= 0.7)
    array([806])
    >>> detector.explain(table, scores, 806)["text"]
    'wear 206 min, beyond where it fell back before: 3 times at about 199'
    """

    name: ClassVar[str] = "lasting"
    version: ClassVar[int] = 5
    fields = _FIELDS
    Parameters: ClassVar[type[Parameters]] = LastingParameters
    samples_first: ClassVar[int] = LEAST_WINDOWS
    budgeted: ClassVar[bool] = False
    confidence = staticmethod(measured_confidence)

    def __init__(self, parameters: LastingParameters, levels: Levels | None = None) -> None:
        self.parameters = parameters
        self.levels = levels or Levels()
        self._limits = limits_of(self.levels, parameters.sensitivity)
        self._retention = int(parameters.retention_sec * 1e6)

    def at(self, levels: Levels) -> "LastingDetector":
        """The same detector that opens, closes and accepts where the job's alerts do."""
        return LastingDetector(self.parameters, levels)

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, Scores]:
        """Judge every window, then learn from it."""
        state, rows = locate(state, _FIELDS, table, self._retention)
        sensitivity = self.parameters.sensitivity
        mean = table.once(means_of)
        facts = np.empty((FACTS, len(table)))
        data: dict[str, Any] = state.data
        run(
            data["state"],
            rows.take(table.code),
            table.window_end,
            mean,
            table.once(directions_of) | _no_ramps(table),
            self._limits,
            facts,
        )
        return state, _scores(facts, mean, sensitivity, table)

    def explain(self, table: FeatureTable, scores: Scores, row: int) -> dict[str, Any]:
        """What goes on, and what it was before."""
        if not np.isfinite(scores.score[row]):
            return {"text": "warming up"}
        detail = {key: float(column[row]) for key, column in (scores.detail or {}).items()}
        series, what = table.series[table.code[row]], int(detail["what"])
        seen = f"{series.metric_name} {number(detail['mean'])} {series.unit}".rstrip()
        text = f"{seen}, {_WORDS[what]}"
        if what < 2:
            text += f": {int(detail['windows'])} windows"
        elif np.isfinite(detail["tops"]):
            times = "once" if detail["tops"] == 1 else f"{int(detail['tops'])} times"
            text += f": {times} at about {number(detail['top'])}"
        names = ("expected_low", "expected_high", "windows", "tops")
        found = {name: detail[name] for name in names if np.isfinite(detail[name])}
        return {"text": text, "what": "lasting", **found}


def _no_ramps(table: FeatureTable) -> NDArray[np.int64]:
    """int64 (n,): a bit where a ramp is an uptime, which ends by chance."""
    chosen = _clocks(table.series).take(table.code)
    return np.where(table.once(kinds_of) == COUNTS, NO_RAMP, chosen)


@OfNames
def _clocks(series: tuple[Series, ...]) -> NDArray[np.int64]:
    """int64 (series,): the bit of those that count time by their unit."""
    return np.array([NO_RAMP if one.unit in _CLOCKS else 0 for one in series], np.int64)


def _scores(
    facts: NDArray[np.float64], mean: NDArray[np.float64], sensitivity: float, table: FeatureTable
) -> Scores:
    accepted, _ = scored(facts, (1, 2, -1), NO_SAMPLES, sensitivity)
    event, level, _, what, low, high, windows, tops, top = facts
    detail = {
        "mean": mean, "what": what, "expected_low": low, "expected_high": high,
        "windows": windows, "tops": tops, "top": top,
    }  # fmt: skip
    return Scores(
        score=event,
        detail=detail,
        level=level,
        held=table.once(everywhere),  # it accepts by itself, and says so
        accepted=accepted,
    )


DETECTOR = LastingDetector
