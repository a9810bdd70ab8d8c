"""Times in a stated format ("%d.%m.%Y %H:%M"), whole columns at a time.

A format becomes a pattern with a group for each field; the fields become integers, and these a
moment. Nothing is parsed cell by cell.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.domain.timestamps import MICROS

__all__ = [
    "Parsed", "check_format", "comes_again", "month_of", "parse_format", "pattern_of",
    "possible_formats", "possible_without_year", "whole_seconds",
]  # fmt: skip

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES = {
    "january": 1, "february": 2, "march": 3, "april": 4, "june": 6, "july": 7, "august": 8,
    "september": 9, "october": 10, "november": 11, "december": 12, "sept": 9,
    **{name: number for number, name in enumerate(_MONTHS, 1)},
    "januar": 1, "februar": 2, "märz": 3, "mär": 3, "mrz": 3, "mai": 5, "juni": 6, "juli": 7,
    "oktober": 10, "okt": 10, "dezember": 12, "dez": 12,
    "janv": 1, "janvier": 1, "févr": 2, "février": 2, "mars": 3, "avr": 4, "avril": 4, "juin": 6,
    "juil": 7, "juillet": 7, "août": 8, "septembre": 9, "octobre": 10, "novembre": 11, "déc": 12,
    "décembre": 12,
}  # fmt: skip
_FIELDS: Mapping[str, str] = {
    "Y": "(?P<Y>[0-9]{4})",
    "y": "(?P<y>[0-9]{2})",
    "m": "(?P<m>[0-9]{1,2})",
    "d": "(?P<d>[0-9]{1,2})",
    "j": "(?P<j>[0-9]{1,3})",
    "H": "(?P<H>[0-9]{1,2})",
    "I": "(?P<I>[0-9]{1,2})",
    "M": "(?P<M>[0-9]{1,2})",
    "S": "(?P<S>[0-9]{1,2})",
    "f": "(?P<f>[0-9]{1,9})",
    "p": "(?P<p>[AaPp](?:\\.?[Mm]\\.?)?)",
    "b": "(?P<b>[A-Za-z\u00c0-\u00ff]{3,9})\\.?",
    "B": "(?P<b>[A-Za-z\u00c0-\u00ff]{3,9})\\.?",
    "a": "[A-Za-z\u00c0-\u00ff]{2,9}\\.?",
    "A": "[A-Za-z\u00c0-\u00ff]{2,9}\\.?",
    "z": "(?P<z>Z|[-+][0-9]{2}(?::?[0-9]{2})?)",
    "Z": "(?:UTC|GMT|Z)(?P<zero>)",
    "%": "%",
}
_DIGITS = frozenset("YymdjHIMSf")
_UNPADDED = {"H": "(?P<H>[0-9]{0,2}?)", "M": "(?P<M>[0-9]{0,2}?)"}
"""Of `%-H%M%S`, whose zeros at the begin are left out: 930 is 00:09:30 and 0 is midnight."""
_PART_OF_DAY = r"(?:\.(?P<part>[0-9]{1,12}))?"
_WHOLE = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y"}
_DAY = 86_400 * MICROS
_ANY_YEAR = 1972  # a leap year
_LENGTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


class Parsed(NamedTuple):
    """n cells as times.

    Attributes:
        micros: int64 (n,), of local times as if they were UTC.
        bad: bool (n,), cells that do not have the format; null is one.
        local: whether the format has no offset.
    """

    micros: NDArray[np.int64]
    bad: NDArray[np.bool_]
    local: bool


def month_of(name: str) -> int:
    """The number of a month by its name in English, German or French; 0 if it is none."""
    return _NAMES.get(name.lower(), 0)


def check_format(text: str) -> None:
    """Raises ValueError, with the fields that are known, for a format that cannot be used."""
    fields = pattern_of(text)[1]
    date = {"Y", "y", "m", "b", "d", "j"} & fields
    if date and not ("j" in fields or {"m", "b"} & fields):
        message = f"{text!r} has no month (%m, %b) and no day of the year (%j)"
        raise ValueError(message)
    if not (date or {"H", "I"} & fields):
        message = f"{text!r} has no year (%Y), month (%m, %b) or day (%d), and no hour (%H)"
        raise ValueError(message)


def comes_again(text: str) -> str:
    """What times of a format leave open: "day" where they have no date, "year", or "".

    >>> comes_again("%H%M%S"), comes_again("%d-%m %H:%M"), comes_again("%Y-%m-%d")
    ('day', 'year', '')
    """
    fields = pattern_of(text)[1]
    if {"Y", "y"} & fields:
        return ""
    return "year" if {"m", "b", "d", "j"} & fields else "day"


@lru_cache(maxsize=1024)  # a file may propose one after another
def pattern_of(text: str) -> tuple[str, frozenset[str]]:
    """The pattern of a format, and its fields. Seconds may have a fraction.

    Raises:
        ValueError: an unknown field.
    """
    tokens = _tokens(text)
    names = [sign[-1] if sign[0] == "%" else "" for sign in tokens]
    parts: list[str] = []
    fields: set[str] = set()
    unpadded = False
    for at, sign in enumerate(tokens):
        field = names[at]
        if not field:
            parts.append(r"\s+" if sign == " " else re.escape(sign))
            unpadded = False
            continue
        if field not in _FIELDS or field in fields or (sign[1:2] == "-" and field != "H"):
            known = ", ".join("%" + one for one in _FIELDS if one != "%")
            message = f"{sign} in {text!r} is unknown or there twice; known are {known}, %-H"
            raise ValueError(message)
        following = names[at + 1] if at + 1 < len(names) else ""
        unpadded = unpadded or sign[1:2] == "-"
        beside = {names[at - 1] if at else "", following} & _DIGITS
        parts.append(_part_of(field, following, unpadded=unpadded, packed=bool(beside - {"f"})))
        fields.add({"B": "b", "Z": "zero"}.get(field, field))
        if field == "S" and following != "f" and "".join(tokens[at + 1 : at + 3])[1:] != "%f":
            parts.append("(?:[.,](?P<f>[0-9]{1,9}))?")
            fields.add("f")
    if "j" in fields and not {"H", "I"} & fields:
        at = next(i for i, part in enumerate(parts) if "<j>" in part)
        parts[at] += _PART_OF_DAY
        fields.add("part")
    return "^" + "".join(parts) + "$", frozenset(fields - {"%", "a", "A"})


def _tokens(text: str) -> list[str]:
    """Fields, and signs between them."""
    for short, whole in _WHOLE.items():
        text = text.replace("%" + short, whole)
    return re.findall(r"%-?.|%|[^%]", text, re.DOTALL)


def _part_of(field: str, following: str, *, unpadded: bool, packed: bool) -> str:
    """The pattern of one field."""
    one = _FIELDS[field]
    if unpadded:
        return _UNPADDED[field] if following in ("M", "S") and field in _UNPADDED else one
    return one.replace("{1,2}", "{2}").replace("{1,3}", "{3}") if packed else one


def parse_format(
    column: pa.Array, text: str, year_of: NDArray[np.int64] | int = _ANY_YEAR
) -> Parsed:
    """Convert a column of text.

    Args:
        column: n cells.
        text: the format.
        year_of: of each cell, or of all, where the format has none.
    """
    pattern, fields = pattern_of(text)
    parts = pc.extract_regex(pc.utf8_trim_whitespace(column), pattern)
    found = _Fields(parts, fields)
    days, no_date = _date(found, year_of)
    seconds, no_clock = _clock(found)
    bad = np.array(pc.is_null(parts), bool) | no_date | no_clock
    micros = (days * 86_400 + seconds) * MICROS
    if "part" in fields:
        micros += _part_of_day(pc.struct_field(parts, "part"))
    if "f" in fields:
        micros += _fraction(pc.struct_field(parts, "f"))
    if "z" in fields:
        micros -= _offsets(pc.struct_field(parts, "z"))
    micros[bad] = 0
    return Parsed(micros, bad, not {"z", "zero"} & fields)


class _Fields(NamedTuple):
    """What a pattern has found in n cells."""

    parts: pa.Array
    names: frozenset[str]

    def number(self, field: str, other: int) -> NDArray[np.int64]:
        """A field as int64 (n,); `other` where it is not there."""
        if field not in self.names:
            return np.full(len(self.parts), other, np.int64)
        return _integers(pc.struct_field(self.parts, field), other)


def _date(
    found: _Fields, year_of: NDArray[np.int64] | int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Days since 1970, and which of them are in no calendar."""
    if "Y" in found.names:
        year = found.number("Y", 0)
    elif "y" in found.names:
        year = found.number("y", 0)
        year = np.where(year < 69, year + 2000, year + 1900)
    else:
        year = np.broadcast_to(np.asarray(year_of, np.int64), len(found.parts))
    month = _months(found.parts) if "b" in found.names else found.number("m", 1)
    day, of_year = found.number("d", 1), found.number("j", 1)
    bad = (month < 1) | (month > 12)
    month = np.clip(month, 1, 12)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    bad |= (day < 1) | (day > _LENGTHS[month - 1] + ((month == 2) & leap))
    bad |= (of_year < 1) | (of_year > 365 + leap)
    return _days(year, month, day) + of_year - 1, bad


