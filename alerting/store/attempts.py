"""Every attempt to deliver a message: when, and what came of it.

The table `delivery` holds how far a message is; this one what was tried on the way there. Attempts
go with their message when it is no longer kept.
"""

from typing import NamedTuple

from padit.alerting.store.base import Reads, Store

__all__ = ["Attempt", "attempted", "attempts_of"]

_MOST = 2000


class Attempt(NamedTuple):
    """One attempt.

    Attributes:
        message: its id.
        time: by the clock of the process that made it, microseconds.
        state: `delivered`, `retry` or `dead`.
        reason: for people; holds no secret.
    """

    message: str
    time: int
    state: str
    reason: str


def attempted(store: Store, number: int, time: int, state: str, reason: str) -> None:
    """Note an attempt, in the transaction that is open."""
    store.execute(
        "INSERT INTO attempt (number, time, state, reason) VALUES (?, ?, ?, ?)",
        (number, time, state, reason),
    )


def attempts_of(store: Reads, incident: str) -> list[Attempt]:
    """Attempts of the messages of an incident, the oldest first; of very many the latest."""
    rows = store.execute(
        "SELECT d.id, a.time, a.state, a.reason FROM attempt AS a "
        "JOIN delivery AS d ON d.number = a.number WHERE d.incident = ? ORDER BY a.n DESC LIMIT ?",
        (incident, _MOST),
    )
    return [Attempt._make(row) for row in rows][::-1]
