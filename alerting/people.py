"""What people do: acknowledge, resolve by hand, silence, judge.

A command names alerts by fingerprint or patterns, never an incident, because incidents are what a
configuration makes of alerts. It acts on what is open when it takes effect. Of one about very many
alerts some happens at once, and the rest before anything else: see `State.rest`.
"""

from collections.abc import Collection, Iterable

import msgspec

from padit.alerting.acknowledging import acknowledge, take_back, took, took_whole
from padit.alerting.effects import VERDICTS, CommandResult, Feedback
from padit.alerting.entries import Command, Target
from padit.alerting.incidents import close
from padit.alerting.matching import Aim, aim_of
from padit.alerting.routing import end_without_transition, held_back, look_at_held_back
from padit.alerting.state import FOR_EVER, Incident, Member, Rest, SilenceSet, State
from padit.alerting.step import MOST, Step
from padit.domain.timestamps import parse_timestamp

__all__ = ["finish", "free_effects", "go_on", "obey", "receive"]

_MOST_REMEMBERED = 100_000
Alerts = list[tuple[Incident, str, str]]


def receive(step: Step, command: Command) -> None:
    """Take a command; one from the future waits for its time, a second of one id is ignored."""
    state = step.state
    if command.id in state.commands:
        step.effects.append(CommandResult(command.id, "duplicate", command.time))
        return
    if len(state.commands) >= _MOST_REMEMBERED:
        del state.commands[next(iter(state.commands))]
    state.commands[command.id] = command.time
    if command.kind != "unsilence" and command.target.empty:
        state.unmatched += 1
        step.effects.append(CommandResult(command.id, "no_target", command.time))
    elif command.kind != "silence" and command.time > state.now:
        state.held[command.id] = command
        step.set_timer(command.time, "command", command.id)
        step.effects.append(CommandResult(command.id, "held", command.time))
    else:
        obey(step, command)


def obey(step: Step, command: Command) -> None:
    """Carry a command out."""
    if command.kind == "silence":
        _silence(step, command)
        return
    if command.kind == "unsilence":
        _end_silence(step, command)
        return
    judges = command.kind == "feedback"
    means_nothing = command.note not in VERDICTS if judges else _ends_before(command)
    alerts = [] if means_nothing else _alerts(step, command)
    ended = _ended(step, command) if judges and not (alerts or means_nothing) else ()
    if ended:
        _write_verdict(step, command, ended)
        return
    if not alerts:
        step.state.unmatched += 1
        step.effects.append(CommandResult(command.id, "no_match", command.time))
        return
    if command.undoes:  # what others hold is met by it, and stays as it is
        alerts = _taken_by(command.undoes, alerts)
    ids = tuple(alert for _, _, alert in alerts)
    step.state.rest = Rest(command, [(one.id, series, alert) for one, series, alert in alerts])
    go_on(step)
    step.effects.append(CommandResult(command.id, "applied", command.time, ids))


def go_on(step: Step) -> None:
    """Do some of what is left of a command: incidents with about `MOST` alerts, each whole.

    Nothing happens between two parts, so that all of them together do what one would have done.
    """
    state, rest = step.state, step.state.rest
    if rest is None:
        return
    end, last = min(MOST, len(rest.left)), len(rest.left)
    while 0 < end < last and rest.left[end][0] == rest.left[end - 1][0]:
        end += 1
    done = step.done
    alerts = [(state.incidents[one], series, alert) for one, series, alert in rest.left[:end]]
    frees = _ACTIONS[rest.command.kind](step, rest.command, alerts) or rest.frees
    step.done = max(step.done, done + end)
    state.rest = Rest(rest.command, rest.left[end:], frees) if end < last else None
    if frees and state.rest is None:
        free_effects(step, rest.command.time)


def _ends_before(command: Command) -> bool:
    """Whether an acknowledgement ends before it begins: nobody would have anything."""
    return command.kind == "acknowledge" and 0 < command.until <= command.time


