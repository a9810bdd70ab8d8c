"""Reads a store beside the process that writes it: entries by number, messages, what was done."""

import sqlite3
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from padit.alerting.entries import Entry
from padit.alerting.records import logged
from padit.alerting.store.base import Reads
from padit.domain.errors import SinkError

__all__ = ["LogReader", "MessageState", "StoreReader"]

_MOST_NAMED = 500


class MessageState(NamedTuple):
    """A message and how far it has come."""

    id: str
    route: str
    receiver: str
    kind: str
    time: int
    state: str
    attempts: int
    reason: str


class LogReader(Reads):
    """What a page asks of a store, whichever kind it is; `execute` gives a list of rows."""

    @abstractmethod
    def close(self) -> None:
        """Let go of it."""

    def payloads(self, numbers: Sequence[int]) -> list[bytes]:
        """Bytes of entries, in the order of their numbers."""
        wanted, found = sorted(numbers), list[bytes]()
        for begin in range(0, len(wanted), _MOST_NAMED):
            named = wanted[begin : begin + _MOST_NAMED]
            places = ", ".join("?" * len(named))
            rows = self.execute(
                f"SELECT payload FROM log WHERE n IN ({places}) ORDER BY n",  # noqa: S608  # question marks
                named,
            )
            found += [bytes(payload) for (payload,) in rows]
        return found

    def messages_of(self, incident: str, most: int) -> tuple[list[MessageState], int]:
        """The latest messages of an incident, the oldest of them first, and how many there are."""
        rows = self.execute(
            "SELECT id, route, receiver, kind, time, state, attempts, reason, count(*) OVER () "
            "FROM delivery WHERE incident = ? ORDER BY number DESC LIMIT ?",
            (incident, most),
        )
        found = [MessageState._make(row[:-1]) for row in rows][::-1]
        return found, int(rows[0][-1]) if rows else 0

    def refused(self) -> int:
        """Records that were no entry."""
        return int(self.execute("SELECT count(*) FROM refused")[0][0])

    def entries(self) -> list[Entry]:
        """The whole log, as it was applied."""
        return [one for _, one in self.entries_after(0)]

    def entries_after(self, number: int) -> list[tuple[int, Entry]]:
        """Entries of the log behind a number, each with its own, in order."""
        rows = self.execute("SELECT n, kind, payload FROM log WHERE n > ? ORDER BY n", (number,))
        found = ((n, logged(n, kind, bytes(payload))) for n, kind, payload in rows)
        return [(n, one) for n, one in found if one is not None]


class StoreReader(LogReader):
    """Opens a store in a folder for reading; one thread at a time.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        place = (folder / "alerting.sqlite").resolve().as_uri() + "?mode=ro"
        self._connection = sqlite3.connect(
            place, uri=True, check_same_thread=False, isolation_level=None, timeout=2.0
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """See `Reads`."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            message = f"the store of alerting cannot be read: {error}"
            raise SinkError(message) from error
