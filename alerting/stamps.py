"""When records of a topic were written, where the clock that says so may be behind.

A record has the time of its producer or of its broker. If that clock is days behind, each alert
looks as if it came from the future. But what comes behind the end of a partition was written after
that end was seen, whatever it says.
"""

import logging

from padit.domain.timestamps import MICROS, format_utc

__all__ = ["Stamps"]

_LOG = logging.getLogger(__name__)
_WORTH_SAYING = 3600 * MICROS
_Place = tuple[str, int]


class Stamps:
    """What is known of the times of records, by topic and partition."""

    def __init__(self) -> None:
        self._ends: dict[_Place, int] = {}
        self._said: set[str] = set()

    def end(self, place: _Place, now: int) -> None:
        """All that a partition holds has been read; `now`: by the clock, microseconds."""
        self._ends[place] = now

    def written(self, place: _Place, stamp: int) -> int:
        """When the next record of a partition was written at the earliest, microseconds.

        Args:
            place: topic and partition.
            stamp: what the record says; 0: nothing.
        """
        seen = self._ends.get(place, 0)
        if not stamp or seen <= stamp:
            return stamp
        if seen - stamp > _WORTH_SAYING and place[0] not in self._said:
            self._said.add(place[0])
            _LOG.warning(
                "topic %s: a record says that it was written at %s, and came after %s: the clock "
                "of the broker, or of what writes to it, is behind",
                place[0], format_utc(stamp), format_utc(seen),
            )  # fmt: skip
        return seen
