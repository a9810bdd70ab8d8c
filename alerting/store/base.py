"""What a store of alerting holds, in SQL that SQLite and PostgreSQL both read.

Entries of the log, their effects and the positions in the inputs are written in one transaction,
so a process that dies has done all of a batch or nothing of it. A kind of store connects, begins
and ends transactions, and keeps every process but one from leading.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import msgspec

from padit.alerting.effects import CommandResult, Effect, Feedback, Handed, Outcome
from padit.domain.errors import ConfigurationError, SinkError
from padit.stores.migrations import Migration, pending

__all__ = [
    "Delivery",
    "LeadLostError",
    "LeadTakenError",
    "LogRow",
    "Reads",
    "Reported",
    "Store",
    "changes",
]

_PAGE = 10_000
_encoder = msgspec.json.Encoder()


class LeadTakenError(ConfigurationError):
    """Another process leads."""


class LeadLostError(SinkError):
    """The store was away, and another process leads by now."""


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


class Reported(NamedTuple):
    """How far a key group of the job has come; see the table `job_progress`."""

    part: int
    parts: int
    run: str
    shape: str
    watermark: int


class Reads(ABC):
    """Questions to a store, for the process that writes it and for those beside it."""

    @abstractmethod
    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Run one statement with `?` for its values; gives the rows.

        Raises:
            SinkError: the store cannot be used.
        """

    def counts(self) -> dict[str, dict[str, int]]:
        """Outcomes of transitions and states of messages that are kept, by route."""
        found: dict[str, dict[str, int]] = {}
        rows = self.execute(
            "SELECT route, reason, count(*) FROM outcome GROUP BY route, reason UNION ALL "
            "SELECT route, 'message ' || state, count(*) FROM delivery GROUP BY route, state"
        )
        for route, reason, count in rows:
            found.setdefault(route, {})[reason] = count
        return found

    def outcomes(self, transition: str) -> list[tuple[str, str, str, int]]:
        """Route, reason, detail and time of what became of a transition."""
        return [
            tuple(row)
            for row in self.execute(
                "SELECT route, reason, detail, time FROM outcome WHERE transition = ? "
                "ORDER BY route",
                (transition,),
            )
        ]