def free_effects(step: Step, time: int, keys: Collection[str] | None = None) -> None:
    """A cause is over: what it inhibited is looked at again, of very much some now.

    It is the last that an entry does, for the rest happens before anything else, as that of the
    end of a silence by hand, which lets through what it kept back, too.

    Args:
        step: of the entry.
        time: event time.
        keys: under which the cause stood: of those that it may have inhibited; None: of all.
    """
    state = step.state
    looks = Command("", time, "", "unsilence", Target())
    over = [] if keys is None else [one for one in keys if one not in state.causes]
    among = _among(state, keys is None or bool(over))
    left = [(one, "", "") for one in among if _may_be_free(step, one, keys, over)]
    if left:
        state.rest = Rest(looks, left)
        go_on(step)


def _among(state: State, any_effect: bool) -> Iterable[str]:
    """Inhibited incidents; of all effects, or only those with one that is a cause itself.

    Where there are more causes than inhibited incidents it is all of these: `_may_be_free` asks
    each, and the less there is of one of them, the less is done.
    """
    if any_effect or not state.inhibited:
        return state.inhibited
    filed = 0
    for one in state.causes.values():
        filed += len(one)
        if filed >= len(state.inhibited):
            return state.inhibited
    causes = (state.alerts[one][0] for open_ in state.causes.values() for one in open_)
    return [one for one in dict.fromkeys(causes) if one in state.inhibited]


def _may_be_free(
    step: Step, incident: str, keys: Collection[str] | None, over: Collection[str]
) -> bool:
    """Whether the end of a cause under some keys may free something open of an incident.

    It does not where another cause stands under the same key, unless the effect is a cause itself:
    of a circle the one that opened first goes free. `over`: those keys under which none is left.
    """
    found = step.state.incidents.get(incident)
    if found is None or keys is None:
        return found is not None
    for one in found.members.values():
        traits = step.policy.traits_of(one.event)
        ended = keys if traits.causes else over
        if not one.closed and any(key in ended for _, key in traits.suffers):
            return True
    return False


def finish(step: Step) -> None:
    """Do all that is left of a command."""
    while step.state.rest is not None:
        go_on(step)


def _taken_by(command: str, alerts: Alerts) -> Alerts:
    """Those that an acknowledgement took.

    Of an incident of which it took none, but which it made somebody's as a whole, all of these.
    """
    taken = [one for one in alerts if took(command, one[0].members[one[1]])]
    some = {incident.id for incident, _, _ in taken}
    return taken + [one for one in alerts if one[0].id not in some and took_whole(command, one[0])]


def _judge(step: Step, command: Command, alerts: Alerts) -> bool:
    ids = tuple(alert for _, _, alert in alerts)
    step.effects.append(Feedback(command.id, command.by, command.note, ids, command.time))
    return False


def _write_verdict(step: Step, command: Command, ids: tuple[str, ...]) -> None:
    step.effects.append(Feedback(command.id, command.by, command.note, ids, command.time))
    step.effects.append(CommandResult(command.id, "applied", command.time, ids))


def _ended(step: Step, command: Command) -> tuple[str, ...]:
    """The alert that feedback means when its incident is long forgotten.

    It has to name the series, for a pattern would mean alerts of any age; of the latest ones of a
    series the last that had opened when the person looked.
    """
    target = command.target
    if not target.fingerprint or target.source or target.metric or target.labels:
        return ()
    seen = parse_timestamp(target.time) if target.time else FOR_EVER
    found = [alert for opened, alert in step.state.ended.get(target.fingerprint, ())
             if opened <= seen]  # fmt: skip
    return tuple(found[-1:])


def _acknowledge(step: Step, command: Command, alerts: Alerts) -> bool:
    for incident, named in _by_incident(alerts):
        step.part()
        acknowledge(step, incident, named, command)
    return False


def _unacknowledge(step: Step, command: Command, alerts: Alerts) -> bool:
    del step
    for incident, named in _by_incident(alerts):
        take_back(incident, named, command.undoes)
    return False


