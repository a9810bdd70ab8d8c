"""The entries of the log: everything that the engine ever sees, in the order of their numbers.

An entry is a transition of an alert, a command of a person, progress of the job, the start of a
run, or a tick of the clock. Each has an event time.
"""

from functools import lru_cache
from typing import Any, Literal

import msgspec

from padit.domain.alert import Severity
from padit.domain.errors import WireFormatError
from padit.domain.message import digest_of
from padit.domain.timestamps import MICROS, parse_timestamp

__all__ = [
    "AlertEvent",
    "Command",
    "Entry",
    "Progress",
    "RunBegan",
    "Target",
    "Tick",
    "command_of",
    "event_of",
    "fingerprint_of",
]

CommandKind = Literal["acknowledge", "unacknowledge", "resolve", "silence", "unsilence", "feedback"]
_LONGEST_NAME = 4096
_LONGEST_NOTE = 10_000
_LONGEST_DELAY = 366 * 86_400 * MICROS


class AlertEvent(
    msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="alert", tag_field="entry"
):
    """What the job says: one transition of an alert. Nothing in it depends on people or pace.

    Attributes:
        id: of the transition.
        kind: opened, updated or resolved.
        time: event time, microseconds.
        alert: id of the alert, the same for all its transitions.
        source_id, metric_name, severity, score, summary, metric_type, labels: as in `Alert`.
        opened: event time at which the alert opened, microseconds.
        detector: its name.
        page: what alerts share that the job calls one page; empty where it says nothing.
        shift: distance from the usual in interquartile ranges, signed; 0 where not stated.
        reason: why it resolved.
        delay: within which time the effects of one fault open alerts, microseconds: half of the
            job's window, when its median turns, and the time between two; 0 where not stated.
        partner: metric of the source that it does not follow any more; empty where it is alone.
    """

    id: str
    kind: Literal["opened", "updated", "resolved"]
    time: int
    alert: str
    source_id: str
    metric_name: str
    severity: Severity
    score: float
    summary: str
    opened: int
    detector: str = ""
    metric_type: str = "custom"
    labels: dict[str, str] = {}
    page: str = ""
    shift: float = 0.0
    reason: str = ""
    delay: int = 0
    partner: str = ""


