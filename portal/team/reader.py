"""Alerting's store in PostgreSQL, read beside the process that writes it."""

from collections.abc import Sequence
from typing import Any

from padit.alerting.reading import LogReader
from padit.portal.team.database import Database

__all__ = ["TeamReader"]


class TeamReader(LogReader):
    """Reads the store; for any number of threads.

    Args:
        database: that holds it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """See `Reads`."""
        return self._database.rows(statement.replace("?", "%s"), values)

    def close(self) -> None:
        """The database closes by itself."""
