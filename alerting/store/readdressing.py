"""Messages that wait for a receiver which the configuration no longer has."""

import logging
from collections.abc import Collection, Mapping

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
    rows = store.execute(
        "SELECT route, receiver, count(*) FROM delivery WHERE state = 'pending' "
        "GROUP BY route, receiver ORDER BY route, receiver"
    ).fetchall()
    for route, receiver, count in rows:
        if receiver in receivers:
            continue
        now = leads_to.get(route)
        if now is not None:
            change, value = "receiver = ?", now
            _LOG.warning(
                "there is no receiver %s any more; %d messages of route %s go to %s",
                receiver, count, route, now,
            )  # fmt: skip
        else:
            value = f"there are neither route {route} nor receiver {receiver} any more"
            change = "state = 'dead', reason = ?"
            _LOG.warning("%s: %d messages are dead (`padit dlq`)", value, count)
        with store.transaction():
            store.execute(
                f"UPDATE delivery SET {change} "  # noqa: S608
                "WHERE state = 'pending' AND route = ? AND receiver = ?",
                (value, route, receiver),
            )
