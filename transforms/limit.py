"""A bound on the series of a key group: which series is evicted for a new one, and which refused.

Names that keep changing (pods, ephemeral ports) would otherwise let the state grow without end.
Slot by slot, by event time alone: a new series takes a free place, else the place of the known
series whose newest sample is oldest (of two the smaller name), as long as that sample lies before
the window that ends with the slot. Where all are within the window, the new series is refused, and
its samples of the slot are left out. Of several new ones those come first whose first sample is
older. So neither order of arrival nor the cut of the stream decides anything.
"""

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.errors import StateError
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.transforms.arranging import NEVER, latest
from padit.transforms.windows import WindowOptions

__all__ = ["MOST_SERIES", "Census", "Refused", "SeriesLimit", "Stage"]

MOST_SERIES = 32_768
_VERSION = 1

Census = dict[Series, int]
"""The series that may have state, each with the event time of its newest sample, microseconds."""


class Refused(NamedTuple):
    """A series that found no place in a slot.

    Attributes:
        series: its name.
        end: end of the slot, microseconds.
        samples: how many of it were left out.
    """

    series: Series
    end: int
    samples: int


class Stage(NamedTuple):
    """Slots that are closed in one go.

    Attributes:
        closing: the first slot that stays open.
        evicted: series whose state is dropped before these slots are closed.
        end: end of the first of these slots, where something is evicted: the time of that.
    """

    closing: int
    evicted: tuple[Series, ...] = ()
    end: int = 0


class _Saved(msgspec.Struct, array_like=True):
    version: int
    series: list[Series]
    newest: list[int]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Saved)


class SeriesLimit:
    """Admits series to a key group; a pure machine whose state is the census.

    Args:
        most: series that may have state at a time.
        windows: their shape.
        retention: after so long without a sample nothing remembers a series, and its place is
            free, microseconds.
    """

    def __init__(self, most: int, windows: WindowOptions, retention: int) -> None:
        self._most = most
        self._windows = windows
        self._retention = retention

    def step(
        self, census: Census, rows: Rows, closed: int, closing: int
    ) -> tuple[Rows, list[Stage], list[Refused]]:
        """Admit the series of all slots from `closed` to before `closing`.

        Args:
            census: changed in place.
            rows: all rows that wait, in any order.
            closed: the first slot that is not closed.
            closing: the first slot that stays open.

        Returns:
            The rows without those of refused series, the stages in which to close the slots (the
            last one ends at `closing`), and what was refused.
        """
        since, until = self._windows.start_of(closed), self._windows.start_of(closing)
        newest = latest(rows.code, rows.time, since, until, len(rows.series)).tolist()
        met = {name: time for name, time in zip(rows.series, newest, strict=True) if time != NEVER}
        if (
            len(census) + len(met) <= self._most
            or len(census) + len(met.keys() - census.keys()) <= self._most
        ):
            census.update(met)
            return rows, [Stage(closing)], []
        slot = rows.time // self._windows.interval
        fresh = np.flatnonzero((slot >= closed) & (slot < closing))
        stages: list[Stage] = []
        refused: list[Refused] = []
        keep = np.ones(len(rows), bool)
        current = Stage(closing)
        for number, part in _by_slot(slot, fresh):
            end = (number + 1) * self._windows.interval
            evicted, unplaced = self._admit(census, rows, part, end)
            if evicted:
                if number > closed:
                    stages.append(current._replace(closing=number))
                current = Stage(closing, tuple(evicted), end)
            for code in unplaced:
                mine = part[rows.code[part] == code]
                keep[mine] = False
                refused.append(Refused(rows.series[code], end, len(mine)))
        return rows.select(keep), [*stages, current], refused

    def dump(self, census: Census) -> bytes:
        """Series in their canonical order, as versioned bytes."""
        series = sorted(census)
        return _encoder.encode(_Saved(_VERSION, series, [census[one] for one in series]))

    def load(self, data: bytes) -> Census:
        """The census from bytes.

        Raises:
            StateError: damaged, or of another version.
        """
        try:
            saved = _decoder.decode(data)
        except ValueError as error:
            message = f"the saved census of series ({len(data)} bytes) is damaged: {error}"
            raise StateError(message) from error
        if saved.version != _VERSION or len(saved.series) != len(saved.newest):
            message = f"the saved census has version {saved.version}, this code reads {_VERSION}"
            raise StateError(message)
        return dict(zip(saved.series, saved.newest, strict=True))

    def _admit(
        self, census: Census, rows: Rows, part: NDArray[np.int64], end: int
    ) -> tuple[list[Series], list[int]]:
        """Series that are evicted for those of one slot, and codes of those that are refused."""
        present, where = np.unique(rows.code[part], return_inverse=True)
        first = np.full(len(present), -NEVER - 1)
        newest = np.full(len(present), NEVER)
        np.minimum.at(first, where, rows.time[part])
        np.maximum.at(newest, where, rows.time[part])
        new: list[tuple[int, Series, int, int]] = []
        for code, begin, last in zip(
            present.tolist(), first.tolist(), newest.tolist(), strict=True
        ):
            name = rows.series[code]
            if name in census:
                census[name] = last
            else:
                new.append((begin, name, code, last))
        evicted = self._make_room(census, len(new), end)
        room = self._most - len(census)
        new.sort()
        census.update((name, last) for _, name, _, last in new[:room])
        return evicted, [code for _, _, code, _ in new[room:]]

    def _make_room(self, census: Census, wanted: int, end: int) -> list[Series]:
        """Take series out of the census until so many more have a place, or none may go."""
        if len(census) + wanted <= self._most:
            return []
        for name in [one for one, seen in census.items() if seen < end - self._retention]:
            del census[name]
        over = len(census) + wanted - self._most
        start = end - self._windows.size
        idle = ((seen, name) for name, seen in census.items() if seen < start)
        evicted = [name for _, name in heapq.nsmallest(over, idle)] if over > 0 else []
        for name in evicted:
            del census[name]
        return evicted


def _by_slot(
    slot: NDArray[np.int64], chosen: NDArray[np.int64]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each slot of the chosen rows with its rows, in order of time."""
    chosen = chosen[np.argsort(slot[chosen], kind="stable")]
    numbers, start = np.unique(slot[chosen], return_index=True)
    parts: Sequence[NDArray[np.int64]] = np.split(chosen, start[1:])
    yield from zip(numbers.tolist(), parts, strict=True)
