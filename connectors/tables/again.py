"""Times that come again: times of day without a date, and dates without a year, behind `start`.

A row whose time is half a day (half a year) before that of the row above begins another one. That
is found in a pass over the whole file, so that where a block of rows begins changes nothing.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from padit.connectors.file_plan import Plan
from padit.connectors.tables.dialect import Dialect
from padit.connectors.tables.parse import parse
from padit.connectors.tables.records import Block
from padit.connectors.tables.time_formats import comes_again
from padit.connectors.tables.times import TimeForm, convert_times, text_of
from padit.domain.errors import SourceError
from padit.domain.findings import Guess
from padit.domain.timestamps import MICROS

__all__ = ["cycle_of", "turns_of", "with_turns"]

_DAY = 86_400 * MICROS
_HALF = {"day": _DAY // 2, "year": 183 * _DAY}
_MOST = 100_000


def cycle_of(form: TimeForm, *, clocks: bool) -> str:
    """What comes again in times of a form that count from a beginning: "day", "year" or "".

    Args:
        form: of the times.
        clocks: whether the cells are hours, minutes and seconds, such as 09:30:01.
    """
    if not form.base:
        return ""
    return comes_again(form.format) if form.format else "day" if clocks else ""


def turns_of(
    path: str, cycle: str, parts: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> tuple[int, ...]:
    """The rows that begin another day or year.

    Args:
        path: for the message.
        cycle: "day" or "year".
        parts: times within the cycle, microseconds, and the rows they are of, in order.

    Raises:
        SourceError: there are too many.
    """
    found: list[int] = []
    last: int | None = None
    for micros, row in parts:
        if not len(micros):
            continue
        before = np.concatenate(([micros[0] if last is None else last], micros[:-1]))
        found += row[micros - before < -_HALF[cycle]].tolist()
        last = int(micros[-1])
        if len(found) > _MOST:
            message = (
                f"{path}: its times go back more than {_MOST} times, so that they do not show the "
                f"{cycle}; sort the rows, or give times with a date"
            )
            raise SourceError(message)
    return tuple(found)


def with_turns(
    path: str,
    blocks: Iterable[Block],
    dialect: Dialect,
    plan: Plan,
    form: tuple[TimeForm, str],
    guesses: list[Guess],
) -> TimeForm:
    """Look through the times of a table for days, or years, that begin.

    Args:
        path: of its file.
        blocks: of the table.
        dialect: how its text is written.
        plan: which columns hold the times.
        form: of the times, and what comes again in them.
        guesses: takes what was found.

    Raises:
        SourceError: as `turns_of` does.
    """
    time, cycle = form
    needed = list(plan.time_columns)

    def times_of(block: Block) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        parsed = parse(block, dialect.names, needed, dialect.cut.delimiter)
        number = parsed.position + block.first
        text = text_of(parsed.table, plan.time_columns)
        times = convert_times(text, time._replace(zone=""), number)
        return times.micros[~times.bad], number[~times.bad]

    turns = turns_of(path, cycle, map(times_of, blocks))
    if turns:
        what = (
            f"times without a {'date' if cycle == 'day' else 'year'} go back "
            f"{len(turns):,} times: with each another {cycle} begins"
        )
        guesses.append(Guess(path, what, ""))
    return time._replace(turns=turns)
