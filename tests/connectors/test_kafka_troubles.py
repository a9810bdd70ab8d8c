"""What a reader of batches does when a topic, a broker or the bytes are not as they should be."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from padit.connectors import kafka_fetch
from padit.connectors.kafka_reader import KafkaReader
from padit.connectors.kafka_settings import fetch_settings
from padit.connectors.source import PartitionRange, ReadBatch
from padit.devcluster.broker import Broker, prepare_broker
from padit.devcluster.ports import port_answers
from padit.devcluster.processes import Part
from padit.domain.errors import SourceError
from tests.connectors.kafka_topics import (
    Recorder,
    by_batches,
    by_librdkafka,
    create,
    producer,
    reader_of,
)
from tests.integration.helpers import wait_for
from tests.limits import allowed
from tests.parts import KafkaPart, required


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})


def _write(bootstrap: str, topic: str, numbers: range, partition: int = 0, **more: str) -> None:
    writer = producer(bootstrap, "lz4", **{"linger_ms": "1000", **more})  # all in one batch
    for n in numbers:
        writer.produce(topic, b"%d" % n, partition=partition, timestamp=1_700_000_000_000 + n)
    assert writer.flush(allowed(60)) == 0


class Live:
    """A live reader of some partitions, and what it has read."""

    def __init__(self, bootstrap: str, topic: str, partitions: int = 1, start: int = 0) -> None:
        self.recorder = Recorder()
        self.reads: list[ReadBatch] = []
        ranges = [PartitionRange(number, start, None) for number in range(partitions)]
        self.reader: KafkaReader = reader_of(bootstrap, topic, ranges, self.recorder, 0.5)

    def close(self) -> None:
        self.reader.close()

    def until(self, done: Callable[[], object], seconds: float = 60) -> None:
        """Read until something is so."""
        deadline = time.monotonic() + allowed(seconds)
        while not done():
            assert time.monotonic() < deadline, (self.values()[-5:], self.reader.lag())
            self.reads += self.reader.read(0.05)

    def read_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.reads += self.reader.read(0.05)

    def values(self) -> list[bytes | None]:
        return [one.value for one in self.recorder.found(self.reads)]


def _numbers(end: int) -> list[bytes | None]:
    return [b"%d" % n for n in range(end)]


def test_a_partition_lags_until_its_end_and_its_transactions_are_reached(kafka: KafkaPart) -> None:
    topic = create(kafka.bootstrap, "open")
    within = producer(kafka.bootstrap, transactional_id=topic)
    within.init_transactions(allowed(60))
    with closing(Live(kafka.bootstrap, topic)) as live:
        live.until(lambda: live.reader.lag() == {0: 0})
        _write(kafka.bootstrap, topic, range(3))
        live.until(lambda: live.reader.lag() == {0: 0} and len(live.values()) == 3)
        within.begin_transaction()
        within.produce(topic, b"3")
        within.flush(allowed(60))
        live.until(lambda: live.reader.lag() == {0: 1})
        live.read_for(1.0)
        assert live.reader.lag() == {0: 1}  # what is open may become readable: not idle
        assert live.values() == _numbers(3)
        within.commit_transaction(allowed(60))
        live.until(lambda: live.reader.lag() == {0: 0})
        assert live.values() == _numbers(4)
        within.begin_transaction()
        within.produce(topic, b"never")
        within.flush(allowed(60))
        within.abort_transaction(allowed(60))
        live.until(lambda: live.reader.lag() == {0: 0})
        live.read_for(0.5)
        assert live.reader.lag() == {0: 0}
        assert live.values() == _numbers(4)


def test_what_waits_is_known_lately_however_long_the_job_works(
    kafka: KafkaPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_fetch, "_FRESH_SECONDS", 1.0)
    monkeypatch.setattr(kafka_fetch, "_AT_WORK_SECONDS", 0.2)
    topic = create(kafka.bootstrap, "slow")
    with closing(Live(kafka.bootstrap, topic)) as live:
        live.until(lambda: live.reader.lag() == {0: 0})
        _write(kafka.bootstrap, topic, range(3))
        wait_for(lambda: live.reader.lag() == {0: 3}, 10)
        time.sleep(2.0)  # the answer waits, and so nobody asks where the log ends
        assert live.reader.lag() == {}
        assert live.reader.lag(lately=True) == {0: 3}
        live.until(lambda: live.reader.lag() == {0: 0})
        assert live.reader.lag(lately=True) == {0: 0}


def test_a_paused_partition_waits_and_its_end_is_not_known(kafka: KafkaPart) -> None:
    topic = create(kafka.bootstrap, "paused", 2)
    with closing(Live(kafka.bootstrap, topic, 2)) as live:
        live.until(lambda: live.reader.lag() == {0: 0, 1: 0})
        live.reader.pause(frozenset({1}))
        assert live.reader.lag().get(1) is None
        for number in (0, 1):
            _write(kafka.bootstrap, topic, range(5), number)
        live.until(lambda: len(live.values()) == 5)
        live.read_for(0.5)
        assert {read.partition for read in live.reads} == {0}
        live.reader.pause(frozenset({0}))
        _write(kafka.bootstrap, topic, range(5, 7), 0)
        live.until(lambda: len(live.values()) == 10)
        live.read_for(0.5)
        assert len(live.values()) == 10
        live.reader.pause(frozenset())
        live.until(lambda: len(live.values()) == 12)
        live.until(lambda: live.reader.lag() == {0: 0, 1: 0})


def test_added_partitions_are_found_and_read(kafka: KafkaPart) -> None:
    topic = create(kafka.bootstrap, "growing")
    with closing(Live(kafka.bootstrap, topic)) as live:
        live.until(lambda: live.reader.lag() == {0: 0})
        assert live.reader.added(1) == []
        wanted = [NewPartitions(topic, 3)]
        admin = _admin(kafka.bootstrap)
        admin.create_partitions(wanted)[topic].result(allowed(30))
        live.until(lambda: len(live.reader.added(1)) == 2)
        assert live.reader.added(1) == [PartitionRange(1, 0, None), PartitionRange(2, 0, None)]
        live.reader.extend(live.reader.added(1))
        for number in range(3):
            _write(kafka.bootstrap, topic, range(4), number)
        live.until(lambda: len(live.values()) == 12)
        live.until(lambda: live.reader.lag() == {0: 0, 1: 0, 2: 0})


def test_what_retention_takes_before_it_was_read_is_an_error_with_its_offset(
    kafka: KafkaPart,
) -> None:
    topic = create(kafka.bootstrap, "short")
    _write(kafka.bootstrap, topic, range(9))
    admin = _admin(kafka.bootstrap)  # an answer dies with its client
    deleted = admin.delete_records([TopicPartition(topic, 0, 6)])
    next(iter(deleted.values())).result(allowed(30))
    words = rf"{topic} partition 0: offset 4 is gone \(retention\). Start again with --start_offset"
    with (
        closing(Live(kafka.bootstrap, topic, start=4)) as live,
        pytest.raises(SourceError, match=words),
    ):
        live.until(lambda: False)


def test_a_broker_of_a_version_without_batches_is_an_error_that_says_so(kafka: KafkaPart) -> None:
    """The broker is held to what one of version 0.10 knows."""
    topic = create(kafka.bootstrap, "old")
    settings = fetch_settings(kafka.bootstrap, {}, "the test")
    settings = replace(settings, connection={**settings.connection, "api_version": (0, 10, 0)})
    reader = KafkaReader(settings, topic, [PartitionRange(0, 0, None)], Recorder(), None)
    words = rf"{topic} the brokers? .*of a version that cannot be read from"
    with closing(reader), pytest.raises(SourceError, match=words):
        wait_for(lambda: reader.read(0.5))


# --- bytes that were damaged on the disk ---


def _segment(kafka: KafkaPart, topic: str) -> Path:
    (found,) = (kafka.broker.directory / "data" / f"{topic}-0").glob("*.log")
    return found


def _damage(path: Path, at: int, data: bytes) -> None:
    """Change bytes in place: a broker sends what the file holds."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _batches_at(path: Path) -> list[int]:
    data, at, found = path.read_bytes(), 0, []
    while at + 12 <= len(data) and (size := int.from_bytes(data[at + 8 : at + 12])):
        found.append(at)
        at += 12 + size
    return found


