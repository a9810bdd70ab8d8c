"""One real PostgreSQL for the tests of stores; each test has a database of its own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.postgres import Postgres, start_postgres
from tests.stores.databases import Database


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """The server of this session."""
    made = start_postgres(tmp_path_factory.mktemp("postgres"))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def server(postgres: Postgres) -> Postgres:
    """The server alone, for tests that make databases themselves."""
    os.environ.setdefault("PGUSER", "padit")
    return postgres


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Database:
    """An empty database."""
    monkeypatch.setenv("PGUSER", "padit")
    return Database(postgres, postgres.database(f"db{uuid.uuid4().hex[:10]}"))
