"""The publisher against a real Kafka: exactly what was put, in order, also when the broker dies."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from kafka import KafkaConsumer, TopicPartition

from padit.adapters.config import BufferOptions, KafkaOptions
from padit.adapters.encode import Record, partition_of
from padit.adapters.publisher import Publisher
from padit.codecs.records import decode
from padit.devcluster.broker import Broker, start_broker
from padit.devcluster.ports import free_port
from padit.domain.metric import Metric
from padit.ops.stats import Stats
from tests.adapters.live import until
from tests.limits import allowed
from tests.parts import KafkaPart, required

# The client leaves the sockets of failed connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

T = 1_767_323_045.0
PARTITIONS = 3


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that may be killed."""
    broker = required(lambda: start_broker(tmp_path_factory.mktemp("broker")))
    yield broker
    broker.stop()


def samples(first: int, count: int) -> list[Metric]:
    return [Metric(T + i, f"s{i % 7}", "m", float(i)) for i in range(first, first + count)]


def make(bootstrap: str, topic: str, directory: Path, **more: object) -> tuple[Publisher, Stats]:
    stats = Stats()
    kafka = KafkaOptions.model_validate(
        {"bootstrap": bootstrap, "topic": topic, "linger_ms": 5, **more}
    )
    buffer = BufferOptions(directory=str(directory), max_mb=1, in_flight_mb=0.05)
    publisher = Publisher(kafka, buffer, stats)
    publisher.start()
    return publisher, stats


def read(bootstrap: str, topic: str) -> dict[int, list[tuple[bytes | None, float]]]:
    """(key, value) of every sample by partition, in the order of the log, by the other client."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    found: dict[int, list[tuple[bytes | None, float]]] = defaultdict(list)
    parts = [TopicPartition(topic, p) for p in range(PARTITIONS)]
    left = sum(consumer.end_offsets(parts).values())
    consumer.assign(parts)
    deadline = time.monotonic() + 30
    while left > 0 and time.monotonic() < deadline:
        for part, messages in consumer.poll(1000).items():
            for message in messages:
                decoded = decode([message.value], 10_000_000)
                assert not decoded.rejects
                values = decoded.rows.value.tolist()
                found[part.partition] += [(message.key, value) for value in values]
            left -= len(messages)
    consumer.close()
    return found


def check(found: dict[int, list[tuple[bytes | None, float]]], count: int) -> None:
    """Every sample once, in its series' partition, each series in order."""
    values = sorted(value for part in found.values() for _, value in part)
    assert values == [float(i) for i in range(count)]
    for partition, part in found.items():
        by_series: dict[int, list[float]] = defaultdict(list)
        for _, value in part:
            by_series[int(value) % 7].append(value)
        for series, ordered in by_series.items():
            assert partition_of(f"s{series}", "m", PARTITIONS) == partition
            assert ordered == sorted(ordered)


@pytest.mark.parametrize("form", ["json", "json-array", "arrow"])
def test_every_sample_arrives_once_and_in_order(
    kafka: KafkaPart, tmp_path: Path, form: str
) -> None:
    topic = kafka.topic("metrics", PARTITIONS)
    publisher, stats = make(kafka.bootstrap, topic, tmp_path, format=form)
    for first in range(0, 3000, 100):
        publisher.put(samples(first, 100))
    assert publisher.stop(20) == 0
    found = read(kafka.bootstrap, topic)
    check(found, 3000)
    keys = {key for part in found.values() for key, _ in part}
    assert keys == ({f"s{i}:m".encode() for i in range(7)} if form == "json" else {None})
    assert stats.get("padit_publisher_sent_total") == 3000
    assert stats.total("padit_publisher_dropped_total") == 0


def test_records_of_other_topics_go_their_own_way(kafka: KafkaPart, tmp_path: Path) -> None:
    logs = kafka.topic("logs", 1)
    publisher, stats = make(kafka.bootstrap, kafka.topic("metrics"), tmp_path)
    publisher.put(Record(logs, b"shop", b'{"message":"x"}', -1, 1))
    publisher.stop(20)
    assert stats.get("padit_publisher_sent_total") == 1


def test_missing_topic_holds_up_no_other(kafka: KafkaPart, tmp_path: Path) -> None:
    topic = kafka.topic("metrics", PARTITIONS)
    later = f"later-{topic}"
    publisher, stats = make(kafka.bootstrap, topic, tmp_path)
    publisher.put(Record(later, b"shop", b"{}", -1, 1))
    publisher.put(samples(0, 500))
    until(lambda: stats.get("padit_publisher_sent_total") == 500, "the samples")
    kafka.broker.create_topic(later)
    until(lambda: stats.get("padit_publisher_sent_total") == 501, "the record", 60)
    assert publisher.stop(20) == 0


