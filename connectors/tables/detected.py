"""The form of the event times of a table, found in a sample of the whole file.

A date whose day and month cannot be told apart is refused, and so are times without a date or a
year, with the options that state it.
"""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from padit.connectors.tables.counts import COUNTS, count_of
from padit.connectors.tables.roles import CLOCK_NAMES, format_of_columns
from padit.connectors.tables.time_formats import (
    parse_format,
    possible_formats,
    possible_without_year,
)
from padit.connectors.tables.times import (
    EPOCHS,
    NUMBER,
    Mask,
    TimeForm,
    Times,
    in_range,
    known_forms,
)
from padit.connectors.tables.values import filled
from padit.domain.errors import SourceError
from padit.domain.timestamps import MICROS

__all__ = ["day_of", "detect_times"]

_UNIT_NAMES = {1: "seconds", 1000: "milliseconds", 1_000_000: "microseconds",
               1_000_000_000: "nanoseconds"}  # fmt: skip
_EXCEL = r"^[0-9](?:[.,][0-9]{1,5})?E\+(?:09|1[0-9])$"
_ROUNDED = r"^[0-9](?:[.,][0-9]{1,5})?[eE]\+?(?:0?9|1[0-9])$"
_TRIED = 20  # cells of the sample that a format must fit before all of them are looked at


def detect_times(
    text: pa.Array, place: str, names: Sequence[str]
) -> tuple[TimeForm, tuple[str, str] | None]:
    """The form of a sample of columns, and what was guessed: (what, option).

    Args:
        text: cells; those of several columns joined by blanks.
        place: file, for messages.
        names: of the columns.

    Raises:
        SourceError: day and month cannot be told apart, or there is no year.
    """
    name = "+".join(names)
    cells = filled(text).drop_null()
    if not len(cells):
        return TimeForm(), None
    _refuse_rounded(cells, place, name)
    found = format_of_columns(names, cells) if len(names) > 1 else ""
    if not found:
        _refuse_digits(cells, place, names)
        good = in_range(known_forms(cells, 0))
        if 2 * np.count_nonzero(good) < len(cells):
            found = _format_of(cells, place, name) or count_of(cells, name)
            if not found:
                _refuse_yearless(cells, place, name)
                return TimeForm(), None
    if found:
        form = f"have the format {found!r}"
        what = f"are {COUNTS[found].what}" if found in COUNTS else form
        return TimeForm(format=found), (
            f"the times of column {name!r} {what}",
            f"time_format={found}",
        )
    number = np.asarray(pc.match_substring_regex(cells, NUMBER), bool)
    if not number.any():
        return TimeForm(), None
    size = np.abs(np.asarray(cells.filter(pa.array(number & good)).cast(pa.float64())))
    units = np.unique(np.searchsorted([1e11, 1e14, 1e17], size, side="right"))
    per = [list(EPOCHS.values())[i] for i in units.tolist()]
    units_shown = " and ".join(_UNIT_NAMES[one] for one in per)
    what = f"the times of column {name!r} are {units_shown} since 1970, by their size"
    option = next((one for one, value in EPOCHS.items() if [value] == per), "")
    return TimeForm(per[0] if len(per) == 1 else 0), (what, option and f"time_format={option}")


def _refuse_rounded(cells: pa.Array, place: str, name: str) -> None:
    """Times of which Excel has kept six digits, as 1.76757E+12. Raises SourceError.

    Other programs write a small e, or no plus, and all digits that there are: of one time they may
    be so few, of the times of a table they are not.
    """
    rounded = pc.match_substring_regex(cells, _ROUNDED if len(cells) > 1 else _EXCEL)
    if 2 * pc.sum(rounded).as_py() <= len(cells):
        return
    message = (
        f"{place}: the times of column {name!r}, such as {cells.filter(rounded)[0].as_py()!r}, "
        "have lost all but six of their digits, as Excel writes long numbers: in Excel give the "
        "column a number format without decimals and save it again, or take the export as it was"
    )
    raise SourceError(message)


