"""Drives the whole job without Beam: logs to batches, keyed batches, windows, scores, alerts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np

from padit.connectors.cursor import Cursor, PartitionCursor, advance
from padit.connectors.source import ReadBatch
from padit.domain.attributes import UNSTATED, AttributeColumn, Attributes
from padit.domain.audit import Provenance, RunTotals, total
from padit.domain.config import Budget, DetectorSetting
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.transforms.alerts import Alerts
from padit.transforms.audit import Audit
from padit.transforms.budget import BudgetLines
from padit.transforms.changes import DetectionCell
from padit.transforms.checksum import ChecksummedStore, without_checksum
from padit.transforms.detect import Detection, DetectionResult
from padit.transforms.group import Counts, GroupMachine
from padit.transforms.keying import split_batch
from padit.transforms.limit import MOST_SERIES, Refused
from padit.transforms.resident import Resident
from padit.transforms.saved_rows import read_rows
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions
from tests.codecs.samples import plain

SECOND = 1_000_000
GROUPS = 2
DISORDER = 20 * SECOND
_BUDGET = Budget.parse("5 per 1000 series a day")
WINDOWS = WindowOptions(60 * SECOND, 20 * SECOND, 50)


class Sample(NamedTuple):
    """One sample."""

    time: int
    series: Series
    value: float
    attributes: Attributes = UNSTATED


Log = list[Sample]
"""One partition, in the order of its offsets."""
Schedule = list[list[tuple[int, int]]]
"""Batches; each holds reads, as (partition, samples)."""


def rows_of(samples: Sequence[Sample]) -> Rows:
    """Samples as columns."""
    table = {series: i for i, series in enumerate(dict.fromkeys(one.series for one in samples))}
    known = {one: i for i, one in enumerate(dict.fromkeys(one.attributes for one in samples))}
    code = np.array([table[one.series] for one in samples], np.int32)
    attribute = np.array([known[one.attributes] for one in samples], np.int32)
    return Rows(
        tuple(table),
        code,
        np.array([one.time for one in samples], np.int64),
        np.array([one.value for one in samples], np.float64),
        AttributeColumn.of(list(known), attribute, code, len(table)),
    )


@dataclass
class Result:
    """What a run gave.

    Attributes:
        rows: by key group, a line of bytes for every window of every series, in order.
        alerts: by key group, CloudEvents in order.
        scores: of windows and samples.
        counts: what was counted.
        late: samples that came too late, with partition and number.
        far: samples of clocks far ahead of the others.
        waiting: samples whose windows are open, as the state counts them.
        unclosed: the same, from the rows in the state.
        accounts: those of all key groups, at the end of the run.
        state: what is left behind, in canonical form.
        run_totals: totals of each key group, once it had seen the end.
        provenance: of the transitions that a window caused.
        refused: series that found no place.
    """

    rows: list[list[bytes]] = field(default_factory=lambda: [[] for _ in range(GROUPS)])
    alerts: list[list[bytes]] = field(default_factory=lambda: [[] for _ in range(GROUPS)])
    scores: list[np.ndarray[Any, Any]] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    late: list[Any] = field(default_factory=list)
    far: int = 0
    waiting: int = 0
    unclosed: int = 0
    accounts: dict[str, int] = field(default_factory=dict)
    state: list[Any] = field(default_factory=list)
    run_totals: list[RunTotals] = field(default_factory=list)
    provenance: list[Provenance] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def machine_of(
    detection: Detection,
    windows: WindowOptions = WINDOWS,
    most_series: int = MOST_SERIES,
    resident: Resident | None = None,
) -> GroupMachine:
    """The machine of the job, with an audit log."""
    budget = BudgetLines(_BUDGET, _BUDGET, detection.levels.open_at)
    alerts = Alerts(detection, windows.size, windows, budget)
    audit = Audit(detection, windows)
    return GroupMachine(
        windows, detection, alerts, audit=audit, most_series=most_series, resident=resident
    )


def run(
    logs: Sequence[Log],
    detection: Detection,
    schedule: Schedule | None = None,
    *,
    ends: bool = True,
    windows: WindowOptions = WINDOWS,
    most_series: int = MOST_SERIES,
    resident: bool = True,
) -> Result:
    """Read the logs by the schedule (None: each in one read, all in one batch).

    Args:
        logs: by partition.
        detection: the detectors.
        schedule: what each batch holds; what it leaves out of a log is not read.
        ends: whether the partitions are known to have ended after that.
        windows: their shape.
        most_series: of a group that may have state at a time.
        resident: whether a pass goes on with what the one before it left, as a worker's does;
            otherwise all is read from the state each time.
    """
    machine = machine_of(detection, windows, most_series, Resident() if resident else None)
    stores = [MemoryStore() for _ in range(GROUPS)]
    cursor = Cursor(0, 1, len(logs), {p: PartitionCursor(0, 0, None) for p in range(len(logs))})
    if schedule is None:
        schedule = [[(p, len(log)) for p, log in enumerate(logs) if log]]
    result = Result()
    for reads in _reads(logs, schedule, ends):
        cursor, batch, late, _, far, _ = advance(cursor, reads, DISORDER)
        result.far += sum(len(one.rows) for one in far)
        for partition, number, _, rows in late:
            result.late += [
                (partition, number + i, *sample) for i, sample in enumerate(plain(rows))
            ]
        for group, keyed in split_batch(batch, GROUPS):
            outcome = machine.advance(stores[group], keyed, group=group)
            result.counts = Counts(*map(sum, zip(result.counts, outcome.counts, strict=True)))
            result.alerts[group] += [one.to_cloud_event() for one in outcome.transitions]
            result.provenance += outcome.provenance
            result.refused += outcome.refused
            if outcome.run_totals is not None:
                result.run_totals.append(msgspec.structs.replace(outcome.run_totals, group=group))
            for closing in outcome.closings:
                result.rows[group] += _lines(closing.detected)
                result.scores += _scores(closing.detected)
    result.late.sort()
    result.waiting = sum(machine.waiting(store) for store in stores)
    result.accounts = total(
        msgspec.structs.replace(machine.run_totals(store), group=group)
        for group, store in enumerate(stores)
    )
    result.unclosed = sum(_unclosed(store, windows) for store in stores)
    result.state = [_canonical(store, windows, detection) for store in stores]
    return result


def _reads(logs: Sequence[Log], schedule: Schedule, ends: bool) -> Iterator[list[ReadBatch]]:
    at = [0] * len(logs)
    for batch in filter(None, schedule):
        reads = []
        for partition, count in batch:
            first = at[partition]
            at[partition] = following = min(first + count, len(logs[partition]))
            reads.append(ReadBatch(partition, following, rows_of(logs[partition][first:following])))
        yield reads
    if ends:
        yield [ReadBatch(p, at[p], Rows.empty(), ended=True) for p in range(len(logs))]


def _lines(detected: DetectionResult) -> list[bytes]:
    table = detected.table
    lines = []
    for row in range(len(table)):
        new = slice(int(table.offset[row]), int(table.offset[row + 1]))
        time, value = table.window(row)
        parts: list[Any] = [
            int(table.window_end[row]),
            list(table.series[table.code[row]]),
            {name: column[row].tobytes() for name, column in table.features.items()},
            detected.matrix[:, row].tobytes(),
            [table.time[new].tobytes(), table.value[new].tobytes()],
            [time.tobytes(), value.tobytes()],
            [
                None if one.sample is None else np.asarray(one.sample)[new].tobytes()
                for one in detected.scores
            ],
            table.attributes_of(row),
        ]
        lines.append(msgspec.msgpack.encode(parts))
    return lines


def _scores(detected: DetectionResult) -> list[np.ndarray[Any, Any]]:
    samples = [np.asarray(one.sample) for one in detected.scores if one.sample is not None]
    return [detected.matrix.ravel(), *samples]


def samples_in(store: MemoryStore) -> list[Any]:
    """All samples in the state, in no order."""
    pieces = (*store.rows, *(piece for cell in store.kept for piece in cell))
    return [
        sample for data in pieces for sample in plain(read_rows(without_checksum(data, ""))[0].rows)
    ]


def detection_in(store: MemoryStore) -> list[bytes] | None:
    """The states, with all that changed in them since they were written."""
    return DetectionCell(ChecksummedStore(store)).read()


def _unclosed(store: MemoryStore, windows: WindowOptions) -> int:
    """Rows in slots that are not closed."""
    header = msgspec.msgpack.decode(without_checksum(store.header, "") if store.header else b"\x90")
    closed = header[2] if header else None
    times = [time for _, time, _ in samples_in(store)]
    return sum(closed is None or time >= closed * windows.interval for time in times)


def _canonical(store: MemoryStore, windows: WindowOptions, detection: Detection) -> Any:
    """State without what depends on when windows were closed last: rows not needed any more."""
    header = msgspec.msgpack.decode(without_checksum(store.header, "") if store.header else b"\x90")
    closed = header[2] if header else None
    needed = -(2**63) if closed is None else (closed + 1 - windows.slots) * windows.interval
    rows = samples_in(store)
    saved: Any = detection_in(store)
    if saved is not None:
        first = [data for *_, data in detection.dump(detection.initial())]
        alerts = len(first) + 1
        saved[alerts] = msgspec.msgpack.decode(saved[alerts])
        if not saved[alerts][1] and saved[1:alerts] == first:
            saved = None
    return [header[1:3], sorted(row for row in rows if row[1] >= needed), saved]


def schedule_by(chance: np.random.Generator, logs: Sequence[Log], most: int) -> Schedule:
    """A random cut: batches of one to three reads of up to `most` samples, in any interleaving."""
    left = [len(log) for log in logs]
    schedule: Schedule = []
    while any(left):
        batch = []
        for _ in range(int(chance.integers(1, 4))):
            open_logs = [p for p, count in enumerate(left) if count]
            if open_logs:
                partition = int(chance.choice(open_logs))
                count = min(int(chance.integers(1, most + 1)), left[partition])
                left[partition] -= count
                batch.append((partition, count))
        schedule.append(batch)
    return schedule


def setting(name: str, parameters: dict[str, Any] | None = None) -> Detection:
    """One detector as the job runs it."""
    return Detection([DetectorSetting(name=name, parameters=parameters or {})])
