"""What the engine remembers: open incidents, what each route was sent, silences, timers, counts.

All of it follows from the log, so it may be thrown away and made again. It is saved so that a
start need not read the whole log.
"""

from typing import Any, Literal

import msgspec

from padit.alerting.entries import AlertEvent, Command, Target
from padit.domain.alert import Severity
from padit.domain.errors import StateError

__all__ = ["Incident", "Member", "SilenceSet", "State", "Taken", "Told", "dump", "load"]

_VERSION = 7
_READ = frozenset({5, 6, _VERSION})  # before 7 an acknowledgement stayed when it had run out


class Taken(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An acknowledgement of a member.

    Attributes:
        by, at: who, and when.
        expires: event time at which it runs out; 0: never.
        command: id of the command that took it.
    """

    by: str
    at: int
    expires: int = 0
    command: str = ""


class Member(msgspec.Struct, array_like=True, gc=False):
    """One series of an incident, as of its latest alert.

    Attributes:
        event: the latest transition that raised or opened it.
        opened: event time at which its first alert in this incident opened.
        closed: event time at which its latest alert ended; 0 while it is open.
        openings: alerts of it in this incident.
        ended_by: reason of its end.
        taken: by whom it was acknowledged; None: by nobody, or it joined what somebody has whole.
            What has run out is dropped, so this is the only place to ask.
    """

    event: AlertEvent
    opened: int
    closed: int = 0
    openings: int = 1
    ended_by: str = ""
    taken: Taken | None = None


class Told(msgspec.Struct, array_like=True, gc=False):
    """What one route knows of an incident.

    Attributes:
        state: `waiting` (nothing was sent yet), `told`, `closing` (its end waits a little) or
            `ended`.
        severity: the highest that was sent.
        since: event time of the latest change of `state`.
        due: when to look again, microseconds; 0: never.
        why: while it waits, the reason.
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
        completed_by: id of the command since which somebody has all of it.
        expires: event time at which that runs out; 0: never.
        told: by name of the route.
        leaving: whether a timer will look whether it can be forgotten.
        keys: of `State.keys` that led to it.
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
    completed_by: str = ""
    expires: int = 0
    told: dict[str, Told] = {}
    leaving: bool = False
    keys: list[str] = []


class SilenceSet(msgspec.Struct, array_like=True, gc=False):
    """A silence by command, or by the configuration, in event time."""

    id: str
    target: Target
    start: int
    end: int
    by: str = ""


class State(msgspec.Struct, array_like=True):
    """Everything; see `Engine.apply`.

    Attributes:
        version: of this layout.
        now: the latest event time seen, microseconds.
        number: of timers set so far, which orders timers of one moment.
        incidents: by id, until nothing can come of them.
        alerts: open alerts: incident and fingerprint.
        series: open alerts by fingerprint; the job has one alert of a series at a time.
        causes: open alerts that match the cause of an inhibition, by its name.
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


class _Head(msgspec.Struct, array_like=True):
    version: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(State)
_head = msgspec.msgpack.Decoder(_Head)
_INCIDENTS = State.__struct_fields__.index("incidents")
_MEMBERS = Incident.__struct_fields__.index("members")
_TAKEN = Member.__struct_fields__.index("taken")
_ACKNOWLEDGED_BY = Incident.__struct_fields__.index("acknowledged_by")
_COMPLETED_BY = Incident.__struct_fields__.index("completed_by")  # `reminded` before 7


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
            return _decoder.decode(data) if version == _VERSION else _upgraded(data)
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError) as error:
        message = f"the saved state of alerting ({len(data)} bytes) is damaged: {error}"
        raise StateError(message) from error
    message = (
        f"the saved state of alerting has version {version}, this code reads {_VERSION}: "
        "it is made again from the log"
    )
    raise StateError(message)


def _upgraded(data: bytes) -> State:
    """A state of before 7, which marked what had run out instead of dropping it.

    Who took what by which command is not in it, so nothing of it can be undone by its command.
    """
    fields: list[Any] = msgspec.msgpack.decode(data)
    fields[0] = _VERSION
    for incident in fields[_INCIDENTS].values():
        for member in incident[_MEMBERS].values():
            taken = member[_TAKEN] if len(member) > _TAKEN else None
            if taken is not None:
                member[_TAKEN] = None if taken[3:] == [True] else taken[:3]
        if incident[_COMPLETED_BY]:
            incident[_ACKNOWLEDGED_BY : _COMPLETED_BY + 2] = ["", 0, "", 0]
        else:
            incident[_COMPLETED_BY] = ""
    return msgspec.convert(fields, State)
