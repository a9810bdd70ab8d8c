"""Messages that wait for a receiver which the configuration no longer has."""

import logging
from collections.abc import Collection, Iterable, Mapping

from padit.alerting.fates import LEFT_ALONE
from padit.alerting.store.base import Store

__all__ = ["readdress"]

_LOG = logging.getLogger(__name__)


def readdress(store: Store, leads_to: Mapping[str, str], receivers: Collection[str]) -> None:
    """Send them where their routes lead now; of a route that is gone, too, they are dead.

    Otherwise they would be pending for ever, without a trace.

    Args:
        store: led by this process.
        leads_to: receiver by route.
        receivers: names of those that there are.
    """
    for route, receiver, count in _waiting_for(store, _gone(store, receivers)):
        now = leads_to.get(route)
        if now is not None:
            # What kept it from the receiver of before says nothing of this one.
            change = "receiver = ?, reason = CASE WHEN reason LIKE ? THEN '' ELSE reason END"
            values: tuple[str, ...] = (now, f"{LEFT_ALONE}%")
            _LOG.warning(
                "there is no receiver %s any more; %d messages of route %s go to %s",
                receiver, count, route, now,
            )  # fmt: skip
        else:
            why = f"there are neither route {route} nor receiver {receiver} any more"
            change, values = "state = 'dead', reason = ?", (why,)
            _LOG.warning("%s: %d messages are dead (`padit dlq`)", why, count)
        with store.transaction():
            store.execute(
                f"UPDATE delivery SET {change} "  # noqa: S608
                "WHERE state = 'pending' AND route = ? AND receiver = ?",
                (*values, route, receiver),
            )


def _gone(store: Store, receivers: Collection[str]) -> list[str]:
    """Receivers of messages that there are no longer; a look into the index for each name."""
    found = []
    name = store.execute("SELECT min(receiver) FROM delivery").fetchone()[0]
    while name is not None:
        if name not in receivers:
            found.append(name)
        row = store.execute("SELECT min(receiver) FROM delivery WHERE receiver > ?", (name,))
        name = row.fetchone()[0]
    return found


def _waiting_for(store: Store, names: Iterable[str]) -> list[tuple[str, str, int]]:
    """Route, receiver and number of the messages that wait for some receivers."""
    return [
        (route, name, count)
        for name in names
        for route, count in store.execute(
            "SELECT route, count(*) FROM delivery WHERE receiver = ? AND state = 'pending' "
            "GROUP BY route ORDER BY route",
            (name,),
        ).fetchall()
    ]
