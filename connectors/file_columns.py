"""Columns of any type to rows, by the same rules as `codecs.records`.

Text is converted in whole columns, by the forms that the layout of a table has found; the outcome
of a cell never depends on its neighbours or on where a block of rows begins.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.codecs.arrow import combine_names, encode_names
from padit.codecs.arrow_labels import attribute_column, known_kinds, unknown_kinds
from padit.codecs.arrow_values import python_value
from padit.codecs.contract import NOTHING_LEFT_OUT, LeftOut, Reject, bounded, numbered, shorten
from padit.codecs.names import MAX_NAME_LENGTH, name_fault
from padit.connectors.file_labels import attributes_of_cells, labels_of_rows
from padit.connectors.file_plan import GivenTimes, Narrow, Plan, Wide
from padit.connectors.file_time_hints import time_hints
from padit.connectors.file_times import floats, is_text, of_dictionary, times_of_rows, whole
from padit.connectors.tables.times import TimeForm
from padit.connectors.tables.values import (
    NumberForm,
    Split,
    scaled,
    split_numbers,
    unit_names,
)
from padit.domain.findings import Unwatched
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = ["Converted", "Forms", "is_number", "numbers", "rows_of"]

Mask = NDArray[np.bool_]


class Forms(NamedTuple):
    """How the cells of a text table are written.

    Attributes:
        time: of the event time.
        values: column to the form of its numbers; plain numbers where it has none.
        targets: narrow: family of units to the one into which its numbers are converted.
    """

    time: TimeForm = TimeForm()
    values: Mapping[str, NumberForm] = MappingProxyType({})
    targets: Mapping[str, str] = MappingProxyType({})


class Converted(NamedTuple):
    """The rows of a table, and its rejects.

    Attributes:
        rows: the readable samples; of a wide table row by row, in each the columns in order.
        rejects: rows of which something is lost, in their order; `record` is the row's position
            in the table, `lost` counts the filled cells of values (a row whose time or name
            cannot be used counts once at least). Of a wide table the elements are the lost
            cells, numbered as the columns that hold values.
        left_out: samples of which a label could not be used.
        unwatched: types of metrics that are unknown, and read as `custom`.
    """

    rows: Rows
    rejects: list[Reject]
    left_out: LeftOut = NOTHING_LEFT_OUT
    unwatched: tuple[Unwatched, ...] = ()


def rows_of(
    plan: Plan,
    table: pa.Table,
    number: NDArray[np.int64],
    forms: Forms = Forms(),  # noqa: B008
) -> Converted:
    """Convert a table.

    Args:
        plan: which column is what.
        table: n rows with at least the columns of `plan.needed`.
        number: int64 (n,), row numbers in the file; given times follow them.
        forms: how cells of text are written.
    """
    if not table.num_rows:
        return Converted(Rows.empty(), [])
    time, bad_time, why = times_of_rows(plan, table, number, forms.time)
    in_range = (time >= EARLIEST_US) & (time < LATEST_US)
    unknown = [i for i in np.flatnonzero(bad_time).tolist() if i not in why]
    for i, hint in zip(unknown, time_hints(table, plan, unknown, forms.time), strict=True):
        why[i] = f"is none of the forms that are known{hint}"
    faults = {
        i: f"timestamp {_stamp(table, plan, i)} "
        + (why[i] if bad_time[i] else "is not in 2000 to 2199")
        for i in np.flatnonzero(bad_time | ~in_range).tolist()
    }
    if isinstance(plan.body, Narrow):
        return _narrow_rows(plan, plan.body, table, time, faults, forms)
    return _wide_rows(plan, plan.body, table, time, faults, forms)


def _stamp(table: pa.Table, plan: Plan, row: int) -> str:
    if isinstance(plan.time, GivenTimes):
        return "given by start and step"
    if len(plan.time_columns) == 1:
        return _cell(table, plan.time_columns[0], row)
    return shorten(" ".join(_cell(table, name, row) for name in plan.time_columns))


def _narrow_rows(
    plan: Plan,
    body: Narrow,
    table: pa.Table,
    time: NDArray[np.int64],
    faults: dict[int, str],
    forms: Forms,
) -> Converted:
    n = table.num_rows
    same = np.zeros(n, np.int64)
    split = _split(whole(table[body.value]), forms.values.get(body.value, NumberForm()))
    units = encode_names(table[body.unit]) if body.unit else ([""], same)
    if split.units:
        split, units = _cell_units(split, units, forms.targets, stated=body.unit is not None)
    series, code = combine_names(
        encode_names(table[plan.source]) if plan.source else ([plan.source_id], same),
        encode_names(table[body.metric]),
        units,
    )
    value = split.value
    unusable = {i: fault for i, one in enumerate(series) if (fault := name_fault(one))}
    reasons = {
        i: f"value {_cell(table, body.value, i)} is not a finite number"
        for i in np.flatnonzero(split.bad | np.isinf(value)).tolist()
    }
    named_badly = np.isin(code, np.fromiter(unusable, np.int32, len(unusable)))
    for i in np.flatnonzero(named_badly).tolist():
        reasons[i] = unusable[int(code[i])]
    reasons |= faults
    good = np.isfinite(value)
    nothing = ~good & ~split.bad & ~np.isinf(value)
    for i in np.flatnonzero(nothing).tolist() if reasons else ():
        reasons.pop(i, None)  # a row without a value is no sample, whatever else it holds
    if reasons:
        good[list(reasons)] = False
    labels = labels_of_rows(plan, table)
    left_out = labels.left_out(good) if labels else NOTHING_LEFT_OUT
    kinds = None
    unknown: tuple[Unwatched, ...] = ()
    if body.kind:
        stated = encode_names(table[body.kind])
        kinds, unknown = known_kinds(stated), unknown_kinds(stated, good)
    attributes = attribute_column(kinds, labels, (code, len(series))) if kinds or labels else None
    rows = Rows(series, code, time, value, attributes)
    if good.all():
        return Converted(rows, [], left_out, unknown)
    return Converted(rows.select(good), _of_rows(reasons), left_out, unknown)


def _cell_units(
    split: Split,
    units: tuple[list[str], NDArray[np.int64]],
    targets: Mapping[str, str],
    *,
    stated: bool,
) -> tuple[Split, tuple[list[str], NDArray[np.int64]]]:
    """Units that stand in the cells of a narrow table; beside a column of units they must agree."""
    if not stated:
        split, names = unit_names(split, targets)
        return split, (names, split.unit)
    bad = split.bad.copy()
    for i, unit in enumerate(split.units):
        other = np.array([bool(unit) and name != unit for name in units[0]])[units[1]]
        bad |= (split.unit == i) & other
    value = np.where(bad, np.nan, split.value)
    return Split(value, bad, split.units, split.unit), units


def _wide_rows(
    plan: Plan,
    body: Wide,
    table: pa.Table,
    time: NDArray[np.int64],
    faults: dict[int, str],
    forms: Forms,
) -> Converted:
    n, k = table.num_rows, len(body.columns)
    matrix = np.empty((n, k))
    cells: dict[int, list[tuple[int, str]]] = {}
    for j, name in enumerate(body.columns):
        form = forms.values.get(name, NumberForm())
        matrix[:, j], bad = _column(whole(table[name]), form)
        for i in np.flatnonzero(bad | np.isinf(matrix[:, j])).tolist():
            within = f" in {form.unit}" if form.unit else ""
            text = f"{name}: {_cell(table, name, i)} is not a finite number{within}"
            cells.setdefault(i, []).append((j, bounded(text)))
        matrix[bad, j] = np.nan
    if plan.source:
        source = encode_names(table[plan.source])
        unnamed = [i for i, name in enumerate(source[0]) if _fault_of("source_id", name)]
        for i in np.flatnonzero(np.isin(source[1], unnamed)).tolist():
            faults.setdefault(i, _fault_of("source_id", source[0][source[1][i]]))
    good = np.isfinite(matrix)
    lost = {i: int(good[i].sum()) + len(cells.get(i, ())) for i in faults}
    if faults:
        good[list(faults)] = False
    row, column, value = _samples(matrix, good)
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
    attributes, left_out = attributes_of_cells(plan, table, row, (code, len(series)))
    rows = Rows(series, code, time[row], value, attributes)
    of_cells = [numbered(i, named, len(named)) for i, named in cells.items() if i not in faults]
    of_rows = [
        one._replace(lost=max(1, lost[one.record])) for one in _of_rows(faults)
    ]  # with the row all that stands in it is lost
    return Converted(rows, sorted([*of_cells, *of_rows]), left_out)


def _samples(
    matrix: NDArray[np.float64], good: Mask
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Row, column and value of the chosen cells, row by row."""
    n, k = matrix.shape
    if good.all():
        return np.repeat(np.arange(n), k), np.tile(np.arange(k), n), matrix.ravel()
    row, column = np.nonzero(good)
    return row, column, matrix[row, column]


