"""Acknowledgements: of series of an incident, and of an incident as a whole.

An acknowledgement takes the open series that its target names. Where none of the incident is left,
somebody has all of it, with what joins later; otherwise the incident goes on speaking of the rest.
It lasts until what it took has ended, is taken back, or runs out. Several people may hold one
series, and the first of them counts. If the first gives it back, or runs out, the next one counts;
if there is no next one, a reminder is sent. What has run out is removed from the state, so a series
or an incident is acknowledged exactly if the state names somebody.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from padit.alerting.compiled import Policy, ReadyRoute
from padit.alerting.entries import Command
from padit.alerting.incidents import lead
from padit.alerting.reminding import nobodys, remind_of
from padit.alerting.state import Incident, Member, Taken
from padit.alerting.step import Step

__all__ = ["acknowledge", "name_next", "remind", "take_back", "took", "took_whole"]

_MOST_HOLDERS = 8


def acknowledge(step: Step, incident: Incident, named: Sequence[str], command: Command) -> None:
    """Take open members; who has one already keeps it, and this one comes next.

    A route is sent one message when all open members that it knows are acknowledged. If every open
    member is acknowledged one by one, the next acknowledgement takes the whole incident.

    Args:
        step: of the command.
        incident: whose members.
        named: their fingerprints.
        command: who, when, and until when.
    """
    members = [incident.members[one] for one in named]
    fresh = [one for one in members if not one.holders]
    lasts = step.policy.config.acknowledged_for
    since = max(command.time, step.state.now)  # a person's clock may be behind
    expires = command.until or (since + lasts if lasts else 0)
    incident.acts += 1
    mine = Taken(command.by, command.time, expires, command.id, incident.acts)
    kept = [one for one in members if len(one.holders) < _MOST_HOLDERS]
    for one in kept:
        one.holders.append(mine)
    for one in members:
        one.unkept += len(one.holders) == _MOST_HOLDERS and one.holders[-1] is not mine
    incident.free -= len(fresh)
    if kept and expires:
        step.set_timer(expires, "reminder", incident.id)
    held = bool(incident.acknowledged_by)
    if incident.free == 0 and (kept or not incident.wholes):  # who holds nothing has no whole
        _take_whole(incident, mine)
    if held or not (fresh or incident.acknowledged_by):
        return
    for route in _hearing(step.policy, incident, fresh):
        told = incident.told[route.name]
        if told.state == "told" and not told.together:  # a digest is no message of its own
            step.hand(route, "acknowledged", command.time, [incident])


def _take_whole(incident: Incident, mine: Taken) -> None:
    """Each open member is somebody's own: the whole is theirs, too, behind who had it before.

    Beyond the bound the last one of a person stands for those before: many commands about one
    series each are one act.
    """
    wholes = incident.wholes
    if len(wholes) == _MOST_HOLDERS:
        del wholes[-1 if wholes[-1].by == mine.by else 1]
    wholes.append(mine)
    if len(wholes) == 1:
        _name(incident)


def _name(incident: Incident) -> None:
    """Say who has the whole: the first whose acknowledgement made it somebody's, and the parts'.

    It ends with the first of its series that has no holder.
    """
    if not incident.wholes:
        lead(incident, None)
        return
    first = incident.wholes[0]
    names, ends = {first.by}, []
    for one in incident.members.values():
        parts = [each for each in one.holders if each.order <= first.order]
        if parts and not one.closed:
            names.add(parts[0].by)
            ends.append(_end(parts))
    lead(incident, first, ", ".join(sorted(names)), min((one for one in ends if one), default=0))


def _end(holders: Sequence[Taken]) -> int:
    """Event time at which the last of a member's holders lets go of it; 0: never."""
    return 0 if any(not one.expires for one in holders) else max(one.expires for one in holders)


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
    """Whether somebody has each open member that a route takes, of which there has to be one.

    Many commands may name one incident, mostly in the order of its members, and each asks this. So
    the search begins at the end, where an open member without an acknowledgement is found at once.
    """
    some = False
    for one in reversed(incident.members.values()):
        if one.closed or (some and one.holders):
            continue
        if route in policy.traits_of(one.event).routes:
            if not one.holders:
                return False
            some = True
    return some


