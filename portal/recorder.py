"""The alerting engine inside the portal: one thread that reads inputs, and takes commands.

It is `padit alerting` in small: the same log, the same engine, the same workers. What it appends
comes out as rows of the log, which the page's event loop follows.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue

from padit.alerting.delivery.receivers import receivers_of
from padit.alerting.delivery.worker import Worker
from padit.alerting.policy import AlertingConfig
from padit.alerting.records import Record, logged
from padit.alerting.sequencer import Alerting
from padit.alerting.service import Input
from padit.alerting.store.sqlite import SqliteStore
from padit.domain.errors import SinkError
from padit.domain.timestamps import MICROS
from padit.ops.background import Background
from padit.portal.parts import Done, Rows

__all__ = ["Recorder"]

_LOG = logging.getLogger(__name__)
_STEP_SECONDS = 0.05
_BATCH = 100
_RECORDING_IS_OLDER_THAN = 3600 * MICROS
_PLACE = "portal"


class Recorder:
    """Holds the log and its engine.

    Args:
        config: what to do with alerts.
        folder: of the store.
        source: of transitions.
        reached: event time that readings have come to; 0 without any.
        deliver: whether messages are sent to the receivers of `config`.
    """

    def __init__(
        self,
        config: AlertingConfig,
        folder: Path,
        source: Input,
        reached: Callable[[], int],
        *,
        deliver: bool,
    ) -> None:
        self.folder = folder
        self.store = SqliteStore(folder)
        self._core = Alerting(config, self.store)
        self._source = source
        self._reached = reached
        self._commands: SimpleQueue[tuple[bytes, Done]] = SimpleQueue()
        self._listener: Callable[[Rows], None] = lambda rows: None
        self._given = 0
        self._thread = Background(self._run, "recorder")
        self._workers = [
            Worker(one, lambda: SqliteStore(folder, leading=False))
            for one in (receivers_of(config).values() if deliver else ())
        ]
        self.trouble = ""
        self.caught_up = threading.Event()
        source.seek(self.store.positions())

    def start(self, listener: Callable[[Rows], None]) -> None:
        """Begin; the listener is called from the thread, with rows of the log in order."""
        self._listener = listener
        self._given = self.store.last_number()
        for worker in self._workers:
            worker.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop and save."""
        self._thread.stop()
        for worker in self._workers:
            worker.stop()
        self._core.save()
        self._source.close()
        self.store.close()

    def entries(self) -> Rows:
        """The log so far."""
        return self._entries(0)

    def command(self, data: bytes, done: Done) -> None:
        """Append a command; `done` is called behind it, from the thread."""
        self._commands.put((data, done))

    def forget(self, name: str) -> None:
        """A command that was given is carried out, whoever waits for it."""

    @property
    def command_time(self) -> int:
        """Event time for a command that is given now."""
        return self.now

    def breakers(self) -> list[tuple[str, bool]]:
        """Name of each receiver, and whether it is left alone."""
        return [(worker.name, worker.left_alone) for worker in self._workers]

    @property
    def now(self) -> int:
        """Event time: the clock, or the end of a recording that lies in the past."""
        clock, latest = int(time.time() * MICROS), max(self._core.state.now, self._reached())
        return latest if _is_recording(latest, clock) else max(clock, latest)

    @property
    def recording(self) -> bool:
        """Whether the data end long before the present, so that time does not pass by itself."""
        latest = max(self._core.state.now, self._reached())
        return _is_recording(latest, int(time.time() * MICROS))

    def _run(self) -> None:
        while self._thread.running:
            try:
                self._once()
                self.trouble = ""
            except SinkError as error:
                self.trouble = str(error)
                _LOG.warning("%s; trying again", error)
                self._thread.wait(2.0)
            except Exception as error:  # one fault must not end the thread in silence
                self.trouble = f"{type(error).__name__}: {error}"
                _LOG.exception("the alerting engine failed; trying again")
                self._thread.wait(2.0)

    def _once(self) -> None:
        waiting = self._drain()
        if waiting:
            self._take([_record(self.store, data) for data, _ in waiting])
        else:
            records = self._source.poll(_STEP_SECONDS)
            if not records:
                self.caught_up.set()
            for begin in range(0, len(records), _BATCH):
                self._take(records[begin : begin + _BATCH])
        if self._core.tick(self.now):
            self._give()
        for _, done in waiting:
            done("")

    def _take(self, records: Sequence[Record]) -> None:
        if self._core.take(records):
            for worker in self._workers:
                worker.wake()
        self._give()

    def _drain(self) -> list[tuple[bytes, Done]]:
        found: list[tuple[bytes, Done]] = []
        while len(found) < _BATCH:
            try:
                found.append(self._commands.get_nowait())
            except Empty:
                break
        return found

    def _give(self) -> None:
        rows = self._entries(self._given)
        if rows:
            self._given = rows[-1][0]
            self._listener(rows)

    def _entries(self, after: int) -> Rows:
        found = ((row.n, logged(row.n, row.kind, row.payload)) for row in self.store.entries(after))
        return [(n, one) for n, one in found if one is not None]


def _is_recording(latest: int, clock: int) -> bool:
    return 0 < latest < clock - _RECORDING_IS_OLDER_THAN


def _record(store: SqliteStore, data: bytes) -> Record:
    number = store.positions().get((_PLACE, 0), 0)
    return Record("command", _PLACE, 0, number, number + 1, data)
