"""The Beam shells around keying and the group machine; nothing is decided here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.coders import BytesCoder
from apache_beam.metrics import Metrics
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec

from padit.domain.audit import Provenance, RunTotals, encode_record
from padit.domain.batch import Batch, decode_keyed_batch, encode_keyed_batch
from padit.domain.config import JobConfig
from padit.domain.message import Message
from padit.domain.timestamps import format_utc
from padit.domain.watermark import WATERMARK_END
from padit.ops.metric_names import JUDGED_PREFIX, NAMESPACE, OF_A_GROUP
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection, DetectionResult
from padit.transforms.group import Counts, GroupMachine, Outcome
from padit.transforms.keying import split_batch
from padit.transforms.warmup import Status
from padit.transforms.windows import WindowOptions

__all__ = ["ALERTS", "ANOMALIES", "FEATURES", "AUDIT", "KeyByGroup", "WatchGroup"]

ALERTS = "alerts"
ANOMALIES = "anomalies"
FEATURES = "features"
AUDIT = "audit"


class KeyByGroup(beam.DoFn):  # type: ignore[misc]
    """`Batch` to (key group, keyed batch bytes), one for every group."""

    def __init__(self, groups: int) -> None:
        self._groups = groups

    def process(self, element: Batch) -> Iterator[tuple[int, bytes]]:
        """Split one batch."""
        for group, keyed in split_batch(element, self._groups):
            yield group, encode_keyed_batch(keyed)


class WatchGroup(beam.DoFn):  # type: ignore[misc]
    """(key group, keyed batch bytes) to messages on `ALERTS`, `ANOMALIES`, `FEATURES`, `AUDIT`.

    State lives as long as the job, and is bounded: progress by the number of partitions, rows
    by the window and the allowed disorder, detectors and alerts by their own retention. It
    therefore needs no timer, and has none: the runner's time decides nothing here.

    Args:
        windows: shape of the windows.
        config: detectors and alert settings.
        outputs: names of the outputs that are wanted.
        source: topic or file the rows come from, for the provenance of alerts.
        restorable: whether the runner restores state; its counters then begin again at zero,
            with a new instance of this function, and take up what the state has counted.
        counted: whether it adds to the counters; of several over the same rows only one does.
    """

    HEADER = ReadModifyWriteStateSpec("header", BytesCoder())
    ROWS = BagStateSpec("rows", BytesCoder())
    DETECTION = ReadModifyWriteStateSpec("detection", BytesCoder())
    _HEADER_PARAM = beam.DoFn.StateParam(HEADER)
    _ROWS_PARAM = beam.DoFn.StateParam(ROWS)
    _DETECTION_PARAM = beam.DoFn.StateParam(DETECTION)

    def __init__(
        self,
        windows: WindowOptions,
        config: JobConfig,
        outputs: frozenset[str],
        source: str,
        restorable: bool = False,
        *,
        counted: bool = True,
    ) -> None:
        self._windows = windows
        self._config = config
        self._outputs = outputs
        self._source = source
        self._restorable = restorable
        self._met: set[int] = set()
        self._counters = [
            Metrics.counter(NAMESPACE, name) for name in OF_A_GROUP.values() if counted
        ]
        self._judged = {
            one.name: Metrics.counter(NAMESPACE, JUDGED_PREFIX + one.name)
            for one in config.detectors
            if counted
        }

    def setup(self) -> None:
        """Build the machine once per worker."""
        self._detection = Detection(self._config.detectors)
        alerts = Alerts.of(self._detection, self._config.alerts, self._windows)
        self._machine = GroupMachine(self._windows, self._detection, alerts)

    def process(
        self,
        element: tuple[int, bytes],
        header: Any = _HEADER_PARAM,
        rows: Any = _ROWS_PARAM,
        detection: Any = _DETECTION_PARAM,
    ) -> Iterator[Any]:
        """Advance one group by one keyed batch."""
        group, data = element
        store = _BeamStore(header, rows, detection)
        if self._restorable and group not in self._met:
            self._met.add(group)
            known = self._machine.run_totals(store)
            self._count(known, known.judged)
        outcome = self._machine.advance(store, decode_keyed_batch(data))
        self._count(outcome.counts, outcome.judged)
        for transition in outcome.transitions:
            alert = transition.alert
            key = f"{alert.source_id}:{alert.metric_name}"
            event = transition.to_cloud_event()
            yield beam.pvalue.TaggedOutput(
                ALERTS, Message(transition.id, key, transition.time, event)
            )
        if outcome.detected is not None and outcome.status is not None:
            if ANOMALIES in self._outputs:
                yield from self._anomalies(outcome.detected)
            if FEATURES in self._outputs:
                yield from self._features(outcome.detected, outcome.status)
        if AUDIT in self._outputs:
            yield from self._records(group, outcome)

    def _records(self, group: int, outcome: Outcome) -> Iterator[Any]:
        for one in outcome.provenance:
            yield _audit_record(_provenance(msgspec.structs.replace(one, source=self._source)))
        if outcome.run_totals is not None:
            yield _audit_record(
                _run_totals(msgspec.structs.replace(outcome.run_totals, group=group))
            )

    def _count(self, counts: Counts | RunTotals, judged: Mapping[str, int]) -> None:
        for name, counter in zip(OF_A_GROUP, self._counters, strict=False):  # none, or all
            amount = getattr(counts, name)
            if amount:
                counter.inc(amount)
        for name, counter in self._judged.items():
            if judged.get(name):
                counter.inc(judged[name])

    def _anomalies(self, detected: DetectionResult) -> Iterator[Any]:
        for row in detected.anomaly.nonzero()[0].tolist():
            score = self._detection.describe(detected, row)
            key = f"{score.source_id}:{score.metric_name}"
            end = int(detected.table.window_end[row])
            unit = detected.table.series[detected.table.code[row]].unit
            message = Message(f"{key}:{unit}:{end}", key, end, msgspec.json.encode(score))
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
        for row, values in enumerate(zip(*columns, strict=True)):
            if not table.features["count"][row]:
                continue  # a window without a sample has no features
            series = table.series[codes[row]]
            key = f"{series.source_id}:{series.metric_name}"
            record = {
                "source_id": series.source_id,
                "metric_name": series.metric_name,
                "unit": series.unit,
                "window_end": format_utc(ends[row]),
                **dict(zip(names, values, strict=True)),
                "score": scores[row],  # NaN, warming up, becomes null
                "extractions": extractions[row],
                "judged_by": [
                    name
                    for name, begun in zip(detectors, status.judged[row].tolist(), strict=True)
                    if begun
                ],
            }
            message = Message(
                f"{key}:{series.unit}:{ends[row]}", key, ends[row], msgspec.json.encode(record)
            )
            yield beam.pvalue.TaggedOutput(FEATURES, message)


def _audit_record(message: Message) -> Any:
    return beam.pvalue.TaggedOutput(AUDIT, message)


def _provenance(record: Provenance) -> Message:
    # The ranges depend on arrival, so they are no part of the identity.
    return Message(
        f"provenance:{record.transition}", record.alert, record.time, encode_record(record)
    )


def _run_totals(run_totals: RunTotals) -> Message:
    # What a group read tells the run totals of a run from that of a run that went on from it.
    read = sum(one for one, _, _ in run_totals.read.values())
    identity = f"ledger:{run_totals.group}:{read}"
    return Message(identity, "ledger", WATERMARK_END, encode_record(run_totals))


class _BeamStore:
    """`transforms.group.Store` over Beam state."""

    def __init__(self, header: Any, rows: Any, detection: Any) -> None:
        self._header, self._rows, self._detection = header, rows, detection

    def read_header(self) -> bytes | None:
        value: bytes | None = self._header.read()
        return value

    def write_header(self, data: bytes) -> None:
        self._header.write(data)

    def add_rows(self, data: bytes) -> None:
        self._rows.add(data)

    def read_rows(self) -> Sequence[bytes]:
        return list(self._rows.read())

    def replace_rows(self, data: bytes | None) -> None:
        self._rows.clear()
        if data is not None:
            self._rows.add(data)

    def read_detection(self) -> bytes | None:
        value: bytes | None = self._detection.read()
        return value

    def write_detection(self, data: bytes) -> None:
        self._detection.write(data)
