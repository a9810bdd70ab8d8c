"""Puts the job's transitions into incidents: what shares something and begins close in time."""

from msgspec.structs import replace

from padit.alerting.compiled import Policy
from padit.alerting.entries import AlertEvent, fingerprint_of
from padit.alerting.matching import RANK
from padit.alerting.state import Incident, Member, State, Taken
from padit.domain.message import digest_of

__all__ = ["close", "forget", "lead", "place", "place_of", "worst"]

_MOST_BEGINS = 100
_MOST_ENDED, _MOST_ENDED_SERIES = 8, 50_000


def place(policy: Policy, state: State, event: AlertEvent) -> Incident | None:
    """Bring a transition to its incident; None if it is about an alert that is not known.

    An alert whose opening was not seen (the log begins in the middle) counts as opened by its
    first update. The end of an alert that is not known changes nothing.
    """
    known = state.alerts.get(event.alert)
    if event.kind == "resolved":
        if known is None:
            return None
        incident = state.incidents[known[0]]
        close(policy, state, incident, known[1], event.time, event.reason or "level")
        return incident
    if known is not None:
        incident = state.incidents[known[0]]
        member = incident.members[known[1]]
        if RANK[event.severity] >= RANK[member.event.severity]:
            before = member.event
            since = before.opened  # by a wrong clock each one says another time
            member.event = event if event.opened <= since else replace(event, opened=since)
            _index_causes(policy, state, event, before)  # it may be one since it is so severe
        return incident
    return _open(policy, state, event)


def _open(policy: Policy, state: State, event: AlertEvent) -> Incident:
    fingerprint = fingerprint_of(event.source_id, event.metric_name)
    before = state.series.get(fingerprint)
    incident = _incident_for(policy, state, event, before)
    if before is not None:
        _drop_alert(policy, state, incident.members[fingerprint].event)
        incident.firing -= 1
    elif not incident.firing:
        incident.begins = [*incident.begins[1 - _MOST_BEGINS :], event.time]
        incident.changed = max(incident.changed, event.time)
    incident.firing += 1
    incident.joined = max(incident.joined, event.time)
    member = incident.members.get(fingerprint)
    if member is None:
        incident.members[fingerprint] = Member(event, event.time)
    else:
        member.event, member.closed, member.ended_by = event, 0, ""
        member.openings += 1
    if before is None:
        incident.members[fingerprint].joined = incident.acts
        incident.free += 1
    _index(policy, state, event, incident, fingerprint)
    return incident


def _incident_for(policy: Policy, state: State, event: AlertEvent, before: str | None) -> Incident:
    """Where an opening belongs; `before`: an alert of its series that a lost run left open."""
    if before is not None:
        return state.incidents[state.alerts[before][0]]
    incident = _of_partner(policy, state, event) or _find(
        policy, state, event, fingerprint_of(event.source_id, event.metric_name)
    )
    _count_edges(policy, state, event, incident)
    if incident is not None:
        return incident
    identity = digest_of("incident", event.alert)
    if identity not in state.incidents:  # else an alert that a lost run left, once more
        state.incidents[identity] = Incident(identity, event.time, event.time, event.time)
    return state.incidents[identity]


def _of_partner(policy: Policy, state: State, event: AlertEvent) -> Incident | None:
    """The incident of the metric that an alert does not follow any more, where that opened lately.

    It is the same event seen twice: what one metric does, and that another does not follow. Each is
    known when its window has turned, so the second comes within twice the time of one.
    """
    if not event.partner:
        return None
    alert = state.series.get(fingerprint_of(event.source_id, event.partner))
    if alert is None:
        return None
    name, fingerprint = state.alerts[alert]
    incident = state.incidents[name]
    opened = incident.members[fingerprint].event.opened
    close = event.time - opened <= 2 * policy.config.incidents.near(event.delay)
    return incident if close else None


def _count_edges(policy: Policy, state: State, event: AlertEvent, found: Incident | None) -> None:
    """Count what came of edges that labels state: an incident joined by them alone, or by none."""
    traits = policy.traits_of(event)
    if found is None:
        counts = any(one in state.keys for one in traits.stated)
    else:
        page = (f"page {event.page}",) if event.page else ()
        counts = bool(traits.by_edge) and not any(
            state.keys.get(one) == found.id for one in (*page, *traits.near)
            if one not in traits.by_edge
        )  # fmt: skip
    if counts:
        result = "apart" if found is None else "joined"
        state.edges[result] = state.edges.get(result, 0) + 1


