"""Records as a form and two numbers, and back to the byte; compiled.

A probe sends the same text again and again, in which only a time and a value differ. The *form* is
that text with `TIME_MARK` and `VALUE_MARK` in the place of the two numbers. `split` finds the form
of each record and reads its numbers; `archive_fill.fill` writes the records again.

Nothing here has to understand JSON: where a number stands is guessed, and a record only counts as
split if form and numbers give exactly its bytes. `split` says so of numbers with few digits, which
`fill` writes by integer arithmetic; of others the caller compares the text that it would write.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.codecs.json_numbers import micros_of
from padit.codecs.known_texts import word_of
from padit.ops.compiled import lean_kernel

__all__ = [
    "COUNT", "LEFT", "LONGEST_NUMBER", "NO_FORM", "SHORT", "SHORTEST_TEXT", "TENS", "TIME_MARK",
    "UNIT", "USED", "VALUE_MARK", "WHOLE", "FormTable", "Split", "split",
]  # fmt: skip

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Small = NDArray[np.int8]
Floats = NDArray[np.float64]

TIME_MARK, VALUE_MARK = 1, 2
"""Bytes that JSON has nowhere: a record with one of them has no form."""
NO_FORM = -1
SHORTEST_TEXT = 127
"""Style of a number whose text is the shortest one that gives its float."""
LONGEST_NUMBER = 24
COUNT, USED, LEFT, SHORT = range(4)
"""Places of the counters: forms, bytes used for them, how many may be added, room was short."""

_LONGEST = 4096  # bytes of a form
_PROBES = 16
_MOST = 1 << 51  # a float times a power of ten rounds back to each whole number below
_DIGITS = 17
TENS = np.array([float(10**power) for power in range(_DIGITS + 1)])
WHOLE = np.array([10**power for power in range(_DIGITS + 1)], np.int64)
UNIT = 16
"""What the styles of times in two neighbouring units differ by."""
_ZERO, _NINE, _MINUS, _POINT, _QUOTE, _SPACE = b'09-." '
_NUMERIC = np.isin(np.arange(256), np.frombuffer(b"0123456789.-+eE", np.uint8))
_KEYS = np.frombuffer(b'"timestamp":"value":', np.uint8)
_TIME_KEY, _VALUE_KEY = (0, 12), (12, 8)  # start and length there
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_EIGHT, _HALF, _ONE, _SHIFT = np.uint64(8), np.uint64(32), np.uint64(1), np.uint64(29)


class FormTable(NamedTuple):
    """Forms, each with a number; found by a hash, compared to the byte.

    Attributes:
        slots: (a power of two,), number of a form, -1: free.
        hashes: of each form.
        where: (forms, 4) where each begins in `kept`, and the lengths of its three pieces.
        first: whether the time stands before the value.
        kept: the pieces of all forms, each form followed by at least 8 bytes.
        words: `kept` as words that begin at any byte.
        counters: see `COUNT`.
        after: of each form the one that came behind it the last time; -1: none.
    """

    slots: Codes
    hashes: Words
    where: Ints
    first: Small
    kept: Bytes
    words: Words
    counters: Ints
    after: Codes


class Split(NamedTuple):
    """What `split` finds in n records.

    Attributes:
        form: number of the form, or NO_FORM.
        time: microseconds since 1970.
        time_style: how the time is written; -1 where the caller has to compare.
        value: the value.
        value_style: how the value is written; -1 where the caller has to compare.
        holes: (n, 4) where time begins and ends in the text, and where value does.
        exact: the time as a float, where microseconds do not give its text; NaN elsewhere.
    """

    form: Codes
    time: Ints
    time_style: Small
    value: Floats
    value_style: Small
    holes: Ints
    exact: Floats


@lean_kernel
def _key_at(text: Bytes, at: int, end: int, first: int, size: int) -> bool:
    """Whether a key of ours stands at a position."""
    if at + size > end:
        return False
    same = True
    for k in range(size):
        same &= text[at + k] == _KEYS[first + k]
    return same


@lean_kernel
def _hole(text: Bytes, at: int, end: int, first: int, size: int) -> tuple[int, int]:
    """Where the number behind a key begins and ends; -1 where there is none."""
    while at + size < end and not (
        text[at] == _QUOTE
        and text[at + 1] == _KEYS[first + 1]
        and _key_at(text, at, end, first, size)
    ):
        at += 1
    if at + size >= end:
        return -1, -1
    begin = at + size
    while begin < end and text[begin] == _SPACE:
        begin += 1
    stop = begin
    while stop < end and _NUMERIC[text[stop]]:
        stop += 1
    return (begin, stop) if 0 < stop - begin <= LONGEST_NUMBER else (-1, -1)


@lean_kernel
def _fixed(text: Bytes, at: int, end: int) -> tuple[int, int]:
    """A number without its point, and the digits behind that; -1 if it is written otherwise."""
    minus = text[at] == _MINUS
    if minus:
        at += 1
    if at >= end or (text[at] == _ZERO and at + 1 < end and text[at + 1] != _POINT):
        return 0, -1
    number, digits, point = 0, 0, -1
    for place in range(at, end):
        byte = int(text[place])
        if byte == _POINT and point < 0 and place > at:
            point = place
            continue
        if not _ZERO <= byte <= _NINE or digits > _DIGITS:
            return 0, -1
        number = number * 10 + byte - _ZERO
        digits += 1
    behind = 0 if point < 0 else end - point - 1
    if number >= _MOST or (point >= 0 and not behind) or (minus and not number):
        return 0, -1
    return -number if minus else number, behind


@lean_kernel
def _exponent(seconds: float) -> int:
    """How many powers of ten a unit of time is above microseconds, as `micros_of` tells it."""
    size = abs(seconds)
    if size < 1e11:
        return 6
    if size < 1e14:
        return 3
    return 0 if size < 1e17 else -3


@lean_kernel
def _time_of(number: int, behind: int) -> tuple[int, int]:
    """Microseconds and style of a time; a style of -1 if they do not give its text."""
    given = np.float64(number) / TENS[behind]
    micros = micros_of(given)
    power = _exponent(given)
    if micros < 0 or power < behind:
        return micros, -1
    if micros != number * WHOLE[power - behind]:
        return micros, -1
    return micros, behind + UNIT * ((6 - power) // 3)


@lean_kernel
def _mixed(made: np.uint64, words: Words, at: int, end: int) -> np.uint64:
    """A hash that goes on over some bytes."""
    made = (made ^ np.uint64(end - at + 1)) * _FACTOR
    for place in range(at, end, 8):
        made = (made ^ word_of(words, place, end - place)) * _MIX
        made ^= made >> _HALF
    return np.uint64(made)


@lean_kernel
def _equal(words: Words, at: int, others: Words, place: int, size: int) -> bool:
    """Whether bytes here and there are the same."""
    for k in range(0, size, 8):
        if word_of(words, at + k, size - k) != word_of(others, place + k, size - k):
            return False
    return True


@lean_kernel
def _same(words: Words, cut: Ints, table: FormTable, number: int, first: bool) -> bool:
    """Whether a record with holes at `cut` has a form."""
    place = table.where[number, 0]
    if (table.first[number] != 0) != first:
        return False
    for piece in range(3):
        if table.where[number, 1 + piece] != cut[2 * piece + 1] - cut[2 * piece]:
            return False
    for piece in range(3):
        size = cut[2 * piece + 1] - cut[2 * piece]
        if not _equal(words, cut[2 * piece], table.words, place, size):
            return False
        place += size
    return True


@lean_kernel
def _add(text: Bytes, cut: Ints, table: FormTable, first: bool) -> int:
    """Take in a form; its number, or NO_FORM where there is no room."""
    counters = table.counters
    number, put = int(counters[COUNT]), int(counters[USED])
    size = 0
    for piece in range(3):
        size += cut[2 * piece + 1] - cut[2 * piece]
    if counters[LEFT] < 1 or size > _LONGEST:
        return NO_FORM
    if number >= len(table.where) or put + size + 8 > len(table.kept):
        counters[SHORT] = 1
        return NO_FORM
    table.where[number, 0] = put
    table.first[number] = 1 if first else 0
    for piece in range(3):
        begin, end = cut[2 * piece], cut[2 * piece + 1]
        table.where[number, 1 + piece] = end - begin
        for place in range(begin, end):
            table.kept[put] = text[place]
            put += 1
    counters[COUNT] += 1
    counters[USED] = put
    counters[LEFT] -= 1
    return number


@lean_kernel
def _number_of(text: Bytes, words: Words, cut: Ints, table: FormTable, first: bool) -> int:
    """The number of the form of a record, NO_FORM where there is no room for new ones."""
    made = _MIX
    for piece in range(3):
        made = _mixed(made, words, cut[2 * piece], cut[2 * piece + 1])
    made ^= made >> _SHIFT
    last = len(table.slots) - 1
    slot = int(np.int64(made >> _HALF)) & last
    for _ in range(_PROBES):
        number = int(np.int64(table.slots[slot]))
        if number < 0:
            number = _add(text, cut, table, first)
            if number >= 0:
                table.slots[slot] = number
                table.hashes[number] = made
            return number
        if table.hashes[number] == made and _same(words, cut, table, number, first):
            return number
        slot = (slot + 1) & last
    return NO_FORM


@lean_kernel
def _form_of(text: Bytes, words: Words, cut: Ints, table: FormTable, first: bool) -> int:
    """The number of the form of a record: first the one that came next before."""
    before = cut[7]
    if before >= 0:
        number = int(np.int64(table.after[before]))
        if number >= 0 and _same(words, cut, table, number, first):
            cut[7] = number
            return number
    number = _number_of(text, words, cut, table, first)
    if number >= 0:
        if before >= 0:
            table.after[before] = number
        cut[7] = number
    return number


@lean_kernel
def _value_hole(text: Bytes, after: int, end: int, cut: Ints) -> tuple[int, int]:
    """Where the value begins and ends behind the time; first where it stood before."""
    guess = after + cut[6]
    if guess < end and _key_at(text, guess, end, *_VALUE_KEY):
        value, behind = _hole(text, guess, end, *_VALUE_KEY)
        if value >= 0:
            return value, behind
    value, behind = _hole(text, after, end, *_VALUE_KEY)
    cut[6] = max(value - after - _VALUE_KEY[1], 0)
    return value, behind


@lean_kernel
def _split_one(
    text: Bytes,
    words: Words,
    span: tuple[int, int],
    cut: Ints,
    table: FormTable,
    found: Split,
    n: int,
) -> None:
    """One record; what it has no form for stays as it is."""
    start, end = span
    time, after = _hole(text, start, end, *_TIME_KEY)
    if time < 0:
        return
    value, behind = _value_hole(text, after, end, cut)
    if value < 0:
        value, behind = _hole(text, start, time, *_VALUE_KEY)
    if value < 0:
        return
    first = time < value
    cut[0], cut[5] = start, end
    cut[1], cut[2] = (time, after) if first else (value, behind)
    cut[3], cut[4] = (value, behind) if first else (time, after)
    number = _form_of(text, words, cut, table, first)
    if number < 0:
        return
    found.form[n] = number
    found.holes[n, 0], found.holes[n, 1] = time, after
    found.holes[n, 2], found.holes[n, 3] = value, behind
    whole, digits = _fixed(text, time, after)
    if digits >= 0:
        found.time[n], found.time_style[n] = _time_of(whole, digits)
    whole, digits = _fixed(text, value, behind)
    if digits >= 0:
        given = np.float64(whole) / TENS[digits]
        found.value[n] = given
        found.value_style[n] = digits if np.rint(given * TENS[digits]) == whole else -1


@lean_kernel
def split(
    text: Bytes, words: Words, start: Ints, length: Ints, cut: Ints, table: FormTable, found: Split
) -> int:
    """Split records from the first one on; how many were done before room was short.

    Args:
        text: of the records, with 8 bytes behind the last one.
        words: the same as words that begin at any byte.
        start: where each record begins.
        length: bytes of each, -1: it has no value.
        cut: room for eight numbers; keeps where the last value stood, and the last form.
        table: of forms; new ones are added.
        found: takes what is found; filled with NO_FORM and -1 before.
    """
    for n in range(len(start)):
        if length[n] > 0:
            _split_one(text, words, (start[n], start[n] + length[n]), cut, table, found, n)
            if table.counters[SHORT]:
                return n
    return len(start)
