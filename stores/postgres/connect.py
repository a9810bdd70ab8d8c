"""Connections to PostgreSQL, and what its errors mean for the loop.

Away or full: `SinkError`, tried again. Caused by the rows: `RefusedError`. Wrong for good, if it is
found when the store is opened: `ConfigurationError`, with the place to mend.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from padit.connectors.uris import Address, read_client_config
from padit.domain.errors import ConfigurationError, PaditError, SinkError
from padit.stores.base import RefusedError
from padit.stores.postgres.settings import Settings

__all__ = ["Connection", "connect", "conninfo_of", "name_of", "translated", "writable"]

Connection = psycopg.Connection[tuple[Any, ...]]

_CONNECT_SECONDS = 10
# Data exception, constraint violation, program limit exceeded, and what a trigger raises.
_DATA = ("22", "23", "54", "P0")
_CLOSED = "not accepting commands"  # before a wraparound; a program limit for PostgreSQL
_RIGHTS = "42501"
_PASSES = re.compile(
    r"starting up|shutting down|recovery|too many|connection slots|terminat|not yet accepting"
    r"|timeout|no space", re.IGNORECASE,
)  # fmt: skip


def name_of(address: Address) -> str:
    """The store in messages."""
    return f"postgresql://{address.host or 'localhost'}/{address.path}"


def conninfo_of(address: Address, settings: Settings) -> str:
    """Parameters of libpq: the address, then the file, then what keeps a dead connection short.

    Raises:
        ConfigurationError: the address or the file cannot be used.
    """
    if not address.path or "/" in address.path:
        message = f"{address.uri}: a store is written postgresql://host:5432/database"
        raise ConfigurationError(message)
    hosts, ports = [], []
    for one in address.host.split(",") if address.host else []:
        host, colon, port = one.rpartition(":") if not one.endswith("]") else (one, "", "")
        hosts.append((host if colon else one).strip("[]"))
        ports.append(port or "5432")
    silence = max(1, round(settings.timeout_sec))
    limits = {
        "statement_timeout": f"{silence}s",
        "lock_timeout": f"{max(1, silence // 2)}s",
        "idle_in_transaction_session_timeout": f"{2 * silence}s",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
        "client_min_messages": "warning",
        "search_path": settings.in_schema,
        "timezone": "UTC",
        "datestyle": "ISO,MDY",
    }
    given: dict[str, Any] = {
        "connect_timeout": _CONNECT_SECONDS,
        "tcp_user_timeout": silence * 1000,
        "application_name": f"padit store {settings.reader}"[:60],
        **read_client_config(settings.client_config),
        "client_encoding": "utf8",
        "dbname": address.path,
        "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
    }
    if hosts:
        given |= {"host": ",".join(hosts), "port": ",".join(ports)}
    try:
        return make_conninfo(**given)
    except psycopg.Error as error:
        message = f"client_config={settings.client_config}: {_first_line(error)}"
        raise ConfigurationError(message) from error


def connect(conninfo: str | Callable[[], str], name: str, *, first: bool) -> Connection:
    """A connection in autocommit.

    Args:
        conninfo: see `conninfo_of`; or what gives it, so that a password may change meanwhile.
        name: of the store, for messages.
        first: whether none has been open before, so that a refusal is a mistake of the settings.

    Raises:
        ConfigurationError: the server refuses the user, the password or the database.
        SinkError: it is away.
    """
    try:
        given = conninfo if isinstance(conninfo, str) else conninfo()
        return psycopg.connect(given, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        text = _first_line(error)
        if first and "FATAL" in str(error) and not _PASSES.search(text):
            message = (
                f"{name} refuses the connection: {text}; user and password come from "
                "client_config=FILE, PGUSER and PGPASSWORD, or PGPASSFILE"
            )
            raise ConfigurationError(message) from error
        message = f"{name} is away, or refuses the connection: {text}"
        raise SinkError(message) from error


def writable(connection: Connection, name: str, *, first: bool) -> None:
    """Refuse a read-only replica, and a database that cannot hold every text.

    Raises:
        ConfigurationError: it is one, at the first connection; or its encoding is not UTF-8.
        SinkError: it has become one; a failover may go on.
    """
    with translated(name):
        row = connection.execute(
            "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', "
            "current_setting('server_encoding'), current_database()"
        ).fetchone()
    if row and row[1] != "UTF8":
        message = (
            f"{name} has the encoding {row[1]}, which cannot hold every name: make a database with "
            f"CREATE DATABASE {row[2]}_utf8 ENCODING 'UTF8' TEMPLATE template0"
        )
        raise ConfigurationError(message)
    if row and row[0]:
        message = (
            f"{name} is read-only (a replica?): name the primary, or all hosts together with "
            "target_session_attrs=read-write in client_config=FILE"
        )
        raise ConfigurationError(message) if first else SinkError(message)


@contextmanager
def translated(name: str, *, first: bool = False) -> Iterator[None]:
    """Errors of psycopg as those of the contract.

    Args:
        name: of the store, for messages.
        first: whether nothing has worked before, so that a missing right is a mistake of the
            settings; later it was taken away, and may be given again.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _translated(name, error, first) from error
    except UnicodeEncodeError as error:  # a lone surrogate
        message = f"a text is no valid Unicode: {error.reason}"
        raise RefusedError(message) from error


def _translated(name: str, error: psycopg.Error, first: bool) -> PaditError:
    text = _first_line(error)
    state = error.sqlstate or ""
    of_rows = isinstance(error, psycopg.DataError) or state[:2] in _DATA
    if of_rows and _CLOSED not in text:
        return RefusedError(f"{text} ({state or 'client'})")
    if state == _RIGHTS:
        message = f"{name}: {text}; GRANT what is missing to the user of the store"
        return ConfigurationError(message) if first else SinkError(message)
    return SinkError(f"{name}: {text} ({state or type(error).__name__})")


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    fatal = next((line for line in lines if "FATAL" in line), None)
    return (fatal or (lines[0] if lines else type(error).__name__))[:300]
