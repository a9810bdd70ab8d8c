"""Event time: several forms of input, one form inside.

On the wire a timestamp is epoch time or an RFC 3339 string, in UTC; a string without an offset
counts as UTC. A number below 1e11 is seconds, below 1e14 milliseconds, below 1e17 microseconds
and above that nanoseconds; from 1973 on no two of them can be mistaken. A number may be text, too.
Inside PADIT event time is an int64 of microseconds since 1970, so that it compares exactly.
"""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "EARLIEST_US",
    "LATEST_US",
    "MICROS",
    "format_utc",
    "micros_from_integers",
    "micros_from_numbers",
    "parse_duration",
    "parse_timestamp",
    "seconds_to_micros",
    "zone_of",
]

MICROS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST_US = 946_684_800 * MICROS  # 2000-01-01: a clock that is older was never set
LATEST_US = 7_258_118_400 * MICROS  # 2200-01-01
_MILLISECONDS_FROM = 1e11  # as seconds this is the year 5138, as milliseconds 1973
_MICROSECONDS_FROM = 1e14
_NANOSECONDS_FROM = 1e17
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(s|min|h|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_EPOCH_TEXT = re.compile(r"[0-9]{9,20}(\.[0-9]+)?")  # fewer digits may be a date: 20260102


def micros_from_numbers(numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Epoch time in any unit, shape (n,), to microseconds; 0 where out of range.

    0 lies before `EARLIEST_US`, so the caller's range check rejects it together with the rest.
    """
    size = np.abs(numbers)
    with np.errstate(over="ignore"):  # infinite is out of range as well
        scaled = np.where(size < _MILLISECONDS_FROM, numbers * 1e6, numbers * 1e3)
        if not size.max(initial=0) < _MICROSECONDS_FROM:  # NaN too
            finer = np.where(size < _NANOSECONDS_FROM, numbers, numbers / 1e3)
            scaled = np.where(size < _MICROSECONDS_FROM, scaled, finer)
    usable = np.abs(scaled) < 9e18  # False for NaN too
    return np.rint(np.where(usable, scaled, 0.0)).astype(np.int64)


def micros_from_integers(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """As `micros_from_numbers`, and exact: nanoseconds have more digits than a float.

    >>> micros_from_integers(np.array([1_700_000_000, 1_700_000_000_123_456_789]))
    array([1700000000000000, 1700000000123456])
    """
    size = np.abs(numbers)
    scale = np.where(size < int(_MILLISECONDS_FROM), 10**6, 10**3)
    scale = np.where(size < int(_MICROSECONDS_FROM), scale, 1)
    return np.where(size < int(_NANOSECONDS_FROM), numbers * scale, numbers // 1000)


def parse_timestamp(value: float | str) -> int:
    """One timestamp in any of the forms to microseconds.

    Raises:
        ValueError: it is none of the forms, or not a finite number.

    >>> parse_timestamp("2026-01-02T03:04:05.5Z") == parse_timestamp(1767323045.5)
    True
    >>> parse_timestamp(1767323045500)
    1767323045500000
    >>> parse_timestamp(1767323045500000) == parse_timestamp(1767323045500000000)
    True
    """
    if not isinstance(value, str):
        return int(micros_from_numbers(np.array([value], dtype=np.float64))[0])
    text = value.strip()
    if _EPOCH_TEXT.fullmatch(text):
        return parse_timestamp(float(text))
    moment = datetime.fromisoformat(text)
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


def parse_duration(text: str) -> int:
    """A duration with its unit (s, min, h, d) as whole microseconds.

    Raises:
        ValueError: it has another form, or is not above 0 and up to 1e9 s.

    >>> parse_duration("2h"), parse_duration("1.5min")
    (7200000000, 90000000)
    """
    found = _DURATION.fullmatch(text)
    micros = round(float(found[1]) * _SECONDS[found[2]] * MICROS) if found else 0
    if not 0 < micros <= 10**9 * MICROS:
        message = f"{text!r} is no duration above 0 and up to 1e9 s; write 90s, 15min, 2h or 1d"
        raise ValueError(message)
    return micros


def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of a name of the tz database; None: there is none of that name."""
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):  # a name may be a path, a folder, or hold a NUL
        return None
