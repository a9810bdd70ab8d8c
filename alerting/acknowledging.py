"""Acknowledgements: of series of an incident, and of an incident as a whole.

An acknowledgement takes the open series that its target names. Where none of the incident is left,
somebody has all of it, with what joins later; otherwise the incident goes on speaking of the rest.
It lasts until what it took has ended, is taken back, or runs out, which is one reminder. What has
run out is removed from the state, so a series or an incident is acknowledged exactly if the state
names somebody.
"""

from collections.abc import Iterator, Sequence

from padit.alerting.compiled import Policy, ReadyRoute
from padit.alerting.entries import Command
from padit.alerting.incidents import unacknowledge
from padit.alerting.state import Incident, Member, Taken
from padit.alerting.step import Step

__all__ = ["acknowledge", "remind", "take_back", "took"]


def acknowledge(step: Step, incident: Incident, named: Sequence[str], command: Command) -> None:
    """Take open members; what somebody has already stays as it is.

    A route is sent one message when all open members that it knows are acknowledged. If every open
    member is acknowledged one by one, the next acknowledgement takes the whole incident.

    Args:
        step: of the command.
        incident: whose members.
        named: their fingerprints.
        command: who, when, and until when.
    """
    if incident.acknowledged_by:
        return
    fresh = [one for one in map(incident.members.__getitem__, named) if one.taken is None]
    lasts = step.policy.config.acknowledged_for
    expires = command.until or (command.time + lasts if lasts else 0)
    for one in fresh:
        one.taken = Taken(command.by, command.time, expires, command.id)
    if fresh and expires:
        step.set_timer(expires, "reminder", incident.id)
    if _all_taken(incident):
        _take_whole(incident, command)
    elif not fresh:
        return
    for route in _hearing(step.policy, incident, fresh):
        if incident.told[route.name].state == "told":
            step.hand(route, "acknowledged", command.time, [incident])


def _all_taken(incident: Incident) -> bool:
    """Whether somebody has each open member.

    Many commands may name one incident, mostly in the order of its members, and each asks this. So
    the search begins at the end, where an open member without an acknowledgement is found at once.
    """
    return not any(not one.closed and one.taken is None for one in _from_the_end(incident))


def _from_the_end(incident: Incident) -> Iterator[Member]:
    return reversed(incident.members.values())


def _take_whole(incident: Incident, command: Command) -> None:
    """Each open member is somebody's: the whole is theirs, until the first of them runs out."""
    parts = [one.taken for one in incident.members.values() if one.taken and not one.closed]
    incident.acknowledged_by = ", ".join(sorted({command.by, *(one.by for one in parts)}))
    incident.acknowledged_at = command.time
    incident.completed_by = command.id
    incident.expires = min((one.expires for one in parts if one.expires), default=0)


def _hearing(policy: Policy, incident: Incident, fresh: Sequence[Member]) -> Iterator[ReadyRoute]:
    """Routes for which somebody has all that is open now, and had not before these were taken."""
    touched = {one.name for member in fresh for one in policy.traits_of(member.event).routes}
    for name in incident.told:
        route = policy.by_name[name]
        if incident.acknowledged_by:
            had = bool(fresh) and name not in touched and _has_all(policy, incident, route)
            if not had:
                yield route
        elif name in touched and _has_all(policy, incident, route):
            yield route


def _has_all(policy: Policy, incident: Incident, route: ReadyRoute) -> bool:
    """Whether somebody has each open member that a route takes, of which there has to be one."""
    some = False
    for one in _from_the_end(incident):
        if one.closed or (some and one.taken):
            continue
        if route in policy.traits_of(one.event).routes:
            if one.taken is None:
                return False
            some = True
    return some


def took(command: str, member: Member) -> bool:
    """Whether it was this command that took a member."""
    return member.taken is not None and member.taken.command == command


def take_back(incident: Incident, named: Sequence[str], undoes: str = "") -> None:
    """Take the acknowledgement of these members back; all other members keep theirs.

    Args:
        incident: whose members.
        named: their fingerprints.
        undoes: id of the acknowledgement of which alone they are given back; empty: of any. What
            joined the whole without a command of its own stays taken only where it is empty.
    """
    whole = Taken(incident.acknowledged_by, incident.acknowledged_at, incident.expires)
    if whole.by and not undoes:
        for one in incident.members.values():
            if not one.closed and one.taken is None:
                one.taken = whole
    unacknowledge(incident)
    for name in named:
        member = incident.members[name]
        if not undoes or took(undoes, member):
            member.taken = None


def remind(step: Step, incident: Incident, time: int) -> None:
    """An acknowledgement has run out while what it took goes on: one message.

    One that was taken back, or was renewed since, has left a timer that means nothing any more.
    """
    whole = bool(incident.acknowledged_by) and incident.expires == time
    late = [
        one
        for one in incident.members.values()
        if one.taken is not None and (whole or one.taken.expires == time)
    ]
    if not whole and not late:
        return
    if whole:
        unacknowledge(incident)
    for one in late:
        one.taken = None
    for name, told in incident.told.items():
        route = step.policy.by_name[name]
        wanted = whole or any(route in step.policy.traits_of(one.event).routes for one in late)
        if told.state == "told" and wanted:
            told.messages += 1
            step.hand(route, "reminder", time, [incident])
