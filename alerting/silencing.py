"""Silences that keep something of an incident from being sent, as a page shows them."""

from collections.abc import Iterator, Sequence
from typing import Any

from padit.alerting.compiled import Policy
from padit.alerting.state import Incident, State

__all__ = ["silencing_of"]

_MOST_OTHERS = 20


def silencing_of(
    policy: Policy, state: State, incident: Incident, shown: Sequence[str]
) -> dict[str, Any]:
    """Silences that have not ended and mean something open of an incident.

    Args:
        policy: with the silences of the configuration.
        state: with those by command.
        incident: an incident.
        shown: fingerprints of the series that are shown of it.

    Returns:
        `silenced`: until when those by command cover all that is open, 0: they do not.
        `silenced_series`: how many open series a silence means that holds now. `silences`: each
        with the shown series that it means; those of the configuration may lie ahead: they hold
        from `start` on. Of those that mean no shown series 20 are named, and
        `silences_left_out` counts the others: there may be one a series.
    """
    now, muting = state.now, policy.muting(state.silences)
    # One that was given begins at the clock, which data that come late have yet to reach.
    still = {one: m.event for one, m in incident.members.items() if not m.closed}
    met: dict[str, list[str]] = {}
    ends, held = [], set()
    for series, event in still.items():
        holding = [one for one in muting.meaning(event) if now < one.end]
        ends.append(max((one.end for one in holding), default=0))
        for one in holding:
            met.setdefault(one.id, []).append(series)
            held.add(series)
    for ready in policy.silences:
        if now < ready.end:
            met[ready.id] = [one for one, event in still.items() if ready.matches(event)]
            held.update(met[ready.id] if ready.start <= now else ())
    wanted, others, found = set(shown), 0, []
    for name, by, start, end in _named(policy, state):
        if not met.get(name):
            continue
        series_ = [one for one in met[name] if one in wanted]
        others += not series_
        if series_ or others <= _MOST_OTHERS:
            found.append({"id": name, "by": by, "start": start, "end": end, "series": series_})
    return {
        "silenced": min(ends, default=0), "silenced_series": len(held), "silences": found,
        "silences_left_out": max(others - _MOST_OTHERS, 0),
    }  # fmt: skip


def _named(policy: Policy, state: State) -> Iterator[tuple[str, str, int, int]]:
    """Id, who made it, begin and end of each silence: those by command, then the others."""
    for one in state.silences.values():
        yield one.id, one.by, 0, one.end
    for ready in policy.silences:
        yield ready.id, "configuration", ready.start, ready.end
