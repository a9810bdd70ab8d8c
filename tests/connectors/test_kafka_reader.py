"""A topic of records that unpack to much is read a few at a time, from a real broker."""

import time
from typing import Any

import numpy as np
import pytest
from confluent_kafka import Producer

from padit.codecs.validate import Validate
from padit.connectors import kafka_fetch
from padit.connectors.kafka_reader import KafkaReader
from padit.connectors.kafka_settings import fetch_settings
from padit.connectors.source import PartitionRange, ReadBatch
from padit.domain.timestamps import MICROS
from tests.codecs.samples import T, record
from tests.laws.codecs import bombs

BOMBS = 24
ROWS = 100_000  # of each


def _fill(kafka: Any, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for value in values:
        producer.produce(topic, value, partition=0, timestamp=T * 1000)
        producer.produce(topic, record(), partition=1, timestamp=T * 1000)
    assert producer.flush(30) == 0


def _read_all(kafka: Any, topic: str, stop: int) -> list[list[ReadBatch]]:
    settings = fetch_settings(kafka.bootstrap, {}, "the test")
    ranges = [PartitionRange(number, 0, stop) for number in range(2)]
    reader = KafkaReader(settings, topic, ranges, Validate(4 << 20, 3600 * MICROS), None)
    found: list[list[ReadBatch]] = []
    ended, deadline = 0, time.monotonic() + 60
    try:
        while ended < 2 and time.monotonic() < deadline:
            found.append(reader.read(1.0))
            ended += sum(read.ended for read in found[-1])
    finally:
        reader.close()
    return found


def test_a_flood_of_bombs_is_read_in_parts_without_a_gap(kafka: Any) -> None:
    topic = kafka.topic("bombs", 2)
    bomb = bombs()["zeros, just accepted"]
    _fill(kafka, topic, [bomb] * BOMBS)
    polls = _read_all(kafka, topic, BOMBS)
    assert max(sum(len(read.rows) for read in reads) for reads in polls) <= 1_300_000
    every = [read for reads in polls for read in reads]
    for number, each in ((0, ROWS), (1, 1)):
        mine = [read for read in every if read.partition == number]
        assert sum(len(read.rows) for read in mine) == BOMBS * each
        assert [read.ended for read in mine] == [False] * (len(mine) - 1) + [True]
        following = [read.following for read in mine]
        assert following == sorted(following)
        assert following[-1] == BOMBS
    assert len([read for read in every if read.partition == 0 and len(read.rows)]) > 1
    assert not any(read.dead for read in every)
    assert np.unique(np.concatenate([read.rows.time for read in every])).tolist() == [T * MICROS]


def test_records_are_asked_for_when_leaders_are_known_and_not_at_the_next_tick(
    kafka: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic = kafka.topic("soon", 2)
    _fill(kafka, topic, [record()] * 3)
    monkeypatch.setattr(kafka_fetch, "_TICK_SECONDS", 3600.0)
    every = [read for reads in _read_all(kafka, topic, 3) for read in reads]
    assert sum(len(read.rows) for read in every) == 6
