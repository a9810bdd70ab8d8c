"""Samples of a mapping as they are collected, and the rows and rejects they become."""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.codecs.contract import (
    MOST_NAMED,
    NOTHING_LEFT_OUT,
    LeftOut,
    Reject,
    bounded,
    numbered,
)
from padit.codecs.mapping_times import Times
from padit.codecs.names import find_unusable
from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.metric import Series
from padit.domain.rows import Rows

__all__ = ["Collected", "Finished"]

Ints = NDArray[np.int64]


class Finished(NamedTuple):
    """Rows (n,), the record and number in it of each, a reject a record, and labels left out.

    `unknown` is how many rows state a metric type that is none, by type.
    """

    rows: Rows
    record: NDArray[np.int64]
    element: NDArray[np.int32]
    rejects: list[Reject]
    left_out: LeftOut
    unknown: dict[str, int]


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
        self.known: list[int] = []
        """Numbers of the elements' attributes; empty in a mapping without any."""
        self.faults: list[tuple[int, str]] = []
        """Elements of which a label is left out, and why."""
        self.unknown: list[tuple[int, str]] = []
        """Elements that state a metric type that is none, and which."""
        self.lost = array("q")
        """Records of lost samples, ascending."""
        self._lost_at = array("q")
        self._reasons: dict[int, list[str]] = {}

    def series(self, source: str, metric: str, unit: str) -> int:
        """The code of a series."""
        key = (source, metric, unit)
        code = self.table.get(key)
        if code is None:
            code = self.table[key] = len(self.table)
        return code

    def lose(self, record: int, reason: str) -> None:
        """Note a sample that is lost; the first reasons of each record are kept."""
        self.lost.append(record)
        self._lost_at.append(len(self.value))
        reasons = self._reasons.setdefault(record, [])
        if len(reasons) < MOST_NAMED:
            reasons.append(bounded(reason))

    def mark(self) -> tuple[int, int, int]:
        """Where the columns end now, for `back_to`."""
        return len(self.value), len(self.stamp), len(self.lost)

    def back_to(self, mark: tuple[int, int, int]) -> None:
        """Drop the record that began at a mark."""
        values, elements, lost = mark
        for record in self.lost[lost:]:
            self._reasons.pop(record, None)
        del self.code[values:], self.value[values:], self.lost[lost:], self._lost_at[lost:]
        del self.stamp[elements:], self.count[elements:], self.record[elements:]
        del self.known[elements:]
        for noted in (self.faults, self.unknown):
            while noted and noted[-1][0] >= elements:
                noted.pop()

    def finish(self, times: Times, attributes: Sequence[Attributes] = ()) -> Finished:
        """Convert, check, and number what there is.

        Args:
            times: converts the stamps.
            attributes: what the numbers in `known` stand for.
        """
        time, late = times.convert(self.stamp) if self.stamp else (np.empty(0, np.int64), {})
        count = np.array(self.count, np.int64)
        element_of = np.repeat(np.arange(len(count)), count)
        record = np.array(self.record, np.int64)[element_of]
        value = _floats(self.value)
        code = np.array(self.code, np.int32)
        number, lost_number = self._numbers(record)
        table = [Series(*key) for key in self.table]
        unusable = find_unusable(table)
        good = np.isfinite(value)
        if late:
            good &= ~np.isin(element_of, np.fromiter(late, np.int64, len(late)))
        if unusable:
            good &= ~np.isin(code, np.fromiter(unusable, np.int32, len(unusable)))
        bad = np.flatnonzero(~good)

        def reason(row: int) -> str:
            fault = unusable.get(int(code[row])) or late.get(int(element_of[row]))
            return fault or f"value {value[row]} is not a finite number"

        rejects = self._rejects(lost_number, bad, record[bad], number[bad], reason)
        known = None
        if self.known:
            by_row = np.array(self.known, np.int32)[element_of]
            known = AttributeColumn.of(attributes, by_row, code, len(table))
        rows = Rows(table, code, time[element_of], value, known)
        left_out = self._left_out(element_of[good]) if self.faults else NOTHING_LEFT_OUT
        unknown = self._unknown_kinds(element_of[good]) if self.unknown else {}
        if len(bad):
            rows, record, number = rows.select(good), record[good], number[good]
        rows = _compact(rows)
        return Finished(rows, record, number.astype(np.int32), rejects, left_out, unknown)

    def _left_out(self, element_of: Ints) -> LeftOut:
        """Samples of which a label is left out; `element_of` of each that is used."""
        reasons = dict(self.faults)
        chosen = element_of[np.isin(element_of, np.fromiter(reasons, np.int64, len(reasons)))]
        return LeftOut(len(chosen), reasons[int(chosen[0])]) if len(chosen) else NOTHING_LEFT_OUT

    def _unknown_kinds(self, element_of: Ints) -> dict[str, int]:
        """Samples by the unknown type they state; `element_of` of each that is used."""
        samples = np.bincount(element_of, minlength=len(self.stamp)).tolist()
        found: dict[str, int] = {}
        for element, kind in self.unknown:
            if samples[element]:
                found[kind] = found.get(kind, 0) + samples[element]
        return found

    def _numbers(self, record: Ints) -> tuple[Ints, Ints]:
        """The number in its record of each value, and of each lost sample."""
        row = np.arange(len(record))
        number = row - np.searchsorted(record, record, "left")
        lost = np.array(self.lost, np.int64)
        at = np.array(self._lost_at, np.int64)
        if not len(lost):
            return number, lost
        number += np.searchsorted(at, row, "right") - np.searchsorted(lost, record, "left")
        before = at - np.searchsorted(record, lost, "left")
        return number, before + np.arange(len(lost)) - np.searchsorted(lost, lost, "left")

    def _has_rows(self, one: int, bad: Ints) -> bool:
        """Whether a record has values besides those that are bad."""
        first, last = bisect_left(self.record, one), bisect_left(self.record, one + 1)
        rows = sum(self.count[first:last])
        return rows > int(np.searchsorted(bad, one + 1) - np.searchsorted(bad, one))

    def _rejects(
        self, lost_number: Ints, bad: Ints, record: Ints, number: Ints, reason: Callable[[int], str]
    ) -> list[Reject]:
        """One for each record: of what was lost before, and of rows that cannot be used."""
        lost = np.array(self.lost, np.int64)
        rejects = []
        for one in np.union1d(lost, record).tolist():
            first, last = np.searchsorted(lost, [one, one + 1])
            named = list(zip(lost_number[first:last].tolist(), self._reasons.get(one, ())))  # noqa: B905
            from_, to = np.searchsorted(record, [one, one + 1])
            named += [(int(number[i]), bounded(reason(int(bad[i]))))
                      for i in range(from_, min(to, from_ + MOST_NAMED))]  # fmt: skip
            count = int(last - first + to - from_)
            single = count == 1 and named[0][0] == 0 and not self._has_rows(one, record)
            rejects.append(Reject(one, named[0][1]) if single else numbered(one, named, count))
        return rejects


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
    known = rows.attributes and rows.attributes.with_series(np.flatnonzero(seen))
    return Rows(table, position[rows.code], rows.time, rows.value, known)
