"""Drops what is older than the configuration keeps: log, outcomes, delivered messages.

What stays is enough to compute the state again under any configuration: the log is cut before
everything that is still open. What goes is counted, so the account of a route stays whole.
"""

from collections.abc import Iterable
from typing import NamedTuple

from padit.alerting.state import State
from padit.alerting.store.base import Reads, Store

__all__ = ["Horizon", "cut_of", "forget", "horizon_of"]

_PIECE = 10_000
_TIMED = "('alert', 'tick', 'progress')"  # their times follow the log; those of people need not


class Horizon(NamedTuple):
    """From where on the log is kept.

    Attributes:
        n: number of its first entry.
        time: event time before which nothing is taken any more, microseconds.
        dropped: entries so far.
    """

    n: int
    time: int
    dropped: int


def horizon_of(store: Reads) -> Horizon | None:
    """Where the log begins; None: with the first entry that ever was."""
    rows = list(store.execute("SELECT n, time, dropped FROM horizon"))
    return Horizon._make(rows[0]) if rows else None


def cut_of(state: State, keep: int) -> int:
    """Event time before which nothing is needed: not recent, and nothing of it is still open.

    Args:
        state: of the engine.
        keep: how long entries are kept at least, microseconds.
    """
    opened = [one.opened for one in state.incidents.values()]
    return min([state.now - keep, *opened])


def forget(store: Store, cut: int, needed: Iterable[str], seen: int) -> int:
    """Drop some of what is older, in the transaction that is open; how many entries went.

    Args:
        store: to write.
        cut: event time before which nothing is needed, microseconds.
        needed: ids of commands that still have an effect.
        seen: event time of the latest alert. What comes after it was not taken, so it is not
            refused either, wherever a clock that leapt ahead puts the cut.
    """
    _forget_messages(store, cut)
    begin, last = store.execute("SELECT min(n), max(n) FROM log").fetchone()
    if begin is None:
        return 0
    row = store.execute(
        f"SELECT n FROM log WHERE kind IN {_TIMED} AND time >= ? ORDER BY n LIMIT 1",  # noqa: S608
        (cut,),
    ).fetchone()
    # The last entry stays in any case, because numbers go on from it.
    end = min(last if row is None else row[0], last, begin + _PIECE)
    kept = sorted(needed)
    spared = f"AND NOT (kind = 'command' AND id IN ({', '.join('?' * len(kept))}))" if kept else ""
    old = f"FROM log WHERE n < ? {spared}"
    (count,) = store.execute(f"SELECT count(*) {old}", (end, *kept)).fetchone()
    if not count:
        return 0
    mine = "FROM outcome WHERE transition IN (SELECT id FROM log WHERE n < ? AND kind = 'alert')"
    _retire(store, f"SELECT route, reason, count(*) {mine} GROUP BY route, reason", (end,))
    store.execute(f"DELETE {mine}", (end,))
    store.execute(f"DELETE {old}", (end, *kept))
    before = horizon_of(store)
    store.execute(
        "INSERT INTO horizon VALUES (1, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET n = excluded.n, "
        "time = excluded.time, dropped = horizon.dropped + excluded.dropped",
        (end, max(min(cut, seen + 1), 0 if before is None else before.time), count),
    )
    return int(count)


def _forget_messages(store: Store, cut: int) -> None:
    """Delivered messages with their attempts; a dead one stays until somebody has looked at it."""
    mine = (
        "FROM delivery WHERE number IN (SELECT number FROM delivery WHERE state = 'delivered' "
        "AND time < ? AND number < (SELECT max(number) FROM delivery) ORDER BY number LIMIT ?)"
    )
    values = (cut, _PIECE)
    _retire(store, f"SELECT route, 'message ' || state, count(*) {mine} GROUP BY route, state",
            values)  # fmt: skip
    tried = f"DELETE FROM attempt WHERE number IN (SELECT number {mine})"  # noqa: S608
    store.execute(tried, values)
    store.execute(f"DELETE {mine}", values)


def _retire(store: Store, counted: str, values: tuple[int, ...]) -> None:
    for route, reason, count in store.execute(counted, values).fetchall():
        store.execute(
            "INSERT INTO retired VALUES (?, ?, ?) ON CONFLICT (route, reason) DO UPDATE SET "
            "count = retired.count + excluded.count",
            (route, reason, count),
        )
