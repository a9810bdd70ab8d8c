"""What the engine remembers: open incidents, what each route was sent, silences, timers, counts.

All of it follows from the log, so it may be thrown away and made again. It is saved so that a
start need not read the whole log.
"""

from typing import Any, Literal

import msgspec

from padit.alerting.entries import AlertEvent, Command, Target
from padit.domain.alert import Severity
from padit.domain.errors import StateError

__all__ = [
    "FOR_EVER",
    "Incident",
    "Member",
    "Rest",
    "SilenceSet",
    "State",
    "Taken",
    "Told",
    "dump",
    "load",
]

FOR_EVER = 1 << 62
"""End of a silence without one."""

_VERSION = 10
# Before 7 an acknowledgement stayed when it had run out, before 8 a series had one holder, before 9
# a command was one piece, before 10 causes stood by their rule alone and no reminder waited.
_ONE_HOLDER = frozenset({5, 6, 7})
_READ = _ONE_HOLDER | {8, 9, _VERSION}


class Taken(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An acknowledgement of a member.

    Attributes:
        by, at: who, and when.
        expires: event time at which it runs out; 0: never.
        command: id of the command that took it.
        order: its number among the acknowledgements of its incident, from 1.
    """

    by: str
    at: int
    expires: int = 0
    command: str = ""
    order: int = 0


class Member(msgspec.Struct, array_like=True, gc=False):
    """One series of an incident, as of its latest alert.

    Attributes:
        event: the latest transition that raised or opened it.
        opened: event time at which its first alert in this incident opened.
        closed: event time at which its latest alert ended; 0 while it is open.
        openings: alerts of it in this incident.
        ended_by: reason of its end.
        holders: by whom it was acknowledged, in order: the first has it, and what the first gives
            back is the next one's. Empty: nobody, or it joined what somebody has whole. What has
            run out is dropped, so this is the only place to ask.
        joined: `acts` of its incident when its latest alert began.
        unkept: acknowledgements that found as many holders as are kept, so were not.
    """

    event: AlertEvent
    opened: int
    closed: int = 0
    openings: int = 1
    ended_by: str = ""
    holders: list[Taken] = []
    joined: int = 0
    unkept: int = 0

    @property
    def taken(self) -> Taken | None:
        """Who has it."""
        return self.holders[0] if self.holders else None


class Told(msgspec.Struct, array_like=True, gc=False):
    """What one route knows of an incident.

    Attributes:
        state: `waiting` (nothing was sent yet), `told`, `closing` (its end waits a little) or
            `ended`.
        severity: the highest that was sent.
        since: event time of the latest change of `state`.
        due: when to look again, microseconds; 0: never.
        why: while it waits, or a rise in its severity does, the reason.
        detail: of the reason.
        pending: transitions whose outcome is open.
        messages: sent so far.
        together: whether its beginning was told by a digest, so that its end may be, too.
    """

    state: Literal["waiting", "told", "closing", "ended"]
    severity: Severity = "INFO"
    since: int = 0
    due: int = 0
    why: str = ""
    detail: str = ""
    pending: list[str] = []
    messages: int = 0
    together: bool = False


class Incident(msgspec.Struct, array_like=True, gc=False):
    """Alerts that belong together.

    Attributes:
        id: follows from its first alert, so it is the same in every run.
        opened: event time of its first alert.
        joined: event time at which the latest alert joined.
        changed: event time at which it last began or ended.
        members: by fingerprint.
        firing: members that are open.
        begins: event times at which it began again, the latest ones.
        flapping: whether it comes and goes.
        acknowledged_by, acknowledged_at: who has all of it, and since when; empty and 0: nobody,
            also where that has run out.
        wholes: acknowledgements since which somebody has all of it, in order; the first of them
            counts, and behind it come those that had all of it without it.
        expires: event time at which the first of them runs out; 0: never.
        told: by name of the route.
        leaving: whether a timer will look whether it can be forgotten.
        keys: of `State.keys` that led to it.
        acts: acknowledgements of it so far.
        free: open members that nobody holds by themselves.
    """

    id: str
    opened: int
    joined: int
    changed: int
    members: dict[str, Member] = {}
    firing: int = 0
    begins: list[int] = []
    flapping: bool = False
    acknowledged_by: str = ""
    acknowledged_at: int = 0
    wholes: list[Taken] = []
    expires: int = 0
    told: dict[str, Told] = {}
    leaving: bool = False
    keys: list[str] = []
    acts: int = 0
    free: int = 0


class SilenceSet(msgspec.Struct, array_like=True, gc=False):
    """A silence by command, or by the configuration, in event time."""

    id: str
    target: Target
    start: int
    end: int
    by: str = ""


class Rest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is left of a command about very many alerts; it happens before anything else.

    What the end of a cause lets through is such a rest, too, as if a silence was ended by hand.

    Attributes:
        command: the command.
        left: incident, fingerprint and id of the alerts.
        frees: whether an alert that it has ended inhibited others.
    """

    command: Command
    left: list[tuple[str, str, str]]
    frees: bool = False


class State(msgspec.Struct, array_like=True):
    """Everything; see `Engine.apply`.

    Attributes:
        version: of this layout.
        now: the latest event time seen, microseconds.
        number: of timers set so far, which orders timers of one moment.
        incidents: by id, until nothing can come of them.
        alerts: open alerts: incident and fingerprint.
        series: open alerts by fingerprint; the job has one alert of a series at a time.
        causes: open alerts that match the cause of an inhibition, by its name and what its effects
            must share with them (`ReadyInhibition.key`).
        keys: what alerts share, to the latest incident that has it.
        silences: by id.
        commands: ids that were seen, with their time.
        held: commands from the future, by id.
        timers: a heap of (due, number, kind, name, route).
        sent: event times of the latest messages by route, where it has a rate.
        counts: outcomes of transitions by route.
        messages: handed out by route.
        out_of_order: transitions that came later than `merge_delay`.
        unmatched: commands that met no alert.
        seen: the latest event time of a transition.
        run: of the job, as its progress names it.
        caught_up: the run that has come to `seen`.
        suspects: open alerts of a lost run, by the run that began after it.
        began: whether any time is known.
        reports: whether the job has ever reported its progress.
        missed: looks for the job in vain.
        transitions: taken so far, a repeated opening not counted.
        silent_since: event time from which the job is silent; 0: it is not.
        inhibited: incidents of which a route waits for the end of a cause, and some that did.
        ended: the latest alerts of a series that have ended, by fingerprint: when each opened,
            and its id. So feedback finds them when their incident is long forgotten.
        shared: event time of the latest alert with a key of `keys`.
        edges: openings with a label that states an edge: `joined` an incident by it, or stayed
            `apart` from one whose alerts depend on the same source.
        rest: of a command, while it happens in parts.
    """

    version: int = _VERSION
    now: int = 0
    number: int = 0
    incidents: dict[str, Incident] = {}
    alerts: dict[str, tuple[str, str]] = {}
    series: dict[str, str] = {}
    causes: dict[str, dict[str, int]] = {}
    keys: dict[str, str] = {}
    silences: dict[str, SilenceSet] = {}
    commands: dict[str, int] = {}
    held: dict[str, Command] = {}
    timers: list[tuple[int, int, str, str, str]] = []
    sent: dict[str, list[int]] = {}
    counts: dict[str, dict[str, int]] = {}
    messages: dict[str, int] = {}
    out_of_order: int = 0
    unmatched: int = 0
    seen: int = 0
    run: str = ""
    caught_up: str = ""
    suspects: dict[str, list[str]] = {}
    began: bool = False
    reports: bool = False
    missed: int = 0
    transitions: int = 0
    silent_since: int = 0
    inhibited: dict[str, bool] = {}
    ended: dict[str, list[tuple[int, str]]] = {}
    edges: dict[str, int] = {}
    shared: dict[str, int] = {}
    rest: Rest | None = None


class _Head(msgspec.Struct, array_like=True):
    version: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)
