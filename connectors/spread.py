"""Gives the samples that a series has at one time a microsecond of distance each (ADR 17).

Many files have whole seconds, or minutes, and more samples than that. The rows of one time are
taken in *rounds*: a row whose series has a sample in the round already begins the next one. Round
by round the time is a microsecond later. So times never go back, the samples of a series stand in
the order of the rows, and none passes for a repeat of another.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS

__all__ = ["Spread"]

Ints = NDArray[np.int64]

_MILLI = 1000
_NONE, _BEFORE = -2, -1  # in place of a row: no other, one of the rows before these


class Spread:
    """Moves samples apart; takes the rows of one file in the order of their times.

    Attributes:
        rounds: most rounds that a time had.
    """

    def __init__(self) -> None:
        self.rounds = 1
        self._time = 0
        self._round = 0  # of that time
        self._met: set[Series] = set()  # series of that round

    def apply(self, rows: Rows) -> Rows:
        """The next rows, with times of their own."""
        time, code = rows.time, rows.code
        if not len(rows):
            return rows
        goes_on = bool(self._met) and int(time[0]) == self._time
        if not goes_on:
            self._round, self._met = 0, set()
            if not ((time[1:] == time[:-1]) & (code[1:] <= code[:-1])).any():
                self._remember(rows, int(np.searchsorted(time, time[-1])), 0)
                return rows
        begins, start = self._rounds(rows, _same_before(time, code))
        first = np.searchsorted(time, time)  # row with which each row's time begins
        count = np.cumsum(begins)
        number = count - count[first] + begins[first]
        number[time == self._time] += self._round
        self._remember(rows, max(start, int(first[-1])), int(number[-1]))
        whole, milli = time % MICROS == 0, time % _MILLI == 0
        room = np.where(whole, MICROS, np.where(milli, _MILLI, 1))
        number = np.minimum(number, room - 1)
        self.rounds = max(self.rounds, int(number.max()) + 1)
        return msgspec.structs.replace(rows, time=time + number)

    def _rounds(self, rows: Rows, before: Ints) -> tuple[NDArray[np.bool_], int]:
        """The rows that begin another round of their time, and where the last one begins."""
        here = int(np.searchsorted(rows.time, self._time, side="right"))
        if self._met and here:
            met = np.array([one in self._met for one in rows.series])
            before[:here][met[rows.code[:here]] & (before[:here] == _NONE)] = _BEFORE
        begins = np.zeros(len(rows), bool)
        start = _BEFORE
        repeats = np.flatnonzero(before != _NONE)
        # A loop, because each round depends on the one before: 0.05 us for each row that repeats.
        for row, other in zip(repeats.tolist(), before[repeats].tolist(), strict=True):
            if other >= start:
                begins[row] = True
                start = row
        return begins, start

    def _remember(self, rows: Rows, start: int, number: int) -> None:
        """Keep the last time, its round and the series of that round, which began at `start`."""
        last = int(rows.time[-1])
        if last != self._time or number != self._round:
            self._met = set()
        self._time, self._round = last, number
        self._met |= {rows.series[code] for code in np.unique(rows.code[start:]).tolist()}


def _same_before(time: Ints, code: NDArray[np.int32]) -> Ints:
    """For each row the last one before it of the same time and code; times ascend."""
    narrow = code.astype(np.uint16) if int(code.max()) < 1 << 16 else code
    order = np.argsort(narrow, kind="stable")
    same = np.zeros(len(code), bool)
    same[1:] = (np.diff(code[order]) == 0) & (np.diff(time[order]) == 0)
    before = np.full(len(code), _NONE, np.int64)
    place = np.flatnonzero(same)
    before[order[place]] = order[place - 1]
    return before
