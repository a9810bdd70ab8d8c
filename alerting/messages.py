"""Messages for receivers: the incident as of one moment, under an id that the log decides."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

from padit.alerting.cause import Cause, likely_causes
from padit.alerting.compiled import Policy, ReadyRoute
from padit.alerting.effects import DIGESTS, Brief, Handed, MemberView, MessageKind, View
from padit.alerting.entries import fingerprint_of
from padit.alerting.incidents import place_of, worst
from padit.alerting.matching import RANK
from padit.alerting.sharing import edges_of
from padit.alerting.state import Incident, Member, State
from padit.domain.alert import Severity
from padit.domain.message import digest_of

__all__ = ["brief", "hand", "shortened", "view_of", "view_with_causes"]

_MOST_MEMBERS, _MOST_TOGETHER, _MOST_EDGES, _MOST_NAMED = 20, 200, 20, 10
# A message is for people and for receivers with limits; the alert itself stays whole in the log.
_LONGEST_NAME, _LONGEST_SUMMARY, _LONGEST_LABEL, _MOST_LABELS = 500, 2_000, 200, 20


def view_of(policy: Policy, incident: Incident) -> View:
    """An incident as a message shows it."""
    return view_with_causes(policy, incident)[0]


def view_with_causes(
    policy: Policy,
    incident: Incident,
    most: int = _MOST_MEMBERS,
    behind: tuple[bool, int, int, str, str] | None = None,
) -> tuple[View, tuple[Cause, ...]]:
    """An incident as a message shows it, and the facts behind the words of its causes.

    Args:
        policy: the configuration.
        incident: an incident.
        most: members, the worst.
        behind: only those behind this place (`place_of`).
    """
    members = worst(incident)
    first = 0 if behind is None else bisect_right(members, behind, key=place_of)
    shown = members[first : first + most]
    grouping = policy.config.incidents
    edges, stated = edges_of(grouping, [one.event for one in members])
    causes, decided = likely_causes(members, edges, grouping.margin)
    view = View(
        id=incident.id,
        opened=incident.opened,
        severity=members[0].event.severity if len(members) == 1 else _severity(members),
        firing=incident.firing > 0,
        flapping=incident.flapping,
        acknowledged_by=incident.acknowledged_by,
        members=tuple([_view(one, not incident.acknowledged_by) for one in shown]),
        more=len(members) - first - len(shown),
        causes=tuple(
            [
                (shortened(one.source), one.score, shortened(one.why, _LONGEST_SUMMARY))
                for one in causes
            ]
        ),
        decided=decided,
        acknowledged_at=incident.acknowledged_at,
        began=len(incident.begins),
        edges=_edges(stated) if stated else (),
    )
    return view, causes


def _edges(stated: Sequence[tuple[str, str]]) -> tuple[tuple[str, tuple[str, ...], int], ...]:
    """Edges by the source on which others depend."""
    above: dict[str, list[str]] = {}
    for source, below in stated:
        above.setdefault(below, []).append(source)
    return tuple(
        (shortened(below), tuple(map(shortened, sources[:_MOST_NAMED])), len(sources))
        for below, sources in islice(sorted(above.items()), _MOST_EDGES)
    )


def _severity(members: Sequence[Member]) -> Severity:
    """The highest of what is open; of all once it is over."""
    still_open = [one for one in members if not one.closed] or members
    return max((one.event.severity for one in still_open), key=RANK.__getitem__)


def _view(member: Member, alone: bool) -> MemberView:
    """A member; who has it is said where nobody has the whole."""
    event, taken = member.event, member.taken if alone else None
    fingerprint, source_id, metric_name = _names(event.source_id, event.metric_name)
    return MemberView(
        fingerprint,
        source_id,
        metric_name,
        event.severity,
        event.score,
        shortened(event.summary, _LONGEST_SUMMARY),
        member.opened,
        member.closed,
        _labels(event.labels),
        event.alert,
        "" if taken is None else taken.by,
        0 if taken is None else taken.at,
    )


@lru_cache(maxsize=1 << 14)
def _names(source_id: str, metric_name: str) -> tuple[str, str, str]:
    """Fingerprint and names of a series."""
    return fingerprint_of(source_id, metric_name), shortened(source_id), shortened(metric_name)


def _labels(labels: dict[str, str]) -> dict[str, str]:
    if len(labels) <= _MOST_LABELS and all(
        [max(len(name), len(labels[name])) <= _LONGEST_LABEL for name in labels]
    ):
        return labels  # those of the event, which never changes
    return {
        shortened(name, _LONGEST_LABEL): shortened(value, _LONGEST_LABEL)
        for name, value in islice(labels.items(), _MOST_LABELS)
    }


def shortened(text: str, most: int = _LONGEST_NAME) -> str:
    """A text of at most so many characters, which shows where it was cut."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def hand(
    policy: Policy,
    state: State,
    route: ReadyRoute,
    kind: MessageKind,
    time: int,
    incidents: Sequence[Incident],
    transitions: Sequence[str] = (),
) -> Handed:
    """Make a message for a route, and count it.

    Args:
        policy: the configuration.
        state: whose counts change.
        route: where it goes.
        kind: what it reports.
        time: event time, microseconds.
        incidents: one; several for a digest; none for what is about no incident.
        transitions: that it stands for.
    """
    number = _count(state, route, time)
    shown = _shown(incidents)
    views = tuple([view_of(policy, one) for one in shown])
    name = incidents[0].id if len(incidents) == 1 else kind
    return Handed(
        id=digest_of("message", route.name, kind, name, str(time), str(number)),
        route=route.name,
        receiver=route.receiver,
        kind=kind,
        time=time,
        view=views[0] if views and kind not in DIGESTS else None,
        others=views if kind in DIGESTS else (),
        transitions=tuple(transitions),
        more=len(incidents) - len(shown),
    )


def _shown(incidents: Sequence[Incident]) -> Sequence[Incident]:
    """Of many incidents the worst ones; a message of all would be one that receivers refuse."""
    if len(incidents) <= _MOST_TOGETHER:
        return incidents
    ranked = sorted(
        incidents,
        key=lambda one: (-RANK[_severity(list(one.members.values()))], one.opened, one.id),
    )
    return ranked[:_MOST_TOGETHER]


def brief(
    state: State,
    route: ReadyRoute,
    kind: MessageKind,
    time: int,
    incidents: Sequence[Incident],
    transitions: Sequence[str] = (),
) -> Brief:
    """The message that `hand` makes, without what it tells; the state changes in the same way."""
    _count(state, route, time)
    alerts: list[str] = []
    for one in _shown(incidents):
        alerts += [member.event.alert for member in worst(one)[:_MOST_MEMBERS]]
    return Brief(route.name, kind, time, tuple(alerts), tuple(transitions))


def _count(state: State, route: ReadyRoute, time: int) -> int:
    """Count a message of a route; its number."""
    number = state.messages.get(route.name, 0) + 1
    state.messages[route.name] = number
    rate = route.setting.rate
    if rate is not None:
        sent = [one for one in state.sent.get(route.name, ()) if one > time - rate.per]
        state.sent[route.name] = [*sent, time][-rate.messages :]
    return number
