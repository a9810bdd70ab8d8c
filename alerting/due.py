"""Which incidents the time that passes changes, where no message and no outcome need say so."""

from collections.abc import Iterator, Sequence

from padit.alerting.entries import Command, Entry, RunBegan
from padit.alerting.state import State

__all__ = ["due_by"]


def due_by(state: State, entry: Entry) -> dict[str, None]:
    """Incidents that something is due about before an entry takes effect.

    An acknowledgement runs out, what came and went is steady, a wait has another reason, or alerts
    of a lost run end.
    """
    if isinstance(entry, Command | RunBegan):  # their time is not event time
        return {}
    found: dict[str, None] = {}
    for kind, name in _timers_until(state.timers, entry.time):
        if kind in ("route", "flapping", "reminder"):
            found[name] = None
        elif kind in ("run", "caught up"):
            lost = (state.alerts.get(alert) for alert in state.suspects.get(name, ()))
            found.update(dict.fromkeys(known[0] for known in lost if known is not None))
    return found


def _timers_until(
    timers: Sequence[tuple[int, int, str, str, str]], time: int
) -> Iterator[tuple[str, str]]:
    """Kind and name of the timers of a heap that are due by an event time, in no order."""
    left = [0]
    while left:
        at = left.pop()
        if at < len(timers) and timers[at][0] <= time:
            yield timers[at][2], timers[at][3]
            left += [2 * at + 1, 2 * at + 2]
