"""What keeps an incident from a route for now, and when to look at that again."""

from padit.alerting.compiled import ReadyRoute
from padit.alerting.decide import Gate, gate, room
from padit.alerting.effects import Reason
from padit.alerting.state import Incident, Member, Told
from padit.alerting.step import Step

__all__ = ["REMINDER", "full", "gate_of", "held", "look_at", "sooner", "waits_for"]

REMINDER = "reminder"
"""`Told.why` while a reminder waits, whatever else does; the reason of that is its `detail`."""


def held(step: Step, incident: Incident, route: ReadyRoute, time: int) -> Gate | None:
    """What keeps an incident from a route: something keeps each of its open alerts."""
    found: Gate | None = None
    for member in step.policy.open_on(incident, route):
        one = gate_of(step, incident, member, route, time)
        if one is None:
            return full(step, route, time)
        found = sooner(found, one)
    return found


def full(step: Step, route: ReadyRoute, time: int) -> Gate | None:
    """What keeps a message from a route that nothing else keeps: its rate; None if it has room."""
    later = room(step.state, route, time)
    return Gate(Reason.RATE_LIMITED, "", later) if later else None


def sooner(found: Gate | None, one: Gate) -> Gate:
    """Of two that keep alerts back the one to look at first; the first where none has an end."""
    if found is None or 0 < one.until < (found.until or one.until + 1):
        return one
    return found


def gate_of(
    step: Step, incident: Incident, member: Member, route: ReadyRoute, time: int
) -> Gate | None:
    """As `gate`; what a cause keeps is looked at when that ends, whatever keeps the others."""
    found = gate(step.policy, step.state, member.event, route, time)
    if found is not None and found.reason is Reason.INHIBITED:
        step.state.inhibited[incident.id] = True
    return found


def waits_for(step: Step, incident: Incident, told: Told, reason: Reason, detail: str) -> None:
    """Note why something waits on a route."""
    told.why, told.detail = reason, detail
    if reason is Reason.INHIBITED:
        step.state.inhibited[incident.id] = True


def look_at(step: Step, incident: Incident, route: ReadyRoute, told: Told, due: int) -> None:
    """Have the engine look at an incident on a route when something is due."""
    told.due = due
    step.set_timer(due, "route", incident.id, route.name)
