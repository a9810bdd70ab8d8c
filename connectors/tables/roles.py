"""Times in several columns, such as year, day of the year and HHMM: which are theirs, and the form.

The names of the columns say what each holds. A column of whole numbers beside a date is a time of
day without its zeros, such as 930; whether it has seconds, the cells show.
"""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from padit.connectors.tables.time_formats import parse_format, possible_formats
from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = ["CLOCK_NAMES", "format_of_columns", "of_the_day", "run_of_columns"]

_ROLES = {
    "Y": ("year", "yr", "yyyy", "yy", "jahr", "annee", "ano", "anno"),
    "m": ("month", "mo", "mon", "mm", "monat", "mois", "mes", "mese"),
    "d": ("day", "dy", "dd", "da", "tag", "jour", "dia", "dayofmonth", "dom", "giorno"),
    "j": ("doy", "dayofyear", "jday", "julianday", "yday", "jul", "julian", "yearday", "ddd"),
    "H": ("hour", "hr", "hh", "h", "stunde", "heure", "hora", "he", "hourending", "std"),
    "M": ("minute", "min", "mn", "mi", "minuten", "mins"),
    "S": ("second", "sec", "ss", "s", "seconds", "secs", "sekunde"),
    "c": ("hhmm", "hrmn", "hourmin", "hourmn", "hhmmss", "time", "gmt", "hrmin"),
    "D": ("date", "yyyymmdd", "datum", "yearmoda", "fecha"),
}
"""By field of a format what columns are called; c: a time of day as digits, D: a whole date."""
CLOCK_NAMES = ("hhmmss", "hhmm", "hrmn")
_MOST = 7
_TRIED = 20


def _role(name: str, taken: Sequence[str]) -> str:
    """What a column holds by its name; a second `mm` holds minutes, as buoys have it."""
    plain = re.sub(r"[\W_]", "", re.sub(r"[\[(].*", "", name)).lower()
    if plain in ("mm", "mo", "m") and "m" in taken and "M" not in taken:
        return "M"
    return next((role for role, names in _ROLES.items() if plain in names), "")


def _roles(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in names:
        found.append(_role(name, found))
    return found


def run_of_columns(names: Sequence[str]) -> list[str]:
    """Neighbours that are a time together: a year or a date, and what divides it; else none.

    >>> run_of_columns(["Station", "YEAR", "DOY", "HHMM", "AirTC"])
    ['YEAR', 'DOY', 'HHMM']
    >>> run_of_columns(["date", "value"]), run_of_columns(["year", "sales"])
    ([], [])
    """
    for first in range(len(names)):
        taken: list[str] = []
        for name in names[first : first + _MOST]:
            role = _role(name, taken)
            if not role or role in taken:
                break
            taken.append(role)
        if _is_time(taken):
            return list(names[first : first + len(taken)])
    return []


def of_the_day(names: Sequence[str]) -> str:
    """That columns are times of one day each, as meters write them; "" where they are not.

    >>> of_the_day(["date", *(f"{hour:02}:00" for hour in range(24))])[:40]
    'its columns 00:00, 01:00, ..., 23:00 are'
    """
    found = [
        name for name in names if re.fullmatch(r"[0-2]?[0-9]:[0-5][0-9](?::[0-5][0-9])?", name)
    ]
    if len(found) < 12:
        return ""
    return (
        f"its columns {found[0]}, {found[1]}, ..., {found[-1]} are times of the day, and each is a "
        "series of its own here, a sample a row; write a row for each time to watch them as one"
    )


def _is_time(taken: Sequence[str]) -> bool:
    """Whether what neighbours hold makes a time."""
    there = set(taken)
    if "D" in there:
        return bool({"c", "H"} & there) and not {"Y", "m", "d", "j"} & there
    return "Y" in there and bool({"j", "m"} & there) and len(there) > 1


def format_of_columns(names: Sequence[str], cells: pa.Array) -> str:
    """The format of the cells of several columns, joined by blanks; "" where names say none.

    Args:
        names: of the columns.
        cells: filled ones of a sample.
    """
    roles = _roles(names)
    if not all(roles) or len(set(roles)) < len(roles):
        return ""
    rows = [one.split(" ") for one in cells.to_pylist()]
    rows = [row for row in rows if len(row) == len(names)]
    if not rows:
        return ""
    choices = [""]
    for at, role in enumerate(roles):
        fields = _fields(role, [row[at] for row in rows])
        if not fields:
            return ""
        choices = [f"{before} {field}".strip() for before in choices for field in fields]
    counts = {one: _fits(one, cells) for one in choices if _is_each_once(one)}
    if not counts:
        return ""
    best = max(counts, key=lambda one: (counts[one], -choices.index(one)))
    return best if 2 * counts[best] >= len(cells) else ""


def _fields(role: str, cells: Sequence[str]) -> list[str]:
    """What a column may be, the likeliest first; none where its cells are no digits."""
    if role == "D":
        few = [cells[i] for i in np.linspace(0, len(cells) - 1, _TRIED).astype(int).tolist()]
        found = [set(possible_formats(one)) for one in few]
        common = [one for one in possible_formats(few[0]) if all(one in each for each in found)]
        return common if len(common) == 1 else []  # day and month may be exchanged
    if role == "m" and all(re.fullmatch(r"[A-Za-z]{3,9}\.?", one) for one in cells):
        return ["%b"]
    digits = [one for one in cells if re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]+)?", one)]
    if 2 * len(digits) < len(cells):
        return []
    longest = max(len(one.partition(".")[0]) for one in digits)
    if role == "c":
        return ["%-H%M%S"] if longest > 4 else ["%-H%M", "%-H%M%S"]
    return ["%y"] if role == "Y" and longest <= 2 else [f"%{role}"]


def _is_each_once(text: str) -> bool:
    """Whether a format has no field twice, as HHMM beside a column of hours would."""
    fields = re.findall("%-?(.)", text)
    return len(set(fields)) == len(fields)


def _fits(text: str, cells: pa.Array) -> int:
    found = parse_format(cells, text)
    good = ~found.bad & (found.micros >= EARLIEST_US) & (found.micros < LATEST_US)
    return int(np.count_nonzero(good & np.asarray(pc.is_valid(cells))))
