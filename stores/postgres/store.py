"""The store: what is checked when it is opened, and what works beside its writer."""

from collections.abc import Sequence

from psycopg import sql

from padit.connectors.uris import Address, sink_from_uri
from padit.domain.errors import SinkError
from padit.stores.base import Background, Content, Writer
from padit.stores.migrations import migrate
from padit.stores.postgres.connect import (
    Connection,
    connect,
    conninfo_of,
    name_of,
    translated,
    writable,
)
from padit.stores.postgres.relay import Relay
from padit.stores.postgres.settings import Settings
from padit.stores.postgres.shape import Tables
from padit.stores.postgres.upkeep import Upkeep
from padit.stores.postgres.writer import PostgresWriter

__all__ = ["PostgresStore", "prepared"]


class PostgresStore:
    """See `stores.base.Store`.

    Args:
        address: of the database.
        settings: see `Settings`.

    Raises:
        ConfigurationError: the address or `client_config` cannot be used.
    """

    raw = False
    wants_headers = False
    keeps_positions = True
    keeps_dead_letters = True

    def __init__(self, address: Address, settings: Settings) -> None:
        self.name = name_of(address)
        self.contents = frozenset(Content)
        self.settings = settings
        self._address = address
        self._first = True
        _ = self.conninfo  # a wrong one is an error of the start

    @property
    def conninfo(self) -> str:
        """Parameters of libpq; read anew, so that a password may change meanwhile."""
        return conninfo_of(self._address, self.settings)

    def open(self) -> Writer:
        """Connect, check, migrate, and take the lock of this reader."""
        connection = connect(self.conninfo, self.name, first=self._first)
        try:
            writable(connection, self.name, first=self._first)
            prepared(connection, self.name, self.settings, first=self._first)
            with translated(self.name, first=self._first):
                self._lead(connection)
                tables = Tables(connection, self.name, self.settings)
                tables.check(first=self._first)
                writer = PostgresWriter(connection, self.name, self.settings, tables)
        except BaseException:
            connection.close()
            raise
        self._first = False
        return writer

    def background(self) -> Sequence[Background]:
        """Retention and heartbeat; the relay, if there is one."""
        found: list[Background] = [Upkeep(lambda: self.conninfo, self.name, self.settings)]
        if self.settings.relay is not None:
            sink_from_uri(self.settings.relay)  # a wrong one is an error of the start
            found.append(Relay(lambda: self.conninfo, self.name, self.settings))
        return found

    def _lead(self, connection: Connection) -> None:
        """One process of a name writes. The lock ends with the connection, as its writes do."""
        row = connection.execute(
            "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))",
            (f"padit store {self.settings.in_schema} {self.settings.reader}",),
        ).fetchone()
        if not row or not row[0]:
            message = (
                f"{self.name}: another process writes as {self.settings.reader!r}; this one "
                "stands by"
            )
            raise SinkError(message)


def prepared(connection: Connection, name: str, settings: Settings, *, first: bool = True) -> None:
    """Make the schema, and bring the tables to the present version.

    Raises:
        ConfigurationError: the user may not; but for `first`, that is waited for.
        SinkError: the database is away, or in use.
        StateError: the tables are of another version.
    """
    with translated(name, first=first):
        there = connection.execute(
            "SELECT 1 FROM pg_namespace WHERE nspname = %s", (settings.in_schema,)
        ).fetchone()
        if there is None:
            connection.execute(
                sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(settings.in_schema))
            )
        migrate(connection, "stores", "padit.stores.migrations", "postgresql")
