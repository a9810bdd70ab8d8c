"""Records to forms and numbers, with a table that grows; see `archive_forms`.

What a form means is read by the decoder of the job, once: the names of its one sample, and
that its time and value are the two numbers. A form that means nothing else than its text is none.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.codecs.archive_forms import (
    COUNT,
    LEFT,
    NO_FORM,
    SHORT,
    SHORTEST_TEXT,
    TIME_MARK,
    USED,
    VALUE_MARK,
    FormTable,
    Split,
    split,
)
from padit.codecs.archive_numbers import shortest_floats
from padit.codecs.json_numbers import micros_of
from padit.codecs.json_scan import PADDING
from padit.codecs.known_texts import place_all
from padit.codecs.records import decode
from padit.codecs.values import JoinedValues
from padit.domain.attributes import UNSTATED
from padit.domain.metric import Series
from padit.ops.compiled import warm_up

__all__ = ["Form", "FormReader", "words_of"]

_FIRST, _MOST = 1 << 10, 1 << 16  # forms
_BYTES, _MOST_BYTES = 1 << 18, 32 << 20
_SLOTS = 4
_CREDIT = 20_000.0  # forms that may be new at first,
_EARNED = 1 / 50  # and for each record that has one
_TIME, _VALUE = 946684801.5, -7.25


class Form(NamedTuple):
    """A form that names one sample.

    Attributes:
        text: with its two marks.
        series: of the sample.
        metric_type: of the sample.
    """

    text: str
    series: Series
    metric_type: str


class FormReader:
    """Splits records; what it has learned is a cache.

    Attributes:
        forms: by number; None: a text that means no sample, which stays as it is.
    """

    def __init__(self, max_bytes: int = 4 << 20) -> None:
        self._max_bytes = max_bytes
        self._credit = _CREDIT
        self._begin()

    def _begin(self) -> None:
        self.forms: list[Form | None] = []
        self._meaningless: list[int] = []
        self._table = _table(_FIRST, _BYTES)
        self._cut = np.zeros(8, np.int64)
        self._cut[7] = NO_FORM

    @property
    def full(self) -> bool:
        """Whether new forms have no room any more; `forget` makes some."""
        return len(self._table.where) >= _MOST or len(self._table.kept) >= _MOST_BYTES

    def forget(self) -> None:
        """Begin with no form; numbers given out before mean nothing then."""
        self._begin()

    def split(self, values: JoinedValues) -> Split:
        """The form and numbers of each record, of those that they give to the byte."""
        count = len(values)
        found = Split(
            np.full(count, NO_FORM, np.int32), np.zeros(count, np.int64),
            np.full(count, -1, np.int8), np.zeros(count, np.float64),
            np.full(count, -1, np.int8), np.zeros((count, 4), np.int64),
            np.full(count, np.nan),
        )  # fmt: skip
        text, start = _padded(values)
        words, done = words_of(text), 0
        while True:
            counters = self._table.counters
            counters[SHORT] = 0
            counters[LEFT] = self._credit
            before = int(counters[COUNT])
            rest = Split(*(column[done:] for column in found))  # type: ignore[arg-type]
            done += split(text, words, start[done:], values.length[done:], self._cut,
                          self._table, rest)  # fmt: skip
            self._credit -= int(counters[COUNT]) - before
            if not counters[SHORT]:
                break
            if self.full:
                counters[LEFT] = self._credit = 0  # what is new stays as it is
            else:
                self._table = _grown(self._table)
        self._learn()
        self._refuse_meaningless(found)
        _compare(found, text)
        self._credit = min(_CREDIT, self._credit + count * _EARNED)
        return found

    def _refuse_meaningless(self, found: Split) -> None:
        if not self._meaningless:
            return
        form = found.form
        form[np.isin(form, self._meaningless)] = NO_FORM

    def _learn(self) -> None:
        for number in range(len(self.forms), int(self._table.counters[COUNT])):
            self.forms.append(self._meaning(*_pieces(self._table, number)))
            if self.forms[-1] is None:
                self._meaningless.append(number)

    def _meaning(self, pieces: Sequence[bytes], first: bool) -> Form | None:
        marks = bytes([TIME_MARK]), bytes([VALUE_MARK])
        if any(mark in piece for mark in marks for piece in pieces):
            return None
        numbers = b"%r" % _TIME, b"%r" % _VALUE
        sample = _filled(pieces, numbers, first)
        decoded = decode([sample], self._max_bytes)
        rows = decoded.rows
        if len(rows) != 1 or decoded.rejects or sample[:1] != b"{":
            return None
        if rows.time[0] != round(_TIME * 1e6) or rows.value[0] != _VALUE:
            return None
        try:
            text = _filled(pieces, marks, first).decode()
        except UnicodeDecodeError:
            return None
        stated = UNSTATED
        if rows.attributes is not None:
            stated = rows.attributes.table[int(rows.attributes.of_rows(rows.code)[0])]
        return Form(text, rows.series[int(rows.code[0])], stated.metric_type)


def words_of(text: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The words of a text, which begin at any byte."""
    return np.ndarray((len(text) - 7,), np.dtype("<u8"), text.data, strides=(1,))


