"""Recomputes an alert from its topic or files, without Beam.

All input of the job is read, from the same start, so that lateness and the detectors' state are the
same; only the rows of the alert's own source go through the machine of a key group. Reading stops
when all transitions of the alert must have been computed.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from padit.analysis.explain.alert_record import ParsedAlert
from padit.analysis.explain.recompute import Check
from padit.codecs.validate import Validate
from padit.connectors.cursor import Cursor, PartitionCursor, advance
from padit.connectors.source import PartitionRange, ReadBatch, Source
from padit.connectors.units import with_units
from padit.connectors.uris import Bounds, source_from_uri
from padit.domain.alert import Transition
from padit.domain.audit import Provenance
from padit.domain.batch import Batch, KeyedBatch
from padit.domain.config import DetectorSetting
from padit.domain.differences import Difference, differences
from padit.domain.errors import SourceError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.renamed import current_detector
from padit.domain.rows import Rows, concatenate
from padit.domain.series_rules import SeriesRules
from padit.domain.timestamps import format_utc
from padit.transforms.alerts import Alerts, rows_digest
from padit.transforms.audit import Audit
from padit.transforms.detect import Detection, DetectionResult
from padit.transforms.group import GroupMachine
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions

__all__ = ["History", "Reading", "check", "of_series", "read_history"]

_QUIET_SECONDS = 30.0
_MOST_FIELDS = 12


@dataclass(frozen=True)
class Reading:
    """Input to read, and the job's options for it.

    Attributes:
        uri: topic or files.
        mapping: options of the source from a configuration file.
        start_time: read from here on, microseconds; None: from where the job began.
        out_of_orderness: as the job had it, microseconds.
        max_ahead: likewise.
    """

    uri: str
    mapping: Mapping[str, Any]
    start_time: int | None
    out_of_orderness: int
    max_ahead: int


@dataclass
class History:
    """Result of the recomputation.

    Attributes:
        transitions: of the alert's series, by id.
        windows: of the series, by end: features, score and digest of rows.
        rows: of the series, around the alert.
        read: rows of all sources that were read.
        span: event times of the first and the last row read, microseconds.
        notes: limits of the result.
        states: digest of the detectors' state, by transition.
    """

    transitions: dict[str, Transition] = field(default_factory=dict)
    windows: dict[int, dict[str, Any]] = field(default_factory=dict)
    rows: list[Rows] = field(default_factory=list)
    read: int = 0
    span: tuple[int, int] | None = None
    notes: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)


def read_history(
    steps: Sequence[ParsedAlert], reading: Reading, provenance: Mapping[str, Provenance]
) -> History:
    """Read and compute until all steps of the alert must have been computed.

    Args:
        steps: the transitions of one alert, at least one.
        reading: what to read.
        provenance: of the transitions, if there is an audit log.

    Raises:
        SourceError: it cannot be read, or retention has deleted rows of the windows.
    """
    # Data deleted by retention is checked here, by the offsets behind the alert.
    bounds = Bounds(start_time=reading.start_time, patience=10.0, allow_missing=True)
    source = with_units(source_from_uri(reading.uri, bounds, reading.mapping), steps[0].settings)
    known = [provenance[one.id] for one in steps if one.id in provenance]
    history = History()
    mine = [one for one in known if one.source == source.name]
    if len(mine) < len(known):
        history.notes.append(
            f"the rows came from {known[0].source}, this is {source.name}: offsets are not compared"
        )
    ranges = _ranges(source.ranges(), mine, source.name, history, reading.start_time)
    _Run(steps, reading, history).over(source, ranges)
    for one in known:
        again = history.states.get(one.transition, one.state)
        if again != one.state:
            history.notes.append(
                f"the state of the detectors before {format_utc(one.time)[:19]}Z differs "
                "from that of the job (state digest): history is missing, or arrived differently"
            )
    return history


def _ranges(
    found: Sequence[PartitionRange],
    known: Sequence[Provenance],
    name: str,
    history: History,
    start_time: int | None,
) -> list[PartitionRange]:
    """Begin where the job began; note deleted data."""
    began = {number: at for one in known for number, at in one.began.items()}
    ranges = []
    for one in found:
        for record in known:
            first, following = record.offsets.get(one.partition, (one.start, one.start))
            if start_time is None and first < one.start:
                message = (
                    f"partition {one.partition} of {name} begins at offset {one.start}: offsets "
                    f"{first} to {min(following, one.start) - 1}, which may hold rows of the "
                    "window, are gone (retention); leave out --input to use the evidence alone"
                )
                raise SourceError(message)
            if one.stop is not None and following > one.stop:
                message = (
                    f"partition {one.partition} of {name} ends at offset {one.stop}, the rows "
                    f"are at {first} to {following - 1}: this is not the input of the alert"
                )
                raise SourceError(message)
        start = began.get(one.partition, one.start)
        if start < one.start:
            history.notes.append(
                f"the job began at offset {start} of partition {one.partition}, {name} begins at "
                f"{one.start} today: the detectors' state from before is missing"
            )
        start = one.start if start_time is not None else max(start, one.start)
        ranges.append(PartitionRange(one.partition, start, one.stop))
    return ranges


class _Run:
    """One pass over a source."""

    def __init__(self, steps: Sequence[ParsedAlert], reading: Reading, history: History) -> None:
        parsed = steps[0]
        self._history = history
        self._reading = reading
        self._series = parsed.series
        start, end = parsed.window
        size, lines = end - start, parsed.evidence.thresholds
        self._windows = WindowOptions(size, parsed.interval, parsed.evidence.window.max_samples)
        detection = Detection(
            [
                DetectorSetting(name=current_detector(one.name), parameters=one.parameters)
                for one in parsed.detectors
            ],
            rules=SeriesRules(parsed.settings),
            levels=lines.levels,
        )
        stated = {*parsed.evidence.stated.labels}
        names = {name for step in steps for name, _ in step.attributes.labels}
        self._labels = tuple(sorted(names - stated))
        alerts = Alerts.of(detection, lines.alerts, self._windows)
        audit = Audit(detection, self._windows)
        self._machine = GroupMachine(self._windows, detection, alerts, audit=audit)
        self._store = MemoryStore()
        self._until = max(one.time for one in steps) + parsed.interval
        self._around = (start - size, max(one.time for one in steps) + size)

    def over(self, source: Source, ranges: Sequence[PartitionRange]) -> None:
        """Read to the end, or until this alert can have no further step."""
        at = {one.partition: PartitionCursor(one.start, one.start, one.stop) for one in ranges}
        cursor = Cursor(0, 1, len(ranges), at)
        decode = Validate(4 << 20, self._reading.max_ahead, self._labels)
        reader = source.open(ranges, decode)
        heard = time.monotonic()
        try:
            while not cursor.finished and cursor.watermark < self._until:
                reads = reader.read(1.0)
                if reads:
                    heard = time.monotonic()
                    cursor = self._take(cursor, reads)
                elif time.monotonic() - heard > _QUIET_SECONDS:
                    message = f"{source.name} sent no records for {_QUIET_SECONDS:g} s"
                    raise SourceError(message)
        finally:
            reader.close()

    def _take(self, cursor: Cursor, reads: Sequence[ReadBatch]) -> Cursor:
        moved = advance(cursor, reads, self._reading.out_of_orderness)
        self._note(moved.batch)
        outcome = self._machine.advance(
            self._store,
            KeyedBatch(
                moved.batch.partitions,
                moved.batch.positions,
                self._of_source(moved.batch.rows, whole=True),
            ),
        )
        self._history.states |= {one.transition: one.state for one in outcome.provenance}
        for one in outcome.transitions:
            if (one.alert.source_id, one.alert.metric_name) == self._series.key:
                self._history.transitions[one.id] = one
        for closing in outcome.closings:
            self._keep(closing.detected)
        return moved.cursor

    def _note(self, batch: Batch) -> None:
        if not len(batch.rows):
            return
        history, moments = self._history, batch.rows.time
        low, high = int(moments.min()), int(moments.max())
        before = history.span or (low, high)
        history.read += len(batch.rows)
        history.span = (min(low, before[0]), max(high, before[1]))
        near = self._of_source(batch.rows, whole=False)
        chosen = (near.time >= self._around[0]) & (near.time < self._around[1])
        if chosen.any():
            history.rows.append(near.select(chosen))

    def _of_source(self, rows: Rows, *, whole: bool) -> Rows:
        """Rows of the alert's source, or of its series alone, over a table of just these."""
        if whole:
            return of_series(rows, lambda one: one.source_id == self._series.source_id)
        return of_series(rows, lambda one: one == self._series)

    def _keep(self, detected: DetectionResult) -> None:
        table: FeatureTable = detected.table
        if self._series not in table.series:
            return
        mine = table.code == table.series.index(self._series)
        near = (table.window_end > self._around[0]) & (table.window_end <= self._around[1])
        for row in np.flatnonzero(mine & near).tolist():
            moments, values = table.window(row)
            self._history.windows[int(table.window_end[row])] = {
                "features": {name: float(one[row]) for name, one in table.features.items()},
                "score": float(detected.composite[row]),
                "samples": len(moments),
                "digest": rows_digest(moments, values),
            }


