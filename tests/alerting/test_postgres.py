"""The store in PostgreSQL: the tables and contents of SQLite's, one leader, nothing lost."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from padit.alerting.effects import Handed
from padit.alerting.recorded import of_store
from padit.alerting.records import Record
from padit.alerting.sequencer import Alerting
from padit.alerting.store.base import LeadLostError, LeadTakenError, Store
from padit.alerting.store.opening import open_store
from padit.alerting.store.postgresql import SCHEMA, PostgresStore
from padit.alerting.store.sqlite import SqliteStore
from padit.cli.main import main
from padit.domain.audit import JobProgress, encode_record
from padit.domain.errors import ConfigurationError, SinkError, StateError
from tests.alerting.making import at, cloud_event, config_of, event
from tests.alerting.receiving import receiving
from tests.alerting.test_service import _write as write_alerts
from tests.limits import allowed
from tests.postgres import Postgres, start_postgres

SETTLED = """
receivers: {ops: {kind: webhook, url: "http://127.0.0.1:1/"}}
routes: [{name: all, receiver: ops, settle: 0s}]
"""
_TYPES = {"BLOB": "bytea", "INTEGER": "bigint", "REAL": "double precision", "TEXT": "text"}
_TABLES = (
    "attempt", "command_result", "delivery", "feedback", "job_progress", "log", "migration",
    "outcome", "position", "refused", "snapshot",
)  # fmt: skip


def _records() -> list[Record]:
    """Alerts, a command, progress, and what is none of these; names hold all kinds of signs."""
    names = ("press-1", "p\u0000ress", "\N{PILE OF POO}", "\u202eabc", "'; DROP TABLE log; --")
    lines: list[tuple[str, bytes]] = []
    for number, source in enumerate(names):
        for kind, minutes in (("opened", number * 9), ("resolved", number * 9 + 5)):
            made = event(kind, minutes, f"a{number}", source=source, opened=at(number * 9))
            lines.append(("alert", cloud_event(made)))
    lines.append(("audit", encode_record(JobProgress(at(60), "r", "s", 0, 1))))
    lines.append(("alert", b"\xff\x00"))
    judged = b'{"id": "f\\u0000", "time": "2026-03-01T08:50:00Z", "by": "ann", '
    lines.append(("command", judged + b'"kind": "feedback", "target": {"source": "*"}}'))
    return [Record(kind, "f", 0, i, i + 1, line) for i, (kind, line) in enumerate(lines)]


def _contents(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All rows but for the numbers, in which PostgreSQL leaves gaps; NULs as it keeps them."""
    found = {}
    for table in _TABLES:
        if table == "migration":
            continue
        rows = [tuple(row) for row in store.execute(f"SELECT * FROM {table}")]  # noqa: S608
        if table in ("log", "delivery"):
            rows = [row[1:] for row in sorted(rows)]
        elif table == "snapshot":
            rows = [row[2:] for row in rows]
        plain = [
            tuple(one.replace("\0", "\ufffd") if isinstance(one, str) else one for one in row)
            for row in rows
        ]
        found[table] = plain if table in ("log", "delivery") else sorted(plain)
    return found


def test_both_stores_have_the_same_tables(address: str, tmp_path: Path) -> None:
    SqliteStore(tmp_path).close()
    PostgresStore(address).close()
    lite = sqlite3.connect(tmp_path / "alerting.sqlite")
    with psycopg.connect(address) as connection:
        for table in _TABLES:
            columns = lite.execute(f"PRAGMA table_info({table})").fetchall()
            expected = [(name, _TYPES[kind]) for _, name, kind, *_ in columns]
            found = connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
                (SCHEMA, table),
            ).fetchall()
            assert found == expected, table
            unique = {
                tuple(row[2] for row in lite.execute(f"PRAGMA index_info({index})"))
                for _, index, is_unique, *_ in lite.execute(f"PRAGMA index_list({table})")
                if is_unique
            }
            key = tuple(row[1] for row in sorted(columns, key=lambda row: row[5]) if row[5])
            assert unique | ({key} if key else set()) == _unique_in(connection, table), table
    lite.close()


def _unique_in(connection: psycopg.Connection[Any], table: str) -> set[tuple[str, ...]]:
    rows = connection.execute(
        "SELECT array_agg(a.attname ORDER BY array_position(i.indkey::int[], a.attnum::int)) "
        "FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid "
        "AND a.attnum = ANY(i.indkey) WHERE i.indisunique AND i.indrelid = %s::regclass "
        "GROUP BY i.indexrelid",
        (f"{SCHEMA}.{table}",),
    )
    return {tuple(names) for (names,) in rows}


