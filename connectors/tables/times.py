"""The event times of a table: one form for a column, found in a sample of the whole file.

A column of numbers has one unit, since between 2000 and 2199 no two units overlap. A column of
text has RFC 3339 times, or one format. A date whose day and month cannot be told apart is refused.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.connectors.tables.counts import COUNTS, count_times
from padit.connectors.tables.time_formats import comes_again, parse_format
from padit.connectors.tables.zones import Passes, localize
from padit.domain.timestamps import (
    EARLIEST_US,
    LATEST_US,
    MICROS,
    micros_from_integers,
    micros_from_numbers,
    parse_timestamp,
)

__all__ = [
    "EPOCHS", "NUMBER", "TimeForm", "Times", "convert_times", "in_range", "in_zone", "is_clock",
    "is_range", "known_forms", "micros_of_integers", "of_floats", "text_of",
]  # fmt: skip

EPOCHS = {"epoch_s": 1, "epoch_ms": 1000, "epoch_us": 1_000_000, "epoch_ns": 1_000_000_000}
"""Name of a unit of times since 1970 to how many of it make a second."""
NUMBER = r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"
_WHOLE = r"^[-+]?[0-9]{1,18}$|^[0-8][0-9]{18}$"
_COMMA = r"^([0-9]{9,19}),([0-9]+)$"  # since 1970, where the comma is the decimal mark
# From one time to another. The first has a time of day, which 2026/01/05T12:00:00 has not before /.
_RANGE = r"^(\S.*[0-9][:T][0-9].*[0-9AaPpMmZ.])(?:\s+[-\x{2013}]\s+|/)[0-9]\S*[:T].*$"
_CLOCK = r"[0-9]{1,4}:[0-5]?[0-9]:[0-5]?[0-9](?:[.,][0-9]{1,9})?"
_MICRO = pa.timestamp("us")
_MICRO_UTC = pa.timestamp("us", "UTC")
_DAY = 86_400 * MICROS

Mask = NDArray[np.bool_]


class TimeForm(NamedTuple):
    """How the times of a table are written.

    Attributes:
        per_second: unit of numbers: how many make a second; 0 where each has its own by its size.
        format: as for strptime, or a name of `COUNTS`; "" for RFC 3339 and its relatives.
        zone: of times without an offset; "" is UTC.
        repeated: of an hour that comes twice: `order`, `first`, `second` or `refuse`.
        passes: of repeated hours, as far as the order of rows shows them.
        base: microseconds since 1970 from which numbers count; with a format that has no year, or
            no date, the day of the first row.
        turns: rows with which another year, or another day, begins.
    """

    per_second: int = 0
    format: str = ""
    zone: str = ""
    repeated: str = "order"
    passes: Passes = ()
    base: int = 0
    turns: tuple[int, ...] = ()


class Times(NamedTuple):
    """n cells as times.

    Attributes:
        micros: int64 (n,), 0 where `bad`.
        bad: bool (n,), cells that are no time.
        local: bool (n,), times without an offset.
        why: row to the reason, where it is not that the cell is no time.
    """

    micros: NDArray[np.int64]
    bad: Mask
    local: Mask
    why: dict[int, str]


def text_of(table: pa.Table, columns: tuple[str, ...]) -> pa.Array:
    """The column of times; date and time of two columns joined by a space."""
    cells = [pc.utf8_trim_whitespace(table[name].combine_chunks()) for name in columns]
    if len(cells) > 1:
        return pc.binary_join_element_wise(*cells, " ")
    first = cells[0][0].as_py() if len(cells[0]) else None
    if first and is_range(first):
        return pc.replace_substring_regex(cells[0], _RANGE, r"\1")
    if first and re.fullmatch(_COMMA, first):
        return pc.replace_substring_regex(cells[0], _COMMA, r"\1.\2")
    return cells[0]


def is_range(text: str) -> bool:
    """Whether a cell is a range of times, whose begin counts.

    >>> is_range("1/5/2026 12:00:00 AM - 1:00:00 AM"), is_range("2026/01/05T12:00:00")
    (True, False)
    """
    return re.match(_RANGE.replace(r"\x{2013}", "\u2013"), text) is not None


def convert_times(text: pa.Array, form: TimeForm, row: NDArray[np.int64]) -> Times:
    """Convert a column.

    Args:
        text: n cells.
        form: of the column.
        row: int64 (n,), numbers of the rows in the file, for hours that come twice.
    """
    if form.base and form.per_second == 1:
        text = _clocks(text)
    if form.format in COUNTS:
        micros, bad = count_times(text, form.format)
        local = np.full(len(text), COUNTS[form.format].per_day == 1)  # as clocks on a wall
        times = Times(micros, bad, local, {})
    elif form.format:
        times = _formatted(text, form, row)
    else:
        times = known_forms(text, form.per_second)
        if form.turns:
            times = times._replace(micros=times.micros + _turns_before(form, row) * _DAY)
    return in_zone(times, form, row)


def _formatted(text: pa.Array, form: TimeForm, row: NDArray[np.int64]) -> Times:
    """Cells of a format; what it leaves open, the year or the date, follows from the row."""
    again = comes_again(form.format)
    turn = _turns_before(form, row)
    if again == "year":
        first = datetime.fromtimestamp(form.base // MICROS, UTC).year
        parsed = parse_format(text, form.format, first + turn)
    else:
        parsed = parse_format(text, form.format, 1970)
    micros = parsed.micros
    if again == "day":
        micros = np.where(parsed.bad, 0, micros + form.base // _DAY * _DAY + turn * _DAY)
    return Times(micros, parsed.bad, np.full(len(text), parsed.local), {})


def _turns_before(form: TimeForm, row: NDArray[np.int64]) -> NDArray[np.int64] | int:
    if not form.turns:
        return 0
    turns = np.array(form.turns, np.int64)
    return np.searchsorted(turns, row, side="right").astype(np.int64)


def is_clock(text: str) -> bool:
    """Whether a cell is hours, minutes and seconds, and no date.

    >>> is_clock("09:30:01.5"), is_clock("2026-01-05 09:30:01")
    (True, False)
    """
    return re.fullmatch(_CLOCK, text) is not None


def _clocks(text: pa.Array) -> pa.Array:
    """Hours, minutes and seconds as seconds; each distinct cell is looked at once."""
    text = pc.utf8_trim_whitespace(text)
    chosen = pc.match_substring_regex(text, f"^{_CLOCK}$").fill_null(False)
    if not pc.any(chosen).as_py():
        return text
    cells = text.filter(chosen).dictionary_encode()
    words = []
    for one in cells.dictionary.to_pylist():
        hours, minutes, seconds = one.replace(",", ".").split(":")
        words.append(str(int(hours) * 3600 + int(minutes) * 60 + Decimal(seconds)))
    made = pa.array(words, text.type).take(cells.indices)
    return pc.replace_with_mask(text, pa.array(np.asarray(chosen, bool)), made)


def known_forms(text: pa.Array, per_second: int) -> Times:
    """Numbers and RFC 3339; at once if they are all of one kind, which is the usual case."""
    n = len(text)
    none = np.zeros(n, bool)
    if not text.null_count:
        if not len(text) or pc.utf8_length(text[0]).as_py() < 11 or "-" not in text[0].as_py():
            try:
                whole = np.asarray(text.cast(pa.int64()))
                return Times(micros_of_integers(whole, per_second), none, none, {})
            except pa.ArrowInvalid:
                pass
        for kind in (_MICRO, _MICRO_UTC):
            try:
                micros = np.array(text.cast(kind).cast(pa.int64()), np.int64)
            except pa.ArrowInvalid:
                continue
            return Times(micros, none, np.full(n, kind is _MICRO), {})
    return _mixed_forms(text, per_second)


def _mixed_forms(text: pa.Array, per_second: int) -> Times:
    text = pc.utf8_trim_whitespace(text).fill_null("")
    micros = np.zeros(len(text), np.int64)
    bad, local = np.zeros(len(text), bool), np.zeros(len(text), bool)
    whole = np.asarray(pc.match_substring_regex(text, _WHOLE), bool)
    number = np.asarray(pc.match_substring_regex(text, NUMBER), bool) & ~whole
    if whole.any():
        digits = pc.replace_substring_regex(text.filter(pa.array(whole)), r"^\+", "")
        micros[whole] = micros_of_integers(np.asarray(digits.cast(pa.int64())), per_second)
    if number.any():
        digits = pc.replace_substring_regex(text.filter(pa.array(number)), r"^\+", "")
        micros[number] = of_floats(np.asarray(digits.cast(pa.float64())), per_second)
    rest = np.flatnonzero(~whole & ~number)
    distinct = text.take(pa.array(rest)).dictionary_encode()
    code = np.asarray(distinct.indices)
    # A loop over distinct cells: there is no vectorised parser of every RFC 3339 form (1 us each).
    found = [_one(cell) for cell in distinct.dictionary.to_pylist()]
    for out, column in zip((micros, bad, local), zip(*found, strict=True), strict=False):
        out[rest] = np.array(column)[code]
    return Times(micros, bad, local, {})


def _one(text: str) -> tuple[int, bool, bool]:
    """One cell as microseconds; whether it is no time, and whether it has no offset."""
    try:
        moment = datetime.fromisoformat(text)
        return parse_timestamp(text), False, moment.tzinfo is None
    except (ValueError, OverflowError):
        return 0, True, False


def micros_of_integers(number: NDArray[np.int64], per_second: int) -> NDArray[np.int64]:
    """Whole numbers of a unit, or of the one that each has by its size, to microseconds."""
    if not per_second:
        return micros_from_integers(number)
    if per_second > MICROS:
        return number // (per_second // MICROS)
    times = MICROS // per_second
    near = np.abs(number) < (1 << 62) // times
    return np.where(near, number, 0) * times


def of_floats(number: NDArray[np.float64], per_second: int) -> NDArray[np.int64]:
    """Numbers of a unit, or of the one that each has by its size, to microseconds."""
    if not per_second:
        return micros_from_numbers(number)
    with np.errstate(over="ignore"):
        scaled = number * (MICROS / per_second)
    usable = np.abs(scaled) < 9e18
    return np.rint(np.where(usable, scaled, 0.0)).astype(np.int64)


def in_zone(times: Times, form: TimeForm, row: NDArray[np.int64]) -> Times:
    """Local times to UTC; those that have no meaning, or two, are refused with the reason.

    Args:
        times: n of them.
        form: its zone; without one all are as they are.
        row: int64 (n,), numbers of the rows in the file.
    """
    chosen = np.flatnonzero(times.local & ~times.bad)
    if not form.zone or not len(chosen):
        return times
    micros, bad = times.micros.copy(), times.bad.copy()
    local = times.micros[chosen]
    utc = localize(local, form.zone)
    second = np.full(len(chosen), form.repeated == "second")
    open_ = utc.second != utc.micros
    if form.repeated == "order" and form.passes:
        start = np.array([one[0] for one in form.passes])
        at = np.searchsorted(start, row[chosen], side="right") - 1
        stop = np.array([one[1] for one in form.passes])[at]
        inside = (at >= 0) & (row[chosen] < stop)
        second = inside & (np.array([one[2] for one in form.passes])[at] == 1)
        open_ &= ~inside
    elif form.repeated in ("first", "second"):
        open_[:] = False
    micros[chosen] = np.where(second, utc.second, utc.micros)
    why = dict(times.why)
    for i in chosen[utc.missing].tolist():
        why[i] = (
            f"does not exist in {form.zone}: clocks were set forward; if the clock that wrote it "
            "was not, name a timezone without summer time, such as timezone=Etc/GMT-1"
        )
    for i in chosen[open_ & ~utc.missing].tolist():
        why[i] = (
            f"comes twice in {form.zone}, and the order of rows does not show which one it is: "
            "add repeated_hour=first or repeated_hour=second"
        )
    if why:
        bad[list(why)] = True
    return Times(micros, bad, times.local, why)


def in_range(times: Times) -> Mask:
    """Which cells are times of 2000 to 2199."""
    return ~times.bad & (times.micros >= EARLIEST_US) & (times.micros < LATEST_US)
