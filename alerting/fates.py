"""What happened to a message after the engine handed it out: to explain why nobody got it.

A message that was handed out is pending, delivered or dead. Why it is not delivered yet, its row
says: what its receiver answered, or that the receiver is left alone.
"""

from padit.alerting.notifiers.base import plain
from padit.alerting.store.base import Store
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["LEFT_ALONE", "fate_of", "leave_alone"]

LEFT_ALONE = "breaker open: most of its latest calls failed, so it is left alone for a while"


def leave_alone(store: Store, number: int) -> None:
    """Note, in the transaction that is open, that a message waits for its receiver's breaker."""
    store.execute(
        "UPDATE delivery SET reason = ? WHERE number = ? AND state = 'pending'",
        (LEFT_ALONE, number),
    )


def fate_of(store: Store, message: str) -> str:
    """What came of a message, in words; empty for one that this store never handed out."""
    row = store.execute(
        "SELECT receiver, state, attempts, next_attempt_at, reason FROM delivery WHERE id = ?",
        (message,),
    ).fetchone()
    if row is None:
        return ""
    receiver, state, attempts, next_at, reason = row
    if state == "delivered":
        words = f"delivered to {receiver}"
    elif state == "dead":
        words = f"dead (`padit dlq`), for receiver {receiver}: {reason}"
    elif _left_alone(store, receiver):
        words = f"waits for receiver {receiver}: {LEFT_ALONE}"
    elif attempts and reason:
        again = format_utc(round(next_at * MICROS))
        words = f"attempt {attempts} to send it to {receiver} failed: {reason}; again at {again}"
    else:
        words = f"waits for receiver {receiver}: it was not tried yet"
    return plain(words)


def _left_alone(store: Store, receiver: str) -> bool:
    """Whether a receiver's breaker is open: the message that it would be sent first says so."""
    row = store.execute(
        "SELECT 1 FROM delivery WHERE receiver = ? AND state = 'pending' AND reason = ? LIMIT 1",
        (receiver, LEFT_ALONE),
    ).fetchone()
    return row is not None
