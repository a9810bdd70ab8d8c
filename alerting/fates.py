"""What happened to a message after the engine handed it out: to explain why nobody got it.

A message that was handed out is pending, delivered or dead. Why it is not delivered yet, its row
says: what its receiver answered, and if so that the receiver is left alone.
"""

from padit.alerting.notifiers.base import plain
from padit.alerting.store.base import Delivery, Store
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["LEFT_ALONE", "answer_in", "fate_of", "leave_alone"]

LEFT_ALONE = "breaker open: most of its latest calls failed, so it is left alone for a while"


_LATEST = "; its latest answer: "


def leave_alone(store: Store, one: Delivery, answer: str) -> None:
    """Note that a message waits for its receiver's breaker, beside what the receiver has answered.

    Args:
        store: in which no transaction is open.
        one: the message.
        answer: the latest of the receiver, to another message; it counts where this one has none.
    """
    latest = answer_in(one.reason) or answer
    reason = LEFT_ALONE + (f"{_LATEST}{latest}" if latest else "")
    if reason == one.reason:
        return
    with store.transaction():
        store.execute(
            "UPDATE delivery SET reason = ? WHERE number = ? AND state = 'pending'",
            (reason, one.number),
        )


def answer_in(reason: str) -> str:
    """What a receiver answered, out of the reason of a message that is pending."""
    if not reason.startswith(LEFT_ALONE):
        return reason
    return reason.removeprefix(LEFT_ALONE).removeprefix(_LATEST)


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
    elif left_alone := _left_alone(store, receiver):
        latest = answer_in(reason) or answer_in(left_alone)
        words = f"waits for receiver {receiver}: {LEFT_ALONE}"
        words += f"{_LATEST}{latest}" if latest else ""
    elif attempts and reason:
        again = format_utc(round(next_at * MICROS))
        words = f"attempt {attempts} to send it to {receiver} failed: {reason}; again at {again}"
    else:
        words = f"waits for receiver {receiver}: it was not tried yet"
    return plain(words)


def _left_alone(store: Store, receiver: str) -> str:
    """What the first message of a receiver says of its open breaker; empty: it is closed."""
    row = store.execute(
        "SELECT reason FROM delivery WHERE receiver = ? AND state = 'pending' AND reason LIKE ? "
        "ORDER BY number LIMIT 1",
        (receiver, f"{LEFT_ALONE}%"),
    ).fetchone()
    return "" if row is None else str(row[0])
