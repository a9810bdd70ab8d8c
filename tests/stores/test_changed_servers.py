"""Servers as people set and change them: encodings, formats, partitions, passwords, memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from padit.devcluster.ports import LOOPBACK
from padit.domain.errors import ConfigurationError, SinkError
from padit.stores.base import Content
from padit.stores.postgres.store import PostgresStore
from padit.stores.postgres.upkeep import Upkeep
from padit.stores.registry import store_from_uri
from tests.postgres import Postgres
from tests.stores.databases import BEGIN, Database, alert_events, batch_of, check_sum, sample
from tests.stores.servers import bring, redis_server

_DAY = 86_400


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_cannot_hold_every_name_is_refused_with_the_remedy(
    server: Postgres, encoding: str
) -> None:
    name = f"db_{encoding.lower()}"
    with server.connect("postgres") as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}".encode())
        connection.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0".encode()
        )
    with pytest.raises(ConfigurationError, match=rf"{encoding}.*ENCODING 'UTF8'"):
        Database(server, name).writer()


def test_formats_of_the_database_and_of_the_client_change_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in ("timezone = 'Asia/Kolkata'", "datestyle = 'SQL, DMY'", "bytea_output = escape",
                    "intervalstyle = sql_standard", "extra_float_digits = -5",
                    "default_transaction_isolation = serializable"):  # fmt: skip
        database.query_none(f"ALTER DATABASE {database.name} SET {setting}")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGTZ", "America/Anchorage")
    monkeypatch.setenv("PGDATESTYLE", "German")
    batch = batch_of("metrics", [
        sample("rpm", 4 * _DAY + n, 0.1 + n, source="\u26a1 \u00e4") for n in range(3)
    ] + [b"\xff no sample"])  # fmt: skip
    for turn in range(2):
        writer = database.writer()
        written = writer.write(batch)
        check_sum(written, batch)
        assert (written.written, written.repeated) == ((3, 0) if turn == 0 else (0, 3))
        writer.write(batch_of("alerts", alert_events(3)))
        writer.close()
    monkeypatch.undo()
    database.query_none(f"ALTER DATABASE {database.name} RESET ALL")
    at = "SELECT machine_id, extract(epoch FROM timestamp)::float8, rpm FROM sensor_log ORDER BY 2"
    assert database.query(at) == [
        ("\u26a1 \u00e4", BEGIN + 4 * _DAY + n, 0.1 + n) for n in range(3)
    ]
    assert database.one("SELECT count(*) FROM outbox") == 3
    assert [bytes(one) for (one,) in database.query("SELECT original FROM dead_letter")] == [
        b"\xff no sample"
    ]
    assert database.one("SELECT tableoid::regclass::text FROM sensor_log LIMIT 1") == (
        "sensor_log_20260105"
    )


def test_partitions_made_by_hand_take_their_rows_and_outlive_what_they_do_not_hold(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    database.writer().close()
    for name, begin, end in (("by_hand", "2026-01-01", "2026-01-15"),
                             ("sensor_log_20260201", "2026-02-01", "2126-03-01")):  # fmt: skip
        database.query_none(
            f"CREATE TABLE {name} PARTITION OF sensor_log "
            f"FOR VALUES FROM ('{begin} 00:00Z') TO ('{end} 00:00Z')"
        )
    days = [0, 5, 14, 31, 40, 60]
    with caplog.at_level(logging.WARNING):
        writer = database.writer()
        batch = batch_of("metrics", [sample("rpm", one * _DAY, one) for one in days])
        check_sum(writer.write(batch), batch)
        writer.close()
    assert any("overlap" in one for one in caplog.messages)
    found = dict(database.query("SELECT rpm, tableoid::regclass::text FROM sensor_log"))
    assert found == {0: "by_hand", 5: "by_hand", 14: "sensor_log_20260115",
                     31: "sensor_log_20260201", 40: "sensor_log_20260201",
                     60: "sensor_log_20260201"}  # fmt: skip
    store = database.store(keep_metrics="1d")
    assert isinstance(store, PostgresStore)
    dropped = Upkeep(store.conninfo, store.name, store.settings).once()
    assert "sensor_log_20260201" not in dropped  # its name is a day's, and it holds a century


def test_another_number_of_partition_days_goes_on_with_the_partitions_there_are(
    database: Database,
) -> None:
    for days in (1, 7, 3):
        writer = database.writer(partition_days=days)
        batch = batch_of("metrics", [sample("rpm", n * _DAY + days, n) for n in range(0, 20, 2)])
        check_sum(writer.write(batch), batch)
        writer.close()
    assert database.one("SELECT count(*) FROM sensor_log") == 30


@pytest.mark.parametrize(
    ("table", "column", "content"),
    [("metric_sample", "value", "metrics"), ("anomaly_history", "transition", "alerts"),
     ("outbox", "payload", "alerts")],
)  # fmt: skip
def test_a_column_somebody_dropped_meanwhile_ends_the_store_and_is_named(
    database: Database, table: str, column: str, content: str
) -> None:
    writer = database.writer()
    if not database.query(
        "SELECT 1 FROM information_schema.columns WHERE table_name = %s AND column_name = %s",
        table, column,
    ):  # fmt: skip
        column = database.one(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
            "AND column_name NOT IN ('id', 'time') ORDER BY ordinal_position DESC LIMIT 1", table,
        )  # fmt: skip
    database.query_none(f"ALTER TABLE {table} DROP COLUMN {column} CASCADE")
    values = [sample("other", 0, 1)] if content == "metrics" else alert_events(1)
    with pytest.raises(ConfigurationError, match=f'"?{column}"?.*add the column again'):
        writer.write(batch_of(content, values))
    writer.close()


@contextmanager
def _passwords(server: Postgres, role: str) -> Iterator[None]:
    """A role that needs its password."""
    rules = server.directory / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host all {role} {LOOPBACK}/32 scram-sha-256\n{before}")
    try:
        server.query("SELECT pg_reload_conf()", "postgres")
        yield
    finally:
        rules.write_text(before)
        server.query("SELECT pg_reload_conf()", "postgres")


def test_a_password_that_is_changed_is_read_again_and_no_start_is_needed(
    database: Database, tmp_path: Path
) -> None:
    config = tmp_path / "postgres.conf"

    def given(password: str) -> None:
        config.write_text(f"user=rotated\npassword={password}\n")

    database.query_none("DROP ROLE IF EXISTS rotated; CREATE ROLE rotated SUPERUSER LOGIN "
                        "PASSWORD 'first'")  # fmt: skip
    with _passwords(database.server, "rotated"):
        given("wrong")
        store = database.store(client_config=str(config))
        with pytest.raises(ConfigurationError, match="client_config=FILE") as found:
            store.open()
        assert "wrong" not in str(found.value)
        given("first")
        store.open().close()
        database.query_none("ALTER ROLE rotated PASSWORD 'second'")
        with pytest.raises(SinkError, match="password authentication failed"):
            store.open()  # waits, since it worked before
        given("second")
        store.open().close()
    database.query_none("DROP OWNED BY rotated CASCADE; DROP ROLE rotated")


def test_redis_reads_a_changed_password_again(tmp_path: Path) -> None:
    config = tmp_path / "redis.conf"
    config.write_text("password=first\n")
    port, part = redis_server(tmp_path / "redis", "--requirepass", "first")
    try:
        store = store_from_uri(f"redis://{LOOPBACK}:{port}/0", {"client_config": str(config)})
        store.open().close()
        with redis.Redis.from_url(f"redis://:first@{LOOPBACK}:{port}/0") as client:
            client.config_set("requirepass", "second")
        with pytest.raises(SinkError, match=r"redis\.conf"):
            store.open()
        config.write_text("password=second\n")
        bring(store, Content.METRICS, [[sample("torque_nm", 1, 2.5)]])
    finally:
        part.stop()


def _fill(client: redis.Redis) -> None:
    while True:
        client.rpush("ballast", b"x" * 100_000)


def test_a_redis_that_is_full_is_waited_for_and_says_what_to_do(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port, part = redis_server(tmp_path / "redis", "--maxmemory", "4mb")
    client = redis.Redis(LOOPBACK, port)
    try:
        store = store_from_uri(f"redis://{LOOPBACK}:{port}/0")
        writer = store.open()
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            _fill(client)
        alerts = batch_of("alerts", alert_events(50))
        with pytest.raises(SinkError, match=r"full.*maxmemory.*stream_length"):
            writer.write(alerts)
        writer.close()
        assert not client.exists("alerts")  # nothing of the transaction
        with pytest.raises(SinkError, match="maxmemory"):
            store.open()
        client.delete("ballast")
        writer = store.open()
        assert writer.write(alerts).written == 50
        writer.close()
        client.config_set("maxmemory-policy", "allkeys-lru")
        with caplog.at_level(logging.WARNING):
            store.open().close()
        assert any("allkeys-lru may evict the positions" in one for one in caplog.messages)
    finally:
        client.close()
        part.stop()


def test_a_key_that_holds_something_else_is_named_at_the_start(tmp_path: Path) -> None:
    port, part = redis_server(tmp_path / "redis")
    try:
        with redis.Redis(LOOPBACK, port) as client:
            for key, setting in (("alerts", "stream"), ("padit:positions", "positions_key")):
                client.set(key, "mine")
                with pytest.raises(ConfigurationError, match=r"WRONGTYPE.*rename"):
                    store_from_uri(f"redis://{LOOPBACK}:{port}/0").open()
                store_from_uri(f"redis://{LOOPBACK}:{port}/0", {setting: "other"}).open().close()
                client.delete(key)
    finally:
        part.stop()
