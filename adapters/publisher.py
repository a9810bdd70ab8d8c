"""Samples into Kafka, exactly once per process life, with a bounded buffer behind it.

In: batches from any thread. Out: records on the topic, through one idempotent kafka-python
producer that retries for as long as the broker is away. Order is kept: in flight, then memory,
then disk, so that no series runs backwards and nothing becomes late by waiting.

When the broker is away, what is in flight stays there, memory takes `in_flight_mb` more, the
disk `max_mb`; then the oldest goes and is counted. On a clean stop what could not be delivered
is left on disk for the next start. After a crash, what was in flight or in memory is lost and a
begun disk segment is sent again; consumers drop exact repeats. Records of a topic that does not
exist are put aside and hold up no other topic.
"""

import logging
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from adapters.backlog import Backlog
from adapters.base import Batch
from adapters.config import BufferOptions, KafkaOptions
from adapters.encode import Encoder, Record
from adapters.spool import Spool
from adapters.stats import OncePerCause, Stats

__all__ = ["Publisher", "connect"]

_log = logging.getLogger("padit.adapters.publisher")
_MOST_WAITING = 2_000_000  # samples not yet encoded, about 500 MB; more is dropped
_BUSY_FROM = 200_000  # samples not yet encoded from which on receivers are told to wait
_MOST_FLYING = 20_000  # records handed to the client, each about 1.5 KB of objects there
_MOST_PARKED = 10_000  # records of a topic that does not exist
_FOREVER_MS = 2**31 - 1


def connect(options: KafkaOptions) -> KafkaProducer:
    """An idempotent producer; raises KafkaError or OSError while no broker answers."""
    _knock(options.bootstrap.split(","))
    return KafkaProducer(
        bootstrap_servers=options.bootstrap.split(","),
        client_id="padit-adapters",
        acks="all",
        enable_idempotence=True,
        compression_type=None if options.compression == "none" else options.compression,
        linger_ms=5,
        batch_size=256 << 10,
        max_request_size=4 << 20,
        request_timeout_ms=10_000,
        delivery_timeout_ms=_FOREVER_MS,
        max_block_ms=2_000,
        bootstrap_timeout_ms=3_000,
        reconnect_backoff_max_ms=2_000,
        **options.security,
    )


def _knock(brokers: list[str]) -> None:
    """Raise OSError unless one of the brokers accepts a connection.

    A producer that finds none costs three seconds and leaves its sockets to the collector.
    """
    for position, broker in enumerate(brokers):
        host, _, port = broker.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=2.0).close()
        except (OSError, ValueError):
            if position + 1 == len(brokers):
                raise
        else:
            return


