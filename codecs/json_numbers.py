"""Numbers and times in JSON text, compiled: what the parser gives, to the bit, or nothing.

A decimal of digits `m` with the exponent `e` is `m * 10**e`. Where `m` fits into 53 bits and `e`
lies within 22, one operation on two exact floats rounds it correctly (Clinger, "How to read
floating point numbers accurately", 1990). Other numbers take the product of 64 bits of digits and
128 bits of a power of ten (Lemire, "Number parsing at a gigabyte per second", 2021). Of more than
19 digits the first 19 are read, and count only if the last of them may grow by one without
another result. A number that is not decided so, such as the smallest and greatest of floats, is
left to the parser.
"""

import numpy as np
from numpy.typing import NDArray

from padit.domain.timestamps import EARLIEST_US, LATEST_US
from padit.ops.compiled import lean_kernel

__all__ = ["micros_of", "read_number", "read_time"]

Bytes = NDArray[np.uint8]

_MOST_DIGITS = 19  # decimal digits that always fit into 64 bits
_FARTHEST = 280  # exponent of ten up to which 19 digits give a float of full precision
_CAP = 100_000  # of an exponent as it is read; far beyond every float
_EXACT = np.uint64(1 << 53)
_TENS = np.array([float(10**power) for power in range(23)])
_TWOS = np.array([2.0**power for power in range(-1022, 1024)])
_TWO_BIAS = 1022
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_UNDECIDED = np.uint64(0x1FF)
_ONE, _TWO, _THREE, _TEN = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(10)
_TOP = np.uint64(63)
_ZERO, _NINE, _MINUS, _PLUS, _POINT, _QUOTE = b'09-+."'
_E, _SMALL_E, _T, _Z, _SPACE, _COLON = b"EeTZ :"
_DAYS = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365])  # before a month


def _powers() -> NDArray[np.uint64]:
    """128 bits of each power of five, the first one set, as two words: (2 * _FARTHEST + 1, 2)."""
    words = []
    for power in range(-_FARTHEST, _FARTHEST + 1):
        five = 5 ** abs(power)
        if power < 0:  # rounded up; exactly at 128 bits where a number may lie between two floats
            more = 127 if power >= -27 else five.bit_length() + 128
            five = (1 << (five.bit_length() + more)) // five + 1
        five = five << 128 >> five.bit_length()
        words.append((five >> 64, five & int(_ALL)))
    return np.array(words, np.uint64)


_POWERS = _powers()