def _refuse_digits(cells: pa.Array, place: str, names: Sequence[str]) -> None:
    """Times of day as HHMMSS in one column, and no date. Raises SourceError."""
    plain = re.sub(r"[\W_]", "", names[0]).lower()
    digits = pc.match_substring_regex(cells, r"^[0-9]{1,6}(?:\.[0-9]+)?$")
    if len(names) > 1 or plain not in CLOCK_NAMES or not pc.all(digits).as_py():
        return
    message = (
        f"{place}: the times of column {names[0]!r}, such as {cells[0].as_py()!r}, are times of "
        f"day and have no date; add the day of the first row, such as timestamp={names[0]}"
        f"&start={day_of(place)}&time_format={'%-H%M%S' if plain == 'hhmmss' else '%-H%M'}; or "
        f"name the column of the date, too: timestamp=DATE+{names[0]}"
    )
    raise SourceError(message)


def day_of(path: str) -> str:
    """The day that the name of a file holds, else an example of one.

    >>> day_of("logs/press_20260201.csv"), day_of("press.csv")
    ('2026-02-01', '2026-01-05')
    """
    name = path.replace("\\", "/").rpartition("/")[2]
    found = re.search(r"(20[0-9]{2})[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12][0-9]|3[01])", name)
    return "-".join(found.groups()) if found else "2026-01-05"


def _refuse_yearless(cells: pa.Array, place: str, name: str) -> None:
    """Times with a day and no year. Raises SourceError."""
    few = cells.take(pa.array(np.unique(np.linspace(0, len(cells) - 1, _TRIED).astype(int))))
    sets = [possible_without_year(cell) for cell in few.to_pylist()]
    common = [one for one in sets[0] if all(one in each for each in sets)]
    if not common:
        return
    example = cells[0].as_py()
    first = parse_format(cells.slice(0, 1), common[0])
    day = datetime.fromtimestamp(int(first.micros[0]) // MICROS, UTC)
    year = int(day_of(place)[:4])
    year -= year % 4 if (day.month, day.day) == (2, 29) else 0  # a year that has such a day
    start = f"timestamp={name}&start={year}-{day:%m-%d}"
    message = (
        f"{place}: the times of column {name!r}, such as {example!r}, have no year; add the day of "
        f"the first row, such as {start}&time_format={f' or {start}&time_format='.join(common)}"
    )
    raise SourceError(message)


def _format_of(cells: pa.Array, place: str, name: str) -> str:
    """The format that most cells have; "" if none fits half of them."""
    few = cells.take(pa.array(np.unique(np.linspace(0, len(cells) - 1, _TRIED).astype(int))))
    votes = Counter(one for cell in few.to_pylist() for one in possible_formats(cell))
    fits: dict[str, Mask] = {}
    for one, count in votes.items():
        if 2 * count < len(few):
            continue
        parsed = parse_format(cells, one)
        fits[one] = in_range(Times(parsed.micros, parsed.bad, parsed.bad, {}))
    if not fits:
        return ""
    best = max(fits, key=lambda one: (np.count_nonzero(fits[one]), -list(fits).index(one)))
    if 2 * np.count_nonzero(fits[best]) < len(cells):
        return ""
    other = _swapped(best)
    if best != other in fits and best[:6] != "%d.%m.":
        _refuse_doubt(fits, best, other, cells, place, name)
    return best


def _swapped(text: str) -> str:
    """The format with day and month exchanged."""
    return text.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


def _refuse_doubt(
    fits: dict[str, Mask], best: str, other: str, cells: pa.Array, place: str, name: str
) -> None:
    if np.any(fits[best] & ~fits[other]) and not np.any(fits[other] & ~fits[best]):
        return
    example = cells[int(np.flatnonzero(fits[best] | fits[other])[0])].as_py()
    message = (
        f"{place}: the times of column {name!r}, such as {example!r}, do not show whether the day "
        f"or the month comes first; add time_format={best} or time_format={other}"
    )
    raise SourceError(message)
