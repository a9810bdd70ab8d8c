"""The store in one SQLite file, in a folder that one process at a time may hold."""

import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from padit.alerting.store.base import Delivery, LeadTakenError, LogRow, Store, changes
from padit.domain.errors import ConfigurationError, SinkError

__all__ = ["Delivery", "LogRow", "SqliteStore"]

_BUSY_SECONDS = 10.0


class SqliteStore(Store):
    """Opens or makes the store.

    Args:
        folder: where it lies; made if it does not exist.
        leading: whether this process writes; only one may, others wait or read.

    Raises:
        ConfigurationError: the folder cannot be used, or another process leads.
    """

    def __init__(self, folder: Path, *, leading: bool = True) -> None:
        self._lock: IO[str] | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if leading:
                self._lock = _take_lock(folder / "leader.lock")
            self._connection = sqlite3.connect(
                folder / "alerting.sqlite",
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            _migrate(self._connection)
        except (OSError, sqlite3.Error) as error:
            message = f"{folder} cannot hold the store of alerting: {error}; give another --data"
            raise ConfigurationError(message) from error

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """As in `Store`."""
        try:
            return self._connection.execute(statement, values)
        except sqlite3.DatabaseError as error:  # full, locked, damaged
            raise _away(error) from error

    def close(self) -> None:
        """Close the file; another process may lead then."""
        self._connection.close()
        if self._lock is not None:
            self._lock.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """As in `Store`."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _away(error) from error


def _away(error: sqlite3.Error) -> SinkError:
    return SinkError(f"the store of alerting cannot be used: {error}")


def _take_lock(path: Path) -> IO[str]:
    lock = path.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        message = f"another process leads in {path.parent}; wait for it, or give another --data"
        raise LeadTakenError(message) from error
    return lock


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the present version; each change is made once and checked by digest."""
    connection.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, digest TEXT)")
    if not changes("sqlite", _done(connection)):
        return
    connection.execute("BEGIN EXCLUSIVE")  # of several processes one makes them
    try:
        for one in changes("sqlite", _done(connection)):
            for statement in _statements(one.text):
                connection.execute(statement)
            connection.execute("INSERT INTO migration VALUES (?, ?)", (one.name, one.digest))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _done(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT name, digest FROM migration"))


def _statements(text: str) -> Iterator[str]:
    waiting = ""
    for line in text.splitlines(keepends=True):
        waiting += line
        if sqlite3.complete_statement(waiting):
            yield waiting
            waiting = ""
