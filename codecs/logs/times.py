"""Times in log lines: what stands at the beginning of a line, and values of fields.

A time without an offset is of the zone that is set, UTC by default; in the hour that a clock is put
back it is the first one. A time without a year (syslog, klog) or without a date is the
latest one that is at most a day after the reference: the time when the file was last written,
or, for posted records, when they came. So a file always gives the same times.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = ["format_time", "leading_time", "moment", "time_of", "yearless"]

_MONTHS = {
    name: i
    for i, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_EARLIEST = datetime.fromtimestamp(EARLIEST_US / 1e6, UTC)
_LATEST = datetime.fromtimestamp(LATEST_US / 1e6, UTC)
_CLOCK = r"(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
_ISO = re.compile(
    r"(?:[A-Z], )?\[?(\d{4}([-/])\d\d\2\d\d[T _]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)"
    r" ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?(?![\d:])\]?:?\s*"
)
_DAY_FIRST = re.compile(
    rf"\[?(\d\d)[-/ ]([A-Z][a-z]{{2}})[-/ ](\d{{4}})[: ]{_CLOCK} ?(Z|[+-]\d\d:?\d\d)?\]?\s*"
)
_MONTH_FIRST = re.compile(
    r"\[?(?:[A-Z][a-z]{2} )?([A-Z][a-z]{2}) {1,2}(\d{1,2})(?:,? (\d{4}))? "
    r"(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
    r"(?: ([AP]M))?(?: (\d{4}))?\]?:?\s*"
)
_CLOCK_ONLY = re.compile(rf"\[?{_CLOCK}(?=[\s\]])\]?\s*")
_UNITS = ((1e11, 1e6), (1e14, 1e3), (1e17, 1.0), (float("inf"), 1e-3))


def format_time(when: datetime) -> str:
    """RFC 3339 in UTC with six digits."""
    if when.tzinfo is not UTC:
        when = when.astimezone(UTC)
    return when.isoformat(timespec="microseconds")[:26] + "Z"


def moment(
    year: int, month: int, day: int, clock: tuple[Any, ...], zone: tzinfo
) -> datetime | None:
    """A date and a clock (hour, minute, second, fraction as text); None if there is no such."""
    hour, minute, second, fraction = clock
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        leap = int(second) == 60
        made = datetime(year, month, day, int(hour), int(minute), 59 if leap else int(second),
                        micros, zone)  # fmt: skip
        return _within(made + timedelta(seconds=1) if leap else made)
    except (ValueError, OverflowError):
        return None


def yearless(
    month: int, day: int, clock: tuple[Any, ...], zone: tzinfo, reference: datetime
) -> datetime | None:
    """The latest such time that is at most a day after the reference."""
    limit = reference + timedelta(days=1)
    for year in range(limit.year, limit.year - 9, -1):  # 29 February
        found = moment(year, month, day, clock, zone)
        if found is not None and found <= limit:
            return found
    return None


def _within(when: datetime) -> datetime | None:
    return when if _EARLIEST <= when < _LATEST else None


def leading_time(text: str, zone: tzinfo, reference: datetime) -> tuple[datetime | None, int]:
    """The time with which a line begins, and where the rest begins; 0 if it begins with none.

    >>> from datetime import UTC
    >>> when, end = leading_time("[05/Jan/2026 00:00:01] x", UTC, datetime(2026, 2, 1, tzinfo=UTC))
    >>> format_time(when), end
    ('2026-01-05T00:00:01.000000Z', 23)
    """
    first = text[1:2] if text[:1] == "[" else text[:1]
    if first.isdecimal():
        found = _ISO.match(text)
        if found:
            return _iso(found, zone), found.end()
        found = _DAY_FIRST.match(text)
        if found:
            return _named(found[2], found[1], found[3], found.group(4, 5, 6, 7),
                          _offset(found[8], zone)), found.end()  # fmt: skip
        found = _CLOCK_ONLY.match(text)
        if found:
            return _clock_only(found.groups(), zone, reference), found.end()
    elif first.isupper():
        found = _ISO.match(text) if text[1:3] == ", " else None
        if found:
            return _iso(found, zone), found.end()
        found = _MONTH_FIRST.match(text)
        if found and found[1] in _MONTHS:
            return _month_first(found, zone, reference), found.end()
    return None, 0


def _iso(found: re.Match[str], zone: tzinfo) -> datetime | None:
    text, sign, offset = found.groups()
    if offset:
        zone = _offset(offset, zone)
    try:
        made = datetime.fromisoformat(text if sign == "-" else text.replace("/", "-"))
    except ValueError:  # a leap second, or no date at all
        clock = (text[11:13], text[14:16], text[17:19], text[20:])
        return moment(int(text[:4]), int(text[5:7]), int(text[8:10]), clock, zone)
    return _within(made.replace(tzinfo=zone))


def _offset(text: str | None, zone: tzinfo) -> tzinfo:
    if not text:
        return zone
    if text[0] not in "+-":
        return UTC
    away = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-away if text[0] == "-" else away) if away < timedelta(days=1) else zone


def _named(
    month: str, day: str, year: str, clock: tuple[Any, ...], zone: tzinfo
) -> datetime | None:
    number = _MONTHS.get(month, 0)
    return moment(int(year), number, int(day), clock, zone)


def _month_first(found: re.Match[str], zone: tzinfo, reference: datetime) -> datetime | None:
    month, day, year, hour, minute, second, fraction, half, year_last = found.groups()
    if half:
        hour = str(int(hour) % 12 + (12 if half == "PM" else 0))
    clock = (hour, minute, second, fraction)
    if year or year_last:
        return _named(month, day, year or year_last, clock, zone)
    return yearless(_MONTHS[month], int(day), clock, zone, reference)


def _clock_only(clock: tuple[Any, ...], zone: tzinfo, reference: datetime) -> datetime | None:
    limit = reference + timedelta(hours=1)
    day = limit.astimezone(zone).date()
    found = moment(day.year, day.month, day.day, clock, zone)
    if found is not None and found > limit:
        found -= timedelta(days=1)
    return found


def time_of(value: Any, zone: tzinfo, reference: datetime) -> datetime | None:
    """The time in a field: epoch in seconds, ms, us or ns by its size, or a text; None if none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = value.strip()
        if value[4:5] == "-":
            return _text_time(value, zone, reference)
        if value.replace(".", "", 1).isdecimal() and len(value) < 30 and value.isascii():
            value = float(value) if "." in value else int(value)
        else:
            return _text_time(value, zone, reference)
    if not isinstance(value, int | float):
        return None
    try:
        size = abs(value)
        factor = next(factor for below, factor in _UNITS if size < below)
        micros = round(value * factor) if factor >= 1 else int(value) // 1000
        if not EARLIEST_US <= micros < LATEST_US:
            return None
    except (ValueError, OverflowError, StopIteration):  # not a number, or infinite
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def _text_time(text: str, zone: tzinfo, reference: datetime) -> datetime | None:
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        return leading_time(text[:64], zone, reference)[0]
    if made.tzinfo is None:
        made = made.replace(tzinfo=zone)
    try:
        return _within(made)
    except OverflowError:
        return None
