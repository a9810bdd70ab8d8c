"""What depends on what among the sources of an incident, as a page draws it.

A source with an alert stands in it if it depends on another of the incident or another on it. One
without an alert does so where it lies between two of them, or where two depend on it: that is why
they are one incident.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from padit.alerting.cause import dependants_first
from padit.alerting.incidents import worst
from padit.alerting.messages import shortened
from padit.alerting.policy import Grouping
from padit.alerting.sharing import Edges, edges_of
from padit.alerting.state import Incident

__all__ = ["topology_of"]

_MOST_NODES = 20
_Edge = tuple[str, str]


def topology_of(grouping: Grouping, incident: Incident, causes: Sequence[str]) -> dict[str, Any]:
    """Nodes, what others depend on first, edges between them, and how many nodes are left out.

    Of more than 20 nodes the likely causes stay, then what has most edges; every edge between two
    that stay is there.

    Args:
        grouping: of the configuration.
        incident: an incident.
        causes: sources that may have been first, the likeliest first.

    Returns:
        `nodes` (`source`; `cause`, its place among the causes from 1 on, 0: none; `severity`, empty
        without an alert; `firing`), `edges` (`from`, `to`: places among the nodes; `stated`:
        whether an adapter knows it, else the configuration does), `left_out`.
    """
    members = worst(incident)
    edges, stated = edges_of(grouping, [one.event for one in members])
    sources = dict.fromkeys(one.event.source_id for one in members)
    found = _between(sources, edges)
    if not found:
        return {"nodes": [], "edges": [], "left_out": 0}
    names = _ordered(found, causes)
    first = {name: number for number, name in enumerate(causes, 1)}
    place = {name: number for number, name in enumerate(names)}
    severities: dict[str, tuple[str, bool]] = {}
    for one in members:  # the worst of a source comes first, what is open before what is over
        severities.setdefault(one.event.source_id, (one.event.severity, not one.closed))
    known = set(stated)
    shown = [one for one in found if one[0] in place and one[1] in place]
    return {
        "nodes": [
            {"source": shortened(name), "cause": first.get(name, 0),
             "severity": severities.get(name, ("", False))[0],
             "firing": severities.get(name, ("", False))[1]}
            for name in names
        ],
        "edges": [{"from": place[above], "to": place[below], "stated": (above, below) in known}
                  for above, below in shown],
        "left_out": len({name for edge in found for name in edge}) - len(names),
    }  # fmt: skip


def _between(sources: Collection[str], edges: Edges) -> list[_Edge]:
    """Edges on the way from a source to another, or to what two of them depend on; sorted."""
    down = _reached(sources, edges)
    users: dict[str, set[str]] = {}
    for above in down:
        for below in edges.get(above, ()):
            if below != above:
                users.setdefault(below, set()).add(above)
    alerting = set(sources)
    leading = _reached(sources, users)  # from these a source is reached
    leading |= {one for one, above in users.items() if len(above & alerting) > 1}
    return sorted((above, one) for one in leading for above in users.get(one, ()) if above in down)


def _reached(begin: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    found, left = set(begin), list(begin)
    while left:
        for one in edges.get(left.pop(), ()):
            if one not in found:
                found.add(one)
                left.append(one)
    return found


def _ordered(edges: Sequence[_Edge], causes: Sequence[str]) -> list[str]:
    """The nodes to show, what others depend on first."""
    counts: dict[str, int] = {}
    for edge in edges:
        for name in edge:
            counts[name] = counts.get(name, 0) + 1
    rank = {name: number for number, name in enumerate(causes)}
    wanted = sorted(counts, key=lambda one: (rank.get(one, len(rank)), -counts[one], one))
    kept = sorted(wanted[:_MOST_NODES], key=lambda one: (-rank.get(one, len(rank)), one))
    below: dict[str, list[str]] = {}
    for above, one in edges:
        below.setdefault(above, []).append(one)
    chosen = set(kept)
    return [one for one in dependants_first(kept, below) if one in chosen][::-1]
