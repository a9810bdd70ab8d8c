"""One pure function decides what a transition becomes on a route.

The service, previews and explanations all use it.
The reasons are `effects.Reason`, a closed list. Nothing here changes the state.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from padit.alerting.compiled import Policy, ReadyRoute
from padit.alerting.effects import Reason
from padit.alerting.entries import AlertEvent
from padit.alerting.matching import RANK, next_start, within
from padit.alerting.state import FOR_EVER, Incident, State, Told

__all__ = ["HELD_BACK", "Decision", "Gate", "decide", "gate", "room"]

HELD_BACK = frozenset({Reason.SILENCED, Reason.INHIBITED, Reason.BELOW_SCORE})
"""Why something waits for more than time: another alert may be free of it, or it may end."""

Action = Literal["send", "worse", "quiet", "wait", "later", "join", "close", "drop", "none"]


class Decision(NamedTuple):
    """What becomes of a transition on a route.

    Attributes:
        action: `send` a first message; `worse`, a rise in severity; `quiet`, a change that only
            a message that can be edited shows; `wait` until `until`; `later`, a rise in severity
            that waits; `join` what waits already;
            `close`, send the end once it has lasted; `drop` what waits; `none`.
        reason: of the outcome; while it waits, the reason of that.
        detail: the silence, the inhibition, the acknowledging person ...
        until: event time of the next look, microseconds; 0: no other than by a transition.
    """

    action: Action
    reason: Reason
    detail: str = ""
    until: int = 0


class Gate(NamedTuple):
    """What keeps an alert from a route for now."""

    reason: Reason
    detail: str
    until: int


def gate(
    policy: Policy, state: State, event: AlertEvent, route: ReadyRoute, time: int
) -> Gate | None:
    """The first thing that keeps an alert from a route at an event time; None: nothing does."""
    least = policy.config.min_score
    if event.score < least:
        return Gate(Reason.BELOW_SCORE, f"score {event.score:.3g} is below {least:.3g}", 0)
    found = _silenced(policy, state, event, time) or _inhibited(policy, state, event)
    if found is not None:
        return found
    if route.hours is not None and not within(route.hours, time):
        return Gate(Reason.OUTSIDE_HOURS, route.setting.hours or "", next_start(route.hours, time))
    return None


def _silenced(policy: Policy, state: State, event: AlertEvent, time: int) -> Gate | None:
    for silence in policy.traits_of(event).silences:
        if silence.start <= time < silence.end:
            return Gate(Reason.SILENCED, silence.id, silence.end)
    if state.silences:
        one = policy.muting(state.silences).find(event, time, state.now)
        if one is not None:
            end = one.end if one.end < FOR_EVER else 0
            return Gate(Reason.SILENCED, f"{one.id} by {one.by}", end)
    return None


def _inhibited(policy: Policy, state: State, event: AlertEvent) -> Gate | None:
    """Of alerts that inhibit each other in a circle, the one that opened first goes free."""
    for name, cause in _causes(policy, state, event):
        if _age(event) < _age(cause) and _circular(policy, state, cause, event):
            continue
        return Gate(Reason.INHIBITED, f"{name}: {cause.source_id} {cause.metric_name}", 0)
    return None


def _causes(policy: Policy, state: State, event: AlertEvent) -> Iterator[tuple[str, AlertEvent]]:
    """Open alerts that explain an alert, each with the name of its rule."""
    for rule, key in policy.traits_of(event).suffers:
        for alert in _filed(state, rule.setting.name, key):
            incident_id, fingerprint = state.alerts[alert]
            cause = state.incidents[incident_id].members[fingerprint].event
            if rule in policy.traits_of(cause).causes and all(
                _shared(event, cause, name) for name in rule.setting.same
            ):
                yield rule.setting.name, cause


def _filed(state: State, rule: str, key: str) -> Iterator[str]:
    """Open alerts that may be causes; a state of before version 10 has them by their rule alone."""
    yield from state.causes.get(key, ())
    if key != rule:
        yield from state.causes.get(rule, ())


def _age(event: AlertEvent) -> tuple[int, str]:
    return event.opened, event.alert


def _circular(policy: Policy, state: State, cause: AlertEvent, event: AlertEvent) -> bool:
    """Whether a cause is itself explained by an alert, directly or not."""
    left, seen = [cause], {cause.alert}
    while left:
        for _, above in _causes(policy, state, left.pop()):
            if above.alert == event.alert:
                return True
            if above.alert not in seen:
                seen.add(above.alert)
                left.append(above)
    return False


def _shared(one: AlertEvent, other: AlertEvent, name: str) -> bool:
    if name == "source":
        return one.source_id == other.source_id
    return name in one.labels and one.labels[name] == other.labels.get(name)


def room(state: State, route: ReadyRoute, time: int) -> int:
    """0 if a route may send now; else the event time at which it may."""
    rate = route.setting.rate
    if rate is None:
        return 0
    recent = [one for one in state.sent.get(route.name, ()) if one > time - rate.per]
    return 0 if len(recent) < rate.messages else recent[0] + rate.per


def decide(
    policy: Policy, state: State, event: AlertEvent, incident: Incident | None, route: ReadyRoute
) -> Decision:
    """What becomes of a transition that stands in its incident already.

    Args:
        policy: the configuration.
        state: after `incidents.place`.
        event: the transition.
        incident: where it was placed; None: its alert is not known.
        route: one that takes it.
    """
    told = None if incident is None else incident.told.get(route.name)
    if incident is None or (event.kind == "resolved" and told is None):
        return Decision("none", Reason.NOT_SENT)
    if event.kind == "resolved":
        return _end(policy, event, incident, route, told)
    if told is None or (told.state == "ended" and _cool(event, route, told) <= event.time):
        return first(policy, state, event, route)
    if told.state == "waiting":
        return _while_waiting(policy, state, event, route, told)
    return _again(policy, state, event, incident, route, told)


def _cool(event: AlertEvent, route: ReadyRoute, told: Told) -> int:
    return told.since + route.setting.cool_down


def first(policy: Policy, state: State, event: AlertEvent, route: ReadyRoute) -> Decision:
    """For an incident of which the route knows nothing."""
    held = gate(policy, state, event, route, event.time)
    if held is not None:
        return Decision("wait", held.reason, held.detail, held.until)
    if route.setting.min_duration and event.time < event.opened + route.setting.min_duration:
        return Decision("wait", Reason.TOO_SHORT, "", event.opened + route.setting.min_duration)
    later = room(state, route, event.time)
    if later:
        return Decision("wait", Reason.RATE_LIMITED, "", later)
    return Decision("send", Reason.HANDED)


def _while_waiting(
    policy: Policy, state: State, event: AlertEvent, route: ReadyRoute, told: Told
) -> Decision:
    """A further alert may be free of what made the first one wait."""
    if told.why not in HELD_BACK:
        return Decision("join", Reason(told.why), told.detail)
    found, cool = first(policy, state, event, route), _cool(event, route, told)
    cools = told.messages and event.time < cool and RANK[event.severity] <= RANK[told.severity]
    if cools and found.reason not in HELD_BACK | {Reason.OUTSIDE_HOURS}:
        return Decision("wait", Reason.COOL_DOWN, "", cool)
    return found


def _again(
    policy: Policy,
    state: State,
    event: AlertEvent,
    incident: Incident,
    route: ReadyRoute,
    told: Told,
) -> Decision:
    """For an incident that the route was sent."""
    held = gate(policy, state, event, route, event.time)
    risen = RANK[event.severity] > RANK[told.severity]
    if held is not None:
        action: Action = "wait" if told.state == "ended" else "later" if risen else "none"
        return Decision(action, held.reason, held.detail, held.until)
    if risen:
        return Decision("worse", Reason.HANDED)
    if told.state == "ended":  # while it comes and goes: somebody has ended it by hand
        return Decision("wait", Reason.COOL_DOWN, "", _cool(event, route, told))
    if incident.flapping:
        return Decision("quiet", Reason.FLAPPING)
    taken = incident.members[state.alerts[event.alert][1]].taken
    if incident.acknowledged_by or taken is not None:
        by = incident.acknowledged_by or taken.by  # type: ignore[union-attr]  # one of them
        return Decision("quiet", Reason.ACKNOWLEDGED, by)
    return Decision("quiet", Reason.GROUPED, incident.id)


def _end(
    policy: Policy, event: AlertEvent, incident: Incident, route: ReadyRoute, told: Told | None
) -> Decision:
    if told is None or told.state == "ended":
        return Decision("none", Reason.NOT_SENT)
    if policy.firing_on(incident, route):
        return Decision("quiet" if told.state != "waiting" else "none", Reason.STILL_OPEN)
    if told.state == "waiting":
        return Decision("drop", Reason(told.why), told.detail)
    if incident.flapping:
        return Decision("quiet", Reason.FLAPPING)
    if not route.setting.resolved:
        return Decision("none", Reason.END_NOT_WANTED)
    return Decision("close", Reason.HANDED, "", event.time + route.setting.settle)
