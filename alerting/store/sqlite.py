"""The store in one SQLite file, in a folder that one process at a time may hold."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from padit.alerting.store.base import Delivery, LeadTakenError, LogRow, Store, changes
from padit.domain.errors import ConfigurationError, SinkError

__all__ = ["Delivery", "LogRow", "SqliteStore"]

_BUSY_SECONDS = 10.0
_AT_ONCE = fcntl.LOCK_EX | fcntl.LOCK_NB


class SqliteStore(Store):
    """Opens or makes the store.

    Args:
        folder: where it lies; made if it does not exist.
        leading: whether this process writes; only one may, others wait or read.

    Raises:
        ConfigurationError: the folder cannot be used, or another process leads.
    """

    def __init__(self, folder: Path, *, leading: bool = True) -> None:
        self._lead = ExitStack()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if leading:
                self._lead.enter_context(_lead_of(folder))
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
            self._lead.close()
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
        self._lead.close()

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


@contextmanager
def _lead_of(folder: Path) -> Iterator[None]:
    """Lead in a folder until the end of the block, or of the process, however it ends.

    The lock is one of the open file, which no program that is started inherits. That of the folder
    remains where somebody removes the file; not every file system has one.

    Raises:
        LeadTakenError: another process leads.
    """
    with (folder / "leader.lock").open("a") as file:
        try:
            fcntl.flock(file, _AT_ONCE)
            place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except BlockingIOError as error:
            raise _taken(folder) from error
        try:
            with suppress(OSError):
                _lock_folder(place, folder)
            yield
        finally:
            os.close(place)


def _lock_folder(place: int, folder: Path) -> None:
    try:
        fcntl.flock(place, _AT_ONCE)
    except BlockingIOError as error:
        raise _taken(folder) from error


def _taken(folder: Path) -> LeadTakenError:
    message = f"another process leads in {folder}; wait for it, or give another --data"
    return LeadTakenError(message)


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
