"""A topic that was deleted and made anew: its offsets begin again, and all of it is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from padit.devcluster.broker import create_topic
from padit.devcluster.ports import LOOPBACK
from padit.stores.consume import Pace
from padit.stores.service import Plan, serve
from tests.adapters.live import until
from tests.limits import allowed
from tests.parts import KafkaPart
from tests.stores.databases import Database, alert_events
from tests.stores.servers import redis_server


def _produce(kafka: KafkaPart, topic: str, values: Sequence[bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 5})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(allowed(30)) == 0


def _made_anew(kafka: KafkaPart, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})  # kept until the answer arrives
    admin.delete_topics([topic])[topic].result(30)
    end = time.monotonic() + allowed(30)
    while True:
        try:
            create_topic(kafka.bootstrap, topic)
        except KafkaException:  # it is being deleted
            assert time.monotonic() < end
            time.sleep(0.2)
        else:
            return


def _brought(kafka: KafkaPart, topic: str, uri: str) -> Any:
    plan = Plan(uri, [f"{kafka.uri(topic)}?content=alerts"], stop_at_end=True, survive=0,
                dead_letters="null", pace=Pace(longest=0.5, open=0.5))  # fmt: skip
    return serve(plan, threading.Event(), lambda _: None)


def test_between_two_starts_of_a_store(
    kafka: KafkaPart, database: Database, tmp_path: Path
) -> None:
    topic, events = kafka.topic("alerts"), alert_events(60)
    port, part = redis_server(tmp_path / "redis")
    store = f"redis://{LOOPBACK}:{port}/0"
    try:
        _produce(kafka, topic, events[:40])
        for uri in (database.uri, store):
            assert _brought(kafka, topic, uri).counts.written == 40
        _made_anew(kafka, topic)
        _produce(kafka, topic, events[40:])
        for uri in (database.uri, store):
            assert _brought(kafka, topic, uri).counts.written == 20
            assert _brought(kafka, topic, uri).counts.records == 0  # its positions are the new ones
        with redis.Redis(LOOPBACK, port) as client:
            assert [one[b"event"] for _, one in client.xrange("alerts")] == events
    finally:
        part.stop()
    assert database.query("SELECT payload FROM outbox ORDER BY txid, seq") == [
        (event.decode(),) for event in events
    ]


def test_while_a_store_is_at_work(kafka: KafkaPart, database: Database) -> None:
    topic, events = kafka.topic("alerts"), alert_events(60)
    stopped = threading.Event()
    plan = Plan(database.uri, [f"{kafka.uri(topic)}?content=alerts"], survive=0,
                pace=Pace(longest=0.5, open=0.5))  # fmt: skip
    store = threading.Thread(target=serve, args=(plan, stopped, lambda _: None))
    _produce(kafka, topic, events[:40])
    store.start()
    try:
        until(lambda: _count(database) == 40, "the first alerts", 60)
        _made_anew(kafka, topic)
        _produce(kafka, topic, events[40:])
        until(lambda: _count(database) == 60, "those of the new topic", 120)
    finally:
        stopped.set()
        store.join()


def _count(database: Database) -> int:
    there = database.query("SELECT to_regclass('anomaly_history') IS NOT NULL")[0][0]
    return int(database.one("SELECT count(*) FROM anomaly_history")) if there else 0
