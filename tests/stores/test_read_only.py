"""Servers that take nothing for a while: it is told and waited for, and all is there afterwards."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
import redis

from padit.devcluster.ports import LOOPBACK, free_port
from padit.domain.errors import SinkError
from padit.stores.base import Content, RefusedError
from padit.stores.postgres.connect import translated
from padit.stores.postgres.relay import Relay
from padit.stores.postgres.store import PostgresStore
from padit.stores.registry import store_from_uri
from tests.adapters.live import until
from tests.parts import KafkaPart, required_program
from tests.postgres import Postgres, start_postgres
from tests.stores.at_work import at_work
from tests.stores.databases import Database, alert_events, sample
from tests.stores.servers import redis_server
from tests.stores.test_relay import read, running


def _set(server: Postgres, text: str) -> None:
    with contextlib.closing(server.connect("postgres")) as connection:
        connection.execute(b"SET default_transaction_read_only = off")
        connection.execute(text.encode())
        connection.execute(b"SELECT pg_reload_conf()")


@contextmanager
def _read_only(server: Postgres) -> Iterator[None]:
    _set(server, "ALTER SYSTEM SET default_transaction_read_only = on")
    try:
        yield
    finally:
        _set(server, "ALTER SYSTEM RESET default_transaction_read_only")


def test_a_database_that_turns_read_only_is_told_held_and_caught_up(
    database: Database, kafka: KafkaPart, caplog: pytest.LogCaptureFixture
) -> None:
    topic, events = kafka.topic("anomaly-alerts"), alert_events(120)
    store = database.store(relay=kafka.uri(topic))
    assert isinstance(store, PostgresStore)
    relay = Relay(lambda: store.conninfo, store.name, store.settings)
    with running(relay), at_work(store, Content.ALERTS, events[:40]) as work:
        work.caught_up()
        for round_ in (1, 2):  # it may happen again
            caplog.clear()
            with caplog.at_level(logging.WARNING), _read_only(database.server):
                work.more(events[40 * round_ : 40 * round_ + 40])
                work.held()
                assert database.one("SELECT count(*) FROM outbox") == 40 * round_
            told = [one for one in caplog.messages if "read-only" in one]
            assert any("target_session_attrs=read-write" in one for one in told), caplog.messages
            work.caught_up()
        assert read(kafka, topic, 120) == events
    assert database.one("SELECT count(*) FROM anomaly_history") == 120
    assert database.one("SELECT count(*) FROM dead_letter") == 0


@pytest.mark.parametrize("what", ["", "that generate new MultiXactIds "])
def test_a_server_that_closes_before_a_wraparound_is_waited_for(what: str) -> None:
    text = f"database is not accepting commands {what}to avoid wraparound data loss in database"
    with pytest.raises(SinkError, match="wraparound"), translated("a store"):
        raise psycopg.errors.ProgramLimitExceeded(text)
    with pytest.raises(RefusedError), translated("a store"):
        raise psycopg.errors.ProgramLimitExceeded("index row size 9000 exceeds maximum 2712")


def test_a_database_that_is_made_anew_is_filled_again(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    events = alert_events(90)
    with at_work(database.store(), Content.ALERTS, events[:50]) as work:
        work.caught_up()
        with contextlib.closing(database.server.connect("postgres")) as administrator:
            administrator.execute(f'DROP DATABASE "{database.name}" WITH (FORCE)'.encode())
            work.more(events[50:])
            work.held()
            administrator.execute(f'CREATE DATABASE "{database.name}"'.encode())
        until(lambda: work.loop.counts.written == 140, "all of them, the first ones again", 60)
        assert not work.errors
    assert "is behind where it was; reading begins there" in caplog.text
    found = database.query("SELECT payload FROM outbox ORDER BY txid, seq")
    assert [one.encode() for (one,) in found] == events


def _standby(primary: Postgres, directory: Path) -> Postgres:
    """A replica of a server, from a base backup."""
    program = required_program("pg_basebackup")
    source = f"host={LOOPBACK} port={primary.port} user=padit"
    subprocess.run(
        [program.path, "--dbname", source, "--pgdata", str(directory / "data"), "--no-sync",
         "--write-recovery-conf", "--checkpoint=fast", "--wal-method=stream"],
        env=dict(program.environment), check=True, capture_output=True,
    )  # fmt: skip
    return start_postgres(directory, made=True)


def test_a_replica_that_is_promoted_goes_on_where_the_primary_ended(
    kafka: KafkaPart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both hosts in the address, as the documentation says; the relay goes along."""
    monkeypatch.setenv("PGUSER", "padit")
    topic, events = kafka.topic("anomaly-alerts"), alert_events(150)
    config = tmp_path / "postgres.conf"
    config.write_text("target_session_attrs=read-write\n")
    primary = start_postgres(tmp_path / "primary")
    standby = None
    try:
        primary.database("plant")
        standby = _standby(primary, tmp_path / "standby")
        hosts = ",".join(f"{LOOPBACK}:{one.port}" for one in (primary, standby))
        given = {"relay": kafka.uri(topic), "client_config": str(config), "timeout_sec": 5}
        store = store_from_uri(f"postgresql://{hosts}/plant", given)
        samples = store_from_uri(f"postgresql://{hosts}/plant", {**given, "reader": "samples"})
        assert isinstance(store, PostgresStore)
        relay = Relay(lambda: store.conninfo, store.name, store.settings)
        rows = [sample("rpm", n, n) for n in range(900)]
        with (
            running(relay),
            at_work(store, Content.ALERTS, events[:50]) as alerts,
            at_work(samples, Content.METRICS, rows[:300]) as metrics,
        ):
            alerts.caught_up()
            metrics.caught_up()
            _replayed(primary, standby)
            primary.kill()
            alerts.more(events[50:100])
            metrics.more(rows[300:600])
            alerts.held()  # there is only the replica, which takes nothing
            standby.query("SELECT pg_promote()", "plant")
            alerts.more(events[100:])
            metrics.more(rows[600:])
            alerts.caught_up()
            metrics.caught_up()
            assert read(kafka, topic, 150, 60) == events
        counted = "SELECT count(*), sum(rpm) FROM sensor_log"
        assert standby.query(counted, "plant") == [(900, sum(range(900)))]
        assert standby.query("SELECT count(*) FROM outbox", "plant") == [(150,)]
    finally:
        primary.stop()
        if standby is not None:
            standby.stop()


