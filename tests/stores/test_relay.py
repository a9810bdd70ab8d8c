"""The outbox reaches `anomaly-alerts` once and in order: by the relay, by Debezium, and by both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition

from padit.domain.errors import ConfigurationError
from padit.stores.base import Writer
from padit.stores.postgres.relay import Relay
from padit.stores.postgres.store import PostgresStore
from padit.stores.postgres.upkeep import PUBLICATION, Upkeep
from padit.stores.service import keep_working
from tests.connect import prepare_connect
from tests.limits import allowed
from tests.parts import KafkaPart, required
from tests.postgres import postgres
from tests.stores.databases import Database, alert_events, batch_of


def store_of(database: Database, **settings: object) -> PostgresStore:
    made = database.store(**settings)
    assert isinstance(made, PostgresStore)
    return made


def relay_of(database: Database, **settings: object) -> Relay:
    store = store_of(database, **settings)
    return Relay(store.conninfo, store.name, store.settings)


@contextmanager
def running(relay: Relay) -> Iterator[threading.Event]:
    """As `padit store` runs it: again after every error."""
    stopped = threading.Event()
    thread = threading.Thread(target=keep_working, args=(relay, stopped))
    thread.start()
    try:
        yield stopped
    finally:
        stopped.set()
        thread.join()


def read(kafka: KafkaPart, topic: str, count: int, patience: float = 30) -> list[bytes]:
    """Values of a topic, in order: so many different ones, then what comes within a moment."""
    consumer = Consumer(
        {"bootstrap.servers": kafka.bootstrap, "group.id": "test", "log_level": 2,
         "isolation.level": "read_committed", "allow.auto.create.topics": False}
    )  # fmt: skip
    until = time.monotonic() + allowed(patience)
    values: list[bytes] = []
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        while time.monotonic() < until:
            some = consumer.consume(1000, 1.0)
            values += [one.value() or b"" for one in some if one.error() is None]
            if not some and len(set(values)) >= count:
                break
    finally:
        consumer.close()
    return values


def write(writer: Writer, events: list[bytes], first: int = 0) -> None:
    writer.write(batch_of("alerts", events, first))


def wait_for(holds: Callable[[], bool], what: str, patience: float = 30) -> None:
    until = time.monotonic() + allowed(patience)
    while not holds():
        assert time.monotonic() < until, f"not within {patience:g} s: {what}"
        time.sleep(0.1)


def test_the_relay_publishes_every_row_once_in_order_over_restarts(
    database: Database, kafka: KafkaPart
) -> None:
    topic = kafka.topic("anomaly-alerts")
    writer = database.writer()
    events = alert_events(60)
    relay = relay_of(database, relay=kafka.uri(topic))
    write(writer, events[:20])
    with running(relay):
        assert read(kafka, topic, 20) == events[:20]
    write(writer, events[20:40], 20)
    # As if it had died between the commit in Kafka and the one here.
    database.query_none("UPDATE outbox_position SET txid = '0', seq = 0")
    with running(relay):
        assert read(kafka, topic, 40) == events[:40]
        database.query_none(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE "
            "'%FROM outbox%' AND pid != pg_backend_pid()"
        )
        write(writer, events[40:], 40)
        assert read(kafka, topic, 60) == events
    writer.close()


def test_the_relay_waits_for_transactions_that_are_older(
    database: Database, kafka: KafkaPart
) -> None:
    topic = kafka.topic("anomaly-alerts")
    writer = database.writer()
    events = alert_events(4)
    write(writer, events[:1])
    with running(relay_of(database, relay=kafka.uri(topic))):
        with database.server.connect(database.name) as slow, slow.transaction():
            slow.execute(
                "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) "
                "VALUES ('first', 'anomaly-alerts', 'k', 't', 'first')"
            )
            write(writer, events, 1)
            assert read(kafka, topic, 1) == events[:1]
        assert read(kafka, topic, 5) == [events[0], b"first", *events[1:]]
    writer.close()


def _insert(database: Database, transactions: list[int]) -> list[bytes]:
    """Rows of the outbox, one of each transaction; their payloads."""
    with database.server.connect(database.name) as connection:
        for n in transactions:
            connection.execute(
                "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, txid) "
                "VALUES (%s, 'anomaly-alerts', 'k', 't', %s, %s)",
                (f"{n}", f"payload {n}", f"{n}"),
            )
    return [f"payload {n}".encode() for n in transactions]


def test_transactions_are_ordered_as_numbers_and_none_is_left_out(
    database: Database, kafka: KafkaPart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("padit.stores.postgres.relay._BATCH", 3)
    topic = kafka.topic("anomaly-alerts")
    database.writer().close()
    # Smaller than those of any new server, so that all are below the oldest that is open.
    expected = _insert(database, [5, 9, 10, 11, 90, 99, 100, 101, 399, 400])
    with running(relay_of(database, relay=kafka.uri(topic))):
        assert read(kafka, topic, len(expected)) == expected
        expected += _insert(database, [409, 410])
        assert read(kafka, topic, len(expected)) == expected


def test_transactions_of_another_server_end_the_relay_with_the_remedy(
    database: Database, kafka: KafkaPart
) -> None:
    topic = kafka.topic("anomaly-alerts")
    database.writer().close()
    expected = _insert(database, [7, 10**15, 10**15 + 1])
    relay = relay_of(database, relay=kafka.uri(topic))
    with pytest.raises(ConfigurationError, match="restored from a dump") as raised:
        relay.run(threading.Event())
    remedy = str(raised.value).partition(" one. ")[2].partition("; then")[0]
    database.query_none(remedy)
    with running(relay):
        assert read(kafka, topic, 3) == expected


def test_of_two_relays_one_leads_and_the_other_follows_it(
    database: Database, kafka: KafkaPart
) -> None:
    topic = kafka.topic("anomaly-alerts")
    writer = database.writer()
    events = alert_events(30)
    first, second = (relay_of(database, relay=kafka.uri(topic)) for _ in range(2))
    with running(first) as stopped:
        write(writer, events[:10])
        assert read(kafka, topic, 10) == events[:10]
        with running(second):
            write(writer, events[10:20], 10)
            assert read(kafka, topic, 20) == events[:20]
            stopped.set()
            write(writer, events[20:], 20)
            assert read(kafka, topic, 30) == events
    writer.close()


def _connector(database: Database, topic: str) -> dict[str, str]:
    return {
        "name": "outbox",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "database.hostname": "127.0.0.1",
        "database.port": str(database.server.port),
        "database.user": "padit",
        "database.password": "none",
        "database.dbname": database.name,
        "topic.prefix": "padit",
        "plugin.name": "pgoutput",
        "publication.name": PUBLICATION,
        "publication.autocreate.mode": "disabled",
        "slot.name": database.name,
        "table.include.list": "public.outbox",
        "snapshot.mode": "no_data",
        "tombstones.on.delete": "false",
        "heartbeat.interval.ms": "1000",
        "heartbeat.action.query": "SELECT pg_logical_emit_message(false, 'padit', 'heartbeat')",
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "1",
        "transforms": "outbox",
        "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "transforms.outbox.table.field.event.key": "aggregateid",
        "transforms.outbox.route.topic.regex": "anomaly-alerts",
        "transforms.outbox.route.topic.replacement": topic,
        "producer.override.enable.idempotence": "true",
    }


def test_debezium_publishes_the_outbox_over_a_crash_and_the_relay_takes_over(
    database: Database, kafka: KafkaPart, tmp_path: Path
) -> None:
    topic = kafka.topic("anomaly-alerts")
    writer = database.writer()
    events = alert_events(90)
    settings = {"relay": kafka.uri(topic), "slot": database.name}
    store = store_of(database, **settings)
    Upkeep(store.conninfo, store.name, store.settings).once()  # makes the publication
    connect = required(
        lambda: prepare_connect(tmp_path, kafka.bootstrap, _connector(database, topic))
    )
    try:
        connect.start()
        with running(relay_of(database, **settings)):
            write(writer, events[:30])
            assert read(kafka, topic, 30, 60) == events[:30]
            connect.kill()
            write(writer, events[30:60], 30)
            connect.restart()
            found = read(kafka, topic, 60, 40)
            # What it had not confirmed before it was killed may come again, with the same id.
            assert list(dict.fromkeys(found)) == events[:60]
            relay_is_at = (
                "SELECT count(*) FROM outbox, outbox_position p WHERE outbox.txid >= p.txid"
            )
            wait_for(lambda: database.one(relay_is_at) == 0, "the relay follows the slot", 60)
            connect.stop()
            write(writer, events[60:], 60)
            _drop(database)
            after = read(kafka, topic, 90, 60)
            assert after == found + events[60:]
    finally:
        connect.stop()
        writer.close()


def _drop(database: Database) -> None:
    """Drop the slot, which its reader may still hold for a moment."""
    until = time.monotonic() + allowed(20)
    while True:
        try:
            database.query("SELECT pg_drop_replication_slot(%s)", database.name)
            return
        except psycopg.errors.ObjectInUse:
            assert time.monotonic() < until
            time.sleep(0.2)


def test_a_slot_that_the_server_gives_up_is_told_and_the_relay_takes_over(
    kafka: KafkaPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """`max_slot_wal_keep_size`: the reader of the slot is away, and the disk is not filled."""
    monkeypatch.setenv("PGUSER", "padit")
    topic, events = kafka.topic("anomaly-alerts"), alert_events(60)
    with postgres(tmp_path, max_slot_wal_keep_size="1MB", max_wal_size="32MB") as server:
        database = Database(server, server.database("plant"))
        settings = {"relay": kafka.uri(topic), "slot": "debezium"}
        store = store_of(database, **settings)
        upkeep = Upkeep(store.conninfo, store.name, store.settings)
        writer = database.writer()
        database.query("SELECT pg_create_logical_replication_slot('debezium', 'pgoutput')")
        with running(relay_of(database, **settings)):
            write(writer, events[:30])  # which the reader of the slot publishes elsewhere
            at = "SELECT count(*) FROM outbox, outbox_position p WHERE outbox.txid >= p.txid"
            there = "SELECT count(*) FROM outbox_position"

            def confirmed() -> bool:
                moved = "SELECT pg_replication_slot_advance('debezium', pg_current_wal_lsn())"
                database.query(moved)
                return bool(database.one(there) == 1 and database.one(at) == 0)

            wait_for(confirmed, "the relay follows the slot", 60)
            write(writer, events[30:], 30)
            for _ in range(5):
                database.query("SELECT pg_logical_emit_message(true, 'x', repeat('x', 17000000))")
                database.query("SELECT pg_switch_wal()")
            database.query_none("CHECKPOINT")
            status = "SELECT wal_status FROM pg_replication_slots"
            wait_for(lambda: database.one(status) == "lost", "the server gives the slot up", 60)
            upkeep.once()
            assert read(kafka, topic, 30, 60) == events[30:]
        writer.close()
        database.query("SELECT pg_drop_replication_slot('debezium')")
    assert "the replication slot debezium is lost" in caplog.text
    assert "the slot debezium is lost; the relay takes over" in caplog.text


def test_old_partitions_of_the_outbox_wait_for_the_relay(database: Database) -> None:
    writer = database.writer()
    write(writer, alert_events(3))
    writer.close()
    database.query_none(
        "CREATE TABLE outbox_20200101 PARTITION OF outbox FOR VALUES FROM ('2020-01-01Z') TO "
        "('2020-01-02Z'); INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, "
        "created) VALUES ('old', 'a', 'k', 't', 'p', '2020-01-01 12:00Z')"
    )
    store = store_of(database, relay="kafka://127.0.0.1:1/a", keep_outbox="1d")
    upkeep = Upkeep(store.conninfo, store.name, store.settings)
    assert upkeep.once() == []
    database.query_none("INSERT INTO outbox_position VALUES ('padit', '9999999', 0, true)")
    assert upkeep.once() == ["outbox_20200101"]
    assert database.one("SELECT count(*) FROM outbox") == 3


def test_a_slot_that_falls_behind_is_an_alert(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    database.writer().close()
    store = store_of(database, slot=database.name, slot_lag_mib=1)
    upkeep = Upkeep(store.conninfo, store.name, store.settings)
    upkeep.once()
    assert "no replication slot" in caplog.text
    database.query("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", database.name)
    caplog.clear()
    upkeep.once()
    assert caplog.text == ""
    # Of a transaction, so that its commit writes the log out before it answers.
    database.query("SELECT pg_logical_emit_message(true, 'x', repeat('x', 3000000))")
    upkeep.once()
    assert "MiB behind (slot_lag_mib 1)" in caplog.text
    database.query("SELECT pg_drop_replication_slot(%s)", database.name)
