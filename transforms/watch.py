"""The Beam shells around keying and the group machine; nothing is decided here."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.coders import BytesCoder
from apache_beam.metrics import Metrics
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec

from domain.block import Block, decode_fragment, encode_fragment
from domain.config import JobConfig
from domain.journal import Ledger, Provenance, encode_record
from domain.marks import MARK_END
from domain.message import Message
from domain.timestamps import format_utc
from transforms.alerts import Alerts
from transforms.detect import Detection, Verdict
from transforms.group import Counts, GroupMachine, Outcome
from transforms.keying import split_block
from transforms.warmth import Status
from transforms.windows import WindowOptions

__all__ = ["ALERTS", "ANOMALIES", "FEATURES", "JOURNAL", "JUDGED", "KeyByGroup", "WatchGroup"]

ALERTS = "alerts"
ANOMALIES = "anomalies"
FEATURES = "features"
JOURNAL = "journal"
JUDGED = "judged_"
"""Begins the names of counters: the series that a detector has judged."""
_COUNTERS = ("scored", "duplicate", "windows", "anomalies", "alerts", "series", "warm")


class KeyByGroup(beam.DoFn):  # type: ignore[misc]
    """`Block` to (key group, fragment bytes), one for every group."""

    def __init__(self, groups: int) -> None:
        self._groups = groups

    def process(self, element: Block) -> Iterator[tuple[int, bytes]]:
        """Split one block."""
        for group, fragment in split_block(element, self._groups):
            yield group, encode_fragment(fragment)


class WatchGroup(beam.DoFn):  # type: ignore[misc]
    """(key group, fragment bytes) to messages on `ALERTS`, `ANOMALIES`, `FEATURES`, `JOURNAL`.

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
        self._counters = [Metrics.counter("padit", name) for name in _COUNTERS if counted]
        self._judged = {
            one.name: Metrics.counter("padit", JUDGED + one.name)
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
        """Advance one group by one fragment."""
        group, data = element
        store = _BeamStore(header, rows, detection)
        if self._restorable and group not in self._met:
            self._met.add(group)
            known = self._machine.ledger(store)
            self._count(known, known.judged)
        outcome = self._machine.advance(store, decode_fragment(data))
        self._count(outcome.counts, outcome.judged)
        for transition in outcome.transitions:
            alert = transition.alert
            key = f"{alert.source_id}:{alert.metric_name}"
            event = transition.to_cloud_event()
            yield beam.pvalue.TaggedOutput(
                ALERTS, Message(transition.id, key, transition.time, event)
            )
        if outcome.verdict is not None and outcome.status is not None:
            if ANOMALIES in self._outputs:
                yield from self._anomalies(outcome.verdict)
            if FEATURES in self._outputs:
                yield from self._features(outcome.verdict, outcome.status)
        if JOURNAL in self._outputs:
            yield from self._records(group, outcome)

    def _records(self, group: int, outcome: Outcome) -> Iterator[Any]:
        for one in outcome.provenance:
            yield _journal(_provenance(msgspec.structs.replace(one, source=self._source)))
        if outcome.ledger is not None:
            yield _journal(_ledger(msgspec.structs.replace(outcome.ledger, group=group)))

    def _count(self, counts: Counts | Ledger, judged: Mapping[str, int]) -> None:
        for name, counter in zip(_COUNTERS, self._counters, strict=False):  # none, or all
            amount = getattr(counts, name)
            if amount:
                counter.inc(amount)
        for name, counter in self._judged.items():
            if judged.get(name):
                counter.inc(judged[name])

    def _anomalies(self, verdict: Verdict) -> Iterator[Any]:
        for row in verdict.anomaly.nonzero()[0].tolist():
            score = self._detection.describe(verdict, row)
            key = f"{score.source_id}:{score.metric_name}"
            end = int(verdict.table.window_end[row])
            unit = verdict.table.series[verdict.table.code[row]].unit
            message = Message(f"{key}:{unit}:{end}", key, end, msgspec.json.encode(score))
            yield beam.pvalue.TaggedOutput(ANOMALIES, message)

    def _features(self, verdict: Verdict, status: Status) -> Iterator[Any]:
        table = verdict.table
        extractions = status.extractions.tolist()
        detectors = [detector.name for detector in self._detection.detectors]
        names = list(table.features)
        columns = [table.features[name].tolist() for name in names]
        ends = table.window_end.tolist()
        codes = table.code.tolist()
        scores = verdict.composite.tolist()
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


def _journal(message: Message) -> Any:
    return beam.pvalue.TaggedOutput(JOURNAL, message)


def _provenance(record: Provenance) -> Message:
    # The ranges depend on arrival, so they are no part of the identity.
    return Message(
        f"provenance:{record.transition}", record.alert, record.time, encode_record(record)
    )


def _ledger(ledger: Ledger) -> Message:
    # What a group read tells the ledger of a run from that of a run that went on from it.
    read = sum(one for one, _, _ in ledger.read.values())
    identity = f"ledger:{ledger.group}:{read}"
    return Message(identity, "ledger", MARK_END, encode_record(ledger))


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
