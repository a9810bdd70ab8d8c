"""Carries out on a route what `decide` decided, and looks again when something is due."""

from padit.alerting.compiled import ReadyRoute
from padit.alerting.decide import HELD_BACK, Decision, Gate, gate, room
from padit.alerting.effects import MessageKind, Reason
from padit.alerting.entries import AlertEvent
from padit.alerting.holding import REMINDER, gate_of, held, look_at, sooner, waits_for
from padit.alerting.matching import RANK
from padit.alerting.reminding import nobodys, remind_of, waiting, waits_for_room
from padit.alerting.state import Incident, Told
from padit.alerting.step import Step

__all__ = [
    "act",
    "calm",
    "end_elsewhere",
    "end_without_transition",
    "held_back",
    "look_again",
    "look_at_held_back",
    "tell",
]


def act(
    step: Step, event: AlertEvent, incident: Incident, route: ReadyRoute, decision: Decision
) -> None:
    """Carry out a decision about a transition; its action is not `none`."""
    told = incident.told.get(route.name)
    if told is None:
        told = incident.told[route.name] = Told("waiting", since=event.time)
    action, time = decision.action, event.time
    if action in ("send", "worse"):
        kind: MessageKind = "worse" if action == "worse" and told.state != "ended" else "opened"
        tell(step, incident, route, kind, time, [*told.pending, event.id])
    elif action in ("wait", "later"):
        _wait(step, event, incident, route, decision)
    elif action == "join":
        _outcome_or_pending(step, event, route, told, decision)
    elif action == "close":
        told.state, told.since, told.pending = "closing", time, [*told.pending, event.id]
        told.why = told.detail = ""
        if decision.until > time:
            look_at(step, incident, route, told, decision.until)
        else:
            _finish(step, incident, route, told, time)
    elif action == "drop":
        ids = [*told.pending, event.id]
        step.settle(route.name, ids, decision.reason, decision.detail, time)
        _drop(incident, route, told)
    else:  # quiet
        _go_on(step, route, told, time)
        step.settle(route.name, [event.id], decision.reason, decision.detail, time)


def _drop(incident: Incident, route: ReadyRoute, told: Told) -> None:
    """What waited is over; a cool-down goes on for what was sent before."""
    if told.messages:
        told.state, told.why, told.due, told.pending = "ended", "", 0, []
    else:
        del incident.told[route.name]


def _wait(
    step: Step, event: AlertEvent, incident: Incident, route: ReadyRoute, decision: Decision
) -> None:
    told = incident.told[route.name]
    if decision.action == "later":
        _go_on(step, route, told, event.time)
        step.settle(route.name, [event.id], decision.reason, decision.detail, event.time)
        _wait_with_rise(step, incident, route, decision, event.time)
        return
    if told.state == "ended":
        told.pending = []
    told.state = "waiting"
    waits_for(step, incident, told, decision.reason, decision.detail)
    _outcome_or_pending(step, event, route, told, decision)
    earlier = decision.reason in HELD_BACK and 0 < told.due <= decision.until
    if decision.until and not earlier:  # another alert of it may be free before this one
        look_at(step, incident, route, told, decision.until)


def _wait_with_rise(
    step: Step, incident: Incident, route: ReadyRoute, by: Decision | Gate, time: int
) -> None:
    """A route that was told of an incident is told that it got worse when nothing keeps that."""
    told = incident.told[route.name]
    reminder = (told.why, told.detail) if told.why == REMINDER else None
    waits_for(step, incident, told, by.reason, by.detail)
    if reminder is not None:  # goes on waiting beside the rise
        told.why, told.detail = reminder
    if by.until > time and not 0 < told.due <= by.until:
        look_at(step, incident, route, told, by.until)


def _outcome_or_pending(
    step: Step, event: AlertEvent, route: ReadyRoute, told: Told, decision: Decision
) -> None:
    """What only has to last has no outcome yet; everything else has."""
    if decision.reason is Reason.TOO_SHORT:
        told.pending = [*told.pending, event.id]
    else:
        step.settle(route.name, [event.id], decision.reason, decision.detail, event.time)


def _go_on(step: Step, route: ReadyRoute, told: Told, time: int) -> None:
    """The end of an incident was about to be sent, and it goes on."""
    if told.state == "closing":
        step.settle(route.name, told.pending, Reason.REOPENED, "", time)
        told.state, told.pending, told.due = "told", [], 0


