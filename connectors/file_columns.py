"""Columns of any type to rows, by the same rules as `codecs.records`.

Text is converted in whole columns. Only where that fails is a column halved again and again,
down to the cells that are to blame, so that the outcome of a cell never depends on its
neighbours or on where a block of rows begins.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.codecs.arrow import combine_names, encode_names
from padit.codecs.contract import Reject, bounded, numbered, shorten
from padit.codecs.names import MAX_NAME_LENGTH, name_fault
from padit.connectors.file_plan import GivenTimes, Narrow, Plan, Wide
from padit.domain.metric import METRIC_TYPES, Series
from padit.domain.rows import Rows
from padit.domain.timestamps import (
    EARLIEST_US,
    LATEST_US,
    micros_from_integers,
    micros_from_numbers,
    parse_timestamp,
)

__all__ = ["Converted", "event_times", "is_number", "numbers", "rows_of", "times"]

_MISSING = pa.array(["", "NA", "N/A", "#N/A", "null", "NULL", "None", "-"])
_FLOAT = pa.float64()
_MICRO = (pa.timestamp("us"), pa.timestamp("us", "UTC"))
_NANO = (pa.timestamp("ns"), pa.timestamp("ns", "UTC"))

Mask = NDArray[np.bool_]


class Converted(NamedTuple):
    """The rows of a table, and its rejects.

    Attributes:
        rows: the readable samples; of a wide table row by row, in each the columns in order.
        rejects: rows of which something is lost, in their order; `record` is the row's position
            in the table, `lost` counts the filled cells of values (a row whose time or name
            cannot be used counts once at least). Of a wide table the elements are the lost
            cells, numbered as the columns that hold values.
    """

    rows: Rows
    rejects: list[Reject]


def rows_of(plan: Plan, table: pa.Table, number: NDArray[np.int64]) -> Converted:
    """Convert a table.

    Args:
        plan: which column is what.
        table: n rows with at least the columns of `plan.needed`.
        number: int64 (n,), row numbers in the file; given times follow them.
    """
    if not table.num_rows:
        return Converted(Rows.empty(), [])
    time, bad_time = _event_times(plan, table, number)
    in_range = (time >= EARLIEST_US) & (time < LATEST_US)
    faults = {
        i: (
            f"timestamp {_cell(table, plan.time, i)} "
            + ("is none of the forms that are known" if bad_time[i] else "is not in 2000 to 2199")
        )
        for i in np.flatnonzero(bad_time | ~in_range).tolist()
    }
    if isinstance(plan.body, Narrow):
        return _narrow_rows(plan, plan.body, table, time, faults)
    return _wide_rows(plan, plan.body, table, time, faults)


def event_times(plan: Plan, table: pa.Table) -> NDArray[np.int64]:
    """The times of the rows that have a usable one, microseconds; not for given times."""
    time, bad = _event_times(plan, table, np.empty(0, np.int64))
    usable = (time >= EARLIEST_US) & (time < LATEST_US) & ~bad
    return time if usable.all() else time[usable]


def _event_times(
    plan: Plan, table: pa.Table, number: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Mask]:
    if isinstance(plan.time, GivenTimes):
        time = plan.time.start + np.rint(number * plan.time.step).astype(np.int64)
        return time, np.zeros(len(number), bool)
    return times(_whole(table[plan.time]))


def _narrow_rows(
    plan: Plan, body: Narrow, table: pa.Table, time: NDArray[np.int64], faults: dict[int, str]
) -> Converted:
    n = table.num_rows
    same = np.zeros(n, np.int64)
    series, code = combine_names(
        encode_names(table[plan.source]) if plan.source else ([plan.source_id], same),
        encode_names(table[body.metric]),
        encode_names(table[body.unit]) if body.unit else ([""], same),
    )
    value, bad_value = numbers(_whole(table[body.value]))
    unusable = {i: fault for i, one in enumerate(series) if (fault := name_fault(one))}
    reasons = {
        i: f"value {_cell(table, body.value, i)} is not a finite number"
        for i in np.flatnonzero(bad_value | ~np.isfinite(value)).tolist()
    }
    named_badly = np.isin(code, np.fromiter(unusable, np.int32, len(unusable)))
    for i in np.flatnonzero(named_badly).tolist():
        reasons[i] = unusable[int(code[i])]
    if body.kind:
        kinds = table[body.kind].cast(pa.string()).fill_null("custom")
        known = np.asarray(pc.is_in(kinds, pa.array([*METRIC_TYPES, ""])))
        for i in np.flatnonzero(~known).tolist():
            reasons[i] = f"metric_type {_cell(table, body.kind, i)} is unknown"
    reasons |= faults
    rows = Rows(series, code, time, value)
    if not reasons:
        return Converted(rows, [])
    good = np.ones(n, bool)
    good[list(reasons)] = False
    return Converted(rows.select(good), _of_rows(reasons))


def _wide_rows(
    plan: Plan, body: Wide, table: pa.Table, time: NDArray[np.int64], faults: dict[int, str]
) -> Converted:
    n, k = table.num_rows, len(body.columns)
    matrix = np.empty((n, k))
    cells: dict[int, list[tuple[int, str]]] = {}
    for j, name in enumerate(body.columns):
        matrix[:, j], wrong = numbers(_whole(table[name]))
        for i in np.flatnonzero(wrong | np.isinf(matrix[:, j])).tolist():
            text = f"{name}: {_cell(table, name, i)} is not a finite number"
            cells.setdefault(i, []).append((j, bounded(text)))
        matrix[wrong, j] = np.nan
    if plan.source:
        source = encode_names(table[plan.source])
        unnamed = [i for i, name in enumerate(source[0]) if _fault_of("source_id", name)]
        for i in np.flatnonzero(np.isin(source[1], unnamed)).tolist():
            faults.setdefault(i, _fault_of("source_id", source[0][source[1][i]]))
    good = np.isfinite(matrix)
    lost = {i: int(good[i].sum()) + len(cells.get(i, ())) for i in faults}
    if faults:
        good[list(faults)] = False
    row, column = np.nonzero(good)  # row by row
    if plan.source:
        units = [*dict.fromkeys(body.units)]
        unit = np.array([units.index(name) for name in body.units])
        series, code = combine_names(
            (source[0], source[1][row]), ([*body.names], column), (units, unit[column])
        )
    else:
        fixed = zip(body.names, body.units, strict=True)
        series = [Series(plan.source_id, name, unit) for name, unit in fixed]
        code = column.astype(np.int32)
    rows = Rows(series, code, time[row], matrix[row, column])
    of_cells = [numbered(i, bad, len(bad)) for i, bad in cells.items() if i not in faults]
    of_rows = [one._replace(lost=max(1, lost[one.record])) for one in _of_rows(faults)]
    return Converted(rows, sorted([*of_cells, *of_rows]))


def _of_rows(faults: dict[int, str]) -> list[Reject]:
    return [Reject(i, bounded(reason)) for i, reason in sorted(faults.items())]


def _fault_of(field: str, text: str) -> str:
    if not text and field != "unit":
        return f"{field} is empty"
    if len(text) > MAX_NAME_LENGTH:
        return f"{field} has {len(text)} characters, at most {MAX_NAME_LENGTH} are allowed"
    return ""


def _cell(table: pa.Table, column: str | GivenTimes, row: int) -> str:
    if isinstance(column, GivenTimes):
        return "given by start and step"
    scalar = table[column][row]
    try:
        return shorten(scalar.as_py())
    except (ValueError, OverflowError, pa.ArrowException):  # Python has no form for it
        return f"{getattr(scalar, 'value', '?')} ({scalar.type})"


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    return column


def _of_dictionary(
    column: pa.Array, convert: Callable[[pa.Array], tuple[NDArray[Any], Mask]]
) -> tuple[NDArray[Any], Mask]:
    """Convert each entry of a dictionary once; a null is converted as such."""
    words = pa.concat_arrays([column.dictionary, pa.nulls(1, column.dictionary.type)])
    value, bad = convert(words)
    index = column.indices.cast(pa.int64()).fill_null(len(column.dictionary))
    place = np.asarray(index.to_numpy(zero_copy_only=False), np.int64)
    return value[place], bad[place]


def is_number(kind: pa.DataType) -> bool:
    """Whether a typed column holds numbers."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def numbers(column: pa.Array) -> tuple[NDArray[np.float64], Mask]:
    """A column as float64 (n,), NaN where empty, and a mask of cells that are no number."""
    if pa.types.is_dictionary(column.type):
        return _of_dictionary(column, numbers)
    if not _is_text(column.type):
        try:
            return _floats(column), np.zeros(len(column), bool)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            column = column.cast(pa.string())
    try:
        return _floats(column), np.zeros(len(column), bool)
    except pa.ArrowInvalid:
        column = pc.utf8_trim_whitespace(column)
        column = pc.if_else(pc.is_in(column, _MISSING), pa.scalar(None, column.type), column)
    value = np.full(len(column), np.nan)
    bad = np.zeros(len(column), bool)
    _piecewise(column, _floats, value, bad)
    return value, bad


