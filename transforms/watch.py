"""The Beam shells around keying and the group machine; nothing is decided here."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import apache_beam as beam
import msgspec
from apache_beam.coders import BytesCoder
from apache_beam.metrics import Metrics
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec
from apache_beam.transforms.window import GlobalWindow, TimestampedValue
from apache_beam.utils.timestamp import MAX_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from padit.domain.attributes import UNSTATED, Attributes
from padit.domain.audit import JobProgress, Provenance, RunTotals, encode_record
from padit.domain.batch import Batch, decode_keyed_batch, encode_keyed_batch
from padit.domain.config import JobConfig, Levels
from padit.domain.dead_letter import DeadLetter
from padit.domain.message import Kind, Message
from padit.domain.series_rules import SeriesRules
from padit.domain.shape import Shape
from padit.domain.timestamps import format_utc
from padit.domain.watermark import WATERMARK_END
from padit.ops.compiled import ready
from padit.ops.metric_names import JUDGED_PREFIX, NAMESPACE, OF_A_GROUP
from padit.ops.plugins import plugins_folder
from padit.transforms.alerts import Alerts
from padit.transforms.audit import Audit
from padit.transforms.beam_store import BeamStore
from padit.transforms.detect import Create, Detection, DetectionResult
from padit.transforms.detectors import (
    Detector,
    create_detector,
    plugin_digests,
    require_plugins,
)
from padit.transforms.group import GroupMachine, Outcome
from padit.transforms.job_progress import ProgressRecords, RunName
from padit.transforms.keying import join_batches, split_batch
from padit.transforms.limit import MOST_SERIES, Refused
from padit.transforms.peers import Heard, Peers
from padit.transforms.resident import Resident
from padit.transforms.warmup import Status
from padit.transforms.windows import WindowOptions

__all__ = [
    "ALERTS",
    "ANOMALIES",
    "Accounts",
    "FEATURES",
    "AUDIT",
    "FLEET",
    "PROGRESS",
    "REFUSED",
    "KeyByGroup",
    "WatchGroup",
]

ALERTS = "alerts"
ANOMALIES = "anomalies"
FEATURES = "features"
AUDIT = "audit"
FLEET = "fleet"
"""Reports of key groups, under one key; with the option `peers` the alerts are in them."""
PROGRESS = "progress"
"""Records of the audit log that have to come while the job runs; see `transforms.job_progress`."""
REFUSED = "refused"
"""Dead letters of series beyond the limit."""


class Accounts(Protocol):
    """Where the totals of a run are kept within this process; `RunContext` in the job."""

    def account(self, kind: str, number: int, totals: Mapping[str, int]) -> dict[str, int]:
        """Take the totals of a reader or key group; returns their growth since the last call."""


class KeyByGroup(beam.DoFn):  # type: ignore[misc]
    """`Batch` to (key group, keyed batch bytes), one for every group.

    Batches of a bundle are joined first: a keyed batch costs its group as much with one row as with
    a thousand, and runners hand on what a bundle made when it ends. So it is no later for that.
    """

    _MOST = 65_536  # rows that wait for the end of the bundle

    def __init__(self, groups: int) -> None:
        self._groups = groups

    def start_bundle(self) -> None:
        """Begin with nothing: a bundle that failed leaves nothing behind."""
        self._waiting: list[Batch] = []
        self._rows = 0
        self._earliest = MAX_TIMESTAMP

    def process(
        self, element: Batch, timestamp: Any = beam.DoFn.TimestampParam
    ) -> Iterator[TimestampedValue]:
        """Take one batch; returns keyed batches if many rows are waiting."""
        self._waiting.append(element)
        self._rows += len(element.rows)
        self._earliest = min(self._earliest, timestamp)
        if self._rows < self._MOST:
            return iter(())
        return (TimestampedValue(one, time) for time, one in self._keyed())

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """The keyed batches of what waits, at its earliest event time."""
        for time, one in self._keyed():
            yield WindowedValue(one, time, [GlobalWindow()])

    def _keyed(self) -> Iterator[tuple[Any, tuple[int, bytes]]]:
        if not self._waiting:
            return
        batch, earliest = join_batches(self._waiting), self._earliest
        self.start_bundle()
        for group, keyed in split_batch(batch, self._groups):
            yield earliest, (group, encode_keyed_batch(keyed))


class WatchGroup(beam.DoFn):  # type: ignore[misc]
    """(key group, keyed batch bytes) to messages on the outputs named above.

    State lives as long as the job, and is bounded: progress by the number of partitions, rows
    by the window and the allowed disorder, detectors and alerts by their own retention and by
    the limit of series. It therefore needs no timer, and has none: the runner's time decides
    nothing here.

    Args:
        windows: shape of the windows.
        config: detectors and alert settings.
        outputs: names of the outputs that are wanted.
        source: topic or file the rows come from, for the provenance of alerts.
        accounts: takes the totals of each key group and gives what they have grown by, which is
            added to the runner's counters; None: of several configurations over the same rows
            only one is counted.
        shape: of the job; state of a job of another shape is refused.
        most_series: series of a group that may have state at a time.
        prepare: loads the kernels of a worker.
        name: of the run, whose progress is recorded from time to time; None: it is not.
        fleet: how many key groups report to the fleet; None: none does, and all alerts are told.
    """

    HEADER = ReadModifyWriteStateSpec("header", BytesCoder())
    ROWS = BagStateSpec("rows", BytesCoder())
    KEPT_0 = BagStateSpec("kept_0", BytesCoder())
    KEPT_1 = BagStateSpec("kept_1", BytesCoder())
    DETECTION = ReadModifyWriteStateSpec("detection", BytesCoder())
    CHANGES = BagStateSpec("changes", BytesCoder())
    SHAPE = ReadModifyWriteStateSpec("shape", BytesCoder())
    _HEADER_PARAM = beam.DoFn.StateParam(HEADER)
    _ROWS_PARAM = beam.DoFn.StateParam(ROWS)
    _KEPT_0_PARAM = beam.DoFn.StateParam(KEPT_0)
    _KEPT_1_PARAM = beam.DoFn.StateParam(KEPT_1)
    _DETECTION_PARAM = beam.DoFn.StateParam(DETECTION)
    _CHANGES_PARAM = beam.DoFn.StateParam(CHANGES)
    _SHAPE_PARAM = beam.DoFn.StateParam(SHAPE)

    def __init__(
        self,
        windows: WindowOptions,
        config: JobConfig,
        outputs: frozenset[str],
        source: str,
        accounts: Accounts | None = None,
        *,
        shape: Shape | None = None,
        most_series: int = MOST_SERIES,
        prepare: Callable[[], None] = ready,
        name: RunName | None = None,
        fleet: int | None = None,
    ) -> None:
        self._fleet = fleet
        self._prepare = prepare
        self._name = name
        self._windows = windows
        self._config = config
        self._outputs = outputs
        self._source = source
        self._directory = os.getcwd()
        self._plugins = plugins_folder()
        self._digests = plugin_digests(one.name for one in config.detectors)
        self._accounts = accounts
        names = [*OF_A_GROUP.values(), *(JUDGED_PREFIX + one.name for one in config.detectors)]
        self._counters = {name: Metrics.counter(NAMESPACE, name) for name in names}
        self._shape = shape
        self._most_series = most_series

    def setup(self) -> None:
        """Build the machine once per worker.

        Raises:
            ConfigurationError: the worker lacks a plug-in, or has another one.
            KernelError: it cannot load or compile kernels.
        """
        self._prepare()
        here = self._plugins if os.path.isdir(self._plugins or "") else None
        require_plugins(self._digests, here)
        self._detection = Detection(
            self._config.detectors,
            _creator(self._directory, here),
            SeriesRules(self._config.series),
            Levels.of(self._config.alerts),
        )
        alerts = Alerts.of(self._detection, self._config.alerts, self._windows)
        self._machine = GroupMachine(
            self._windows,
            self._detection,
            alerts,
            audit=Audit(self._detection, self._windows) if AUDIT in self._outputs else None,
            shape=self._shape,
            most_series=self._most_series,
            resident=Resident(),
            peers=self._peers(),
        )
        self._progress = None if self._name is None else ProgressRecords(self._name)

    def process(
        self,
        element: tuple[int, bytes],
        header: Any = _HEADER_PARAM,
        rows: Any = _ROWS_PARAM,
        kept_0: Any = _KEPT_0_PARAM,
        kept_1: Any = _KEPT_1_PARAM,
        detection: Any = _DETECTION_PARAM,
        changes: Any = _CHANGES_PARAM,
        shape: Any = _SHAPE_PARAM,
    ) -> Iterator[Any]:
        """Advance one group by one keyed batch."""
        group, data = element
        store = BeamStore(header, rows, (kept_0, kept_1), (detection, changes), shape)
        keyed = decode_keyed_batch(data)
        outcome = self._machine.advance(store, keyed, data, group)
        if len(keyed.rows) or outcome.closings:
            self._account(group, outcome)
        yield from self._alerts(group, outcome)
        for closing in outcome.closings:
            if ANOMALIES in self._outputs:
                yield from self._anomalies(closing.detected)
            if FEATURES in self._outputs:
                yield from self._features(closing.detected, closing.status)
        if REFUSED in self._outputs:
            yield from self._letters(outcome.refused)
        if AUDIT in self._outputs:
            yield from self._records(group, outcome)

    def _alerts(self, group: int, outcome: Outcome) -> Iterator[Any]:
        if self._fleet is None:
            for transition in outcome.transitions:
                yield beam.pvalue.TaggedOutput(ALERTS, transition.to_message())
        elif outcome.passed is not None:
            report = (outcome.heard or Heard()).report(group, self._fleet, outcome.passed)
            yield beam.pvalue.TaggedOutput(FLEET, (0, report.encode()))

    def _peers(self) -> Peers | None:
        label = self._config.alerts.peers
        if self._fleet is None or label is None:
            return None
        return Peers.of(label, self._detection, self._windows)

    def _letters(self, refused: Sequence[Refused]) -> Iterator[Any]:
        for one in refused:
            yield beam.pvalue.TaggedOutput(REFUSED, _letter(one, self._source, self._most_series))

    def _records(self, group: int, outcome: Outcome) -> Iterator[Any]:
        for one in outcome.provenance:
            yield _audit_record(_provenance(msgspec.structs.replace(one, source=self._source)))
        if outcome.run_totals is not None:
            yield _audit_record(
                _run_totals(msgspec.structs.replace(outcome.run_totals, group=group))
            )
        come = None if self._progress is None else self._progress.observe(group, outcome.watermark)
        if come is not None:
            yield beam.pvalue.TaggedOutput(PROGRESS, _job_progress(come))

    def _account(self, group: int, outcome: Outcome) -> None:
        """Update the accounts of the run and the runner's counters to the totals in the state."""
        if self._accounts is None or outcome.since_begin is None:
            return
        counts, judged = outcome.since_begin
        totals = {counter: getattr(counts, name) for name, counter in OF_A_GROUP.items()}
        totals |= {JUDGED_PREFIX + name: count for name, count in judged.items()}
        for name, more in self._accounts.account("group", group, totals).items():
            self._counters[name].inc(more)

    def _anomalies(self, detected: DetectionResult) -> Iterator[Any]:
        for row in detected.anomaly.nonzero()[0].tolist():
            score = self._detection.describe(detected, row)
            end = int(detected.table.window_end[row])
            series = detected.table.series[detected.table.code[row]]
            value = msgspec.json.encode(score)
            message = Message.of(Kind.ANOMALY, series.key, end, value, *series, str(end))
            yield beam.pvalue.TaggedOutput(ANOMALIES, message)

    def _features(self, detected: DetectionResult, status: Status) -> Iterator[Any]:
        table = detected.table
        extractions = status.extractions.tolist()
        detectors = [detector.name for detector in self._detection.detectors]
        names = list(table.features)
        columns = [table.features[name].tolist() for name in names]
        ends = table.window_end.tolist()
        codes = table.code.tolist()
        scores = detected.composite.tolist()
        of_rows = detected.states
        states = [
            column.tolist()
            for column in (of_rows.level, of_rows.expected_low, of_rows.expected_high)
        ]
        for row, values in enumerate(zip(*columns, strict=True)):
            if not table.features["count"][row]:
                continue  # a window without a sample has no features
            series = table.series[codes[row]]
            end = ends[row]
            record = {
                "source_id": series.source_id,
                "metric_name": series.metric_name,
                "unit": series.unit,
                **_stated(table.attributes_of(row)),
                "window_end": format_utc(end),
                **dict(zip(names, values, strict=True)),
                "score": scores[row],  # NaN, warming up, becomes null
                "level": states[0][row],  # so do those that are not known
                "expected_low": states[1][row],
                "expected_high": states[2][row],
                "extractions": extractions[row],
                "judged_by": [
                    name
                    for name, begun in zip(detectors, status.judged[row].tolist(), strict=True)
                    if begun
                ],
            }
            value = msgspec.json.encode(record)
            message = Message.of(Kind.FEATURE, series.key, end, value, *series, str(end))
            yield beam.pvalue.TaggedOutput(FEATURES, message)


