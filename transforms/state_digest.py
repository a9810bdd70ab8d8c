"""What detectors remembered of an alert's series before its window, as one digest.

Detectors step many windows in one pass and keep no state between two of them, so the state before
an alert is built again from the state before the pass: only its source's rows are stepped, up to
the window. That is done for the few windows that open or raise an alert. The digest does not
depend on how the stream was cut, but on where the job began, so it belongs to the provenance.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.timestamps import MICROS
from padit.transforms.detect import Detection
from padit.transforms.detectors.columns import Columns

__all__ = ["state_digest"]


def state_digest(
    detection: Detection,
    saved: Sequence[tuple[str, int, bytes]] | None,
    table: FeatureTable,
    series: Series,
    end: int,
) -> str:
    """SHA-256 of the states of all detectors, reduced to a series, before one of its windows.

    Args:
        detection: the detectors.
        saved: their states before the pass; None: the initial ones.
        table: the windows of the pass.
        series: whose alert it is.
        end: end of the window that caused it, microseconds.

    Returns:
        Hexadecimal digits; empty where no detector remembers anything of this series alone.
    """
    states = detection.initial() if saved is None else detection.load(saved)
    of_source = np.array([one.source_id == series.source_id for one in table.series], bool)
    before = of_source[table.code] & (table.window_end < end)
    rows = np.flatnonzero(before & (table.features["count"] > 0))  # only samples are remembered
    if len(rows):
        states, _ = detection.step(states, _select(table, rows))
    parts = []
    for detector, state, one in zip(detection.detectors, states, detection.resolved, strict=True):
        retention = one["parameters"].get("retention_sec", 0.0) * MICROS
        mine = _part(state, series, end - retention)
        if mine is None:
            continue
        part = detector.dump(mine)
        if part != detector.dump(detector.initial()):
            parts.append(f"{one['name']}:{one['version']}:{len(part)}:".encode() + part)
    return hashlib.sha256(b"".join(parts)).hexdigest() if parts else ""


def _part(state: Any, series: Series, oldest: float) -> Any:
    """The part of a state that belongs to a series, without what is forgotten by now.

    None for a state that is kept neither by series nor by source: as a whole it would depend on
    the other sources, which are not stepped.
    """
    if isinstance(state, Columns):
        at = state.row.get(series)
        if at is None or state.seen[at] < oldest:
            return Columns(
                {}, state.seen[:0], {name: column[:0] for name, column in state.data.items()}
            )
        data = {name: column[at : at + 1] for name, column in state.data.items()}
        return Columns({series: 0}, state.seen[at : at + 1], data)
    if isinstance(state, dict):  # by source
        found = state.get(series.source_id)
        forgotten = found is None or getattr(found, "seen", oldest) < oldest
        return {} if forgotten else {series.source_id: found}
    return None


def _select(table: FeatureTable, rows: NDArray[np.int64]) -> FeatureTable:
    """Some rows of a table, with their slices."""
    present, code = np.unique(table.code[rows], return_inverse=True)
    count = np.diff(table.offset)[rows]
    offset = np.concatenate(([0], np.cumsum(count)))
    sample = np.repeat(table.offset[rows] - offset[:-1], count) + np.arange(int(offset[-1]))
    return FeatureTable(
        tuple(table.series[i] for i in present.tolist()),
        table.window_end[rows],
        code.astype(np.int32),
        {name: column[rows] for name, column in table.features.items()},
        offset,
        table.time[sample],
        table.value[sample],
        int(table.window_end[rows[-1]]),
        table.history,
        None if table.history_start is None else table.history_start[rows],
    )
