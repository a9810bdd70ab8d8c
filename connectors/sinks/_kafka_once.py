"""Exactly-once delivery to a Kafka topic: a transaction per flush, and the latest ids read back.

Two things together do it. Transactions use one fixed id: opening the sink ends the transaction that
the previous producer left open (a commit in progress is completed, anything else is aborted) and
fences that producer for good, so a zombie cannot add anything later. After that the ids of the
latest messages are read back, and messages that come again, because a bundle is repeated or a
checkpoint restored, are dropped. A time-out with an unknown outcome is the same case: the writer is
given up, and the next one reads back whether its messages are there.

One id can have one producer, while runners make several instances of a function in a process
and use them in turn; so the instances of a process share one.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as Record

from padit.connectors.kafka_errors import QUIET, ClientErrors
from padit.connectors.kafka_prompt import PROMPT
from padit.connectors.sinks._away import PATIENCE, reach_of
from padit.domain.errors import SinkError
from padit.domain.message import Message

__all__ = ["Headers", "Line", "OnceWriter", "headers_of"]

_LOG = logging.getLogger(__name__)
_LONGEST_TRANSACTION = 900.0  # seconds; what brokers allow by default
_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)


Headers = list[tuple[str, bytes]]


def headers_of(message: Message) -> Headers:
    """The id and, for a dead letter, its other fields."""
    headers: Headers = [("id", message.id.encode())]
    for name, value in message.headers:
        if value == ():  # the elements of a record that holds one sample
            continue
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        headers.append((name, text.encode(errors="replace")))
    return headers


@dataclass(frozen=True, slots=True)
class Line:
    """Where and how to write.

    Attributes:
        name: for people.
        topic: name of the topic.
        writer: the transactional id.
        remember: how many of the latest offsets of each partition are looked at.
        timeout_sec: patience with the broker.
    """

    name: str
    topic: str
    writer: str
    remember: int
    timeout_sec: float


class OnceWriter:
    """A `Writer` over what the writers of this process share.

    Args:
        line: where and how to write.
        producer: settings of the producer, connection included.
        connection: settings of a client.
    """

    def __init__(
        self, line: Line, producer: Mapping[str, Any], connection: Mapping[str, Any]
    ) -> None:
        self._pending: list[Message] = []
        self._key = (line, tuple(sorted((k, str(v)) for k, v in connection.items())))
        with _lock:
            shared = _open.get(self._key)
            self._shared = shared or _Shared(line, producer, connection)
            self._shared.users += 1
            _open[self._key] = self._shared

    def write(self, messages: Sequence[Message]) -> None:
        """Keep them for `flush`."""
        self._pending += messages

    def flush(self) -> None:
        """Write, in one transaction, those that are not there yet; with none, only connect."""
        messages, self._pending = self._pending, []
        self._shared.deliver(messages)

    def close(self) -> None:
        """Forget what was not flushed; the last one of the process disconnects."""
        self._pending = []
        with _lock:
            self._shared.users -= 1
            if not self._shared.users:
                _open.pop(self._key, None)
                self._shared.disconnect()


class _Shared:
    """The producer of a process, and the ids in the topic. Used under its lock."""

    def __init__(
        self, line: Line, producer: Mapping[str, Any], connection: Mapping[str, Any]
    ) -> None:
        self.users = 0
        self._line = line
        self._settings = producer
        self._connection = connection
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._seen: dict[bytes, None] = {}
        self._room = line.remember
        self._trouble = ClientErrors()
        self._reach = reach_of(line.name)

    def deliver(self, messages: Sequence[Message]) -> None:
        with self._lock:
            try:
                self._deliver(self._connected(), messages)
                self._trouble.answered()
                self._reach.back()
            except KafkaException as error:
                self._fail(error.args[0])

    def disconnect(self) -> None:
        if self._producer is not None:
            self._producer.purge()
        self._producer = None
        self._seen = {}

    def _deliver(self, producer: Producer, messages: Sequence[Message]) -> None:
        fresh: dict[bytes, Message] = {}
        for one in messages:
            key = _digest(one.id)
            if key not in self._seen:
                fresh.setdefault(key, one)
        if not fresh:
            return
        deadline = time.monotonic() + self._line.timeout_sec
        producer.begin_transaction()
        for one in fresh.values():
            while not self._produce(producer, one):
                if time.monotonic() > deadline:
                    self._fail(None, "the send queue stays full")
                producer.poll(0.1)
        self._until(producer, producer.commit_transaction, deadline)
        self._seen.update(dict.fromkeys(fresh))
        while len(self._seen) > self._room:
            del self._seen[next(iter(self._seen))]

    def _produce(self, producer: Producer, message: Message) -> bool:
        """False: the queue is full, try again."""
        headers, key = headers_of(message), message.key.encode()
        try:
            producer.produce(self._line.topic, message.value, key, headers=headers)
        except BufferError:
            return False
        return True

    def _until(self, producer: Producer, step: Callable[[float], None], deadline: float) -> None:
        """Do a step of a transaction; one that ran out of time goes on where it was."""
        while True:
            try:
                step(min(PATIENCE, max(1.0, deadline - time.monotonic())))
                return
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise
                producer.poll(0)  # callbacks are served by polls only
                self._reach.away(self._trouble.text or error.args[0].str())

    def _connected(self) -> Producer:
        if self._producer is None:
            self._trouble = ClientErrors()
            seconds = min(self._line.timeout_sec, _LONGEST_TRANSACTION)
            producer = Producer(
                {
                    **self._settings,
                    "message.timeout.ms": round(seconds * 1000),
                    "transaction.timeout.ms": round(max(seconds, 1.0) * 1000),
                    "transactional.id": self._line.writer,
                    "error_cb": self._trouble.note,
                },
                logger=_LOG,
            )
            self._until(producer, producer.init_transactions, time.monotonic() + seconds)
            # Only now: until here a transaction of the previous producer may have been committed.
            self._seen = dict.fromkeys(self._there())
            self._producer = producer
        return self._producer

    def _there(self) -> Iterator[bytes]:
        """Ids of the latest messages of the topic."""
        consumer = Consumer(
            {
                **QUIET,
                **PROMPT,
                **self._connection,
                "group.id": "padit",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "isolation.level": "read_committed",
            },
            logger=_LOG,
        )
        try:
            yield from self._tail(consumer)
        finally:
            consumer.close()

    def _tail(self, consumer: Consumer) -> Iterator[bytes]:
        topic, seconds = self._line.topic, self._line.timeout_sec
        left: set[int] = set()
        starts = []
        for number in self._partitions(consumer):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), seconds)
            if low < high:
                left.add(number)
                starts.append(TopicPartition(topic, number, max(low, high - self._line.remember)))
        self._room = self._line.remember * max(1, len(left))
        consumer.assign(starts)
        deadline = time.monotonic() + seconds
        while left:
            for record in consumer.consume(10_000, 1.0):
                deadline = time.monotonic() + seconds
                if record.error() is None:
                    yield from map(_digest, _ids(record))
                elif _ended(record):
                    left.discard(record.partition())
            if time.monotonic() > deadline:
                self._fail(None, f"what {topic} holds cannot be read back")

    def _partitions(self, consumer: Consumer) -> list[int]:
        topic = self._line.topic
        found = consumer.list_topics(topic, timeout=self._line.timeout_sec).topics[topic]
        if found.error is not None:  # it has no partitions then, as if nothing had been written
            self._fail(found.error)
        return list(found.partitions)

    def _fail(self, error: KafkaError | None, what: str = "") -> NoReturn:
        """Give up this producer: its transaction ends when the next one opens."""
        if error is not None and error.code() in _FENCED:
            what = (
                f"another writer took over as {self._line.writer!r}; of two jobs with one topic "
                "each needs a name of its own: ?writer=NAME"
            )
        elif error is not None:
            what = error.str()
        reasons = [what, self._trouble.text]
        self.disconnect()
        message = f"{self._line.name}: " + "; ".join(one for one in reasons if one)
        raise SinkError(message)


_lock = threading.Lock()
_open: dict[Any, _Shared] = {}


def _digest(identity: str | bytes) -> bytes:
    data = identity.encode() if isinstance(identity, str) else identity
    return hashlib.blake2b(data, digest_size=16).digest()


def _ids(record: Record) -> list[bytes]:
    return [value for name, value in record.headers() or [] if name == "id"]


def _ended(event: Record) -> bool:
    """True for end-of-partition events, False for retriable errors."""
    error = event.error()
    if error.code() == KafkaError._PARTITION_EOF:
        return True
    if error.fatal() or not error.retriable():
        raise KafkaException(error)
    return False
