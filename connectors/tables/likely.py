"""Which column holds the event time, where no option says so: by the names and by the cells.

Only a proposal for a person. A column of text counts if nearly all of its cells are times. Numbers
are times of some unit as easily as bytes or identifiers, so they count only where the name speaks
of a time.
"""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from padit.connectors.file_plan import joined_columns
from padit.connectors.tables.detected import detect_times
from padit.connectors.tables.times import convert_times, text_of
from padit.domain.errors import SourceError
from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = ["likely_by_cells"]

_SPEAKS = re.compile(
    r"time|date|stamp|clock|epoch|when|changed|updated|zeit|heure|fecha|(^|_)ts|^t$|month|monat|mois|day|datum|week",
    re.I,
)
_NUMBERS = re.compile(r"[-+]?[0-9.,eE+-]+")
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[AaPp]\.?[Mm]?\.?)?")
_LONGEST_DATE = 16
_SHARE = 0.9


def likely_by_cells(sample: pa.Table, names: Sequence[str], by_name: str) -> str:
    """The column of times: the one that the names suggest if its cells are times, else another.

    Args:
        sample: columns of text.
        names: of the columns, in order.
        by_name: what the names suggest, as `timestamp` has it; or "".
    """
    parts = () if by_name in names else joined_columns(by_name, names)
    if not (by_name and _are_times(sample, parts or (by_name,))):
        parts = ()
        by_name = next((name for name in names if name and _counts(sample, name)), by_name)
    return by_name if parts or not by_name else _with_clock(sample, names, by_name)


def _with_clock(sample: pa.Table, names: Sequence[str], date: str) -> str:
    """With the first column of times of day, where the other holds dates that come again."""
    if date not in names:
        return date
    cells = [one.strip() for one in sample[date].to_pylist() if one]
    if not cells or 2 * len(set(cells)) > len(cells) or not all(map(_is_date, set(cells))):
        return date
    clock = next((name for name in names if name != date and _are_clocks(sample, name)), "")
    return f"{date}+{clock}" if clock else date


def _is_date(cell: str) -> bool:
    """Whether a cell is a date without a time of day."""
    return ":" not in cell and len(cell) <= _LONGEST_DATE and bool(re.search("[0-9]", cell))


def _are_clocks(sample: pa.Table, name: str) -> bool:
    cells = [one.strip() for one in sample[name].to_pylist() if one]
    return bool(cells) and all(map(_CLOCK.fullmatch, cells))


def _counts(sample: pa.Table, name: str) -> bool:
    cells = [one for one in sample[name].to_pylist() if one]
    numbers = sum(_NUMBERS.fullmatch(one) is not None for one in cells)
    if not cells or (2 * numbers > len(cells) and not _SPEAKS.search(name)):
        return False
    return _are_times(sample, (name,))


def _are_times(sample: pa.Table, columns: tuple[str, ...]) -> bool:
    """Whether nearly all filled cells are times; also where day and month cannot be told apart."""
    text = text_of(sample, columns)
    try:
        form, _ = detect_times(text, "", columns)
    except SourceError:
        return True
    found = convert_times(text, form, np.arange(len(text)))
    good = ~found.bad & (found.micros >= EARLIEST_US) & (found.micros < LATEST_US)
    filled = len(text) - text.null_count
    return bool(filled) and np.count_nonzero(good) >= _SHARE * filled
