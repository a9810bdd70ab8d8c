"""Everything that was handed out, on the topic `notification.alert`, for other programs.

A thread reads the deliveries in the order of their numbers and keeps how far it has come in the
store, so nothing is left out over a crash; what was under way then comes twice, with one id.
"""

import logging
import threading
from collections.abc import Callable

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer

from padit.alerting.effects import Handed
from padit.alerting.notifiers.webhook import cloud_event
from padit.alerting.store.base import Store
from padit.connectors.kafka_errors import QUIET, ClientErrors
from padit.connectors.uris import Address, read_client_config
from padit.domain.errors import SinkError
from padit.ops.background import kept
from padit.ops.reach import Reach

__all__ = ["Announcer"]

_LOG = logging.getLogger(__name__)
_PLACE = "notification.alert"
_IDLE_SECONDS = 0.5
_AWAY_SECONDS = 2.0
_FLUSH_SECONDS = 30.0
_decoder = msgspec.json.Decoder(Handed)


class Announcer:
    """Writes what is handed out to a topic.

    Args:
        address: of the topic.
        link: template of the page of an incident.
        open_store: opens the store for this thread.
    """

    def __init__(self, address: Address, link: str, open_store: Callable[[], Store]) -> None:
        settings = read_client_config(address.options.get("client_config"))
        self._errors = ClientErrors()
        self._reach = Reach(_LOG, f"notifications to {address.path} at {address.host}")
        self._producer = Producer(
            {**QUIET, "bootstrap.servers": address.host, "enable.idempotence": True, **settings,
             "error_cb": self._errors.note}
        )  # fmt: skip
        self._topic, self._link, self._open = address.path, link, open_store
        self._refused = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=kept(self._run, self._stop, "notifications"), name="announce"
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End once all that was handed out by now is written, if the broker answers."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        store: Store | None = None
        try:
            while True:
                last = self._stop.is_set()
                try:
                    store = store or self._open()
                    busy = self._announce(store)
                except (SinkError, KafkaException) as error:
                    self._reach.away(str(error))
                    busy = False
                    self._stop.wait(_AWAY_SECONDS)
                if not busy and last:
                    return
                if not busy:
                    self._stop.wait(_IDLE_SECONDS)
        finally:
            if store is not None:
                store.close()

    def _announce(self, store: Store) -> bool:
        """Write what is new; whether there was anything."""
        after = store.positions().get((_PLACE, 0), 0)
        new = store.handed(after)
        if not new:
            return False
        self._refused = ""
        for one in new:
            message = _decoder.decode(one.message)
            value = msgspec.json.encode(cloud_event(message, self._link))
            self._producer.produce(
                self._topic, value, key=one.incident, headers={"ce_id": one.id},
                on_delivery=self._delivered,
            )  # fmt: skip
        if self._producer.flush(_FLUSH_SECONDS) or self._refused:
            self._producer.purge()
            reason = self._errors.text or self._refused or "no answer"
            message_ = f"the broker does not take them ({reason})"
            raise SinkError(message_)
        self._errors.answered()
        self._reach.back()
        with store.transaction():
            store.move(_PLACE, 0, new[-1].number)
        return True

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._refused = error.str()