def _clock(found: _Fields) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Seconds of the day, and which of them none has; 24:00 is its end, as in ISO 8601."""
    hour = found.number("H", 0)
    bad = np.zeros(len(hour), bool)
    if "I" in found.names:
        twelve = found.number("I", 12)
        bad |= (twelve < 1) | (twelve > 12)
        hour = twelve % 12 + (12 * _afternoon(found.parts) if "p" in found.names else 0)
    minute, second = found.number("M", 0), found.number("S", 0)
    ends = (hour == 24) & (minute == 0) & (second == 0)
    bad |= ((hour > 23) & ~ends) | (minute > 59) | (second > 59)
    return (hour * 60 + minute) * 60 + second, bad


def _integers(column: pa.Array, other: int) -> NDArray[np.int64]:
    filled = pc.if_else(pc.equal(column, ""), None, column).cast(pa.int64()).fill_null(other)
    return np.array(filled, np.int64)


def _months(parts: pa.Array) -> NDArray[np.int64]:
    names = pc.utf8_lower(pc.struct_field(parts, "b"))
    at = pc.index_in(names, pa.array(list(_NAMES))).fill_null(-1)
    numbers = np.array([*_NAMES.values(), 0], np.int64)
    return np.asarray(numbers[np.asarray(at)], np.int64)


def _afternoon(parts: pa.Array) -> NDArray[np.int64]:
    starts = pc.starts_with(pc.utf8_lower(pc.struct_field(parts, "p")), "p").fill_null(False)
    return np.array(starts, np.int64)


def _fraction(column: pa.Array) -> NDArray[np.int64]:
    text = pc.utf8_slice_codeunits(pc.utf8_rpad(column.fill_null(""), 6, "0"), 0, 6)
    return _integers(text, 0)


def _part_of_day(column: pa.Array) -> NDArray[np.int64]:
    """A fraction of a day, at the whole second that its digits cannot be told from."""
    text = column.fill_null("")
    digits = np.array(pc.utf8_length(text), np.int64)
    share = _integers(pc.utf8_rpad(text, 12, "0"), 0) / 1e12
    return whole_seconds(share * _DAY, digits)


def whole_seconds(micros: NDArray[np.float64], digits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fractions of days, written with so many digits, as whole seconds where these fit.

    Args:
        micros: float64 (n,).
        digits: int64 (n,), behind the point.
    """
    step = _DAY / 10.0 ** np.clip(digits, 1, 12)
    near = np.rint(micros / MICROS) * MICROS
    fits = (np.abs(near - micros) <= step / 2 + 1) & (digits > 0)
    return np.rint(np.where(fits, near, micros)).astype(np.int64)


