"""A broker that stays away: receivers take what the buffer holds, then refuse writes."""

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from kafka import KafkaConsumer, TopicPartition

from padit.adapters.config import BufferOptions, KafkaOptions
from padit.adapters.publisher import Publisher
from padit.adapters.registry import create_adapter
from padit.adapters.runner import Runner
from padit.codecs.records import decode
from padit.devcluster.broker import Broker, start_broker
from padit.ops.stats import Stats
from tests.adapters.live import until
from tests.adapters.test_receivers import KINDS
from tests.limits import allowed
from tests.parts import required

# The other client leaves the sockets of failed connections to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    made = required(lambda: start_broker(tmp_path / "broker"))
    yield made
    made.stop()


def write(port: int, path: str, body: bytes) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{port}{path}", content=body, timeout=allowed(30))


def test_all_receivers_wait_for_the_broker_and_nothing_that_was_accepted_is_lost(
    broker: Broker, tmp_path: Path
) -> None:
    topic = broker.create_topic("metrics")
    stats = Stats()
    kafka = KafkaOptions(bootstrap=broker.bootstrap, topic=topic, linger_ms=5)
    buffer = BufferOptions(directory=str(tmp_path / "buffer"), max_mb=4, in_flight_mb=0.2)
    publisher = Publisher(kafka, buffer, stats)
    types: list[dict[str, Any]] = [{"type": kind.name, "port": 0} for kind in KINDS]
    types[1] |= {"store_dir": "", "topic": topic}
    types[2] |= {"grpc_port": 0}
    adapters: list[Any] = [
        create_adapter({**one, "jitter": 0.0, "interval_sec": 3600}) for one in types
    ]
    runner = Runner(adapters, publisher, stats, seed=1)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=lambda: loop.run_until_complete(runner.run()))
    publisher.start()
    thread.start()
    try:
        until(lambda: all(part.state == "up" for part in runner.parts), "all listen")
        accepted, body = 1000, KINDS[0].make(1000)
        assert write(adapters[0].port, KINDS[0].path, body).is_success
        until(lambda: stats.total("padit_publisher_sent_total") == accepted, "the first")
        broker.kill()
        answers, more, logs = fill(adapters, body)
        accepted += more
        until(lambda: stats.get("padit_publisher_connected") == 0, "the loss is noticed")
        assert [one.headers["Retry-After"] for one in answers] == ["5"] * 4
        broker.restart()
        until(publisher.ready, "room again", 120)  # a broker that was killed looks through its log
        for adapter, kind in zip(adapters, KINDS, strict=True):
            assert write(adapter.port, kind.path, kind.pack(kind.make(1))).is_success
        until(lambda: stats.total("padit_publisher_sent_total") >= accepted + 4, "all of it", 120)
    finally:
        loop.call_soon_threadsafe(runner.stop)
        thread.join(allowed(30))
        loop.close()
        left = publisher.stop(allowed(20))
    assert left == stats.total("padit_publisher_dropped_total") == 0
    assert stats.get("padit_publisher_sent_total") == accepted + 4
    assert accepted >= 10_000
    assert records(broker, topic) == (accepted + 4, logs + 1)


def fill(adapters: Sequence[Any], body: bytes) -> tuple[list[httpx.Response], int, int]:
    """Write until all refuse: their answers, records that were taken, and log records of them.

    What waits is weighed before it is encoded, and is smaller once it is: then there is room again.
    """
    accepted = logs = 0
    while accepted < 200_000:
        answers = [write(adapters[0].port, KINDS[0].path, body)] + [
            write(adapter.port, kind.path, kind.pack(kind.make(1)))
            for adapter, kind in zip(adapters[1:], KINDS[1:], strict=True)
        ]
        if [one.status_code for one in answers] == [503] * 4:
            return answers, accepted, logs
        taken = [one.is_success for one in answers]
        accepted += 1000 * taken[0] + sum(taken[1:])
        logs += taken[1]
        time.sleep(0.02)
    pytest.fail("nobody refuses")


def records(broker: Broker, topic: str) -> tuple[int, int]:
    """Records on the topic, by the other client, and how many of them are no samples."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    part = TopicPartition(topic, 0)
    consumer.assign([part])
    end = consumer.end_offsets([part])[part]
    values: list[bytes] = []
    while len(values) < end:
        for messages in consumer.poll(1000).values():
            values += [message.value for message in messages]
    consumer.close()
    return len(values), len(decode(values, 10**9).rejects)