def test_the_same_log_gives_the_same_rows_in_both(address: str, tmp_path: Path) -> None:
    stores = [SqliteStore(tmp_path), PostgresStore(address)]
    found = []
    for store in stores:
        core = Alerting(config_of(SETTLED), store)
        records = _records()
        core.take(records[:4])
        core.save()
        core = Alerting(config_of(SETTLED), store)  # restored from its state
        core.take(records[4:])
        core.take(records)  # the same once more changes nothing
        core.finish()
        core.save()
        found.append(_contents(store))
        store.close()
    assert found[0] == found[1]
    assert len(found[0]["delivery"]) == 10
    assert len(found[0]["refused"]) == 1
    assert of_store(address) == of_store(tmp_path)


def test_one_process_leads_and_the_next_takes_over(address: str) -> None:
    first = open_store(address)
    with pytest.raises(LeadTakenError, match="another process leads in 127"):
        open_store(address)
    open_store(address, leading=False).close()
    first.close()
    open_store(address).close()


def test_a_leader_that_is_killed_is_followed_within_ten_seconds(
    address: str, tmp_path: Path
) -> None:
    with receiving() as got:
        got.answer = lambda number: time.sleep(1.0) or _ok()  # type: ignore[func-returns-value]
        command = [sys.executable, "-m", "padit.cli.main", *write_alerts(tmp_path, got.url, 4)]
        command[command.index("--data") + 1] = address
        leader = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + allowed(30)
        while not got.requests:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            assert second.stderr is not None
            assert "stands by" in second.stderr.readline()
            leader.send_signal(signal.SIGKILL)
            leader.wait(allowed(10))
            killed, before = time.monotonic(), len(got.requests)
            while len(got.requests) <= before + 1:  # one may have been under way
                assert time.monotonic() - killed < allowed(10)
                time.sleep(0.05)
            assert second.wait(allowed(60)) == 0
        finally:
            for one in (leader, second):
                one.kill()
                one.wait(allowed(10))
            if second.stderr is not None:
                second.stderr.close()
    assert len({one["id"] for one in got.events}) == 8
    store = open_store(address, leading=False)
    assert store.counts()["all"] == {"handed": 8, "message delivered": 8}
    store.close()


def test_a_leader_that_sleeps_is_followed_within_ten_seconds_and_sends_nothing_more_when_it_wakes(
    address: str, tmp_path: Path
) -> None:
    """A paused process, whose system still answers for it: the server ends its session."""
    with receiving() as got:
        got.answer = lambda number: time.sleep(0.3) or _ok()  # type: ignore[func-returns-value]
        command = [sys.executable, "-m", "padit.cli.main", *write_alerts(tmp_path, got.url, 12)]
        command[command.index("--data") + 1] = address
        first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        second: subprocess.Popen[str] | None = None
        assert first.stderr is not None
        try:
            _until(lambda: len(got.requests) >= 2)
            second = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            assert second.stderr is not None
            assert "stands by" in second.stderr.readline()
            first.send_signal(signal.SIGSTOP)
            asleep, before = time.monotonic(), len(got.requests)
            _until(lambda: len(got.requests) > before + 2)
            assert time.monotonic() - asleep < allowed(10)
            first.send_signal(signal.SIGCONT)
            assert second.wait(allowed(60)) == 0
            assert first.wait(allowed(60)) == 0  # it stood by, and found all of it done
            said = first.stderr.read()
        finally:
            for one in (first, second):
                if one is not None:
                    one.kill()
                    one.wait(allowed(10))
                    if one.stderr is not None:
                        one.stderr.close()
    # On a slow machine the next one may have done all of it before this one came back.
    assert "another process leads" in said or "terminating connection due to idle" in said
    times = Counter(str(one["id"]) for one in got.events)
    assert len(times) == 24
    assert sum(times.values()) <= 25  # only what was under way when it fell asleep came twice
    store = open_store(address, leading=False)
    assert store.counts()["all"] == {"handed": 24, "message delivered": 24}
    store.close()


def test_who_leads_is_known_to_a_connection_beside_it(address: str) -> None:
    first, beside = open_store(address), open_store(address, leading=False)
    led = first.session
    assert led is not None
    assert beside.led_by(led)
    assert not beside.led_by(beside.session)
    assert not beside.led_by(None)
    first.close()
    assert first.session is None
    second = open_store(address)
    assert not beside.led_by(led)
    assert beside.led_by(second.session)
    for one in (second, beside):
        one.close()


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + allowed(30)
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def _ok() -> Any:
    from tests.alerting.receiving import Answer

    return Answer()