def _of_rows(faults: dict[int, str]) -> list[Reject]:
    return [Reject(i, bounded(reason)) for i, reason in sorted(faults.items())]


def _fault_of(field: str, text: str) -> str:
    if not text and field != "unit":
        return f"{field} is empty"
    if len(text) > MAX_NAME_LENGTH:
        return f"{field} has {len(text)} characters, at most {MAX_NAME_LENGTH} are allowed"
    return ""


def _cell(table: pa.Table, column: str, row: int) -> str:
    scalar = table[column][row]
    try:
        return shorten(python_value(scalar))
    except (ValueError, OverflowError, pa.ArrowException):  # Python has no form for it
        return f"{getattr(scalar, 'value', '?')} ({scalar.type})"


def is_number(kind: pa.DataType) -> bool:
    """Whether a typed column holds numbers."""
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def numbers(column: pa.Array) -> tuple[NDArray[np.float64], Mask]:
    """A column as float64 (n,), NaN where empty, and a mask of cells that are no number."""
    return _column(column, NumberForm())


def _column(column: pa.Array, form: NumberForm) -> tuple[NDArray[np.float64], Mask]:
    if pa.types.is_dictionary(column.type):
        return of_dictionary(column, lambda words: _column(words, form))
    split = _split(column, form)
    return scaled(split, form) if split.units or form.unit else (split.value, split.bad)


def _split(column: pa.Array, form: NumberForm) -> Split:
    """Numbers of a column of any type; at once where cells are plain numbers."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if form.plain or not is_text(column.type):
        try:
            value = floats(column)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            column = column.cast(pa.string())
        else:
            return Split(value, np.zeros(len(column), bool), [], np.empty(0, np.int64))
    return split_numbers(column, form)
