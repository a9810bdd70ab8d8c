"""Samples of JSON records to columns, compiled: numbers and times read, names numbered.

`scan` reads objects, and arrays of objects, whose fields stand in any order and among any others.
The texts of what names a sample (`NAMES`: source_id, metric_name, unit, metric_type, and the
metadata where labels are read) are looked up in a hash table and compared to the byte; a text that
is new gets the next number, and the caller reads its meaning. `settle` then leaves out the records
whose names mean nothing. A record is taken whole or left to the parser whole.

No index follows from what a record claims: positions only move forward between its two ends.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.codecs.json_numbers import micros_of, read_number, read_time
from padit.codecs.json_scan import (
    METADATA,
    METRIC,
    OTHER,
    PADDING,
    SOURCE,
    TIME,
    UNIT,
    VALUE,
    closing_quote,
    is_null,
    read_key,
    skip_space,
    skip_value,
)
from padit.codecs.known_texts import word_of
from padit.ops.compiled import lean_kernel

__all__ = [
    "COUNT", "Columns", "LEFT", "NAMES", "Records", "SHORT", "SHORTEST", "Table", "USED",
    "most_rows", "scan", "settle",
]  # fmt: skip

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]

NAMES = 5
SHORTEST = 57
"""Bytes of the shortest sample: four fields, and a comma or bracket."""
COUNT, USED, LEFT, SHORT = range(4)
"""Places of the counters: names known, words used for them, how many may be added, and whether
room was short."""

_LONGEST = 4096  # bytes of the names of a sample
_PROBES = 16
_REQUIRED = 1 << SOURCE | 1 << METRIC | 1 << TIME | 1 << VALUE
_QUOTE, _COMMA, _COLON, _OPEN, _CLOSE, _BEGIN, _END = b'",:{}[]'
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)
_SHIFT = np.uint64(29)


class Records(NamedTuple):
    """The text of n records.

    Attributes:
        text: holds all of them.
        words: at i the eight bytes of the text from i on.
        start: (n,), where each record begins.
        length: (n,), bytes of each.
    """

    text: Bytes
    words: Words
    start: Ints
    length: Ints


class Table(NamedTuple):
    """The texts of names, each with a number.

    Attributes:
        slots: the hash table: numbers; -1 where it is free. Its length is a power of two.
        hashes: of each number.
        where: (most, 6), of each number the place in `kept`, and five lengths, -1 for a text that
            is absent.
        kept: the texts, each from a whole word on, filled up with zeros.
        counters: int64 (4,), see `COUNT`.
        span: int64 (10,), start and length of the names of a sample, to work with.
        inside: uint64 (34,), to work with.
    """

    slots: Codes
    hashes: Words
    where: Ints
    kept: Words
    counters: Ints
    span: Ints
    inside: Words


class Columns(NamedTuple):
    """Room for samples.

    Attributes:
        time: microseconds since 1970.
        value: the value.
        number: of its names, later of its series.
        record: position of its record.
        element: its number within the record.
    """

    time: Ints
    value: NDArray[np.float64]
    number: Codes
    record: Ints
    element: Codes


@lean_kernel
def _hash(words: Words, span: Ints) -> np.uint64:
    """A hash of the texts of names."""
    made = _MIX
    for name in range(NAMES):
        at, length = span[2 * name], span[2 * name + 1]
        made = (made ^ np.uint64(length + 1)) * _FACTOR
        for place in range(0, length, 8):
            made = (made ^ word_of(words, at + place, length - place)) * _MIX
            made ^= made >> _HALF
    made *= _FACTOR
    return made ^ (made >> _SHIFT)


@lean_kernel
def _same(words: Words, table: Table, number: int) -> bool:
    """Whether the names of a sample are those of a number."""
    for name in range(NAMES):
        if table.where[number, 1 + name] != table.span[2 * name + 1]:
            return False
    put = table.where[number, 0]
    for name in range(NAMES):
        at, length = table.span[2 * name], table.span[2 * name + 1]
        for place in range(0, length, 8):
            if table.kept[put] != word_of(words, at + place, length - place):
                return False
            put += 1
    return True


@lean_kernel
def _add(words: Words, table: Table) -> int:
    """Take in new names; their number, or -1 where there is no room."""
    span, counters = table.span, table.counters
    number, put = int(counters[COUNT]), counters[USED]
    need, size = 0, 0
    for name in range(NAMES):
        need += (span[2 * name + 1] + 7) // 8
        size += span[2 * name + 1]
    if counters[LEFT] < 1 or size > _LONGEST:
        return -1
    if number >= len(table.where) or put + need > len(table.kept):
        counters[SHORT] = 1
        return -1
    table.where[number, 0] = put
    for name in range(NAMES):
        at, length = span[2 * name], span[2 * name + 1]
        table.where[number, 1 + name] = length
        for place in range(0, length, 8):
            table.kept[put] = word_of(words, at + place, length - place)
            put += 1
    counters[COUNT] += 1
    counters[USED] = put
    counters[LEFT] -= 1
    return number


@lean_kernel
def _number_of(words: Words, table: Table) -> int:
    """The number of a sample's names, or -1 where there is no room for new ones."""
    made = _hash(words, table.span)
    last = len(table.slots) - 1
    slot = int(np.int64(made >> _HALF)) & last
    for _ in range(_PROBES):
        number = int(np.int64(table.slots[slot]))
        if number < 0:
            number = _add(words, table)
            if number >= 0:
                table.slots[slot] = number
                table.hashes[number] = made
            return number
        if table.hashes[number] == made and _same(words, table, number):
            return number
        slot = (slot + 1) & last
    return -1


