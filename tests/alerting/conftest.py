"""One PostgreSQL for all tests of alerting; each test has a database of its own."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Postgres, postgres

__all__ = ["address", "server"]


@pytest.fixture(scope="session")
def server(parts_directory: Path) -> Iterator[Postgres]:
    """A running PostgreSQL."""
    with postgres(parts_directory / "postgres-alerting") as made:
        yield made


@pytest.fixture
def address(server: Postgres) -> str:
    """Of a database that no other test has, as `--data` takes it."""
    return address_in(server)


def address_in(server: Postgres) -> str:
    """A new database of a server, as `--data` takes it."""
    name = server.database(f"alerting_{uuid.uuid4().hex[:10]}")
    return server.uri(name).replace("//", "//padit@")
