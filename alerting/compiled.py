"""A configuration made ready for the engine: matchers, routes with what they inherit, edges."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from padit.alerting.entries import AlertEvent
from padit.alerting.matching import Hours, Matcher
from padit.alerting.muting import Muting
from padit.alerting.policy import AlertingConfig, Inhibition, Match, Route
from padit.alerting.sharing import Sharing, neighbours_of
from padit.alerting.state import Incident, Member, SilenceSet

__all__ = [
    "Policy",
    "ReadyInhibition",
    "ReadyRoute",
    "ReadySilence",
    "Traits",
    "matcher_of",
]

_MOST_TRAITS = 1 << 16
_MOST_RECENT = 1 << 10


def matcher_of(match: Match) -> Matcher:
    """The matcher of a section of the configuration."""
    labels = {name: list(patterns) for name, patterns in match.labels.items()}
    return Matcher(match.source, match.metric, labels, match.severity, match.detector)


@dataclass(frozen=True, slots=True, eq=False)
class ReadyRoute:
    """A route with what it inherits.

    Attributes:
        name: for reports.
        setting: as configured.
        receiver: name of its receiver.
        matches: its own matcher; those of the routes above have matched before.
        hours: outside of which it waits; None: always.
        below: finer routes, tried first.
    """

    name: str
    setting: Route
    receiver: str
    matches: Matcher
    hours: Hours | None
    below: tuple["ReadyRoute", ...]


@dataclass(frozen=True, slots=True, eq=False)
class ReadySilence:
    """A configured silence."""

    id: str
    matches: Matcher
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class ReadyInhibition:
    """A configured inhibition."""

    setting: Inhibition
    cause: Matcher
    effect: Matcher

    def key(self, event: AlertEvent) -> str:
        """Under which causes stand that share with an alert what they must; empty: none does.

        Of two the same key does not prove that they do, for a name may have any character.
        """
        found = [self.setting.name]
        for name in self.setting.same:
            value = event.source_id if name == "source" else event.labels.get(name)
            if value is None:
                return ""
            found.append(value)
        return "\0".join(found)


class Traits(NamedTuple):
    """What a configuration makes of all alerts of one series, detector, severity and labels.

    Attributes:
        routes: that take them.
        others: names of the routes that do not.
        silences: configured ones that match.
        causes: inhibitions of which they are a cause.
        effect: whether they are an effect in any inhibition.
        cause_keys: of `State.causes`, under which they stand.
        suffers: inhibitions of which they are an effect and no cause, with the key under which
            causes stand that share with them what they must.
        keys: under which others find them; without what the job calls one page.
        near: keys of alerts that they belong to.
        weak: those of `near` that say less: a label that both have, an edge that a label states.
        by_edge: the latter of these.
        stated: keys of `keys`, one for each source on which theirs depends as a label states it.
    """

    routes: tuple[ReadyRoute, ...]
    others: tuple[str, ...]
    silences: tuple[ReadySilence, ...]
    causes: tuple[ReadyInhibition, ...]
    effect: bool
    cause_keys: tuple[str, ...]
    suffers: tuple[tuple[ReadyInhibition, str], ...]
    keys: tuple[str, ...]
    near: tuple[str, ...]
    weak: frozenset[str]
    by_edge: frozenset[str]
    stated: tuple[str, ...]


class Policy:
    """A configuration, ready.

    Args:
        config: validated.
    """

    def __init__(self, config: AlertingConfig) -> None:
        self.config = config
        self._hours = {
            name: Hours(one.ranges(), one.timezone or config.timezone)
            for name, one in config.hours.items()
        }
        self.routes = self._ready(config.routes, "")
        self.silences = tuple(
            ReadySilence(one.id, matcher_of(one.match), one.start, one.end)
            for one in config.silences
        )
        self.inhibitions = tuple(
            ReadyInhibition(one, matcher_of(one.cause), matcher_of(one.effect))
            for one in config.inhibit
        )
        self.by_name = {one.name: one for one in _flat(self.routes)}
        self._neighbours = neighbours_of(config.incidents.depends_on)
        self._traits: dict[tuple[object, ...], Traits] = {}
        self._recent: dict[int, tuple[AlertEvent, Traits]] = {}
        self._muting = Muting({})

    def open_on(self, incident: Incident, route: ReadyRoute) -> list[Member]:
        """Open members of an incident that a route takes."""
        return [
            one
            for one in incident.members.values()
            if not one.closed and route in self.traits_of(one.event).routes
        ]

    def firing_on(self, incident: Incident, route: ReadyRoute) -> bool:
        """Whether an incident goes on as far as a route is concerned."""
        if not incident.firing:
            return False
        for one in reversed(incident.members.values()):  # what came first mostly ends first
            if not one.closed and route in self.traits_of(one.event).routes:
                return True
        return False

    def traits_of(self, event: AlertEvent) -> Traits:
        """What the configuration makes of an alert, before anything else is known."""
        recent = self._recent.get(id(event))  # several ask for the same event
        if recent is not None and recent[0] is event:
            return recent[1]
        if len(self._recent) >= _MOST_RECENT:
            self._recent.clear()
        found = self._known(event)
        self._recent[id(event)] = event, found
        return found

    def _known(self, event: AlertEvent) -> Traits:
        key = (event.source_id, event.metric_name, event.severity, event.detector,
               *event.labels.items())  # fmt: skip
        found = self._traits.get(key)
        if found is None:
            if len(self._traits) >= _MOST_TRAITS:
                self._traits.clear()
            found = self._traits[key] = self._made_of(event)
        return found

    @cached_property
    def memory(self) -> int:
        """How long an incident that is over is remembered, microseconds."""
        config = self.config
        routes = [one.setting for one in self.by_name.values()]
        longest = max((one.cool_down + one.settle for one in routes), default=0)
        grouping = config.incidents
        near = max(grouping.lost_after, 0 if grouping.window else grouping.spread)
        return max(longest, near, config.flapping.within) + 1

    def muting(self, silences: dict[str, SilenceSet]) -> Muting:
        """Silences by command, ready to be looked up; made again when they change."""
        found = self._muting
        if not found.holds(silences):
            found = self._muting = Muting(silences)
        return found

    def _made_of(self, event: AlertEvent) -> Traits:
        routes: list[ReadyRoute] = []
        _collect(self.routes, event, routes)
        names = {one.name for one in routes}
        causes = [one for one in self.inhibitions if one.cause(event)]
        effects = [one for one in self.inhibitions if one.effect(event)]
        suffers = ((one, one.key(event)) for one in effects if one not in causes)
        share = Sharing(self.config.incidents, self._neighbours, event)
        return Traits(
            routes=tuple(routes),
            others=tuple(one for one in self.by_name if one not in names),
            silences=tuple(one for one in self.silences if one.matches(event)),
            causes=tuple(causes),
            effect=bool(effects),
            cause_keys=tuple(key for one in causes if (key := one.key(event))),
            suffers=tuple((one, key) for one, key in suffers if key),
            keys=share.keys,
            near=share.near,
            weak=share.weak,
            by_edge=share.by_edge,
            stated=share.stated,
        )

    def _ready(self, routes: Sequence[Route], receiver: str) -> tuple[ReadyRoute, ...]:
        return tuple(
            ReadyRoute(
                one.name,
                one,
                one.receiver or receiver,
                matcher_of(one.match),
                self._hours[one.hours] if one.hours else None,
                self._ready(one.routes, one.receiver or receiver),
            )
            for one in routes
        )


def _collect(routes: Sequence[ReadyRoute], event: AlertEvent, found: list[ReadyRoute]) -> bool:
    before = len(found)
    for one in routes:
        if not one.matches(event):
            continue
        if not _collect(one.below, event, found):
            found.append(one)
        if not one.setting.go_on:
            return True
    return len(found) > before


def _flat(routes: Sequence[ReadyRoute]) -> list[ReadyRoute]:
    return [deeper for one in routes for deeper in (one, *_flat(one.below))]
