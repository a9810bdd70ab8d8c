"""Accounts in PostgreSQL, for portals that stand for each other: a user of one is a user of all."""

from collections.abc import Sequence
from typing import Any

from padit.portal.team.database import Database, text_of

__all__ = ["SCHEMA", "SharedTables"]

SCHEMA = "padit_accounts"


class SharedTables:
    """The tables of `portal.accounts`, made when the database answers for the first time.

    Args:
        address: `postgresql://user@host/database`.

    Raises:
        ConfigurationError: it is none.
    """

    def __init__(self, address: str) -> None:
        self._database = Database(address, SCHEMA)

    def rows(self, query: str, arguments: Sequence[object]) -> list[tuple[Any, ...]]:
        """Rows of a query with `?` for its values.

        Raises:
            SinkError: the database is away.
        """
        return self._run(query, arguments)[0]

    def change(self, query: str, arguments: Sequence[object]) -> int:
        """Change rows; how many.

        Raises:
            SinkError: the database is away; nothing is changed.
        """
        return self._run(query, arguments)[1]

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _run(self, query: str, arguments: Sequence[object]) -> tuple[list[tuple[Any, ...]], int]:
        self._database.prepare(SCHEMA, "accounts", "accounts")
        values = [text_of(one) if isinstance(one, str) else one for one in arguments]
        with self._database.connection() as connection:
            cursor = connection.execute(query.replace("?", "%s").encode(), values)
            return (cursor.fetchall() if cursor.description else []), cursor.rowcount
