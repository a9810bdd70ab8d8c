"""Cells of a column as numbers: decimal comma, thousands, units, states; whole columns at a time.

What a cell is worth depends on the cell and on the column's form alone, never on its neighbours
or on where a block of rows begins.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.connectors.tables.units import factor, family
from padit.connectors.tables.written import rewritten

__all__ = [
    "BODY", "MISSING", "NumberForm", "PLAIN", "Split", "SEPARATORS", "UNIT", "filled",
    "scaled", "split_numbers", "unit_names",
]  # fmt: skip

Mask = NDArray[np.bool_]

MISSING = pa.array(
    ["", "NA", "N/A", "#N/A", "#NV", "n/a", "null", "NULL", "Null", "None", "none", "nil", "-",
     "NaN", "nan", "NAN", "--", "\\N"]
)  # fmt: skip
"""Cells that hold nothing."""
SEPARATORS = {"comma": ",", "point": ".", "space": " ", "apostrophe": "'"}
_WIDE_SPACES = "\u00a0\u202f\u2009"
_SIGN = "[-+\u2212]?"
BODY = f"{_SIGN}(?:[0-9](?:[0-9.,'\u2019 {_WIDE_SPACES}]*[0-9])?[.,]?|[.,][0-9]+)"
"""The digits of a number with anything that may stand between them."""
UNIT_BEGINS = "[^0-9\\s.,:;\"'+\\-_/\\\\()\\[\\]{}=<>\0-\x1f\x7f-\x9f\ufffd]"
LONGEST_UNIT = 20
UNIT = rf"{UNIT_BEGINS}[^\s:;\"\\]{{0,{LONGEST_UNIT - 1}}}"
_CELL = rf"^(?P<n>{BODY}(?:[eE][-+]?[0-9]+)?)\s*(?P<u>{UNIT_BEGINS}[^\s:;\"\\]*)?$"
PLAIN = r"(?i)^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[-+]?[0-9]+)?$|^[-+]?(?:inf|infinity|nan)$"
_EXCEL_TEXT = r'^="(.*)"$|^\'([-+0-9.,].*)$'


class NumberForm(NamedTuple):
    """How the numbers of a column are written.

    Attributes:
        decimal: mark before the fraction.
        thousands: mark between groups of three digits, "" if there is none.
        unit: of the column; cells in other units are converted, and "" stands for none.
        shortened: whether "K", "Mil" and the like after a number are its size, not its unit.
        states: words in lower case, each with its number.
        clock: whether cells like 00:01:30 are durations.
        missing: words and numbers that stand for no value.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    shortened: bool = False
    states: tuple[tuple[str, float], ...] = ()
    clock: bool = False
    missing: tuple[str, ...] = ()

    @property
    def numbers(self) -> list[float]:
        """The numbers of `missing`."""
        return [float(one) for one in self.missing if re.fullmatch(PLAIN, one)]

    @property
    def plain(self) -> bool:
        """Whether cells are numbers as Arrow reads them."""
        return self == NumberForm()


class Split(NamedTuple):
    """Numbers and units of n cells.

    Attributes:
        value: float64 (n,), NaN where the cell holds nothing or is no number.
        bad: bool (n,), cells that are no number.
        units: distinct units, as written.
        unit: int64 (n,), index into `units`; -1 for a number without a unit.
    """

    value: NDArray[np.float64]
    bad: Mask
    units: list[str]
    unit: NDArray[np.int64]


def filled(column: pa.Array) -> pa.Array:
    """Text without white space around it; null where it holds nothing."""
    text = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.is_in(text, MISSING), pa.scalar(None, text.type), text)


def split_numbers(column: pa.Array, form: NumberForm) -> Split:
    """Convert text to numbers and the units that follow them."""
    text = filled(column)
    if form.missing:
        gone = pc.is_in(pc.utf8_lower(text), pa.array([one.lower() for one in form.missing]))
        text = pc.if_else(gone, pa.scalar(None, text.type), text)
    words = rewritten(_plain_words(text), clock=form.clock)
    parts = pc.extract_regex(words, _CELL)
    digits, unit = _field(parts, "n"), _field(parts, "u")
    number, bad = _numbers(digits, form)
    if form.decimal == "." and not form.thousands:
        simple = pc.match_substring_regex(words, PLAIN).fill_null(False)
        number = pc.if_else(simple, pc.if_else(simple, words, None), number)
        bad &= ~np.asarray(simple)
    value = np.array(_as_floats(number), np.float64)  # a copy, since Arrow's is read-only
    encoded = unit.dictionary_encode()
    units = encoded.dictionary.to_pylist()
    code = np.array(encoded.indices.fill_null(-1), np.int64)
    empty = [i for i, name in enumerate(units) if not name]
    code[np.isin(code, empty)] = -1
    long = [i for i, name in enumerate(units) if len(name) > LONGEST_UNIT]
    bad = (bad | np.isin(code, long)) & np.asarray(pc.is_valid(text))
    if form.states:
        at = pc.index_in(pc.utf8_lower(words), pa.array([word for word, _ in form.states]))
        known = np.asarray(pc.is_valid(at))
        worth = np.array([number for _, number in form.states])
        value[known] = worth[np.asarray(at.fill_null(0))[known]]
        bad[known] = False
        code[known] = -2
    value[bad] = np.nan
    if form.missing:
        value[np.isin(value, form.numbers)] = np.nan
    return Split(value, bad, units, code)