@lean_kernel
def _read_name(text: Bytes, words: Words, at: int, end: int, field: int, table: Table) -> int:
    """Note where the text of a name stands; the position behind it, or -1."""
    begin = at
    if field == METADATA:
        at = skip_value(text, words, at, end, table.inside)
        length = at - begin
    elif text[at] == _QUOTE:
        begin += 1
        at = closing_quote(text, words, begin, end)
        length = at - begin
        at = at + 1 if at >= 0 else -1
    elif field >= UNIT and is_null(words, at):
        return at + 4  # as good as its absence
    else:
        return -1
    table.span[2 * field], table.span[2 * field + 1] = begin, length
    return at


@lean_kernel
def _read_stamp(text: Bytes, at: int, end: int) -> tuple[int, int]:
    """A timestamp of either form in microseconds, and the position behind it; -1: neither."""
    if text[at] == _QUOTE:
        time, at = read_time(text, at + 1, end)
        return time, (at + 1 if at >= 0 else -1)
    number, at = read_number(text, at, end)
    time = micros_of(number)
    return time, (at if time >= 0 else -1)


@lean_kernel
def _next_field(text: Bytes, words: Words, at: int, end: int) -> tuple[int, int]:
    """Which field comes next, and where its value begins; -1 if there is none."""
    at = skip_space(text, at, end)
    if at >= end or text[at] != _QUOTE:
        return OTHER, -1
    field, at = read_key(text, words, at + 1, end)
    at = skip_space(text, at, end) if at >= 0 else end
    if at >= end or text[at] != _COLON:
        return OTHER, -1
    at = skip_space(text, at + 1, end)
    return field, (at if at < end else -1)


@lean_kernel
def _read_sample(
    records: Records, at: int, end: int, labelled: int, table: Table, columns: Columns, row: int
) -> int:
    """Behind a sample as an object, or -1; `at` behind its brace."""
    text, words = records.text, records.words
    seen = 0
    table.span[:] = -1
    while at < end:
        field, at = _next_field(text, words, at, end)
        if at < 0 or (field != OTHER and seen >> field & 1):
            return -1
        seen |= 1 << field
        if field == VALUE:
            columns.value[row], at = read_number(text, at, end)
        elif field == TIME:
            columns.time[row], at = _read_stamp(text, at, end)
        elif field < METADATA + labelled:
            at = _read_name(text, words, at, end, field, table)
        else:
            at = skip_value(text, words, at, end, table.inside)
        at = skip_space(text, at, end) if at >= 0 else end
        if at >= end or text[at] != _COMMA:
            break
        at += 1
    closed = at < end and text[at] == _CLOSE and seen & _REQUIRED == _REQUIRED
    return at + 1 if closed else -1


