"""Event times of columns of any type, as microseconds; those without a zone get a stated one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.connectors.file_plan import GivenTimes, Plan
from padit.connectors.tables.times import (
    TimeForm,
    Times,
    convert_times,
    in_zone,
    micros_of_integers,
    of_floats,
    text_of,
)
from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = [
    "event_times", "floats", "is_text", "local_times", "of_dictionary", "times", "times_of_rows",
    "whole",
]  # fmt: skip

_FLOAT = pa.float64()
_MICRO = pa.timestamp("us")

Mask = NDArray[np.bool_]


def event_times(
    plan: Plan,
    table: pa.Table,
    number: NDArray[np.int64] | None = None,
    form: TimeForm | None = None,
) -> NDArray[np.int64]:
    """The times of the rows that have a usable one, microseconds; not for given times.

    Args:
        plan: which column is what.
        table: with the columns of the time.
        number: int64 (n,), row numbers in the file, for hours that come twice.
        form: how the times are written.
    """
    rows = np.empty(0, np.int64) if number is None else number
    time, bad, _ = times_of_rows(plan, table, rows, form or TimeForm())
    usable = (time >= EARLIEST_US) & (time < LATEST_US) & ~bad
    return time if usable.all() else time[usable]


def times_of_rows(
    plan: Plan, table: pa.Table, number: NDArray[np.int64], form: TimeForm
) -> tuple[NDArray[np.int64], Mask, dict[int, str]]:
    """Times of all rows; which are none, and the reason of those for which it is not just that."""
    if isinstance(plan.time, GivenTimes):
        behind = np.rint(np.minimum(number * plan.time.step, LATEST_US))  # beyond is no time
        time = plan.time.start + behind.astype(np.int64)
        return time, np.zeros(len(number), bool), {}
    micros, bad, why = _stated_times(plan, plan.time, table, number, form)
    counts = form.base and not form.format  # a format without a date has begun there already
    return (np.where(bad, micros, micros + form.base) if counts else micros), bad, why


def _stated_times(
    plan: Plan, name: str, table: pa.Table, number: NDArray[np.int64], form: TimeForm
) -> tuple[NDArray[np.int64], Mask, dict[int, str]]:
    """The same of a table that has times; those that count from a beginning as they stand."""
    kind = table[name].type
    if len(plan.time_columns) == 1 and not is_text(kind) and not _is_words(kind, form):
        micros, bad = times(whole(table[name]), form)
        if not form.zone or not _is_local(kind):
            return micros, bad, {}
        found = in_zone(Times(micros, bad, ~bad, {}), form, number)
        return found.micros, found.bad, found.why
    if pa.types.is_dictionary(kind):
        table = table.set_column(
            table.column_names.index(name), name, table[name].cast(pa.string())
        )
    found = convert_times(text_of(table, plan.time_columns), form, number)
    return found.micros, found.bad, found.why


def times(
    column: pa.Array,
    form: TimeForm = TimeForm(),  # noqa: B008
) -> tuple[NDArray[np.int64], Mask]:
    """A column as microseconds, int64 (n,), and a mask of cells that are no time; null is none."""
    if pa.types.is_dictionary(column.type):
        return of_dictionary(column, times)
    kind = column.type
    if is_text(kind):
        found = convert_times(column, form, np.empty(0, np.int64))
        return found.micros, found.bad
    micros = np.zeros(len(column), np.int64)
    bad = np.asarray(pc.is_null(column)).copy()
    if pa.types.is_date(kind):
        column = column.cast(_MICRO)
    if pa.types.is_timestamp(column.type):
        micros = _epoch(column.fill_null(0))
    elif pa.types.is_integer(kind):
        ticks = np.asarray(column.fill_null(0).cast(pa.int64(), safe=False))
        micros = micros_of_integers(ticks, form.per_second)
    else:
        try:
            number = floats(column)
            micros = of_floats(number, form.per_second)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            bad[:] = True
    return micros, bad


def local_times(column: pa.ChunkedArray) -> Times:
    """Times as they stand in a typed column; `local` are those without a zone."""
    kind = column.type
    if is_text(kind) or _is_words(kind, TimeForm(zone="any")):
        text = pc.utf8_trim_whitespace(whole(column.cast(pa.string())))
        return convert_times(text, TimeForm(), np.empty(0, np.int64))
    micros, bad = times(whole(column))
    return Times(micros, bad, ~bad if _is_local(kind) else np.zeros(len(bad), bool), {})


def _is_words(kind: pa.DataType, form: TimeForm) -> bool:
    """Whether times are a dictionary of text whose meaning depends on the row."""
    return bool(form.zone) and pa.types.is_dictionary(kind) and is_text(kind.value_type)


def _is_local(kind: pa.DataType) -> bool:
    """Whether times of this type have no zone."""
    return bool(pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None))


def _epoch(column: pa.Array) -> NDArray[np.int64]:
    factor = {"s": 1_000_000, "ms": 1000}.get(column.type.unit)
    if factor:  # others would wrap around, perhaps into the range
        ticks = np.asarray(column.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)
        return np.where((ticks >= 0) & (ticks <= LATEST_US // factor), ticks, 0) * factor
    micros = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
    return np.asarray(micros.to_numpy(), np.int64)


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column as one array."""
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column


def of_dictionary(
    column: pa.Array, convert: Callable[[pa.Array], tuple[NDArray[Any], Mask]]
) -> tuple[NDArray[Any], Mask]:
    """Convert each entry of a dictionary once; a null is converted as such."""
    words = pa.concat_arrays([column.dictionary, pa.nulls(1, column.dictionary.type)])
    value, bad = convert(words)
    index = column.indices.cast(pa.int64()).fill_null(len(column.dictionary))
    place = np.asarray(index.to_numpy(zero_copy_only=False), np.int64)
    return value[place], bad[place]


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def floats(column: pa.Array) -> NDArray[np.float64]:
    """A column of numbers as float64. Raises pa.ArrowInvalid and pa.ArrowNotImplementedError."""
    cast = column.cast(_FLOAT, safe=False)
    return np.asarray(cast.to_numpy(zero_copy_only=False), np.float64)