_head = msgspec.msgpack.Decoder(_Head)
_INCIDENTS = State.__struct_fields__.index("incidents")
_MEMBERS = Incident.__struct_fields__.index("members")
_HOLDERS = Member.__struct_fields__.index("holders")  # `taken` before 8
_ACKNOWLEDGED_BY = Incident.__struct_fields__.index("acknowledged_by")
_WHOLES = Incident.__struct_fields__.index("wholes")  # `completed_by` in 7, `reminded` before


def dump(state: State) -> bytes:
    """The state as versioned bytes; equal states have equal bytes."""
    return _encoder.encode(state)


def load(data: bytes) -> State:
    """A state from bytes.

    Raises:
        StateError: damaged, or of another version; it can be made again from the log.
    """
    try:
        version = _head.decode(data).version
        if version in _READ:
            found = _upgraded(data) if version in _ONE_HOLDER else _decoder.decode(data)
            found.version = _VERSION
            return found
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError) as error:
        message = f"the saved state of alerting ({len(data)} bytes) is damaged: {error}"
        raise StateError(message) from error
    message = (
        f"the saved state of alerting has version {version}, this code reads {_VERSION}: "
        "it is made again from the log"
    )
    raise StateError(message)


def _upgraded(data: bytes) -> State:
    """A state of before 8, in which a series had one holder.

    Before 7 it marked what had run out instead of dropping it, and did not know who took what by
    which command: nothing of that can be undone by its command.
    """
    fields: list[Any] = msgspec.msgpack.decode(data)
    before_7 = fields[0] < 7
    fields[0] = _VERSION
    for incident in fields[_INCIDENTS].values():
        if before_7:
            _drop_what_has_run_out(incident)
        completed_by, incident[_WHOLES] = incident[_WHOLES], []
        for member in incident[_MEMBERS].values():
            if len(member) > _HOLDERS:
                member[_HOLDERS] = [] if member[_HOLDERS] is None else [member[_HOLDERS]]
        if incident[_ACKNOWLEDGED_BY]:
            by, at = incident[_ACKNOWLEDGED_BY:_WHOLES]
            incident[_WHOLES] = [[by, at, incident[_WHOLES + 1], completed_by]]
    state = msgspec.convert(fields, State)
    for one in state.incidents.values():
        _number(one)
    return state