@lean_kernel
def _product(one: np.uint64, other: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The upper and the lower word of a product."""
    low = (one & _LOW) * (other & _LOW)
    mixed = (one >> _HALF) * (other & _LOW) + (low >> _HALF)
    rest = (one & _LOW) * (other >> _HALF) + (mixed & _LOW)
    high = (one >> _HALF) * (other >> _HALF) + (mixed >> _HALF) + (rest >> _HALF)
    return high, (rest << _HALF) | (low & _LOW)


@lean_kernel
def _scaled(digits: np.uint64, power: int) -> float:
    """`digits * 10**power`, correctly rounded; -1 where that is not certain.

    Args:
        digits: not 0.
        power: within `_FARTHEST`.
    """
    shifted, zeros = digits, 0
    while shifted >> _TOP == 0:
        shifted <<= _ONE
        zeros += 1
    high, low = _product(shifted, _POWERS[power + _FARTHEST, 0])
    if high & _UNDECIDED == _UNDECIDED:
        more, _ = _product(shifted, _POWERS[power + _FARTHEST, 1])
        low = low + more
        if low < more:
            high = high + _ONE
        if low == _ALL:
            return -1.0
    upper = int(np.int64(high >> _TOP))
    shift = np.uint64(upper + 9)
    mantissa = high >> shift
    if low <= _ONE and mantissa & _THREE == _ONE and mantissa << shift == high:
        if not -4 <= power <= 23:
            return -1.0
        mantissa &= ~_ONE  # exactly between two floats: to the even one
    mantissa = (mantissa + (mantissa & _ONE)) >> _ONE
    exponent = (217_706 * power >> 16) + 63 + upper - zeros - 52
    unit: float = _TWOS[exponent + _TWO_BIAS]
    return float(mantissa) * unit


@lean_kernel
def _float_of(digits: np.uint64, power: int, cut: int) -> float:
    """Digits with an exponent as a float, -1 where it is not certain.

    Args:
        digits: the first 19 at most.
        power: of ten.
        cut: 1 if others follow that are not 0.
    """
    if digits == 0:
        return 0.0
    if not cut and digits <= _EXACT and -22 <= power <= 22:
        scale: float = _TENS[abs(power)]
        return float(digits) * scale if power >= 0 else float(digits) / scale
    if not -_FARTHEST <= power <= _FARTHEST:
        return -1.0
    value = _scaled(digits, power)
    if cut and value != _scaled(digits + _ONE, power):
        return -1.0
    return value


@lean_kernel
def _digit(text: Bytes, at: int) -> int:
    """The digit at a position; below 0 or above 9 if it is none."""
    return int(np.int64(text[at])) - _ZERO


@lean_kernel
def _run(
    text: Bytes, at: int, end: int, digits: np.uint64, taken: int
) -> tuple[np.uint64, int, int, int, int]:
    """Digits in a row, behind others.

    Args:
        text: holds them.
        at: where they begin.
        end: no byte from here on belongs to them.
        digits: those before them as a number.
        taken: how many those are, without zeros in front.

    Returns:
        All digits, and how many; how many of the row are among them, with zeros in front; 1 if
        one that is not 0 is not; and the position behind the row.
    """
    kept = cut = 0
    while at < end and 0 <= _digit(text, at) <= 9:
        if taken < _MOST_DIGITS:
            digits = digits * _TEN + np.uint64(_digit(text, at))
            taken += digits != 0
            kept += 1
        else:
            cut |= text[at] != _ZERO
        at += 1
    return digits, taken, kept, cut, at


@lean_kernel
def _exponent(text: Bytes, at: int, end: int) -> tuple[int, int]:
    """What stands behind an `e`, and where it ends; -1 if it is no exponent."""
    negative = at < end and text[at] == _MINUS
    if at < end and (text[at] == _MINUS or text[at] == _PLUS):
        at += 1
    begin, power = at, 0
    while at < end and 0 <= _digit(text, at) <= 9:
        power = power * 10 + _digit(text, at) if power < _CAP else _CAP
        at += 1
    return (-power if negative else power), (at if at > begin else -1)


@lean_kernel
def read_number(text: Bytes, at: int, end: int) -> tuple[float, int]:
    """A JSON number.

    Args:
        text: holds it.
        at: where it begins, before `end`.
        end: no byte from here on belongs to it.

    Returns:
        The number and the position behind it, -1 if it is none or is left to the parser.
    """
    negative, whole = text[at] == _MINUS, True
    begin = at + 1 if negative else at
    digits, taken, kept, cut, at = _run(text, begin, end, np.uint64(0), 0)
    if at == begin or (at > begin + 1 and text[begin] == _ZERO):
        return 0.0, -1
    power = at - begin - kept
    if at < end and text[at] == _POINT:
        whole, begin = False, at + 1
        digits, taken, kept, more, at = _run(text, begin, end, digits, taken)
        power -= kept
        cut |= more
        if at == begin:
            return 0.0, -1
    if at < end and (text[at] == _SMALL_E or text[at] == _E):
        shift, at = _exponent(text, at + 1, end)
        whole, power = False, power + shift
    value = _float_of(digits, power, cut)
    if at < 0 or value < 0:
        return 0.0, -1
    # The parser reads an integer first, and there is no negative zero among integers.
    return (-value if negative and not (whole and digits == 0) else value), at


@lean_kernel
def micros_of(number: float) -> int:
    """Epoch time in any unit to microseconds, as `micros_from_numbers`; -1 out of range."""
    size = abs(number)
    if size < 1e11:
        scaled = number * 1e6
    elif size < 1e14:
        scaled = number * 1e3
    else:
        scaled = number if size < 1e17 else number / 1e3
    if not EARLIEST_US - 1 <= scaled <= LATEST_US:
        return -1
    micros = int(np.rint(scaled))
    return micros if EARLIEST_US <= micros < LATEST_US else -1


@lean_kernel
def _figure(text: Bytes, at: int, count: int) -> int:
    """A number of so many digits; far below 0 if one of them is none."""
    value = 0
    for place in range(at, at + count):
        digit = _digit(text, place)
        value = value * 10 + (digit if 0 <= digit <= 9 else -1_000_000)
    return value


@lean_kernel
def _day(year: int, month: int, day: int) -> int:
    """Days since 1970; -1 where there is no such day, or it is before 1970."""
    if year < 1970 or not 1 <= month <= 12:
        return -1
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = _DAYS[month] - _DAYS[month - 1] + (leap and month == 2)
    if not 1 <= day <= longest:
        return -1
    past = year - 1
    days = past * 365 + past // 4 - past // 100 + past // 400 - 719_162
    return int(days + _DAYS[month - 1] + (leap and month > 2) + day - 1)


@lean_kernel
def _offset(text: Bytes, at: int, end: int) -> tuple[int, int]:
    """Seconds ahead of UTC, and the position behind; -1 where it is neither `Z` nor `+hh:mm`."""
    if text[at] == _Z:
        return 0, at + 1
    if text[at] == _QUOTE:
        return 0, at
    if at + 6 > end or text[at + 3] != _COLON or (text[at] != _PLUS and text[at] != _MINUS):
        return 0, -1
    hour, minute = _figure(text, at + 1, 2), _figure(text, at + 4, 2)
    if not (0 <= hour <= 23 and 0 <= minute <= 59):
        return 0, -1
    ahead = 3600 * hour + 60 * minute
    return (-ahead if text[at] == _MINUS else ahead), at + 6


@lean_kernel
def _fraction(text: Bytes, at: int, end: int) -> tuple[int, int]:
    """Microseconds behind the point at `at`, the rest cut off, and where they end; -1: none."""
    begin, micros = at + 1, 0
    at = begin
    while at < end and 0 <= _digit(text, at) <= 9:
        if at < begin + 6:
            micros = micros * 10 + _digit(text, at)
        at += 1
    if not 1 <= at - begin <= 18:
        return 0, -1
    for _ in range(at - begin, 6):
        micros *= 10
    return micros, at


@lean_kernel
def read_time(text: Bytes, at: int, end: int) -> tuple[int, int]:
    """A time of the most common form of RFC 3339: `2026-01-02T03:04:05.678+02:00`.

    Args:
        text: holds it.
        at: its first character.
        end: no byte from here on belongs to it; 16 more must be there.

    Returns:
        Microseconds since 1970, and the position of the quotation mark behind it; -1 if it has
        another form or lies out of range.
    """
    if at + 20 > end or text[at + 4] != _MINUS or text[at + 7] != _MINUS:
        return 0, -1
    if text[at + 13] != _COLON or text[at + 16] != _COLON:
        return 0, -1
    if text[at + 10] != _T and text[at + 10] != _SPACE:
        return 0, -1
    day = _day(_figure(text, at, 4), _figure(text, at + 5, 2), _figure(text, at + 8, 2))
    hour, minute = _figure(text, at + 11, 2), _figure(text, at + 14, 2)
    second = _figure(text, at + 17, 2)
    if day < 0 or not (0 <= hour <= 23 and 0 <= minute <= 59 and 0 <= second <= 59):
        return 0, -1
    at += 19
    micros = 0
    if text[at] == _POINT:
        micros, at = _fraction(text, at, end)
        if at < 0:
            return 0, -1
    ahead, at = _offset(text, at, end)
    if at < 0 or at >= end or text[at] != _QUOTE:
        return 0, -1
    micros += (((day * 24 + hour) * 60 + minute) * 60 + second - ahead) * 1_000_000
    return (micros, at) if EARLIEST_US <= micros < LATEST_US else (0, -1)