def _index(
    policy: Policy, state: State, event: AlertEvent, incident: Incident, fingerprint: str
) -> None:
    state.alerts[event.alert] = (incident.id, fingerprint)
    state.series[fingerprint] = event.alert
    traits = policy.traits_of(event)
    for key in (f"page {event.page}", *traits.keys) if event.page else traits.keys:
        if state.keys.get(key) != incident.id:
            state.keys[key] = incident.id
            incident.keys.append(key)
            state.shared[key] = event.time
        else:
            state.shared[key] = max(state.shared.get(key, incident.joined), event.time)
    _index_causes(policy, state, event)


def _index_causes(
    policy: Policy, state: State, event: AlertEvent, before: AlertEvent | None = None
) -> None:
    """File an alert as a cause; `before`: what it was until now, of which labels may differ."""
    keys = policy.traits_of(event).cause_keys
    for key in () if before is None else policy.traits_of(before).cause_keys:
        if key not in keys:
            _unfile(state, key, event.alert)
    for key in keys:
        state.causes.setdefault(key, {}).setdefault(event.alert, event.time)


def _unfile(state: State, key: str, alert: str) -> None:
    filed = state.causes.get(key)
    if filed is not None:
        filed.pop(alert, None)
        if not filed:
            del state.causes[key]


def _drop_alert(policy: Policy, state: State, event: AlertEvent) -> None:
    """An open alert, as of its latest rise, is over."""
    _, fingerprint = state.alerts.pop(event.alert)
    ended = state.ended.pop(fingerprint, [])  # the series that ended last stands last
    if len(state.ended) >= _MOST_ENDED_SERIES:
        del state.ended[next(iter(state.ended))]
    state.ended[fingerprint] = [*ended[1 - _MOST_ENDED :], (event.opened, event.alert)]
    state.series.pop(fingerprint)
    before_10 = [one.setting.name for one in policy.inhibitions]  # as it was then, not as it is
    for key in (*policy.traits_of(event).cause_keys, *before_10):
        _unfile(state, key, event.alert)


def close(
    policy: Policy, state: State, incident: Incident, fingerprint: str, time: int, reason: str
) -> None:
    """End the open alert of a member, not before it opened: a person's clock may be slow."""
    member = incident.members[fingerprint]
    time = max(time, member.event.opened)
    _drop_alert(policy, state, member.event)
    incident.free -= not member.holders
    member.closed, member.ended_by, member.holders, member.unkept = time, reason, [], 0
    incident.firing -= 1
    if not incident.firing:
        incident.changed = max(incident.changed, time)
        incident.wholes = []
        lead(incident, None)


def lead(incident: Incident, first: Taken | None, names: str = "", expires: int = 0) -> None:
    """Set who holds an incident as a whole, for messages and reasons; `first` None: nobody does."""
    incident.acknowledged_by = names
    incident.acknowledged_at = 0 if first is None else first.at
    incident.expires = expires


def forget(state: State, incident: Incident) -> None:
    """Drop an incident of which nothing more can come."""
    del state.incidents[incident.id]
    state.inhibited.pop(incident.id, None)
    for key in incident.keys:
        if state.keys.get(key) == incident.id:
            del state.keys[key]
            state.shared.pop(key, None)


def worst(incident: Incident) -> list[Member]:
    """Members by severity, open ones first, then by opening and name."""
    if len(incident.members) == 1:  # most have one
        return list(incident.members.values())
    return sorted(incident.members.values(), key=place_of)


def place_of(one: Member) -> tuple[bool, int, int, str, str]:
    """Where a member stands among the others, by what is worst."""
    return (
        bool(one.closed),
        -RANK[one.event.severity],
        one.opened,
        one.event.source_id,
        one.event.metric_name,
    )


def _find(policy: Policy, state: State, event: AlertEvent, fingerprint: str) -> Incident | None:
    """The oldest incident that shares something with an alert and is close to it in time.

    Close to the latest alert with which it shares that, whatever else has joined since: else each
    that joins would keep the incident open to the next, and a new fault would not be told. What
    comes and goes stays in its incident, also where the windows of the job are short, so that it is
    told as such; another series does not join one that began long ago. What
    a whole site shares, a label, says less than a source or an edge: by it alone the time is less.
    """
    traits = policy.traits_of(event)
    keys = traits.near
    page = f"page {event.page}" if event.page else ""
    if page:
        keys = (page, *keys)
    setting = policy.config.incidents
    near = setting.near(event.delay)
    found: Incident | None = None
    for key in keys:
        name = state.keys.get(key)
        if name is None:
            continue
        one = state.incidents[name]
        most = setting.spread
        if key in traits.weak:
            most = min(near, most)
        spread = event.time - one.opened <= most
        known = key == page or fingerprint in one.members
        close = max(near, setting.lost_after) if known else near
        if (
            event.time - state.shared.get(key, one.joined) <= close
            and (spread or known)
            and (found is None or (one.opened, one.id) < (found.opened, found.id))
        ):
            found = one
    return found
