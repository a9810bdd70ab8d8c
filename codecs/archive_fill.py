"""Writes records again from their forms and numbers; see `archive_forms`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.codecs.archive_forms import SHORTEST_TEXT, TENS, UNIT, WHOLE
from padit.ops.compiled import lean_kernel

__all__ = ["Numbers", "Pieces", "Texts", "fill", "room_for"]

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]
Ints = NDArray[np.int64]
Codes = NDArray[np.int32]
Small = NDArray[np.int8]
Floats = NDArray[np.float64]

_ZERO, _MINUS, _POINT, _BREAK = b"0-.\n"
_TEN = np.uint64(10)
_ROOM = 48  # bytes of two numbers
_WORD = 8  # a copy may write so many bytes behind its end


class Pieces(NamedTuple):
    """The forms that are filled.

    Attributes:
        words: of the text of all forms, joined; they begin at any byte.
        at: (forms, 4) start, first mark, second mark and end of each.
        first: whether the time stands before the value.
    """

    words: Words
    at: Ints
    first: NDArray[np.bool_]


class Texts(NamedTuple):
    """Texts of rows.

    Attributes:
        text: joined.
        start: (n,), where the text of a row begins.
        length: (n,), its bytes; -1: it has none.
    """

    text: Bytes
    start: Ints
    length: Ints


class Numbers(NamedTuple):
    """The two numbers of rows, as in `archive_forms.Split`.

    Attributes:
        time, time_style, value, value_style: (n,).
        time_text, value_text: of the rows whose style is SHORTEST_TEXT.
    """

    time: Ints
    time_style: Small
    value: Floats
    value_style: Small
    time_text: Texts
    value_text: Texts


def room_for(pieces: Pieces, form: Codes, raw: Texts) -> int:
    """Bytes that `fill` may need."""
    if not len(form):
        return 0
    size = pieces.at[:, 3] - pieces.at[:, 0] if len(pieces.at) else np.zeros(1, np.int64)
    formed = np.where(form >= 0, size[np.maximum(form, 0)] + _ROOM, np.maximum(raw.length, 0))
    return int(formed.sum()) + len(form) + _WORD


@lean_kernel
def _write(text: Bytes, put: int, number: int, digits: int) -> int:
    """A whole number with a point before its last digits; where it ends."""
    if number < 0:
        text[put] = _MINUS
        put += 1
        number = -number
    left = np.uint64(number)  # divided without a look at signs
    size, limit = 1, _TEN
    while left >= limit and size < 18:
        size += 1
        limit *= _TEN
    size = max(size, digits + 1)
    end = put + size + (1 if digits else 0)
    place = end - 1
    for k in range(size):
        if digits and k == digits:
            text[place] = _POINT
            place -= 1
        rest = left // _TEN
        text[place] = _ZERO + np.int64(left - rest * _TEN)
        left = rest
        place -= 1
    return end


@lean_kernel
def _copy(source: Bytes, at: int, size: int, text: Bytes, put: int) -> int:
    """Copy some bytes; where they end."""
    for k in range(size):
        text[put + k] = source[at + k]
    return put + max(size, 0)


@lean_kernel
def _copy_words(source: Words, at: int, end: int, text: Words, put: int) -> int:
    """Copy some bytes, eight at a time, with what follows the last ones; where they end."""
    for k in range(0, end - at, 8):
        text[put + k] = source[at + k]
    return put + end - at


@lean_kernel
def _time(numbers: Numbers, n: int, text: Bytes, put: int) -> int:
    """The time of a row as it was written."""
    style = int(numbers.time_style[n])
    if style == SHORTEST_TEXT:
        one = numbers.time_text
        return _copy(one.text, one.start[n], one.length[n], text, put)
    behind = style % UNIT
    power = 6 - 3 * (style // UNIT)
    return _write(text, put, numbers.time[n] // WHOLE[power - behind], behind)


@lean_kernel
def _value(numbers: Numbers, n: int, text: Bytes, put: int) -> int:
    """The value of a row as it was written."""
    style = int(numbers.value_style[n])
    if style == SHORTEST_TEXT:
        one = numbers.value_text
        return _copy(one.text, one.start[n], one.length[n], text, put)
    return _write(text, put, int(np.rint(numbers.value[n] * TENS[style])), style)


@lean_kernel
def fill(
    pieces: Pieces,
    form: Codes,
    numbers: Numbers,
    raw: Texts,
    text: Bytes,
    words: Words,
    start: Ints,
    length: Ints,
) -> int:
    """Write every record with a line break behind it; the bytes written.

    Args:
        pieces: the forms.
        form: of each row; a row without one is its raw text.
        numbers: of each row.
        raw: texts of the rows without a form.
        text: takes the records; `room_for` gives the size it needs.
        words: the same as words that begin at any byte.
        start: takes where each record begins.
        length: takes the bytes of each, -1 for one without a value.
    """
    put = 0
    for n in range(len(form)):
        start[n] = put
        one = np.int64(form[n])
        if one < 0:
            put = _copy(raw.text, raw.start[n], raw.length[n], text, put)
            length[n] = raw.length[n] if raw.length[n] < 0 else put - start[n]
        else:
            begin, mark, other, end = pieces.at[one]
            first = pieces.first[one]
            put = _copy_words(pieces.words, begin, mark, words, put)
            put = _time(numbers, n, text, put) if first else _value(numbers, n, text, put)
            put = _copy_words(pieces.words, mark + 1, other, words, put)
            put = _value(numbers, n, text, put) if first else _time(numbers, n, text, put)
            put = _copy_words(pieces.words, other + 1, end, words, put)
            length[n] = put - start[n]
        text[put] = _BREAK
        put += 1
    return put
