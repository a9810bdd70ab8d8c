"""What helps with event times of a table that cannot be read: the option that may read them."""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from padit.connectors.file_plan import Plan
from padit.connectors.tables.proposed import proposals
from padit.connectors.tables.time_formats import possible_formats
from padit.connectors.tables.times import TimeForm, is_clock

__all__ = ["time_hints"]

_DIGITS_OF_TIMES = 4  # fewer are no time that is written in another way
_MOST_ZONES = 4  # words of a cell that are tried as a zone


def time_hints(table: pa.Table, plan: Plan, rows: Sequence[int], form: TimeForm) -> list[str]:
    """What to add to the reason of each row whose time cannot be read; "" where nothing helps.

    Every different cell is looked at once, and those of one form are tried together.

    Args:
        table: its rows.
        plan: which column is what.
        rows: positions in the table.
        form: of the times of the table.
    """
    if form.format:
        return [f": it is not {form.format}"] * len(rows)
    if len(plan.time_columns) != 1 or not rows:
        return [""] * len(rows)
    name = plan.time_columns[0]
    cells = [str(one) for one in table[name].take(pa.array(rows, pa.int64())).to_pylist()]
    kinds = {cell: _special(cell, name) for cell in dict.fromkeys(cells)}
    proposed = proposals([cell for cell, hint in kinds.items() if not hint and _has_digits(cell)])
    hints = {cell: hint or _proposal(cell, proposed) for cell, hint in kinds.items()}
    return [hints[cell] for cell in cells]


def _special(cell: str, column: str) -> str:
    """What helps with a time that names a zone, or has no date; "" for another."""
    zones = re.findall(r"\b[A-Z]{2,5}\b", cell)[:_MOST_ZONES]
    # A month or AM is no zone: with it a form is known already, only not that of this column.
    for zone in zones if zones and not possible_formats(cell) else ():
        for found in possible_formats(cell.replace(zone, "UTC")):
            option = f"time_format={found.replace('%Z', zone)}"
            return f": {zone} may be several zones; say it with {option} and timezone=NAME"
    if is_clock(cell):
        day = f"start=2026-01-05&timestamp={column}"
        return f": it has no date; with {day} it counts from the beginning of that day"
    if re.fullmatch("[0-9]{1,2}:[0-9]{2}", cell):
        options = f"start=2026-01-05&timestamp={column}&time_format=%H:%M"
        return f": it has no date; {options} gives the day of the first row"
    return ""


def _has_digits(cell: str) -> bool:
    return sum(one.isdecimal() for one in cell) >= _DIGITS_OF_TIMES


def _proposal(cell: str, proposed: Mapping[str, Sequence[str]]) -> str:
    if cell not in proposed:
        return ""
    forms = " or ".join(f"time_format={one}" for one in proposed[cell])
    other = "say how it is written with time_format=, such as time_format=%d.%m.%Y %H:%M"
    return f": add {forms}" if forms else f": {other}"
