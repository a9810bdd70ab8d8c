"""Answers of a broker for single partitions: an error is no answer; a temporary one is waited out.

A partition that does not exist yet is the same to a client as one whose broker has just come up:
the call succeeds, and the partition's own part of the answer is an error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewPartitions

from padit.connectors.kafka_lookup import Lookup
from padit.connectors.kafka_source import KafkaSource
from padit.connectors.source import PartitionRange
from padit.domain.errors import SourceError
from tests.connectors.reading import decoder
from tests.integration.helpers import metric, produce, wait_for
from tests.parts import KafkaPart

START = 1_767_600_000
MICROS = 1_000_000


@contextmanager
def _consumer(kafka: KafkaPart, topic: str) -> Iterator[Consumer]:
    consumer = KafkaSource(kafka.bootstrap, topic, live=False).consumer()
    try:
        yield consumer
    finally:
        consumer.close()


def _add_partition(kafka: KafkaPart, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
    admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)


def test_an_error_for_one_partition_is_not_taken_for_nothing_there(kafka: KafkaPart) -> None:
    topic = kafka.topic("asked")
    with _consumer(kafka, topic) as consumer:
        lookup = Lookup(consumer, topic, kafka.bootstrap, patience=1.0)
        with pytest.raises(SourceError, match="does not give the offset of a time in partition 1"):
            lookup.at_time(1, START * MICROS)


def test_offsets_that_a_broker_does_not_know_are_an_error_that_names_the_partition(
    kafka: KafkaPart,
) -> None:
    topic = kafka.topic("asked")
    with _consumer(kafka, topic) as consumer:
        lookup = Lookup(consumer, topic, kafka.bootstrap, patience=1.0)
        with pytest.raises(SourceError, match=r"the offsets of partition 1.*--broker_timeout_sec"):
            lookup.kept(1)


def test_an_error_that_passes_is_waited_for(kafka: KafkaPart) -> None:
    topic = kafka.topic("asked")
    with _consumer(kafka, topic) as consumer:
        lookup = Lookup(consumer, topic, kafka.bootstrap, patience=60.0)
        later = threading.Timer(1.0, _add_partition, (kafka, topic))
        later.start()
        try:
            assert lookup.at_time(1, START * MICROS) is None
            assert lookup.kept(1) == (0, 0)
        finally:
            later.join()


def test_a_time_behind_all_records_is_the_end_and_no_error(kafka: KafkaPart) -> None:
    topic = kafka.topic("asked")
    produce(kafka.bootstrap, topic, [metric("a", "x", START + i, 1.0) for i in range(3)])
    with _consumer(kafka, topic) as consumer:
        lookup = Lookup(consumer, topic, kafka.bootstrap, patience=10.0)
        assert lookup.at_time(0, (START + 1) * MICROS) == 1
        assert lookup.at_time(0, (START + 9) * MICROS) is None


def test_a_partition_that_is_unknown_for_a_moment_is_read_once_it_is_known(
    kafka: KafkaPart,
) -> None:
    """Brokers answer this just after a restart, too; the job must not end for it."""
    topic = kafka.topic("young")
    source = KafkaSource(kafka.bootstrap, topic, live=True)
    reader = source.open([PartitionRange(1, 0, None)], decoder)
    try:
        until = time.monotonic() + 5
        while time.monotonic() < until:
            assert reader.read(0.2) == []
        _add_partition(kafka, topic)
        produce(kafka.bootstrap, topic, [metric("a", "x", START, 1.0, partition=1)])
        wait_for(lambda: any(len(read.rows) for read in reader.read(0.2)), 60)
    finally:
        reader.close()


def test_a_topic_that_was_deleted_is_an_error_that_names_it(kafka: KafkaPart) -> None:
    topic = kafka.topic("deleted")
    produce(kafka.bootstrap, topic, [metric("a", "x", START, 1.0)])
    source = KafkaSource(kafka.bootstrap, topic, live=True, patience=2.0)
    reader = source.open([PartitionRange(0, 0, None)], decoder)
    try:
        wait_for(lambda: any(len(read.rows) for read in reader.read(0.2)), 60)
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
        admin.delete_topics([topic])[topic].result(30)
        with pytest.raises(SourceError, match="partition 0: no broker has known it for 2 s"):
            wait_for(lambda: reader.read(0.2) or reader.lag() == {0: -1}, 90)  # as the job does
    finally:
        reader.close()
