"""How far each series has come: extractions seen, and which detectors have begun to judge it.

A detector gives no score to a series until it has seen enough. That is no fault, but it has to be
visible: where there is no alert, a quiet series must differ from one that no detector judges yet.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detect import DetectionResult
from padit.transforms.detectors.columns import Columns, Field, locate

__all__ = ["RETENTION", "Gained", "Status", "WarmUpTracker"]

_VERSION = 1
RETENTION = 30 * 86_400_000_000
"""After so long without a sample a series counts as new, microseconds."""
_NOT_YET = np.iinfo(np.int64).max


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


class WarmUpTracker:
    """A pure machine beside the detectors; its state is a row for each series.

    Args:
        detectors: their names, in the order of the configuration.
    """

    def __init__(self, detectors: Sequence[str]) -> None:
        self._detectors = tuple(detectors)
        self._fields = {
            "extractions": Field((), "<i8"),
            "first": Field((len(self._detectors),), "<i8"),  # extraction with the first score
        }

    def initial(self) -> Columns:
        """No series yet."""
        return Columns.empty(self._fields)

    def step(
        self, state: Columns, table: FeatureTable, detected: DetectionResult
    ) -> tuple[Columns, Status, Gained]:
        """Count the table's windows, and note which detectors have begun to judge.

        Args:
            state: before the table.
            table: the windows that closed, those with samples only.
            detected: on them; it may hold rows of windows without a sample, too.
        """
        until = table.closed_until if table.passed is None else table.passed.until
        # The end of the input is later than any time, but must not expire any series.
        seen = replace(table, closed_until=min(until, table.closed_until))
        state, rows = locate(state, self._fields, seen, RETENTION)
        data: dict[str, Any] = state.data
        before, first = data["extractions"][rows], data["first"][rows]
        had = first > 0
        here = np.flatnonzero(detected.table.features["count"] > 0)
        number = before[table.code] + _rank(table.code)
        for detector, score in enumerate(detected.matrix[:, here]):
            spoken = ~np.isnan(score)
            earliest = np.full(len(rows), _NOT_YET)
            np.minimum.at(earliest, table.code[spoken], number[spoken])
            fresh = (first[:, detector] == 0) & (earliest < _NOT_YET)
            first[fresh, detector] = earliest[fresh]
        data["first"][rows] = first
        data["extractions"][rows] = before + np.bincount(table.code, minlength=len(rows))
        status = Status(
            np.zeros(len(detected.table), np.int64),
            np.zeros((len(detected.table), len(self._detectors)), bool),
        )
        status.extractions[here] = number
        begun = first[table.code]
        status.judged[here] = (begun > 0) & (begun <= number[:, None])
        has = first > 0
        judged = dict.fromkeys(self._detectors, 0)
        for name, gained in zip(self._detectors, (has & ~had).sum(axis=0).tolist(), strict=True):
            judged[name] += gained
        warm = int((has.any(axis=1) & ~had.any(axis=1)).sum())
        return state, status, Gained(int((before == 0).sum()), warm, judged)

    def forget(self, state: Columns, gone: Collection[Series]) -> Columns:
        """The state as if these series had never been."""
        return state.without(gone)

    def dump(self, state: Columns) -> bytes:
        """Series in their canonical order."""
        return state.dump(_VERSION)

    def load(self, data: bytes) -> Columns:
        """Series from bytes.

        Raises:
            StateError: damaged, of another version or of another number of detectors.
        """
        return Columns.load(data, _VERSION, self._fields)


def _rank(code: NDArray[np.int32]) -> NDArray[np.int64]:
    """1 for the first row of each code, 2 for the next, ..."""
    order = np.argsort(code, kind="stable")
    count = np.bincount(code)
    start = np.cumsum(count) - count
    rank = np.empty(len(code), np.int64)
    rank[order] = np.arange(len(code)) - start[code[order]] + 1
    return rank
