"""`padit migrate`: what a hook of the chart does before an upgrade, against a real PostgreSQL."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from padit.alerting.store.opening import open_store
from padit.cli.main import main
from padit.devcluster.ports import free_port
from padit.portal.team.accounts import SharedTables
from tests.limits import allowed
from tests.postgres import Postgres, start_postgres
from tests.stores.databases import Database

PARTS = ("--alerting", "--store", "--portal")
OF_ALL = ("alerting", "store", "portal", "accounts")


def _uri(database: Database) -> str:
    return f"postgresql://padit@127.0.0.1:{database.server.port}/{database.name}"


def _store_uri(database: Database) -> str:
    return _uri(database).replace("padit@", "")  # the user comes from PGUSER, as for `padit store`


def _all(database: Database) -> list[str]:
    uri, store = _uri(database), _store_uri(database)
    return ["--alerting", uri, "--store", store, "--portal", uri]


def _said(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    lines = capsys.readouterr().out.splitlines()
    return dict(line.split(": ", 1) for line in lines)


def _schemas(database: Database) -> set[str]:
    rows = database.query("SELECT DISTINCT table_schema FROM information_schema.tables")
    return {row[0] for row in rows} - {"pg_catalog", "information_schema"}


def test_all_tables_are_made_once_and_then_complete(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", *_all(database)]) == 0
    made = _said(capsys)
    assert set(made) == set(OF_ALL)
    assert all(text.startswith("made 0001.sql") for text in made.values())
    assert main(["migrate", *_all(database)]) == 0
    assert set(_said(capsys).values()) == {"complete"}


def test_check_makes_nothing_and_fails_as_long_as_a_change_is_missing(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", "--check", *_all(database)]) == 1
    assert all(text.startswith("is missing 0001.sql") for text in _said(capsys).values())
    assert _schemas(database) == set()
    main(["migrate", *_all(database)])
    capsys.readouterr()
    assert main(["migrate", "--check", *_all(database)]) == 0
    assert set(_said(capsys).values()) == {"complete"}


def test_what_it_makes_is_what_the_parts_make_themselves(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    open_store(_uri(database)).close()
    accounts = SharedTables(_uri(database))
    assert accounts.rows("SELECT 1", ()) == [(1,)]
    accounts.close()
    main(["migrate", "--check", *_all(database)])
    found = _said(capsys)
    assert {part for part, text in found.items() if text == "complete"} == {"alerting", "accounts"}


def test_the_process_that_leads_goes_on_meanwhile(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    leader = open_store(_uri(database))
    try:
        assert main(["migrate", "--alerting", _uri(database)]) == 0
        assert _said(capsys) == {"alerting": "complete"}
        assert leader.execute("SELECT 1").fetchone() == (1,)
    finally:
        leader.close()


def test_several_hooks_at_once_make_each_change_once(database: Database) -> None:
    codes: list[int] = []
    hooks = [
        threading.Thread(target=lambda: codes.append(main(["migrate", *_all(database)])))
        for _ in range(4)
    ]
    for one in hooks:
        one.start()
    for one in hooks:
        one.join(allowed(60))
    assert codes == [0] * 4
    for schema in ("public", "padit_portal", "padit_accounts"):
        rows = database.query(f"SELECT name FROM {schema}.padit_migration")  # noqa: S608
        assert [name for (name,) in rows] == sorted({name for (name,) in rows})


def test_tables_of_a_newer_version_end_it_and_stay(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["migrate", "--store", _store_uri(database)])
    with database.server.connect(database.name) as connection:
        row = "('stores', '9999.sql', '', now())"
        connection.execute(f"INSERT INTO padit_migration VALUES {row}")  # noqa: S608
    before = database.query("SELECT count(*) FROM padit_migration")
    assert main(["migrate", "--store", _store_uri(database)]) == 1
    assert "newer version" in capsys.readouterr().err
    assert database.query("SELECT count(*) FROM padit_migration") == before


def test_a_wrong_database_is_refused_at_once_and_named(
    database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    code = main(["migrate", "--wait_sec=60", "--alerting", _uri(database) + "_nowhere"])
    assert code == 2
    assert "--alerting" in capsys.readouterr().err
    assert time.monotonic() - began < allowed(20)


def test_a_server_that_is_away_is_waited_for_and_then_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    uri = f"postgresql://padit@127.0.0.1:{free_port()}/plant"
    assert main(["migrate", "--wait_sec=1.5", "--alerting", uri]) == 1
    assert "is away" in capsys.readouterr().err


def test_a_server_that_comes_up_later_gets_its_tables(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    made: Postgres = start_postgres(tmp_path_factory.mktemp("late"))
    uri = f"postgresql://padit@127.0.0.1:{made.port}/postgres"
    made.part.kill()
    try:
        codes: list[int] = []
        waiting = threading.Thread(
            target=lambda: codes.append(main(["migrate", "--wait_sec=60", "--alerting", uri]))
        )
        waiting.start()
        time.sleep(1.5)
        assert waiting.is_alive()
        made.part.start()
        waiting.join(allowed(60))
        assert codes == [0]
        assert _said(capsys)["alerting"].startswith("made 0001.sql")
        with psycopg.connect(uri) as connection:
            row = connection.execute("SELECT count(*) FROM padit_alerting.migration").fetchone()
        assert row is not None
        assert row[0] >= 1
    finally:
        made.stop()


@pytest.mark.parametrize(
    ("given", "said"),
    [([], "name at least one database"),
     (["--store", "redis://127.0.0.1:6379/0"], "only PostgreSQL")],
)  # fmt: skip
def test_what_cannot_be_done_is_an_error_of_the_command_line(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["migrate", *given]) == 2
    assert said in capsys.readouterr().err