class Store(Reads):
    """A store; `transaction` has to be entered before anything is written."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """All of it or nothing.

        Raises:
            SinkError: the store is full, locked, damaged or away.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of it; another process may lead then."""

    def alive(self, seconds: int) -> None:
        """Say that this process is there: one that is silent for longer may lose the lead.

        Args:
            seconds: of silence; 0: for ever.

        Raises:
            SinkError: the store is away.
        """

    @property
    def session(self) -> int | None:
        """What the lead belongs to, for `led_by`; None: it is not known now."""
        return 0

    def led_by(self, session: int | None) -> bool:
        """Whether a session leads; one that has slept may have lost the lead meanwhile."""
        return session is not None

    def counts(self) -> dict[str, dict[str, int]]:
        """As in `Reads`, with what is no longer kept."""
        found = super().counts()
        for route, reason, count in self.execute("SELECT route, reason, count FROM retired"):
            of_route = found.setdefault(route, {})
            of_route[reason] = of_route.get(reason, 0) + count
        return found

    # ---- the log

    def append(self, kind: str, identity: str | None, time: int, payload: bytes) -> int | None:
        """Number of a new entry; None if one of this id is there already."""
        row = self.execute(
            "INSERT INTO log (kind, id, time, payload) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING RETURNING n",
            (kind, identity, time, payload),
        ).fetchone()
        return None if row is None else row[0]

    def entries(self, after: int = 0) -> Iterator[LogRow]:
        """Entries behind a number, in order."""
        while True:
            rows = self.execute(
                "SELECT n, kind, id, time, payload FROM log WHERE n > ? ORDER BY n LIMIT ?",
                (after, _PAGE),
            ).fetchall()
            yield from map(LogRow._make, rows)
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def last_number(self) -> int:
        """Number of the latest entry; 0 without any."""
        row = self.execute("SELECT max(n) FROM log").fetchone()
        return row[0] or 0

    def refuse(self, place: str, partition: int, number: int, why: str, data: bytes) -> None:
        """Keep bytes that are no entry, with the reason."""
        self.execute(
            "INSERT INTO refused VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (place, partition, number, why, data),
        )

    def refused(self) -> list[str]:
        """Reasons of the bytes that are no entry, in the order of places."""
        rows = self.execute("SELECT reason FROM refused ORDER BY place, partition, number")
        return [reason for (reason,) in rows]

    def positions(self) -> dict[tuple[str, int], int]:
        """Where reading goes on, by place and partition."""
        rows = self.execute("SELECT place, partition, following FROM position")
        return {(place, partition): following for place, partition, following in rows}

    def move(self, place: str, partition: int, following: int) -> None:
        """Note where reading goes on."""
        self.execute(
            "INSERT INTO position VALUES (?, ?, ?) "
            "ON CONFLICT (place, partition) DO UPDATE SET following = excluded.following",
            (place, partition, following),
        )

    # ---- progress of the job

    def reported(self) -> list[Reported]:
        """How far the key groups of the job have come."""
        rows = self.execute(
            "SELECT part, parts, run, shape, watermark FROM job_progress ORDER BY part"
        )
        return [Reported._make(row) for row in rows]

    def report(self, one: Reported) -> None:
        """Note how far a key group has come."""
        self.execute(
            "INSERT INTO job_progress VALUES (?, ?, ?, ?, ?) ON CONFLICT (part) DO UPDATE SET "
            "parts = excluded.parts, run = excluded.run, shape = excluded.shape, "
            "watermark = excluded.watermark",
            one,
        )

    def forget_reported(self) -> None:
        """Another run of the job begins."""
        self.execute("DELETE FROM job_progress")

    # ---- the engine's state and effects

    def snapshot(self) -> tuple[int, str, bytes] | None:
        """Number of the entry, digest of the policy, and state; None before the first."""
        row = self.execute("SELECT n, policy, state FROM snapshot").fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def save_snapshot(self, n: int, policy: str, state: bytes) -> None:
        """Keep a state instead of the one before."""
        self.execute(
            "INSERT INTO snapshot VALUES (1, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET "
            "n = excluded.n, policy = excluded.policy, state = excluded.state",
            (n, policy, state),
        )

    def add(self, effects: Sequence[Effect]) -> None:
        """Write down what follows from an entry."""
        for one in effects:
            if isinstance(one, Outcome):
                self.execute(
                    "INSERT INTO outcome VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (one.transition, one.route, one.reason.value, one.detail, one.time),
                )
            elif isinstance(one, Handed):
                self._add_message(one)
            elif isinstance(one, CommandResult):
                alerts = ",".join(one.alerts)
                self.execute(
                    "INSERT INTO command_result VALUES (?, ?, ?, ?)",
                    (one.id, one.result, alerts, one.time),
                )
            elif isinstance(one, Feedback):
                for alert in one.alerts:
                    self.execute(
                        "INSERT INTO feedback VALUES (?, ?, ?, ?, ?)",
                        (one.command, one.by, one.verdict, alert, one.time),
                    )

    def _add_message(self, one: Handed) -> None:
        incident = one.view.id if one.view is not None else one.kind
        self.execute(
            "INSERT INTO delivery (id, route, receiver, incident, kind, time, message) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (one.id, one.route, one.receiver, incident, one.kind, one.time, _encoder.encode(one)),
        )

    # ---- deliveries

    def due(self, receiver: str, now: float, most: int = 16) -> list[Delivery]:
        """Messages to try, oldest first; of an incident only the oldest that is pending.

        Whatever routes they came by: a route may have another name since its first message.
        """
        rows = self.execute(
            "SELECT * FROM delivery AS d WHERE receiver = ? AND state = 'pending' "
            "AND next_attempt_at <= ? AND NOT EXISTS (SELECT 1 FROM delivery AS e WHERE "
            "e.incident = d.incident AND e.receiver = d.receiver AND e.state = 'pending' "
            "AND e.number < d.number) ORDER BY number LIMIT ?",
            (receiver, now, most),
        )
        return [Delivery._make(row) for row in rows]

    def reference(self, delivery: Delivery) -> str:
        """What the receiver called the first message of this incident; empty without one.

        What follows a first message may come by a route that has another name by now. What another
        receiver called it means nothing to this one, which would refuse the message.
        """
        own = (" AND route = ?", (delivery.route,)) if delivery.kind == "opened" else ("", ())
        row = self.execute(
            "SELECT reference FROM delivery WHERE incident = ? AND receiver = ? AND number < ? AND "  # noqa: S608
            f"reference != ''{own[0]} ORDER BY route = ? DESC, number DESC LIMIT 1",
            (delivery.incident, delivery.receiver, delivery.number, *own[1], delivery.route),
        ).fetchone()
        return row[0] if row else ""

    def untouched(self, one: Delivery) -> bool:
        """Whether a message is as it was read: no other process has tried it meanwhile."""
        row = self.execute(
            "SELECT state, attempts FROM delivery WHERE number = ?", (one.number,)
        ).fetchone()
        return row is not None and tuple(row) == (one.state, one.attempts)

    def record(self, number: int, state: str, attempts: int, **others: Any) -> None:
        """Note the result of an attempt.

        What is no longer pending stays as it is: a process that has slept while another took over
        may come with an old result. That it was delivered counts always.
        """
        newer, values = ("", ()) if state == "delivered" else (" AND attempts < ?", (attempts,))
        self.execute(
            "UPDATE delivery SET state = ?, attempts = ?, next_attempt_at = ?, reason = ?, "  # noqa: S608
            f"reference = ? WHERE number = ? AND state = 'pending'{newer}",
            (
                state,
                attempts,
                others.get("next_attempt_at", 0.0),
                others.get("reason", ""),
                others.get("reference", ""),
                number,
                *values,
            ),
        )

    def hasten(self, receiver: str, seconds: float, latest: float) -> None:
        """The clock was set back: messages are tried as soon as they would have been.

        Args:
            receiver: whose messages.
            seconds: by which it was set back.
            latest: nothing waits longer than until then, epoch seconds.
        """
        self.execute(
            "UPDATE delivery SET next_attempt_at = next_attempt_at - ? "
            "WHERE receiver = ? AND state = 'pending' AND next_attempt_at > 0",
            (seconds, receiver),
        )
        self.execute(
            "UPDATE delivery SET next_attempt_at = ? "
            "WHERE receiver = ? AND state = 'pending' AND next_attempt_at > ?",
            (latest, receiver, latest),
        )

    def deliveries(self, state: str | None = None) -> list[Delivery]:
        """All messages, or those in a state, oldest first."""
        where, values = ("WHERE state = ?", (state,)) if state is not None else ("", ())
        rows = self.execute(f"SELECT * FROM delivery {where} ORDER BY number", values)  # noqa: S608
        return [Delivery._make(row) for row in rows]

    def handed(self, after: int, most: int = 500) -> list[Delivery]:
        """Messages behind a number, oldest first."""
        rows = self.execute(
            "SELECT * FROM delivery WHERE number > ? ORDER BY number LIMIT ?", (after, most)
        )
        return [Delivery._make(row) for row in rows]

    def waiting(self) -> int:
        """Messages that are pending."""
        return int(
            self.execute("SELECT count(*) FROM delivery WHERE state = 'pending'").fetchone()[0]
        )

    def replay(self, number: int) -> None:
        """Try a dead message again."""
        self.execute(
            "UPDATE delivery SET state = 'pending', attempts = 0, next_attempt_at = 0 "
            "WHERE number = ? AND state = 'dead'",
            (number,),
        )


def changes(kind: str, done: dict[str, str]) -> list[Migration]:
    """Changes of the tables of a kind of store that are still to be made, in order.

    Args:
        kind: of the store, like `sqlite`.
        done: digests by name of those that were made.

    Raises:
        StateError: a change that was made is not the one that is there now, or is not known.
    """
    return pending("the store", done, "padit.alerting.store.migrations", kind)
