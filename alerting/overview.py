"""All alerts and incidents of a log, also those that are over: what a page or an API shows.

It is the engine once more, fed with the entries of the log in their order, which keeps what the
engine forgets. So it shows what the process that leads has decided, and needs none of its state.
Not for several threads: apply and read in the same one.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec

from padit.alerting.acknowledging import name_next, took, took_whole
from padit.alerting.alert_rows import AlertState, row_of
from padit.alerting.compiled import Policy
from padit.alerting.deeds import Deeds
from padit.alerting.due import due_by
from padit.alerting.effects import CommandResult, Effect, Feedback, Handed, Outcome
from padit.alerting.engine import Engine
from padit.alerting.entries import AlertEvent, Command, Entry, Target
from padit.alerting.incidents import worst
from padit.alerting.matching import RANK, targets
from padit.alerting.messages import view_with_causes
from padit.alerting.policy import AlertingConfig
from padit.alerting.silencing import silencing_of
from padit.alerting.state import Incident, State
from padit.domain.alert import Severity

__all__ = ["Change", "Overview", "order_of"]

_MOST_EVENTS = 20_000
SUPPRESSED = frozenset({"silenced", "inhibited", "outside_hours", "acknowledged", "rate_limited"})


class Change(msgspec.Struct, frozen=True):
    """What one entry of the log changed: its number, kind, and the alerts and incidents.

    `real` are alerts that somebody marked as real, also by a command that waited for its time.
    """

    n: int
    kind: str
    time: int
    name: str
    alerts: tuple[str, ...]
    incidents: tuple[str, ...]
    real: tuple[str, ...] = ()


class Overview:
    """Alerts and incidents of a log.

    Args:
        config: what decides.
    """

    def __init__(self, config: AlertingConfig) -> None:
        self.policy = Policy(config)
        self._engine = Engine(self.policy)
        self.state = State()
        self.alerts: dict[str, AlertState] = {}
        self.incidents: dict[str, Incident] = {}
        self.version = 0
        self.changes: deque[Change] = deque(maxlen=_MOST_EVENTS)
        self.touched: dict[str, int] = {}
        self.latest_alert = 0
        self.latest_end = self.longest = 0
        self.deeds = Deeds()
        self.by_incident: dict[str, list[str]] = {}
        self.series_of: dict[str, tuple[str, str]] = {}
        self.by_series: dict[tuple[str, str], list[str]] = {}
        self._by_source: dict[str, list[tuple[int, str]]] = {}
        self._by_time: list[tuple[int, str]] = []
        self._incidents_by_time: list[tuple[int, str]] = []

    def apply(self, n: int, entry: Entry) -> Change:
        """Follow one entry of the log; what it changed."""
        due = due_by(self.state, entry)
        touched = self._before(entry) | due
        ending = self._ending()
        effects = self._engine.apply(self.state, entry)
        for target in [one for name, one in ending.items() if name not in self.state.silences]:
            touched |= self._open_of(target)
        alerts: dict[str, None] = {}
        if isinstance(entry, AlertEvent):
            alerts[entry.alert] = None
            self._follow(n, entry, alerts)
        for one in effects:
            self._effect(one, alerts, touched)
        self.deeds.follow(n, entry, effects, self.alerts)
        for name in due:
            alerts.update(dict.fromkeys(self._ended(self.by_incident.get(name, ()))))
        for name in alerts:
            if name in self.alerts:
                touched[self.alerts[name].incident] = None
        for name in touched:
            self.touched[name] = n
        self.version = n
        real = [one.alerts for one in effects
                if isinstance(one, Feedback) and one.verdict == "real"]  # fmt: skip
        names = _names(entry)
        change = Change(n, *names, tuple(alerts), tuple(touched), tuple(chain.from_iterable(real)))
        self.changes.append(change)
        return change

    def _before(self, entry: Entry) -> dict[str, None]:
        """Incidents that an entry is about, as they are before it."""
        if isinstance(entry, AlertEvent):
            known = self.state.alerts.get(entry.alert)
            return {} if known is None else {known[0]: None}
        if isinstance(entry, Command) and entry.kind in ("silence", "unsilence"):
            return self._meant(entry)
        return {}

    def _ending(self) -> dict[str, Target]:
        """Silences that somebody has ended at a time that the data have yet to reach."""
        held = (one.note for one in self.state.held.values() if one.kind == "unsilence")
        return {name: self.state.silences[name].target for name in held
                if name in self.state.silences}  # fmt: skip

    def _meant(self, entry: Command) -> dict[str, None]:
        """Open incidents that a silence, or its end, is about."""
        target = entry.target
        if entry.kind == "unsilence":
            known = self.state.silences.get(entry.note)
            if known is None:
                return {}
            target = known.target
        return self._open_of(target)

    def _open_of(self, target: Target) -> dict[str, None]:
        """Open incidents with an open alert that a target means."""
        if target.fingerprint:  # of many commands each may name one series
            known = self.state.alerts.get(self.state.series.get(target.fingerprint, ""))
            if known is None:
                return {}
            event = self.state.incidents[known[0]].members[known[1]].event
            return {known[0]: None} if targets(target, event) else {}
        return {
            name: None
            for name, one in self.state.incidents.items()
            if any(not m.closed and targets(target, m.event) for m in one.members.values())
        }

    def _follow(self, n: int, event: AlertEvent, alerts: dict[str, None]) -> None:
        """Bring the row of an alert up to date, and make it at first; `alerts` are changed."""
        placed = self.state.alerts.get(event.alert)
        row = self.alerts.get(event.alert)
        if row is None:
            if placed is None:
                return  # the end of an alert whose beginning is not in the log
            row = self.alerts[event.alert] = row_of(event, placed[0])
            alerts.update(dict.fromkeys(self._replaced(row)))
            insort(self._by_time, (event.opened, event.alert))
            insort(self._by_source.setdefault(event.source_id, []), (event.opened, event.alert))
            self._know(placed[0])
            self.series_of[row.fingerprint] = row.source_id, row.metric_name
            self.by_series.setdefault((row.source_id, row.metric_name), []).append(row.id)
            self.by_incident.setdefault(placed[0], []).append(event.alert)
        row.follow(n, event)
        self._over(row)
        self.latest_alert = max(self.latest_alert, event.time)

    def _replaced(self, fresh: AlertState) -> list[str]:
        """The alert before of a series that a lost run left open ends as another one opens."""
        known = self.by_series.get((fresh.source_id, fresh.metric_name))
        before = self.alerts[known[-1]] if known else None
        if before is not None and not before.closed and before.id not in self.state.alerts:
            before.closed, before.reason = fresh.opened, "run_lost"
            self._over(before)
            return [before.id]
        return []

    def _over(self, row: AlertState) -> None:
        """Note the end of an alert, if it has ended."""
        if row.closed:
            self.latest_end = max(self.latest_end, row.closed)
            self.longest = max(self.longest, row.closed - row.opened)

    def _know(self, name: str) -> None:
        if name not in self.incidents:
            incident = self.incidents[name] = self.state.incidents[name]
            insort(self._incidents_by_time, (incident.opened, name))

    def _effect(self, one: Effect, alerts: dict[str, None], touched: dict[str, None]) -> None:
        if isinstance(one, CommandResult):
            alerts.update(dict.fromkeys(one.alerts))
            self._ended(one.alerts)
        elif isinstance(one, Handed):
            views = (*one.others, one.view) if one.view is not None else one.others
            touched.update(dict.fromkeys(view.id for view in views if view.id in self.incidents))
        elif isinstance(one, Outcome) and one.reason.value == "silenced":
            touched.update(
                dict.fromkeys(
                    name
                    for name, incident in self.state.incidents.items()
                    if any(one.transition in told.pending for told in incident.told.values())
                )
            )

    def _ended(self, names: Iterable[str]) -> list[str]:
        """Those of these alerts that ended without a transition: by hand, or with a lost run."""
        found = []
        for name in names:
            row = self.alerts.get(name)
            if row is None or row.closed:
                continue
            member = self.incidents[row.incident].members[row.fingerprint]
            if member.closed and member.event.alert == name:
                row.closed, row.reason = member.closed, member.ended_by
                self._over(row)
                found.append(name)
        return found

    # ---- reading

    def knows(self, source: str) -> bool:
        """Whether an alert is of a source."""
        return source in self._by_source

    def newest_alerts(
        self,
        before: tuple[int, str] | None,
        since: int,
        source: str | None = None,
        incident: str | None = None,
    ) -> Iterator[AlertState]:
        """Alerts by opening, the newest first, from behind a place on, back to an event time.

        With an incident only those of it, else with a source only those of that.
        """
        if incident is not None:
            names = self.by_incident.get(incident, ())
            order = sorted((self.alerts[one].opened, one) for one in names)
        else:
            order = self._by_time if source is None else self._by_source.get(source, [])
        return (self.alerts[name] for name in _downwards(order, before, since))

    def alerts_between(self, start: int, end: int) -> Iterator[AlertState]:
        """Alerts that were open at any time of a span, by opening, the newest first."""
        oldest = start - self.longest  # of those that have ended none that opened before reaches it
        for row in self.newest_alerts((end + 1, ""), oldest):
            if not row.closed or row.closed >= start:
                yield row
        for opened, name in sorted(
            ((self.alerts[one].opened, one) for one in self.state.alerts if one in self.alerts),
            reverse=True,
        ):
            if opened < oldest:
                yield self.alerts[name]

    def newest_incidents(self, before: tuple[int, str] | None, since: int) -> Iterator[Incident]:
        """Incidents by opening, the newest first."""
        return (self.incidents[name] for name in _downwards(self._incidents_by_time, before, since))

    def open_incidents(self, after: tuple[int, int, str] | None = None) -> list[Incident]:
        """Incidents with an open alert: the worst first, then the oldest.

        Args:
            after: only those behind this place, as `order_of` gives it.
        """
        found = [(order_of(one), one) for one in self.state.incidents.values() if one.firing]
        return [
            one
            for place, one in sorted(found, key=lambda each: each[0])
            if after is None or place > after
        ]

    def incident(
        self, name: str, members: int = 20, behind: tuple[bool, int, int, str, str] | None = None
    ) -> dict[str, Any]:
        """An incident as a message shows it, with what each route knows of it.

        It has at most so many members, the worst behind a place; `more` is how many follow.
        Each cause is a mapping here: `source`, `score`, `why` and `speaks`, the facts of `why`.
        """
        one = self.incidents[name]
        shown, causes = view_with_causes(self.policy, one, members, behind)
        view: dict[str, Any] = msgspec.to_builtins(shown)
        view["causes"] = [
            {"source": source, "score": score, "why": why, "speaks": cause.speaks._asdict()}
            for (source, score, why), cause in zip(shown.causes, causes, strict=True)
        ]
        name_next(view, one)
        view["routes"] = {
            route: {"state": told.state, "why": told.why, "detail": told.detail,
                    "messages": told.messages}
            for route, told in one.told.items()
        }  # fmt: skip
        view["suppressed"] = sorted(set(self.suppressed(name).values()))
        view |= silencing_of(
            self.policy, self.state, one, [each["fingerprint"] for each in view["members"]]
        )
        closed = [member.closed for member in one.members.values()]
        view["closed"] = 0 if one.firing else max(closed, default=0)
        view["sources"] = sorted({member.event.source_id for member in one.members.values()})
        view["title"] = self.title(name)
        view["changed_by"] = self.touched.get(name, 0)
        return view

    def may_hold(self, command: str, fingerprint: str) -> bool:
        """Whether an acknowledgement holds a series; also where it has yet to take effect."""
        state = self.state
        if command not in state.commands or command in state.held:
            return True
        known = state.alerts.get(state.series.get(fingerprint, ""))
        if known is None:
            return False
        incident = state.incidents[known[0]]
        return took(command, incident.members[fingerprint]) or took_whole(command, incident)

    def title(self, incident: str) -> str:
        """What an incident is called: what the worst of it says."""
        first = worst(self.incidents[incident])[0].event
        return first.summary or f"{first.metric_name} of {first.source_id}"

    def suppressed(self, incident: str) -> dict[str, str]:
        """By route what keeps an incident from being sent, if anything."""
        return {
            route: told.why + (f" ({told.detail})" if told.detail else "")
            for route, told in self.incidents[incident].told.items()
            if told.state == "waiting" and told.why in SUPPRESSED
        }

    def missed_since(self, n: int) -> list[Change] | None:
        """Changes behind a number; None if some of them are no longer kept."""
        if n >= self.version:
            return []
        if not self.changes or self.changes[0].n > n + 1:
            return None
        return [one for one in self.changes if one.n > n]


def order_of(incident: Incident) -> tuple[int, int, str]:
    """Where an open incident stands among others: the worst first, then the oldest."""
    return -RANK[_severity(incident)], incident.opened, incident.id


def _severity(incident: Incident) -> Severity:
    members = [one for one in incident.members.values() if not one.closed]
    return max((one.event.severity for one in members), key=RANK.__getitem__, default="INFO")


def _names(entry: Entry) -> tuple[str, int, str]:
    """Kind, event time and name of an entry, for a stream."""
    if isinstance(entry, AlertEvent):
        return entry.kind, entry.time, entry.id
    if isinstance(entry, Command):
        return entry.kind, entry.time, entry.id
    return type(entry).__name__.lower(), entry.time, ""


def _downwards(
    order: list[tuple[int, str]], before: tuple[int, str] | None, since: int
) -> Iterable[str]:
    last = len(order) if before is None else bisect_left(order, before)
    first = bisect_right(order, (since, ""))
    return (order[at][1] for at in range(last - 1, first - 1, -1))
