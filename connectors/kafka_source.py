"""Kafka as a source, natively, with confluent-kafka (librdkafka).

What an item must look like: a record in one of the formats of `domain.wire`; its key is not
read. Unit of parallelism: the partition, dealt to shards. In a crash: nothing is committed to
the broker; positions live in the job's own checkpoint, so no record is lost or read twice
into the state, and retention is the only thing that can take a record away (then reading stops
with an error that says which offsets are gone).
"""

import itertools
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.aside import AsideReader
from connectors.reader import Decoder, PartitionRange, Read, Reader
from connectors.uris import Address, Bounds, read_client_config, source_for
from domain.config import explain
from domain.deadletter import DeadLetter
from domain.errors import ConfigurationError, SourceError
from domain.rows import Rows

__all__ = ["KafkaSource"]

_LOG = logging.getLogger(__name__)
_MESSAGES_AT_ONCE = 10_000  # what `domain.wire` decodes best at a time
_METADATA_SECONDS = 10.0
_END_SECONDS = 1.0
_ASIDE_FROM = 300_000  # records; below, starting a process costs more than it brings
_NO_TIME = 2**53  # milliseconds: no event lies ahead of it
_FATAL = (
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
)
_TUNED = {
    "fetch.message.max.bytes": 2 << 20,  # small enough that partitions stay in step
    "fetch.max.bytes": 64 << 20,
    "queued.min.messages": 500_000,
    "queued.max.messages.kbytes": 128 << 10,
    "fetch.wait.max.ms": 50,
    "fetch.error.backoff.ms": 100,
    "reconnect.backoff.max.ms": 2000,
    "enable.partition.eof": True,
    "enable.auto.commit": False,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "check.crcs": False,
}


@dataclass(frozen=True)
class KafkaSource:
    """A topic.

    Attributes:
        bootstrap: brokers, "host:port[,host:port]".
        topic: name of the topic.
        live: whether to go on for ever; otherwise up to where the topic ends at the start.
        start: first offset in every partition, "earliest" or "latest".
        stop: offset after the last one in every partition, or None.
        start_time: read from the first record of this time on, microseconds; goes before
            `start`.
        stop_time: read up to the first record of this time, microseconds.
        client_config: file of further librdkafka settings (TLS, SASL); read where it is used,
            so that no secret stands in the graph.
        patience: seconds to wait for a broker that does not answer at the start.
        look_every: seconds between two looks for partitions that were added; live only. What a
            new partition got before it was found is late where it is older than the marks, so
            this should be less than the allowed out-of-orderness.
    """

    bootstrap: str
    topic: str
    live: bool
    start: int | str = "earliest"
    stop: int | None = None
    start_time: int | None = None
    stop_time: int | None = None
    client_config: str | None = None
    patience: float = 60.0
    look_every: float = 5.0

    @property
    def name(self) -> str:
        """The topic."""
        return self.topic

    def ranges(self) -> list[PartitionRange]:
        """Offsets of every partition, resolved now.

        Raises:
            SourceError: no broker answers, or the topic does not exist.
        """
        consumer = self.consumer()
        try:
            return [self._range(consumer, number) for number in self._partitions(consumer)]
        except KafkaException as error:
            message = f"offsets of {self.topic} at {self.bootstrap}: {error.args[0].str()}"
            raise SourceError(message) from error
        finally:
            consumer.close()

    def open(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        """Connect and position at the start of each range; a long read runs aside."""
        rows = sum(one.stop - one.start for one in ranges if one.stop is not None)
        if rows >= _ASIDE_FROM and all(one.stop is not None for one in ranges):
            return AsideReader(self.open_here, ranges, decode)
        return self.open_here(ranges, decode)

    def open_here(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        """Connect in this process."""
        return _KafkaReader(self, ranges, decode)

    def consumer(self) -> Consumer:
        """Connect without reading anything yet."""
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "padit",
                **_TUNED,
                **read_client_config(self.client_config),
            },
            logger=_LOG,
        )

    def _partitions(self, consumer: Consumer) -> list[int]:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                found = consumer.list_topics(self.topic, timeout=_METADATA_SECONDS)
                break
            except KafkaException as error:
                if time.monotonic() >= deadline:
                    message = (
                        f"no broker answers at {self.bootstrap} within {self.patience:g} s "
                        f"({error.args[0].str()}); is it up? `padit up` starts one here"
                    )
                    raise SourceError(message) from error
                _LOG.warning("waiting for a broker at %s", self.bootstrap)
        topic = found.topics[self.topic]
        if topic.error is not None or not topic.partitions:
            message = (
                f"topic {self.topic} does not exist at {self.bootstrap}; "
                f"create it, or name another: kafka://{self.bootstrap}/TOPIC"
            )
            raise SourceError(message)
        return sorted(topic.partitions)

    def _range(self, consumer: Consumer, number: int) -> PartitionRange:
        partition = TopicPartition(self.topic, number)
        low, high = consumer.get_watermark_offsets(partition, timeout=_METADATA_SECONDS)
        start = self._first(consumer, number, low, high)
        if self.live:
            return PartitionRange(number, start, None)
        stop = high if self.stop is None else min(self.stop, high)
        if self.stop_time is not None:
            stop = min(stop, _offset_at(consumer, self.topic, number, self.stop_time, high))
        return PartitionRange(number, min(start, stop), stop)

    def _first(self, consumer: Consumer, number: int, low: int, high: int) -> int:
        if self.start_time is not None:
            return _offset_at(consumer, self.topic, number, self.start_time, high)
        if self.start == "earliest":
            return low
        if self.start == "latest":
            return high
        start = int(self.start)
        if start < low:
            message = (
                f"partition {number} of {self.topic} begins at offset {low}: offsets {start} to "
                f"{low - 1} are gone (retention); use --start_offset=earliest to go on without"
            )
            raise SourceError(message)
        return min(start, high)