def times(column: pa.Array) -> tuple[NDArray[np.int64], Mask]:
    """A column as microseconds, int64 (n,), and a mask of cells that are no time; null is none."""
    if pa.types.is_dictionary(column.type):
        return _of_dictionary(column, times)
    kind = column.type
    micros = np.zeros(len(column), np.int64)
    bad = np.asarray(pc.is_null(column)).copy()
    if _is_text(kind):
        if bad.any():
            column = column.fill_null("")
        _piecewise(column, _micros_of_text, micros, bad)
        return micros, bad
    if pa.types.is_date(kind):
        column = column.cast(_MICRO[0])
    if pa.types.is_timestamp(column.type):
        micros = _epoch(column.fill_null(0))
    elif pa.types.is_signed_integer(kind):
        ticks = column.cast(pa.int64()).fill_null(0)
        micros = micros_from_integers(np.asarray(ticks.to_numpy(zero_copy_only=False), np.int64))
    else:
        try:
            micros = micros_from_numbers(_floats(column))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            bad[:] = True
    return micros, bad


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _piecewise(
    column: pa.Array, convert: Callable[[pa.Array], NDArray[Any]], out: NDArray[Any], bad: Mask
) -> None:
    """Convert what can be converted into `out`, mark the other cells in `bad`."""
    try:
        out[:] = convert(column)
    except (pa.ArrowInvalid, ValueError, OverflowError):
        if len(column) == 1:
            bad[0] = True
            return
        half = len(column) // 2
        _piecewise(column[:half], convert, out[:half], bad[:half])
        _piecewise(column[half:], convert, out[half:], bad[half:])


