"""Delivers the messages in the store, with one thread for each receiver.

Of an incident and route only the oldest pending message is tried, so the end of an incident never
overtakes its beginning. A receiver that fails is tried again, later each time; one that fails often
is left alone by its breaker. Nothing is dropped: a message is pending, delivered or dead.
"""

import logging
import random
import threading
from collections.abc import Callable
from time import monotonic
from time import time as clock

import msgspec

from padit.alerting.delivery.breaker import Breaker
from padit.alerting.delivery.receivers import Receiver
from padit.alerting.effects import Handed
from padit.alerting.fates import leave_alone
from padit.alerting.notifiers.base import Result
from padit.alerting.store.attempts import attempted
from padit.alerting.store.base import Delivery, Store
from padit.alerting.tracing import AlertTraces
from padit.domain.errors import SinkError
from padit.domain.timestamps import MICROS
from padit.ops.background import kept
from padit.ops.retrying import backoff

__all__ = ["MOST_ATTEMPTS", "MOST_ATTEMPTS_ASKED", "Worker"]

_LOG = logging.getLogger(__name__)
MOST_ATTEMPTS = 20
MOST_ATTEMPTS_ASKED = 200
"""Of a receiver that names the time of the next one: with its longest, an hour, a week."""
_IDLE_SECONDS = 0.5
_AWAY_SECONDS = 1.0
_CLOCK_STEP_SECONDS = 30.0
_LONGEST_WAIT_SECONDS = 3600.0  # as `Retry-After` is taken
_decoder = msgspec.json.Decoder(Handed)


class Worker:
    """Delivers to one receiver.

    Args:
        receiver: where to.
        open_store: opens the store for this thread.
        wait: seconds that its breaker stays open.
        traces: of deliveries.
        leads: whether this process leads still; asked before every attempt.
    """

    def __init__(
        self,
        receiver: Receiver,
        open_store: Callable[[], Store],
        wait: float = 60.0,
        traces: AlertTraces | None = None,
        leads: Callable[[Store], bool] = lambda store: True,
    ) -> None:
        self._leads = leads
        self._receiver = receiver
        self._open = open_store
        self._traces = traces or AlertTraces(None)
        self._breaker = Breaker(receiver.name, wait)
        self._offset: float | None = None
        self._sent = float("-inf")
        self._free_at = float("-inf")
        self._failure = ""  # the latest answer of the receiver that was none of success
        self._results: list[tuple[Delivery, Result, int]] = []
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=kept(self._run, self._stop, receiver.name), name=f"deliver {receiver.name}"
        )

    @property
    def name(self) -> str:
        """Of its receiver."""
        return self._receiver.name

    @property
    def left_alone(self) -> bool:
        """Whether the receiver failed too often, so that nothing is sent now."""
        return self._breaker.open

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    def stop(self) -> None:
        """End after the attempt that is under way."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._receiver.close()

    def _run(self) -> None:
        store: Store | None = None
        try:
            while not self._stop.is_set():
                try:
                    store = store or self._open()
                    busy = self.deliver(store)
                except SinkError as error:  # full, locked or away: the message stays pending
                    _LOG.warning("%s: %s", self._receiver.name, error)
                    self._stop.wait(_AWAY_SECONDS)
                    busy = False
                if not busy:
                    self._wake.wait(_IDLE_SECONDS)
                    self._wake.clear()
        finally:
            if store is not None:
                store.close()

    def deliver(self, store: Store) -> bool:
        """Try what is due; whether anything was tried."""
        tried = False
        self._watch_clock(store)
        self._write(store)
        if monotonic() < self._free_at:  # the receiver has asked for a pause
            return False
        for one in store.due(self._receiver.name, clock()):
            self._stop.wait(max(self._sent + self._receiver.pause - monotonic(), 0.0))
            if self._stop.is_set() or not self._leads(store):
                break
            if not store.untouched(one):
                continue
            result = self._breaker.call(lambda one=one: self._attempt(store, one))  # type: ignore[misc]
            if result is None:
                leave_alone(store, one, self._failure)
                return False
            tried, self._sent = True, monotonic()
            self._failure = result.reason if result.state == "retry" else self._failure
            self._results.append((one, result, int(clock() * MICROS)))
            self._write(store)
            if result.state == "retry" and result.after:
                self._free_at = self._sent + result.after
                break
        return tried

    def _write(self, store: Store) -> None:
        """Note results. One that the store cannot take is kept, so nothing is sent twice for it."""
        while self._results:
            with store.transaction():
                _record(store, *self._results[0])
            del self._results[0]

    def _watch_clock(self, store: Store) -> None:
        """Waits are kept by the clock, because they outlive the process; it may be set back."""
        now = clock()
        offset = now - monotonic()
        back = 0.0 if self._offset is None else self._offset - offset
        if self._offset is None or back > _CLOCK_STEP_SECONDS:
            with store.transaction():
                store.hasten(self._receiver.name, back, now + _LONGEST_WAIT_SECONDS)
        self._offset = offset

    def _attempt(self, store: Store, one: Delivery) -> Result:
        message = _decoder.decode(one.message)
        with self._traces.delivering(message, self._receiver.name, one.attempts + 1) as about:
            result = self._receiver.attempt(message, store.reference(one))
            about |= {"state": result.state, "reason": result.reason}
        return result


def _record(store: Store, one: Delivery, result: Result, at: int) -> None:
    attempts = one.attempts + 1
    attempted(store, one.number, at, result.state, result.reason)
    # Beyond the lower bound the receiver has asked for the next one; a later failure is no reason
    # to give up at once what it has put off for hours.
    asked = result.after or attempts > MOST_ATTEMPTS
    most = MOST_ATTEMPTS_ASKED if asked else MOST_ATTEMPTS
    if result.state == "retry" and attempts < most:
        wait = max(backoff(attempts, random.random()), result.after)  # noqa: S311  # spreads only
        store.record(
            one.number, "pending", attempts, next_attempt_at=clock() + wait, reason=result.reason
        )
        return
    state = "delivered" if result.state == "delivered" else "dead"
    reason = result.reason
    if result.state == "retry":
        reason = f"given up after {attempts} attempts: {reason}"
    store.record(one.number, state, attempts, reason=reason, reference=result.reference)
    if state == "dead":
        _LOG.warning("message %s to %s is dead: %s", one.id, one.receiver, reason)
