"""Random topics on a real broker, and what two clients read from them."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from numpy.typing import NDArray

from padit.codecs.contract import Reject
from padit.codecs.records import Decoded
from padit.connectors.kafka_reader import KafkaReader
from padit.connectors.kafka_settings import fetch_settings
from padit.connectors.source import PartitionRange, ReadBatch
from padit.domain.rows import Rows
from tests.limits import allowed

__all__ = [
    "CODECS",
    "Found",
    "Recorder",
    "by_batches",
    "by_librdkafka",
    "create",
    "ends_of",
    "fill",
    "producer",
    "reader_of",
]

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_SIZES = (0, 1, 10, 150, 150, 150, 3000, 70_000)
_START = 1_700_000_000_000


class Found(NamedTuple):
    """A record as a client gives it; time in milliseconds, None where it has none."""

    partition: int
    offset: int
    time: int | None
    value: bytes | None


def create(bootstrap: str, name: str, partitions: int = 1, **settings: str) -> str:
    """A topic of its own, with settings like `cleanup_policy`."""
    topic = f"{name}-{uuid.uuid4().hex[:10]}"
    config = {key.replace("_", "."): value for key, value in settings.items()}
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    wanted = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config)
    admin.create_topics([wanted])[topic].result(allowed(30))
    return topic


def producer(bootstrap: str, codec: str = "none", **settings: str | int) -> Producer:
    """A producer with one kind of compression."""
    named = {key.replace("_", "."): value for key, value in settings.items()}
    return Producer(
        {"bootstrap.servers": bootstrap, "compression.type": codec, "log_level": 2, **named}
    )


def fill(bootstrap: str, topic: str, partitions: int, seed: int, records: int) -> None:
    """Write records of every kind by turns, with and without transactions; one is left open."""
    chosen = random.Random(seed)
    plain = [producer(bootstrap, codec) for codec in CODECS]
    within = [
        producer(bootstrap, chosen.choice(CODECS), transactional_id=f"{topic}-{n}")
        for n in range(2)
    ]
    for one in within:
        one.init_transactions(allowed(60))
    left = records
    while left > 0:
        size = min(left, chosen.choice((1, 3, 30, 300)))
        left -= size
        one = chosen.choice(plain + within + within)
        _write(one, topic, chosen, partitions, size, within=one in within)
    if chosen.random() < 0.5:  # behind it nothing is stable
        within[0].begin_transaction()
        for one in (within[0], plain[0]):
            _write(one, topic, chosen, 1, 5, within=False)
        _OPEN.append(within[0])


def _write(
    one: Producer, topic: str, chosen: random.Random, partitions: int, size: int, *, within: bool
) -> None:
    if within:
        one.begin_transaction()
    for _ in range(size):
        _produce(one, topic, chosen, partitions)
    assert one.flush(allowed(60)) == 0
    if within and chosen.random() < 0.4:
        one.abort_transaction(allowed(60))
    elif within:
        one.commit_transaction(allowed(60))


_OPEN: list[Producer] = []  # a producer that goes away would end its transaction


def _produce(one: Producer, topic: str, chosen: random.Random, partitions: int) -> None:
    size = chosen.choice(_SIZES)
    value = (b'{"value":%d}' % chosen.randrange(1000)) * (size // 10 + 1)
    value = chosen.randbytes(size) if chosen.random() < 0.2 else value[:size]
    one.produce(
        topic,
        None if chosen.random() < 0.05 else value,
        key=chosen.choice([None, b"", b"cell-%d" % chosen.randrange(9)]),
        partition=chosen.randrange(partitions),
        timestamp=_START + chosen.randrange(10**9),
        headers=chosen.choice([None, [("traceparent", b"00-1-2-00"), ("empty", None)]]),
    )


def _consumer(bootstrap: str, level: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap, "group.id": "judge", "enable.auto.commit": False,
            "enable.partition.eof": True, "isolation.level": level, "check.crcs": True,
            "auto.offset.reset": "error", "log_level": 2,
        }
    )  # fmt: skip


def ends_of(bootstrap: str, topic: str, partitions: int, level: str = "read_committed"
) -> dict[int, tuple[int, int]]:  # fmt: skip
    """First and last-but-one offsets as the broker tells a client of this isolation."""
    consumer = _consumer(bootstrap, level)
    try:
        return {number: _ends(consumer, topic, number) for number in range(partitions)}
    finally:
        consumer.close()


def _ends(consumer: Consumer, topic: str, number: int) -> tuple[int, int]:
    """A topic that was just made may have no leader yet."""
    for _ in range(100):
        try:
            found: tuple[int, int] = consumer.get_watermark_offsets(
                TopicPartition(topic, number), allowed(30)
            )
        except KafkaException:
            time.sleep(0.1)
        else:
            return found
    message = f"{topic} {number} has no leader"
    raise AssertionError(message)


def by_librdkafka(
    bootstrap: str, topic: str, starts: Mapping[int, int], level: str = "read_committed"
) -> list[Found]:
    """Everything from these offsets on, read with confluent-kafka."""
    consumer = _consumer(bootstrap, level)
    found: list[Found] = []
    left = set(starts)
    deadline = time.monotonic() + allowed(120)
    try:
        consumer.assign([TopicPartition(topic, number, at) for number, at in starts.items()])
        while left:
            assert time.monotonic() < deadline
            for one in consumer.consume(1000, 0.2):
                if one.error() is None:
                    kind, at = one.timestamp()
                    moment = at if kind and at >= 0 else None
                    found.append(Found(one.partition(), one.offset(), moment, one.value()))
                elif one.error().code() == KafkaError._PARTITION_EOF:
                    left.discard(one.partition())
                else:
                    raise AssertionError(one.error())
    finally:
        consumer.close()
    return sorted(found, key=lambda one: one[:2])


class Recorder:
    """A decoder that rejects every record, so that reads hold each with its place."""

    def __init__(self, most: int = 10**9) -> None:
        self.times: list[int] = []
        self.most = most

    def __call__(
        self, values: Sequence[bytes | None], record_time: NDArray[np.int64] | None
    ) -> Decoded:
        assert record_time is not None
        taken = min(len(values), self.most)
        self.times += record_time[:taken].tolist()
        rejects = [Reject(i, "recorded") for i in range(taken)]
        nothing = np.empty(0, np.int64)
        return Decoded(Rows.empty(), nothing, rejects, nothing.astype(np.int32), taken)

    def found(self, reads: Sequence[ReadBatch]) -> list[Found]:
        """All records of the reads, in the order of their places."""
        every = [one for read in reads for one in read.dead]
        none = 2**53 * 1000
        times = [None if time == none else time // 1000 for time in self.times]
        assert len(every) == len(times)
        return sorted(
            (
                Found(one.partition, one.offset, time, one.value)
                for one, time in zip(every, times, strict=True)
            ),
            key=lambda one: one[:2],
        )


def reader_of(
    bootstrap: str,
    topic: str,
    ranges: Sequence[PartitionRange],
    decode: Recorder,
    live: float | None,
    **settings: str,
) -> KafkaReader:
    """A reader of batches, with librdkafka's settings like `isolation_level`."""
    given = {key.replace("_", "."): value for key, value in settings.items()}
    return KafkaReader(
        fetch_settings(bootstrap, given, "the test"), topic, ranges, decode, live, patience=5.0
    )


def by_batches(
    bootstrap: str, topic: str, ranges: Sequence[PartitionRange], most: int = 10**9, **settings: str
) -> list[Found]:
    """Everything in these ranges, read as batches."""
    recorder = Recorder(most)
    reader = reader_of(bootstrap, topic, ranges, recorder, None, **settings)
    reads: list[ReadBatch] = []
    deadline = time.monotonic() + allowed(120)
    try:
        while sum(read.ended for read in reads) < len(ranges):
            assert time.monotonic() < deadline, reader.lag()
            reads += reader.read(0.5)
    finally:
        reader.close()
    for number in {read.partition for read in reads}:
        following = [read.following for read in reads if read.partition == number]
        assert following == sorted(following)
    return recorder.found(reads)