def _stated(one: Attributes) -> dict[str, Any]:
    """Family and labels, where they are stated."""
    found: dict[str, Any] = {}
    if one.metric_type != UNSTATED.metric_type:
        found["metric_type"] = one.metric_type
    if one.labels:
        found["labels"] = dict(one.labels)
    return found


def _creator(directory: str, plugins: str | None) -> Create:
    """Makes detectors whose `path` starts where the job was submitted, not where a worker is.

    Alerts contain the path as it was given, so they are the same wherever the job runs.
    """

    def create(name: str, parameters: Mapping[str, Any]) -> Detector[Any]:
        path = parameters.get("path")
        placed = {"path": os.path.join(directory, path)} if isinstance(path, str) else {}
        return create_detector(name, {**parameters, **placed}, plugins)

    return create


def _audit_record(message: Message) -> Any:
    return beam.pvalue.TaggedOutput(AUDIT, message)


def _provenance(record: Provenance) -> Message:
    # The ranges depend on arrival, so they are no part of the identity.
    about, value = (record.alert,), encode_record(record)
    return Message.of(Kind.AUDIT, about, record.time, value, "provenance", record.transition)


def _run_totals(run_totals: RunTotals) -> Message:
    # What a group read distinguishes the totals of a run from those of a run that continued it.
    read = sum(one for one, _, _ in run_totals.read.values())
    identity = ("run_totals", str(run_totals.group), str(read))
    return Message.of(
        Kind.AUDIT, ("run_totals",), WATERMARK_END, encode_record(run_totals), *identity
    )


def _job_progress(record: JobProgress) -> Message:
    identity = ("progress", record.run, str(record.group), str(record.watermark))
    return Message.of(Kind.AUDIT, ("progress",), record.watermark, encode_record(record), *identity)


def _letter(refused: Refused, source: str, most: int) -> Message:
    """The dead letter of a series for one slot; it stands for all samples of it there."""
    series, end = refused.series, refused.end
    original = msgspec.json.encode({**series._asdict(), "samples": refused.samples})
    reason = (
        f"series_limit: {refused.samples} samples up to {format_utc(end)} of a new series, while "
        f"the {most} series of its key group all have newer samples than a window; raise "
        "--max_series_per_group, or give the series names that do not change"
    )
    letter = DeadLetter.of(
        original, reason, source, -1, -1, lost=refused.samples
    )  # of many records
    return Message.dead_letter(letter, 0, "series_limit", *series, str(end))
