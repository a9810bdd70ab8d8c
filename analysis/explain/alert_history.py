"""Whole histories of alerts, from opened to resolved, and the pairing of those of two runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from padit.analysis.alert_files import Event
from padit.analysis.explain.alert_record import ParsedAlert, parse_alert
from padit.domain.errors import SourceError
from padit.domain.timestamps import parse_timestamp

__all__ = ["AlertHistory", "Pairs", "histories_of", "pair"]


@dataclass(frozen=True)
class AlertHistory:
    """One alert, as one run reported it.

    Attributes:
        id: of the alert; of its transition where an event names none.
        series: (source_id, metric_name).
        events: its transitions in order, at least one.
        opened: event time, microseconds.
        ended: when it resolved, or its last transition; microseconds.
        parsed: the steps whose evidence can be read, in order.
    """

    id: str
    series: tuple[str, str]
    events: tuple[Event, ...]
    opened: int
    ended: int
    parsed: tuple[ParsedAlert, ...]

    @property
    def opening(self) -> ParsedAlert | None:
        """The step that opened it."""
        return next((one for one in self.parsed if one.kind == "opened"), None)

    @property
    def final(self) -> ParsedAlert | None:
        """The latest step that a window caused, with the highest severity."""
        caused = [one for one in self.parsed if one.kind != "resolved"]
        return caused[-1] if caused else (self.parsed[-1] if self.parsed else None)


@dataclass(frozen=True)
class Pairs:
    """Pairs of alerts of two runs.

    Attributes:
        same: with the same id.
        moved: with the same series and overlapping in time, opened at another time.
        removed: only in the left run.
        added: only in the right one.
    """

    same: list[tuple[AlertHistory, AlertHistory]]
    moved: list[tuple[AlertHistory, AlertHistory]]
    removed: list[AlertHistory]
    added: list[AlertHistory]


def histories_of(events: Sequence[Event]) -> list[AlertHistory]:
    """Alerts in the order they opened."""
    found: dict[str, list[Event]] = {}
    for event in events:
        identity = event.content["data"].get("id") or event.id
        found.setdefault(str(identity), []).append(event)
    return sorted((_life(*item) for item in found.items()), key=lambda one: (one.opened, one.id))


def pair(left: Sequence[AlertHistory], right: Sequence[AlertHistory]) -> Pairs:
    """Match by id, then the rest by series and time, the nearest openings first."""
    of_left, of_right = ({one.id: one for one in side} for side in (left, right))
    same = [(one, of_right[one.id]) for one in left if one.id in of_right]
    removed = [one for one in left if one.id not in of_right]
    added = [one for one in right if one.id not in of_left]
    near = sorted(
        (
            (abs(one.opened - other.opened), i, k)
            for i, one in enumerate(removed)
            for k, other in enumerate(added)
            if one.series == other.series and _overlap(one, other)
        ),
    )
    moved: dict[int, int] = {}
    for _, i, k in near:
        if i not in moved and k not in moved.values():
            moved[i] = k
    return Pairs(
        same,
        [(removed[i], added[k]) for i, k in sorted(moved.items())],
        [one for i, one in enumerate(removed) if i not in moved],
        [one for k, one in enumerate(added) if k not in moved.values()],
    )


def _life(identity: str, events: list[Event]) -> AlertHistory:
    data = events[0].content["data"]
    opened = parse_timestamp(data["opened"]) if "opened" in data else events[0].time
    parsed = []
    for event in events:
        try:
            parsed.append(parse_alert(event))
        except SourceError:  # an older alert, or a foreign one: compared by its fields alone
            continue
    series = (str(data["source_id"]), str(data["metric_name"]))
    ended = max(event.time for event in events)
    return AlertHistory(identity, series, tuple(events), opened, ended, tuple(parsed))


def _overlap(one: AlertHistory, other: AlertHistory) -> bool:
    return one.opened <= other.ended and other.opened <= one.ended
