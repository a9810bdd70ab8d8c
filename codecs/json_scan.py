"""JSON text, compiled: where strings, keys and whole values end, if they are what JSON allows.

Strict: what is accepted here, a JSON parser accepts. -1 means that a text is broken, or that it is
better left to the parser. Eight bytes are looked at together; `words[i]` are the bytes from `i`
on, in the order of the text, so the first one is the lowest.

Every position that is given lies before `end`, or less than `PADDING` behind it, and so many bytes
are there behind `end`: no loop goes further.
"""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel

__all__ = [
    "METRIC", "METADATA", "OTHER", "PADDING", "SOURCE", "TIME", "TYPE", "UNIT", "VALUE",
    "closing_quote", "is_null", "read_key", "skip_space", "skip_value",
]  # fmt: skip

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]

PADDING = 32
"""Bytes that must be there behind a text."""
SOURCE, METRIC, UNIT, TYPE, METADATA, TIME, VALUE, OTHER = range(8)

_DEEPEST = 32  # arrays and objects in each other; the parser goes further


def _word(text: bytes) -> np.uint64:
    """A text of at most eight bytes as a word, filled up with zero bytes."""
    return np.uint64(int.from_bytes(text, "little"))


_QUOTE, _BACKSLASH, _SPACE, _COMMA, _COLON = b'"\\ ,:'
_OPEN, _CLOSE, _BEGIN, _END, _MINUS, _PLUS, _POINT, _ZERO, _NINE = b"{}[]-+.09"
_U, _E, _SMALL_E, _SMALL_D, _D, _EIGHT = b"uEedD8"
_TAB, _BREAK, _RETURN = b"\t\n\r"
_SIMPLE = tuple(b'"\\/bfnrt')  # what stands behind a backslash for itself
_A, _SMALL_A, _SMALL_F, _BIG_F = b"AafF"
_QUOTES, _BACKSLASHES, _SPACES = _word(b'"' * 8), _word(b"\\" * 8), _word(b" " * 8)
_ONES, _TOPS = _word(b"\x01" * 8), _word(b"\x80" * 8)
_PLACES = _word(bytes(range(7, -1, -1)))
_SEVEN, _LAST, _ONE = np.uint64(7), np.uint64(56), np.uint64(1)
_BYTE, _TWO_BYTES, _FOUR, _FIVE, _SIX = (np.uint64((1 << 8 * n) - 1) for n in (1, 2, 4, 5, 6))
_TIMESTAM, _P, _SOURCE_I, _D_QUOTE = map(_word, (b"timestam", b'p"', b"source_i", b'd"'))
_METRIC_N, _AME, _METRIC_T, _YPE = map(_word, (b"metric_n", b'ame"', b"metric_t", b'ype"'))
_VALUE, _UNIT, _METADATA = map(_word, (b'value"', b'unit"', b"metadata"))
_LENGTHS = (10, 12, 5, 12, 9, 10, 6)  # of each field's key, with the quotation mark behind it
_NULL, _TRUE, _FALS = map(_word, (b"null", b"true", b"fals"))


@lean_kernel
def _first(found: np.uint64) -> int:
    """The lowest byte of a word whose top bit is set."""
    lowest = found & (~found + _ONE)
    return int(np.int64(((lowest >> _SEVEN) * _PLACES) >> _LAST))


@lean_kernel
def skip_space(text: Bytes, at: int, end: int) -> int:
    """The position of what follows white space."""
    while at < end and text[at] <= _SPACE:
        byte = text[at]
        if byte != _SPACE and byte != _BREAK and byte != _RETURN and byte != _TAB:
            return at
        at += 1
    return at


@lean_kernel
def closing_quote(text: Bytes, words: Words, at: int, end: int) -> int:
    """The quotation mark that ends a string of any content, or -1; `at` behind the first one."""
    while at < end:
        word = words[at]
        quotes, escapes = word ^ _QUOTES, word ^ _BACKSLASHES
        # The top bit of each byte that is 0; others may follow the first one.
        found = ((quotes - _ONES) & ~quotes | (escapes - _ONES) & ~escapes) & _TOPS
        if found == 0:
            at += 8
            continue
        at += _first(found)
        if at >= end:
            return -1
        if text[at] == _QUOTE:
            return at
        at += 2
    return -1


@lean_kernel
def _skip_escape(text: Bytes, at: int, end: int) -> int:
    """Behind an escape that begins at `at`; halves of surrogate pairs are left to the parser."""
    kind = text[at + 1]
    if kind in _SIMPLE:
        return at + 2
    if kind != _U or at + 6 > end:
        return -1
    for place in range(at + 2, at + 6):
        byte = text[place]
        if not (_ZERO <= byte <= _NINE or _SMALL_A <= byte <= _SMALL_F or _A <= byte <= _BIG_F):
            return -1
    if (text[at + 2] == _SMALL_D or text[at + 2] == _D) and text[at + 3] >= _EIGHT:
        return -1
    return at + 6


@lean_kernel
def _skip_string(text: Bytes, words: Words, at: int, end: int) -> int:
    """Behind a string that is no field of ours; `at` behind its first quotation mark.

    The parser does not look at what is no ASCII, either, where it skips a string.
    """
    while 0 <= at < end:
        word = words[at]
        quotes, escapes = word ^ _QUOTES, word ^ _BACKSLASHES
        found = (quotes - _ONES) & ~quotes | (escapes - _ONES) & ~escapes
        found = (found | (word - _SPACES) & ~word) & _TOPS
        if found == 0:
            at += 8
            continue
        at += _first(found)
        if at >= end:
            return -1
        if text[at] == _QUOTE:
            return at + 1
        at = _skip_escape(text, at, end) if text[at] == _BACKSLASH else -1
    return -1


