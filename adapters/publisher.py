"""Samples into Kafka, exactly once per process life, with a bounded buffer behind it.

In: batches from any thread. Out: records on the topic, through one idempotent producer
(`adapters.kafka_client`) that retries for as long as the broker is away. Order is kept: in
flight, then memory, then disk, so that no series runs backwards and nothing becomes late by
waiting.

When the broker is away, what is in flight stays there, memory takes `in_flight_mb` more, the
disk `max_mb`; then the oldest goes and is counted. On a clean stop what could not be delivered
is left on disk for the next start. After a crash, what was in flight or in memory is lost and a
begun disk segment is sent again; consumers drop exact repeats. Records of a topic that does not
exist are put aside, `in_flight_mb` of them at most, and hold up no other topic.

Whatever fails in the publisher's thread is counted and logged, the client is given up, and the
thread goes on after a wait; meanwhile `ready` is False. See `adapters.loops` for the end of it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from padit.adapters.backlog import Backlog
from padit.adapters.base import Batch
from padit.adapters.config import BufferOptions, KafkaOptions
from padit.adapters.encode import Encoder, Record
from padit.adapters.kafka_client import AwayError, FullError, KafkaClient, TooLargeError
from padit.adapters.loops import LoopState
from padit.adapters.parked import Parked
from padit.adapters.spool import Spool
from padit.ops import metric_names
from padit.ops.stats import OncePerCause, Stats

__all__ = ["Publisher"]

_log = logging.getLogger("padit.adapters.publisher")
_MOST_WAITING = 2_000_000  # samples not yet encoded, about 500 MB; more is dropped
_BUSY_FROM = 200_000  # samples not yet encoded from which on receivers refuse writes
_SAMPLE_BYTES = 256  # that a sample may take on disk, as long as it is not encoded
_MOST_FLYING = 50_000  # records handed to the client; it holds 100,000
_LOOK_AGAIN_SEC = 300.0  # a topic may have got more partitions


class Publisher:
    """The way into Kafka; `start` it, `put` batches, `stop` it.

    Args:
        kafka: where to.
        buffer: what is kept while it is away.
        stats: where it counts.
    """

    def __init__(self, kafka: KafkaOptions, buffer: BufferOptions, stats: Stats) -> None:
        self._options = kafka
        self._stats = stats
        self._once = OncePerCause(_log)
        self.state = LoopState("publisher", stats, self._once)
        self._encoder = Encoder(kafka.topic, kafka.format, kafka.batch_samples, self._unfit)
        self._max_disk = int(buffer.max_mb * 1e6)
        self._room = int(buffer.in_flight_mb * 1e6)
        spool = Spool(Path(buffer.directory), self._max_disk, self._lost, self._disk_trouble)
        self._backlog = Backlog(spool, self._room)
        self._inbox: deque[Batch | Record] = deque()
        self._waiting = 0
        self._taken: list[Batch | Record] = []
        self._encoding: Iterator[Record] | None = None
        self._unencoded = 0
        self._flying = 0
        self._disk_bytes = spool.size
        self._behind = spool.samples
        self._partitions: dict[str, int] = {}
        self._look_again: dict[str, float] = {}
        self._parked = Parked(self._room)
        self._client: KafkaClient | None = None
        self._retry_at = 0.0
        self._report_at = 0.0
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
        """False while more input would mean more loss, or the thread fails or has ended."""
        # A thread that waits for the broker takes nothing from the inbox, and all of it needs room.
        unwritten = self._waiting + self._unencoded
        return (
            self.alive
            and not self.state.failures
            and self._waiting < _BUSY_FROM
            and self._disk_bytes + unwritten * _SAMPLE_BYTES < 0.9 * self._max_disk
        )

    @property
    def alive(self) -> bool:
        """Whether the thread runs and has not given up."""
        return self._thread.is_alive() and not self.state.ended

    @property
    def buffered(self) -> int:
        """Samples that the broker has not acknowledged yet, as of 0.7 s ago at most."""
        return self._waiting + self._unencoded + self._flying + self._behind + self._parked.samples

    def stop(self, timeout_sec: float) -> int:
        """Deliver what is left, at most for `timeout_sec`; returns samples left on disk."""
        with self._changed:
            self._stop_at = time.monotonic() + timeout_sec
            self._changed.notify_all()
        self._thread.join(timeout_sec + 15)
        if self._thread.is_alive():
            _log.error("the publisher did not stop; %d samples are lost with it", self.buffered)
            return 0
        self._keep_rest()
        samples = self._backlog.close()
        if samples:
            _log.warning("%d samples could not be delivered and wait on disk", samples)
        return samples

    def _lost(self, reason: str, samples: int) -> None:
        self._stats.add(metric_names.PUBLISHER_DROPPED, samples, reason=reason)
        self._once.warn("publisher", reason, f"{samples} samples were dropped: {reason}")

    def _unfit(self, reason: str, samples: int) -> None:
        """The encoder leaves samples out."""
        self._unencoded -= samples
        self._lost(reason, samples)

    def _disk_trouble(self, message: str) -> None:
        self._stats.add(metric_names.PUBLISHER_DISK_ERRORS)
        self._once.warn("publisher", "disk_error", message)

    def _run(self) -> None:
        try:
            while not self._finished() and not self.state.ended:
                try:
                    self._turn()
                except Exception as error:
                    self._recover(error)
                else:
                    self.state.worked()
        finally:  # also after what is no Exception, such as SystemExit
            self.state.ended = self.state.ended or self._stop_at is None

    def _turn(self) -> None:
        self._wait()
        self._store()
        self._pump()
        self._report()

    def _finished(self) -> bool:
        if self._stop_at is None:
            return False
        return not self._unsent() or time.monotonic() > self._stop_at

    def _recover(self, error: Exception) -> None:
        """Give the client up, so that the next turn begins with what is known."""
        _log.debug("the publisher failed", exc_info=True)
        pause = self.state.failed(error)
        try:
            self._give_up_client()
        except Exception as again:  # the next turn will find out
            _log.debug("the client cannot be given up", exc_info=again)
        self._report_at = 0.0
        self._report()
        with self._changed:
            if self._stop_at is None:
                self._changed.wait(pause)

    def _keep_rest(self) -> None:
        """Everything that was not delivered into the backlog; the thread has ended."""
        try:
            self._store(pump=False)  # what was begun
            self._store(pump=False)  # what was put since
        except Exception as error:
            _log.error("what was not encoded yet cannot be kept: %r", error)
            self._lost("unencodable", self._unencoded + self._waiting)
        self._give_up_client()
        self._backlog.give_back(self._parked.take_all())

    def _wait(self) -> None:
        """Until there is something to do: input, acknowledgements, an end, or 0.5 s."""
        if self._backlog and self._client is not None and not self._has_room():
            self._take_news(0.05)
        with self._changed:
            if not self._inbox and not (self._backlog and self._has_room()):
                busy = self._stop_at is not None or self._flies()
                self._changed.wait(0.02 if busy else 0.5)
            gather = self._inbox and self._stop_at is None and self._waiting < 20_000
        if gather:
            time.sleep(self._options.linger_ms / 1000)

    def _drain(self) -> list[Batch | Record]:
        with self._changed:
            taken = list(self._inbox)
            self._inbox.clear()
            self._unencoded += self._waiting
            self._waiting = 0
        return taken

    def _store(self, *, pump: bool = True) -> None:
        """Encode what was put; goes on where a failure of the client interrupted it."""
        if self._encoding is None:
            self._taken = self._taken or self._drain()
            batches = [batch for batch in self._taken if not isinstance(batch, Record)]
            records = [record for record in self._taken if isinstance(record, Record)]
            partitions = self._known_partitions() if batches else 1
            self._encoding, self._taken = self._encoded(batches, records, partitions), []
        for position, record in enumerate(self._encoding):
            try:
                self._backlog.add(record)
            except Exception:
                self._encoding = chain((record,), self._encoding)
                raise
            self._unencoded -= record.samples
            if position % 50 == 49:
                self._disk_bytes = self._backlog.disk_bytes
            if pump and position % 1000 == 999:
                self._pump()
        self._encoding = None

    def _encoded(
        self, batches: list[Batch], records: list[Record], partitions: int
    ) -> Iterator[Record]:
        """All records; those after an error of the encoder are lost."""
        yield from records
        try:
            yield from self._encoder.encode(batches, partitions)
        except Exception as error:
            _log.debug("samples cannot be encoded", exc_info=True)
            self._once.warn("publisher", "encode", f"samples cannot be encoded: {error!r}")
            self._unfit("unencodable", self._unencoded)

    def _known_partitions(self) -> int:
        """Partitions of the samples' topic; 1 until a broker has answered."""
        topic = self._options.topic
        if topic not in self._partitions and time.monotonic() >= self._retry_at:
            try:
                self._exists(self._connected(), topic)
            except AwayError as error:
                self._away(str(error))
        return self._partitions.get(topic, 1)

    def _flies(self) -> bool:
        return self._client is not None and bool(self._client.flying)

    def _has_room(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        client = self._client
        return client is None or (
            client.flying_bytes < self._room and len(client.flying) < _MOST_FLYING
        )

    def _unsent(self) -> bool:
        return bool(self._flies() or self._backlog or self._inbox or self._unencoded)

    def _pump(self) -> None:
        """Take acknowledgements, then send what there is room for."""
        self._take_news(0)
        try:
            self._unpark()
            while self._backlog and self._has_room():
                client = self._connected()
                record = self._backlog.take()
                if record is None:
                    break
                self._send(client, record)
        except FullError:
            self._take_news(0.01)
        except AwayError as error:
            self._away(str(error))
        if not self._flies():
            self._backlog.settle()

    def _take_news(self, seconds: float) -> None:
        """Acknowledgements, refusals and trouble, waiting at most `seconds` for the first."""
        client = self._client
        if client is None:
            return
        sent, too_large = client.poll(seconds)
        if sent:
            self._stats.add(metric_names.PUBLISHER_SENT, sent)
            self._stats.set(metric_names.PUBLISHER_CONNECTED, 1)
            if self._once.clear("broker"):
                _log.warning("the broker acknowledges again")
        if too_large:
            self._lost("too_large", too_large)
        if client.refused is not None:  # a new producer; what was in flight goes again, in order
            self._give_up_client()
            self._look_again.clear()
            self._away(client.refused.str())
        elif client.trouble:
            self._warn_away(client.trouble)

    def _connected(self) -> KafkaClient:
        """The client, made if there is none; raises AwayError."""
        if self._client is None:
            self._client = KafkaClient(self._options)
        return self._client

    def _away(self, reason: str) -> None:
        self._retry_at = time.monotonic() + 1.0
        self._warn_away(reason)

    def _warn_away(self, reason: str) -> None:
        self._stats.set(metric_names.PUBLISHER_CONNECTED, 0)
        self._once.warn(
            "broker",
            "away",
            f"{self._options.bootstrap} cannot be reached ({reason}); buffering on disk",
        )

    def _send(self, client: KafkaClient, record: Record) -> None:
        """Hand a record to the client, or put it back and raise."""
        try:
            if not self._exists(client, record.topic):
                self._park(record)
                return
            partition = record.partition
            if partition >= 0:
                partition %= self._partitions[record.topic]
            client.send(record, partition)
        except TooLargeError:
            self._lost("too_large", record.samples)
        except Exception:
            self._backlog.give_back([record])
            raise

    def _exists(self, client: KafkaClient, topic: str) -> bool:
        """Whether the topic is there; that it is missing is remembered for 10 s."""
        moment = time.monotonic()
        if self._look_again.get(topic, 0.0) > moment:
            return topic in self._partitions
        known = client.partitions(topic)
        if known:
            self._partitions[topic] = known
            self._look_again[topic] = moment + _LOOK_AGAIN_SEC
            return True
        self._partitions.pop(topic, None)
        self._look_again[topic] = moment + 10.0
        self._once.warn("topic", topic, f"the topic {topic} does not exist: create it")
        return False

    def _park(self, record: Record) -> None:
        """Put a record of a missing topic aside, so that it holds up no other topic."""
        dropped = self._parked.add(record)
        if dropped:
            self._lost("unknown_topic", dropped)

    def _unpark(self) -> None:
        if self._parked and time.monotonic() >= self._retry_at:
            client = self._connected()
            for topic in self._parked.topics():
                if self._exists(client, topic):
                    self._backlog.give_back(self._parked.take(topic))

    def _give_up_client(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            left, sent, too_large = client.close()
            self._backlog.give_back(left)
            self._stats.add(metric_names.PUBLISHER_SENT, sent)
            if too_large:
                self._lost("too_large", too_large)

    def _report(self) -> None:
        moment = time.monotonic()
        if moment < self._report_at and self._stop_at is None:
            return
        self._report_at = moment + 0.2
        self._disk_bytes = self._backlog.disk_bytes
        self._behind = self._backlog.samples
        self._flying = self._client.flying_samples if self._client is not None else 0
        self._stats.set(metric_names.PUBLISHER_BUFFERED, self.buffered)
        self._stats.set(metric_names.PUBLISHER_DISK_BYTES, self._disk_bytes)
