"""A store put back to a backup of an hour ago: the topics have the hour, and it is filled again."""

from __future__ import annotations

import contextlib
import json

from confluent_kafka import Producer

from tests.integration.helpers import padit
from tests.limits import allowed
from tests.parts import KafkaPart
from tests.stores.databases import Database

_BEGIN = 1_767_225_600
_ALL = "SELECT count(*), sum(value), max(time) FROM metric"


def _produce(kafka: KafkaPart, topic: str, minutes: range) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 5})
    for minute in minutes:
        for source in range(5):
            fields = {"timestamp": _BEGIN + 60 * minute, "source_id": f"cell-{source}"}
            value = json.dumps({**fields, "metric_name": "rtt_ms", "value": minute + source / 10})
            producer.produce(topic, value.encode(), partition=source % 2)
    assert producer.flush(allowed(60)) == 0


def test_a_store_restored_from_a_backup_an_hour_old_has_every_sample_once(
    kafka: KafkaPart, database: Database
) -> None:
    topic = kafka.topic("metrics", 2)
    words = ("store", database.uri, "--stop_at_end", "--from",
             f"{kafka.uri(topic)}?content=metrics")  # fmt: skip
    _produce(kafka, topic, range(60))
    padit(*words)
    backup = f"{database.name}-backup"
    postgres = database.server
    with contextlib.closing(postgres.connect("postgres")) as administrator:
        copy = (
            f'CREATE DATABASE "{backup}" TEMPLATE "{database.name}"'  # all files, as a backup has
        )
        administrator.execute(copy.encode())
        _produce(kafka, topic, range(60, 120))
        padit(*words)
        expected = database.query(_ALL)
        assert expected[0][0] == 600
        drop = f'DROP DATABASE "{database.name}" WITH (FORCE)'
        administrator.execute(drop.encode())
        put_back = f'ALTER DATABASE "{backup}" RENAME TO "{database.name}"'
        administrator.execute(put_back.encode())
    assert database.one("SELECT count(*) FROM metric") == 300  # the hour is gone
    _produce(kafka, topic, range(120, 130))  # and the plant goes on
    padit(*words)
    assert database.one("SELECT count(*) FROM metric") == 650
    hour = f"{_ALL} WHERE time < '2026-01-01 02:00Z'"
    assert database.query(hour) == expected
