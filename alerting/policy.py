"""The alerting configuration: routes, silences, inhibition, incidents; unknown keys are refused."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from padit.alerting.matching import Hours
from padit.alerting.policy_types import (
    Duration,
    Link,
    Moment,
    Name,
    Patterns,
    Zone,
    at_least,
    duration_of,
)
from padit.domain.config import Section
from padit.domain.timestamps import MICROS, format_utc

__all__ = [
    "AlertingConfig",
    "Duration",
    "Flapping",
    "Grouping",
    "Heartbeat",
    "HoursSetting",
    "Inhibition",
    "Match",
    "Rate",
    "Route",
    "Silence",
    "SilentJob",
    "WeeklyTest",
    "duration_of",
    "never_taken",
]

_NEAR, _NEAREST = 300 * MICROS, 180 * MICROS
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


class Match(Section):
    """Which alerts: every key that is given has to match, a list with any of its entries."""

    source: Patterns = Field(default=(), description="Patterns of source_id.")
    metric: Patterns = Field(default=(), description="Patterns of metric_name.")
    severity: Literal["INFO", "WARNING", "CRITICAL"] = Field(
        default="INFO", description="Least severity."
    )
    labels: dict[str, Patterns] = Field(default_factory=dict, description="Patterns by label.")
    detector: Patterns = Field(default=(), description="Names of detectors.")


class HoursSetting(Section):
    """Hours of the week, in local time."""

    days: tuple[Day, ...] = Field(
        default=_DAYS,
        min_length=1,
        description="Days of the week.",
    )
    hours: Patterns = Field(default=("00:00-24:00",), min_length=1, examples=[["08:00-18:00"]],
                            description="Spans of local time; one may pass midnight.")  # fmt: skip
    timezone: Zone | None = Field(default=None, description="By default that of the file.")

    @field_validator("hours")
    @classmethod
    def _spans(cls, spans: tuple[str, ...]) -> tuple[str, ...]:
        for span in spans:
            _minutes(span)
        return spans

    def ranges(self) -> list[tuple[int, int]]:
        """Minutes of the week, each span cut at midnight."""
        found = []
        for day in self.days:
            for span in self.hours:
                start, end = _minutes(span)
                first = _DAYS.index(day) * 1440
                pieces = [(start, end)] if start < end else [(start, 1440), (1440, 1440 + end)]
                for begin, stop in pieces:
                    if begin < stop:
                        low = (first + begin) % 10_080
                        found.append((low, low + stop - begin))
        return found


def _minutes(span: str) -> tuple[int, int]:
    found = _SPAN.fullmatch(span)
    if found is None:
        message = f"hours are written like 08:00-18:00, not {span!r}"
        raise ValueError(message)
    h1, m1, h2, m2 = map(int, found.groups())
    start, end = h1 * 60 + m1, h2 * 60 + m2
    if m1 > 59 or m2 > 59 or start >= 1440 or end > 1440 or start == end:
        message = f"{span!r} are no hours of a day"
        raise ValueError(message)
    return start, end


class Rate(Section):
    """Messages that a route may send at most; what is beyond comes together in one."""

    messages: int = Field(ge=1, le=10_000, description="Messages.")
    per: Duration = Field(description="In this time.", examples=["10m"])


class Route(Section):
    """Where alerts go. Of several routes side by side the first that matches takes an alert."""

    name: Name = Field(description="For people, and for reports.")
    match: Match = Field(default=Match(), description="Which alerts.")
    receiver: Name | None = Field(
        default=None, description="Name of a receiver; by default that of the route above."
    )
    hours: Name | None = Field(
        default=None, description="Name of hours; outside of them the route waits for the next."
    )
    min_duration: Duration = Field(
        default=0, description="An alert shorter than this is not sent.",
        examples=["2m"],
    )  # fmt: skip
    cool_down: Duration = Field(
        default=600 * MICROS,
        description="An incident that begins again sooner than this after its end waits.",
    )  # fmt: skip
    settle: Duration = Field(
        default=60 * MICROS,
        description="Its end is sent once it has lasted this long.",
    )  # fmt: skip
    rate: Rate | None = Field(default=None, description="Messages at most.")
    resolved: bool = Field(default=True, description="Whether the end of an incident is sent.")
    go_on: bool = Field(default=False, description="Let the routes behind this one match, too.")
    routes: tuple["Route", ...] = Field(default=(), description="Finer routes, tried first.")


class Silence(Section):
    """Mutes alerts for a while; it may lie in the past or in the future."""

    id: Name = Field(description="Its name in explanations.")
    match: Match = Field(description="Which alerts.")
    start: Moment = Field(description="Event time, RFC 3339.")
    end: Moment = Field(description="Event time, RFC 3339.")
    reason: str = Field(default="", description="For people.")

    @model_validator(mode="after")
    def _ordered(self) -> "Silence":
        if self.start >= self.end:
            message = f"it ends at {format_utc(self.end)}, before it starts"
            raise ValueError(message)
        if self.match == Match():
            message = "a silence of everything needs a pattern: source: '*'"
            raise ValueError(message)
        return self


class Inhibition(Section):
    """While an alert that matches `cause` is open, those that match `effect` are not sent.

    Of alerts that inhibit each other in a circle, the one that opened first is sent.
    """

    name: Name = Field(description="For explanations.")
    cause: Match = Field(description="The alert that explains the others.")
    effect: Match = Field(description="The alerts that it explains.")
    same: tuple[str, ...] = Field(
        default=(), description="`source`, or labels, that both must share.", examples=[["site"]]
    )


class Grouping(Section):
    """Which alerts are one incident: those that share something and begin close in event time."""

    window: Duration = Field(
        default=0,
        description="An alert joins an incident to which another came no longer ago; 0s: half of "
        "the window of the job and the time between two, at least 3m and at most `spread` (5m "
        "where an alert does not state its window, and at least 5m for a series that is in it "
        "already). Twice as long after a metric of the source that it does not follow any more.",
    )  # fmt: skip
    spread: Duration = Field(
        default=900 * MICROS,
        description="An alert of another series joins no later than this after its first, and by "
        "a label alone no later than `window`, unless the job says that they are one page; else "
        "faults one after the other would be one incident, told once.",
    )  # fmt: skip
    share: tuple[str, ...] = Field(
        default=("source",), description="`source`, or labels, of which one must be shared."
    )
    depends_on: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Sources that a source depends on.",
        examples=[{"shop": ["database", "cache"]}],
    )  # fmt: skip
    edge_labels: tuple[str, ...] = Field(
        default=("depends_on",), examples=[["depends_on", "k8s.node.name"]],
        description="Labels whose value is a source on which the alert's source depends, as "
        "adapters state it. They say nothing of a source that is a key of `depends_on`; []: none.",
    )  # fmt: skip
    margin: float = Field(
        default=1.0, ge=0, le=10,
        description="The first cause is decided if its evidence exceeds the next one's by this "
        "share, among other conditions; 1: twice as much.",
    )  # fmt: skip

    def near(self, delay: int) -> int:
        """Within which time of another an alert joins; `delay` as in `AlertEvent`."""
        if self.window or not delay:
            return self.window or _NEAR
        return min(max(delay, _NEAREST), max(self.spread, _NEAREST))

    @property
    def lost_after(self) -> int:
        """Time in which a run of the job finds again what an earlier one had open."""
        return self.window or _NEAR


class Flapping(Section):
    """An incident that ends and begins again and again is one state, not many messages."""

    changes: int = Field(default=4, ge=2, le=100, description="Beginnings, in this time:")
    within: Duration = Field(default=1800 * MICROS, description="Time.")
    quiet: Duration = Field(
        default=900 * MICROS,
        description="It is over when nothing has changed for this long.",
    )  # fmt: skip


class Heartbeat(Section):
    """A message to somebody outside who misses it; only while the job reports its progress."""

    route: Name = Field(description="Where to.")
    every: Annotated[Duration, at_least("10s")] = Field(
        default=300 * MICROS, description="How often.", examples=["5m"]
    )  # fmt: skip


class WeeklyTest(Section):
    """A test page each week, so that a receiver that no longer works is noticed."""

    route: Name = Field(description="Where to.")
    day: Day = Field(default="mon", description="Day of the week.")
    at: str = Field(default="10:00", description="Local time.", pattern=r"^\d\d:\d\d$")
    timezone: Zone | None = Field(default=None, description="By default that of the file.")

    @field_validator("at")
    @classmethod
    def _is_time(cls, value: str) -> str:
        _minutes(f"{value}-24:00")
        return value

    def hours(self, config: "AlertingConfig") -> Hours:
        """The minute of the week, for `matching.next_start`."""
        begin, _ = _minutes(f"{self.at}-24:00")
        minute = _DAYS.index(self.day) * 1440 + begin
        return Hours([(minute, minute + 1)], self.timezone or config.timezone)


class SilentJob(Section):
    """A message when the job reports no progress any more, and one when it does again."""

    route: Name = Field(description="Where to.")
    after: Annotated[Duration, at_least("1m")] = Field(
        default=600 * MICROS, description="Without progress for at least so long."
    )  # fmt: skip


class AlertingConfig(Section):
    """All keys of an alerting configuration."""

    timezone: Zone = Field(default="UTC", description="Of hours without one of their own.")
    link: Link = Field(
        default="", description="Page of an incident; `{incident}` and `{time}` are filled in."
    )
    receivers: dict[Name, dict[str, Any]] = Field(
        default_factory=dict, description="By name: `kind` and the options of its notifier."
    )
    routes: tuple[Route, ...] = Field(default=(), description="The tree of routes.")
    hours: dict[Name, HoursSetting] = Field(default_factory=dict, description="By name.")
    silences: tuple[Silence, ...] = Field(default=(), description="Maintenance and the like.")
    inhibit: tuple[Inhibition, ...] = Field(default=(), description="What explains what.")
    incidents: Grouping = Field(default=Grouping(), description="What belongs together.")
    flapping: Flapping = Field(default=Flapping(), description="What comes and goes.")
    min_score: float = Field(
        default=0.0, ge=0, le=1, description="Alerts with a lower score are not sent."
    )
    acknowledged_for: Duration = Field(
        default=0, examples=["4h"],
        description="An acknowledged incident that lasts longer is sent once more; 0s: never.",
    )  # fmt: skip
    merge_delay: Duration = Field(
        default=0,
        description="Time that transitions of several partitions are waited for, to be in order.",
    )  # fmt: skip

    max_ahead: Annotated[Duration, at_least("1m")] = Field(
        default=86_400 * MICROS,
        description="How far an alert of a topic may lie ahead of the time at which it was "
        "written; what lies further counts as of now, and says so.",
    )
    keep: Annotated[Duration, at_least("1d")] = Field(
        default=90 * 86_400 * MICROS,
        description="How long log, outcomes and delivered messages are kept at least, in event "
        "time; what is still open is kept with all that came after it.",
    )
    command_key: str = Field(
        default="",
        description="File or `env:NAME` of the key of commands; others are refused then.",
    )
    heartbeat: Heartbeat | None = Field(default=None, description="A dead man's switch.")
    weekly_test: WeeklyTest | None = Field(default=None, description="A test page each week.")
    silent_job: SilentJob | None = Field(default=None, description="When the job is silent.")

    @model_validator(mode="after")
    def _duties(self) -> "AlertingConfig":
        names = {route.name for route, _ in flat(self.routes)}
        for key in ("heartbeat", "weekly_test", "silent_job"):
            duty = getattr(self, key)
            if duty is not None and duty.route not in names:
                have = ", ".join(sorted(names)) or "none"
                message = f"{key}: there is no route {duty.route!r} (have: {have})"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _refers(self) -> "AlertingConfig":
        names: set[str] = set()
        for route, receiver in flat(self.routes):
            if route.name in names:
                message = f"two routes are called {route.name!r}"
                raise ValueError(message)
            names.add(route.name)
            if receiver is None or receiver not in self.receivers:
                have = ", ".join(sorted(self.receivers)) or "none"
                message = f"route {route.name!r}: there is no receiver {receiver!r} (have: {have})"
                raise ValueError(message)
            if route.hours is not None and route.hours not in self.hours:
                message = f"route {route.name!r}: there are no hours {route.hours!r}"
                raise ValueError(message)
        if len({one.id for one in self.silences}) < len(self.silences):
            message = "two silences have the same id"
            raise ValueError(message)
        return self


def never_taken(routes: tuple[Route, ...]) -> list[tuple[str, str]]:
    """Routes that no alert reaches, each with the one before that takes everything."""
    found: list[tuple[str, str]] = []
    taker: Route | None = None
    for route in routes:
        if taker is not None:
            found += [(one.name, taker.name) for one, _ in flat((route,))]
        else:
            found += never_taken(route.routes)
            if route.match == Match() and not route.go_on:
                taker = route
    return found


def flat(routes: tuple[Route, ...], above: str | None = None) -> list[tuple[Route, str | None]]:
    """All routes of a tree with their receivers, parents first."""
    found: list[tuple[Route, str | None]] = []
    for route in routes:
        receiver = route.receiver or above
        found.append((route, receiver))
        found += flat(route.routes, receiver)
    return found
