"""Decimal numbers in a text to floats, many at once: what a JSON parser gives, to the bit.

Eight digits at a time are turned into a number by three multiplications on one 64-bit word
(Lemire, "Quickly parsing eight digits", 2018). A decimal of digits `m` with `f` of them behind
the point is `m / 10**f`, and that quotient of two exact floats is correctly rounded as long as
`m` is below 2**53 and `f` at most 22 (Clinger, "How to read floating point numbers accurately",
1990). Longer ones are read one by one; tokens that are no plain decimal are left to the caller.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BEFORE", "DECIMAL", "masks", "parse_decimals", "windows"]

DECIMAL = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
"""A decimal number as text, as a regular expression."""

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

BEFORE = 25
"""Bytes that must precede the first number in a text."""

_LONGEST = 24
_DIGITS_AT_ONCE = 19  # characters; below 2**64
_EXACT = np.uint64(1 << 53)
_MINUS, _POINT, _ZERO = b"-.0"
_ASCII = np.uint64(0x3030303030303030)
_NINES = np.uint64(0x7676767676767676)  # 127 - 9 in each byte
_TOP = np.uint64(0x8080808080808080)
_WEIGHT = np.array([[10**16], [10**8], [1]], np.uint64)
_SCALE = np.array([float(10**power) for power in range(_LONGEST)])
# Byte i of a word counts into the top byte of the product with 1 << 8 * (7 - i).
_PLACE = np.array(
    [sum((23 - 8 * word - i) << (8 * (7 - i)) for i in range(8)) for word in range(3)], np.uint64
)[:, None]


@lru_cache(maxsize=64)
def masks(width: int, *, at_end: bool = False) -> NDArray[np.void]:
    """Void (width + 1,): entry n has n bytes 0xFF at the beginning, or at the end."""
    place = np.arange(width)
    length = np.arange(width + 1)[:, None]
    chosen = place >= width - length if at_end else place < length
    return np.where(chosen, 0xFF, 0).astype(np.uint8).view(f"V{width}")[:, 0]


def windows(text: Bytes, width: int) -> NDArray[np.void]:
    """A view: entry i is the `width` bytes from position i on; picking entries copies them."""
    return np.ndarray((len(text) - width + 1,), f"V{width}", text.data, strides=(1,))


def parse_decimals(
    text: Bytes, start: Ints, end: Ints
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read JSON numbers without an exponent.

    Args:
        text: uint8, with at least `BEFORE` bytes before the first number.
        start: int64 (n,), where each number begins.
        end: int64 (n,), behind its last character; the bytes between may be anything.

    Returns:
        float64 (n,) and a mask (n,) of what was read; anything else is no plain decimal of at
        most 24 characters, and its number is meaningless.

    >>> padded = np.frombuffer(b" " * 25 + b"-12.50,7,1e3", np.uint8)
    >>> parse_decimals(padded, np.array([25, 32, 34]), np.array([31, 33, 37]))
    (array([-12.5,   7. ,   0. ]), array([ True,  True, False]))
    """
    negative, length, behind, pointed, good, words = _tokens(text, start, end)
    # Without the point: what stands behind it, and what stands before it moved by one byte.
    moved = _words(windows(text, _LONGEST)[end - _LONGEST - 1])
    moved ^= _ASCII
    moved ^= words
    moved &= ~_chosen(np.where(pointed, behind, _LONGEST))
    words ^= moved
    words &= _chosen(length - pointed)
    digits = _digits(words)
    value = digits / _SCALE[behind]
    exact = (length <= _DIGITS_AT_ONCE) & ((digits < _EXACT) | ~pointed)
    long = np.flatnonzero(good & ~exact)
    if len(long):
        value[long] = _read_long(text, start[long] + negative[long], length[long])
    # A parser reads an integer first, and there is no negative zero among integers.
    np.negative(value, out=value, where=negative & (pointed | (value != 0)))
    return value, good


class _Tokens(NamedTuple):
    """Numbers as text, columns (n,).

    Attributes:
        negative: whether it begins with a minus.
        length: characters without the minus; 0 where there are too many.
        behind: digits behind the point.
        pointed: whether there is a point.
        good: whether it is a plain decimal at all.
        words: (3, n), its characters at the end, each less the character 0.
    """

    negative: Flags
    length: Ints
    behind: Ints
    pointed: Flags
    good: Flags
    words: NDArray[np.uint64]


def _tokens(text: Bytes, start: Ints, end: Ints) -> _Tokens:
    negative = text[start] == _MINUS
    length = end - start - negative
    fits = (length >= 1) & (length <= _LONGEST)
    length[~fits] = 0
    words = _words(windows(text, _LONGEST)[end - _LONGEST])
    words ^= _ASCII
    words &= _chosen(length)
    # The top bit of each byte above 9. From 138 on it carries into the next, which may then
    # count as well, but such a byte is neither digit nor point anyway.
    other = words + _NINES | words
    other &= _TOP
    other >>= np.uint64(7)
    points = np.bitwise_count(other).sum(axis=0, dtype=np.uint8)
    other *= _PLACE
    behind = (other.sum(axis=0, dtype=np.uint64) >> np.uint64(56)).astype(np.int64)
    pointed = points == 1
    behind[~pointed] = 0
    whole = length - behind - pointed
    good = fits & (points <= 1) & (whole >= 1) & (pointed == (behind > 0))
    good &= ~pointed | (text[end - 1 - behind] == _POINT)
    first = np.minimum(start + negative, end - 1)  # a lone minus may be the last of the text
    good &= (whole == 1) | (text[first] != _ZERO)
    return _Tokens(negative, length, behind, pointed, good, words)


def _chosen(length: Ints) -> NDArray[np.uint64]:
    """Words (3, n) with 0xFF in so many bytes at the end."""
    return _words(masks(_LONGEST, at_end=True)[length])


def _words(pieces: NDArray[np.void]) -> NDArray[np.uint64]:
    """Pieces (n,) as words (3, n), since numpy is fast along long rows only."""
    return np.ascontiguousarray(pieces.view(np.uint64).reshape(len(pieces), 3).T)


def _digits(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Digits in right-aligned bytes to numbers; more than 19 wrap around."""
    words = words * np.uint64(10) + (words >> np.uint64(8))
    words &= np.uint64(0x00FF00FF00FF00FF)
    words = words * np.uint64(100) + (words >> np.uint64(16))
    words &= np.uint64(0x0000FFFF0000FFFF)
    words = words * np.uint64(10_000) + (words >> np.uint64(32))
    words &= np.uint64(0xFFFFFFFF)
    words *= _WEIGHT
    return np.asarray(words.sum(axis=0, dtype=np.uint64))


def _read_long(text: Bytes, start: Ints, length: Ints) -> NDArray[np.float64]:
    """Plain decimals without a sign, one by one."""
    data = text.tobytes()
    bounds = zip(start.tolist(), (start + length).tolist(), strict=True)
    return np.array([float(data[first:last]) for first, last in bounds])
