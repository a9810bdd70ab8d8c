"""The fleet: what the same metric did on two other sources is no news.

    reports of key groups -> in the order of event time -> told, or silenced and said

An alert that peers may silence is judged once every key group has come to its time, with what the
fleet knew then. It is silenced if two other sources, outside of their alerts and while this one was
watched, have been both where it usually is and as far out as it is now; then each has values of its
own, and this one is among them. Sources that carry a load together reach a value together, so this
one would have had it itself. Never silenced: the alert of a third source within a window, because a
shift of many is news. What was silenced is told after all if it becomes critical, if others follow
within a window, or if it lasts for longer than it did on the two others.

The machine keeps nothing itself; all state goes through a `FleetStore`. The result depends on event
time alone, so it is the same for any number of key groups, any order of their reports, any cut.
"""

from collections.abc import Sequence
from typing import NamedTuple

from padit.domain.audit import Silenced
from padit.domain.message import Message
from padit.domain.watermark import WATERMARK_END
from padit.transforms.fleet_judging import Judging, events_of, wait_of
from padit.transforms.fleet_state import (
    MOST_WAITING,
    FleetStore,
    Header,
    Totals,
    Wait,
    known_until,
    observe,
    read_header,
    read_memory,
    read_wait,
    written,
)
from padit.transforms.peer_report import Report

__all__ = ["FleetMachine", "Judged"]


class Judged(NamedTuple):
    """What a report brought about.

    Attributes:
        alerts: to be told, those that were asked about in the order of event time.
        silenced: one for each alert that peers silenced.
        totals: of all reports; None after one that came twice.
        ended: whether with this report no key group has anything more to tell.
    """

    alerts: Sequence[Message] = ()
    silenced: Sequence[Silenced] = ()
    totals: Totals | None = None
    ended: bool = False


class FleetMachine:
    """Judges alerts of all key groups.

    Args:
        together: openings within this time are one shift of many, microseconds.
    """

    def __init__(self, together: int) -> None:
        self._together = together

    def advance(self, store: FleetStore, report: Report) -> Judged:
        """Take one report; one that comes twice changes nothing."""
        header = read_header(store.read("header"))
        if not observe(header, report):
            return Judged()
        waits = Wait(report.extremes, report.openings, report.questions, report.steps)
        if waits.count:
            store.add(written(waits))
            header.waits += waits.count
            header.due = min([*waits.due, *_known(header.due)], default=None)
        upto = known_until(header)
        judging = Judging(self._together, header.totals)
        full = header.waits >= header.most
        if upto is not None and (full or (header.due is not None and header.due <= upto)):
            self._judge(store, header, upto, judging)
        header.totals = judging.totals
        ended = upto is not None and upto > WATERMARK_END // 2 and not header.ended
        header.ended |= ended
        store.write("header", written(header))
        alerts = [*report.direct, *judging.alerts]
        return Judged(alerts, judging.silenced, header.totals, ended)

    def _judge(self, store: FleetStore, header: Header, upto: int, judging: "Judging") -> None:
        """Take all that waits up to a time."""
        judging.memory = read_memory(store.read("memory"))
        events = [one for data in store.waiting() for one in events_of(read_wait(data))]
        events.sort(key=lambda one: one[:3])
        now = [one for one in events if one.time <= upto]
        for one in now:
            judging.pass_time(one.time)
            judging.take(one)
        judging.pass_time(upto + 1)
        judging.forget(upto)
        store.clear()
        rest = wait_of(events[len(now) :])
        header.waits = len(events) - len(now)
        header.most = header.waits + MOST_WAITING
        if header.waits:
            store.add(written(rest))
        until = [one.until for one in judging.memory.held.values()]
        header.due = min([*rest.due, *until], default=None)
        store.write("memory", written(judging.memory))


def _known(value: int | None) -> list[int]:
    return [] if value is None else [value]