def _floats(column: pa.Array) -> NDArray[np.float64]:
    cast = column.cast(_FLOAT, safe=False)
    return np.asarray(cast.to_numpy(zero_copy_only=False), np.float64)


def _epoch(column: pa.Array) -> NDArray[np.int64]:
    factor = {"s": 1_000_000, "ms": 1000}.get(column.type.unit)
    if factor:  # others would wrap around, perhaps into the range
        ticks = np.asarray(column.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)
        return np.where((ticks >= 0) & (ticks <= LATEST_US // factor), ticks, 0) * factor
    micros = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
    return np.asarray(micros.to_numpy(), np.int64)


def _micros_of_text(column: pa.Array) -> NDArray[np.int64]:
    """A column whose cells are all of one form; raises if they are not."""
    try:
        return micros_from_numbers(_floats(column))
    except pa.ArrowInvalid:
        pass
    for kind in (*_MICRO, *_NANO):
        try:
            return _epoch(column.cast(kind))
        except pa.ArrowInvalid:
            continue
    if len(column) > 1:
        message = "more than one form, or none that Arrow reads"
        raise ValueError(message)
    text = column[0].as_py()
    try:
        return micros_from_numbers(_floats(pc.utf8_trim_whitespace(column)))
    except pa.ArrowInvalid:
        return np.array([parse_timestamp(text)], np.int64)
