"""Reading whole batches yields exactly what librdkafka yields, on a real broker."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from padit.connectors.source import PartitionRange
from tests.connectors.kafka_topics import (
    CODECS,
    Found,
    by_batches,
    by_librdkafka,
    create,
    ends_of,
    fill,
    producer,
)
from tests.limits import allowed
from tests.parts import KafkaPart

PARTITIONS = 3
LEVELS = ("read_committed", "read_uncommitted")


def _whole(
    kafka: KafkaPart, topic: str, partitions: int, level: str, starts: dict[int, int] | None = None
) -> tuple[list[PartitionRange], list[Found]]:
    ends = ends_of(kafka.bootstrap, topic, partitions, level)
    starts = starts or {number: low for number, (low, _) in ends.items()}
    ranges = [PartitionRange(number, starts[number], ends[number][1]) for number in ends]
    return ranges, by_librdkafka(kafka.bootstrap, topic, starts, level)


@pytest.mark.parametrize("seed", range(6))
def test_random_topics_are_read_as_librdkafka_reads_them(kafka: KafkaPart, seed: int) -> None:
    stamps = "LogAppendTime" if seed % 3 == 2 else "CreateTime"
    topic = create(kafka.bootstrap, "random", PARTITIONS, message_timestamp_type=stamps)
    fill(kafka.bootstrap, topic, PARTITIONS, seed, 1500)
    for level in LEVELS:
        ranges, expected = _whole(kafka, topic, PARTITIONS, level)
        assert len(expected) > 500
        found = by_batches(kafka.bootstrap, topic, ranges, isolation_level=level)
        assert found == expected
        # Small fetches cut batches at their ends; a decoder may take only some at a time.
        small = by_batches(
            kafka.bootstrap, topic, ranges, 7, isolation_level=level,
            max_partition_fetch_bytes="40000", fetch_max_bytes="90000",
        )  # fmt: skip
        assert small == expected
    assert {type(one.value) for one in expected} == {bytes, type(None)}


@pytest.mark.parametrize("seed", range(3))
def test_reading_begins_and_ends_within_batches(kafka: KafkaPart, seed: int) -> None:
    topic = create(kafka.bootstrap, "within", PARTITIONS)
    fill(kafka.bootstrap, topic, PARTITIONS, 100 + seed, 900)
    chosen = random.Random(seed)
    ends = ends_of(kafka.bootstrap, topic, PARTITIONS)
    for _ in range(5):
        starts = {number: chosen.randrange(high) for number, (_, high) in ends.items()}
        stops = {number: chosen.randint(starts[number], ends[number][1]) for number in ends}
        ranges = [PartitionRange(number, starts[number], stops[number]) for number in ends]
        _, every = _whole(kafka, topic, PARTITIONS, "read_committed", starts)
        expected = [one for one in every if one.offset < stops[one.partition]]
        assert by_batches(kafka.bootstrap, topic, ranges) == expected


@pytest.mark.parametrize("codec", CODECS)
def test_a_record_far_larger_than_a_fetch_is_read(kafka: KafkaPart, codec: str) -> None:
    topic = create(kafka.bootstrap, "large", 2)
    writer = producer(kafka.bootstrap, codec, message_max_bytes=15 << 20)
    noise = random.Random(1).randbytes(1 << 20)
    for n in range(6):
        value = noise * 8 if n % 3 == 0 else b"small %d" % n
        writer.produce(topic, value, partition=n % 2, timestamp=n)
        assert writer.flush(allowed(60)) == 0
    ranges, expected = _whole(kafka, topic, 2, "read_committed")
    assert len(expected) == 6
    assert by_batches(kafka.bootstrap, topic, ranges) == expected


def test_a_compacted_topic_is_read_to_its_end(kafka: KafkaPart) -> None:
    """Segments are rolled by the times of records, so these are apart."""
    # Batches keep their offsets where their records, or they themselves, are gone.
    topic = create(
        kafka.bootstrap, "compacted", cleanup_policy="compact", min_cleanable_dirty_ratio="0.001",
        max_compaction_lag_ms="100", segment_bytes=str(1 << 20), delete_retention_ms="0",
        segment_ms="500",
    )  # fmt: skip
    writer = producer(kafka.bootstrap, "lz4")
    for n in range(400):
        for k in range(10):
            # The last turns are tombstones: the end of the log disappears.
            value = b"%d" % n * 300 if n < 380 else None
            writer.produce(topic, value, key=b"%d" % (k % 4), timestamp=1000 * (n + 1))
        if n % 20 == 0:
            assert writer.flush(allowed(60)) == 0
    writer.flush(allowed(60))
    deadline = time.monotonic() + allowed(40)
    for n in itertools.count(400):
        ranges, expected = _whole(kafka, topic, 1, "read_committed")
        if len(expected) < 3500:
            break
        assert time.monotonic() < deadline, "the broker does not compact"
        time.sleep(1)
        writer.produce(topic, b"more", key=b"5", timestamp=1000 * (n + 1))  # a new segment
        writer.flush(allowed(60))
    again = by_librdkafka(kafka.bootstrap, topic, {0: 0})
    assert by_batches(kafka.bootstrap, topic, ranges) in (expected, again)
    for start in (0, 1, 500, 1333):
        ranges = [PartitionRange(0, start, ranges[0].stop)]
        found = by_batches(kafka.bootstrap, topic, ranges)
        assert found == [one for one in again if one.offset >= start]


def test_what_retention_and_deletion_left_is_read(kafka: KafkaPart) -> None:
    topic = create(kafka.bootstrap, "deleted")
    fill(kafka.bootstrap, topic, 1, 5, 600)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
    deleted = admin.delete_records([TopicPartition(topic, 0, 123)])
    next(iter(deleted.values())).result(allowed(30))
    ranges, expected = _whole(kafka, topic, 1, "read_committed")
    assert ranges[0].start == 123
    assert by_batches(kafka.bootstrap, topic, ranges) == expected


def test_a_topic_without_records_ends_at_once(kafka: KafkaPart) -> None:
    topic = create(kafka.bootstrap, "empty", 2)
    ranges, expected = _whole(kafka, topic, 2, "read_committed")
    assert by_batches(kafka.bootstrap, topic, ranges) == expected == []


def test_other_settings_of_a_topic_change_nothing(kafka: KafkaPart) -> None:
    """The time of a record is the broker's from the moment the topic says so."""
    topic = create(kafka.bootstrap, "mixed")
    writer = producer(kafka.bootstrap)
    writer.produce(topic, b"first", timestamp=5)
    assert writer.flush(allowed(60)) == 0
    stamps = ConfigEntry(
        "message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[stamps])
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
    admin.incremental_alter_configs([resource])[resource].result(allowed(30))
    # The broker answers before the partition's log has the new setting.
    deadline = time.monotonic() + allowed(60)
    stamped = 6
    while stamped < 10**12 and time.monotonic() < deadline:
        writer.produce(topic, b"later", timestamp=6)
        assert writer.flush(allowed(60)) == 0
        ranges, expected = _whole(kafka, topic, 1, "read_committed")
        stamped = expected[-1].time or 0
    assert by_batches(kafka.bootstrap, topic, ranges) == expected
    assert expected[0].time == 5
    assert stamped > 10**12