class Publisher:
    """The way into Kafka; `start` it, `put` batches, `stop` it.

    Args:
        kafka: where to.
        buffer: what is kept while it is away.
        stats: where it counts.
        make_producer: how to reach the broker.
    """

    def __init__(
        self,
        kafka: KafkaOptions,
        buffer: BufferOptions,
        stats: Stats,
        make_producer: Callable[[KafkaOptions], Any] = connect,
    ) -> None:
        self._options = kafka
        self._stats = stats
        self._make_producer = make_producer
        self._once = OncePerCause(_log)
        self._encoder = Encoder(kafka.topic, kafka.format, kafka.batch_samples, self._lost)
        self._max_disk = int(buffer.max_mb * 1e6)
        self._room = int(buffer.in_flight_mb * 1e6)
        spool = Spool(Path(buffer.directory), self._max_disk, self._lost)
        self._backlog = Backlog(spool, self._room)
        self._inbox: deque[Batch | Record] = deque()
        self._waiting = 0
        self._flying: OrderedDict[int, Record] = OrderedDict()
        self._flying_bytes = 0
        self._flying_samples = 0
        self._disk_bytes = spool.size
        self._behind = spool.samples
        self._sequence = 0
        self._partitions: dict[str, int] = {}
        self._missing: dict[str, float] = {}
        self._parked: dict[str, deque[Record]] = {}
        self._producer: Any = None
        self._retry_at = 0.0
        self._report_at = 0.0
        self._failed: KafkaError | None = None
        self._changed = threading.Condition()
        self._stop_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin to deliver; what an earlier process left on disk goes first."""
        if self._backlog:
            _log.info("%d samples of an earlier run wait on disk", self._backlog.samples)
        self._thread.start()

    def put(self, batch: Batch | Record) -> None:
        """Take samples, or one ready record; never blocks."""
        size = batch.samples if isinstance(batch, Record) else len(batch)
        with self._changed:
            if self._waiting + size > _MOST_WAITING:
                full = True
            else:
                full = False
                self._inbox.append(batch)
                self._waiting += size
                self._changed.notify_all()
        if full:
            self._lost("overload", size)

    def ready(self) -> bool:
        """False while more input would mean more loss."""
        return self._waiting < _BUSY_FROM and self._disk_bytes < 0.9 * self._max_disk

    @property
    def buffered(self) -> int:
        """Samples that the broker has not acknowledged yet, as of 0.7 s ago at most."""
        return self._waiting + self._flying_samples + self._behind

    def stop(self, timeout_sec: float) -> int:
        """Deliver what is left, at most for `timeout_sec`; returns samples left on disk."""
        with self._changed:
            self._stop_at = time.monotonic() + timeout_sec
            self._changed.notify_all()
        self._thread.join(timeout_sec + 15)
        for parked in self._parked.values():
            self._backlog.give_back(parked)
        self._backlog.give_back(self._flying.values())
        self._flying.clear()
        samples = self._backlog.close()
        if samples:
            _log.warning("%d samples could not be delivered and wait on disk", samples)
        return samples

    def _lost(self, reason: str, samples: int) -> None:
        self._stats.add("padit_publisher_dropped_total", samples, reason=reason)
        self._once.warn("publisher", reason, f"{samples} samples were dropped: {reason}")

    def _run(self) -> None:
        while True:
            self._wait()
            self._store(self._drain())
            self._pump()
            self._report()
            if self._stop_at is not None and (
                not self._unsent() or time.monotonic() > self._stop_at
            ):
                break
        self._store(self._drain())
        self._drop_producer()

    def _wait(self) -> None:
        """Until there is something to do: input, acknowledgements, an end, or 0.5 s."""
        with self._changed:
            if not self._inbox and not (self._has_room() and self._backlog):
                self._changed.wait(0.02 if self._stop_at is not None else 0.5)
            gather = self._inbox and self._stop_at is None and self._waiting < 20_000
        if gather:
            time.sleep(self._options.linger_ms / 1000)

    def _drain(self) -> list[Batch | Record]:
        with self._changed:
            taken = list(self._inbox)
            self._inbox.clear()
            self._waiting = 0
        return taken

    def _store(self, taken: list[Batch | Record]) -> None:
        if not taken:
            return
        batches = [batch for batch in taken if not isinstance(batch, Record)]
        records = [record for record in taken if isinstance(record, Record)]
        partitions = self._known_partitions() if batches else 1
        for position, record in enumerate([*self._encoder.encode(batches, partitions), *records]):
            self._backlog.add(record)
            if position % 1000 == 999:
                self._pump()

    def _known_partitions(self) -> int:
        """Partitions of the samples' topic; 1 as long as no broker has told."""
        topic = self._options.topic
        if topic not in self._partitions and time.monotonic() >= self._retry_at:
            producer = self._connected()
            try:
                if producer is not None:
                    self._exists(producer, topic)
            except (KafkaError, OSError) as error:
                self._away(error)
        return self._partitions.get(topic, 1)

    def _has_room(self) -> bool:
        return (
            self._flying_bytes < self._room
            and len(self._flying) < _MOST_FLYING
            and time.monotonic() >= self._retry_at
        )

    def _unsent(self) -> bool:
        return bool(self._flying or self._backlog or self._inbox)

    def _pump(self) -> None:
        if self._failed is not None:
            self._start_over(self._failed)
        if self._parked and self._producer is not None:
            try:
                self._unpark(self._producer)
            except (KafkaError, OSError) as error:
                self._away(error)
        while self._has_room() and self._backlog:
            producer = self._connected()
            record = self._backlog.take() if producer is not None else None
            if record is None or not self._send(producer, record):
                return
        if not self._flying:
            self._backlog.settle()

    def _connected(self) -> Any:
        if self._producer is None:
            try:
                self._producer = self._make_producer(self._options)
            except (KafkaError, OSError, ValueError) as error:
                self._away(error)
        return self._producer

    def _away(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + 1.0
        self._stats.set("padit_publisher_connected", 0)
        self._once.warn(
            "broker",
            "away",
            f"{self._options.bootstrap} cannot be reached ({error}); buffering on disk",
        )

    def _send(self, producer: Any, record: Record) -> bool:
        """Hand a record to the client; False if it has to wait."""
        self._sequence += 1
        number = self._sequence
        try:
            if not self._exists(producer, record.topic):
                self._park(record)
                return True
            partition = None
            if record.partition >= 0:
                partition = record.partition % self._partitions[record.topic]
            self._took_off(number, record)
            sent = producer.send(
                record.topic, value=record.value, key=record.key, partition=partition
            )
        except MessageSizeTooLargeError:
            self._landed(number)
            self._lost("too_large", record.samples)
            return True
        except (KafkaError, OSError) as error:
            self._landed(number)
            self._backlog.give_back([record])
            self._away(error)
            return False
        sent.add_callback(self._acknowledged, number, record.samples)
        sent.add_errback(self._refused, number)
        return True

    def _exists(self, producer: Any, topic: str) -> bool:
        """Whether the topic is there; False is remembered for 10 s, a look takes 2 s."""
        if self._missing.get(topic, 0.0) > time.monotonic():
            return False
        try:
            known = producer.partitions_for(topic)
        except KafkaTimeoutError:
            _knock(self._options.bootstrap.split(","))  # OSError: it is the broker that is away
            known = None
        if known:
            self._partitions[topic] = len(known)
            self._missing.pop(topic, None)
            return True
        self._missing[topic] = time.monotonic() + 10.0
        self._once.warn("topic", topic, f"the topic {topic} does not exist: create it")
        return False

    def _park(self, record: Record) -> None:
        """Put a record of a missing topic aside, so that it holds up no other topic."""
        parked = self._parked.setdefault(record.topic, deque())
        parked.append(record)
        if len(parked) > _MOST_PARKED:
            self._lost("unknown_topic", parked.popleft().samples)

    def _unpark(self, producer: Any) -> None:
        for topic in list(self._parked):
            if self._exists(producer, topic):
                self._backlog.give_back(self._parked.pop(topic))

    def _took_off(self, number: int, record: Record) -> None:
        with self._changed:
            self._flying[number] = record
            self._flying_bytes += len(record.value)
            self._flying_samples += record.samples

    def _landed(self, number: int) -> Record | None:
        with self._changed:
            record = self._flying.pop(number, None)
            if record is not None:
                self._flying_bytes -= len(record.value)
                self._flying_samples -= record.samples
            if not self._flying or self._stop_at is not None:
                self._changed.notify_all()
        return record

    def _acknowledged(self, number: int, samples: int, _metadata: object) -> None:
        if self._landed(number) is None:
            return
        self._stats.add("padit_publisher_sent_total", samples)
        self._stats.set("padit_publisher_connected", 1)
        if self._once.clear("broker"):
            _log.warning("the broker acknowledges again")

    def _refused(self, number: int, error: KafkaError) -> None:
        """The client gave a record up, which it does only for errors it cannot retry."""
        if isinstance(error, MessageSizeTooLargeError):
            record = self._landed(number)
            self._lost("too_large", record.samples if record else 0)
            return
        with self._changed:
            self._failed = error
            self._changed.notify_all()

    def _start_over(self, error: KafkaError) -> None:
        """A new producer; what was in flight goes again, in order."""
        self._failed = None
        self._drop_producer()
        with self._changed:
            again = list(self._flying.values())
            self._flying.clear()
            self._flying_bytes = self._flying_samples = 0
        self._backlog.give_back(again)
        self._away(error)

    def _drop_producer(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            try:
                producer.close(timeout=1)
            except (KafkaError, OSError) as error:
                _log.info("closing the producer: %s", error)

    def _report(self) -> None:
        moment = time.monotonic()
        if moment < self._report_at and self._stop_at is None:
            return
        self._report_at = moment + 0.2
        self._disk_bytes = self._backlog.disk_bytes
        self._behind = self._backlog.samples
        self._stats.set("padit_publisher_buffered", self.buffered)
        self._stats.set("padit_publisher_disk_bytes", self._disk_bytes)
