"""Reminders of acknowledgements that ran out: what keeps an alert from a route keeps these, too.

A reminder says that something is still open and that nobody has it. So a silence, a cause, the
hours of the route and its rate hold it back as they do the first message, and it is sent once when
they let it go, if somebody has to be reminded then.
"""

from collections.abc import Iterable

from padit.alerting.compiled import ReadyRoute
from padit.alerting.decide import Gate
from padit.alerting.effects import Reason
from padit.alerting.holding import REMINDER, full, gate_of, look_at, sooner
from padit.alerting.state import Incident, Member
from padit.alerting.step import Step

__all__ = ["nobodys", "remind_of", "waiting", "waits_for_room"]


def nobodys(step: Step, incident: Incident, route: ReadyRoute) -> list[Member]:
    """Open members that a route takes, and that nobody has."""
    if incident.acknowledged_by:
        return []
    return [one for one in step.policy.open_on(incident, route) if not one.holders]


def remind_of(
    step: Step, incident: Incident, route: ReadyRoute, members: Iterable[Member], time: int
) -> None:
    """Send a route a reminder of members, or have it wait until something lets one of them go.

    Args:
        step: of what let time pass.
        incident: that the route was told of.
        route: where to.
        members: that nobody has.
        time: event time.
    """
    told = incident.told[route.name]
    keeps = waiting(step, incident, route, members, time)
    if keeps is None:
        told.messages += 1
        step.hand(route, "reminder", time, [incident])
    elif keeps.reason is not Reason.BELOW_SCORE:  # such a one was never sent there
        told.why, told.detail = REMINDER, keeps.reason
        if keeps.until > time and not 0 < told.due <= keeps.until:
            look_at(step, incident, route, told, keeps.until)


def waiting(
    step: Step, incident: Incident, route: ReadyRoute, members: Iterable[Member], time: int
) -> Gate | None:
    """What keeps a reminder of members from a route; None: nothing does."""
    found = Gate(Reason.BELOW_SCORE, "", 0)
    for member in members:
        one = gate_of(step, incident, member, route, time)
        if one is None:
            return full(step, route, time)
        if one.reason is not Reason.BELOW_SCORE:
            found = one if found.reason is Reason.BELOW_SCORE else sooner(found, one)
    return found


def waits_for_room(step: Step, incident: Incident, route: ReadyRoute, time: int) -> bool:
    """Whether a reminder waits for room on a route, and for nothing else."""
    told = incident.told.get(route.name)
    if told is None or (told.why, told.detail) != (REMINDER, Reason.RATE_LIMITED):
        return False
    free = nobodys(step, incident, route)
    return any(gate_of(step, incident, one, route, time) is None for one in free)
