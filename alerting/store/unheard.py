"""Open incidents of which receivers know something else than a new configuration takes for granted.

Under another configuration the state is computed again from the log, as if that had always been
there, and no message is sent again. So a receiver that is new was told nothing of what is open, and
one to which no route leads any more is told no end.

What is dead was not told; what is on its way will have been. Digests stand under no incident, so of
one that a receiver knows by a digest alone nothing is said.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from padit.alerting.messages import shortened
from padit.alerting.notifiers.base import plain
from padit.alerting.state import Incident
from padit.alerting.store.base import Store

__all__ = ["unheard"]

_MOST, _NAMED = 1_000, 3
_TOLD = ("told", "closing")


def unheard(
    store: Store, incidents: Iterable[Incident], leads_to: Mapping[str, str]
) -> Iterator[str]:
    """A sentence for each receiver that knows something else.

    Args:
        store: with what was handed out.
        incidents: of the state; of those that are open the first thousand are looked at.
        leads_to: receiver by route.
    """
    new: dict[str, list[Incident]] = {}
    left: dict[str, list[Incident]] = {}
    for one in islice((one for one in incidents if one.firing), _MOST):
        rows = store.execute(
            "SELECT receiver, kind FROM delivery WHERE incident = ? AND state <> 'dead' "
            "ORDER BY number",
            (one.id,),
        ).fetchall()
        last = dict(rows)
        knows = {leads_to[name]: told.together for name, told in one.told.items()
                 if told.state in _TOLD}  # fmt: skip
        for receiver, together in sorted(knows.items()):
            if receiver not in last and not together:  # a digest stands under no incident
                new.setdefault(receiver, []).append(one)
        for receiver, kind in sorted(last.items()):
            if kind != "resolved" and receiver not in knows:
                left.setdefault(receiver, []).append(one)
    for receiver, found in sorted(new.items()):
        yield (
            f"receiver {receiver} was told nothing of {_named(found)}, and by this configuration "
            "it will be told the end alone"
        )
    for receiver, found in sorted(left.items()):
        yield (
            f"receiver {receiver} was told of {_named(found)}, and by this configuration it will "
            "not be told the end: close it there"
        )


def _named(found: list[Incident]) -> str:
    first = [next(iter(one.members.values())).event for one in found[:_NAMED]]
    names = ", ".join(plain(shortened(f"{one.source_id} {one.metric_name}", 100)) for one in first)
    more = f" and {len(found) - len(first)} more" if len(found) > len(first) else ""
    return f"{len(found)} open incident{'s' if len(found) > 1 else ''} ({names}{more})"
