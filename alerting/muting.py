"""Silences by command, found by the series or source they name, not by a look at all of them."""

from collections.abc import Iterator
from heapq import merge

from padit.alerting.entries import AlertEvent, fingerprint_of
from padit.alerting.matching import Aim, aim_of
from padit.alerting.state import SilenceSet

__all__ = ["Muting"]

_Placed = tuple[int, SilenceSet, Aim]


class Muting:
    """The silences of a state as of one moment.

    Args:
        silences: by id; new ones come last, and no id comes twice.
    """

    __slots__ = ("_by_series", "_by_source", "_count", "_last", "_other")

    def __init__(self, silences: dict[str, SilenceSet]) -> None:
        self._count, self._last = len(silences), _last(silences)
        self._by_source: dict[str, list[_Placed]] = {}
        self._by_series: dict[str, list[_Placed]] = {}
        self._other: list[_Placed] = []
        for place, one in enumerate(silences.values()):
            aim, series = aim_of(one.target), one.target.fingerprint
            if series:
                where = self._by_series.setdefault(series, [])
            else:
                where = self._by_source.setdefault(aim.source, []) if aim.source else self._other
            where.append((place, one, aim))

    def holds(self, silences: dict[str, SilenceSet]) -> bool:
        """Whether it still shows what there is.

        What is added is the last, until something else is; so with the same last one silences
        can only have gone, which shows in their number.
        """
        return self._count == len(silences) and self._last is _last(silences)

    def find(self, event: AlertEvent, time: int, now: int = 0) -> SilenceSet | None:
        """The first silence that covers an alert at an event time, or at the time that it is.

        Whoever silences something means all that comes of it from then on, also what a clock dates
        long ago.
        """
        for one in self.meaning(event):
            if one.start <= time < one.end or one.start <= now < one.end:
                return one
        return None

    def meaning(self, event: AlertEvent) -> Iterator[SilenceSet]:
        """Silences that mean an alert, whenever they hold, in the order of the state."""
        named = [self._other]
        if event.source_id in self._by_source:
            named.append(self._by_source[event.source_id])
        if self._by_series:
            series = fingerprint_of(event.source_id, event.metric_name)
            named.append(self._by_series.get(series, []))
        for _, one, aim in named[0] if len(named) == 1 else merge(*named, key=_place):
            if aim(event):
                yield one


def _last(silences: dict[str, SilenceSet]) -> SilenceSet | None:
    return next(reversed(silences.values()), None)


def _place(placed: _Placed) -> int:
    return placed[0]