class Target(msgspec.Struct, frozen=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """Which alerts a command is about: a fingerprint, or patterns that all have to match.

    Attributes:
        fingerprint: of one series.
        source, metric: patterns; `*` and `?` match.
        labels: patterns by name.
        time: event time of what the person saw, RFC 3339; a later alert is not meant.
    """

    fingerprint: str = ""
    source: str = ""
    metric: str = ""
    labels: dict[str, str] = {}
    time: str = ""

    @property
    def empty(self) -> bool:
        """Whether it names nothing at all."""
        return not (self.fingerprint or self.source or self.metric or self.labels)


class Command(
    msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="command", tag_field="entry"
):
    """What a person did.

    Attributes:
        id: a second command of the same id is ignored.
        time: event time, microseconds; in the future it waits.
        by: who.
        kind: what.
        target: which alerts.
        until: end of a silence or an acknowledgement, microseconds; 0: none.
        note: for people; of feedback: real, noise, duplicate or routine.
        undoes: of `unacknowledge`: id of an `acknowledge`; only what that one took is given back.
            Empty: all that the target names, whoever took it.
    """

    id: str
    time: int
    by: str
    kind: CommandKind
    target: Target
    until: int = 0
    note: str = ""
    undoes: str = ""


class Progress(
    msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="progress", tag_field="entry"
):
    """The job has come to an event time: all transitions before it are written."""

    time: int
    run: str = ""
    shape: str = ""


class RunBegan(
    msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="run", tag_field="entry"
):
    """A run of the job began without state; `time` is that of the clock, so none passes by it."""

    time: int
    run: str


class Tick(
    msgspec.Struct, frozen=True, omit_defaults=True, gc=False, tag="tick", tag_field="entry"
):
    """The clock of the sequencer; written when something is due.

    Attributes:
        time: microseconds.
        most: of very much that is due by then only about so much happens, without duties; 0: all.
    """

    time: int
    most: int = 0


Entry = AlertEvent | Command | Progress | RunBegan | Tick


class _Window(msgspec.Struct):
    start: str
    end: str
    interval_sec: float


class _Evidence(msgspec.Struct):  # what one part of it is does not change what the other says
    window: msgspec.Raw = msgspec.Raw(b"")
    partner: msgspec.Raw = msgspec.Raw(b"")


class _Data(msgspec.Struct):
    id: str
    source_id: str
    metric_name: str
    severity: Severity
    score: float
    summary: str
    opened: str
    detector: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    labels: dict[str, str] = {}
    metric_type: str = "custom"
    shift: float | None = None
    evidence: msgspec.Raw = msgspec.Raw(b"")


class _CloudEvent(msgspec.Struct):
    id: str
    type: str
    time: str
    data: _Data


class _Command(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    time: str
    by: str
    kind: CommandKind
    target: Target = Target()
    until: str = ""
    note: str = ""
    undoes: str = ""
    signature: str = ""


_events = msgspec.json.Decoder(_CloudEvent)
_evidence = msgspec.json.Decoder(_Evidence)
_window = msgspec.json.Decoder(_Window)
_text = msgspec.json.Decoder(str)
_commands = msgspec.json.Decoder(_Command)
_TYPE = "io.padit.alert."
_NO_EVIDENCE = _Evidence()


@lru_cache(maxsize=1 << 16)
def fingerprint_of(source_id: str, metric_name: str) -> str:
    """Identity of a series for people and commands; the same in every run.

    >>> fingerprint_of("press-1", "torque_nm")[:8]
    '6dca4a98'
    """
    return digest_of("series", source_id, metric_name)


def event_of(data: bytes) -> AlertEvent:
    """A transition from the CloudEvent that the job wrote, also by an earlier version.

    Raises:
        WireFormatError: it is none.
    """
    try:
        event = _events.decode(data)
        one = event.data
        shift = one.shift if one.shift is not None else one.metadata.get("shift", 0.0)
        kind = event.type.removeprefix(_TYPE)
        if kind not in ("opened", "updated", "resolved") or not event.type.startswith(_TYPE):
            message = f"its type is {event.type[:80]!r}"
            raise WireFormatError(message)
        if max(len(one.source_id), len(one.metric_name), len(event.id)) > _LONGEST_NAME:
            message = f"a name has more than {_LONGEST_NAME} characters"
            raise WireFormatError(message)
        time = parse_timestamp(event.time)
        evidence = _NO_EVIDENCE if kind == "resolved" else _evidence_of(one.evidence)
        return AlertEvent(
            id=event.id,
            kind=kind,  # type: ignore[arg-type]  # checked above
            time=time,
            alert=one.id,
            source_id=one.source_id,
            metric_name=one.metric_name,
            severity=one.severity,
            score=one.score,
            summary=one.summary[:_LONGEST_NOTE],
            opened=time if one.opened == event.time else parse_timestamp(one.opened),
            detector=str(one.detector.get("name", "")),
            metric_type=one.metric_type,
            labels=one.labels,
            page=str(one.metadata.get("incident", "")),
            shift=float(shift) if isinstance(shift, int | float) else 0.0,
            reason=str(one.metadata.get("reason", "")),
            delay=_delay_of(evidence.window),
            partner=_partner_of(evidence.partner) if kind == "opened" else "",
        )
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        message = f"it is no transition of an alert of PADIT: {error}"
        raise WireFormatError(message) from error


def _evidence_of(data: msgspec.Raw) -> _Evidence:
    try:
        return _evidence.decode(data)
    except (msgspec.DecodeError, ValueError):  # of an earlier version, or none; no text at all
        return _NO_EVIDENCE


def _delay_of(window: msgspec.Raw) -> int:
    try:
        one = _window.decode(window)
        between = round(one.interval_sec * MICROS)
        half = (parse_timestamp(one.end) - parse_timestamp(one.start)) // 2
    except (msgspec.DecodeError, ValueError, OverflowError):  # of an earlier version, or none
        return 0
    return half + between if 0 < between <= _LONGEST_DELAY and 0 < half <= _LONGEST_DELAY else 0


def _partner_of(partner: msgspec.Raw) -> str:
    if not bytes(partner):  # most have none
        return ""
    try:
        return _text.decode(partner)[:_LONGEST_NAME]
    except (msgspec.DecodeError, ValueError):  # it is no text: `Raw` is taken as it is
        return ""


def command_of(data: bytes) -> Command:
    """A command from its JSON object `{id, time, by, kind, target, until, note, undoes}`.

    Raises:
        WireFormatError: it is no command; the message names the fault.
    """
    try:
        one = _commands.decode(data)
        if not one.id or max(len(one.id), len(one.by), len(one.undoes)) > _LONGEST_NAME:
            message = "`id` is empty, or a name is too long"
            raise WireFormatError(message)
        if one.undoes and one.kind != "unacknowledge":
            message = f"`undoes` belongs to `unacknowledge`, not to `{one.kind}`"
            raise WireFormatError(message)
        if one.target.time:
            parse_timestamp(one.target.time)
        return Command(
            id=one.id,
            time=parse_timestamp(one.time),
            by=one.by,
            kind=one.kind,
            target=one.target,
            until=parse_timestamp(one.until) if one.until else 0,
            note=one.note[:_LONGEST_NOTE],
            undoes=one.undoes,
        )
    except (msgspec.DecodeError, ValueError, OverflowError, RecursionError) as error:
        message = f"it is no command: {error}"
        raise WireFormatError(message) from error
