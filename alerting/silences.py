"""What a silence would mute, over the recorded past: before it is made."""

from collections.abc import Iterable
from typing import NamedTuple

from padit.alerting.entries import AlertEvent, Command, Entry, Target
from padit.alerting.matching import targets
from padit.domain.timestamps import MICROS

__all__ = ["Muted", "SilencePreview", "preview_of"]

_WEEK = 7 * 86_400 * MICROS


class Muted(NamedTuple):
    """An alert that the silence matches."""

    id: str
    summary: str
    opened: int


class SilencePreview(NamedTuple):
    """Alerts of the last week that a silence matches, how many were marked as real, and series."""

    alerts: list[Muted]
    real: int
    series: int


def preview_of(target: Target, now: int, entries: Iterable[Entry]) -> SilencePreview:
    """The alerts that opened within a week before `now` and match.

    Args:
        target: of the silence.
        now: event time, microseconds.
        entries: of the log, in order.
    """
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
        if one.kind == "opened" and one.opened > now - _WEEK and targets(target, one):
            alerts.setdefault(one.alert, Muted(one.alert, one.summary, one.opened))
            series[key] = one.alert
    return SilencePreview(list(alerts.values()), len(real & alerts.keys()), len(series))