def _drop_what_has_run_out(incident: list[Any]) -> None:
    for member in incident[_MEMBERS].values():
        taken = member[_HOLDERS] if len(member) > _HOLDERS else None
        if taken is not None:
            member[_HOLDERS] = None if taken[3:] == [True] else taken[:3]
    if incident[_WHOLES]:
        incident[_ACKNOWLEDGED_BY : _WHOLES + 2] = ["", 0, "", 0]
    else:
        incident[_WHOLES] = ""


def _number(incident: Incident) -> None:
    """Put the acknowledgements of before 8 into their order: that of their times."""
    held = [one.taken for one in incident.members.values() if one.taken is not None]
    order = {each: n for n, each in enumerate(sorted({(one.at, one.command) for one in held}), 1)}
    incident.acts = len(order) + bool(incident.wholes)
    for one in incident.members.values():
        if one.closed:
            continue
        incident.free += not one.holders
        one.joined = 0 if one.holders else incident.acts
        one.holders = [msgspec.structs.replace(each, order=order[each.at, each.command])
                       for each in one.holders]  # fmt: skip
    by = {one.command: one.by for one in held if one.command}
    incident.wholes = [
        msgspec.structs.replace(one, by=by.get(one.command, one.by), order=incident.acts)
        for one in incident.wholes
    ]
