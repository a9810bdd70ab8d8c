"""A store that is away for an hour: nothing waits for it, and it catches up in order."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from padit.stores.archive_service import Plan as ArchivePlan
from padit.stores.archive_service import archive_topic
from padit.stores.consume import Pace
from padit.stores.service import Plan, serve
from tests.adapters.live import until
from tests.parts import KafkaPart
from tests.stores.databases import Database, alert_events, sample
from tests.stores.proxy import Proxy

_SECONDS, _MACHINES, _PARTITIONS = 3600, 5, 3
_ALERTS = 900


def _produce(kafka: KafkaPart, metrics: str, alerts: str, seconds: range) -> float:
    """An hour of the simulated day, a sample a second and machine; how long it took."""
    started = time.perf_counter()
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 20})
    for second in seconds:
        for number in range(_MACHINES):
            value = sample("rpm", second, second * 10 + number, f"press-{number}")
            producer.produce(metrics, value, partition=number % _PARTITIONS)
        producer.poll(0)
    for event in alert_events(_ALERTS if len(seconds) > 1 else 1, first=seconds[0]):
        producer.produce(alerts, event)
    assert producer.flush(60) == 0
    return time.perf_counter() - started


def test_an_hour_of_records_waits_in_the_topics_and_comes_in_order(
    database: Database, kafka: KafkaPart
) -> None:
    metrics, alerts = kafka.topic("metrics", _PARTITIONS), kafka.topic("alerts")
    proxy = Proxy(database.server.port)
    uri = database.uri.replace(f":{database.server.port}/", f":{proxy.port}/")
    plan = Plan(
        uri, [kafka.uri(metrics), kafka.uri(alerts)], pace=Pace(longest=0.5, open=0.5), survive=0
    )
    stopped, loops = threading.Event(), []
    store = threading.Thread(
        target=lambda: loops.append(serve(plan, stopped, lambda _: None)), name="store"
    )
    try:
        _produce(kafka, metrics, alerts, range(1))
        store.start()
        until(lambda: _rows(database) == _MACHINES, "the first second", 60)
        proxy.pause()
        took = _produce(kafka, metrics, alerts, range(1, _SECONDS))
        assert took < _SECONDS / 20  # whoever writes to the topics does not wait for the store
        assert database.one("SELECT count(*) FROM sensor_log") == _MACHINES
        proxy.resume()
        until(
            lambda: database.one("SELECT count(*) FROM outbox") == _ALERTS + 1
            and database.one("SELECT count(*) FROM sensor_log") == _SECONDS * _MACHINES,
            "all of the hour", 120,
        )  # fmt: skip
    finally:
        stopped.set()
        store.join()
        proxy.close()
    (loop,) = loops
    assert loop is not None
    assert loop.counts.holds
    assert loop.counts.failures > 0
    assert loop.counts.records == _SECONDS * _MACHINES + _ALERTS + 1  # held, not read again
    count = _SECONDS * _MACHINES
    assert database.one("SELECT sum(rpm) FROM sensor_log") == float(sum(
        second * 10 + number for second in range(_SECONDS) for number in range(_MACHINES)
    ))  # fmt: skip
    assert count == database.one("SELECT count(DISTINCT (machine_id, timestamp)) FROM sensor_log")
    published = [one for (one,) in database.query("SELECT id FROM outbox ORDER BY txid, seq")]
    events = [*alert_events(1), *alert_events(_ALERTS, first=1)]
    assert published == [json.loads(one)["id"] for one in events]


def _rows(database: Database) -> int:
    if database.one("SELECT to_regclass('sensor_log') IS NULL"):
        return 0
    return int(database.one("SELECT count(*) FROM sensor_log"))


def _keep(kafka: KafkaPart, topic: str, **settings: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    entries = [
        ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    asked = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    for one in admin.incremental_alter_configs([asked]).values():
        one.result(30)


def test_an_archive_warns_about_a_topic_that_forgets_too_soon(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    topic = kafka.topic("short", 1)

    def told(survive: float) -> list[str]:
        stopped = threading.Event()
        stopped.set()
        lines: list[str] = []
        plan = ArchivePlan(kafka.uri(topic), str(tmp_path), live=True, survive=survive)
        archive_topic(plan, stopped, lines.append)
        return lines

    _keep(kafka, topic, retention_ms="3600000", retention_bytes="-1")
    assert told(3600.0) == []
    (line,) = told(7200.0)
    assert line.startswith(f"topic {topic} keeps 3600 s and the archive is to survive 7200 s away")
    assert "--survive_sec" in line
    assert "retention.ms" in line
    _keep(kafka, topic, retention_ms="-1")
    assert told(1e8) == []
    _keep(kafka, topic, retention_bytes="1000000")
    assert "a number of bytes" in told(60.0)[0]
