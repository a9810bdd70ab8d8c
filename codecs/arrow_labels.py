"""Attributes of the samples of an Arrow table: of `metric_type`, `metadata`, columns of labels.

`metadata` is JSON text, plain or as a dictionary, or a struct; of either only the keys that a
configuration names are read. Each different text is read once, however many rows have it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.codecs.arrow_text import Names, encode_names
from padit.codecs.contract import NOTHING_LEFT_OUT, LeftOut
from padit.codecs.forgiving import known_kind, unwatched_kinds
from padit.codecs.labels import label_fault, label_reader
from padit.domain.attributes import AttributeColumn, Attributes, Labels
from padit.domain.findings import Unwatched
from padit.domain.metric import METRIC_TYPES

__all__ = [
    "RowLabels",
    "attribute_column",
    "attributes_of",
    "known_kinds",
    "labels_of",
    "unknown_kinds",
]

_METADATA = "metadata"
_CUSTOM = Attributes().metric_type


class RowLabels(NamedTuple):
    """Labels of n rows.

    Attributes:
        table: different ones, each once.
        code: int64 (n,), index into `table`.
        fault: why some of a row's were left out; empty if no row has such.
        faulty: (n,), whether some were.
    """

    table: list[Labels]
    code: NDArray[np.int64]
    fault: list[str]
    faulty: NDArray[np.bool_]

    def take(self, rows: NDArray[np.int64]) -> "RowLabels":
        """Those of the chosen rows; a row may be chosen several times."""
        faulty = self.faulty[rows]
        fault = [self.fault[i] for i in rows.tolist()] if faulty.any() else []
        return RowLabels(self.table, self.code[rows], fault, faulty)

    def left_out(self, good: NDArray[np.bool_]) -> LeftOut:
        """What is left out of the rows that are used."""
        chosen = np.flatnonzero(self.faulty & good)
        return LeftOut(len(chosen), self.fault[chosen[0]]) if len(chosen) else NOTHING_LEFT_OUT


def attributes_of(
    table: pa.Table,
    kinds: Names | None,
    names: tuple[str, ...],
    series: tuple[NDArray[np.int32], int],
) -> tuple[AttributeColumn | None, LeftOut]:
    """Attributes of the rows of a table.

    Args:
        table: n rows.
        kinds: metric_type of each; None: none is stated.
        names: keys of the metadata that become labels.
        series: int32 (n,), the series of each row, and how many series there are.
    """
    if not names or _METADATA not in table.column_names:
        return attribute_column(kinds, None, series), NOTHING_LEFT_OUT
    found = _of_metadata(table[_METADATA], names)
    return attribute_column(kinds, found, series), found.left_out(np.ones(len(found.code), bool))


def attribute_column(
    kinds: Names | None, labels: RowLabels | None, series: tuple[NDArray[np.int32], int]
) -> AttributeColumn | None:
    """Attributes of rows from their types and labels; None if nothing is stated.

    Args:
        kinds: metric_type of each row; None: none is stated.
        labels: of each row; None: it has none.
        series: int32 (n,), the series of each row, and how many series there are.
    """
    code, count = series
    kind, kind_code = kinds or ([_CUSTOM], np.zeros(len(code), np.int64))
    several: list[Labels] = [()]
    if labels is not None:
        several = labels.table
        kind_code = kind_code * len(several) + labels.code
    if len(kind) == 1 and len(several) == 1:
        known = (Attributes(kind[0], several[0]),)
        return AttributeColumn.of(known, np.zeros(len(code), np.int32), code, count)
    pairs, kind_code = np.unique(kind_code, return_inverse=True)
    width = len(several)
    both = [Attributes(kind[one // width], several[one % width]) for one in pairs.tolist()]
    return AttributeColumn.of(both, kind_code, code, count)


def known_kinds(names: Names) -> Names:
    """Metric types, each once; absent and unknown ones are `custom`."""
    table: dict[str, int] = {}
    kinds = [known_kind(name or None) for name in names[0]]
    position = [table.setdefault(kind, len(table)) for kind in kinds]
    return list(table), np.array(position, np.int64)[names[1]]


def unknown_kinds(
    names: Names, good: NDArray[np.bool_], unit: str = "cells"
) -> tuple[Unwatched, ...]:
    """The good rows whose metric type is stated and unknown, by type; those beyond 50 as one."""
    unknown = [i for i, name in enumerate(names[0]) if name and name not in METRIC_TYPES]
    if not unknown:
        return ()
    counts = np.bincount(names[1][good], minlength=len(names[0]))
    kinds = {names[0][i]: int(counts[i]) for i in unknown if counts[i]}
    return unwatched_kinds(kinds, unit)


def labels_of(
    table: pa.Table, columns: Sequence[tuple[str, str]], names: tuple[str, ...] = ()
) -> RowLabels:
    """Labels of the rows of a table.

    Args:
        table: n rows.
        columns: label and the column that holds it.
        names: keys of the column `metadata` that become labels, others than these.
    """
    found = _nothing(table.num_rows)
    for name, column in columns:
        found = _joined(found, _of_column(name, table[column]))
    return _joined(found, _of_metadata(table[_METADATA], names)) if names else found


def _nothing(rows: int) -> RowLabels:
    return RowLabels([()], np.zeros(rows, np.int64), [], np.zeros(rows, bool))


def _joined(one: RowLabels, other: RowLabels) -> RowLabels:
    """Labels of both, which have different names."""
    width = len(other.table)
    pairs, code = np.unique(one.code * width + other.code, return_inverse=True)
    table = [
        tuple(sorted(one.table[pair // width] + other.table[pair % width]))
        for pair in pairs.tolist()
    ]
    if not other.faulty.any():
        return RowLabels(table, code, one.fault, one.faulty)
    if not one.faulty.any():
        return RowLabels(table, code, other.fault, other.faulty)
    fault = [first or second for first, second in zip(one.fault, other.fault, strict=True)]
    return RowLabels(table, code, fault, one.faulty | other.faulty)


def _of_metadata(column: pa.ChunkedArray, names: tuple[str, ...]) -> RowLabels:
    if not pa.types.is_struct(column.type):
        return _of_text(column, names)
    found = _nothing(len(column))
    present = [column.type.field(i).name for i in range(column.type.num_fields)]
    for name in names:
        if present.count(name) == 1:
            inner = pc.struct_field(column, present.index(name))
            found = _joined(found, _of_column(name, inner))
    return found


def _of_text(column: pa.ChunkedArray, names: tuple[str, ...]) -> RowLabels:
    texts, code = encode_names(column)
    reader = label_reader(names)
    return _encoded([reader.read(text.strip().encode()) for text in texts], code)


def _of_column(name: str, values: pa.ChunkedArray) -> RowLabels:
    texts, code = _texts(name, values)
    return _encoded([(((name, text),) if text else (), fault) for text, fault in texts], code)


def _encoded(found: list[tuple[Labels, str]], code: NDArray[np.int64]) -> RowLabels:
    """Labels and faults of distinct texts, given to the rows that have them."""
    table: dict[Labels, int] = {}
    number = [table.setdefault(labels, len(table)) for labels, _ in found]
    faulty = np.array([bool(fault) for _, fault in found], bool)[code]
    reasons = [found[i][1] for i in code.tolist()] if faulty.any() else []
    return RowLabels(list(table), np.array(number, np.int64)[code], reasons, faulty)


def _texts(name: str, values: pa.ChunkedArray) -> tuple[list[tuple[str, str]], NDArray[np.int64]]:
    """A column as (text, why it cannot be used), and which of them each row has."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        values = values if _is_text(kind) else values.cast(kind)
    if _is_plain(kind):
        values = values.cast(pa.string())
    elif not _is_text(kind):
        fault = (
            f"label {name} is of the type {str(kind)[:80]}, it must be text, a number or a boolean"
        )
        return [("", ""), ("", fault)], np.asarray(pc.is_valid(values)).astype(np.int64)
    texts, code = encode_names(values)
    faults = [label_fault(name, text) for text in texts]
    return [
        ("", fault) if fault else (text, "") for text, fault in zip(texts, faults, strict=True)
    ], code


def _is_plain(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
