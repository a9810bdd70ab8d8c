"""The store in one SQLite file, in a folder that one process at a time may hold.

Entries of the log, their effects and the positions in the inputs are written in one transaction,
so a process that dies has done all of a batch or nothing of it.
"""

import fcntl
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from padit.alerting.effects import CommandResult, Effect, Feedback, Handed, Outcome
from padit.domain.errors import ConfigurationError, SinkError, StateError

__all__ = ["Delivery", "LogRow", "SqliteStore"]

_BUSY_SECONDS = 10.0
_encoder = msgspec.json.Encoder()


class LogRow(NamedTuple):
    """An entry of the log as it is stored."""

    n: int
    kind: str
    id: str | None
    time: int
    payload: bytes


class Delivery(NamedTuple):
    """A message and how far it has come; see the table `delivery`."""

    number: int
    id: str
    route: str
    receiver: str
    incident: str
    kind: str
    time: int
    message: bytes
    state: str
    attempts: int
    next_attempt_at: float
    reason: str
    reference: str


class SqliteStore:
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
        except (OSError, sqlite3.Error) as error:
            message = f"{folder} cannot hold the store of alerting: {error}; give another --data"
            raise ConfigurationError(message) from error
        _migrate(self._connection)

    def close(self) -> None:
        """Close the file; another process may lead then."""
        self._connection.close()
        if self._lock is not None:
            self._lock.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing.

        Raises:
            SinkError: the disk is full, or the file is locked or damaged.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            message = f"the store of alerting cannot be written: {error}"
            raise SinkError(message) from error

    # ---- the log

    def append(self, kind: str, identity: str | None, time: int, payload: bytes) -> int | None:
        """Number of a new entry; None if one of this id is there already."""
        cursor = self._connection.execute(
            "INSERT INTO log (kind, id, time, payload) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (kind, identity, time, payload),
        )
        return cursor.lastrowid if cursor.rowcount else None

    def entries(self, after: int = 0) -> Iterator[LogRow]:
        """Entries behind a number, in order."""
        rows = self._connection.execute(
            "SELECT n, kind, id, time, payload FROM log WHERE n > ? ORDER BY n", (after,)
        )
        return map(LogRow._make, rows)

    def last_number(self) -> int:
        """Number of the latest entry; 0 without any."""
        row = self._connection.execute("SELECT max(n) FROM log").fetchone()
        return row[0] or 0

    def refuse(self, place: str, partition: int, number: int, why: str, data: bytes) -> None:
        """Keep bytes that are no entry, with the reason."""
        self._connection.execute(
            "INSERT OR IGNORE INTO refused VALUES (?, ?, ?, ?, ?)",
            (place, partition, number, why, data),
        )

    def refused(self) -> list[str]:
        """Reasons of the bytes that are no entry, in the order of places."""
        rows = self._connection.execute(
            "SELECT reason FROM refused ORDER BY place, partition, number"
        )
        return [reason for (reason,) in rows]

    def positions(self) -> dict[tuple[str, int], int]:
        """Where reading goes on, by place and partition."""
        rows = self._connection.execute("SELECT place, partition, following FROM position")
        return {(place, partition): following for place, partition, following in rows}

    def move(self, place: str, partition: int, following: int) -> None:
        """Note where reading goes on."""
        self._connection.execute(
            "INSERT INTO position VALUES (?, ?, ?) "
            "ON CONFLICT (place, partition) DO UPDATE SET following = excluded.following",
            (place, partition, following),
        )

    # ---- the engine's state and effects

    def snapshot(self) -> tuple[int, str, bytes] | None:
        """Number of the entry, digest of the policy, and state; None before the first."""
        row: tuple[int, str, bytes] | None = self._connection.execute(
            "SELECT n, policy, state FROM snapshot"
        ).fetchone()
        return row

    def save_snapshot(self, n: int, policy: str, state: bytes) -> None:
        """Keep a state instead of the one before."""
        self._connection.execute(
            "INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?, ?)", (n, policy, state)
        )

    def add(self, effects: Sequence[Effect]) -> None:
        """Write down what follows from an entry."""
        for one in effects:
            if isinstance(one, Outcome):
                self._connection.execute(
                    "INSERT OR IGNORE INTO outcome VALUES (?, ?, ?, ?, ?)",
                    (one.transition, one.route, one.reason.value, one.detail, one.time),
                )
            elif isinstance(one, Handed):
                self._add_message(one)
            elif isinstance(one, CommandResult):
                alerts = ",".join(one.alerts)
                self._connection.execute(
                    "INSERT INTO command_result VALUES (?, ?, ?, ?)",
                    (one.id, one.result, alerts, one.time),
                )
            elif isinstance(one, Feedback):
                self._connection.executemany(
                    "INSERT INTO feedback VALUES (?, ?, ?, ?, ?)",
                    [(one.command, one.by, one.verdict, alert, one.time) for alert in one.alerts],
                )

    def _add_message(self, one: Handed) -> None:
        incident = one.view.id if one.view is not None else one.kind
        self._connection.execute(
            "INSERT OR IGNORE INTO delivery (id, route, receiver, incident, kind, time, message) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (one.id, one.route, one.receiver, incident, one.kind, one.time, _encoder.encode(one)),
        )

    # ---- deliveries

    def due(self, receiver: str, now: float, most: int = 16) -> list[Delivery]:
        """Messages to try, oldest first; of an incident and route only the oldest pending one."""
        rows = self._connection.execute(
            "SELECT * FROM delivery AS d WHERE receiver = ? AND state = 'pending' "
            "AND next_attempt_at <= ? AND NOT EXISTS (SELECT 1 FROM delivery AS e WHERE "
            "e.incident = d.incident AND e.route = d.route AND e.state = 'pending' "
            "AND e.number < d.number) ORDER BY number LIMIT ?",
            (receiver, now, most),
        )
        return [Delivery._make(row) for row in rows]

    def reference(self, delivery: Delivery) -> str:
        """What the receiver called the first message of this incident; empty without one."""
        row = self._connection.execute(
            "SELECT reference FROM delivery WHERE incident = ? AND route = ? AND number < ? "
            "AND reference != '' ORDER BY number DESC LIMIT 1",
            (delivery.incident, delivery.route, delivery.number),
        ).fetchone()
        return row[0] if row else ""

    def record(self, number: int, state: str, attempts: int, **others: Any) -> None:
        """Note the result of an attempt."""
        self._connection.execute(
            "UPDATE delivery SET state = ?, attempts = ?, next_attempt_at = ?, reason = ?, "
            "reference = ? WHERE number = ?",
            (
                state,
                attempts,
                others.get("next_attempt_at", 0.0),
                others.get("reason", ""),
                others.get("reference", ""),
                number,
            ),
        )

    def deliveries(self, state: str | None = None) -> list[Delivery]:
        """All messages, or those in a state, oldest first."""
        rows = self._connection.execute(
            "SELECT * FROM delivery WHERE ? IS NULL OR state = ? ORDER BY number", (state, state)
        )
        return [Delivery._make(row) for row in rows]

    def replay(self, number: int) -> None:
        """Try a dead message again."""
        self._connection.execute(
            "UPDATE delivery SET state = 'pending', attempts = 0, next_attempt_at = 0 "
            "WHERE number = ? AND state = 'dead'",
            (number,),
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """Outcomes of transitions and states of messages, by route."""
        found: dict[str, dict[str, int]] = {}
        rows = self._connection.execute(
            "SELECT route, reason, count(*) FROM outcome GROUP BY route, reason UNION ALL "
            "SELECT route, 'message ' || state, count(*) FROM delivery GROUP BY route, state"
        )
        for route, reason, count in rows:
            found.setdefault(route, {})[reason] = count
        return found

    def outcomes(self, transition: str) -> list[tuple[str, str, str, int]]:
        """Route, reason, detail and time of what became of a transition."""
        return self._connection.execute(
            "SELECT route, reason, detail, time FROM outcome WHERE transition = ? ORDER BY route",
            (transition,),
        ).fetchall()


def _take_lock(path: Path) -> IO[str]:
    lock = path.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        message = f"another process leads in {path.parent}; wait for it, or give another --data"
        raise ConfigurationError(message) from error
    return lock


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the present version; each change is made once and checked by digest."""
    connection.execute("CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, digest TEXT)")
    done = dict(connection.execute("SELECT name, digest FROM migration"))
    folder = files("padit.alerting.store.migrations").joinpath("sqlite")
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if not file.name.endswith(".sql"):
            continue
        text = file.read_text(encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        if done.get(file.name, digest) != digest:
            message = f"the change {file.name} of the store is not the one that was made"
            raise StateError(message)
        if file.name not in done:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{text}\nINSERT INTO migration VALUES "
                f"('{file.name}', '{digest}');\nCOMMIT;"
            )