def tell(
    step: Step,
    incident: Incident,
    route: ReadyRoute,
    kind: MessageKind,
    time: int,
    transitions: list[str],
) -> None:
    """Send a route something about an incident that goes on."""
    told = incident.told[route.name]
    if told.state == "closing":
        transitions = [one for one in transitions if one not in told.pending]
        _go_on(step, route, told, time)
    told.state, told.since, told.due, told.pending = "told", time, 0, []
    told.together, told.why, told.detail = False, "", ""
    severities = [one.event.severity for one in step.policy.open_on(incident, route)]
    told.severity = max(severities, key=RANK.__getitem__, default=told.severity)
    told.messages += 1
    step.hand(route, kind, time, [incident], transitions)


def look_again(step: Step, incident: Incident, route: ReadyRoute, time: int) -> None:
    """Something was due on a route: the end of a wait, or of an incident."""
    told = incident.told[route.name]
    told.due = 0
    if told.state == "closing":
        _finish(step, incident, route, told, time)
        return
    if told.state != "waiting":
        _look_at_told(step, incident, route, told, time)
        return
    if not step.policy.firing_on(incident, route):
        step.settle(route.name, told.pending, Reason(told.why), told.detail, time)
        _drop(incident, route, told)
        return
    waits = held(step, incident, route, time)
    full = waits is None or waits.reason is Reason.RATE_LIMITED
    if full and told.why in HELD_BACK | {Reason.OUTSIDE_HOURS}:
        waits = _too_soon(step, incident, route, told, time) or waits
    if waits is not None:
        waits_for(step, incident, told, waits.reason, waits.detail)
        step.settle(route.name, told.pending, waits.reason, waits.detail, time)
        told.pending = []
        if waits.until > time:
            look_at(step, incident, route, told, waits.until)
        return
    if told.why == Reason.RATE_LIMITED:
        _digest(step, route, time)
    else:
        tell(step, incident, route, "opened", time, told.pending)


def _look_at_told(step: Step, incident: Incident, route: ReadyRoute, told: Told, time: int) -> None:
    """Send a rise in severity or a reminder that waited, unless something keeps it still."""
    if told.state != "told" or not told.why:
        return
    reminder, kept_by = told.why == REMINDER, told.detail
    if _look_at_rise(step, incident, route, told, time) or not reminder:
        return
    free = nobodys(step, incident, route)
    full = kept_by == Reason.RATE_LIMITED
    if full and waiting(step, incident, route, free, time) is None:
        _digest(step, route, time, incident)
    else:
        remind_of(step, incident, route, free, time)


def _look_at_rise(step: Step, incident: Incident, route: ReadyRoute, told: Told, time: int) -> bool:
    """Send a rise that nothing keeps, with which all is shown, or wait; whether it was sent."""
    told.why = told.detail = ""
    still: Gate | None = None
    for member in step.policy.open_on(incident, route):
        if RANK[member.event.severity] <= RANK[told.severity]:
            continue
        one = gate_of(step, incident, member, route, time)
        if one is None:
            tell(step, incident, route, "worse", time, [])
            return True
        still = sooner(still, one)
    if still is not None:
        _wait_with_rise(step, incident, route, still, time)
    return False


def _too_soon(
    step: Step, incident: Incident, route: ReadyRoute, told: Told, time: int
) -> Gate | None:
    """What nothing holds back any more may have to last, or to cool down, all the same."""
    cool = told.since + route.setting.cool_down if told.messages else 0
    if cool > time:
        return Gate(Reason.COOL_DOWN, "", cool)
    opened = [
        one.event.opened
        for one in step.policy.open_on(incident, route)
        if gate(step.policy, step.state, one.event, route, time) is None
    ]
    lasts = min(opened, default=0) + route.setting.min_duration
    return Gate(Reason.TOO_SHORT, "", lasts) if lasts > time else None


def _digest(step: Step, route: ReadyRoute, time: int, reminded: Incident | None = None) -> None:
    """All incidents that waited for room on a route, or whose reminders did, in one message."""
    fresh = [
        one
        for one in step.state.incidents.values()
        if route.name in one.told
        and one.told[route.name].state == "waiting"
        and one.told[route.name].why == Reason.RATE_LIMITED
        and step.policy.firing_on(one, route)
        and held(step, one, route, time) is None
    ]
    again = [one for one in step.state.incidents.values()
             if one is reminded or waits_for_room(step, one, route, time)]  # fmt: skip
    for one in fresh:
        told = one.told[route.name]
        told.state, told.since, told.due, told.why, told.detail = "told", time, 0, "", ""
        told.together = len(fresh) + len(again) > 1
        severities = [member.event.severity for member in step.policy.open_on(one, route)]
        told.severity = max(severities, key=RANK.__getitem__)
    for one in again:
        one.told[route.name].due = 0
        one.told[route.name].messages += 1
    shown = [*fresh, *again]
    if len(shown) == 1:
        step.hand(route, "opened" if fresh else "reminder", time, shown)
    elif shown:
        step.hand(route, "digest", time, shown)
    for one in again:
        _look_at_rise(step, one, route, one.told[route.name], time)


