"""Upkeep: partitions come and go by themselves, and what feeds Debezium is narrow and alive."""

from __future__ import annotations

import json
import time

import pytest

from padit.domain.timestamps import format_utc
from padit.stores.postgres.partitions import TABLES
from padit.stores.postgres.store import PostgresStore
from padit.stores.postgres.upkeep import PUBLICATION, Upkeep
from tests.stores.databases import Database, alert_events, batch_of, sample

_DAY = 86_400
_SERIES = {"source_id": "press-1", "metric_name": "rpm", "unit": "u"}


def _store(database: Database, **settings: object) -> PostgresStore:
    made = database.store(**settings)
    assert isinstance(made, PostgresStore)
    return made


def _write(database: Database, second: float, offset: int) -> None:
    """A row for every table, of this event time."""
    at = format_utc(round(second * 1e6))
    event = json.loads(alert_events(1, first=offset)[0]) | {"time": at}
    since = second - 1_767_225_600
    records = {
        "metrics": [sample("rpm", since, 1), sample("vibration", since, 2)],
        "features": [json.dumps({**_SERIES, "window_end": at, "mean": 1.0}).encode()],
        "anomalies": [json.dumps({**_SERIES, "event_time": at, "composite": 1.0}).encode()],
        "alerts": [json.dumps(event).encode()],
    }
    writer = database.writer()
    for content, values in records.items():
        batch = batch_of(content, values, offset)
        assert writer.write(batch).written == batch.count
    writer.close()


def _parts(database: Database) -> dict[str, set[str]]:
    """Names of the partitions of each table, without the default one."""
    rows = database.query(
        "SELECT inhparent::regclass::text, inhrelid::regclass::text FROM pg_inherits "
        "JOIN pg_class c ON c.oid = inhparent WHERE c.relkind = 'p'"
    )
    found: dict[str, set[str]] = {name: set() for name in TABLES}
    for parent, name in rows:
        if parent in found and not name.endswith("_default"):
            found[parent].add(name)
    return found


def test_partitions_are_made_ahead_and_dropped_when_they_are_old_and_no_row_is_deleted(
    database: Database,
) -> None:
    now = time.time()
    _write(database, now - 40 * _DAY, 0)
    _write(database, now, 10)
    database.query_none(  # rows are of the moment at which they are written
        "UPDATE outbox SET created = created - interval '40 days' WHERE id = "
        "(SELECT id FROM outbox ORDER BY seq LIMIT 1)"
    )
    before = _parts(database)
    store = _store(database, keep_metrics="30d", keep_results="35d", keep_outbox="7d")
    upkeep = Upkeep(store.conninfo, store.name, store.settings)
    dropped = upkeep.once()
    after = _parts(database)
    old, tomorrow = (
        time.strftime("%Y%m%d", time.gmtime(at)) for at in (now - 40 * _DAY, now + _DAY)
    )
    aged = {name for name in TABLES if name != "outbox"}
    assert sorted(dropped) == sorted(f"{name}_{old}" for name in aged)
    for name in aged:
        assert before[name] - after[name] == {f"{name}_{old}"}
    for name in TABLES:
        assert f"{name}_{tomorrow}" in after[name]  # rows of tomorrow find it ready
        assert database.one(f"SELECT count(*) FROM {name}") == 1  # noqa: S608
    deleted = "SELECT sum(pg_stat_get_tuples_deleted(inhrelid)) FROM pg_inherits JOIN pg_class c "
    deleted += "ON c.oid = inhrelid WHERE c.relname !~ 'default|^outbox|pkey|idx|alert|order'"
    assert database.one(deleted) == 0
    assert upkeep.once() == []


def test_rows_without_a_partition_of_their_own_are_kept_as_long(database: Database) -> None:
    now = time.time()
    writer = database.writer(most_partitions=1)
    for n, age in enumerate((0, 40, 41, 3)):
        writer.write(batch_of("metrics", [sample("rpm", now - age * _DAY - 1_767_225_600, n)], n))
    writer.close()
    assert database.one("SELECT count(*) FROM sensor_log_default") == 3
    store = _store(database, keep_metrics="30d")
    Upkeep(store.conninfo, store.name, store.settings).once()
    assert database.query("SELECT rpm FROM sensor_log ORDER BY 1") == [(0.0,), (3.0,)]


def test_dead_letters_are_kept_for_a_stated_time(database: Database) -> None:
    writer = database.writer()
    writer.write(batch_of("metrics", [b"no sample", b"none either"]))
    writer.close()
    database.query_none(
        "UPDATE dead_letter SET kept = kept - interval '8 days' WHERE \"offset\" = 0"
    )
    store = _store(database, keep_dead_letters="7d")
    Upkeep(store.conninfo, store.name, store.settings).once()
    assert database.query('SELECT "offset" FROM dead_letter') == [(1,)]


def test_the_publication_is_narrow_and_a_heartbeat_moves_an_idle_slot(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    writer = database.writer()
    store = _store(database, slot=database.name)
    upkeep = Upkeep(store.conninfo, store.name, store.settings)
    upkeep.once()
    assert database.query("SELECT pubname, tablename FROM pg_publication_tables") == [
        (PUBLICATION, "outbox")
    ]
    published = "SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot, puballtables "
    assert database.query(f"{published} FROM pg_publication") == [
        (True, False, False, False, True, False)
    ]
    database.query("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", database.name)
    writer.write(batch_of("metrics", [sample("rpm", n, n) for n in range(100)]))
    writer.write(batch_of("alerts", alert_events(3), 100))
    upkeep.once()
    writer.close()
    rows = database.query(
        "SELECT data FROM pg_logical_slot_get_binary_changes(%s, NULL, NULL, 'proto_version', '1', "
        "'publication_names', %s, 'messages', 'true')", database.name, PUBLICATION,
    )  # fmt: skip
    changes = [bytes(one) for (one,) in rows]
    kinds = [one[:1] for one in changes]
    assert kinds.count(b"I") == 3  # the three alerts; of a hundred readings nothing
    assert all(b"outbox" in one for one in changes if one[:1] == b"R")
    assert [one for one in changes if one[:1] == b"M" and b"heartbeat" in one]
    assert caplog.text.count("no replication slot") == 1  # before there was one
    database.query("SELECT pg_drop_replication_slot(%s)", database.name)