@lean_kernel
def _take(
    records: Records, at: int, end: int, labelled: int, table: Table, columns: Columns, row: int
) -> int:
    """A sample with its names; white space behind it is passed over."""
    if at >= end or records.text[at] != _OPEN or row >= len(columns.time):
        return -1
    at = _read_sample(records, at + 1, end, labelled, table, columns, row)
    if at < 0:
        return -1
    number = _number_of(records.words, table)
    if number < 0:
        return -1
    columns.number[row] = number
    return skip_space(records.text, at, end)


@lean_kernel
def _read_record(
    records: Records, at: int, end: int, labelled: int, table: Table, columns: Columns, row: int
) -> int:
    """How many samples a record holds, an object or an array of them; 0 if it is not known."""
    text = records.text
    at = skip_space(text, at, end)
    if at >= end or text[at] != _BEGIN:
        return 1 if _take(records, at, end, labelled, table, columns, row) == end else 0
    count = 0
    while at < end:
        at = _take(
            records, skip_space(text, at + 1, end), end, labelled, table, columns, row + count
        )
        if at < 0 or at >= end:
            return 0
        count += 1
        if text[at] != _COMMA:
            break
    closed = at < end and text[at] == _END and skip_space(text, at + 1, end) == end
    return count if closed else 0


@lean_kernel
def most_rows(records: Records) -> int:
    """How many rows records can have at most: 1, and of an array one for `SHORTEST` bytes."""
    rows = 0
    for i in range(len(records.start)):
        at, size = records.start[i], records.length[i]
        if at < 0 or not 0 < size <= len(records.text) or at > len(records.text) - size:
            continue
        end = at + size
        at = skip_space(records.text, at, end)
        if at < end:
            rows += (end - at) // SHORTEST if records.text[at] == _BEGIN else 1
    return rows


@lean_kernel
def scan(records: Records, longest: int, labelled: int, table: Table, columns: Columns) -> int:
    """Read records; how many rows they gave.

    Args:
        records: their text.
        longest: bytes of a record; longer ones are left out.
        labelled: 1 if metadata belong to the names.
        table: numbers of names; gets new ones.
        columns: gets the rows, with numbers of names; `most_rows` are enough.
    """
    rows = 0
    for i in range(len(records.start)):
        at, size = records.start[i], records.length[i]
        if at < 0 or not 0 < size <= longest or at > len(records.text) - PADDING - size:
            continue
        count = _read_record(records, at, at + size, labelled, table, columns, rows)
        for element in range(count):
            columns.record[rows + element], columns.element[rows + element] = i, element
        rows += count
    return rows


@lean_kernel
def _move(columns: Columns, row: int, put: int, code: int) -> None:
    """Move a row to the front, with the number of its series."""
    columns.time[put], columns.value[put] = columns.time[row], columns.value[row]
    columns.record[put], columns.element[put] = columns.record[row], columns.element[row]
    columns.number[put] = code


@lean_kernel
def settle(
    columns: Columns, rows: int, series: Codes, place: Codes, seen: Codes
) -> tuple[int, int]:
    """Leave out records of which a name means nothing, and number what the others name.

    Args:
        columns: the rows; those that stay move to the front, and `number` becomes the position of
            their series in `seen`.
        rows: how many there are.
        series: of each number of names, what they mean; -1 for nothing.
        place: -1 for each series, to work with.
        seen: gets the series that occur, in the order in which they do.

    Returns:
        How many rows stay, and how many series occur.
    """
    row = put = found = 0
    while row < rows:
        stop, good = row, True
        while stop < rows and columns.record[stop] == columns.record[row]:
            good = good and series[columns.number[stop]] >= 0
            stop += 1
        for one in range(row, stop if good else row):
            code = series[columns.number[one]]
            if place[code] < 0:
                place[code] = found
                seen[found] = code
                found += 1
            _move(columns, one, put, place[code])
            put += 1
        row = stop
    return put, found