def _replayed(primary: Postgres, standby: Postgres) -> None:
    """Wait until the replica has all that the primary has."""
    at = primary.query("SELECT pg_current_wal_lsn()::text", "postgres")[0][0]
    has = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
    until(lambda: standby.query(has, "postgres", at)[0][0], "the replica has everything", 30)


def _replica(client: redis.Redis, folder: Path) -> Callable[[], Any]:
    """A Redis that was made a replica of another, which is not there."""
    client.replicaof(LOOPBACK, str(free_port()))
    return lambda: client.replicaof("no", "one")


def _cannot_save(client: redis.Redis, folder: Path) -> Callable[[], Any]:
    """A Redis that cannot write its snapshots takes no writes (MISCONF)."""
    gone = folder / "gone"
    gone.mkdir()
    client.config_set("dir", str(gone))
    client.config_set("save", "3600 1")
    shutil.rmtree(gone)
    client.set("something", "1")
    with contextlib.suppress(redis.ResponseError):
        client.bgsave()
    until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", "failure", 20)

    def mended() -> None:
        client.config_set("dir", str(folder))
        client.config_set("save", "")

    return mended


def _too_few_replicas(client: redis.Redis, folder: Path) -> Callable[[], Any]:
    client.config_set("min-replicas-to-write", 1)
    return lambda: client.config_set("min-replicas-to-write", 0)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [(_replica, "read only replica"), (_cannot_save, "MISCONF|RDB"), (_too_few_replicas, "NOREPL")],
)
def test_a_redis_that_takes_no_writes_is_told_held_and_caught_up(
    tmp_path: Path,
    trouble: Callable[[redis.Redis, Path], Callable[[], Any]],
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    port, part = redis_server(tmp_path / "redis", "--enable-protected-configs", "yes")
    events = alert_events(80)
    client = redis.Redis(LOOPBACK, port)
    try:
        store = store_from_uri(f"redis://{LOOPBACK}:{port}/0")
        with caplog.at_level(logging.WARNING), at_work(store, Content.ALERTS, events[:30]) as work:
            work.caught_up()
            mend = trouble(client, tmp_path / "redis")
            work.more(events[30:])
            work.held()
            assert any(re.search(said, one) for one in caplog.messages), caplog.messages
            mend()
            work.caught_up()
        assert [one[b"event"] for _, one in cast(Any, client.xrange("alerts"))] == events
    finally:
        client.close()
        part.stop()
