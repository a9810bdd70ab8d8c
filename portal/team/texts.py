"""The topics of a team's texts in Kafka: requests are shared among the portals, results go to all.

Results of the last day are read at the start, so an answer that one portal got serves the others,
and the requests of a day are counted over all of them.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from padit.connectors.kafka_prompt import PROMPT
from padit.connectors.uris import Address, read_client_config
from padit.portal.texts.records import FAILED, REQUEST, RESULT

__all__ = ["KafkaTopics"]

_LOG = logging.getLogger(__name__)
_PATIENCE = 5.0
_POLL_SECONDS = 0.2
_DAY_MS = 86_400_000
_GROUP = "padit-analysis"


class KafkaTopics:
    """Reads and writes the topics.

    Args:
        address: `kafka://host:9092`.
        prefix: of the names of the topics.
    """

    def __init__(self, address: Address, prefix: str = "") -> None:
        self._address = address
        self._prefix = prefix
        self._stop = threading.Event()
        self._common: dict[str, Any] = {
            "bootstrap.servers": address.host, "log_level": 0, "error_cb": self._complain,
            **read_client_config(address.options.get("client_config")),
        }  # fmt: skip
        self._producer = Producer(
            {**self._common, "enable.idempotence": True, "delivery.timeout.ms": 8_000,
             "linger.ms": 0}
        )  # fmt: skip
        self._threads: list[threading.Thread] = []
        self.caught_up = threading.Event()
        self.trouble = ""

    def start(
        self, on_request: Callable[[bytes], None], on_result: Callable[[bytes], None]
    ) -> None:
        """Follow both topics, each in a thread."""
        work: list[tuple[str, Callable[[], None]]] = [
            ("texts", lambda: self._requests(on_request)),
            ("text-results", lambda: self._results(on_result)),
        ]
        for name, run in work:
            thread = threading.Thread(target=self._forever, args=(run,), name=name)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Stop; an answer that is being written ends first, within its time."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._producer.flush(2.0)

    def give(self, topic: str, key: str, data: bytes) -> None:
        """Write a record."""
        try:
            self._producer.produce(
                self._prefix + topic, data, key, on_delivery=lambda error, _: self._report(error)
            )
        except BufferError:
            self.trouble = "texts: too much waits for Kafka"
        self._producer.poll(0)

    def _report(self, error: KafkaError | None) -> None:
        self.trouble = f"texts: {error.str()}" if error is not None else ""

    def _complain(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.trouble = f"texts: Kafka at {self._address.host} is away"

    def _forever(self, run: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                run()
            except KafkaException as error:
                self.trouble = f"texts: {error.args[0].str()}"
            except Exception as error:  # one fault must not end the thread in silence
                self.trouble = f"texts: {type(error).__name__}: {error}"
                _LOG.exception("texts cannot be followed")
            self._stop.wait(1.0)

    def _make_topics(self) -> None:
        """Topics that are not there are made as the broker's settings say."""
        admin = AdminClient(self._common)
        names = {self._prefix + one for one in (REQUEST, RESULT, FAILED)}
        missing = sorted(names - set(admin.list_topics(timeout=_PATIENCE).topics))
        if missing:
            made = admin.create_topics([NewTopic(one, -1, -1) for one in missing])
            for future in made.values():
                try:
                    future.result(_PATIENCE)
                except KafkaException as error:
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise

    def _requests(self, on_request: Callable[[bytes], None]) -> None:
        self._make_topics()
        if not self.caught_up.wait(_PATIENCE):  # the day's count comes with the results
            return
        consumer = Consumer(
            {**PROMPT, **self._common, "group.id": self._prefix + _GROUP,
             "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        )  # fmt: skip
        try:
            consumer.subscribe([self._prefix + REQUEST])
            while not self._stop.is_set():
                one = consumer.poll(_POLL_SECONDS)
                data = _data(one)
                if one is not None and data is not None:
                    on_request(data)
                    consumer.commit(one, asynchronous=False)
        finally:
            consumer.close()

    def _results(self, on_result: Callable[[bytes], None]) -> None:
        self._make_topics()
        consumer = Consumer(
            {**PROMPT, **self._common, "group.id": self._prefix + _GROUP + "-results",
             "enable.auto.commit": False, "enable.partition.eof": True}
        )  # fmt: skip
        try:
            places = self._begin(consumer)
            consumer.assign(places)
            left = {one.partition for one in places}
            while not self._stop.is_set():
                one = consumer.poll(_POLL_SECONDS)
                if one is not None and _is_end(one):
                    left.discard(one.partition() or 0)
                data = _data(one)
                if data is not None:
                    on_result(data)
                if not left:
                    self.caught_up.set()
        finally:
            consumer.close()

    def _begin(self, consumer: Consumer) -> list[TopicPartition]:
        """Places of the results of the last day."""
        topic = self._prefix + RESULT
        found = consumer.list_topics(topic, timeout=_PATIENCE).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        since = int(time.time() * 1000) - _DAY_MS
        wanted = [TopicPartition(topic, number, since) for number in found.partitions]
        places: list[TopicPartition] = consumer.offsets_for_times(wanted, timeout=_PATIENCE)
        for one in places:
            if one.offset < 0:
                one.offset = OFFSET_END
        return places


def _is_end(one: Message) -> bool:
    error = one.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF


def _data(one: Message | None) -> bytes | None:
    if one is None or one.error() is not None:
        return None
    data = one.value()
    return data if isinstance(data, bytes) else None
