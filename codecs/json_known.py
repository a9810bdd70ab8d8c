"""JSON records whose names are known, to columns without one Python object a record.

A probe sends the same names again and again with another time and another value. Compiled code
(`codecs.json_samples`) reads both, and looks the texts of the names up; what a text means is read
by the parser, once for all records that hold it.

Why this gives what the parser gives: the compiled code takes a record only if all of it is what
JSON allows, each field of ours stands there once and holds what it must, and time and value are
certain to the bit. Names are given to the parser as they stand in the record, with two numbers of
ours beside them. All else is left to the parser: names that mean nothing, numbers out of range,
everything broken.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.codecs.json_samples import (
    COUNT,
    LEFT,
    NAMES,
    SHORT,
    USED,
    Columns,
    Records,
    Table,
    most_rows,
    scan,
    settle,
)
from padit.codecs.json_scan import PADDING
from padit.codecs.known_texts import place_all
from padit.codecs.values import JoinedValues
from padit.domain.attributes import UNSTATED, AttributeColumn, Attributes
from padit.domain.metric import Series
from padit.domain.rows import Rows

__all__ = ["Found", "KnownRecords", "Parse"]

Parse = Callable[[bytes], tuple[Series, float, float, Attributes] | None]
"""Reads one record: series, timestamp, value, attributes; None if anything is wrong with it."""

_TIME, _VALUE = 946684801.5, -7.25
_FIELDS = (b"source_id", b"metric_name", b"unit", b"metric_type", b"metadata")
_METADATA = NAMES - 1
_FIRST, _MOST = 1 << 11, 1 << 17  # names in the table
_WORDS = 8  # of each name at first
_MOST_WORDS = (64 << 20) // 8
_SLOTS = 4  # of the hash table for each name, so that few share one
_CREDIT = 100_000.0
_EARNED = 1 / 50
_MEANINGLESS = -1


class Found(NamedTuple):
    """Records that were recognised.

    Attributes:
        rows: their samples.
        record: int64 (n,), the position of each one's record, ascending.
        element: int32 (n,), its number within the record.
        others: int64 (m,), the positions of all other records.
    """

    rows: Rows
    record: NDArray[np.int64]
    element: NDArray[np.int32]
    others: NDArray[np.int64]


def _table(names: int, words: int) -> Table:
    """An empty table with room for so many names, and so many words of their texts."""
    return Table(
        np.full(_SLOTS * names, -1, np.int32),
        np.zeros(names, np.uint64),
        np.zeros((names, 1 + NAMES), np.int64),
        np.zeros(words, np.uint64),
        np.zeros(4, np.int64),
        np.zeros(2 * NAMES, np.int64),
        np.zeros(34, np.uint64),
    )


def _is_full(table: Table) -> bool:
    """Whether a table must not grow any more."""
    return len(table.where) >= _MOST or len(table.kept) >= _MOST_WORDS


def _grown(table: Table) -> Table:
    """The same with more room."""
    made = _table(min(_MOST, 4 * len(table.where)), min(_MOST_WORDS, 4 * len(table.kept)))
    count, used = table.counters[[COUNT, USED]].tolist()
    made.hashes[:count] = table.hashes[:count]
    made.where[:count] = table.where[:count]
    made.kept[:used] = table.kept[:used]
    made.counters[[COUNT, USED]] = count, used
    place_all(made.slots, table.hashes[:count])
    return made


def _texts(table: Table, first: int) -> Iterator[list[bytes | None]]:
    """The texts of all names from a number on; None for what is not there."""
    count, used = table.counters[[COUNT, USED]].tolist()
    where = table.where[first:count].tolist()
    begin = where[0][0] if where else 0
    kept = table.kept[begin:used].tobytes()  # names stand in the order of their numbers
    for at, *lengths in where:
        place = 8 * (at - begin)
        found: list[bytes | None] = []
        for length in lengths:
            found.append(kept[place : place + length] if length >= 0 else None)
            place += 8 * max(-(-length // 8), 0)
        yield found


class _Meanings:
    """What names mean: each number of names has the number of a series with attributes."""

    def __init__(self) -> None:
        self.pair = np.empty(0, np.int32)  # of each number of names; -1: nothing
        self.series: list[Series] = []  # of each pair
        self._attribute = np.empty(0, np.int32)  # of each pair
        self._pairs: dict[tuple[Series, Attributes], int] = {}
        self._attributes: dict[Attributes, int] = {}
        self._known: set[Series] = set()
        self._single = True  # no series stands in two pairs
        self._all: tuple[Series, ...] = ()
        self._column: AttributeColumn | None = None

    def add(self, found: Sequence[tuple[Series, Attributes] | None]) -> None:
        """Take in the meanings of the next numbers."""
        numbers, attributes = [], []
        for pair in found:
            if pair is None:
                numbers.append(_MEANINGLESS)
                continue
            number = self._pairs.setdefault(pair, len(self._pairs))
            if number == len(self.series):
                self.series.append(pair[0])
                self._known.add(pair[0])
                attributes.append(self._attributes.setdefault(pair[1], len(self._attributes)))
            numbers.append(number)
        self.pair = np.concatenate([self.pair, np.array(numbers, np.int32)])
        self._attribute = np.concatenate([self._attribute, np.array(attributes, np.int32)])
        self._single = len(self._known) == len(self.series)
        self._all, self._column = tuple(self.series), self._of_series(self._attribute)

    def rows(
        self,
        seen: NDArray[np.int32],
        code: NDArray[np.int32],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
    ) -> Rows:
        """Rows over the pairs in `seen`, of which `code` is the position.

        Where most of all series occur, or there are at least as many rows as series, the table is
        that of all: the same object again and again, so that rows of several reads are joined
        without a look at their names.
        """
        if self._single and len(self._all) <= max(2 * len(seen), len(code)):
            return Rows(self._all, seen[code], time, value, self._column)
        pairs = [self.series[pair] for pair in seen.tolist()]
        attribute = self._attribute[seen]
        if not self._single:
            return self._merged(pairs, attribute[code], code, time, value)
        return Rows(pairs, code, time, value, self._of_series(attribute))

    def _of_series(self, attribute: NDArray[np.int32]) -> AttributeColumn | None:
        """The column of series with these numbers of attributes; None if nothing is stated."""
        if self._attributes.keys() == {UNSTATED}:
            return None
        every = np.arange(len(attribute), dtype=np.int32)
        return AttributeColumn.of(list(self._attributes), attribute, every, len(attribute))

    def _merged(
        self,
        pairs: list[Series],
        attribute: NDArray[np.int32],
        code: NDArray[np.int32],
        time: NDArray[np.int64],
        value: NDArray[np.float64],
    ) -> Rows:
        """Rows whose series may stand in several pairs, with other attributes in each."""
        table: dict[Series, int] = {}
        series = np.array([table.setdefault(one, len(table)) for one in pairs], np.int32)[code]
        column = AttributeColumn.of(list(self._attributes), attribute, series, len(table))
        return Rows(list(table), series, time, value, column)


class KnownRecords(threading.local):
    """Recognises records; what it has learned is a cache, and no result depends on it.

    New names may be read by the parser so many at first, and one for fifty known samples: names
    that never come again are left to the parser alone when that is used up.

    Args:
        parse: reads one record with the parser; the series, timestamp and value, or None.
        labelled: whether metadata belong to the names, since labels are read from them.
    """

    def __init__(self, parse: Parse, *, labelled: bool) -> None:
        super().__init__()
        self._parse = parse
        self._labelled = labelled
        self.forget()

    def forget(self) -> None:
        """Begin with nothing known."""
        self._credit = _CREDIT
        self._begin(_table(_FIRST, _FIRST * _WORDS))

    def _begin(self, table: Table) -> None:
        self._table = table
        self._meanings = _Meanings()

    def read(self, values: Sequence[bytes | None], max_bytes: int) -> Found:
        """The records that were recognised, and which ones were not."""
        records = _records_of(values)
        room = most_rows(records)
        columns = Columns(
            np.empty(room, np.int64), np.empty(room, np.float64), np.empty(room, np.int32),
            np.empty(room, np.int64), np.empty(room, np.int32),
        )  # fmt: skip
        rows = self._scan(records, max_bytes, columns)
        self._learn()
        meanings = self._meanings
        place = np.full(len(meanings.series), -1, np.int32)
        seen = np.empty(len(meanings.series), np.int32)
        rows, count = settle(columns, rows, meanings.pair, place, seen)
        self._credit += rows * _EARNED
        made = meanings.rows(
            seen[:count], columns.number[:rows], columns.time[:rows], columns.value[:rows]
        )
        if self._table.counters[SHORT]:
            self._begin(_table(_FIRST, _FIRST * _WORDS))
        record = columns.record[:rows]
        return Found(made, record, columns.element[:rows], _others(record, len(values)))

    def _scan(self, records: Records, max_bytes: int, columns: Columns) -> int:
        """Fill the columns; how many rows there are. The table grows as long as it may."""
        while True:
            counters = self._table.counters
            counters[SHORT] = 0
            counters[LEFT] = self._credit + len(self._meanings.pair) - counters[COUNT]
            rows = scan(records, max_bytes, int(self._labelled), self._table, columns)
            if not counters[SHORT] or _is_full(self._table):
                return rows
            self._table = _grown(self._table)

    def _learn(self) -> None:
        """Read the meanings of names that were met for the first time."""
        found = [self._meaning(texts) for texts in _texts(self._table, len(self._meanings.pair))]
        if found:
            self._credit -= len(found)
            self._meanings.add(found)

    def _meaning(self, texts: Sequence[bytes | None]) -> tuple[Series, Attributes] | None:
        """Series and attributes of names, or None if they are no good."""
        fields = [b'"timestamp":%r,"value":%r' % (_TIME, _VALUE)]
        for field, (name, text) in enumerate(zip(_FIELDS, texts, strict=True)):
            if text is not None:
                fields.append(b'"%b":%b' % (name, text if field == _METADATA else b'"%b"' % text))
        found = self._parse(b"{%b}" % b",".join(fields))
        if found is None or found[1:3] != (_TIME, _VALUE):
            return None
        return found[0], found[3]


def _records_of(values: Sequence[bytes | None]) -> Records:
    """All records in one text with `PADDING` bytes behind them."""
    if isinstance(values, JoinedValues):
        text, start, length = np.ascontiguousarray(values.text), values.start, values.length
        end = int((start + length).max(initial=0))
        if end + PADDING > len(text) or not text.flags.writeable:
            first = max(int(start.min(initial=end)), 0)
            text = np.concatenate([text[first:end], np.zeros(PADDING, np.uint8)])
            start = start - first
        return _with_words(text, np.ascontiguousarray(start), np.ascontiguousarray(length))
    kept = values
    if None in values:
        kept = [value or b"" for value in values]
    joined = bytearray(b"\n").join([*kept, bytes(PADDING)])  # type: ignore[list-item]
    length = np.fromiter(map(len, kept), np.int64, len(kept))  # type: ignore[arg-type]
    start = np.cumsum(length + 1) - length - 1
    return _with_words(np.frombuffer(joined, np.uint8), start, length)


def _with_words(
    text: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int64]
) -> Records:
    """Records whose words begin at any byte, which processors of today can read."""
    words = np.ndarray((len(text) - 7,), np.dtype("<u8"), text.data, strides=(1,))
    return Records(text, words, start, length)


def _others(record: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The positions of the records that are not among these."""
    left = np.ones(count, bool)
    left[record] = False
    return np.flatnonzero(left)