@pytest.mark.parametrize(
    ("where", "data", "words"),
    [
        (70, b"\xee\xee\xee", "the record batch at offset 3 is damaged: its checksum does not fit"),
        (23, b"\x00\x00\x00\x01", "offset 3 is damaged: its checksum does not fit"),
        (22, b"\x07", "offset 3 is damaged: its checksum does not fit"),
    ],
)
def test_a_damaged_batch_becomes_a_dead_letter_with_its_place_and_reading_goes_on(
    kafka: KafkaPart, where: int, data: bytes, words: str
) -> None:
    topic = create(kafka.bootstrap, "damaged")
    for first in (0, 3, 6):
        _write(kafka.bootstrap, topic, range(first, first + 3))
    path = _segment(kafka, topic)
    starts = _batches_at(path)
    assert len(starts) == 3
    _damage(path, starts[1] + where, data)
    with closing(Live(kafka.bootstrap, topic)) as live:
        live.until(lambda: live.reader.lag() == {0: 0})
        letters = [
            one for read in live.reads for one in read.dead if one.reject.reason != "recorded"
        ]
        assert [(one.partition, one.offset, one.topic) for one in letters] == [(0, 3, topic)]
        assert words in letters[0].reject.reason
        kept = [one for read in live.reads for one in read.dead if one.reject.reason == "recorded"]
        assert [one.offset for one in kept] == [0, 1, 2, 6, 7, 8]