def took(command: str, member: Member) -> bool:
    """Whether a member is held by this command, as the first or behind others."""
    return any(one.command == command for one in member.holders)


def took_whole(command: str, incident: Incident) -> bool:
    """Whether it is by this command that somebody has an incident as a whole."""
    return any(one.command == command for one in incident.wholes)


def name_next(view: dict[str, Any], incident: Incident) -> None:
    """Add to the view of an incident who has it, or a member, next.

    `also` are their names in order, `unkept` the acknowledgements of a member beyond these.
    """
    view["also"] = _behind(incident.wholes)
    for one in view["members"]:
        member = incident.members[one["fingerprint"]]
        one["also"] = [] if incident.acknowledged_by else _behind(member.holders)
        one["unkept"] = member.unkept


def _behind(holders: Sequence[Taken]) -> list[str]:
    return list(dict.fromkeys(one.by for one in holders))[1:]


def take_back(incident: Incident, named: Sequence[str], undoes: str = "") -> None:
    """Take the acknowledgement of these members back; all other members keep theirs.

    Args:
        incident: whose members.
        named: their fingerprints.
        undoes: id of the acknowledgement of which alone they are given back; empty: of any. What
            joined the whole without a command of its own stays taken where it is empty, or where
            the whole is the next one's.
    """
    members = [incident.members[name] for name in named]
    if undoes:
        wholes = [one for one in incident.wholes if one.command != undoes]
        _drop(incident, members, lambda one: one.command == undoes, wholes)
        return
    if incident.acknowledged_by:
        whole = Taken(
            incident.acknowledged_by, incident.acknowledged_at, incident.expires, "", incident.acts
        )
        for one in incident.members.values():
            if not one.closed and not one.holders:
                one.holders = [whole]
                incident.free -= 1
    for one in members:
        incident.free += bool(one.holders)
        one.holders, one.unkept = [], 0
    incident.wholes = []
    _name(incident)


def _drop(
    incident: Incident,
    members: Iterable[Member],
    goes: Callable[[Taken], bool],
    wholes: list[Taken],
) -> list[Member]:
    """Remove holders from members; returns the members that are left without any.

    Args:
        incident: of the members.
        members: some of it.
        goes: which of their holders.
        wholes: who of those that have the whole may stay; who had it only because of a holder that
            is removed goes, too.
    """
    first, left, changed = incident.wholes[:1], [], False
    for one in members:
        stay = [each for each in one.holders if not goes(each)]
        if len(stay) == len(one.holders):
            continue
        changed = changed or (bool(first) and one.holders[0].order <= first[0].order)
        if not stay:
            incident.free += 1
            left.append(one)
        own = stay[0].order if stay else incident.acts + 1
        wholes = [each for each in wholes if each.order <= one.joined or own <= each.order]
        one.holders = stay
    incident.wholes = wholes
    if changed or wholes[:1] != first:
        _name(incident)
    return left


def remind(step: Step, incident: Incident, time: int) -> None:
    """Send a reminder where an acknowledgement ran out and its open alerts have no holder.

    One that was taken back, or was renewed since, has left a timer that means nothing any more.
    """
    whole = bool(incident.acknowledged_by) and incident.expires == time
    over = incident.wholes[0].order if whole else 0
    late = _drop(
        incident,
        incident.members.values(),
        lambda one: one.order <= over or one.expires == time,
        [one for one in incident.wholes if one.order > over],
    )
    if incident.acknowledged_by or not (whole or late):
        return
    ran_out = {one.event.alert for one in late}
    for name, told in incident.told.items():
        route = step.policy.by_name[name]
        mine = [one for one in nobodys(step, incident, route)
                if whole or one.event.alert in ran_out]  # fmt: skip
        if told.state == "told" and mine:
            remind_of(step, incident, route, mine, time)