def _padded(values: JoinedValues) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Text with room behind it, and where values begin."""
    start = np.ascontiguousarray(values.start)
    end = int((start + np.maximum(values.length, 0)).max(initial=0))
    if end + PADDING <= len(values.text) and values.text.flags.writeable:
        return values.text, start
    first = int(start.min(initial=end))
    text = np.concatenate([values.text[first:end], np.zeros(PADDING, np.uint8)])
    return text, start - first


def _table(forms: int, size: int) -> FormTable:
    kept = np.zeros(size, np.uint8)
    return FormTable(
        np.full(_SLOTS * forms, -1, np.int32),
        np.zeros(forms, np.uint64),
        np.zeros((forms, 4), np.int64),
        np.zeros(forms, np.int8),
        kept,
        words_of(kept),
        np.zeros(4, np.int64),
        np.full(forms, -1, np.int32),
    )


def _grown(table: FormTable) -> FormTable:
    """The same with more room."""
    size = min(_MOST_BYTES, 4 * len(table.kept))
    made = _table(min(_MOST, 4 * len(table.where)), size)
    count, used = table.counters[[COUNT, USED]].tolist()
    made.hashes[:count] = table.hashes[:count]
    made.where[:count] = table.where[:count]
    made.first[:count] = table.first[:count]
    made.after[:count] = table.after[:count]
    made.kept[:used] = table.kept[:used]
    made.counters[[COUNT, USED]] = count, used
    place_all(made.slots, table.hashes[:count])
    return made


def _pieces(table: FormTable, number: int) -> tuple[list[bytes], bool]:
    at, *lengths = table.where[number].tolist()
    found = []
    for length in lengths:
        found.append(table.kept[at : at + length].tobytes())
        at += length
    return found, bool(table.first[number])


def _filled(pieces: Sequence[bytes], numbers: tuple[bytes, bytes], first: bool) -> bytes:
    one, two = numbers if first else reversed(numbers)
    return pieces[0] + one + pieces[1] + two + pieces[2]


def _compare(found: Split, text: NDArray[np.uint8]) -> None:
    """Settle the numbers that the kernel has left: their shortest text, or no form at all."""
    formed = found.form >= 0
    for style, holes, target in (
        (found.time_style, found.holes[:, :2], None),
        (found.value_style, found.holes[:, 2:], found.value),
    ):
        rows = np.flatnonzero(formed & (style < 0))
        if not len(rows):
            continue
        floats, good = shortest_floats(text, holes[rows])
        style[rows[good]] = SHORTEST_TEXT
        found.form[rows[~good]] = NO_FORM
        formed[rows[~good]] = False
        if target is not None:
            target[rows] = floats
        else:
            _keep_times(found, rows[good], floats[good])


def _keep_times(found: Split, rows: NDArray[np.int64], floats: NDArray[np.float64]) -> None:
    """Times that are written with more digits than microseconds have."""
    for row, one in zip(rows.tolist(), floats.tolist(), strict=True):
        found.time[row] = micros_of(one)
        found.exact[row] = one
    found.form[rows[found.time[rows] < 0]] = NO_FORM


@warm_up
def forms() -> None:
    """A record split, as the archive does it."""
    text = np.frombuffer(b'{"timestamp":1.5,"source_id":"a","metric_name":"b","value":2}\n' * 2,
                         np.uint8)  # fmt: skip
    length = np.full(2, len(text) // 2 - 1, np.int64)
    start = np.array([0, len(text) // 2], np.int64)
    FormReader().split(JoinedValues(text.copy(), start, length))
