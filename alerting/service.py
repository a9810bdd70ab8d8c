"""`padit alerting`: reads the inputs, applies them, delivers what follows; one process leads.

A process that finds another one leading waits, and takes over when that one ends.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol, TypeVar

from padit.alerting.announcing import Announcer
from padit.alerting.canary import CanaryWatch
from padit.alerting.delivery.receivers import Plots, receivers_of
from padit.alerting.delivery.worker import Worker
from padit.alerting.effects import Effect
from padit.alerting.event_clock import EventClock
from padit.alerting.figures import Figures
from padit.alerting.policy import AlertingConfig
from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.store.base import LeadLostError, LeadTakenError, Store
from padit.alerting.store.opening import open_store
from padit.alerting.store.readdressing import readdress
from padit.alerting.store.unheard import unheard
from padit.alerting.tracing import AlertTraces
from padit.connectors.uris import Address
from padit.domain.errors import SinkError
from padit.domain.timestamps import MICROS
from padit.ops import metric_names as names
from padit.ops.stats import Stats
from padit.ops.tracing import traces_of

__all__ = ["Input", "Service", "wait_for_lead"]

_LOG = logging.getLogger(__name__)
_SAVE_EVERY_SECONDS = 30.0
_LEAD_EVERY_SECONDS = 1.0
_ALIVE_EVERY_SECONDS = 2.0
_MOST_SILENT_SECONDS = 7
_LONGEST_DUMP_SECONDS = 60
_RETRY_SECONDS = 2.0
_T = TypeVar("_T")


class Input(Protocol):
    """Where transitions, commands and audit records come from.

    One whose `reports` is true may bring the job's progress.
    """

    def seek(self, positions: dict[tuple[str, int], int]) -> None:
        """Go on where the store stands."""

    def poll(self, seconds: float) -> Sequence[Record]:
        """What has come, at most after so many seconds."""

    @property
    def ended(self) -> bool:
        """Whether nothing more can come."""

    def close(self) -> None:
        """Let go of everything."""


def wait_for_lead(place: str | Path, stopped: Callable[[], bool]) -> Store | None:
    """The store, once no other process leads; None if told to stop before."""
    stands_by = False
    while not stopped():
        try:
            return open_store(place)
        except (LeadTakenError, SinkError) as error:
            if isinstance(error, SinkError) and not stands_by:
                raise
            if not stands_by:
                _LOG.warning("%s; this process stands by", error)
                stands_by = True
            time.sleep(_LEAD_EVERY_SECONDS)
    return None


class Service:
    """Alerting with its inputs and receivers.

    Args:
        config: what to do with alerts.
        place: of the store.
        store: held by this process.
        source: of the inputs.
        notifications: topic for everything that is handed out; None: none.
        plots: of messages, as in `Receiver`; None: none.

    Attributes:
        figures: for Prometheus and probes.
        canary: counts the canaries that came through.

    Raises:
        SinkError: the store does not answer.
    """

    def __init__(
        self,
        config: AlertingConfig,
        place: str | Path,
        store: Store,
        source: Input,
        notifications: Address | None = None,
        plots: Plots | None = None,
    ) -> None:
        self._store = store
        self._source = source
        self._core = Alerting(config, store)
        self._clock = EventClock(
            config.merge_delay,
            waits=getattr(source, "reports", False),
            progress=self._core.job_time,
        )
        self._traces = AlertTraces(traces_of("padit-alerting"))
        self._receivers = tuple(config.receivers)
        self._readdress()
        if self._core.changed:
            for line in unheard(store, self._core.state.incidents.values(), self._core.leads_to):
                _LOG.warning("%s", line)
        self._workers = [
            Worker(
                one,
                lambda: open_store(place, leading=False),
                traces=self._traces,
                leads=lambda own: own.led_by(store.session),
            )
            for one in receivers_of(config, plots).values()
        ]
        self._announcer = None
        if notifications is not None:
            self._announcer = Announcer(
                notifications, config.link, lambda: open_store(place, leading=False)
            )
        self.canary = CanaryWatch()
        self.figures = Figures()
        self._routes = tuple(self._core.routes)
        self._said = float("-inf")
        self._stopped: Callable[[], bool] = lambda: False
        source.seek(store.positions())

    def run(self, stopped: Callable[[], bool]) -> None:
        """Work until told to stop, or until a bounded input has ended and all is delivered.

        Raises:
            LeadLostError: the store was away, and another process leads by now.
        """
        self._stopped = stopped
        for worker in self._workers:
            worker.start()
        if self._announcer is not None:
            self._announcer.start()
        saved = time.monotonic()
        try:
            while not stopped() and not self._done():
                self._say_alive()
                self._once()
                if self.figures.round():
                    self._held(self._figure)
                if time.monotonic() - saved > _SAVE_EVERY_SECONDS:
                    self._tidy()
                    saved = time.monotonic()
        finally:
            with suppress(SinkError):
                self._store.alive(0)
            for worker in self._workers:
                worker.stop()
            if self._announcer is not None:
                self._announcer.stop()
            self._source.close()
            self._traces.close()
        self._held(self._core.save)

    def _readdress(self) -> None:
        readdress(self._store, self._core.leads_to, self._receivers)

    def _say_alive(self) -> None:
        if time.monotonic() - self._said > _ALIVE_EVERY_SECONDS:
            self._held(lambda: self._store.alive(_MOST_SILENT_SECONDS))
            self._said = time.monotonic()

    def _done(self) -> bool:
        """Whether a bounded input has ended, and all is delivered."""
        return self._source.ended and not self._held(self._store.waiting)

    def _tidy(self) -> None:
        """Keep the state, and drop what is old: a piece at a time, so no transaction is long."""
        self._held(lambda: self._store.alive(_LONGEST_DUMP_SECONDS))
        self._said = float("-inf")
        self._held(self._readdress)  # somebody may have replayed what was dead
        self._held(self._core.save)
        while self._held(self._core.forget) and not self._stopped():
            pass

    def _once(self) -> None:
        records = self._source.poll(self._wait())
        effects: list[Effect] = []
        if records or self._core.behind:
            alerts = [one.data for one in records if one.kind == "alert"]
            self.canary.note(alerts, time.time())
            self._traces.arrived(alerts)
            before = self._core.reports
            effects += self._held(lambda: self._core.take(records)) or ()
            if self._core.reports > before:
                self._clock.heard(self._core.job_time)
        if self._source.ended:
            effects += self._held(self._core.finish) or ()
        else:
            now = self._clock.now()
            if now is not None:
                effects += self._held(lambda: self._core.tick(now)) or ()
        if effects:
            for worker in self._workers:
                worker.wake()

    def _figure(self) -> None:
        breakers = [(worker.name, worker.left_alone) for worker in self._workers]
        silent = self._clock.silent
        self.canary.judge(time.time())
        self.figures.make(self._core.state, self._store, self._routes, breakers, silent, self._show)

    def _show(self, stats: Stats) -> None:
        self.canary.show(stats)
        stats.set(names.ALERTING_AHEAD, self._core.dating.ahead)

    def _held(self, work: Callable[[], _T]) -> _T | None:
        """A store that is full or away holds everything up; nothing is lost."""
        while True:
            try:
                found = work()
                self.figures.store(up=True)
                return found
            except LeadLostError:
                raise
            except SinkError as error:
                _LOG.warning("%s; trying again", error)
                self.figures.store(up=False)
                if self._stopped():
                    return None
                time.sleep(_RETRY_SECONDS)

    def _wait(self) -> float:
        due, now = self._core.next_due(), self._clock.now()
        if due is None or now is None:
            return 0.5
        return min(max((due - now) / MICROS, 0.0), 0.5)
