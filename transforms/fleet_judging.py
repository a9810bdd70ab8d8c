"""Judging alerts in the order of event time; see `transforms.fleet`."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from padit.domain.audit import Silenced, Witness
from padit.domain.message import Message
from padit.domain.timestamps import format_utc
from padit.transforms.fleet_state import Held, Memory, Totals, Wait
from padit.transforms.peer_ranges import DAY
from padit.transforms.peer_report import Extreme, Kin, Opening, Question, Step
from padit.transforms.peers import insert

__all__ = ["Event", "Judging", "events_of", "wait_of"]

_MOST = 256  # extremes of a metric
_REMEMBERED = 5 * DAY  # how long one counts: about as long as 256 of them last
_WITNESSES = 2
_LONGER = 1.5
_AS_FAR = 0.7  # share of the way from the usual value
_OPTION = "alerts: {peers: null} tells all of them"


class Event(NamedTuple):
    """One thing in the order in which it is taken; what is known of a moment comes first."""

    time: int
    rank: int
    about: tuple[str, ...]
    what: tuple[Kin, Extreme] | tuple[Kin, Opening] | Question | Step


class Judging:
    """One pass over what waits."""

    def __init__(self, together: int, totals: Totals) -> None:
        self.memory = Memory()
        self.totals = totals
        self._together = together
        self.alerts: list[Message] = []
        self.silenced: list[Silenced] = []

    def pass_time(self, time: int) -> None:
        """Tell what has lasted for longer than it did elsewhere, before a time."""
        due = [(one.until, key) for key, one in self.memory.held.items() if one.until < time]
        for until, key in sorted(due):
            self._release(key, until, "it lasts for longer than it did there")

    def forget(self, time: int) -> None:
        """Drop what no question behind a time asks for; metrics that are gone leave nothing."""
        memory, since = self.memory, time - _REMEMBERED
        extremes = ((key, [x for x in some if x.time >= since])
                    for key, some in memory.extremes.items())  # fmt: skip
        memory.extremes = {key: some for key, some in extremes if some}
        since = time - self._together
        openings = ((key, [x for x in some if x.time >= since])
                    for key, some in memory.openings.items())  # fmt: skip
        memory.openings = {key: some for key, some in openings if some}

    def take(self, event: Event) -> None:
        """Take one event."""
        what = event.what
        if isinstance(what, Question):
            self._ask(what)
        elif isinstance(what, Step):
            self._go_on(what)
        else:
            kin, one = what
            if isinstance(one, Extreme):
                self._learn(kin, one)
            else:
                self._open(kin, one)

    def _learn(self, kin: Kin, one: Extreme) -> None:
        """Keep the three farthest a day and end; of 256 the oldest goes."""
        key = _name(kin)
        known = self.memory.extremes.get(key, [])
        same = tuple(x for x in known if _shape(x) == _shape(one))
        rest = [x for x in known if _shape(x) != _shape(one)]
        found = sorted(
            [*rest, *insert(same, one)], key=lambda x: (x.time, x.high, x.length, x.source)
        )
        self.memory.extremes[key] = found[-_MOST:]

    def _open(self, kin: Kin, one: Opening) -> None:
        """Note an opening; with a third source within the time, those silenced before are told."""
        key = _name(kin)
        since = one.time - self._together
        known = [x for x in self.memory.openings.get(key, []) if x.source != one.source]
        known = [x for x in known if x.time >= since][-_WITNESSES:]
        self.memory.openings[key] = [*known, one]
        if len(known) < _WITNESSES:
            return
        held = self.memory.held
        late = [
            alert for alert, x in held.items() if x.question.kin == kin and x.question.time >= since
        ]
        for alert in sorted(late):
            self._release(alert, one.time, "others followed")

    def _ask(self, one: Question) -> None:
        """Judge an opening."""
        self.totals = self.totals._replace(asked=self.totals.asked + 1)
        openings = self.memory.openings.get(_name(one.kin), [])
        many = [x for x in openings if x.time >= one.time - self._together]
        witnesses = self._witnesses(one)
        if len(many) > _WITNESSES or len(witnesses) < _WITNESSES:
            self.alerts.append(one.message)
            return
        until = one.began + round(_LONGER * min(x.span for x in witnesses))
        seen = [Witness(x.source, x.value, format_utc(x.time)) for x in witnesses]
        self.memory.held[one.alert] = Held(one, seen, until)
        self.totals = self.totals._replace(silenced=self.totals.silenced + 1)
        self.silenced.append(_record(one, seen, one.time, ""))

    def _witnesses(self, one: Question) -> list[Extreme]:
        """Two other sources that have been where this one is, the longest first."""
        side = 1.0 if one.high else -1.0
        found: dict[str, Extreme] = {}
        for x in self.memory.extremes.get(_name(one.kin), []):
            been = side * (x.value - one.value) >= 0 and side * (one.usual - x.other) >= 0
            fits = x.high == one.high and x.length >= one.length and been
            fits = fits and x.time >= one.time - _REMEMBERED
            if fits and x.source != one.source and _alone(x, one):
                known = found.get(x.source)
                if known is None or x.span > known.span:
                    found[x.source] = x
        return sorted(found.values(), key=lambda x: (-x.span, x.source))[:_WITNESSES]

    def _go_on(self, one: Step) -> None:
        """A later transition: of a told alert it is told; a silenced one gets worse, or ends."""
        if one.alert in self.memory.held:
            if one.ends:
                del self.memory.held[one.alert]
                return
            self._release(one.alert, one.time, "it got worse")
        self.alerts.append(one.message)

    def _release(self, alert: str, time: int, why: str) -> None:
        """Tell a silenced alert after all."""
        held = self.memory.held.pop(alert)
        self.totals = self.totals._replace(released=self.totals.released + 1)
        self.alerts.append(held.question.message)
        self.silenced.append(_record(held.question, held.witnesses, time, why))


def _record(one: Question, witnesses: list[Witness], time: int, why: str) -> Silenced:
    return Silenced(
        alert=one.alert,
        source_id=one.source,
        metric_name=one.metric_name,
        time=time,
        opened=format_utc(one.time),
        value=one.value,
        usual=one.usual,
        peers=tuple(witnesses),
        told_after_all=why,
        option=_OPTION,
    )


def _alone(x: Extreme, one: Question) -> bool:
    """Whether a source was there at a time at which the one that is asked about was not."""
    began, away = x.time - x.span, _AS_FAR * abs(one.value - one.usual)
    unknown = abs(one.past.left_out - one.usual) >= away
    if unknown or began < one.since or x.time > one.began:
        return False
    return not any(
        y.began <= x.time and began <= y.ended and abs(y.peak - one.usual) >= away
        for y in one.past.stretches
    )


def _shape(one: Extreme) -> tuple[int, bool, int]:
    return one.day, one.high, one.length


def _name(kin: Kin) -> str:
    """As one text; a key of a map in MessagePack."""
    return "\x1f".join(kin)


def events_of(waits: Wait) -> Iterator[Event]:
    """Each thing that waits as an event."""
    for when, kin, one in waits.extremes:
        yield Event(when, 0, (_name(kin), one.source, str(one.high), str(one.length)), (kin, one))
    for kin, opening in waits.openings:
        yield Event(opening.time, 1, (_name(kin), opening.source), (kin, opening))
    for question in waits.questions:
        about = (_name(question.kin), question.source, question.alert)
        yield Event(question.time, 2, about, question)
    for step in waits.steps:
        yield Event(step.time, 3, (step.alert, "1" if step.ends else "0"), step)


def wait_of(events: Sequence[Event]) -> Wait:
    """What is too early for."""
    rest = Wait([], [], [], [])
    for one in events:
        what = one.what
        if isinstance(what, Question):
            rest.questions.append(what)
        elif isinstance(what, Step):
            rest.steps.append(what)
        else:
            kin, x = what
            if isinstance(x, Extreme):
                rest.extremes.append((one.time, kin, x))
            else:
                rest.openings.append((kin, x))
    return rest
