"""What the job makes of one series, computed again from its input, without Beam.

All input is read, so that lateness is the same; only rows of the series' source go through the
machine of a key group. It gives what the job would have written with --features, --late and --dlq.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from padit.analysis.explain.history import Reading, of_series
from padit.codecs.validate import Validate
from padit.connectors.cursor import Advance, Cursor, advance, first_cursors
from padit.connectors.source import Source
from padit.connectors.units import with_units
from padit.connectors.uris import Bounds, source_from_uri
from padit.domain.alert import Transition
from padit.domain.batch import KeyedBatch
from padit.domain.config import JobConfig, Levels
from padit.domain.errors import SourceError
from padit.domain.rows import Rows
from padit.domain.series_rules import SeriesRules
from padit.domain.timestamps import format_utc
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection, DetectionResult
from padit.transforms.group import GroupMachine
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions

__all__ = ["SeriesReplay", "replay_series"]

_QUIET_SECONDS = 30.0
_MOST_LETTERS = 10_000


@dataclass
class SeriesReplay:
    """Records of one series as the job writes them, and the transitions of its alerts.

    Attributes:
        features: a line a window.
        late: a line a late sample.
        dead: letters whose record names the series, at most 10,000.
        transitions: of its alerts.
        read: rows of all sources that were read.
    """

    features: list[bytes] = field(default_factory=list)
    late: list[bytes] = field(default_factory=list)
    dead: list[bytes] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    read: int = 0


def replay_series(
    name: tuple[str, str], reading: Reading, config: JobConfig, windows: WindowOptions, until: int
) -> SeriesReplay:
    """Read and compute until an event time has passed, or to the end.

    Args:
        name: source_id and metric_name.
        reading: what to read.
        config: of the job.
        windows: as the job had them.
        until: event time, microseconds.

    Raises:
        SourceError: it cannot be read.
    """
    bounds = Bounds(start_time=reading.start_time, patience=10.0, allow_missing=True)
    source = with_units(source_from_uri(reading.uri, bounds, reading.mapping), config.series)
    run = _Run(name, reading, config, windows)
    run.over(source, until)
    return run.found


class _Run:
    """One pass over a source."""

    def __init__(
        self, name: tuple[str, str], reading: Reading, config: JobConfig, windows: WindowOptions
    ) -> None:
        self._name = name
        self._reading = reading
        self._labels = tuple(config.labels)
        levels = Levels.of(config.alerts)
        detection = Detection(config.detectors, rules=SeriesRules(config.series), levels=levels)
        alerts = Alerts.of(detection, config.alerts, windows)
        self._machine = GroupMachine(windows, detection, alerts)
        self._store = MemoryStore()
        self.found = SeriesReplay()

    def over(self, source: Source, until: int) -> None:
        """Read up to an event time, or to the present end."""
        ranges = source.ranges()
        (cursor,) = first_cursors(ranges, 1)
        reader = source.open(ranges, Validate(4 << 20, self._reading.max_ahead, self._labels))
        heard = time.monotonic()
        try:
            while not cursor.finished and cursor.watermark < until:
                reads = reader.read(1.0)
                if reads:
                    heard = time.monotonic()
                    cursor = self.take(advance(cursor, reads, self._reading.out_of_orderness))
                elif time.monotonic() - heard > _QUIET_SECONDS:
                    message = f"{source.name} sent no records for {_QUIET_SECONDS:g} s"
                    raise SourceError(message)
        finally:
            reader.close()

    def take(self, moved: Advance) -> Cursor:
        """Compute with what was read; where reading goes on."""
        rows, found = moved.batch.rows, self.found
        found.read += len(rows)
        mine = of_series(rows, lambda one: one.source_id == self._name[0])
        outcome = self._machine.advance(
            self._store, KeyedBatch(moved.batch.partitions, moved.batch.positions, mine)
        )
        found.transitions += [
            one
            for one in outcome.transitions
            if (one.alert.source_id, one.alert.metric_name) == self._name
        ]
        for closing in outcome.closings:
            found.features += self._features(closing.detected)
        for one in moved.late:
            found.late += self._late(one.rows)
        names = [part.encode() for part in self._name]
        for dead in moved.dead:
            record = dead.value or b""
            if len(found.dead) < _MOST_LETTERS and all(part in record for part in names):
                letter = {"reason": dead.reject.reason, "original": record}
                found.dead.append(msgspec.json.encode(letter))
        return moved.cursor

    def _features(self, detected: DetectionResult) -> Sequence[bytes]:
        table = detected.table
        mine = [i for i, one in enumerate(table.series) if one.key == self._name]
        rows = np.flatnonzero(np.isin(table.code, mine) & (table.features["count"] > 0)).tolist()
        return [
            msgspec.json.encode(
                {"source_id": self._name[0], "metric_name": self._name[1],
                 "window_end": format_utc(int(table.window_end[row])),
                 "score": _score(float(detected.composite[row])),
                 "extractions": len(self.found.features) + number}
            )
            for number, row in enumerate(rows, 1)
        ]  # fmt: skip

    def _late(self, rows: Rows) -> Sequence[bytes]:
        mine = of_series(rows, lambda one: one.key == self._name)
        return [
            msgspec.json.encode(
                {"source_id": self._name[0], "metric_name": self._name[1],
                 "timestamp": format_utc(moment)}
            )
            for moment in mine.time.tolist()
        ]  # fmt: skip


def _score(value: float) -> float | None:
    return value if math.isfinite(value) else None
