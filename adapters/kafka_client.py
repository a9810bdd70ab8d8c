"""The publisher's hold on Kafka: one idempotent librdkafka producer, and what is in flight.

In: `Record`s. Out: the same bytes on the topic, in order and once, for as long as this producer
lives; it sends again without an end. Records that are not acknowledged yet are kept here, and are
returned in order when the producer is given up. Used by one thread: acknowledgements come in `poll`
and nowhere else.
"""

import logging
import socket
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from padit.adapters.config import KafkaOptions
from padit.adapters.encode import Record
from padit.adapters.errors import AdapterError
from padit.adapters.secrets import secret
from padit.adapters.tracing import RecordTraces
from padit.ops.tracing import traces_of

__all__ = ["AwayError", "FullError", "KafkaClient", "TooLargeError"]

_log = logging.getLogger("padit.adapters.librdkafka")
_METADATA_SEC = 2.0


class AwayError(Exception):
    """No broker answers, or it does not take this record now."""


class FullError(Exception):
    """The client holds as many records as it can; acknowledgements make room."""


class TooLargeError(Exception):
    """The record is larger than the client or the broker takes."""


class KafkaClient:
    """A producer and its flights.

    Args:
        options: where to, and how.

    Attributes:
        flying: records that were sent and not acknowledged, oldest first.
        flying_bytes: bytes of their values.
        flying_samples: samples in them.
        refused: why a record was given up for good; the producer must be replaced then.
        trouble: the client's last error about its brokers, "" once one acknowledges again.

    Raises:
        AwayError: no broker accepts a connection, or a setting is wrong.
    """

    def __init__(self, options: KafkaOptions) -> None:
        _probe_broker(options.bootstrap.split(","))
        self.flying: dict[int, Record] = {}
        self.flying_bytes = self.flying_samples = 0
        self.refused: KafkaError | None = None
        self.trouble = ""
        self._number = 0
        self._acknowledged = self._too_large = 0
        settings: dict[str, Any] = {
            "bootstrap.servers": options.bootstrap,
            "client.id": "padit-adapters",
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": options.compression,
            "linger.ms": 5,
            "message.timeout.ms": 0,  # never: the disk buffer holds what waits
            "partitioner": "murmur2_random",  # the Java client's: a key gets the same partition
            "reconnect.backoff.max.ms": 2_000,
            "error_cb": self._note_error,
        }
        try:
            settings |= options.security
            if options.password_file or options.password_env:
                settings["sasl.password"] = secret(options.password_file, options.password_env)
            self._producer: Any = Producer(settings, logger=_log)
        except (AdapterError, KafkaException, ValueError, TypeError) as error:
            raise AwayError(str(error)) from error
        traces = traces_of("padit-adapters")
        self._traces = None if traces is None else RecordTraces(traces, options.topic)

    def partitions(self, topic: str) -> int:
        """Partitions of a topic, 0 if it does not exist; raises AwayError."""
        try:
            found = self._producer.list_topics(topic, timeout=_METADATA_SEC).topics[topic]
        except KafkaException as error:
            self._producer.poll(0)  # the reason, a wrong password perhaps, waits there
            raise AwayError(self.trouble or error.args[0].str()) from error
        return len(found.partitions)

    def send(self, record: Record, partition: int) -> None:
        """Hand a record over; -1 leaves the partition to the key.

        Raises:
            FullError: poll, and try again.
            TooLargeError: it never will be sent.
            AwayError: the client is unusable.
        """
        self._number = number = self._number + 1
        try:
            self._producer.produce(
                record.topic,
                record.value,
                record.key,
                partition,
                partial(self._landed, number),
                headers=self._traces.begin(number, record) if self._traces else None,
            )
        except BufferError as error:
            raise FullError from error
        except KafkaException as error:
            if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise TooLargeError from error
            raise AwayError(str(error)) from error
        self.flying[number] = record
        self.flying_bytes += len(record.value)
        self.flying_samples += record.samples

    def poll(self, seconds: float) -> tuple[int, int]:
        """Samples that were acknowledged since the last poll, and those found too large.

        Waits up to `seconds` for the first news.
        """
        self._producer.poll(seconds)
        news = self._acknowledged, self._too_large
        self._acknowledged = self._too_large = 0
        return news

    def close(self) -> tuple[list[Record], int, int]:
        """Give the producer up at once; what is still in flight, oldest first, and the last news.

        What had left for the broker and was not acknowledged may come twice.
        """
        try:
            self._producer.purge()
            self._producer.poll(0)  # what has landed by now must not be sent again
            self._producer.close()
        except Exception as error:  # a broken client must not keep its records
            _log.warning("the client cannot be closed: %s", error)
        if self._traces is not None:
            self._traces.close()
        news = self._acknowledged, self._too_large
        self._acknowledged = self._too_large = 0
        return list(self.flying.values()), *news

    def _landed(self, number: int, error: KafkaError | None, _message: object) -> None:
        if error is not None and error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
            self.refused = error  # the record stays among the flying ones and goes again
            return
        record = self.flying.pop(number)
        if self._traces is not None:
            self._traces.end(number)
        self.flying_bytes -= len(record.value)
        self.flying_samples -= record.samples
        if error is None:
            self._acknowledged += record.samples
            self.trouble = ""
        else:
            self._too_large += record.samples

    def _note_error(self, error: KafkaError) -> None:
        # "All brokers down" must not replace the cause.
        if not self.trouble or error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.trouble = error.str()
        if error.fatal():
            self.refused = error


def _probe_broker(brokers: list[str]) -> None:
    """Raise AwayError unless one of the brokers accepts a connection; librdkafka never does."""
    for position, broker in enumerate(brokers):
        host, _, port = broker.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=2.0).close()
        except (OSError, ValueError) as error:
            if position + 1 == len(brokers):
                raise AwayError(str(error)) from error
        else:
            return