def of_series(rows: Rows, wanted: Callable[[Series], bool]) -> Rows:
    """Rows of some series, over a table of just these."""
    numbers = [i for i, one in enumerate(rows.series) if wanted(one)]
    if not numbers:
        return Rows.empty()
    number = np.full(len(rows.series), -1, np.int32)
    number[numbers] = np.arange(len(numbers), dtype=np.int32)
    code = number[rows.code]
    chosen = code >= 0
    table = tuple(rows.series[i] for i in numbers)
    known = rows.attributes
    if known is not None:
        known = known.select(chosen).with_series(np.array(numbers))
    return Rows(table, code[chosen], rows.time[chosen], rows.value[chosen], known)


def check(steps: Sequence[ParsedAlert], history: History) -> list[Check]:
    """Compare every transition of the alert with its recomputation; report a difference once."""
    checks: list[Check] = []
    seen: set[str] = set()
    for one in steps:
        what = f"{one.kind} {format_utc(one.time)[:19]}Z"
        again = history.transitions.get(one.id)
        if again is None:
            checks += _missing(one, history, what)
        elif again.to_cloud_event() == one.line:
            checks.append(Check(what, "equal", "every byte"))
        else:
            pair = (msgspec.json.decode(again.to_cloud_event()), msgspec.json.decode(one.line))
            found = list(differences(*pair)) or [Difference("bytes", "other order", "as it is")]
            fresh = [item for item in found if repr(item) not in seen]
            seen |= {repr(item) for item in found}
            checks += _fields(what, fresh) or [Check(what, "different", "as the step before")]
    return checks