def test_a_server_that_dies_in_a_transaction_leaves_nothing_of_it_and_work_goes_on(
    tmp_path: Path,
) -> None:
    """Its own server, which is killed; meanwhile another process may take the lead."""
    own = start_postgres(tmp_path / "own")
    try:
        own.database("padit")
        address = own.uri().replace("//", "//padit@")
        store = open_store(address)
        core = Alerting(config_of(SETTLED), store)
        core.take(_records()[:2])
        with pytest.raises(SinkError, match="cannot be used"):
            _die_in_a_transaction(own, store, core)
        with pytest.raises(SinkError):
            core.take(_records()[2:4])
        own.restart()
        effects = core.take(_records()[2:4])
        assert [one.kind for one in effects if isinstance(one, Handed)] == ["opened", "resolved"]
        assert len(list(store.entries())) == 4
        own.kill()
        own.restart()
        other = open_store(address)
        with pytest.raises(SinkError, match="cannot be used"):  # the connection is broken
            core.take(_records()[4:6])
        with pytest.raises(LeadLostError, match="another process leads"):
            core.take(_records()[4:6])
        other.close()
        store.close()
    finally:
        own.stop()


def _die_in_a_transaction(own: Postgres, store: Store, core: Alerting) -> None:
    class Dying(Store):
        """The server dies behind the first row."""

        def execute(self, statement: str, values: Any = ()) -> Any:
            found = store.execute(statement, values)
            if statement.startswith("INSERT INTO log"):
                row = found.fetchall()
                own.kill()
                return _Rows(row)
            return found

        def transaction(self) -> Any:
            return store.transaction()

        def close(self) -> None:
            store.close()

    core._store = Dying()
    try:
        core.take(_records()[2:4])
    finally:
        core._store = store


class _Rows:
    """Rows as a cursor gives them."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def fetchone(self) -> Any:
        """The first."""
        return self._rows[0] if self._rows else None


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("postgresql://padit:secret@127.0.0.1/x", "give it by PGPASSWORD"),
        ("postgresql://padit@127.0.0.1/x?password=secret", "give it by PGPASSWORD"),
        ("postgresql://127.0.0.1/x?colour=red", "no address of a database"),
    ],
)
def test_a_wrong_address_is_refused_and_shows_no_password(place: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as error:
        open_store(place)
    assert "secret" not in str(error.value)


def test_a_server_that_is_not_there_and_a_database_that_is_not_are_named(
    server: Postgres, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text(SETTLED)
    (tmp_path / "a.jsonl").touch()
    for place in ("postgresql://padit@127.0.0.1:1/x", server.uri("none").replace("//", "//padit@")):
        code = main(["alerting", "--config", str(tmp_path / "c.yaml"),
                     "--alerts", str(tmp_path / "a.jsonl"), "--data", place])  # fmt: skip
        assert code != 0
        assert "the store of alerting cannot be used" in capsys.readouterr().err


def test_a_user_who_may_not_make_tables_is_named(server: Postgres, address: str) -> None:
    name = str(conninfo_to_dict(address)["dbname"])
    with server.connect(name) as connection:
        connection.execute(f"CREATE ROLE guest_{name} LOGIN".encode())
    with pytest.raises(ConfigurationError, match="permission denied"):
        open_store(address.replace("padit@", f"guest_{name}@"))


def test_a_change_of_the_tables_that_is_not_the_one_that_was_made_is_refused(
    server: Postgres, address: str
) -> None:
    open_store(address).close()
    name = str(conninfo_to_dict(address)["dbname"])
    with server.connect(name) as connection:
        connection.execute(f"SET search_path = {SCHEMA}".encode())
        connection.execute("UPDATE migration SET digest = 'x' WHERE name = '0001.sql'")
    with pytest.raises(StateError, match=r"0001\.sql"):
        open_store(address)


def test_the_commands_read_a_store_in_postgresql(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving() as got:
        command = write_alerts(tmp_path, got.url, 2)
        command[command.index("--data") + 1] = address
        assert main(command) == 0
    assert len(got.requests) == 4
    assert main(["dlq", "list", "--data", address]) == 0
    assert "0 dead messages" in capsys.readouterr().out
    config = str(tmp_path / "alerting.yaml")
    assert main(["whatif", "--config", config, "--now", config, "--data", address]) == 0
    assert "4 transitions of alerts; pages now 2, then 2" in capsys.readouterr().out
