"""The whole work on one key group as a pure machine: keyed batches in, results out.

    keyed batch -> progress -> windows -> features -> detectors -> alerts

A keyed batch is cheap: its rows are appended, its watermarks noted. Only when the smallest
watermark of all partitions passes the end of a window are the rows read back, windows closed,
detectors stepped and episodes followed. The machine keeps nothing itself; all state goes through a
`Store`, which is Beam state in the job and plain memory in tests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from padit.domain.alert import Transition
from padit.domain.audit import Provenance, RunTotals
from padit.domain.batch import KeyedBatch, decode_kept, decode_rows, encode_kept, encode_keyed_batch
from padit.domain.errors import StateError
from padit.domain.metric import Series
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE
from padit.transforms.alerts import Alerts, Episodes
from padit.transforms.checksum import ChecksummedStore
from padit.transforms.detect import Detection, DetectionResult
from padit.transforms.detectors.columns import Columns
from padit.transforms.progress import Progress
from padit.transforms.provenance import offset_ranges_of, provenance_of, still_needed
from padit.transforms.state_digest import state_digest
from padit.transforms.warmup import Status, WarmUpTracker
from padit.transforms.windows import WindowOptions, close_windows

__all__ = ["Counts", "GroupMachine", "MemoryStore", "Outcome", "Store"]

_VERSION = 4


class Store(Protocol):
    """State of one key group."""

    def read_header(self) -> bytes | None:
        """The small state that every keyed batch needs."""

    def write_header(self, data: bytes) -> None:
        """Replace it."""

    def add_rows(self, data: bytes) -> None:
        """Append rows."""

    def read_rows(self) -> Sequence[bytes]:
        """All rows, in any order of the pieces."""

    def replace_rows(self, data: bytes | None) -> None:
        """Keep only these rows."""

    def read_detection(self) -> bytes | None:
        """The state of detectors and alerts."""

    def write_detection(self, data: bytes) -> None:
        """Replace it."""


@dataclass(slots=True)
class MemoryStore:
    """State in memory; what runs the machine without Beam."""

    header: bytes | None = None
    rows: tuple[bytes, ...] = ()
    detection: bytes | None = None

    def read_header(self) -> bytes | None:
        """See `Store`."""
        return self.header

    def write_header(self, data: bytes) -> None:
        """See `Store`."""
        self.header = data

    def add_rows(self, data: bytes) -> None:
        """See `Store`."""
        self.rows = (*self.rows, data)

    def read_rows(self) -> Sequence[bytes]:
        """See `Store`."""
        return self.rows

    def replace_rows(self, data: bytes | None) -> None:
        """See `Store`."""
        self.rows = () if data is None else (data,)

    def read_detection(self) -> bytes | None:
        """See `Store`."""
        return self.detection

    def write_detection(self, data: bytes) -> None:
        """See `Store`."""
        self.detection = data


class Counts(NamedTuple):
    """What an advance did, for the conservation line; `series` and `warm` as in `Gained`."""

    scored: int = 0
    duplicate: int = 0
    windows: int = 0
    anomalies: int = 0
    alerts: int = 0
    series: int = 0
    warm: int = 0


class Outcome(NamedTuple):
    """What an advance gave.

    Attributes:
        detected: None where no window closed.
        transitions: of alerts.
        counts: what this advance did.
        run_totals: what all advances did, once nothing can come any more; None before.
        provenance: of the transitions that a window caused.
        status: of every row of the verdict.
        judged: by name of the detector, series of which it gave a score for the first time.
    """

    detected: DetectionResult | None
    transitions: list[Transition]
    counts: Counts
    run_totals: RunTotals | None = None
    provenance: Sequence[Provenance] = ()
    status: Status | None = None
    judged: Mapping[str, int] = {}  # never changed


class _Header(msgspec.Struct, array_like=True):
    """Small state.

    `closed` is the first slot that is not closed; `newest_kept` and `oldest_open` tell whether
    closing can yield a window, so that rows are read back only then; `alerts_due` and
    `detectors_due` when time alone changes something. `totals` are the counts of all advances.
    """

    version: int = _VERSION
    progress: Progress = msgspec.field(default_factory=Progress)
    closed: int | None = None
    newest_kept: int | None = None
    oldest_open: int | None = None
    alerts_due: int | None = None
    totals: Counts = Counts()
    detectors_due: int | None = None
    judged: dict[str, int] = {}


class _DetectionState(msgspec.Struct, array_like=True):
    version: int
    detectors: list[tuple[str, int, bytes]]
    alerts: bytes
    warmup: bytes


_header_decoder = msgspec.msgpack.Decoder(_Header)
_detection_decoder = msgspec.msgpack.Decoder(_DetectionState)
_encoder = msgspec.msgpack.Encoder()


class GroupMachine:
    """Steps one key group.

    Args:
        windows: shape of the windows.
        detection: the configured detectors.
        alerts: the life of alerts.
    """

    def __init__(self, windows: WindowOptions, detection: Detection, alerts: Alerts) -> None:
        self._windows = windows
        self._detection = detection
        self._alerts = alerts
        self._warmup = WarmUpTracker([detector.name for detector in detection.detectors])

    def advance(self, store: Store, keyed: KeyedBatch) -> Outcome:
        """Take one keyed batch; the same keyed batch twice counts as duplicates the second time."""
        store = ChecksummedStore(store)
        header = _load_header(store.read_header())
        if not header.progress.observe(keyed.partitions, keyed.positions):
            return Outcome(None, [], Counts(duplicate=len(keyed.rows)))
        if len(keyed.rows):
            store.add_rows(encode_keyed_batch(keyed))
            oldest = self._windows.slot_before(int(keyed.rows.time.min()))
            header.oldest_open = (
                oldest if header.oldest_open is None else min(oldest, header.oldest_open)
            )
        outcome = Outcome(None, [], Counts())
        watermark = header.progress.watermark
        closing = self._windows.slot_before(watermark)
        if watermark != WATERMARK_NONE and (header.closed is None or closing > header.closed):
            if self._has_work(header, closing):
                outcome = self._close(store, header, closing)
                pairs = zip(header.totals, outcome.counts, strict=True)
                header.totals = Counts(*(total + more for total, more in pairs))
                for name, more in outcome.judged.items():
                    header.judged[name] = header.judged.get(name, 0) + more
            header.closed = closing
            if watermark == WATERMARK_END:
                outcome = outcome._replace(run_totals=_run_totals(header))
        store.write_header(_encoder.encode(header))
        return outcome

    def run_totals(self, store: Store) -> RunTotals:
        """What all advances so far did."""
        return _run_totals(_load_header(ChecksummedStore(store).read_header()))

    def waiting(self, store: Store) -> int:
        """Rows taken that no window has scored yet."""
        store = ChecksummedStore(store)
        header = _load_header(store.read_header())
        closed = header.closed
        total = 0
        for data in store.read_rows():
            time = decode_rows(data).time
            total += (
                len(time)
                if closed is None
                else int((time >= closed * self._windows.interval).sum())
            )
        return total

    def _has_work(self, header: _Header, closing: int) -> bool:
        """Whether a row's window, an alert or a no-data limit ends before `closing`."""
        if header.oldest_open is not None and header.oldest_open < closing:
            return True
        until = closing * self._windows.interval
        if any(due is not None and due <= until
               for due in (header.alerts_due, header.detectors_due)):  # fmt: skip
            return True
        return (
            header.newest_kept is not None
            and header.closed is not None
            and header.newest_kept + self._windows.slots > header.closed
        )

    def _close(self, store: Store, header: _Header, closing: int) -> Outcome:
        pieces = [decode_kept(data) for data in store.read_rows()]
        offset_ranges = offset_ranges_of(pieces, self._windows)
        closed = WATERMARK_NONE if header.closed is None else header.closed
        batches = [piece.rows for piece, _ in pieces]
        known_until = header.progress.known_until
        result = close_windows(batches, closed, closing, self._windows, known_until)
        kept = None
        if len(result.kept):
            kept = encode_kept(result.kept, still_needed(offset_ranges, closing, self._windows))
        store.replace_rows(kept)
        header.newest_kept, header.oldest_open = result.newest_kept, result.oldest_open

        saved = store.read_detection()
        states, episodes, warmup = self._load_detection(saved)
        states, detected = self._detection.step(states, result.table)
        episodes, transitions = self._alerts.step(episodes, detected)
        warmup, status, gained = self._warmup.step(warmup, result.table, detected)
        header.alerts_due = self._alerts.next_due(episodes)
        header.detectors_due = self._detection.next_due(states)
        store.write_detection(
            _encoder.encode(
                _DetectionState(
                    _VERSION,
                    self._detection.dump(states),
                    self._alerts.dump(episodes),
                    self._warmup.dump(warmup),
                )
            )
        )
        counts = Counts(
            result.scored,
            result.duplicates,
            len(result.table),
            int(detected.anomaly.sum()),
            sum(transition.kind == "opened" for transition in transitions),
            gained.series,
            gained.warm,
        )
        began = {number: one.start for number, one in sorted(header.progress.known.items())}
        provenance = [
            msgspec.structs.replace(
                one,
                state=self._memory(saved, detected, transition),
                began=one.began or began,  # a window without samples has no rows to tell
            )
            for one, transition in provenance_of(transitions, offset_ranges, self._windows)
        ]
        return Outcome(detected, transitions, counts, None, provenance, status, gained.judged)

    def _memory(
        self, saved: bytes | None, detected: DetectionResult, transition: Transition
    ) -> str:
        alert = transition.alert
        series = Series(alert.source_id, alert.metric_name, alert.evidence["unit"])
        before = None if saved is None else _detection_decoder.decode(saved).detectors
        return state_digest(self._detection, before, detected.table, series, transition.time)

    def _load_detection(self, data: bytes | None) -> tuple[tuple[Any, ...], Episodes, Columns]:
        if data is None:
            return self._detection.initial(), self._alerts.initial(), self._warmup.initial()
        try:
            saved = _detection_decoder.decode(data)
        except msgspec.DecodeError as error:
            message = f"the saved detector state ({len(data)} bytes) is damaged: {error}"
            raise StateError(message) from error
        _check_version(saved.version)
        return (
            self._detection.load(saved.detectors),
            self._alerts.load(saved.alerts),
            self._warmup.load(saved.warmup),
        )


def _load_header(data: bytes | None) -> _Header:
    if data is None:
        return _Header()
    try:
        header = _header_decoder.decode(data)
    except msgspec.DecodeError as error:
        message = f"the saved progress ({len(data)} bytes) is damaged: {error}"
        raise StateError(message) from error
    _check_version(header.version)
    return header


def _run_totals(header: _Header) -> RunTotals:
    read = {
        number: (one.read, one.late, one.dead_lettered)
        for number, one in sorted(header.progress.known.items())
    }
    return RunTotals(read, *header.totals, judged=dict(header.judged))


def _check_version(version: int) -> None:
    if version != _VERSION:
        message = (
            f"the saved state has version {version}, this code reads {_VERSION}: "
            "start without the savepoint and let a replay build the state"
        )
        raise StateError(message)