def _resolve(step: Step, command: Command, alerts: Alerts) -> bool:
    """End alerts; whether one of them inhibited others."""
    frees = False
    for incident, fingerprint, _ in alerts:
        event = incident.members[fingerprint].event
        frees = frees or bool(step.policy.traits_of(event).causes)
        close(step.policy, step.state, incident, fingerprint, command.time, f"by {command.by}")
    for incident, _ in _by_incident(alerts):
        step.part()
        end_without_transition(step, incident, max(command.time, incident.joined))
        step.leave(incident)
    return frees


def _by_incident(alerts: Alerts) -> list[tuple[Incident, list[str]]]:
    """Incidents, each with the fingerprints of its members that are meant."""
    found: dict[str, tuple[Incident, list[str]]] = {}
    for incident, fingerprint, _ in alerts:
        found.setdefault(incident.id, (incident, []))[1].append(fingerprint)
    return list(found.values())


def _alerts(step: Step, command: Command) -> Alerts:
    """Incident, fingerprint and id of the alerts that a command is about.

    Feedback may be about alerts that have ended: of each series it means the latest.
    """
    means, ended = aim_of(command.target), command.kind == "feedback"
    if command.target.fingerprint:
        still = _open_of(step, command.target.fingerprint, means)
        if still or not ended:
            return still
    found = [
        (incident, fingerprint, member.event.alert)
        for incident in step.state.incidents.values()
        if incident.firing or ended
        for fingerprint, member in _members(incident, command.target.fingerprint)
        if (ended or not member.closed) and means(member.event)
    ]
    if not ended:
        return found
    latest: dict[str, tuple[Incident, str, str]] = {}
    for one in sorted(found, key=lambda one: one[0].members[one[1]].event.opened):
        latest[one[1]] = one
    return [one for one in found if latest[one[1]] is one]


def _members(incident: Incident, fingerprint: str) -> Iterable[tuple[str, Member]]:
    """Members of an incident; with a fingerprint at most that one."""
    if not fingerprint:
        return incident.members.items()
    member = incident.members.get(fingerprint)
    return () if member is None else ((fingerprint, member),)


def _open_of(step: Step, fingerprint: str, means: Aim) -> Alerts:
    """The open alert of a series, if it is meant: without a look at all others."""
    alert = step.state.series.get(fingerprint)
    if alert is None:
        return []
    incident = step.state.incidents[step.state.alerts[alert][0]]
    meant = means(incident.members[fingerprint].event)
    return [(incident, fingerprint, alert)] if meant else []


def _silence(step: Step, command: Command) -> None:
    end = command.until or FOR_EVER
    if end <= command.time:  # it would mute nothing
        step.state.unmatched += 1
        step.effects.append(CommandResult(command.id, "no_match", command.time))
        return
    step.state.silences[command.id] = SilenceSet(
        command.id, command.target, command.time, end, command.by
    )
    if command.until:
        step.set_timer(command.until, "silence", command.id)
    step.effects.append(CommandResult(command.id, "applied", command.time))


def _end_silence(step: Step, command: Command) -> None:
    """End a silence; what it kept back is looked at again."""
    found = step.state.silences.pop(command.note, None)
    if found is None:
        step.effects.append(CommandResult(command.id, "no_match", command.time))
        return
    meant = _by_incident(_alerts(step, msgspec.structs.replace(command, target=found.target)))
    left = [(one.id, "", "") for one, _ in meant if held_back(one)]
    step.state.rest = Rest(command, left)
    go_on(step)
    step.effects.append(CommandResult(command.id, "applied", command.time))


def _look_again(step: Step, command: Command, alerts: Alerts) -> bool:
    for incident, _, _ in alerts:
        step.part()
        look_at_held_back(step, incident, command.time)
        if not held_back(incident):  # nothing of it waits for the end of another cause
            step.state.inhibited.pop(incident.id, None)
    return False


_ACTIONS = {
    "acknowledge": _acknowledge,
    "unacknowledge": _unacknowledge,
    "resolve": _resolve,
    "feedback": _judge,
    "unsilence": _look_again,
}
