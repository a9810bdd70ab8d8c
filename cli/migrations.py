"""What tables a part of PADIT has in PostgreSQL, what is missing of them, and how it is made.

Each part makes its own tables when it starts; here the same is done beforehand, by the same code,
so that an upgrade fails before a process is replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from padit.connectors.uris import parse_address
from padit.domain.errors import ConfigurationError
from padit.stores.migrations import pending

if TYPE_CHECKING:
    import psycopg

__all__ = ["Tables", "missing", "tables_of"]


@dataclass(frozen=True)
class Tables:
    """Tables of one part.

    Attributes:
        part: whose they are.
        conninfo: of the database, for libpq.
        schema: that holds them.
        table: of the changes that were made, within the schema.
        component: whose rows count there; None: all.
        package, folder: of the files.
        make: makes what is missing, as the part itself does.
    """

    part: str
    conninfo: str
    schema: str
    table: str
    component: str | None
    package: str
    folder: str
    make: Callable[[], None]


def tables_of(part: str, address: str, schema: str) -> list[Tables]:
    """The tables of a part.

    Args:
        part: `alerting`, `store` or `portal`.
        address: `postgresql://user@host/database`.
        schema: of the tables of a store; the others have schemas of their own.

    Raises:
        ConfigurationError: the address cannot be used.
    """
    if not address.startswith(("postgresql://", "postgres://")):
        message = f"--{part} {address}: only PostgreSQL has tables that are made beforehand"
        raise ConfigurationError(message)
    return {"alerting": _alerting, "store": _store, "portal": _portal}[part](address, schema)


def missing(connection: psycopg.Connection[Any], tables: Tables) -> list[str]:
    """Names of the changes that are still to be made, in their order; nothing is made.

    Raises:
        StateError: the tables are of a newer version, or a change is not the one that was made.
    """
    place = f'"{tables.schema}"."{tables.table}"'
    row = connection.execute("SELECT to_regclass(%s)", (place,)).fetchone()
    done: dict[str, str] = {}
    if row is not None and row[0] is not None:
        where = "" if tables.component is None else " WHERE component = %s"
        values = [] if tables.component is None else [tables.component]
        question = f"SELECT name, digest FROM {place}{where}"  # noqa: S608 - names of ours
        done = dict(connection.execute(question.encode(), values).fetchall())
    return [one.name for one in pending(tables.part, done, tables.package, tables.folder)]


def _alerting(address: str, schema: str) -> list[Tables]:
    from padit.alerting.store.opening import open_store

    del schema

    def make() -> None:
        """Without the lead: the process that has it goes on."""
        open_store(address, leading=False).close()

    package = "padit.alerting.store.migrations"
    place = ("padit_alerting", "migration", None)
    return [Tables("alerting", address, *place, package, "postgresql", make)]


def _store(address: str, schema: str) -> list[Tables]:
    from padit.stores.postgres.connect import connect, conninfo_of, name_of, writable
    from padit.stores.postgres.settings import Settings
    from padit.stores.postgres.store import prepared

    settings = Settings(in_schema=schema)
    found = parse_address(address)
    name, conninfo = name_of(found), conninfo_of(found, settings)

    def make() -> None:
        with connect(conninfo, name, first=True) as connection:
            writable(connection, name, first=True)
            prepared(connection, name, settings)

    package = "padit.stores.migrations"
    place = (schema, "padit_migration", "stores")
    return [Tables("store", conninfo, *place, package, "postgresql", make)]


def _portal(address: str, schema: str) -> list[Tables]:
    from padit.portal.team.database import Database

    del schema
    package = "padit.portal.team.migrations"

    def one(part: str, schema: str, component: str, folder: str) -> Tables:
        def make() -> None:
            database = Database(address)
            try:
                database.prepare(schema, component, folder)
            finally:
                database.close()

        return Tables(part, address, schema, "padit_migration", component, package, folder, make)

    return [
        one("portal", "padit_portal", "portal", "postgresql"),
        one("accounts", "padit_accounts", "accounts", "accounts"),
    ]
