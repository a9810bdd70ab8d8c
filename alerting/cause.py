"""The likely first cause of an incident: simple, with its evidence, and silent when in doubt.

Each source gets the largest shift of its members in interquartile ranges of their usual values.
Public data shows that more than that rarely helps (docs/first-cause.md). Internal metrics (cpu,
memory, temperature) come before external ones (latency, errors), and of sources that depend on
each other the deepest one comes first, because its fault is what the others suffer from. What moved
to its good side (latency that fell) is no cause.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from padit.alerting.state import Member

__all__ = ["Cause", "likely_causes"]

_EXTERNAL_TYPES = frozenset({"latency", "error_rate", "availability", "throughput"})
_EXTERNAL_WORDS = ("latency", "error", "duration", "rtt", "response", "request", "qps", "status")
_GOOD_HIGH = ("availability", "success", "uptime")
_GOOD_LOW = ("latency", "error", "duration", "rtt", "response")
_MOST = 3
_LEAST = 1e-9


class Cause(NamedTuple):
    """A source that may have been first.

    Attributes:
        source: its id.
        score: the share of the evidence that speaks for it, in [0, 1].
        why: in words.
    """

    source: str
    score: float
    why: str


def _external(member: Member) -> bool:
    event = member.event
    name = event.metric_name.lower()
    return event.metric_type in _EXTERNAL_TYPES or any(word in name for word in _EXTERNAL_WORDS)


def _better(member: Member) -> bool:
    """Whether a metric moved to its good side: that is no fault, so no cause of one."""
    event = member.event
    name = event.metric_name.lower()
    if event.metric_type == "availability" or any(word in name for word in _GOOD_HIGH):
        return event.shift > 0
    if event.metric_type in ("latency", "error_rate") or any(word in name for word in _GOOD_LOW):
        return event.shift < 0
    return False


def _depths(sources: Sequence[str], depends_on: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many of the sources depend on each of them, directly or not.

    Those that depend on a node are bits of a number, handed down edge by edge. In the order below
    once is enough, but for cycles.
    """
    if not depends_on:
        return dict.fromkeys(sources, 0)
    order = _dependants_first(sources, depends_on)
    bits = {one: 1 << number for number, one in enumerate(sources)}
    users = dict.fromkeys(order, 0)
    changed = True
    while changed:
        changed = False
        for one in order:
            more = users[one] | bits.get(one, 0)
            for below in depends_on.get(one, ()):
                if more & ~users[below]:
                    users[below] |= more
                    changed = True
    return {one: (users[one] & ~bits[one]).bit_count() for one in sources}


def _dependants_first(sources: Sequence[str], depends_on: Mapping[str, Sequence[str]]) -> list[str]:
    """All nodes that the sources reach; without cycles what depends on a node comes first."""
    seen: set[str] = set()
    left: list[str] = []
    for source in sources:
        waiting = [(source, False)]
        while waiting:
            one, done = waiting.pop()
            if done:
                left.append(one)
            elif one not in seen:
                seen.add(one)
                waiting.append((one, True))
                waiting += [(below, False) for below in depends_on.get(one, ())]
    return left[::-1]


def likely_causes(
    members: Sequence[Member], depends_on: Mapping[str, Sequence[str]], margin: float
) -> tuple[tuple[Cause, ...], bool]:
    """At most three sources, the likeliest first, and whether the first is clearly ahead.

    Args:
        members: of the incident.
        depends_on: sources that a source depends on.
        margin: share by which the first must exceed the second.
    """
    best: dict[str, tuple[bool, float, int, Member]] = {}
    for member in [one for one in members if not _better(one)] or members:
        event = member.event
        size = abs(event.shift) or event.score
        rank = (not _external(member), size, -member.opened)
        have = best.get(event.source_id)
        if have is None or rank > have[:3]:
            best[event.source_id] = (*rank, member)
    depth = _depths(list(best), depends_on)
    order = sorted(
        best, key=lambda one: (-depth[one], not best[one][0], -best[one][1], -best[one][2], one)
    )
    total = sum(best[one][1] for one in sorted(best)) or _LEAST
    causes = tuple(_cause(one, best[one], depth[one], total) for one in order[:_MOST])
    return causes, _ahead(order, best, depth, margin)


def _cause(source: str, rank: tuple[bool, float, int, Member], depth: int, total: float) -> Cause:
    internal, size, _, member = rank
    what = "internal" if internal else "external"
    place = f"is {size:.1f} IQRs from its usual" if member.event.shift else f"scores {size:.2f}"
    words = f"{member.event.metric_name} ({what}) {place}"
    if depth:
        words += f"; {depth} of the others depend on it"
    return Cause(source, size / total, words)


def _ahead(
    order: Sequence[str],
    best: Mapping[str, tuple[bool, float, int, Member]],
    depth: Mapping[str, int],
    margin: float,
) -> bool:
    if len(order) < 2:
        return True
    first, second = order[0], order[1]
    if depth[first] != depth[second] or best[first][0] != best[second][0]:
        return True
    return best[first][1] > best[second][1] * (1 + margin)