def _offset_at(consumer: Consumer, topic: str, number: int, time_us: int, high: int) -> int:
    """First offset whose record is of this time or later; the end if there is none."""
    wanted = TopicPartition(topic, number, time_us // 1000)
    (found,) = consumer.offsets_for_times([wanted], timeout=_METADATA_SECONDS)
    return high if found.offset in (OFFSET_END, -1) else int(found.offset)


class _KafkaReader:
    """One consumer over some partitions of a topic."""

    def __init__(
        self, source: KafkaSource, ranges: Sequence[PartitionRange], decode: Decoder
    ) -> None:
        self._source = source
        self._decode = decode
        self._stop = {one.partition: one.stop for one in ranges}
        self._following = {one.partition: one.start for one in ranges}
        self._nothing = [
            one.partition for one in ranges if one.stop is not None and one.start >= one.stop
        ]
        self._paused: frozenset[int] = frozenset()
        self._delivered: set[int] = set()
        self._end_reached: dict[int, int] = {}
        self._looked = time.monotonic()
        self._consumer = source.consumer()
        self._reading = {one.partition for one in ranges if one.partition not in self._nothing}
        self._consumer.assign(
            [
                TopicPartition(source.topic, one.partition, one.start)
                for one in ranges
                if one.partition in self._reading
            ]
        )

    def read(self, seconds: float) -> list[Read]:
        """Wait at most so long for records; see `Reader`."""
        reads = [
            Read(number, self._following[number], Rows.empty(), ended=True)
            for number in self._nothing
        ]
        self._nothing = []
        if not self._reading:
            return reads
        messages = self._consumer.consume(_MESSAGES_AT_ONCE, seconds)
        times = _record_times(messages)
        ends: list[tuple[int, int]] = []
        if len(times) and int(times.min()) < 0:  # an event, or a record without a timestamp
            messages, ends = self._take_events(messages)
            self._end_reached.update(ends)
            times = _record_times(messages)
            times[times < 0] = _NO_TIME
        number = np.array([message.partition() for message in messages], np.int64)
        bounds = (np.flatnonzero(number[1:] != number[:-1]) + 1).tolist()
        for first, last in itertools.pairwise([0, *bounds, len(number)]):
            if first < last:
                reads += self._run(int(number[first]), messages[first:last], times[first:last])
        # An end may come together with the last records before it.
        return reads + self._ended(ends)

    def _run(self, number: int, messages: list[Message], times: NDArray[np.int64]) -> list[Read]:
        """Turn consecutive records of one partition into rows."""
        if number not in self._reading:
            return []
        stop = self._stop[number]
        following = messages[-1].offset() + 1
        ended = stop is not None and following >= stop
        if stop is not None and following > stop:
            messages = [message for message in messages if message.offset() < stop]
            times = times[: len(messages)]
            following = stop
        values = [message.value() for message in messages]
        decoded = self._decode(values, times * 1000)
        dead = [
            DeadLetter.of(
                values[reject.record],
                reject.reason,
                self._source.topic,
                number,
                messages[reject.record].offset(),
            )
            for reject in decoded.rejects
        ]
        self._following[number] = following
        self._delivered.add(number)
        if ended:
            self._forget(number)
        return [Read(number, following, decoded.rows, dead, ended)]

    def _take_events(self, messages: list[Message]) -> tuple[list[Message], list[tuple[int, int]]]:
        """Records alone; and (partition, offset) where a partition's log ends."""
        records = []
        ends = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ends.append((message.partition(), message.offset()))
            elif error.code() in _FATAL or error.fatal():
                raise SourceError(self._explain(error, message.partition()))
            else:
                _LOG.warning("%s: %s", self._source.topic, error.str())
        return records, ends

    def _ended(self, ends: list[tuple[int, int]]) -> list[Read]:
        """Partitions whose last records before `stop` do not exist (compacted, aborted)."""
        reads = []
        for number, offset in ends:
            stop = self._stop.get(number)
            if number in self._reading and stop is not None and offset >= stop:
                self._forget(number)
                reads.append(Read(number, stop, Rows.empty(), ended=True))
        return reads

    def _forget(self, number: int) -> None:
        self._reading.discard(number)
        self._consumer.incremental_unassign([TopicPartition(self._source.topic, number)])

    def _explain(self, error: KafkaError, partition: int) -> str:
        text = f"{self._source.topic} partition {partition}: {error.str()}"
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            following = self._following.get(partition)
            text += f"; offset {following} is gone (retention). Start again with --start_offset"
        return text

    def pause(self, partitions: frozenset[int]) -> None:
        """Read only the other partitions; see `Reader`."""
        topic = self._source.topic
        on = [TopicPartition(topic, n) for n in self._paused - partitions if n in self._reading]
        off = [TopicPartition(topic, n) for n in partitions - self._paused if n in self._reading]
        if on:
            self._consumer.resume(on)
        if off:
            self._consumer.pause(off)
        self._paused = partitions

    def lag(self) -> Mapping[int, int]:
        """Records behind the last one read; see `Reader`.

        Live, a partition that gave nothing since the last call is asked for, and left out if its
        broker does not answer: from the fetches alone silence and an outage look the same.
        """
        quiet = self._reading - self._delivered if self._source.live else set()
        self._delivered = set()
        ends = self._ask_ends(sorted(quiet))
        for number in self._reading - quiet:
            partition = TopicPartition(self._source.topic, number)
            _, ends[number] = self._consumer.get_watermark_offsets(partition, cached=True)
        # Markers of transactions are offsets that no record comes from.
        at = {n: max(self._following[n], self._end_reached.get(n, 0)) for n in ends}
        return {number: max(0, end - at[number]) for number, end in ends.items()}

    def _ask_ends(self, numbers: list[int]) -> dict[int, int]:
        """Where partitions end now, as far as their brokers answer."""
        if not numbers:
            return {}
        # In Kafka's protocol the end is the offset "of the time -1".
        wanted = [TopicPartition(self._source.topic, number, OFFSET_END) for number in numbers]
        try:
            found = self._consumer.offsets_for_times(wanted, timeout=_END_SECONDS)
        except KafkaException as error:
            _LOG.info("%s: asking for its end: %s", self._source.topic, error)
            return {}
        return {one.partition: one.offset for one in found if not one.error and one.offset >= 0}

    def added(self, known: int) -> list[PartitionRange]:
        """Look for new partitions now and then; see `Reader`."""
        now = time.monotonic()
        if not self._source.live or now - self._looked < self._source.look_every:
            return []
        self._looked = now
        try:
            topic = self._consumer.list_topics(self._source.topic, timeout=1.0).topics
        except KafkaException as error:
            _LOG.warning("%s: looking for partitions: %s", self._source.topic, error)
            return []
        numbers = sorted(topic[self._source.topic].partitions)
        return [PartitionRange(number, 0, None) for number in numbers if number >= known]

    def extend(self, ranges: Sequence[PartitionRange]) -> None:
        """Read these partitions too; see `Reader`."""
        for one in ranges:
            self._stop[one.partition] = one.stop
            self._following[one.partition] = one.start
            self._reading.add(one.partition)
        self._consumer.incremental_assign(
            [TopicPartition(self._source.topic, one.partition, one.start) for one in ranges]
        )

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def _record_times(messages: list[Message]) -> NDArray[np.int64]:
    """Milliseconds since 1970; -1 for events and records without a timestamp."""
    return np.array([message.timestamp()[1] for message in messages], np.int64)


class KafkaOptions(BaseModel):
    """Options of a Kafka source in its URI."""

    model_config = ConfigDict(extra="forbid")
    client_config: str | None = Field(
        default=None, description="File of librdkafka settings, name=value per line (TLS, SASL)."
    )
    look_for_partitions_sec: float = Field(
        default=5.0, ge=0.1, description="Live: how often to look for added partitions, seconds."
    )


@source_for("kafka")
def _kafka(address: Address, bounds: Bounds) -> KafkaSource:
    try:
        options = KafkaOptions.model_validate(address.options)
    except ValidationError as error:
        message = explain(address.uri, KafkaOptions, error)
        raise ConfigurationError(message) from error
    if not address.host or not address.path or "/" in address.path:
        message = f"{address.uri}: a Kafka source is written kafka://host:9092/topic"
        raise ConfigurationError(message)
    return KafkaSource(
        bootstrap=address.host,
        topic=address.path,
        live=bounds.live,
        start=_start(bounds.start),
        stop=bounds.stop,
        start_time=bounds.start_time,
        stop_time=bounds.stop_time,
        client_config=options.client_config,
        patience=bounds.patience,
        look_every=options.look_for_partitions_sec,
    )


def _start(start: int | str | None) -> int | str:
    if start is None:
        return "earliest"
    return int(start) if isinstance(start, str) and start.isdigit() else start
