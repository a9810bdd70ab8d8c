"""One step of the engine: the state it may change, and the effects it gathers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappush

from padit.alerting.compiled import Policy, ReadyRoute
from padit.alerting.effects import Effect, MessageKind, Outcome, Reason
from padit.alerting.messages import brief, hand
from padit.alerting.state import Incident, State

__all__ = ["MOST", "PIECE", "Step"]

PIECE = 500
"""Things that are done until effects are handed over; some 50 ms of work."""
MOST = 4 * PIECE
"""Things that one transaction should hold: while it lasts, others that write wait."""


@dataclass(slots=True)
class Step:
    """The policy, the state and the effects so far.

    Attributes:
        brief: messages are only counted.
        hand_over: takes the effects so far while there is more to do; None: they are kept.
        parts: of the work that were done since.
        done: parts in all.
    """

    policy: Policy
    state: State
    brief: bool = False
    effects: list[Effect] = field(default_factory=list)
    hand_over: Callable[[list[Effect]], None] | None = None
    parts: int = 0
    done: int = 0

    def part(self) -> None:
        """One of many things was done. Of 100,000 ends at once the effects go piece by piece."""
        self.parts += 1
        self.done += 1
        if self.parts >= PIECE and self.hand_over is not None:
            effects, self.effects, self.parts = self.effects, [], 0
            self.hand_over(effects)

    def set_timer(self, due: int, kind: str, name: str, route: str = "") -> None:
        """Have the engine look again at an event time."""
        self.state.number += 1
        heappush(self.state.timers, (due, self.state.number, kind, name, route))

    def leave(self, incident: Incident) -> None:
        """Nothing of an incident is open: it is forgotten once nothing can come of it."""
        if not incident.firing and not incident.leaving:
            incident.leaving = True
            self.set_timer(incident.changed + self.policy.memory, "forget", incident.id)

    def settle(
        self, route: str, transitions: Sequence[str], reason: Reason, detail: str, time: int
    ) -> None:
        """Write down what became of transitions on a route; each gets one outcome a route."""
        for one in transitions:
            self.effects.append(Outcome(one, route, reason, detail, time))
            self.count(route, reason)

    def count(self, route: str, reason: Reason) -> None:
        """Count an outcome."""
        counts = self.state.counts.get(route)
        if counts is None:
            counts = self.state.counts[route] = {}
        counts[reason] = counts.get(reason, 0) + 1

    def hand(
        self,
        route: ReadyRoute,
        kind: MessageKind,
        time: int,
        incidents: Sequence[Incident],
        transitions: Sequence[str] = (),
    ) -> None:
        """Hand a message out; the transitions that it stands for have their outcome with it."""
        if self.brief:
            self.effects.append(brief(self.state, route, kind, time, incidents, transitions))
            for _ in transitions:
                self.count(route.name, Reason.HANDED)
            return
        made = hand(self.policy, self.state, route, kind, time, incidents, transitions)
        self.effects.append(made)
        self.settle(route.name, transitions, Reason.HANDED, kind, time)
