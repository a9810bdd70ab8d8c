"""How the numbers of each column are written, judged by a sample of the whole file.

A column is watched if at least half of its filled cells are numbers. Which mark is the decimal one
is decided over all columns: "20,5" leaves no doubt, "1,234" does, and follows the others.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from padit.connectors.tables.state_words import BOOLEANS, STATES
from padit.connectors.tables.units import factor, family
from padit.connectors.tables.values import (
    BODY,
    SEPARATORS,
    UNIT,
    NumberForm,
    filled,
    scaled,
    split_numbers,
)
from padit.connectors.tables.written import PARTS, is_clock, rewrite, said

__all__ = ["CELLS_ARE_TEXT", "Column", "NumberOptions", "family_targets", "judge"]

CELLS_ARE_TEXT = "its cells are text"
"""Why a column of words is not watched."""
_MOST_CELLS = 1000  # of a column are looked at one by one, where they are no plain numbers
_MOST_UNITS = 8  # more different ones are no units, but text that begins with digits
_MOST_WORDS = 6  # more different ones are no states
_NUMBER = re.compile(rf"({BODY})((?:[eE][-+]?[0-9]+)?)\s*({UNIT})?")
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2212": "-"})


class NumberOptions(NamedTuple):
    """What the options state of numbers; None and empty where it is to be found out."""

    decimal: str | None = None
    thousands: str | None = None
    states: tuple[tuple[str, float], ...] = ()


class _Asked(NamedTuple):
    """What is known of a column beside its cells.

    Attributes:
        options: as stated.
        mark: decimal mark of the file, "" if that is not known.
        unit: that is stated for the column.
        mixed: whether each cell may have a unit of its own.
    """

    options: NumberOptions
    mark: str
    unit: str
    mixed: bool


class Column(NamedTuple):
    """What a sample shows of a column.

    Attributes:
        form: how its numbers are written; None if it cannot be read as numbers.
        numbers: share of all cells that are numbers, or look like it.
        why: for people, why it has no form.
        remedy: the option that would change it.
        example: what it holds.
        guesses: (what, option) to report if it is watched.
        units: distinct units of its cells, the commonest first.
    """

    form: NumberForm | None
    numbers: float
    why: str = ""
    remedy: str = ""
    example: str = ""
    guesses: tuple[tuple[str, str], ...] = ()
    units: tuple[str, ...] = ()


class _Seen(NamedTuple):
    """Cells of a column one by one."""

    bodies: list[str]
    units: Counter[str]
    other: Counter[str]
    decimals: set[str]  # marks that must be decimal
    groups: set[str]  # marks that must be thousands
    doubtful: set[str]  # marks in cells like 1,234
    written: dict[str, str]  # the first cell of each kind of `rewrite`
    clocks: list[str]  # like 00:01:30


def judge(
    table: pa.Table,
    names: Sequence[str],
    options: NumberOptions,
    delimiter: str,
    stated_units: Mapping[str, str],
    mixed: frozenset[str] = frozenset(),
) -> dict[str, Column]:
    """Judge columns by a sample of their cells.

    Args:
        table: text columns.
        names: columns to judge.
        options: what is stated.
        delimiter: of the file; a semicolon suggests that the comma is the decimal mark.
        stated_units: column to the unit that its numbers are to have.
        mixed: columns in which each cell may have a unit of its own.
    """
    cells = {name: filled(table[name].combine_chunks()) for name in names}
    seen = {name: _look(column) for name, column in cells.items() if not _plain(column, options)}
    mark = options.decimal or _file_mark(seen.values(), delimiter)
    if mark == "," and any(_own_mark(one) for one in seen.values()):
        seen |= {name: one for name in names if name not in seen
                 and (one := _look(cells[name])).doubtful and not one.decimals}  # fmt: skip
    return {
        name: _judged(
            name,
            cells[name],
            seen[name],
            _Asked(options, mark, stated_units.get(name, ""), name in mixed),
        )
        if name in seen
        else _of_plain(cells[name])
        for name in names
    }


def _plain(column: pa.Array, options: NumberOptions) -> bool:
    """Whether every filled cell is a number as Arrow reads it."""
    if options.decimal == ",":
        return bool(column.null_count == len(column))
    try:
        column.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _of_plain(column: pa.Array) -> Column:
    share = (len(column) - column.null_count) / max(1, len(column))
    return Column(NumberForm(), share)


def _look(column: pa.Array, *, clock: bool = False) -> _Seen:
    """Cells one by one: at most 1,000 of a column, once per file; twice in one of durations."""
    cells = column.drop_null().to_pylist()
    if len(cells) > _MOST_CELLS:
        chosen = np.linspace(0, len(cells) - 1, _MOST_CELLS).astype(int)
        cells = [cells[i] for i in chosen.tolist()]
    seen = _Seen([], Counter(), Counter(), set(), set(), set(), {}, [])
    for cell in cells:
        _look_at(cell, seen, clock=clock)
    return _look(column, clock=True) if PARTS in seen.written and not clock else seen


def _look_at(cell: str, seen: _Seen, *, clock: bool) -> None:
    text = cell.translate(_SPACES)
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1]
    elif re.match(r"'[-+0-9.,]", text):
        text = text[1:]
    if is_clock(text):
        seen.clocks.append(text)
    text, kind = rewrite(text, clock=clock)
    match = _NUMBER.fullmatch(text)
    if match is None:
        seen.other[cell.lower() if len(cell) < 40 else cell[:40]] += 1
        return
    seen.written.setdefault(kind, cell[:40])
    body, exponent, unit = match.groups()
    seen.bodies.append(body)
    seen.units[unit or ""] += 1
    if not exponent:
        _marks(body.lstrip("-+"), seen)
    elif re.fullmatch("[0-9],[0-9]+", body.lstrip("-+")):  # no group of three fits there
        seen.decimals.add(",")


def _marks(body: str, seen: _Seen) -> None:
    """What a number shows of its marks."""
    commas, points = body.count(","), body.count(".")
    seen.groups.update(mark for mark in " '" if mark in body)
    if commas and points:
        last = max(",.", key=body.rfind)
        seen.decimals.add(last)
        seen.groups.add("," if last == "." else ".")
        return
    for mark, count in ((",", commas), (".", points)):
        whole, _, fraction = body.rpartition(mark)
        if count > 1:
            seen.groups.add(mark)
        elif count and re.fullmatch("[1-9][0-9]{0,2}", whole) and len(fraction) == 3:
            seen.doubtful.add(mark)
        elif count:
            seen.decimals.add(mark)


def _other(mark: str) -> str:
    return "," if mark == "." else "."


def _file_mark(columns: Iterable[_Seen], delimiter: str) -> str:
    """The decimal mark of the file as far as its columns leave no doubt; "" if they do."""
    votes: Counter[str] = Counter()
    for seen in columns:
        own = _own_mark(seen)
        if own:
            votes[own] += 1
    if votes:
        return max(votes) if len(votes) == 1 else ""
    return {";": ",", ",": "."}.get(delimiter, "")


def _own_mark(seen: _Seen) -> str:
    """The decimal mark of a column, as far as it leaves no doubt by itself."""
    found = seen.decimals | {_other(mark) for mark in seen.groups if mark in ",."}
    return found.pop() if len(found) == 1 else ""


def _judged(name: str, column: pa.Array, seen: _Seen, asked: _Asked) -> Column:
    states, words = _states(seen, asked.options)
    share = (len(column) - column.null_count) / max(1, len(column))
    example = _example(column)
    if 2 * len(seen.clocks) > seen.units.total() + seen.other.total():
        return _of_clocks(name, column, asked)
    refused = _refusal(name, seen, states, asked)
    if refused:
        why, remedy, numbers = refused
        return Column(None, share * numbers, why, remedy, example)
    decimal, thousands = _both_marks(seen, asked.options, asked.mark)
    chosen, shortened, fault = ("", False, "") if asked.mixed else _unit(seen, asked.unit)
    if fault:
        return Column(None, share, fault, f"units={name}:UNIT", example)
    form = NumberForm(decimal, thousands, chosen, shortened, states, PARTS in seen.written)
    fits = _share_that_fits(column, form, mixed=asked.mixed)
    if fits < 0.5 * share:
        why = "its cells are no numbers of one form"
        return Column(None, share, why, f"metrics={name}", example)
    guesses = _guesses(name, seen, form, words, asked)
    units = tuple(one for one, _ in seen.units.most_common() if one)
    return Column(form, fits, example=example, guesses=guesses, units=units)


def _of_clocks(name: str, column: pa.Array, asked: _Asked) -> Column:
    """Cells like 00:01:30: durations where a unit of time is stated for them."""
    if family(asked.unit) != "time" or asked.mixed:
        remedy = "" if asked.mixed else f"units={name}:s"
        why = "its cells are durations or times of day"
        return Column(None, 0.0, why, remedy, _example(column))
    form = NumberForm(unit=asked.unit, clock=True)
    return Column(form, _share_that_fits(column, form, mixed=False), example=_example(column))


def _refusal(
    name: str, seen: _Seen, states: tuple[tuple[str, float], ...], asked: _Asked
) -> tuple[str, str, float] | None:
    """Why a column cannot be read as numbers, the remedy, and the share that looks like them."""
    count = sum(seen.units.values())
    total = count + sum(seen.other.values())
    if not states and len(seen.units) > _MOST_UNITS and not asked.mixed:
        return CELLS_ARE_TEXT, "", 0.0
    known = count + sum(n for word, n in seen.other.items() if word in dict(states))
    if 2 * known < total and not count:
        return CELLS_ARE_TEXT, _states_remedy(seen), 0.0
    if 2 * known < total:
        return "less than half of its cells are numbers", f"metrics={name}", count / total
    if "," in seen.doubtful and not _own_mark(seen) and not asked.mark:
        why = "its cells can be read with a decimal comma or with a comma between thousands"
        return why, "decimal=comma or decimal=point", count / total
    return None


def _share_that_fits(column: pa.Array, form: NumberForm, *, mixed: bool) -> float:
    split = split_numbers(column, form)
    value = split.value if mixed else scaled(split, form)[0]
    return float(np.count_nonzero(~np.isnan(value))) / max(1, len(value))


def _example(column: pa.Array) -> str:
    cells = column.drop_null()
    return cells[len(cells) // 2].as_py()[:40] if len(cells) else ""


def _both_marks(seen: _Seen, options: NumberOptions, mark: str) -> tuple[str, str]:
    decimal = options.decimal or ""
    if not decimal:
        decimal = _own_mark(seen) or (mark if seen.doubtful | seen.decimals | seen.groups else "")
    decimal = decimal or "."
    if options.thousands is not None:
        return decimal, options.thousands
    grouping = [one for one in (",", ".", " ", "'")
                if one != decimal and (one in seen.groups or one in seen.doubtful)]  # fmt: skip
    return decimal, grouping[0] if grouping else ""


def _unit(seen: _Seen, stated: str) -> tuple[str, bool, str]:
    """The unit of a column, whether "K" and the like are sizes, and what is wrong with them."""
    units = [unit for unit, _ in sorted(seen.units.items(), key=lambda one: (-one[1], one[0]))]
    bare = seen.units.get("", 0)
    named = [unit for unit in units if unit]
    if not named:
        return "", False, ""
    families = {family(unit) for unit in named}
    if families == {"counts"} and (bare or len(named) > 1):
        return "", True, ""
    if len(named) == 1 or (len(families) == 1 and None not in families):
        chosen = stated if stated and factor(named[0], stated) is not None else named[0]
        if 2 * bare > sum(seen.units.values()):
            chosen = ""
        return chosen, False, ""
    return "", False, f"its cells are in units that cannot be converted: {', '.join(named)}"


def _states(
    seen: _Seen, options: NumberOptions
) -> tuple[tuple[tuple[str, float], ...], tuple[str, ...]]:
    """States that are stated; or one of the pairs of booleans, if there are no other words."""
    if options.states:
        return options.states, ()
    for yes, no in BOOLEANS:
        if seen.other and set(seen.other) <= {yes, no}:
            return ((yes, 1.0), (no, 0.0)), (yes, no)
    return (), ()


def _states_remedy(seen: _Seen) -> str:
    """`states=` for words that are states by their meaning; names of hosts are none."""
    known = sum(word in STATES for word in seen.other)
    if len(seen.other) > _MOST_WORDS or 2 * known < len(seen.other) or not known:
        return ""
    if any("," in word or ":" in word for word in seen.other):
        return ""
    return "states=" + ",".join(f"{word}:{i}" for i, word in enumerate(sorted(seen.other)))


def _guesses(
    name: str,
    seen: _Seen,
    form: NumberForm,
    words: tuple[str, ...],
    asked: _Asked,
) -> tuple[tuple[str, str], ...]:
    names = {mark: word for word, mark in SEPARATORS.items()}
    found = []
    if form.decimal != "." and asked.options.decimal is None:
        found.append((f"the decimal mark is {form.decimal!r}", f"decimal={names[form.decimal]}"))
    if form.thousands and asked.options.thousands is None:
        text = f"{form.thousands!r} in column {name!r} stands between thousands"
        found.append((text, f"thousands={names[form.thousands]}"))
    named = [unit for unit in sorted(seen.units) if unit]
    if form.shortened:
        found.append((f"{', '.join(named)} in column {name!r} are sizes of numbers", ""))
    elif named and asked.mixed:
        text = f"{', '.join(named)} in cells of column {name!r} are units of series"
        found.append((f"{text}, one for units of one kind", ""))
    elif named and form.unit and form.unit != asked.unit:
        text = f"column {name!r} is in {form.unit}"
        others = [unit for unit in named if unit != form.unit]
        text += f", into which {', '.join(others)} are converted" if others else ""
        found.append((text, f"units={name}:{form.unit}"))
    found += said(name, seen.written)
    if words:
        text = f"{words[0]} is 1 and {words[1]} is 0 in column {name!r}"
        found.append((text, f"states={words[0]}:1,{words[1]}:0"))
    return tuple(found)


def family_targets(units: Sequence[str]) -> dict[str, str]:
    """The unit that cells of one family are converted to: the commonest.

    Numbers that are shortened have none; "K" alone may be kelvin, and is left as it is.
    """
    targets: dict[str, str] = {}
    for unit in units:
        name = family(unit)
        if name is not None and name != "counts":
            targets.setdefault(name, unit)
    if {"Mil", "mil", "Bil", "Tri"} & set(units):
        targets["counts"] = ""
    return targets
