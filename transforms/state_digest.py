"""One digest of the detectors' state about an alert's series before its window.

Detectors step many windows in one pass and keep no state between two of them, so the state before
an alert is built again from the state before the pass: it is loaded once, and the rows of the
sources in question are stepped once, from each wanted window to the next. The digest does not
depend on how the stream was cut, but on where the job began, so it belongs to the provenance.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable, LateFeatures
from padit.domain.metric import Series
from padit.domain.timestamps import MICROS
from padit.transforms.detect import Detection
from padit.transforms.detectors.base import Parted

__all__ = ["memory_digests"]

Window = tuple[int, Series]
"""End of a window, microseconds, and its series."""


def memory_digests(
    detection: Detection,
    saved: Sequence[tuple[str, int, bytes]] | None,
    table: FeatureTable,
    wanted: Iterable[Window],
) -> dict[Window, str]:
    """SHA-256 of the states of all detectors, reduced to a series, before some of its windows.

    Args:
        detection: the detectors.
        saved: their states before the pass; None: the initial ones.
        table: the windows of the pass.
        wanted: the windows, of which at least one.

    Returns:
        Hexadecimal digits; empty where no detector remembers anything of this series alone.
    """
    windows = sorted(set(wanted))
    states = list(detection.initial() if saved is None else detection.load(saved))
    sources = {series.source_id for _, series in windows}
    of_sources = np.array([one.source_id in sources for one in table.series], bool)
    # Only samples are remembered: rows of windows without one are left out.
    rows = np.flatnonzero(of_sources[table.code] & (table.features["count"] > 0))
    ends = sorted({end for end, _ in windows})
    bounds = np.searchsorted(table.window_end[rows], ends, side="left").tolist()
    parts = _Parts(detection)
    found: dict[Window, str] = {}
    done = at = 0
    for end, bound in zip(ends, bounds, strict=True):
        if bound > done:
            part = _select(table, rows[done:bound])
            states = [
                detector.step(state, part)[0]
                for detector, state in zip(detection.detectors, states, strict=True)
            ]
            done = bound
        of_source: dict[tuple[int, str], bytes] = {}
        while at < len(windows) and windows[at][0] == end:
            found[windows[at]] = parts.digest(states, windows[at][1], end, of_source)
            at += 1
    return found


class _Parts:
    """Digests of parts of states.

    Args:
        detection: whose states they are.
    """

    def __init__(self, detection: Detection) -> None:
        self._detection = detection
        self._nothing = [one.dump(one.initial()) for one in detection.detectors]
        self._retention = [
            one["parameters"].get("retention_sec", 0.0) * MICROS for one in detection.resolved
        ]

    def digest(
        self, states: list[Any], series: Series, end: int, of_source: dict[tuple[int, str], bytes]
    ) -> str:
        """Of one series; `of_source` keeps what all series of a source share at this end."""
        parts = []
        for number, state in enumerate(states):
            shared = (number, series.source_id)
            part = of_source.get(shared)
            if part is None:
                part = self._dump(number, state, series, end - self._retention[number])
                if isinstance(state, dict):
                    of_source[shared] = part
            if part:
                one = self._detection.resolved[number]
                parts.append(f"{one['name']}:{one['version']}:{len(part)}:".encode() + part)
        return hashlib.sha256(b"".join(parts)).hexdigest() if parts else ""

    def _dump(self, number: int, state: Any, series: Series, oldest: float) -> bytes:
        mine = _part(state, series, oldest)
        part = b"" if mine is None else self._detection.detectors[number].dump(mine)
        return b"" if part == self._nothing[number] else part


def _part(state: Any, series: Series, oldest: float) -> Any:
    """The part of a state that belongs to a series, without expired entries.

    None for a state that is kept neither by series nor by source: as a whole it would depend on
    the other sources, which are not stepped.
    """
    if isinstance(state, Parted):
        return state.part_of(series, oldest)
    if isinstance(state, dict):  # by source
        found = state.get(series.source_id)
        forgotten = found is None or getattr(found, "seen", oldest) < oldest
        return {} if forgotten else {series.source_id: found}
    return None


def _select(table: FeatureTable, rows: NDArray[np.int64]) -> FeatureTable:
    """Some rows of a table, with their slices."""
    present, code = np.unique(table.code[rows], return_inverse=True)
    known = table.attributes
    count = np.diff(table.offset)[rows]
    offset = np.concatenate(([0], np.cumsum(count)))
    sample = np.repeat(table.offset[rows] - offset[:-1], count) + np.arange(int(offset[-1]))
    return FeatureTable(
        tuple(table.series[i] for i in present.tolist()),
        table.window_end[rows],
        code.astype(np.int32),
        features.select(rows)
        if isinstance(features := table.features, LateFeatures)
        else {name: column[rows] for name, column in features.items()},
        offset,
        table.time[sample],
        table.value[sample],
        int(table.window_end[rows[-1]]),
        table.history,
        None if table.history_start is None else table.history_start[rows],
        attributes=None if known is None else known.select(rows).with_series(present),
    )