def _offsets(column: pa.Array) -> NDArray[np.int64]:
    """Offsets as microseconds; there are few different ones."""
    encoded = column.fill_null("Z").dictionary_encode()
    worth = []
    for text in encoded.dictionary.to_pylist():
        digits = text[1:].replace(":", "").ljust(4, "0")
        minutes = 0 if text == "Z" else int(digits[:2]) * 60 + int(digits[2:])
        worth.append((-minutes if text[:1] == "-" else minutes) * 60 * MICROS)
    return np.asarray(np.array(worth, np.int64)[np.asarray(encoded.indices)], np.int64)


def _days(
    year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Days since 1970 of dates of the Gregorian calendar, by counting years from March."""
    year = year - (month <= 2)
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    days = era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
    return np.asarray(days, np.int64)


_DATES = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y",
    "%m/%d/%y", "%d-%m-%Y", "%m-%d-%Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d. %b %Y",
    "%b %d, %Y", "%b %d %Y", "%d/%b/%Y", "%Y%m%d",
)  # fmt: skip
_CLOCKS = (
    "", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", ", %H:%M:%S", ", %H:%M",
    ", %I:%M:%S %p", ", %I:%M %p", "T%H:%M:%S", "T%H:%M", ":%H:%M:%S", "%H%M%S", " %H%M%S",
    "T%H%M%S", " %I:%M:%S%p", " %I:%M%p",
)  # fmt: skip
_DAYS_OF_YEAR = ("%Y-%j", "%Y/%j", "%Y:%j", "%Y %j")
_OFFSETS = ("", "%z", " %z", " %Z")
_WEEKDAYS = ("", "%a ", "%a, ")
_YEAR_LAST = tuple(  # as C's ctime and `date` write it
    f"{weekday}%b %d %H:%M:%S{zone} %Y" for weekday in ("%a ", "") for zone in ("", " %Z", " %z")
)


_MONTHLY = ("%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%b-%Y", "%B %Y")
_YEARLESS = (
    "%d-%m", "%d/%m", "%m/%d", "%d.%m.", "%m-%d", "%b %d", "%d %b", "%b-%d", "%d-%b",
)  # fmt: skip


def possible_without_year(text: str) -> list[str]:
    """The formats without a year that a cell may have, as dstat and syslog write them.

    >>> possible_without_year("Jan  5 08:00:00"), possible_without_year("25-01 08:00")
    (['%b %d %H:%M:%S'], ['%d-%m %H:%M'])
    """
    clocks = (" %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
    cells = pa.array([text])
    found = [f"{date}{clock}" for date in _YEARLESS for clock in clocks]
    likely = [one for one in found if _part(one).fullmatch(text.strip())]  # a hundredth of the time
    return [one for one in likely if not parse_format(cells, one).bad[0]]


def possible_formats(text: str) -> list[str]:
    """The formats that a cell may have: a weekday perhaps, a date, a time and an offset perhaps."""
    found = [one for one in (*_YEAR_LAST, *_MONTHLY) if _part(one).fullmatch(text)]
    dates = _DAYS_OF_YEAR if re.match("[0-9]{4}[-/: ][0-9]{3}(?![0-9])", text) else _DATES
    for weekday in _WEEKDAYS:
        for date in dates:
            begun = _part(weekday + date).match(text)
            if begun is None:
                continue
            for clock in _CLOCKS:
                if clock == "%H%M%S" and date != "%Y%m%d":
                    continue
                gone = _part(clock).match(text, begun.end())
                for offset in _OFFSETS if clock else _OFFSETS[:1]:
                    if gone is not None and _part(offset).fullmatch(text, gone.end()):
                        found.append(weekday + date + clock + offset)
    return found


@cache
def _part(text: str) -> re.Pattern[str]:
    """The pattern of a part of a format."""
    return re.compile(re.sub(r"\(\?P<\w+>", "(?:", pattern_of(text)[0][1:-1]))
