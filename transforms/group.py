"""The whole work on one key group as a pure machine: keyed batches in, results out.

    keyed batch -> progress -> series limit -> windows -> features -> detectors -> alerts

A keyed batch is cheap: its rows are appended, its watermarks noted. Only when the smallest
watermark of all partitions passes the end of a window are the rows read back, windows closed,
detectors stepped and episodes followed. The machine keeps nothing itself; all state goes through a
`Store`, which is Beam state in the job and plain memory in tests. A close costs at most linearly in
rows, series and transitions.
"""

import operator
from copy import copy

import msgspec
import numpy as np

from padit.domain.alert import Transition
from padit.domain.audit import RunTotals
from padit.domain.batch import (
    KeyedBatch,
    encode_keyed_batch,
)
from padit.domain.errors import StateError
from padit.domain.features import FeatureTable
from padit.domain.rows import Rows, concatenate
from padit.domain.shape import Shape
from padit.domain.timestamps import MICROS
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE
from padit.transforms.alerts import Alerts
from padit.transforms.arranging import ends
from padit.transforms.attributes import keep_latest, learn
from padit.transforms.audit import Audit
from padit.transforms.changes import DetectionCell
from padit.transforms.checksum import ChecksummedStore
from padit.transforms.counts import Counts
from padit.transforms.detect import Detection
from padit.transforms.kept_rows import KeptRows
from padit.transforms.limit import MOST_SERIES, SeriesLimit, Stage
from padit.transforms.outcome import Closing, Done, Outcome
from padit.transforms.peers import Heard, Peers
from padit.transforms.progress import Progress
from padit.transforms.provenance import Origins
from padit.transforms.resident import Left, Resident
from padit.transforms.saved_rows import pack_rows, read_rows
from padit.transforms.states import VERSION, SavedStates, States, check_version
from padit.transforms.store import Store
from padit.transforms.warmup import RETENTION, WarmUpTracker
from padit.transforms.windows import Closed, WindowOptions, close_windows

__all__ = ["Closing", "Counts", "GroupMachine", "Outcome"]


class _Header(msgspec.Struct, array_like=True):
    """Small state, read with every keyed batch.

    `closed` is the first slot that is not closed; `newest_kept` and `oldest_open` decide whether
    closing can yield a window, so that rows are read back only then; `alerts_due` and
    `detectors_due` are the event times at which time alone changes something. `totals` are the
    counts of all advances. `shape` is the digest of the job's shape. `kept` tells where rows of
    closed slots are.
    """

    version: int = VERSION
    progress: Progress = msgspec.field(default_factory=Progress)
    closed: int | None = None
    newest_kept: int | None = None
    oldest_open: int | None = None
    alerts_due: int | None = None
    totals: Counts = Counts()
    detectors_due: int | None = None
    judged: dict[str, int] = {}
    shape: bytes = b""
    kept: KeptRows = msgspec.field(default_factory=KeptRows)


_header_decoder = msgspec.msgpack.Decoder(_Header)


def _whole(value: object) -> int:
    """Kernels that run as plain Python give whole numbers of numpy."""
    return operator.index(value)  # type: ignore[arg-type]


_encoder = msgspec.msgpack.Encoder(enc_hook=_whole)


