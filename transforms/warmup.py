"""How far each series has come: extractions seen, and which detectors have begun to judge it.

A detector gives no score to a series until it has seen enough. That is no fault, but it has to be
visible: where there is no alert, a quiet series must differ from one that no detector judges yet.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.ops.compiled import kernel
from padit.transforms.detect import DetectionResult
from padit.transforms.detectors.columns import Columns, Field, locate
from padit.transforms.detectors.per_series import PerSeries

__all__ = ["RETENTION", "Gained", "Status", "WarmUpTracker"]

RETENTION = 30 * 86_400_000_000
"""After so long without a sample a series counts as new, microseconds."""


class Status(NamedTuple):
    """Warm-up at every row of a table; 0 and False for windows without a sample.

    Attributes:
        extractions: int64 (n,), windows of the series so far, with this one.
        judged: bool (n, detectors), whether the detector has given the series a score by then.
    """

    extractions: NDArray[np.int64]
    judged: NDArray[np.bool_]


class Gained(NamedTuple):
    """What a table added.

    Attributes:
        series: series met for the first time, or for the first time in 30 days or since they
            were evicted.
        warm: series that have their first score of any detector.
        judged: by name of the detector, series that have their first score of it.
    """

    series: int
    warm: int
    judged: dict[str, int]


class WarmUpTracker(PerSeries):
    """A pure machine beside the detectors; its state is a row for each series.

    Args:
        detectors: their names, in the order of the configuration.
    """

    version: ClassVar[int] = 1

    def __init__(self, detectors: Sequence[str]) -> None:
        self._detectors = tuple(detectors)
        self.fields = {
            "extractions": Field((), "<i8"),
            "first": Field((len(self._detectors),), "<i8"),  # extraction with the first score
        }

    def step(
        self, state: Columns, table: FeatureTable, detected: DetectionResult
    ) -> tuple[Columns, Status, Gained]:
        """Count the table's windows, and note which detectors have begun to judge.

        Args:
            state: before the table.
            table: the windows that closed, those with samples only.
            detected: on them; it may hold rows of windows without a sample, too.
        """
        state, rows = locate(state, self.fields, table, RETENTION, table.passed_until)
        data: dict[str, Any] = state.data
        status = Status(
            np.zeros(len(detected.table), np.int64),
            np.zeros((len(detected.table), len(self._detectors)), bool),
        )
        gained = np.zeros(len(self._detectors), np.int64)
        met, warm = _follow(
            detected.table.features["count"],
            rows.take(table.code),
            np.ascontiguousarray(detected.matrix),
            data["extractions"],
            data["first"],
            status.extractions,
            status.judged,
            gained,
        )
        judged: dict[str, int] = {}
        for name, more in zip(self._detectors, gained.tolist(), strict=True):
            judged[name] = judged.get(name, 0) + more
        return state, status, Gained(int(met), int(warm), judged)


@kernel
def _follow(
    count: NDArray[np.float64],
    row: NDArray[np.int64],
    score: NDArray[np.float64],
    extractions: NDArray[np.int64],
    first: NDArray[np.int64],
    number: NDArray[np.int64],
    judged: NDArray[np.bool_],
    gained: NDArray[np.int64],
) -> tuple[int, int]:
    """Count windows in the order of time.

    Args:
        count: float64 (n,), samples of each window; those without one are left out.
        row: int64 (m,), the row of state of each window that has samples.
        score: float64 (detectors, n).
        extractions: int64 (series,), state.
        first: int64 (series, detectors), state.
        number: int64 (n,), written: as `Status.extractions`.
        judged: bool (n, detectors), written: as `Status.judged`.
        gained: int64 (detectors,), written: as `Gained.judged`.

    Returns:
        As `Gained.series` and `Gained.warm`.
    """
    met = warm = place = 0
    for i in range(len(count)):
        if count[i] <= 0.0:
            continue
        one = row[place]
        place += 1
        met += extractions[one] == 0
        extractions[one] += 1
        number[i] = extractions[one]
        cold = not first[one].any()
        for detector in range(len(gained)):
            if first[one, detector] == 0 and not np.isnan(score[detector, i]):
                first[one, detector] = extractions[one]
                gained[detector] += 1
            judged[i, detector] = first[one, detector] > 0
        warm += cold and first[one].any()
    return met, warm
