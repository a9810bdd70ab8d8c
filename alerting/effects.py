"""What the engine decides: messages to hand out, outcomes of transitions, results of commands."""

from enum import StrEnum
from typing import Literal

import msgspec

from padit.domain.alert import Severity

__all__ = [
    "DIGESTS",
    "Brief",
    "CommandResult",
    "VERDICTS",
    "Effect",
    "Feedback",
    "Handed",
    "MemberView",
    "Outcome",
    "Reason",
    "View",
]


class Reason(StrEnum):
    """Why a transition became a message of its own, or did not; the list is closed."""

    HANDED = "handed"
    NO_ROUTE = "no_route"
    NOT_MATCHED = "not_matched"
    BELOW_SCORE = "below_score"
    SILENCED = "silenced"
    INHIBITED = "inhibited"
    OUTSIDE_HOURS = "outside_hours"
    TOO_SHORT = "too_short"
    COOL_DOWN = "cool_down"
    RATE_LIMITED = "rate_limited"
    GROUPED = "grouped"
    ACKNOWLEDGED = "acknowledged"
    FLAPPING = "flapping"
    STILL_OPEN = "still_open"
    REOPENED = "reopened"
    NOT_SENT = "not_sent"
    END_NOT_WANTED = "end_not_wanted"


MessageKind = Literal[
    "opened", "worse", "acknowledged", "resolved", "flapping", "steady", "reminder",
    "digest", "digest_over", "test", "heartbeat", "job_silent", "job_back",
]  # fmt: skip


DIGESTS: frozenset[MessageKind] = frozenset({"digest", "digest_over"})
"""Messages about several incidents: those that waited for room, and ends that did."""


class MemberView(msgspec.Struct, frozen=True, gc=False):
    """A member of an incident as a message shows it; times in microseconds, `closed` 0: open.

    Attributes:
        acknowledged_by, acknowledged_at: who acknowledged this member by itself, and when; empty
            and 0 if nobody did, or if the whole incident is acknowledged.
    """

    fingerprint: str
    source_id: str
    metric_name: str
    severity: Severity
    score: float
    summary: str
    opened: int
    closed: int
    labels: dict[str, str]
    alert: str
    acknowledged_by: str = ""
    acknowledged_at: int = 0


class View(msgspec.Struct, frozen=True, gc=False):
    """An incident as of one moment.

    Attributes:
        id, opened, acknowledged_by, acknowledged_at: as in `Incident`.
        severity: the highest of its open members; of all once it is over.
        firing: whether a member is open.
        flapping: whether it comes and goes.
        members: the worst first, at most 20.
        more: members beyond these.
        causes: likely first causes with their evidence, at most three, the likeliest first.
        decided: whether the first of them is clearly ahead.
        began: how often it began, of which the latest 100 count.
        edges: as far as labels of alerts state it, a source on which others of the incident
            depend, names of these (at most 10), and how many they are; at most 20. What the
            configuration states is not repeated.
    """

    id: str
    opened: int
    severity: Severity
    firing: bool
    flapping: bool
    acknowledged_by: str
    members: tuple[MemberView, ...]
    more: int
    causes: tuple[tuple[str, float, str], ...]
    decided: bool
    acknowledged_at: int = 0
    began: int = 1
    edges: tuple[tuple[str, tuple[str, ...], int], ...] = ()


class Handed(msgspec.Struct, frozen=True, gc=False, tag="handed", tag_field="effect"):
    """A message for a receiver.

    Attributes:
        id: identity; the same log gives the same ids.
        route, receiver: their names.
        kind: what it reports.
        time: event time, microseconds.
        view: of the incident; None for a digest, a test, a heartbeat and what is about the job.
        others: incidents of a digest, the worst if there are more than 200.
        transitions: that it stands for.
        more: incidents of a digest beyond these.
        title, text, note: of the receiver's templates, added when it is delivered.
    """

    id: str
    route: str
    receiver: str
    kind: MessageKind
    time: int
    view: View | None
    others: tuple[View, ...] = ()
    transitions: tuple[str, ...] = ()
    title: str = ""
    text: str = ""
    note: str = ""
    more: int = 0


class Brief(msgspec.Struct, frozen=True, gc=False, tag="brief", tag_field="effect"):
    """A message as a preview counts it, without what it tells, which would take half of the time.

    The outcomes `handed` of its transitions are left out, too: it names them.

    Attributes:
        route, kind, time, transitions: as in `Handed`.
        alerts: ids of the members that the message would show.
    """

    route: str
    kind: MessageKind
    time: int
    alerts: tuple[str, ...]
    transitions: tuple[str, ...] = ()


class Outcome(msgspec.Struct, frozen=True, gc=False, tag="outcome", tag_field="effect"):
    """What became of a transition on a route."""

    transition: str
    route: str
    reason: Reason
    detail: str
    time: int


class CommandResult(msgspec.Struct, frozen=True, gc=False, tag="command", tag_field="effect"):
    """What became of a command: applied, duplicate, held, no_target or no_match."""

    id: str
    result: Literal["applied", "duplicate", "held", "no_target", "no_match"]
    time: int
    alerts: tuple[str, ...] = ()


VERDICTS = ("real", "noise", "duplicate", "routine")
"""What people can judge an alert to be, as `note` of a command."""


class Feedback(msgspec.Struct, frozen=True, gc=False, tag="feedback", tag_field="effect"):
    """A person's judgement of alerts."""

    command: str
    by: str
    verdict: str
    alerts: tuple[str, ...]
    time: int


Effect = Handed | Brief | Outcome | CommandResult | Feedback