class GroupMachine:
    """Steps one key group.

    Args:
        windows: shape of the windows.
        detection: the configured detectors.
        alerts: the life of alerts.
        audit: makes the provenance of alerts; None without an audit log.
        shape: of the job; state that another one made is refused.
        most_series: series that may have state at a time.
        resident: keeps what a pass left for the next one; None: all is read each time.
        peers: what the fleet may silence and learn; None: all alerts are told.
    """

    def __init__(
        self,
        windows: WindowOptions,
        detection: Detection,
        alerts: Alerts,
        *,
        audit: Audit | None = None,
        shape: Shape | None = None,
        most_series: int = MOST_SERIES,
        resident: Resident | None = None,
        peers: Peers | None = None,
    ) -> None:
        self._peers = peers
        self._resident = Resident(0) if resident is None else resident
        self._windows = windows
        self._detection = detection
        self._alerts = alerts
        self._audit = audit
        self._shape = shape or Shape()
        self._warmup = WarmUpTracker([detector.name for detector in detection.detectors])
        remembered = [one["parameters"].get("retention_sec", 0.0) for one in detection.resolved]
        longest = max(RETENTION, alerts.remembers, *(round(x * MICROS) for x in remembered))
        self._limit = SeriesLimit(most_series, windows, longest + windows.size)
        self._states = SavedStates(detection, alerts, self._warmup, self._limit, peers)

    def advance(
        self, store: Store, keyed: KeyedBatch, encoded: bytes | None = None, group: int = 0
    ) -> Outcome:
        """Take one keyed batch; the same keyed batch twice counts as duplicates the second time.

        Args:
            store: of the key group.
            keyed: the batch.
            encoded: its bytes, where they are at hand.
            group: number of the key group.
        """
        store = ChecksummedStore(store)
        data = store.read_header()
        left = self._resident.take(group, data)
        if data is None:
            store.write_shape(self._shape.data)
        header = self._load_header(store, data)
        if not header.progress.observe(keyed.partitions, keyed.positions):
            return Outcome(Counts(duplicate=len(keyed.rows)))
        counts = Counts(waiting=len(keyed.rows))
        self._note_oldest(header, keyed)
        watermark = header.progress.watermark
        closing = self._windows.slot_before(watermark)
        closes = watermark != WATERMARK_NONE and (header.closed is None or closing > header.closed)
        if not (closes and self._has_work(header, closing)):
            self._add(store, keyed, encoded)
            outcome = Outcome(counts)
        else:
            outcome, left = self._close(store, header, closing, keyed, left)
            counts = counts.plus(outcome.counts)
            for name, more in outcome.judged.items():
                header.judged[name] = header.judged.get(name, 0) + more
        header.totals = header.totals.plus(counts)
        passed = run_totals = None
        if closes:
            since = None if header.closed is None else header.closed * self._windows.interval
            passed = (since, closing * self._windows.interval)
            header.closed = closing
            if watermark == WATERMARK_END:
                run_totals = _run_totals(header)
        data = _encoder.encode(header)
        store.write_header(data)
        self._resident.put(group, data, left)
        return outcome._replace(
            counts=counts, passed=passed, run_totals=run_totals, watermark=watermark,
            since_begin=(header.totals, header.judged),
        )  # fmt: skip

    def _note_oldest(self, header: _Header, keyed: KeyedBatch) -> None:
        """Of rows that came, the oldest slot."""
        if len(keyed.rows):
            oldest = self._windows.slot_before(int(ends(keyed.rows.time)[0]))
            header.oldest_open = (
                oldest if header.oldest_open is None else min(oldest, header.oldest_open)
            )

    def _add(self, store: Store, keyed: KeyedBatch, encoded: bytes | None) -> None:
        """Keep rows until a close; those that come with one never go through the state."""
        if not len(keyed.rows):
            return
        rows = keep_latest(keyed.rows, self._windows.interval)
        if encoded is None or rows is not keyed.rows:
            encoded = encode_keyed_batch(KeyedBatch(keyed.partitions, keyed.positions, rows))
        store.add_rows(encoded)

    def waiting(self, store: Store) -> int:
        """Rows taken whose windows are open; no row is read for it."""
        return self.run_totals(store).waiting

    def run_totals(self, store: Store) -> RunTotals:
        """Totals of all advances so far."""
        store = ChecksummedStore(store)
        return _run_totals(self._load_header(store, store.read_header()))

    def _load_header(self, store: Store, data: bytes | None) -> _Header:
        if data is None:
            return _Header(shape=self._shape.digest)
        try:
            header = _header_decoder.decode(data)
        except ValueError as error:
            message = f"the saved progress ({len(data)} bytes) is damaged: {error}"
            raise StateError(message) from error
        check_version(header.version)
        if header.shape != self._shape.digest:
            self._shape.check(store.read_shape() or b"")
        return header

    def _has_work(self, header: _Header, closing: int) -> bool:
        """Whether a row's window, an alert or a no-data limit ends before `closing`."""
        if header.oldest_open is not None and header.oldest_open < closing:
            return True
        until = closing * self._windows.interval
        for due in (header.alerts_due, header.detectors_due):
            if due is not None and due <= until:
                return True
        return (
            header.newest_kept is not None
            and header.closed is not None
            and header.newest_kept + self._windows.slots > header.closed
        )

    def _close(
        self, store: Store, header: _Header, closing: int, keyed: KeyedBatch, left: Left | None
    ) -> tuple[Outcome, Left]:
        came = [read_rows(data) for data in store.read_rows()]
        saved = bool(came)
        if len(keyed.rows):
            came.append((keyed, []))
        left = self._read(store, header) if left is None else left
        cell, states = left.cell.on(store), left.states
        kept = header.kept.pieces(left.kept, self._windows, header.closed)
        before: list[tuple[str, int, bytes]] = []
        origins = Origins(came, kept, self._windows)
        closed = first = WATERMARK_NONE if header.closed is None else header.closed
        known_until = header.progress.known_until
        rows = concatenate([piece.rows for piece, _ in came])
        rows, stages, refused = self._limit.step(states.census, rows, closed, closing)
        known = [piece.rows for piece, _ in kept] if left.history is None else [left.history]
        pieces = [*known, rows]
        done = Done(heard=None if self._peers is None else Heard())
        for number, stage in enumerate(stages):
            self._evict(states, stage, done)
            if self._audit is not None and (number or stage.evicted):
                before = self._detection.dump(states.detectors)
            result = close_windows(pieces, closed, stage.closing, self._windows, known_until)
            transitions, table = self._judge(states, result, done)
            if self._audit is not None and transitions:
                saved_states = before or self._states.of_detectors(cell.parts)
                known_from = sorted(header.progress.known.items())
                began = {partition: one.start for partition, one in known_from}
                done.provenance += self._audit.step(
                    transitions, origins.of_all, began, saved_states, table
                )
            pieces, closed = [result.kept] if stage is not stages[-1] else [], stage.closing
        left.history = header.kept.write(
            store, left.kept, self._windows, result, (first, closing), origins
        )
        self._wait(store, saved, result.waiting, closing, origins)
        header.newest_kept, header.oldest_open = result.newest_kept, result.oldest_open
        header.alerts_due = self._alerts.next_due(states.followed)
        header.detectors_due = self._detection.next_due(states.detectors)
        cell.write(self._states.dump(states))
        return done.outcome(refused), left

    def _read(self, store: Store, header: _Header) -> Left:
        """All that a close needs, from the store."""
        cell = DetectionCell(store)
        states = self._states.load(cell.read())
        return Left(cell, states, header.kept.read(store, self._windows, header.closed))

    def _wait(self, store: Store, saved: bool, rows: Rows, closing: int, origins: Origins) -> None:
        """Keep the rows whose slot is still open; `saved`: there are rows in the store."""
        if not len(rows):
            if saved:
                store.replace_rows(None)
            return
        since = closing * self._windows.interval
        needed = [one for one in origins.of_came() if one.newest >= since]
        store.replace_rows(pack_rows(keep_latest(rows, self._windows.interval), needed))

    def _evict(self, states: States, stage: Stage, done: Done) -> None:
        """Drop all that is remembered of the series that make room."""
        if not stage.evicted:
            return
        gone = frozenset(stage.evicted)
        states.detectors = self._detection.forget(states.detectors, gone)
        states.warmup = self._warmup.forget(states.warmup, gone)
        for one in gone:
            states.attributes.pop(one, None)
        states.followed, transitions = self._alerts.evict(states.followed, gone, stage.end)
        done.transitions += transitions
        if self._peers is not None and states.peers is not None and done.heard is not None:
            self._peers.evict(states.peers, gone, transitions, done.heard)
        done.counts = done.counts.plus(Counts(series_evicted=len(gone)))

    def _judge(
        self, states: States, closed: Closed, done: Done
    ) -> tuple[list[Transition], FeatureTable]:
        """Step everything that reads closed windows; transitions, and the table they refer to."""
        known = states.attributes
        states.detectors, detected = self._detection.step(states.detectors, closed.table, known)
        states.attributes = learn(known, closed.table)
        before = copy(states.followed.spent)
        states.followed, transitions = self._alerts.step(states.followed, detected)
        if self._peers is not None and states.peers is not None and done.heard is not None:
            self._peers.step(states.peers, detected, transitions, done.heard)
        spent = states.followed.spent
        states.warmup, status, gained = self._warmup.step(states.warmup, closed.table, detected)
        done.counts = done.counts.plus(
            Counts(
                scored=closed.scored,
                duplicate=closed.duplicates,
                windows=len(closed.table),
                anomalies=int(np.count_nonzero(detected.anomaly)),
                alerts=sum(transition.kind == "opened" for transition in transitions),
                series=gained.series,
                warm=gained.warm,
                waiting=-closed.scored - closed.duplicates,
                judged_hours=spent.hours - before.hours,
                budget_alerts=spent.alerts - before.alerts,
                budget_more=spent.more - before.more,
            )
        )
        done.closings.append(Closing(detected, status))
        done.transitions += transitions
        for name, more in gained.judged.items():
            done.judged[name] = done.judged.get(name, 0) + more
        return transitions, detected.table


def _run_totals(header: _Header) -> RunTotals:
    read = {
        number: (one.read, one.late, one.dead_lettered)
        for number, one in sorted(header.progress.known.items())
    }
    return RunTotals(read, judged=dict(header.judged), **header.totals._asdict())