def test_record_that_the_broker_refuses_is_dropped_and_counted(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    topic = kafka.topic("metrics", PARTITIONS)
    publisher, stats = make(kafka.bootstrap, topic, tmp_path)
    publisher.put(Record(topic, b"huge", b"x" * 1_200_000, -1, 3))
    publisher.put(samples(0, 100))
    until(lambda: stats.get("padit_publisher_sent_total") == 100, "the others")
    assert publisher.stop(20) == 0
    assert stats.get("padit_publisher_dropped_total", reason="too_large") == 3
    check(read(kafka.bootstrap, topic), 100)


def test_topic_that_goes_and_comes_back_gets_what_was_put_meanwhile(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    topic = kafka.topic("metrics", PARTITIONS)
    publisher, stats = make(kafka.bootstrap, topic, tmp_path)
    publisher.put(samples(0, 10))
    until(lambda: stats.get("padit_publisher_sent_total") == 10, "the first")
    admin: Any = AdminClient({"bootstrap.servers": kafka.bootstrap})
    admin.delete_topics([topic])[topic].result(30)
    until(lambda: topic not in admin.list_topics(timeout=allowed(5)).topics, "the topic is gone")
    publisher.put(samples(0, 500))
    time.sleep(2)  # long enough to be refused
    kafka.broker.create_topic(topic, PARTITIONS)
    until(lambda: stats.get("padit_publisher_sent_total") == 510, "the rest", 60)
    assert publisher.stop(20) == 0
    check(read(kafka.bootstrap, topic), 500)


def test_security_settings_are_librdkafkas_and_nothing_else_passes() -> None:
    KafkaOptions(security={"security.protocol": "SSL", "ssl.ca.location": "ca.pem"})
    with pytest.raises(ValueError, match="linger"):
        KafkaOptions(security={"linger.ms": 1})


def test_nothing_is_lost_or_doubled_when_the_broker_dies(
    own_broker: Broker, tmp_path: Path
) -> None:
    topic = own_broker.create_topic("dies", PARTITIONS)
    publisher, stats = make(own_broker.bootstrap, topic, tmp_path)
    publisher.put(samples(0, 500))
    until(lambda: stats.get("padit_publisher_sent_total") == 500, "the first")
    own_broker.kill()
    for first in range(500, 4000, 100):
        publisher.put(samples(first, 100))
        time.sleep(0.02)
    assert publisher.ready()
    until(lambda: stats.get("padit_publisher_disk_bytes") > 0, "the disk is used")
    own_broker.restart()
    publisher.put(samples(4000, 500))
    until(lambda: stats.get("padit_publisher_sent_total") == 4500, "all", 60)
    assert publisher.stop(20) == 0
    check(read(own_broker.bootstrap, topic), 4500)


def test_what_is_in_flight_when_the_broker_dies_outlives_a_stop(
    own_broker: Broker, tmp_path: Path
) -> None:
    topic = own_broker.create_topic("flight", PARTITIONS)
    publisher, stats = make(own_broker.bootstrap, topic, tmp_path)
    publisher.put(samples(0, 100))
    until(lambda: stats.get("padit_publisher_sent_total") == 100, "the first")
    own_broker.kill()
    publisher.put(samples(100, 200))
    until(lambda: publisher.buffered == 200, "they are in flight")
    begin = time.monotonic()
    assert publisher.stop(1) == 200
    assert time.monotonic() - begin < 8
    own_broker.restart()
    again, stats = make(own_broker.bootstrap, topic, tmp_path)
    until(lambda: stats.get("padit_publisher_sent_total") == 200, "the rest", 60)
    assert again.stop(20) == 0
    check(read(own_broker.bootstrap, topic), 300)


def test_buffer_is_bounded_and_what_is_dropped_is_counted(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    publisher, stats = make(nowhere, "metrics", tmp_path)
    for first in range(0, 20_000, 1000):
        publisher.put(samples(first, 1000))
        time.sleep(0.01)
    until(lambda: stats.get("padit_publisher_disk_bytes") > 500_000, "the disk is used")
    until(lambda: stats.get("padit_publisher_dropped_total", reason="buffer_full") > 0, "drops")
    until(lambda: not publisher.ready(), "writers have to wait")
    left = publisher.stop(1)
    dropped = stats.get("padit_publisher_dropped_total", reason="buffer_full")
    assert left + dropped == 20_000
    assert sum(path.stat().st_size for path in tmp_path.glob("*.seg")) < 1_200_000


def test_what_a_waiting_thread_has_not_taken_needs_room_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The thread waits for a broker that comes back; it took nothing, and writes were accepted.
    go_on = threading.Event()
    monkeypatch.setattr(Publisher, "_known_partitions", lambda _: int(go_on.wait(allowed(60))))
    publisher, stats = make(f"127.0.0.1:{free_port()}", "metrics", tmp_path)
    accepted = 0
    while publisher.ready():
        publisher.put(samples(accepted, 500))
        accepted += 500
        assert accepted < 100_000
    go_on.set()
    until(lambda: stats.get("padit_publisher_disk_bytes") > 0, "the disk is used")
    assert publisher.stop(2) == accepted
    assert stats.total("padit_publisher_dropped_total") == 0


def test_what_was_left_on_disk_goes_first_at_the_next_start(
    own_broker: Broker, tmp_path: Path
) -> None:
    topic = own_broker.create_topic("later", PARTITIONS)
    publisher, _ = make(f"127.0.0.1:{free_port()}", topic, tmp_path)
    publisher.put(samples(0, 1500))
    assert publisher.stop(1) == 1500
    again, stats = make(own_broker.bootstrap, topic, tmp_path)
    again.put(samples(1500, 500))
    until(lambda: stats.get("padit_publisher_sent_total") == 2000, "all", 60)
    assert again.stop(20) == 0
    check(read(own_broker.bootstrap, topic), 2000)
    assert not list(tmp_path.glob("*.seg"))
