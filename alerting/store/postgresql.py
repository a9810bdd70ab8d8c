"""The store in PostgreSQL, for several hosts: one process leads by an advisory lock.

The lock belongs to the session that writes, so a process that loses the connection no longer leads.
The server notices a host that has vanished within 10 s (`tcp_user_timeout`), and, from version 14
on, ends the session of a process that is there but paused: longer silent than it said (`alive`).
A connection that broke is made again; if another process leads by then, this one stands by.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict

from padit.alerting.store.base import LeadLostError, LeadTakenError, Store, changes
from padit.domain.errors import ConfigurationError, SinkError

__all__ = ["LEAD", "SCHEMA", "PostgresStore"]

SCHEMA = "padit_alerting"
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
_CONNECTING: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": "padit alerting",
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 9_000,
}
_HAS_IDLE_TIMEOUT = 140_000
_SESSION = (
    f"SET search_path = {SCHEMA}",
    "SET lock_timeout = '10s'",
    # The server lets go of the lock of a process that is paused, within a transaction and without.
    "SET idle_in_transaction_session_timeout = '7s'",
    # The server lets go of the lock of a host that has vanished.
    "SET tcp_keepalives_idle = 3",
    "SET tcp_keepalives_interval = 2",
    "SET tcp_keepalives_count = 3",
    "SET tcp_user_timeout = 9000",
)


class PostgresStore(Store):
    """Opens or makes the store.

    Args:
        address: `postgresql://user@host/database`; a password comes from the environment
            (PGPASSWORD) or from libpq's file of passwords (PGPASSFILE), never from here.
        leading: whether this process writes; only one may, others wait or read.

    Raises:
        ConfigurationError: the address is wrong, or another process leads (`LeadTakenError`).
        SinkError: no server answers.
    """

    def __init__(self, address: str, *, leading: bool = True) -> None:
        self._address = _checked(address)
        self._leading = leading
        self._open: psycopg.Connection[Any] | None = None
        self._led = False
        self._session: int | None = None
        self._connect()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """As in `Store`; NULs, which PostgreSQL cannot hold, are replaced in text."""
        given = [
            one.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(one, str) else one
            for one in values
        ]
        try:
            return self._connection().execute(_with_placeholders(statement), given)
        except _AWAY as error:
            raise _away(error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """As in `Store`."""
        connection = self._connection()
        try:
            with connection.transaction():
                yield
        except _AWAY as error:
            raise _away(error) from error

    def alive(self, seconds: int) -> None:
        """As in `Store`."""
        if self._connection().info.server_version >= _HAS_IDLE_TIMEOUT:
            self.execute(f"SET idle_session_timeout = '{seconds:d}s'")

    @property
    def session(self) -> int | None:
        """As in `Store`."""
        connection = self._open
        return None if connection is None or connection.closed else self._session

    def led_by(self, session: int | None) -> bool:
        """As in `Store`."""
        row = (
            session is not None
            and self.execute(
                "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND pid = ? AND (classid::bigint << 32) | objid::bigint = ? AND database = "
                "(SELECT oid FROM pg_database WHERE datname = current_database()))",
                (session, LEAD),
            ).fetchone()
        )
        return row == (True,)

    def close(self) -> None:
        """As in `Store`."""
        if self._open is not None:
            self._open.close()

    def _connection(self) -> psycopg.Connection[Any]:
        if self._open is None or self._open.closed:
            self._connect()
        return cast("psycopg.Connection[Any]", self._open)

    def _connect(self) -> None:
        self.close()
        self._open = None
        try:
            connection = psycopg.connect(self._address, autocommit=True, **_CONNECTING)
        except psycopg.OperationalError as error:
            raise _away(error) from error
        try:
            self._begin(connection)
        except BaseException:
            connection.close()
            raise
        self._session = connection.info.backend_pid
        self._open = connection

    def _begin(self, connection: psycopg.Connection[Any]) -> None:
        """Take the lead, if wanted, and bring the tables to the present version."""
        try:
            for one in _SESSION:
                connection.execute(one)
            if self._leading:
                row = connection.execute("SELECT pg_try_advisory_lock(%s)", (_key("lead"),))
                if row.fetchone() != (True,):
                    self._refuse_lead(connection)
                self._led = True
            _migrate(connection)
        except _AWAY as error:
            raise _away(error) from error
        except psycopg.ProgrammingError as error:
            message = f"this database cannot hold the store of alerting: {error}"
            raise ConfigurationError(message) from error

    def _refuse_lead(self, connection: psycopg.Connection[Any]) -> None:
        place = f"{connection.info.host}:{connection.info.port}/{connection.info.dbname}"
        if self._led:
            message = f"another process leads in {place} since the connection broke"
            raise LeadLostError(message)
        message = f"another process leads in {place}; wait for it, or give another --data"
        raise LeadTakenError(message)


def _checked(address: str) -> str:
    try:
        parts = conninfo_to_dict(address)
    except psycopg.ProgrammingError as error:
        message = f"--data is no address of a database: {error}"
        raise ConfigurationError(message) from error
    if parts.get("password"):
        message = (
            "--data holds a password, which every user of this machine can read in the list of "
            "processes; give it by PGPASSWORD or PGPASSFILE"
        )
        raise ConfigurationError(message)
    return address


@lru_cache(maxsize=256)
def _with_placeholders(statement: str) -> str:
    return statement.replace("?", "%s")


def _key(what: str) -> int:
    digest = hashlib.sha256(f"{SCHEMA} {what}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


LEAD = _key("lead")
"""The advisory lock that the leading process holds."""


def _away(error: psycopg.Error) -> SinkError:
    return SinkError(f"the store of alerting cannot be used: {' '.join(str(error).split())}"[:500])


def _migrate(connection: psycopg.Connection[Any]) -> None:
    """Bring the tables to the present version; of several processes one makes each change."""
    if not _exists(connection) or changes("postgresql", _done(connection)):
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_key("tables"),))
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, digest TEXT)"
            )
            for one in changes("postgresql", _done(connection)):
                connection.execute(one.text)
                connection.execute("INSERT INTO migration VALUES (%s, %s)", (one.name, one.digest))


def _exists(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.migration",)).fetchone()
    return row is not None and row[0] is not None


def _done(connection: psycopg.Connection[Any]) -> dict[str, str]:
    return dict(connection.execute("SELECT name, digest FROM migration").fetchall())
