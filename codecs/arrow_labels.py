"""Attributes of the samples of an Arrow stream: its columns `metric_type` and `metadata`.

`metadata` is JSON text, plain or as a dictionary, or a struct; of either only the keys that a
configuration names are read. Each different text is read once, however many rows have it.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from padit.codecs.arrow_text import Names, encode_names
from padit.codecs.contract import NOTHING_LEFT_OUT, LeftOut
from padit.codecs.labels import label_fault, label_reader
from padit.domain.attributes import AttributeColumn, Attributes, Labels

__all__ = ["attributes_of"]

_METADATA = "metadata"


class _Read(NamedTuple):
    """Labels of n rows: different ones, int64 (n,) which, and why some were left out."""

    table: list[Labels]
    code: NDArray[np.int64]
    fault: list[str]
    faulty: NDArray[np.bool_]


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
    code, count = series
    kind, kind_code = kinds or (["custom"], np.zeros(len(code), np.int64))
    left_out = NOTHING_LEFT_OUT
    labels: list[Labels] = [()]
    if names and _METADATA in table.column_names:
        found = _labels(table[_METADATA], names)
        labels = found.table
        kind_code = kind_code * len(labels) + found.code
        if found.faulty.any():
            first = int(np.flatnonzero(found.faulty)[0])
            left_out = LeftOut(int(found.faulty.sum()), found.fault[first])
    if len(kind) == 1 and len(labels) == 1:
        known = (Attributes(kind[0], labels[0]),)
        return AttributeColumn.of(known, np.zeros(len(code), np.int32), code, count), left_out
    pairs, kind_code = np.unique(kind_code, return_inverse=True)
    width = len(labels)
    both = [Attributes(kind[one // width], labels[one % width]) for one in pairs.tolist()]
    return AttributeColumn.of(both, kind_code, code, count), left_out


def _labels(column: pa.ChunkedArray, names: tuple[str, ...]) -> _Read:
    if pa.types.is_struct(column.type):
        return _of_struct(column, names)
    return _of_text(column, names)


def _of_text(column: pa.ChunkedArray, names: tuple[str, ...]) -> _Read:
    texts, code = encode_names(column)
    reader = label_reader(names)
    table: dict[Labels, int] = {}
    number, faults = [], []
    for text in texts:
        labels, fault = reader.read(text.strip().encode())
        number.append(table.setdefault(labels, len(table)))
        faults.append(fault)
    faulty = np.array([bool(one) for one in faults])[code]
    reasons = [faults[i] for i in code.tolist()] if faulty.any() else []
    return _Read(list(table), np.array(number, np.int64)[code], reasons, faulty)


def _of_struct(column: pa.ChunkedArray, names: tuple[str, ...]) -> _Read:
    rows = len(column)
    table: list[Labels] = [()]
    code = np.zeros(rows, np.int64)
    faulty, reasons = np.zeros(rows, bool), [""] * rows
    present = [column.type.field(i).name for i in range(column.type.num_fields)]
    for name in names:
        if present.count(name) != 1:
            continue
        words, word = _texts(name, pc.struct_field(column, present.index(name)))
        for bad in [i for i, (_, fault) in enumerate(words) if fault]:
            for row in np.flatnonzero((word == bad) & ~faulty).tolist():
                reasons[row] = words[bad][1]
            faulty |= word == bad
        pairs, code = np.unique(code * len(words) + word, return_inverse=True)
        table = [
            table[one // len(words)]
            + (((name, words[one % len(words)][0]),) if words[one % len(words)][0] else ())
            for one in pairs.tolist()
        ]
    return _Read(table, code, reasons, faulty)


def _texts(name: str, values: pa.ChunkedArray) -> tuple[list[tuple[str, str]], NDArray[np.int64]]:
    """A field of a struct as (text, why it cannot be used), and which of them each row has."""
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
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


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