@pytest.mark.parametrize(
    ("where", "data", "words"),
    [
        (0, (1).to_bytes(8), "the record batch at offset 1 follows one that ends at 2"),
        (16, b"\x01", "the record batch at offset 3 has the message format 1"),
        (8, (17).to_bytes(4), "the record batch at offset 3 claims a length of 17 bytes"),
    ],
)
def test_where_the_next_batch_begins_cannot_be_told_reading_stops_with_the_place(
    kafka: KafkaPart, where: int, data: bytes, words: str
) -> None:
    topic = create(kafka.bootstrap, "damaged")
    for first in (0, 3, 6):
        _write(kafka.bootstrap, topic, range(first, first + 3))
    path = _segment(kafka, topic)
    _damage(path, _batches_at(path)[1] + where, data)
    with (
        closing(Live(kafka.bootstrap, topic)) as live,
        pytest.raises(SourceError, match=f"{topic} partition 0: {words}"),
    ):
        live.until(lambda: False)


# --- brokers that go away ---


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Broker]:
    """A broker of this test alone, not started."""
    broker = required(lambda: prepare_broker(tmp_path / "kafka"))
    with broker:
        yield broker


def test_a_broker_that_is_away_is_waited_for_and_no_partition_is_idle_meanwhile(
    own: Broker,
) -> None:
    topic = create(own.bootstrap, "away")
    _write(own.bootstrap, topic, range(100))
    with closing(Live(own.bootstrap, topic)) as live:
        live.until(lambda: len(live.values()) == 100)
        live.until(lambda: live.reader.lag() == {0: 0})
        own.part.kill()
        live.read_for(3.0)
        away = time.monotonic() + 12  # longer than until the given brokers are tried again
        while time.monotonic() < away:
            live.read_for(0.5)
            assert live.reader.lag() == {}
        own.part.restart()
        _write(own.bootstrap, topic, range(100, 200))
        live.until(lambda: len(live.values()) == 200, 90)
        assert live.values() == _numbers(200)
        live.until(lambda: live.reader.lag() == {0: 0})
        # The restart began another epoch of the leader. Had this reader got 200 records of the
        # one before, half of them would have been replaced by an unclean election.
        live.reader._fetcher.go_on(0, 200, epoch=0)
        with pytest.raises(SourceError, match="offset 200 is gone: the log was cut at 100 when"):
            live.until(lambda: False)


def test_a_reader_that_begins_while_no_broker_is_there_waits_for_it(own: Broker) -> None:
    topic = create(own.bootstrap, "later")
    _write(own.bootstrap, topic, range(10))
    own.part.kill()
    with closing(Live(own.bootstrap, topic)) as live:
        live.read_for(4.0)
        assert live.reader.lag() == {}
        own.part.restart()
        live.until(lambda: len(live.values()) == 10, 90)


def _second(first: Broker, directory: Path) -> Broker:
    """Another broker in the cluster of the first."""
    broker = prepare_broker(directory)
    lines = (first.directory / "server.properties").read_text().splitlines()
    voters = next(line for line in lines if line.startswith("controller.quorum.voters="))
    port = int(broker.bootstrap.rpartition(":")[2])
    changed = {
        "process.roles": "broker",
        "node.id": "2",
        "controller.quorum.voters": voters.partition("=")[2],
        "listeners": f"PLAINTEXT://127.0.0.1:{port}",
    }
    config = broker.directory / "server.properties"
    own = [
        f"{name}={changed.get(name, value)}"
        for name, _, value in (line.partition("=") for line in config.read_text().splitlines())
        if name and not name.startswith("#")
    ]
    config.write_text("\n".join(own))
    meta = broker.directory / "data" / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=2"))
    part = Part(
        "second broker", broker.part.command, log=broker.part.log,
        answers=lambda: port_answers(port),
    )  # fmt: skip
    return replace(broker, part=part)


def test_a_partition_is_read_on_where_its_leader_went(own: Broker, tmp_path: Path) -> None:
    with _second(own, tmp_path / "second") as second:
        admin = _admin(own.bootstrap)
        deadline = time.monotonic() + allowed(60)
        while len(admin.list_topics(timeout=10).brokers) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        wanted = NewTopic("moved", num_partitions=2, replica_assignment=[[2, 1], [1, 2]])
        admin.create_topics([wanted])["moved"].result(allowed(30))
        for number in (0, 1):
            _write(own.bootstrap, "moved", range(50), number, acks="all")
        with closing(Live(own.bootstrap, "moved", 2)) as live:
            live.until(lambda: len(live.values()) == 100)
            live.until(lambda: live.reader.lag() == {0: 0, 1: 0})
            second.part.kill()
            for number in (0, 1):
                _write(own.bootstrap, "moved", range(50, 80), number)
            live.until(lambda: len(live.values()) == 160, 90)
            assert live.values() == [*_numbers(80), *_numbers(80)]
            live.until(lambda: live.reader.lag() == {0: 0, 1: 0})
        found = by_batches(
            own.bootstrap, "moved", [PartitionRange(number, 0, 80) for number in (0, 1)]
        )
        assert found == by_librdkafka(own.bootstrap, "moved", {0: 0, 1: 0})
