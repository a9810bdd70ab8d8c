"""The likely first cause of an incident: simple, with its evidence, and silent when in doubt.

The evidence for a source is the largest shift of its members, in interquartile ranges of their
usual values, and that of all sources that depend on it, because its fault is what they suffer from.
Public data shows that more than that rarely helps (docs/first-cause.md). Internal metrics (cpu,
memory, temperature) come before external ones (latency, errors), and those before traffic, which
others send. What moved to its good side (latency or a processor's load that fell) is no cause.

A wrong name costs somebody on call more than none, so the first is only *decided* if it is beyond
what calm data reaches by chance, clearly ahead, and explains the errors of the others.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from padit.alerting.entries import AlertEvent
from padit.alerting.state import Member

__all__ = ["Cause", "Speaks", "dependants_first", "likely_causes"]

_EXTERNAL_TYPES = frozenset({"latency", "error_rate", "availability"})
_EXTERNAL_WORDS = (
    "latency", "error", "duration", "rtt", "response", "status", "availab", "success", "uptime",
    "delay", "loss", "dropped", "timeout", "fail",
)  # fmt: skip
_TRAFFIC_WORDS = (
    "request", "qps", "workload", "ops", "bytes", "packet", "traffic", "syscall", "network",
)  # fmt: skip
_INTERNAL, _EXTERNAL, _TRAFFIC = 0, -1, -2  # larger is likelier
_TIERS = {  # for people, among several sources
    "own": "its own state", "seen": "what its users see", "sent": "what others send it",
}  # fmt: skip
_TIER_NAMES = {_INTERNAL: "own", _EXTERNAL: "seen", _TRAFFIC: "sent"}
_GOOD_HIGH = ("availability", "success", "uptime")
_FAILING_TYPES = frozenset({"error_rate", "availability"})
_FAILING_WORDS = ("error", "availab", "success", "uptime", "loss", "dropped", "timeout", "fail")
_GOOD_LOW = (
    "latency", "error", "duration", "rtt", "response", "cpu", "memory", "disk", "loss", "dropped",
    "timeout", "fail",
)  # fmt: skip
_MOST = 3
_PARTS = 100  # of an interquartile range: evidence is rounded to them before it is compared
_EXPLAINS = 10
_SEVERAL = 3  # sources that one explains
_LARGEST = 10_000_000 * _PARTS
# Among 160 to 290 series without any fault the largest shift is beyond this in one window of
# twenty (docs/first-cause.md).
_CLEAR = 10 * _PARTS


class Speaks(NamedTuple):
    """What speaks for a source: facts that each language has its own sentence for.

    Attributes:
        kind: above or below (the usual), or scores: its shift is not known.
        metric: that speaks most for it.
        figure: usual spreads, or the score, as it is shown.
        tier: own, seen or sent, see `_TIERS`; empty: there is no other source.
        users: sources of the incident that depend on it.
    """

    kind: str
    metric: str
    figure: str
    tier: str = ""
    users: int = 0

    @property
    def text(self) -> str:
        """In English."""
        words = f"{self.metric} ({_TIERS[self.tier]})" if self.tier else self.metric
        if self.kind == "scores":
            words += f" scores {self.figure}"
        else:
            words += f" is {self.figure} usual spreads {self.kind}"
        return f"{words}; {self.users} of the others depend on it" if self.users else words


class Cause(NamedTuple):
    """A source that may have been first.

    Attributes:
        source: its id.
        score: the share of the evidence that speaks for it, in [0, 1].
        speaks: what speaks for it.
    """

    source: str
    score: float
    speaks: Speaks

    @property
    def why(self) -> str:
        """What speaks for it, in words."""
        return self.speaks.text


class _Best(NamedTuple):
    """The member of a source that speaks most for it; larger is likelier."""

    tier: int
    size: int
    onset: int
    member: Member


@lru_cache(maxsize=1 << 14)
def _kind(metric_type: str, metric_name: str) -> tuple[int, int]:
    """The tier of a metric, and the sign of a shift to its good side; 0: none."""
    name = metric_name.lower()
    tier = _INTERNAL
    if metric_type in _EXTERNAL_TYPES or any(word in name for word in _EXTERNAL_WORDS):
        tier = _EXTERNAL
    elif metric_type == "throughput" or any(word in name for word in _TRAFFIC_WORDS):
        tier = _TRAFFIC
    if metric_type == "availability" or any(word in name for word in _GOOD_HIGH):
        return tier, 1
    low = metric_type in ("latency", "error_rate") or any(word in name for word in _GOOD_LOW)
    return tier, -1 if low else 0


@lru_cache(maxsize=1 << 14)
def _failing(metric_type: str, metric_name: str) -> bool:
    """Whether a metric counts what failed, or what did not."""
    name = metric_name.lower()
    return metric_type in _FAILING_TYPES or any(word in name for word in _FAILING_WORDS)


def _better(event: AlertEvent) -> bool:
    """Whether a metric moved to its good side: that is no fault, so no cause of one."""
    return _kind(event.metric_type, event.metric_name)[1] * event.shift > 0


def _users(sources: Sequence[str], depends_on: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """For each source those that depend on it, directly or not, as bits by their position.

    Bits are handed down edge by edge. In the order below once is enough, but for cycles.
    """
    if not depends_on:
        return dict.fromkeys(sources, 0)
    order = dependants_first(sources, depends_on)
    bits = {one: 1 << number for number, one in enumerate(sources)}
    users = dict.fromkeys(order, 0)
    changed = True
    while changed:
        changed, done = False, set()
        for one in order:
            done.add(one)
            more = users[one] | bits.get(one, 0)
            for below in depends_on.get(one, ()):
                if more & ~users[below]:
                    users[below] |= more
                    changed = changed or below in done  # a cycle: it has to hand them down again
    return {one: users[one] & ~bits[one] for one in sources}


def dependants_first(sources: Sequence[str], depends_on: Mapping[str, Sequence[str]]) -> list[str]:
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


def _explained(best: Mapping[str, _Best], users: Mapping[str, int]) -> dict[str, int]:
    """Evidence of each source: its own size and those of all that depend on it.

    What trembles a little explains no disaster: of each that depends on it a source gets ten
    times its own size at most. Sizes are added digit by digit of the binary system, for all
    users at once.
    """
    if not any(users.values()):
        return {source: one.size for source, one in best.items()}
    sizes = [one.size for one in best.values()]
    turned = sizes[::-1]
    planes = [
        (digit, int("".join(["1" if size >> digit & 1 else "0" for size in turned]), 2))
        for digit in range(max(sizes).bit_length())
    ]
    ranked = sorted(range(len(sizes)), key=sizes.__getitem__)
    ordered = [sizes[number] for number in ranked]
    smaller = [0, *accumulate(1 << number for number in ranked)]  # bits of the smallest n
    found = {}
    for source, one in best.items():
        most, mine = one.size * _EXPLAINS, users[source]
        low = mine & smaller[bisect_right(ordered, most)]
        found[source] = (
            one.size
            + (mine ^ low).bit_count() * most
            + (sum([(low & plane).bit_count() << digit for digit, plane in planes]) if low else 0)
        )
    return found


def _below_all(source: str, best: Mapping[str, _Best], users: Mapping[str, int]) -> bool:
    """Whether all others, three or more, depend on this one, which is beyond what is so by chance.

    Then it explains them all, also one of them whose own state trembles.
    """
    others = len(best) - 1
    if others < _SEVERAL or best[source].size < _CLEAR:
        return False
    return users[source].bit_count() == others


def likely_causes(
    members: Sequence[Member], depends_on: Mapping[str, Sequence[str]], margin: float
) -> tuple[tuple[Cause, ...], bool]:
    """At most three sources, the likeliest first, and whether the first is clearly ahead.

    Args:
        members: of the incident.
        depends_on: sources that a source depends on.
        margin: share by which the evidence for the first must exceed that for any source that
            does not depend on it, also one whose metrics are external.
    """
    if len(members) == 1:  # most incidents: nothing to weigh
        return (_alone(_Best(*_speaks(members[0]), members[0])),), False
    worse = [one for one in members if not _better(one.event)] or members
    best = _strongest(worse)
    if not best:
        return (), False
    if len(best) == 1:
        [(source, one)] = best.items()
        return (_alone(one),), _clear(members, worse, source, one)
    users = _users(list(best), depends_on)
    evidence = _explained(best, users)
    below_all = {one for one in best if _below_all(one, best, users)}
    order = sorted(
        best,
        key=lambda one: (
            one not in below_all,
            -best[one].tier,
            -evidence[one],
            -best[one].onset,
            one,
        ),
    )
    total = sum(one.size for one in best.values()) or 1
    causes = tuple(
        _cause(one, best[one], evidence[one] / total, users[one].bit_count())
        for one in order[:_MOST]
    )
    first = order[0]
    bits = {one: 1 << number for number, one in enumerate(best)}
    rivals = [evidence[one] for one in order[1:] if not bits[one] & users[first]]
    ahead = evidence[first] > max(rivals, default=-1) * (1 + margin)
    return causes, ahead and _clear(members, worse, first, best[first])


def _clear(members: Sequence[Member], worse: Sequence[Member], first: str, best: _Best) -> bool:
    """Whether the evidence for a source alone is enough, whatever speaks for others."""
    return len(members) > 1 and best.size >= _CLEAR and _convinces(first, best.tier, worse)


def _strongest(members: Sequence[Member]) -> dict[str, _Best]:
    """Of each source the member that speaks most for it."""
    best: dict[str, _Best] = {}
    for member in members:
        event = member.event
        tier, size, onset = _speaks(member)
        have = best.get(event.source_id)
        if have is None or (tier, size, onset) > have[:3]:
            best[event.source_id] = _Best(tier, size, onset, member)
    return best


def _speaks(member: Member) -> tuple[int, int, int]:
    """What a member says for its source: tier, size and onset, as in `_Best`."""
    event = member.event
    size = round(min(abs(event.shift) or event.score, _LARGEST / _PARTS) * _PARTS)
    return _kind(event.metric_type, event.metric_name)[0], size, -member.opened


def _alone(best: _Best) -> Cause:
    """The only source of an incident: there is nothing to rank it against."""
    event = best.member.event
    return Cause(event.source_id, 1.0 if best.size else 0.0, _facts(event))


def _convinces(source: str, tier: int, members: Sequence[Member]) -> bool:
    """Whether this source may be the cause of the errors in the incident.

    A source that is only slow rarely makes others fail: it must report errors itself, or no source
    may report any.
    """
    failing = {
        one.event.source_id
        for one in members
        if _failing(one.event.metric_type, one.event.metric_name)
    }
    return tier == _INTERNAL or (tier == _EXTERNAL and (not failing or source in failing))


def _cause(source: str, best: _Best, share: float, users: int) -> Cause:
    speaks = _facts(best.member.event, _TIER_NAMES[best.tier], users)
    return Cause(source, min(share, 1.0), speaks)


def _facts(event: AlertEvent, tier: str = "", users: int = 0) -> Speaks:
    if not event.shift:
        return Speaks("scores", event.metric_name, f"{event.score:.2f}", tier, users)
    kind = "above" if event.shift > 0 else "below"
    return Speaks(kind, event.metric_name, f"{abs(event.shift):.1f}", tier, users)