def _plain_words(text: pa.Array) -> pa.Array:
    """What Excel writes for text that is a number is that number."""
    if pc.any(pc.match_substring_regex(text, "^[=']")).as_py():
        return pc.replace_substring_regex(text, _EXCEL_TEXT, r"\1\2")
    return text


def _field(parts: pa.Array, name: str) -> pa.Array:
    column = pc.struct_field(parts, name)
    return pc.if_else(pc.is_valid(parts), column, pa.scalar(None, column.type))


def _numbers(digits: pa.Array, form: NumberForm) -> tuple[pa.Array, Mask]:
    """Digits to text that Arrow reads as a number; null, and a mark, where they are none."""
    text = pc.replace_substring(digits, "\u2212", "-")
    text = pc.replace_substring_regex(text, f"[{_WIDE_SPACES}]", " ")
    text = pc.replace_substring(text, "\u2019", "'")
    good = pc.match_substring_regex(text, _pattern(form)).fill_null(False)
    others = "".join(mark for mark in (",", ".", " ", "'") if mark != form.decimal)
    text = pc.replace_substring_regex(text, f"[{others}]", "")
    if form.decimal != ".":
        text = pc.replace_substring(text, form.decimal, ".")
    return pc.if_else(good, text, pa.scalar(None, text.type)), ~np.array(good, bool)


def _pattern(form: NumberForm) -> str:
    """Numbers of a form; a grouped one whose other mark leaves no doubt needs no statement.

    No group is a single 0: `0.125` has a decimal point, whatever is said of points.
    """
    decimal = rf"\{form.decimal}"
    fraction = rf"(?:{decimal}[0-9]*)?"
    exponent = "(?:[eE][-+]?[0-9]+)?"
    first = "(?:[1-9]|[0-9]{2,3})"
    whole = [rf"[0-9]+{fraction}{exponent}", rf"{decimal}[0-9]+{exponent}"]
    for mark in (",", ".", " ", "'"):
        if mark == form.decimal:
            continue
        sign = rf"\{mark}" if mark != " " else " "
        if mark == form.thousands:
            whole.append(rf"{first}(?:{sign}[0-9]{{3}})+{fraction}")
        elif not form.thousands and mark in ",.":
            whole.append(rf"{first}(?:{sign}[0-9]{{3}})+{decimal}[0-9]+")
            whole.append(rf"{first}(?:{sign}[0-9]{{3}}){{2,}}")
        elif not form.thousands:
            whole.append(rf"{first}(?:{sign}[0-9]{{3}})+{fraction}")
    return rf"^[-+]?(?:{'|'.join(whole)})$"


def _as_floats(number: pa.Array) -> NDArray[np.float64]:
    cast = number.cast(pa.float64(), safe=False)
    return np.asarray(cast.to_numpy(zero_copy_only=False), np.float64)


def scaled(split: Split, form: NumberForm) -> tuple[NDArray[np.float64], Mask]:
    """Numbers in the unit of the column, NaN where a cell holds none, and what does not fit.

    A number without a unit fits a column without one; in a column with a unit only 0 does.
    """
    value, bad = split.value.copy(), split.bad.copy()
    if form.unit:
        bad |= (split.unit == -1) & (value != 0) & ~np.isnan(value)
    for i, unit in enumerate(split.units):
        if not unit:
            continue
        chosen = split.unit == i
        times = None
        if unit == form.unit or form.shortened or family(unit) != "counts":
            times = factor(unit, form.unit)
        if times is None:
            bad |= chosen & ~np.isnan(value)
        elif times != 1:
            value[chosen] = _times(value[chosen], times)
    value[bad] = np.nan
    return value, bad


def _times(value: NDArray[np.float64], times: Fraction) -> NDArray[np.float64]:
    """950 ms are 0.95 s to the last digit, because 1000 is exact and 0.001 is not."""
    return value * float(times.numerator) / float(times.denominator)


def unit_names(split: Split, targets: Mapping[str, str]) -> tuple[Split, list[str]]:
    """Numbers of cells with a unit of their own each, those of one family in one unit.

    Args:
        split: numbers and units as written.
        targets: family to the unit its numbers are converted to.

    Returns:
        The numbers, and the distinct units, into which `unit` is now an index.
    """
    value = split.value.copy()
    names = {"": 0}
    place = []
    for i, unit in enumerate(split.units):
        into = targets.get(family(unit) or "", unit) if unit else ""
        times = factor(unit, into)
        if times is None or times == 1:
            into = unit
        else:
            value[split.unit == i] = _times(value[split.unit == i], times)
        place.append(names.setdefault(into, len(names)))
    code = np.array([*place, 0])[np.where(split.unit < 0, len(place), split.unit)]
    return Split(value, split.bad, split.units, code), [*names]
