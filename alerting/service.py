"""`padit alerting`: reads the inputs, applies them, delivers what follows; one process leads.

A process that finds another one leading waits, and takes over when that one ends.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from padit.alerting.delivery.receivers import receivers_of
from padit.alerting.delivery.worker import Worker
from padit.alerting.policy import AlertingConfig
from padit.alerting.sequencer import Alerting, Record
from padit.alerting.store.sqlite import SqliteStore
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.timestamps import MICROS

__all__ = ["Input", "Service", "wait_for_lead"]

_LOG = logging.getLogger(__name__)
_SAVE_EVERY_SECONDS = 30.0
_LEAD_EVERY_SECONDS = 1.0
_RETRY_SECONDS = 2.0


class Input(Protocol):
    """Where transitions, commands and audit records come from."""

    def seek(self, positions: dict[tuple[str, int], int]) -> None:
        """Go on where the store stands."""

    def poll(self, seconds: float) -> Sequence[Record]:
        """What has come, at most after so many seconds."""

    @property
    def ended(self) -> bool:
        """Whether nothing more can come."""

    def close(self) -> None:
        """Let go of everything."""


def wait_for_lead(folder: Path, stopped: Callable[[], bool]) -> SqliteStore | None:
    """The store, once no other process leads; None if told to stop before."""
    told = False
    while not stopped():
        try:
            return SqliteStore(folder)
        except ConfigurationError as error:
            if "leads" not in str(error):
                raise
            if not told:
                _LOG.warning("%s; this process stands by", error)
                told = True
            time.sleep(_LEAD_EVERY_SECONDS)
    return None


class Service:
    """Alerting with its inputs and receivers.

    Args:
        config: what to do with alerts.
        folder: of the store.
        store: held by this process.
        source: of the inputs.
    """

    def __init__(
        self, config: AlertingConfig, folder: Path, store: SqliteStore, source: Input
    ) -> None:
        self._store = store
        self._source = source
        self._core = Alerting(config, store)
        self._delay = config.merge_delay
        self._workers = [
            Worker(one, lambda: SqliteStore(folder, leading=False))
            for one in receivers_of(config).values()
        ]
        source.seek(store.positions())

    def run(self, stopped: Callable[[], bool]) -> None:
        """Work until told to stop, or until a bounded input has ended and all is delivered."""
        for worker in self._workers:
            worker.start()
        saved = time.monotonic()
        try:
            while not stopped() and not (self._source.ended and self._idle()):
                self._once()
                if time.monotonic() - saved > _SAVE_EVERY_SECONDS:
                    self._core.save()
                    saved = time.monotonic()
        finally:
            for worker in self._workers:
                worker.stop()
            self._core.save()
            self._source.close()

    def _idle(self) -> bool:
        return not self._store.deliveries("pending")

    def _once(self) -> None:
        records = self._source.poll(_wait(self._core.next_due()))
        effects = self._take(records) if records else []
        if self._source.ended:
            effects = [*effects, *self._core.finish()]
        else:
            effects = [*effects, *self._core.tick(int(time.time() * MICROS) - self._delay)]
        if effects:
            for worker in self._workers:
                worker.wake()

    def _take(self, records: Sequence[Record]) -> Sequence[object]:
        """A store that is full or away holds everything up; nothing is lost."""
        while True:
            try:
                return self._core.take(records)
            except SinkError as error:
                _LOG.warning("%s; trying again", error)
                time.sleep(_RETRY_SECONDS)


def _wait(due: int | None) -> float:
    if due is None:
        return 0.5
    return min(max(due / MICROS - time.time(), 0.0), 0.5)