def _finish(step: Step, incident: Incident, route: ReadyRoute, told: Told, time: int) -> None:
    """An incident is over for good, so its end is sent."""
    if incident.flapping or step.policy.firing_on(incident, route):
        _go_on(step, route, told, time)
        return
    later = room(step.state, route, time)
    if later:  # without a message of its end a page would stay open for ever
        look_at(step, incident, route, told, later)
        return
    over = _over_together(step, route, time) if told.together else [incident]
    pending = [name for one in over for name in one.told[route.name].pending]
    for one in over:
        ended = one.told[route.name]
        ended.state, ended.pending, ended.due = "ended", [], 0
        ended.messages += 1
    step.hand(route, "resolved" if len(over) == 1 else "digest_over", time, over, pending)


def _over_together(step: Step, route: ReadyRoute, time: int) -> list[Incident]:
    """What began in a digest and is over for good: ten thousand ends are one message, too."""
    return [
        one
        for one in step.state.incidents.values()
        if (told := one.told.get(route.name)) is not None
        and told.together
        and told.state == "closing"
        and told.since + route.setting.settle <= time
        and not one.flapping
        and not step.policy.firing_on(one, route)
    ]


def calm(step: Step, incident: Incident, time: int) -> None:
    """Flapping has ended: one message reports whether the incident is open or over."""
    quiet = step.policy.config.flapping.quiet
    if not incident.flapping:
        return
    if incident.changed + quiet > time:
        step.set_timer(incident.changed + quiet, "flapping", incident.id)
        return
    incident.flapping = False
    for name, told in incident.told.items():
        if told.state != "waiting" and told.state != "ended":
            _calm(step, incident, step.policy.by_name[name], told, time)


def _calm(step: Step, incident: Incident, route: ReadyRoute, told: Told, time: int) -> None:
    later = room(step.state, route, time)
    if step.policy.firing_on(incident, route):
        if held(step, incident, route, time) is None:
            told.messages += 1
            step.hand(route, "steady", time, [incident])
        else:
            remind_of(step, incident, route, nobodys(step, incident, route), time)
        return
    told.state, told.since = "ended", incident.changed
    if not route.setting.resolved:
        return
    if later:
        told.state, told.pending = "closing", []
        look_at(step, incident, route, told, later)
    else:
        told.messages += 1
        step.hand(route, "resolved", time, [incident])


def end_without_transition(step: Step, incident: Incident, time: int) -> None:
    """Alerts ended without the job's word for it, and so did the incident on some routes.

    On the others it goes on: of what a route takes something is open.
    """
    for name, told in list(incident.told.items()):
        route = step.policy.by_name[name]
        settles = told.state == "closing" and incident.firing  # by the job's word, as ever
        if told.state != "ended" and not settles and not step.policy.firing_on(incident, route):
            _end(step, incident, route, told, time)


def end_elsewhere(step: Step, incident: Incident, event: AlertEvent) -> None:
    """The end of an alert, for routes that took it and would not as it is at its end.

    Its labels may be others then, or its severity less, and the page of such a route would stay
    open for ever.
    """
    takes = step.policy.traits_of(event).routes
    for name, told in list(incident.told.items()):
        route = step.policy.by_name[name]
        over = told.state == "waiting" or (told.state == "told" and not incident.flapping)
        if route in takes or not over or step.policy.firing_on(incident, route):
            continue
        if told.state == "waiting":
            _end(step, incident, route, told, event.time)
        elif route.setting.resolved:
            told.state, told.since, told.why, told.detail = "closing", event.time, "", ""
            look_at(step, incident, route, told, event.time + route.setting.settle)


def _end(step: Step, incident: Incident, route: ReadyRoute, told: Told, time: int) -> None:
    if told.state == "waiting":
        step.settle(route.name, told.pending, Reason(told.why), told.detail, time)
        _drop(incident, route, told)
        return
    if route.setting.resolved:
        told.messages += 1
        step.hand(route, "resolved", time, [incident], told.pending)
    told.state, told.since, told.due, told.pending = "ended", time, 0, []


def look_at_held_back(step: Step, incident: Incident, time: int) -> None:
    """Look again at what `held_back` names."""
    for name in held_back(incident):
        since = max(time, incident.told[name].since)  # a person's clock may be slow
        look_again(step, incident, step.policy.by_name[name], since)


def held_back(incident: Incident) -> list[str]:
    """Routes on which an incident, a rise or a reminder waits for what not only time ends.

    Of several alerts the last one that waits gives the reason: a cause, a silence, or a score. A
    reminder may wait for any of them.
    """
    return [
        name
        for name, told in incident.told.items()
        if told.state in ("waiting", "told") and (told.why in HELD_BACK or told.why == REMINDER)
    ]
