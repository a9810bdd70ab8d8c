"""The topics of a team: transitions as they come, and commands that people give.

A transition is pushed from the topic, so it is on the page also while alerting, or its store, is
away; once it is in the log, the incident that it belongs to takes its place.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from padit.alerting.entries import AlertEvent, event_of
from padit.connectors.kafka_prompt import PROMPT
from padit.connectors.uris import Address, read_client_config
from padit.domain.errors import WireFormatError
from padit.domain.timestamps import format_utc
from padit.ops.background import Background

__all__ = ["CommandTopic", "TransitionTopic"]

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.2
_PATIENCE = 5.0
_MOST_KNOWN = 50_000
_MOST_WAITING = 2_000
_MOST_SHOWN = 20
_LATE_SECONDS = 0.7
_Positions = Callable[[], dict[tuple[str, int], int]]


class TransitionTopic:
    """Reads transitions from where alerting stands.

    Args:
        address: of the topic.
        positions: where alerting stands, by place and partition; empty if nobody knows.
        woken: called when something has come, from the thread.
        changed: called when what waits has changed, from the thread.
    """

    def __init__(
        self,
        address: Address,
        positions: _Positions,
        woken: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._address = address
        self._positions = positions
        self._woken, self._changed = woken, changed
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, tuple[float, AlertEvent]] = OrderedDict()
        self._in_log: OrderedDict[str, None] = OrderedDict()
        self._shown: tuple[str, ...] = ()
        self._thread = Background(self._run, "transitions")
        self.trouble = ""
        self.came = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop."""
        self._thread.stop()

    def taken(self, names: Iterable[str]) -> None:
        """These transitions are in the log."""
        with self._lock:
            for name in names:
                self._waiting.pop(name, None)
                self._in_log[name] = None
            while len(self._in_log) > _MOST_KNOWN:
                self._in_log.popitem(last=False)

    def late(self) -> tuple[list[dict[str, Any]], int]:
        """Transitions that wait for alerting for longer than usual: the latest, and how many."""
        border = time.monotonic() - _LATE_SECONDS
        with self._lock:
            found = [one for since, one in self._waiting.values() if since < border]
        shown = [
            {"id": one.id, "kind": one.kind, "source_id": one.source_id, "severity": one.severity,
             "metric_name": one.metric_name, "summary": one.summary, "time": format_utc(one.time)}
            for one in found[-_MOST_SHOWN:]
        ]  # fmt: skip
        return shown, len(found)

    @property
    def waiting(self) -> int:
        """Transitions that are not in the log yet."""
        return len(self._waiting)

    def _run(self) -> None:
        while self._thread.running:
            try:
                self._follow()
            except KafkaException as error:
                self._away(error.args[0].str())
            except Exception as error:  # one fault must not end the thread in silence
                self._away(f"{type(error).__name__}: {error}")
                _LOG.exception("transitions cannot be followed")
            self._thread.wait(1.0)

    def _away(self, why: str) -> None:
        self.trouble = f"Kafka at {self._address.host} is away: {why}"
        self._changed()

    def _follow(self) -> None:
        settings: dict[str, Any] = {
            **PROMPT,
            "bootstrap.servers": self._address.host,
            "group.id": "padit-portal",
            "enable.auto.commit": False,
            "auto.offset.reset": "latest",
            "isolation.level": "read_committed",
            "log_level": 0,
            "error_cb": self._complain,
            **read_client_config(self._address.options.get("client_config")),
        }
        consumer = Consumer(settings)
        try:
            self._assign(consumer)
            asked = time.monotonic()
            while self._thread.running:
                first = consumer.poll(_POLL_SECONDS)
                if first is not None:
                    for one in [first, *consumer.consume(500, 0.0)]:
                        self._receive(one)
                    self._woken()
                elif self.trouble and time.monotonic() - asked > 1.0:
                    asked = time.monotonic()
                    consumer.list_topics(self._address.path, timeout=_PATIENCE)
                    self.trouble = ""
                    self._changed()
                self._look()
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> None:
        topic = self._address.path
        found = consumer.list_topics(topic, timeout=_PATIENCE).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        place = f"{self._address.host}/{topic}"
        known = self._positions()
        begin = []
        for number in found.partitions:
            low, high = consumer.get_watermark_offsets(
                TopicPartition(topic, number), timeout=_PATIENCE
            )
            at = known.get((place, number), high if not known else low)
            begin.append(TopicPartition(topic, number, min(max(at, low), high)))
        consumer.assign(begin)
        self.trouble = ""

    def _complain(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._away("no broker answers")

    def _receive(self, one: Message) -> None:
        data = one.value()
        if one.error() is not None or data is None:
            return
        self.trouble = ""
        try:
            event = event_of(data)
        except WireFormatError:
            return  # alerting refuses and counts it
        self.came += 1
        with self._lock:
            if event.id not in self._in_log:
                self._waiting[event.id] = time.monotonic(), event
                while len(self._waiting) > _MOST_WAITING:
                    self._waiting.popitem(last=False)

    def _look(self) -> None:
        """Push what waits, when that has changed."""
        names = tuple(one["id"] for one in self.late()[0])
        if names != self._shown:
            self._shown = names
            self._changed()


class CommandTopic:
    """Gives commands to alerting.

    Args:
        address: of the topic.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._producer = Producer(
            {
                "bootstrap.servers": address.host,
                "enable.idempotence": True,
                "delivery.timeout.ms": 8_000,
                "linger.ms": 0,
                "log_level": 0,
                **read_client_config(address.options.get("client_config")),
            }
        )

    def give(self, data: bytes, series: str, failed: Callable[[str], None]) -> None:
        """Write a command; `failed` is called, while polled, if the broker does not take it.

        Those about one series stay in their order, so no undo overtakes what it undoes.
        """

        def report(error: KafkaError | None, message: Message) -> None:
            del message
            if error is not None:
                failed(f"the command did not reach Kafka at {self._address.host}: {error.str()}")

        self._producer.produce(self._address.path, data, series or None, on_delivery=report)

    def poll(self) -> None:
        """Hear of what the broker has taken."""
        self._producer.poll(0)

    def close(self) -> None:
        """Leave the broker."""
        self._producer.flush(2.0)
