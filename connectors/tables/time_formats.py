"""Times in a stated format ("%d.%m.%Y %H:%M"), whole columns at a time.

A format becomes a pattern with a group for each field; the fields become integers, and these a
moment. Nothing is parsed cell by cell.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.domain.timestamps import MICROS

__all__ = ["Parsed", "check_format", "parse_format", "pattern_of", "possible_formats"]

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
    "H": "(?P<H>[0-9]{1,2})",
    "I": "(?P<I>[0-9]{1,2})",
    "M": "(?P<M>[0-9]{1,2})",
    "S": "(?P<S>[0-9]{1,2})",
    "f": "(?P<f>[0-9]{1,9})",
    "p": "(?P<p>(?:[AaPp]\\.?[Mm]\\.?))",
    "b": "(?P<b>[A-Za-z\u00c0-\u00ff]{3,9})\\.?",
    "B": "(?P<b>[A-Za-z\u00c0-\u00ff]{3,9})\\.?",
    "a": "[A-Za-z\u00c0-\u00ff]{2,9}\\.?",
    "A": "[A-Za-z\u00c0-\u00ff]{2,9}\\.?",
    "z": "(?P<z>Z|[-+][0-9]{2}(?::?[0-9]{2})?)",
    "Z": "(?:UTC|GMT|Z)(?P<zero>)",
    "%": "%",
}
_WHOLE = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y"}
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


def check_format(text: str) -> None:
    """Raises ValueError, with the fields that are known, for a format that cannot be used."""
    fields = pattern_of(text)[1]
    if not ({"Y", "y"} & fields and {"m", "b"} & fields and "d" in fields):
        message = f"{text!r} has no year (%Y), month (%m, %b) or day (%d)"
        raise ValueError(message)


@cache
def pattern_of(text: str) -> tuple[str, frozenset[str]]:
    """The pattern of a format, and its fields. Seconds may have a fraction.

    Raises:
        ValueError: an unknown field.
    """
    for short, whole in _WHOLE.items():
        text = text.replace("%" + short, whole)
    parts, fields, at = [], set(), 0
    packed = re.search("%Y%m|%m%d|%d%m|%H%M", text) is not None
    while at < len(text):
        if text[at] != "%":
            parts.append(r"\s+" if text[at] == " " else re.escape(text[at]))
            at += 1
            continue
        field = text[at + 1 : at + 2]
        if field not in _FIELDS or field in fields:
            known = ", ".join("%" + one for one in _FIELDS if one != "%")
            message = f"%{field} in {text!r} is unknown or there twice; known are {known}"
            raise ValueError(message)
        one = _FIELDS[field]
        parts.append(one.replace("{1,2}", "{2}") if packed else one)
        fields.add({"B": "b", "Z": "zero"}.get(field, field))
        at += 2
        if field == "S" and not re.match("[.,]?%f", text[at:]):
            parts.append("(?:[.,](?P<f>[0-9]{1,9}))?")
            fields.add("f")
    return "^" + "".join(parts) + "$", frozenset(fields - {"%", "a", "A"})


def parse_format(column: pa.Array, text: str) -> Parsed:
    """Convert a column of text."""
    pattern, fields = pattern_of(text)
    parts = pc.extract_regex(pc.utf8_trim_whitespace(column), pattern)
    bad = np.array(pc.is_null(parts), bool)

    def number(field: str, other: int) -> NDArray[np.int64]:
        if field not in fields:
            return np.full(len(column), other, np.int64)
        return _integers(pc.struct_field(parts, field), other)

    year = number("Y", 0) if "Y" in fields else number("y", 0)
    if "Y" not in fields:
        year = np.where(year < 69, year + 2000, year + 1900)
    month = _months(parts) if "b" in fields else number("m", 1)
    day, hour = number("d", 1), number("H", 0)
    if "I" in fields:
        twelve = number("I", 12)
        bad |= (twelve < 1) | (twelve > 12)
        hour = twelve % 12 + (12 * _afternoon(parts) if "p" in fields else 0)
    minute, second = number("M", 0), number("S", 0)
    bad |= (month < 1) | (month > 12) | (hour > 23) | (minute > 59) | (second > 59)
    month = np.clip(month, 1, 12)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    bad |= (day < 1) | (day > _LENGTHS[month - 1] + ((month == 2) & leap))
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    micros = seconds * MICROS
    if "f" in fields:
        micros += _fraction(pc.struct_field(parts, "f"))
    if "z" in fields:
        micros -= _offsets(pc.struct_field(parts, "z"))
    micros[bad] = 0
    return Parsed(micros, bad, not {"z", "zero"} & fields)


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
    "T%H%M%S",
)  # fmt: skip
_OFFSETS = ("", "%z", " %z", " %Z")
_WEEKDAYS = ("", "%a ", "%a, ")
_YEAR_LAST = tuple(  # as C's ctime and `date` write it
    f"{weekday}%b %d %H:%M:%S{zone} %Y" for weekday in ("%a ", "") for zone in ("", " %Z", " %z")
)


def possible_formats(text: str) -> list[str]:
    """The formats that a cell may have: a weekday perhaps, a date, a time and an offset perhaps."""
    found = [one for one in _YEAR_LAST if _part(one).fullmatch(text)]
    for weekday in _WEEKDAYS:
        for date in _DATES:
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
