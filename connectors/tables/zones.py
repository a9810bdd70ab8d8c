"""Local times of a zone to UTC, also in the hour that comes twice and in the one that is left out.

When clocks are set back an hour comes twice, so a local time in it has two meanings. The order of
rows decides where it can: times that go on and then begin again are the first and the second
pass. Otherwise the row is refused; a local time that never was is always refused.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from padit.domain.timestamps import EARLIEST_US, LATEST_US, MICROS

__all__ = ["Localized", "Passes", "find_passes", "localize", "passes_of", "repeated"]

Times = NDArray[np.int64]
Passes = tuple[tuple[int, int, int], ...]
"""(first row, row behind the last, 0 for the first pass of a repeated hour or 1 for the second)."""

_MOST_PASSES = 10_000
_MOST_REPEATED = 5_000_000
_DAY = 86_400 * MICROS


class _Table(NamedTuple):
    """Changes of a zone's offset: where each lies on the clock before it and on the one after."""

    before: Times
    after: Times
    offset: Times  # one more than changes


class Localized(NamedTuple):
    """n local times as UTC.

    Attributes:
        micros: int64 (n,), by the first pass where there are two.
        second: int64 (n,), by the second pass; equal to `micros` where there is one.
        missing: bool (n,), the local time never was.
    """

    micros: Times
    second: Times
    missing: NDArray[np.bool_]


def localize(local: Times, zone: str) -> Localized:
    """Local times, microseconds as if they were UTC, shape (n,), to UTC."""
    table = _table(zone)
    early = np.searchsorted(table.before, local, side="right")
    late = np.searchsorted(table.after, local, side="right")
    first = local - table.offset[np.minimum(early, late)]
    second = local - table.offset[np.maximum(early, late)]
    return Localized(first, np.where(late > early, second, first), early > late)


def repeated(local: Times, zone: str) -> NDArray[np.bool_]:
    """Which local times come twice."""
    table = _table(zone)
    early = np.searchsorted(table.before, local, side="right")
    return early < np.searchsorted(table.after, local, side="right")


@cache
def _table(zone: str) -> _Table:
    """Changes of the offset from 2000 to 2199: looked for day by day, then to the second."""
    place = ZoneInfo(zone)

    def offset(micros: int) -> int:
        moment = datetime.fromtimestamp(micros // MICROS, UTC).astimezone(place)
        return (moment.utcoffset() or timedelta()) // timedelta(microseconds=1)

    changes, offsets = [], [offset(EARLIEST_US - _DAY)]
    for day in range(EARLIEST_US - _DAY, LATEST_US, _DAY):
        now = offset(day + _DAY)
        if now == offsets[-1]:
            continue
        low, high = day, day + _DAY
        while high - low > MICROS:
            middle = (low + high) // 2 // MICROS * MICROS
            low, high = (middle, high) if offset(middle) == offsets[-1] else (low, middle)
        changes.append(high)
        offsets.append(now)
    at, shift = np.array(changes, np.int64), np.array(offsets, np.int64)
    return _Table(at + shift[:-1], at + shift[1:], shift)


def find_passes(local: Times, row: Times, zone: str, *, alone: bool) -> tuple[Passes, int]:
    """Which rows in repeated hours belong to the first and which to the second pass.

    Args:
        local: local times of consecutive rows.
        row: their numbers.
        zone: of the times.
        alone: whether each time stands in one row, so that equal times are two passes.

    Returns:
        The passes that the order shows, and the number of rows that it leaves open.
    """
    twice = repeated(local, zone)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], twice.view(np.int8), [0]))))
    found: list[tuple[int, int, int]] = []
    left = 0
    for start, stop in edges.reshape(-1, 2).tolist():
        backwards = _newest_first(local, start, stop)
        step = np.diff(local[start:stop]) * (-1 if backwards else 1)
        least = -_fold(zone, int(local[start])) // 3
        turn = np.flatnonzero(step < least)
        if not len(turn) and alone:
            turn = np.flatnonzero(step == 0)
        if len(turn) != 1 or len(found) >= _MOST_PASSES:
            left += stop - start
            continue
        middle = start + int(turn[0]) + 1
        found.append((int(row[start]), int(row[middle]), int(backwards)))
        found.append((int(row[middle]), int(row[stop - 1]) + 1, int(not backwards)))
    return tuple(found), left


def passes_of(parts: Iterable[tuple[Times, Times]], zone: str, *, alone: bool) -> Passes:
    """The same for a whole table, of which only the times around repeated hours are kept.

    Args:
        parts: local times and row numbers, in the order of the rows.
        zone: of the times.
        alone: whether each time stands in one row.
    """
    local, row, held = [], [], 0
    for here, number in parts:
        twice = np.concatenate(([True], repeated(here, zone), [True]))
        keep = twice[:-2] | twice[1:-1] | twice[2:]
        local.append(here[keep])
        row.append(number[keep])
        held += len(local[-1])
        if held >= _MOST_REPEATED:
            break
    if not local:
        return ()
    return find_passes(np.concatenate(local), np.concatenate(row), zone, alone=alone)[0]


def _fold(zone: str, local: int) -> int:
    """How long the repeated part of the clock is, around a local time."""
    table = _table(zone)
    at = int(np.searchsorted(table.after, local, side="right")) - 1
    return int(table.before[at] - table.after[at])


def _newest_first(local: Times, start: int, stop: int) -> bool:
    """Whether times fall from row to row around these rows."""
    if start > 0 and stop < len(local):
        return bool(local[start - 1] > local[stop])
    if start > 0:
        return bool(local[start - 1] > local[start])
    if stop < len(local):
        return bool(local[stop] < local[stop - 1])
    step = np.diff(local[start:stop])
    return bool(np.count_nonzero(step < 0) > np.count_nonzero(step > 0))