def _missing(parsed: ParsedAlert, history: History, what: str) -> list[Check]:
    """Reason why a transition was not computed again, as far as its window shows it."""
    start, end = parsed.window
    window = history.windows.get(end)
    if window is None:
        read = "nothing was read"
        if history.span is not None:
            first, last = (format_utc(moment)[:19] + "Z" for moment in history.span)
            read = f"{history.read:,} rows of all sources from {first} to {last} were read"
        text = (
            f"there are no rows of {' '.join(parsed.series.key)} from {format_utc(start)[:19]}Z to "
            f"{format_utc(end)[:19]}Z; {read}"
        )
        return [Check(what, "different", text)]
    if parsed.kind == "resolved":
        return [Check(what, "different", "the alert does not resolve then")]
    evidence = parsed.evidence
    recorded = {
        "samples": evidence.samples,
        "digest": evidence.digest,
        "features": evidence.features,
        "score": max((one.score for one in evidence.detectors if one.score is not None), default=0),
    }
    found = list(differences({name: window[name] for name in recorded}, recorded))
    if not found:
        others = sorted(one.time for one in history.transitions.values() if one.kind == "opened")
        when = ", ".join(format_utc(one)[:19] + "Z" for one in others[:5]) or "never"
        text = f"the window is equal, but the alert opens {when}: another alert was open then"
        return [Check(what, "different", text)]
    return _fields(what, found)


def _fields(what: str, found: Sequence[Difference]) -> list[Check]:
    return [
        Check(what, "different", f"{path}: {left!r} computed, {right!r} in the alert")
        for path, left, right in found[:_MOST_FIELDS]
    ]


def rows_of(history: History) -> Rows:
    """All rows around the alert."""
    return concatenate(history.rows) if history.rows else Rows.empty()
