"""Changes of tables: each once, in order, checked by digest, one process at a time."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from padit.domain.errors import StateError
from padit.stores.migrations import migrate, migrations_in
from tests.stores.databases import Database


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with two changes."""
    folder = tmp_path / "changes_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "0001.sql").write_text("CREATE TABLE a (n int); INSERT INTO a VALUES (1);")
    (folder / "0002.sql").write_text("ALTER TABLE a ADD COLUMN m int;\nUPDATE a SET m = n;")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder.name
    sys.modules.pop(folder.name, None)


def _migrate(database: Database, package: str, component: str = "test") -> list[str]:
    with database.server.connect(database.name) as connection:
        return migrate(connection, component, package)


def test_changes_are_made_once_and_in_order(database: Database, package: str) -> None:
    assert _migrate(database, package) == ["0001.sql", "0002.sql"]
    assert _migrate(database, package) == []
    assert database.query("SELECT n, m FROM a") == [(1, 1)]


def test_a_change_that_was_edited_afterwards_is_refused(
    database: Database, package: str, tmp_path: Path
) -> None:
    _migrate(database, package)
    (tmp_path / package / "0001.sql").write_text("CREATE TABLE b (n int)")
    with pytest.raises(StateError, match=r"0001\.sql of test is not the one that was made"):
        _migrate(database, package)


def test_tables_of_a_newer_version_are_refused(
    database: Database, package: str, tmp_path: Path
) -> None:
    _migrate(database, package)
    (tmp_path / package / "0002.sql").unlink()
    with pytest.raises(StateError, match="newer version"):
        _migrate(database, package)


def test_a_change_that_fails_leaves_nothing_and_is_made_later(
    database: Database, package: str, tmp_path: Path
) -> None:
    good = (tmp_path / package / "0002.sql").read_text()
    (tmp_path / package / "0002.sql").write_text("ALTER TABLE a ADD COLUMN m int; SELECT 1/0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        _migrate(database, package)
    (tmp_path / package / "0002.sql").write_text(good)
    assert _migrate(database, package) == ["0002.sql"]


def test_several_that_start_together_do_not_meet(database: Database, package: str) -> None:
    made: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: made.append(_migrate(database, package))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [[]] * 5 + [["0001.sql", "0002.sql"]]


def test_the_stores_own_changes_are_numbered_without_a_gap() -> None:
    names = [one.name for one in migrations_in("padit.stores.migrations", "postgresql")]
    assert names == [f"{n:04d}.sql" for n in range(1, len(names) + 1)]
