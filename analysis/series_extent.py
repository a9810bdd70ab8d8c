"""Of each series how many readings and windows there are, from when to when, and how often.

Columns instead of objects: a million series take 40 MB, and which sources are silent for longer
than they usually are is found in some milliseconds.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.timestamps import MICROS

__all__ = ["Extents", "SeriesInfo", "Silence", "patience"]

_LEAST_PATIENCE = 300 * MICROS
_UNKNOWN = 9_000 * MICROS  # of what came once or twice: it may report by the hour
_INTERVALS = 3
_GONE = 7 * 86_400 * MICROS
_MOST_NAMED = 3


class SeriesInfo(msgspec.Struct, gc=False):
    """A series: number, names, unit, readings and windows, first and last event time."""

    number: int
    source_id: str
    metric_name: str
    unit: str = ""
    readings: int = 0
    windows: int = 0
    first: int = 0
    last: int = 0


class Silence(NamedTuple):
    """Sources from which nothing has come for longer than usual.

    Attributes:
        silent: how many; those that were for a week are gone and not counted.
        of: how many sources there are that are not gone.
        names: the first of the silent ones.
    """

    silent: int
    of: int
    names: tuple[str, ...]


def patience(first: NDArray[np.int64], last: NDArray[np.int64],
             count: NDArray[np.int64]) -> NDArray[np.int64]:  # fmt: skip
    """How long nothing may come before that is unusual: three of the usual intervals.

    At least five minutes, and two and a half hours where the interval is not known.

    >>> at = np.array([0, 0, 0]); n = np.array([1000, 25, 1]); hour = 3_600_000_000
    >>> (patience(at, np.array([999_000_000, 24 * hour, 0]), n) // 60_000_000).tolist()
    [5, 180, 150]
    """
    usual = _INTERVALS * (last - first) // np.maximum(count - 1, 1)
    return np.where(count < 3, _UNKNOWN, np.maximum(usual, _LEAST_PATIENCE))


class Extents:
    """Begins empty."""

    def __init__(self) -> None:
        self._count = 0
        self._place = np.zeros(1024, np.int32)
        self._columns = {
            name: np.zeros(1024, np.int64) for name in ("readings", "windows", "first", "last")
        }
        self._units: list[str] = []
        self.totals = {"readings": 0, "windows": 0}
        self.earliest = 0
        self.latest = 0

    def add(self, place: int, unit: str) -> None:
        """A new series of a source's number."""
        if self._count == len(self._place):
            self._place = np.append(self._place, np.zeros_like(self._place))
            for name, column in self._columns.items():
                self._columns[name] = np.append(column, np.zeros_like(column))
        self._place[self._count] = place
        self._units.append(unit)
        self._count += 1

    def name_unit(self, number: int, unit: str) -> None:
        """A unit for a series that has none yet."""
        if not self._units[number]:
            self._units[number] = unit

    def note(self, series: NDArray[np.int32], time: NDArray[np.int64], what: str) -> None:
        """Count readings or windows."""
        if not len(series):
            return
        order = np.lexsort((time, series))  # a series after the other, each by time
        series, time = series[order], time[order]
        begin = np.flatnonzero(np.diff(series, prepend=-1))
        end = np.append(begin[1:], len(series))
        which, first, last = series[begin], self._columns["first"], self._columns["last"]
        fresh = self._columns["readings"][which] + self._columns["windows"][which] == 0
        first[which] = np.where(fresh, time[begin], np.minimum(first[which], time[begin]))
        last[which] = np.where(fresh, time[end - 1], np.maximum(last[which], time[end - 1]))
        self._columns[what][which] += end - begin
        self.totals[what] += len(series)
        begun = int(time[begin].min())
        self.earliest = min(self.earliest, begun) if self.earliest else begun
        self.latest = max(self.latest, int(time[end - 1].max()))

    def info(self, number: int, key: tuple[str, str]) -> SeriesInfo:
        """What is known of a series."""
        readings, windows, first, last = (int(one[number]) for one in self._columns.values())
        return SeriesInfo(number, *key, self._units[number], readings, windows, first, last)

    def of(self, numbers: Sequence[int]) -> tuple[int, int]:
        """How many series these are, and their latest event time."""
        if not numbers:
            return 0, 0
        return len(numbers), int(self._columns["last"][np.array(numbers)].max())

    def silence(self, now: int, sources: Sequence[str]) -> Silence:
        """Which sources are silent: all of their series, each by its own interval."""
        n, sources = self._count, sources[:]
        place = self._place[:n]
        counted = {name: column[:n] for name, column in self._columns.items()}
        first, last = counted["first"], counted["last"]
        age = now - last
        there = age < _GONE
        count = np.maximum(counted["readings"], counted["windows"])
        heard = age <= patience(first, last, count)
        known = np.bincount(place[there], minlength=len(sources)) > 0
        silent = np.flatnonzero(known & (np.bincount(place[heard], minlength=len(sources)) == 0))
        names = tuple(sorted(sources[one] for one in silent[:1000])[:_MOST_NAMED])
        return Silence(len(silent), int(known.sum()), names)
