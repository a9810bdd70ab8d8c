"""Questions to PostgreSQL from many threads; a server that is away costs one of them its patience.

After a failure to connect, questions are refused at once for a second, so a page whose database is
away answers as quickly as ever, and goes on by itself when it is back.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from padit.domain.errors import ConfigurationError, SinkError
from padit.stores.migrations import migrate

__all__ = ["Database", "text_of"]

_MOST_IDLE = 8
_PAUSE_SECONDS = 1.0
_SETTINGS = {
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "timezone": "UTC",
    "client_min_messages": "warning",
}
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)


class Database:
    """A database, with some connections that are kept.

    Args:
        address: `postgresql://user@host/database`; a password comes from PGPASSWORD or PGPASSFILE.
        schemas: where tables are looked for, in this order.

    Raises:
        ConfigurationError: it is no address, or it holds a password.
    """

    def __init__(self, address: str, schemas: str = "padit_alerting,padit_portal,public") -> None:
        try:
            parts = conninfo_to_dict(address)
        except psycopg.ProgrammingError as error:
            message = f"--store is no address of a database: {error}"
            raise ConfigurationError(message) from error
        if parts.get("password"):
            message = (
                "--store holds a password, which every user of this machine can read in the list "
                "of processes; give it by PGPASSWORD or PGPASSFILE"
            )
            raise ConfigurationError(message)
        settings = {**_SETTINGS, "search_path": schemas}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._conninfo = make_conninfo(
            address, connect_timeout=2, application_name="padit portal", options=options,
            tcp_user_timeout=5000, keepalives_idle=5, keepalives_interval=2, keepalives_count=2,
        )  # fmt: skip
        self.name = f"{parts.get('host', 'localhost')}/{parts.get('dbname', '')}"
        self._idle: list[psycopg.Connection[Any]] = []
        self._lock = threading.Lock()
        self._preparing = threading.Lock()
        self._prepared: set[str] = set()
        self._until = 0.0
        self._closed = False
        self.trouble = ""

    def rows(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement with `%s` for its values.

        Raises:
            SinkError: the server is away, or what is asked for does not exist.
        """
        with self.connection() as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def prepare(self, schema: str, name: str, folder: str) -> None:
        """Make a schema and its tables, when the server answers for the first time.

        Args:
            schema: its name.
            name: under which its migrations are counted.
            folder: of the migrations, in `portal.team.migrations`.

        Raises:
            SinkError: the server is away.
        """
        with self._preparing:
            if schema in self._prepared:
                return
            with self.connection() as connection:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
                connection.execute(f"SET search_path = {schema}")
                migrate(connection, name, "padit.portal.team.migrations", folder)
                connection.execute("RESET search_path")
            self._prepared.add(schema)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection in autocommit, for one use.

        Raises:
            SinkError: as `rows`.
        """
        connection = self._take()
        try:
            yield connection
        except _AWAY as error:
            connection.close()
            if isinstance(error, psycopg.errors.QueryCanceled):
                message = "the database took longer than 15 s for this; ask for a shorter span"
                raise SinkError(message) from error
            raise self._away(error) from error
        except psycopg.Error as error:
            connection.close()
            message = f"the database cannot answer: {_line(error)}"
            raise SinkError(message) from error
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)

    def _take(self) -> psycopg.Connection[Any]:
        with self._lock:
            while self._idle:
                found = self._idle.pop()
                if not found.closed:
                    return found
            if self._until > time.monotonic():
                raise SinkError(self.trouble or f"{self.name} is away")
        try:
            made = psycopg.connect(self._conninfo, autocommit=True)
        except _AWAY as error:
            raise self._away(error) from error
        self.trouble = ""
        return made

    def _away(self, error: psycopg.Error) -> SinkError:
        with self._lock:
            self._until = time.monotonic() + _PAUSE_SECONDS
            old, self._idle = self._idle, []
        for one in old:
            one.close()
        self.trouble = f"PostgreSQL at {self.name} is away: {_line(error)}"
        return SinkError(self.trouble)

    def _give_back(self, connection: psycopg.Connection[Any]) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the connections that nobody uses; the others close as they come back."""
        with self._lock:
            self._closed = True
            old, self._idle = self._idle, []
        for one in old:
            one.close()


def _line(error: BaseException) -> str:
    lines = [one.strip() for one in str(error).splitlines() if one.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]


def text_of(value: str) -> str:
    """What PostgreSQL can hold: no NUL, no lone surrogate; of very long words the beginning."""
    if "\0" in value:
        value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return value.encode("utf-8", "replace").decode()
