"""Event time: a number or text outside, one form inside.

On the wire a timestamp is a number since 1970 or an RFC 3339 string, in UTC; a string without an
offset counts as UTC. A number below 1e11 is in seconds, below 1e14 in milliseconds, below 1e17 in
microseconds, and else in nanoseconds: between 2000 and 2199 no two units overlap. Inside PADIT
event time is an int64 of microseconds since 1970, so that it compares exactly.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EARLIEST_US",
    "LATEST_US",
    "MICROS",
    "format_utc",
    "micros_from_numbers",
    "parse_timestamp",
    "seconds_to_micros",
]

MICROS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_US = 946_684_800 * MICROS  # 2000-01-01: a clock that is older was never set
LATEST_US = 7_258_118_400 * MICROS  # 2200-01-01
_MILLISECONDS_FROM = 1e11  # as seconds this is the year 5138, as milliseconds 1973
_MICROSECONDS_FROM = 1e14  # as milliseconds this is the year 5138, as microseconds 1973
_NANOSECONDS_FROM = 1e17


def micros_from_numbers(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Epoch seconds, ms, us or ns, shape (n,), to microseconds; 0 where out of range.

    0 lies before `EARLIEST_US`, so the caller's range check rejects it together with the rest.
    """
    size = np.abs(numbers)
    with np.errstate(over="ignore"):  # infinite is out of range as well
        scaled = np.where(size < _MILLISECONDS_FROM, numbers * 1e6, numbers * 1e3)
    fine = size >= _MICROSECONDS_FROM  # False for NaN
    if fine.any():
        scaled = np.where(fine, numbers, scaled)
        scaled = np.where(size >= _NANOSECONDS_FROM, numbers / 1e3, scaled)
    usable = np.abs(scaled) < 9e18  # False for NaN too
    return np.rint(np.where(usable, scaled, 0.0)).astype(np.int64)


def parse_timestamp(value: float | str) -> int:
    """One timestamp in any of its forms to microseconds.

    Raises:
        ValueError: it is none of them, or not a finite number.

    >>> parse_timestamp("2026-01-02T03:04:05.5Z") == parse_timestamp(1767323045.5)
    True
    >>> parse_timestamp(1767323045500)
    1767323045500000
    >>> parse_timestamp(1767323045500000) == parse_timestamp(1767323045500000000)
    True
    """
    if not isinstance(value, str):
        return int(micros_from_numbers(np.array([value], dtype=np.float64))[0])
    moment = datetime.fromisoformat(value.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def format_utc(micros: int) -> str:
    """Microseconds since 1970 as RFC 3339 in UTC, with six digits.

    >>> format_utc(1767323045500000)
    '2026-01-02T03:04:05.500000Z'
    """
    moment = _EPOCH + timedelta(microseconds=int(micros))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def seconds_to_micros(seconds: float) -> int:
    """A duration in seconds as whole microseconds."""
    return round(seconds * MICROS)
