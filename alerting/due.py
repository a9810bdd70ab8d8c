"""Which incidents the time that passes changes, where no message and no outcome need say so."""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import islice

from padit.alerting.entries import Command, Entry, RunBegan, Tick
from padit.alerting.state import State
from padit.alerting.step import MOST, PIECE

__all__ = ["due_by", "timers_until"]

_DUTIES = 3  # heartbeat, weekly test, silent job: a part leaves them where they are
_Timer = tuple[int, int, str, str, str]


def due_by(state: State, entry: Entry) -> dict[str, None]:
    """Incidents that something is due about before an entry takes effect.

    The rest of a command happens, an acknowledgement runs out, what came and went is steady, a wait
    has another reason, or alerts of a lost run end. Of a tick that is a part (`Tick.most`) only
    what may happen in it counts, or each part of 100,000 ends would be about all of them.
    """
    most = entry.most if isinstance(entry, Tick) else 0
    found: dict[str, None] = {}
    if state.rest is not None:
        left = islice(state.rest.left, MOST + most if most else None)
        found.update((incident, None) for incident, _, _ in left)
    if isinstance(entry, Command | RunBegan):  # their time is not event time
        return found
    timers = timers_until(state.timers, entry.time)
    if most:
        timers = islice(_in_order(state.timers, entry.time), most + _DUTIES)
    for kind, name in timers:
        if kind in ("route", "flapping", "reminder"):
            found[name] = None
        elif kind in ("run", "caught up"):
            suspects = islice(state.suspects.get(name, ()), most + PIECE if most else None)
            lost = (state.alerts.get(alert) for alert in suspects)
            found.update(dict.fromkeys(known[0] for known in lost if known is not None))
    return found


def timers_until(timers: Sequence[_Timer], time: int) -> Iterator[tuple[str, str]]:
    """Kind and name of the timers of a heap that are due by an event time, in no order."""
    left = [0]
    while left:
        at = left.pop()
        if at < len(timers) and timers[at][0] <= time:
            yield timers[at][2], timers[at][3]
            left += [2 * at + 1, 2 * at + 2]


def _in_order(timers: Sequence[_Timer], time: int) -> Iterator[tuple[str, str]]:
    """The same in the order in which they happen; what is not taken costs nothing."""
    left = [(timers[0], 0)] if timers else []
    while left and left[0][0][0] <= time:
        timer, at = heappop(left)
        yield timer[2], timer[3]
        for below in (2 * at + 1, 2 * at + 2):
            if below < len(timers):
                heappush(left, (timers[below], below))
