"""Silences by command, found by the source they name instead of by a look at all of them."""

from heapq import merge

from padit.alerting.entries import AlertEvent
from padit.alerting.matching import Aim, aim_of
from padit.alerting.state import SilenceSet

__all__ = ["Muting"]

_Placed = tuple[int, SilenceSet, Aim]


class Muting:
    """The silences of a state as of one moment.

    Args:
        silences: by id; new ones come last, and no id comes twice.
    """

    __slots__ = ("_by_source", "_count", "_last", "_other")

    def __init__(self, silences: dict[str, SilenceSet]) -> None:
        self._count, self._last = len(silences), _last(silences)
        self._by_source: dict[str, list[_Placed]] = {}
        self._other: list[_Placed] = []
        for place, one in enumerate(silences.values()):
            aim = aim_of(one.target)
            where = self._by_source.setdefault(aim.source, []) if aim.source else self._other
            where.append((place, one, aim))

    def holds(self, silences: dict[str, SilenceSet]) -> bool:
        """Whether it still shows what there is.

        What is added is the last, until something else is; so with the same last one silences
        can only have gone, which shows in their number.
        """
        return self._count == len(silences) and self._last is _last(silences)

    def find(self, event: AlertEvent, time: int) -> SilenceSet | None:
        """The first silence that covers an alert at an event time."""
        found = self._by_source.get(event.source_id, self._other)
        if found is not self._other and self._other:
            found = list(merge(found, self._other, key=_place))
        for _, one, aim in found:
            if one.start <= time < one.end and aim(event):
                return one
        return None


def _last(silences: dict[str, SilenceSet]) -> SilenceSet | None:
    return next(reversed(silences.values()), None)


def _place(placed: _Placed) -> int:
    return placed[0]
