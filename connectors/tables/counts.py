"""Times as numbers that do not count from 1970.

They are the days of Excel, of Matlab and of astronomers, and the ticks of Windows and .NET.

In the years 2000 to 2199 the numbers of no two of these overlap, nor those of any unit since 1970.
"""

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.connectors.tables.time_formats import whole_seconds
from padit.domain.timestamps import EARLIEST_US, LATEST_US, MICROS

__all__ = ["COUNTS", "Count", "count_of", "count_times"]

_DAY = 86_400 * MICROS
_SHARE = 0.9
_NUMBER = r"^[-+]?[0-9]{1,20}(?:[.,][0-9]*)?$"
_OF_DAYS = re.compile("dat|day|tag|fecha|jour|dia|giorno|serial|excel|matlab|julian|jd", re.I)
_TICKS = r"^[0-9]{1,18}(?:[.,][0-9]*)?$"  # of years after 1600, which fit 64 bits


class Count(NamedTuple):
    """How times are counted.

    Attributes:
        what: they are, for people.
        zero: the number that 1970 has.
        per_day: how many make a day.
    """

    what: str
    zero: float
    per_day: int


COUNTS = {
    "excel": Count("Excel's days since 1899-12-30", 25_569, 1),
    "matlab": Count("Matlab's days since the year 0", 719_529, 1),
    "julian": Count("Julian days", 2_440_587.5, 1),
    "filetime": Count("Windows' ticks of 100 ns since 1601", 116_444_736 * 10**9, 864 * 10**9),
    "ticks": Count("ticks of .NET, of 100 ns since the year 1", 621_355_968 * 10**9, 864 * 10**9),
}
"""By the name that `time_format` takes."""


def count_of(cells: pa.Array, column: str = "") -> str:
    """How nearly all cells count; "" where they do not.

    Whole numbers may count seconds as well: they are days where the column's name speaks of them.

    >>> count_of(pa.array(["46027.5", "46027.510417"])), count_of(pa.array(["17", "46027"]))
    ('excel', '')
    >>> count_of(pa.array(["46027", "46028"]), "time"), count_of(pa.array(["46027"]), "Date")
    ('', 'excel')
    """
    numbers = pc.match_substring_regex(cells, _NUMBER).fill_null(False)
    if not len(cells) or pc.sum(numbers).as_py() < _SHARE * len(cells):
        return ""
    whole = not pc.any(pc.match_substring_regex(cells, r"[.,][0-9]")).as_py()
    for name, count in COUNTS.items():
        if whole and count.per_day == 1 and not _OF_DAYS.search(column):
            continue
        micros, bad = count_times(cells, name)
        good = ~bad & (micros >= EARLIEST_US) & (micros < LATEST_US)
        if np.count_nonzero(good) >= _SHARE * len(cells):
            return name
    return ""


def count_times(text: pa.Array, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Cells as microseconds since 1970, and which are no such number.

    Args:
        text: n cells, perhaps with a decimal comma.
        name: of `COUNTS`.
    """
    count = COUNTS[name]
    text = pc.utf8_trim_whitespace(text)
    form = _TICKS if count.per_day > 1 else _NUMBER
    good = pc.match_substring_regex(text, form).fill_null(False)
    digits = pc.replace_substring(pc.if_else(good, text, pa.scalar("0")), ",", ".")
    if count.per_day > 1:
        whole = pc.replace_substring_regex(digits, r"\..*$", "").cast(pa.int64())
        ticks = np.asarray(whole) - int(count.zero)
        return ticks // (count.per_day // _DAY), ~np.asarray(good, bool)
    behind = np.array(pc.utf8_length(pc.replace_substring_regex(digits, r"^[^.]*\.?", "")))
    days = np.asarray(digits.cast(pa.float64())) - count.zero
    days = np.where(np.abs(days) < 1e7, days, 0.0)
    return whole_seconds(days * _DAY, behind.astype(np.int64)), ~np.asarray(good, bool)
