"""Alerts as whole lives, from opened to resolved, and which of two runs belong together."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import SourceError
from domain.timestamps import parse_timestamp
from pipelines.alertfiles import Event
from pipelines.explain.told import Told, tell

__all__ = ["Life", "Pairs", "lives_of", "pair"]


@dataclass(frozen=True)
class Life:
    """One alert as one run told it.

    Attributes:
        id: of the alert; of its transition where an event names none.
        series: (source_id, metric_name).
        events: its transitions in order, at least one.
        opened: event time, microseconds.
        ended: when it resolved, or its last transition; microseconds.
        told: the steps whose evidence can be read, in order.
    """

    id: str
    series: tuple[str, str]
    events: tuple[Event, ...]
    opened: int
    ended: int
    told: tuple[Told, ...]

    @property
    def opening(self) -> Told | None:
        """What opened it."""
        return next((one for one in self.told if one.kind == "opened"), None)

    @property
    def final(self) -> Told | None:
        """The latest step that a window caused, with the highest severity."""
        caused = [one for one in self.told if one.kind != "resolved"]
        return caused[-1] if caused else (self.told[-1] if self.told else None)


@dataclass(frozen=True)
class Pairs:
    """Which alerts of two runs belong together.

    Attributes:
        same: of the same id.
        moved: of the same series and overlapping in time, opened at another time.
        removed: only in the left run.
        added: only in the right one.
    """

    same: list[tuple[Life, Life]]
    moved: list[tuple[Life, Life]]
    removed: list[Life]
    added: list[Life]


def lives_of(events: Sequence[Event]) -> list[Life]:
    """Alerts in the order they opened."""
    found: dict[str, list[Event]] = {}
    for event in events:
        identity = event.content["data"].get("id") or event.id
        found.setdefault(str(identity), []).append(event)
    return sorted((_life(*item) for item in found.items()), key=lambda one: (one.opened, one.id))


def pair(left: Sequence[Life], right: Sequence[Life]) -> Pairs:
    """Match by id; what is left by series and time, the nearest openings first."""
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


def _life(identity: str, events: list[Event]) -> Life:
    data = events[0].content["data"]
    opened = parse_timestamp(data["opened"]) if "opened" in data else events[0].time
    told = []
    for event in events:
        try:
            told.append(tell(event))
        except SourceError:  # an older alert, or a foreign one: compared by its fields alone
            continue
    series = (str(data["source_id"]), str(data["metric_name"]))
    ended = max(event.time for event in events)
    return Life(identity, series, tuple(events), opened, ended, tuple(told))


def _overlap(one: Life, other: Life) -> bool:
    return one.opened <= other.ended and other.opened <= one.ended
