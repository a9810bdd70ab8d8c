"""A configuration over a recorded past: what it would have sent, and how that differs.

A preview is a fresh engine that is fed the log, so it is what a live run would have sent, to the
byte. Breakers and receivers belong to delivery and are outside.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from padit.alerting.compiled import Policy
from padit.alerting.effects import Brief, Effect, Feedback, Handed, Outcome, Reason
from padit.alerting.engine import Engine
from padit.alerting.entries import AlertEvent, Entry, Tick
from padit.alerting.policy import AlertingConfig
from padit.alerting.state import State
from padit.domain.timestamps import MICROS

__all__ = ["QUIET_KINDS", "Comparison", "Hidden", "Preview", "alerts_of", "compare", "preview"]

_Key = TypeVar("_Key", str, int, tuple[int, str])
_QUARTER = 900 * MICROS
_MORNING, _EVENING = 6, 22
_DAY = 86_400 * MICROS
QUIET_KINDS = frozenset(
    {"acknowledged", "resolved", "digest_over", "heartbeat", "test", "job_back"}
)


@dataclass(frozen=True)
class Preview:
    """What a configuration makes of a log.

    Attributes:
        effects: all of them, in order.
        state: at the end.
    """

    effects: Sequence[Effect]
    state: State

    @cached_property
    def messages(self) -> list[Handed | Brief]:
        """All messages."""
        return [one for one in self.effects if isinstance(one, Handed | Brief)]

    @cached_property
    def pages(self) -> list[Handed | Brief]:
        """Messages that wake somebody: not ends and acknowledgements."""
        return [one for one in self.messages if one.kind not in QUIET_KINDS]

    def since(self, time: int) -> "Preview":
        """The same without what was before an event time."""
        return replace(self, effects=[one for one in self.effects if one.time >= time])


class Hidden(NamedTuple):
    """An alert that feedback marks as real, and of which no message would be sent.

    Attributes:
        alert: its id.
        source_id, metric_name: of its series.
        reason: why its opening is no message.
    """

    alert: str
    source_id: str
    metric_name: str
    reason: str


class Comparison(NamedTuple):
    """The difference that a configuration makes.

    Attributes:
        pages: before and after by route.
        days: before and after by day of event time, days since 1970.
        nights: before and after by evening, its day in the zone as a number, and route: pages
            between 22:00 and 06:00.
        hidden: real alerts of which no message would be sent.
        missed: alerts of which a page is sent before, and none after.
        later: seconds by which the first page of an alert comes later, by id; negative: earlier.
    """

    pages: Mapping[str, tuple[int, int]]
    days: Mapping[int, tuple[int, int]]
    nights: Mapping[tuple[int, str], tuple[int, int]]
    hidden: Sequence[Hidden]
    later: Mapping[str, float]
    missed: Sequence[str] = ()


def preview(
    config: AlertingConfig,
    entries: Iterable[Entry],
    end: int | None = None,
    *,
    brief: bool = False,
) -> Preview:
    """Feed a log to a fresh engine.

    Args:
        config: to try.
        entries: of the log, in order; its ticks may be there or not.
        end: event time up to which time passes behind the last entry, microseconds.
        brief: messages are only counted, which is all that `compare` needs, and much faster.
    """
    engine, state = Engine(Policy(config), brief), State()
    effects: list[Effect] = []
    for entry in entries:
        effects += engine.apply(state, entry)
    if end is not None or state.rest is not None:
        effects += engine.apply(state, Tick(state.now if end is None else end))
    return Preview(effects, state)


def compare(
    before: Preview, after: Preview, entries: Sequence[Entry], zone: str = "UTC"
) -> Comparison:
    """What changes from one preview to the other, over the same entries; nights are of `zone`."""
    events = {one.id: one for one in entries if isinstance(one, AlertEvent)}
    real = {
        alert
        for one in before.effects
        if isinstance(one, Feedback) and one.verdict == "real"
        for alert in one.alerts
    }
    first_before, first_after = _first_pages(before, events), _first_pages(after, events)
    return Comparison(
        pages=_both(_by_route(before), _by_route(after)),
        days=_both(_by_day(before), _by_day(after)),
        nights=_both(_by_night(before, zone), _by_night(after, zone)),
        hidden=_hidden(after, events, real - first_after.keys()),
        later={
            alert: (first_after[alert] - time) / MICROS
            for alert, time in first_before.items()
            if alert in first_after and first_after[alert] != time
        },
        missed=[alert for alert in first_before if alert not in first_after],
    )


def _by_route(of: Preview) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in of.pages:
        found[one.route] = found.get(one.route, 0) + 1
    return found


def _by_day(of: Preview) -> dict[int, int]:
    found: dict[int, int] = {}
    for one in of.pages:
        found[one.time // _DAY] = found.get(one.time // _DAY, 0) + 1
    return found


def _by_night(of: Preview, zone: str) -> dict[tuple[int, str], int]:
    found: dict[tuple[int, str], int] = {}
    place = ZoneInfo(zone)
    evenings: dict[int, int] = {}  # by quarter of an hour, in which no clock passes a night's end
    for one in of.pages:
        quarter = one.time // _QUARTER
        if quarter not in evenings:
            local = datetime.fromtimestamp(quarter * _QUARTER // MICROS, place)
            at_night = not _MORNING <= local.hour < _EVENING
            day = local.date().toordinal() - (local.hour < _MORNING)
            evenings[quarter] = day if at_night else 0
        if evenings[quarter]:
            key = evenings[quarter], one.route
            found[key] = found.get(key, 0) + 1
    return found


def _both(before: Mapping[_Key, int], after: Mapping[_Key, int]) -> dict[_Key, tuple[int, int]]:
    return {key: (before.get(key, 0), after.get(key, 0)) for key in {**before, **after}}


def _first_pages(of: Preview, events: Mapping[str, AlertEvent]) -> dict[str, int]:
    """Event time of the first page in which each alert stands."""
    found: dict[str, int] = {}
    for one in of.pages:
        for alert in alerts_of(one, events):
            if alert not in found:
                found[alert] = one.time
    return found


def alerts_of(page: Handed | Brief, events: Mapping[str, AlertEvent]) -> list[str]:
    """Ids of the alerts that a message shows or stands for; `events`: transitions by id."""
    if isinstance(page, Brief):
        shown = list(page.alerts)
    else:
        views = [page.view, *page.others] if page.view is not None else page.others
        shown = [member.alert for view in views for member in view.members]
    return shown + [events[one].alert for one in page.transitions if one in events]


def _hidden(after: Preview, events: Mapping[str, AlertEvent], alerts: set[str]) -> list[Hidden]:
    reasons: dict[str, tuple[str, str]] = {}
    for one in after.effects:
        if not isinstance(one, Outcome) or one.reason is Reason.HANDED:
            continue
        event = events.get(one.transition)
        if event is not None and event.kind == "opened" and event.alert in alerts:
            reasons.setdefault(event.alert, (one.reason.value, one.detail))
    found = []
    for event in events.values():
        if event.kind == "opened" and event.alert in alerts:
            reason, detail = reasons.get(event.alert, ("no_route", ""))
            words = f"{reason} ({detail})" if detail else reason
            found.append(Hidden(event.alert, event.source_id, event.metric_name, words))
    return found