@lean_kernel
def _long_key(words: Words, at: int) -> int:
    """Which of the fields with names of eight characters and more a key names."""
    word, more = words[at], words[at + 8]
    if word == _TIMESTAM and more & _TWO_BYTES == _P:
        return TIME
    if word == _SOURCE_I and more & _TWO_BYTES == _D_QUOTE:
        return SOURCE
    if word == _METRIC_N and more & _FOUR == _AME:
        return METRIC
    if word == _METRIC_T and more & _FOUR == _YPE:
        return TYPE
    return METADATA if word == _METADATA and more & _BYTE == _QUOTE else OTHER


@lean_kernel
def _other_key(text: Bytes, words: Words, at: int, end: int) -> int:
    """Behind a key that is none of ours for sure, or -1; one with an escape may spell one."""
    behind = _skip_string(text, words, at, end)
    for place in range(at, behind):
        if text[place] == _BACKSLASH:
            return -1
    return behind


@lean_kernel
def read_key(text: Bytes, words: Words, at: int, end: int) -> tuple[int, int]:
    """Which field a key names, and the position behind it; -1 if it is left to the parser."""
    if words[at] & _SIX == _VALUE:
        return VALUE, at + 6
    if words[at] & _FIVE == _UNIT:
        return UNIT, at + 5
    field = _long_key(words, at)
    if field == OTHER:
        return OTHER, _other_key(text, words, at, end)
    return field, at + _LENGTHS[field]


@lean_kernel
def is_null(words: Words, at: int) -> bool:
    """Whether `null` stands there."""
    return bool(words[at] & _FOUR == _NULL)


@lean_kernel
def _digits(text: Bytes, at: int, end: int) -> int:
    """Behind digits, of which there is at least one; else -1."""
    begin = at
    while at < end and _ZERO <= text[at] <= _NINE:
        at += 1
    return at if at > begin else -1


@lean_kernel
def _skip_number(text: Bytes, at: int, end: int) -> int:
    """Behind a JSON number, or -1."""
    if text[at] == _MINUS:
        at += 1
    zero = text[at] == _ZERO
    begin, at = at, _digits(text, at, end)
    if at < 0 or (zero and at > begin + 1):
        return -1
    if at < end and text[at] == _POINT:
        at = _digits(text, at + 1, end)
        if at < 0:
            return -1
    if at < end and (text[at] == _E or text[at] == _SMALL_E):
        at += 1
        if text[at] == _PLUS or text[at] == _MINUS:
            at += 1
        at = _digits(text, at, end)
    return at


@lean_kernel
def _skip_scalar(text: Bytes, words: Words, at: int, end: int) -> int:
    """Behind a string, a number or a word of JSON, or -1."""
    byte = text[at]
    if byte == _QUOTE:
        return _skip_string(text, words, at + 1, end)
    if byte == _MINUS or _ZERO <= byte <= _NINE:
        return _skip_number(text, at, end)
    word = words[at] & _FOUR
    if word in (_NULL, _TRUE):
        return at + 4
    return at + 5 if word == _FALS and text[at + 4] == _SMALL_E else -1


@lean_kernel
def _skip_inner_key(text: Bytes, words: Words, at: int, end: int) -> int:
    """The value behind a key of an inner object, or -1."""
    if at >= end or text[at] != _QUOTE:
        return -1
    at = _skip_string(text, words, at + 1, end)
    if at < 0:
        return -1
    at = skip_space(text, at, end)
    if at >= end or text[at] != _COLON:
        return -1
    return skip_space(text, at + 1, end)


@lean_kernel
def _close(text: Bytes, words: Words, at: int, end: int, inside: Words) -> int:
    """From behind a value to the next one inside the same array or object, closing what ends.

    `inside[0]` is how many are open, `inside[i]` 1 where the i-th is an object. Behind the
    outermost value it is 0.
    """
    while inside[0] > 0:
        kind = inside[np.int64(inside[0])]
        at = skip_space(text, at, end)
        if at >= end:
            return -1
        if text[at] == _COMMA:
            at = skip_space(text, at + 1, end)
            return _skip_inner_key(text, words, at, end) if kind else at
        if text[at] != (_CLOSE if kind else _END):
            return -1
        inside[0] -= _ONE
        at += 1
    return at


@lean_kernel
def skip_value(text: Bytes, words: Words, at: int, end: int, inside: Words) -> int:
    """Behind a JSON value of any kind, or -1.

    Args:
        text: holds it.
        words: of the text.
        at: where it begins.
        end: no byte from here on belongs to it.
        inside: uint64 (34,), to work with.
    """
    inside[0] = 0
    while 0 <= at < end:
        byte = text[at]
        if byte != _OPEN and byte != _BEGIN:
            at = _skip_scalar(text, words, at, end)
        else:
            if inside[0] >= _DEEPEST:
                return -1
            at = skip_space(text, at + 1, end)
            closed = at < end and text[at] == (_CLOSE if byte == _OPEN else _END)
            if not closed:
                inside[0] += _ONE
                inside[np.int64(inside[0])] = byte == _OPEN
                if byte == _OPEN:
                    at = _skip_inner_key(text, words, at, end)
                continue
            at += 1
        if at >= 0:
            at = _close(text, words, at, end, inside)
        if at < 0 or inside[0] == 0:
            return at
    return -1
