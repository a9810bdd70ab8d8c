"""Samples of a mapping as they are collected, and the rows and rejects they become."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.codecs.contract import MOST_NAMED, Reject, bounded, numbered
from padit.codecs.mapping_times import Times
from padit.codecs.names import find_unusable
from padit.domain.metric import Series
from padit.domain.rows import Rows

__all__ = ["Collected", "Finished"]


class Finished(NamedTuple):
    """Rows (n,), the record and the number in it of each, and at most one reject a record."""

    rows: Rows
    record: NDArray[np.int64]
    element: NDArray[np.int32]
    rejects: list[Reject]


class Collected:
    """Columns that grow: one entry an element of a message, and one a value.

    An element has one time and any number of values. What is lost before it has a place among
    the values stands in `lost`.
    """

    def __init__(self) -> None:
        self.table: dict[tuple[str, str, str], int] = {}
        self.code: list[int] = []
        self.value: list[float] = []
        self.stamp: list[Any] = []
        self.count: list[int] = []
        self.record: list[int] = []
        self.lost: list[tuple[int, int, str]] = []
        """(record, values before it, reason)."""

    def series(self, source: str, metric: str, unit: str) -> int:
        """The code of a series."""
        key = (source, metric, unit)
        code = self.table.get(key)
        if code is None:
            code = self.table[key] = len(self.table)
        return code

    def lose(self, record: int, reason: str) -> None:
        """Note a sample that is lost."""
        self.lost.append((record, len(self.value), reason))

    def mark(self) -> tuple[int, int, int]:
        """Where the columns end now, for `back_to`."""
        return len(self.value), len(self.stamp), len(self.lost)

    def back_to(self, mark: tuple[int, int, int]) -> None:
        """Drop what came behind a mark."""
        values, elements, lost = mark
        del self.code[values:], self.value[values:], self.lost[lost:]
        del self.stamp[elements:], self.count[elements:], self.record[elements:]

    def finish(self, times: Times) -> Finished:
        """Convert, check, and number what there is."""
        time, late = times.convert(self.stamp) if self.stamp else (np.empty(0, np.int64), {})
        count = np.array(self.count, np.int64)
        element_of = np.repeat(np.arange(len(count)), count)
        record = np.array(self.record, np.int64)[element_of]
        value = _floats(self.value)
        code = np.array(self.code, np.int32)
        number, named = self._numbers(record)
        table = [Series(*key) for key in self.table]
        unusable = find_unusable(table)
        good = np.isfinite(value)
        if late:
            good &= ~np.isin(element_of, np.fromiter(late, np.int64, len(late)))
        if unusable:
            good &= ~np.isin(code, np.fromiter(unusable, np.int32, len(unusable)))
        for i in np.flatnonzero(~good).tolist():
            reason = unusable.get(int(code[i])) or late.get(int(element_of[i]))
            reason = reason or f"value {value[i]} is not a finite number"
            named.append((int(record[i]), int(number[i]), reason))
        rows = Rows(table, code, time[element_of], value)
        if not good.all():
            rows, record, number = rows.select(good), record[good], number[good]
        return Finished(_compact(rows), record, number.astype(np.int32), self._rejects(named))

    def _numbers(
        self, record: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], list[tuple[int, int, str]]]:
        """The number of each value in its record, and of what was lost before."""
        n = len(record)
        first = np.flatnonzero(np.diff(record, prepend=-1))
        number = np.arange(n) - np.repeat(first, np.diff(first, append=n))
        start = dict(zip(record[first].tolist(), first.tolist(), strict=True))
        named = []
        before: dict[int, int] = {}
        for one, at, reason in self.lost:
            shift = before.get(one, 0)
            before[one] = shift + 1
            begin = start.get(one, at)
            end = int(np.searchsorted(record, one, "right"))
            named.append((one, at - begin + shift, reason))
            number[at:end] += 1
        return number, named

    @staticmethod
    def _rejects(named: Sequence[tuple[int, int, str]]) -> list[Reject]:
        """One for each record."""
        found: dict[int, tuple[list[tuple[int, str]], int]] = {}
        for record, number, reason in named:
            kept, count = found.get(record, ([], 0))
            if len(kept) < 2 * MOST_NAMED:
                kept.append((number, bounded(reason)))
            found[record] = (kept, count + 1)
        return [numbered(record, *found[record]) for record in sorted(found)]


def _floats(values: list[float]) -> NDArray[np.float64]:
    try:
        return np.array(values, np.float64)
    except OverflowError:  # a whole number beyond the largest float
        return np.array([_float(value) for value in values])


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _compact(rows: Rows) -> Rows:
    """The same rows over a table of the series that occur."""
    seen = np.zeros(len(rows.series), bool)
    seen[rows.code] = True
    if seen.all():
        return rows
    position = np.cumsum(seen, dtype=np.int32) - np.int32(1)
    table = [one for one, kept in zip(rows.series, seen.tolist(), strict=True) if kept]
    return Rows(table, position[rows.code], rows.time, rows.value)
