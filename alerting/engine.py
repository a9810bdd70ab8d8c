"""The engine: `apply(state, entry) -> effects`, the only code that changes the state.

Before an entry is applied, everything that was due up to its time happens, each at its own time.
So it makes no difference whether a tick, the job's progress or the next alert lets time pass.
"""

from collections.abc import Callable
from heapq import heappop, heappush

from padit.alerting import people, routing
from padit.alerting.acknowledging import remind
from padit.alerting.compiled import Policy, Traits
from padit.alerting.decide import decide, room
from padit.alerting.due import timers_until
from padit.alerting.duties import Duties
from padit.alerting.effects import Effect, Reason
from padit.alerting.entries import (
    AlertEvent,
    Command,
    Entry,
    Progress,
    RunBegan,
    Tick,
    fingerprint_of,
)
from padit.alerting.holding import held
from padit.alerting.incidents import close, forget, place
from padit.alerting.state import Incident, State
from padit.alerting.step import MOST, PIECE, Step

__all__ = ["Engine"]

_OF_AN_INCIDENT = frozenset({"route", "flapping", "reminder", "forget"})
_OF_A_RUN = frozenset({"run", "caught up"})
_BY_A_CLOCK = (Command, RunBegan)  # their time is not event time


class Engine:
    """Applies entries of the log.

    Args:
        policy: the configuration, ready.
        brief: whether messages are only counted, see `effects.Brief`; all else is the same.
    """

    def __init__(self, policy: Policy, brief: bool = False) -> None:
        self.policy = policy
        self._brief = brief
        self._duties = Duties(policy)

    def apply(
        self,
        state: State,
        entry: Entry,
        hand_over: Callable[[list[Effect]], None] | None = None,
    ) -> list[Effect]:
        """Change the state by one entry; what follows from it, in order.

        Args:
            state: to change.
            entry: of the log.
            hand_over: is given what follows piece by piece where it is much, in order; the rest is
                returned.
        """
        step = Step(self.policy, state, self._brief, hand_over=hand_over)
        if not isinstance(entry, _BY_A_CLOCK):
            if not state.began:
                self._duties.begin(step, entry.time)
            if not self._pass_time(step, entry):
                return step.effects
            state.now = max(state.now, entry.time)
            self._duties.heard(step, entry)
        people.finish(step)  # what lets no time pass comes behind it, too
        if isinstance(entry, AlertEvent):
            state.out_of_order += entry.time < state.now - self.policy.config.merge_delay
            state.seen = max(state.seen, entry.time)
            self._transition(step, entry)
        elif isinstance(entry, Command):
            people.receive(step, entry)
        elif isinstance(entry, RunBegan):
            self._run_began(step, entry)
        elif isinstance(entry, Progress):
            self._catch_up(step, entry)
        return step.effects

    def heeds(self, state: State, entry: Progress) -> bool:
        """Whether progress makes a difference; what makes none need not stand in the log."""
        due = self.next_due(state)
        return (
            (due is not None and due <= entry.time)
            or self._duties.wants(state)
            or (
                entry.run in state.suspects
                and state.caught_up != entry.run
                and (state.run != entry.run or entry.time >= state.seen)
            )
        )

    def next_due(self, state: State) -> int | None:
        """Event time at which something happens without an entry; None: nothing does."""
        if state.rest is not None:
            return state.now
        return state.timers[0][0] if state.timers else None

    def much_due(self, state: State, time: int) -> bool:
        """Whether more is due by an event time than one transaction should hold."""
        count = 0 if state.rest is None else len(state.rest.left)
        for kind, name in timers_until(state.timers, time):
            count += 1
            if kind in _OF_A_RUN:  # a lost alert may have been a cause
                count += len(state.suspects.get(name, ())) + len(state.inhibited)
            count += len(state.alerts) if kind == "command" else 0  # it may be about all
            if count > MOST:
                break
        return count > MOST

    def _pass_time(self, step: Step, entry: Entry) -> bool:
        """Do what is due; whether that is all of it.

        A tick of a part leaves duties: whether the clock or the job lets time pass matters to them.
        """
        state, most = step.state, entry.most if isinstance(entry, Tick) else 0
        left: list[tuple[int, int, str, str, str]] = []
        while state.rest or (state.timers and state.timers[0][0] <= entry.time):
            if most and step.done >= most:
                break
            if state.rest is not None:
                people.go_on(step)
                continue
            timer = heappop(state.timers)
            if most and timer[2] in Duties.kinds:
                left.append(timer)
                continue
            state.now = max(state.now, timer[0])
            self._happen(step, timer, entry)
            step.part()
        for timer in left:
            heappush(state.timers, timer)
        due = bool(state.timers) and state.timers[0][0] <= entry.time
        return not (most and (due or state.rest is not None))

    def _happen(self, step: Step, timer: tuple[int, int, str, str, str], entry: Entry) -> None:
        state = step.state
        due, _, kind, name, route = timer
        if kind in _OF_AN_INCIDENT:
            if name in state.incidents:
                self._due(step, state.incidents[name], kind, route, due)
        elif kind == "command":
            people.obey(step, state.held.pop(name))
        elif kind == "silence":
            state.silences.pop(name, None)
        elif kind == "caught up" or (kind == "run" and name != state.run):
            self._close_lost(step, kind, name, due)
        elif kind in Duties.kinds:
            self._duties.due(step, kind, due, entry)

    def _due(self, step: Step, incident: Incident, kind: str, route: str, time: int) -> None:
        if kind == "route":
            told = incident.told.get(route)
            if told is not None and told.due == time:
                routing.look_again(step, incident, self.policy.by_name[route], time)
        elif kind == "flapping":
            routing.calm(step, incident, time)
            step.leave(incident)
        elif kind == "reminder":
            remind(step, incident, time)
        elif kind == "forget":
            self._forget(step, incident, time)

    def _transition(self, step: Step, event: AlertEvent) -> None:
        state = step.state
        if event.kind == "opened" and event.alert in state.alerts:
            return  # the same opening once more
        state.transitions += 1
        before = state.series.get(fingerprint_of(event.source_id, event.metric_name))
        known = state.alerts.get(event.alert)
        at = known or state.alerts.get(before or "")
        was = None if at is None else state.incidents[at[0]].members[at[1]].event
        incident = place(self.policy, state, event)
        traits = self._on_routes(step, event, incident)
        replaces = event.kind != "resolved" and before is not None and before not in state.alerts
        if incident is not None and replaces:  # a route may take nothing of what is open now
            routing.end_without_transition(step, incident, event.time)
        if event.kind == "resolved" and incident is not None and known is not None:
            self._after_end(step, incident, event, incident.members[known[1]].event)
        elif event.kind != "resolved" and traits.effect and traits.causes:
            people.free_effects(step, event.time)  # it may close a circle: one of it goes free
        elif at is not None and was is not None:
            self._after_change(step, was, state.incidents[at[0]].members[at[1]].event, event.time)

    def _on_routes(self, step: Step, event: AlertEvent, incident: Incident | None) -> Traits:
        """Decide on each route what becomes of a transition, and do it."""
        traits = self.policy.traits_of(event)
        for name in traits.others:
            step.count(name, Reason.NOT_MATCHED)
        if not traits.routes:
            step.settle("", [event.id], Reason.NO_ROUTE, "", event.time)
        if incident is not None:
            self._mark_flapping(step, incident, event)
        for one in traits.routes:
            decision = decide(self.policy, step.state, event, incident, one)
            if incident is None or decision.action == "none":
                step.settle(one.name, [event.id], decision.reason, decision.detail, event.time)
            else:
                routing.act(step, event, incident, one, decision)
        return traits

    def _after_end(
        self, step: Step, incident: Incident, event: AlertEvent, was: AlertEvent
    ) -> None:
        """What it was when it was worst counts for what took it, and for what it inhibited."""
        routing.end_elsewhere(step, incident, event)
        step.leave(incident)
        keys = self.policy.traits_of(was).cause_keys
        if keys:
            people.free_effects(step, event.time, keys)

    def _after_change(self, step: Step, was: AlertEvent, now: AlertEvent, time: int) -> None:
        """What an alert inhibits no more, for it is another cause now than it was, or none.

        Its labels have changed, or one of less severity has replaced what a lost run left open.
        """
        if now is was:
            return
        keys = self.policy.traits_of(now).cause_keys
        gone = [one for one in self.policy.traits_of(was).cause_keys if one not in keys]
        if gone:
            people.free_effects(step, time, gone)

    def _mark_flapping(self, step: Step, incident: Incident, event: AlertEvent) -> None:
        """One message says that an incident comes and goes; a rise in severity passes as ever."""
        setting = self.policy.config.flapping
        if event.kind != "opened" or incident.flapping or len(incident.begins) < setting.changes:
            return
        begins = [one for one in incident.begins if one > event.time - setting.within]
        if len(begins) < setting.changes:
            return
        incident.flapping = True
        step.set_timer(event.time + setting.quiet, "flapping", incident.id)
        for name, told in incident.told.items():
            route = self.policy.by_name[name]
            if told.state == "waiting" or room(step.state, route, event.time):
                continue
            if held(step, incident, route, event.time) is None:
                routing.tell(step, incident, route, "flapping", event.time, [])

    # ---- ends

    def _forget(self, step: Step, incident: Incident, time: int) -> None:
        incident.leaving = False
        if incident.firing:
            return
        closing = any(told.state == "closing" and told.due for told in incident.told.values())
        if closing:  # its end waits for room on a route
            incident.leaving = True
            step.set_timer(time + self.policy.memory, "forget", incident.id)
            return
        if incident.flapping or incident.changed + self.policy.memory > time:
            step.leave(incident)
            return
        for name, told in incident.told.items():
            step.settle(name, told.pending, Reason.NOT_SENT, "forgotten", time)
        forget(step.state, incident)

    # ---- runs of the job

    def _run_began(self, step: Step, entry: RunBegan) -> None:
        """A run without state began: what it does not raise again within a window is over."""
        state = step.state
        if state.alerts:
            state.suspects[entry.run] = list(state.alerts)
            since = max(entry.time, state.now)  # the clock of the job may be behind
            step.set_timer(since + self.policy.config.incidents.lost_after, "run", entry.run)

    def _catch_up(self, step: Step, entry: Progress) -> None:
        """The window begins when a run has come to where the lost one was, if it reports."""
        state = step.state
        state.run = entry.run or state.run
        began = entry.run in state.suspects and state.caught_up != entry.run
        if began and entry.time >= state.seen:
            state.caught_up = entry.run
            due = entry.time + self.policy.config.incidents.lost_after
            step.set_timer(due, "caught up", entry.run)

    def _close_lost(self, step: Step, kind: str, run: str, time: int) -> None:
        """End what was lost; of very much some, and the rest when that has happened."""
        lost = step.state.suspects.pop(run, [])
        if len(lost) > PIECE:
            step.state.suspects[run] = lost[PIECE:]
            step.set_timer(time, kind, run)
            lost = lost[:PIECE]
        gone = set(lost)
        for later, others in step.state.suspects.items():
            # What ends here and is raised again is no longer what a later run has lost.
            step.state.suspects[later] = [one for one in others if one not in gone]
        over: dict[str, Incident] = {}
        causes: list[AlertEvent] = []
        for alert in lost:
            step.part()
            known = step.state.alerts.get(alert)
            if known is None:
                continue
            incident = step.state.incidents[known[0]]
            causes.append(incident.members[known[1]].event)
            over[incident.id] = incident
            close(self.policy, step.state, incident, known[1], time, "run_lost")
        for incident in over.values():
            routing.end_without_transition(step, incident, time)
            step.leave(incident)
        keys = {key for one in causes for key in self.policy.traits_of(one).cause_keys}
        if keys:
            people.free_effects(step, time, keys)
