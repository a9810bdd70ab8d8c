"""What silences would mute, over the recorded past: before they are made."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from padit.alerting.entries import AlertEvent, Command, Entry, Target
from padit.alerting.matching import targets
from padit.alerting.muting import Muting
from padit.alerting.state import SilenceSet, State
from padit.domain.timestamps import MICROS

__all__ = ["Muted", "SilencePreview", "muted", "open_alerts", "preview_of"]

_WEEK = 7 * 86_400 * MICROS


class Muted(NamedTuple):
    """An alert that one of the silences matches."""

    id: str
    summary: str
    opened: int


class SilencePreview(NamedTuple):
    """Alerts of the last week that silences match, how many were marked as real, and series.

    What several of the silences match counts once.
    """

    alerts: list[Muted]
    real: int
    series: int


def open_alerts(state: State) -> list[AlertEvent]:
    """The open alerts, each as of its latest rise."""
    return [state.incidents[name].members[one].event for name, one in state.alerts.values()]


def muted(aims: Sequence[Target], events: Iterable[AlertEvent]) -> list[str]:
    """Ids of alerts that silences mean, however long they have been open."""
    means = _aim(aims)
    return [event.alert for event in events if means(event)]


def _aim(aims: Sequence[Target]) -> Callable[[AlertEvent], bool]:
    muting = Muting({str(n): SilenceSet(str(n), one, 0, 0) for n, one in enumerate(aims)})
    return lambda event: any(muting.meaning(event))


def preview_of(aims: Sequence[Target], now: int, entries: Iterable[Entry]) -> SilencePreview:
    """The alerts that opened within a week before `now` and match.

    Args:
        aims: targets of the silences.
        now: event time, microseconds.
        entries: of the log, in order.
    """
    means = _aim(aims)
    alerts: dict[str, Muted] = {}
    series: dict[tuple[str, str], str] = {}
    open_by_series: dict[tuple[str, str], AlertEvent] = {}
    real: set[str] = set()
    for one in entries:
        if isinstance(one, Command) and one.kind == "feedback" and one.note == "real":
            real.update(
                event.alert for event in open_by_series.values() if targets(one.target, event)
            )
        if not isinstance(one, AlertEvent):
            continue
        key = one.source_id, one.metric_name
        if one.kind == "resolved":
            open_by_series.pop(key, None)
        else:
            open_by_series[key] = one
        if one.kind == "opened" and one.opened > now - _WEEK and means(one):
            alerts.setdefault(one.alert, Muted(one.alert, one.summary, one.opened))
            series[key] = one.alert
    return SilencePreview(list(alerts.values()), len(real & alerts.keys()), len(series))
