"""A configuration made ready for the engine: matchers, routes with what they inherit, edges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from padit.alerting.entries import AlertEvent
from padit.alerting.matching import Hours, Matcher
from padit.alerting.policy import AlertingConfig, Inhibition, Match, Route
from padit.alerting.state import Incident, Member

__all__ = ["Policy", "ReadyInhibition", "ReadyRoute", "ReadySilence", "matcher_of"]


def matcher_of(match: Match) -> Matcher:
    """The matcher of a section of the configuration."""
    labels = {name: list(patterns) for name, patterns in match.labels.items()}
    return Matcher(match.source, match.metric, labels, match.severity, match.detector)


@dataclass(frozen=True, slots=True, eq=False)
class ReadyRoute:
    """A route with what it inherits.

    Attributes:
        setting: as configured.
        receiver: name of its receiver.
        matches: its own matcher; those of the routes above have matched before.
        hours: outside of which it waits; None: always.
        below: finer routes, tried first.
    """

    setting: Route
    receiver: str
    matches: Matcher
    hours: Hours | None
    below: tuple["ReadyRoute", ...]

    @property
    def name(self) -> str:
        """For reports."""
        return self.setting.name


@dataclass(frozen=True, slots=True)
class ReadySilence:
    """A configured silence."""

    id: str
    matches: Matcher
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ReadyInhibition:
    """A configured inhibition."""

    setting: Inhibition
    cause: Matcher
    effect: Matcher


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
        self.neighbours: dict[str, set[str]] = {}
        for source, below in sorted(config.incidents.depends_on.items()):
            for one in below:
                self.neighbours.setdefault(source, set()).add(one)
                self.neighbours.setdefault(one, set()).add(source)

    def open_on(self, incident: Incident, route: ReadyRoute) -> Iterator[Member]:
        """Open members of an incident that a route takes."""
        for one in incident.members.values():
            if not one.closed and route in self.routes_of(one.event):
                yield one

    def firing_on(self, incident: Incident, route: ReadyRoute) -> bool:
        """Whether an incident goes on as far as a route is concerned."""
        return incident.firing > 0 and any(True for _ in self.open_on(incident, route))

    @cached_property
    def memory(self) -> int:
        """How long an incident that is over is remembered, microseconds."""
        config = self.config
        routes = [one.setting for one in self.by_name.values()]
        longest = max((one.cool_down + one.settle for one in routes), default=0)
        return max(longest, config.incidents.window, config.flapping.within) + 1

    def routes_of(self, event: AlertEvent) -> list[ReadyRoute]:
        """The routes that take an alert."""
        found: list[ReadyRoute] = []
        _collect(self.routes, event, found)
        return found

    def _ready(self, routes: Sequence[Route], receiver: str) -> tuple[ReadyRoute, ...]:
        return tuple(
            ReadyRoute(
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
