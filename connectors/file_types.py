"""Typed columns: their names when nested, which hold numbers, and what the others hold.

A struct is read as its parts, `a.b`. Numbers of any width, decimals, booleans (0 and 1), durations
(seconds) and dictionaries of these are metrics by default. Times are metrics only where `metrics`
names them, as seconds. Lists, maps and bytes are none.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from padit.codecs.arrow_values import python_value
from padit.connectors.file_columns import is_number

__all__ = ["Leaf", "as_numbers", "flattened", "is_text", "leaves_of", "shown", "valid_text"]

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_SECONDS = 86_400


class Leaf(NamedTuple):
    """A column that is no struct.

    Attributes:
        name: with those of the structs around it, `a.b`.
        type: of its values.
    """

    name: str
    type: pa.DataType

    @property
    def plain(self) -> pa.DataType:
        """The type of the values, of a dictionary too."""
        return self.type.value_type if pa.types.is_dictionary(self.type) else self.type

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers without a doubt."""
        kind = self.plain
        return is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_duration(kind)

    @property
    def temporal(self) -> bool:
        """Whether it holds times, which make a metric only where one is asked for."""
        kind = self.plain
        return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind))

    @property
    def text(self) -> bool:
        """Whether it holds text, or bytes that may be text."""
        return is_text(self.plain)

    @property
    def held(self) -> str:
        """What it holds, for people."""
        kind = self.plain
        if self.temporal:
            return "times"
        if self.text:
            return "text"
        if pa.types.is_null(kind):
            return "nothing (it has no type)"
        if pa.types.is_map(kind):
            return "maps"
        if pa.types.is_nested(kind):
            return "lists"
        return f"{kind} values"


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text, or bytes of any length, which older writers use for text."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def leaves_of(schema: pa.Schema) -> list[Leaf]:
    """All columns that are no structs, in order."""
    return [leaf for field in schema for leaf in _leaves("", field)]


def _leaves(prefix: str, field: pa.Field) -> Iterator[Leaf]:
    name = prefix + field.name
    if pa.types.is_struct(field.type):
        for inner in field.type:
            yield from _leaves(f"{name}.", inner)
    else:
        yield Leaf(name, field.type)


def flattened(table: pa.Table) -> pa.Table:
    """A table whose structs are columns of their own; a part of an absent struct is empty."""
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    return table


def as_numbers(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """A column of booleans, durations or times as numbers; others as they are."""
    if pa.types.is_dictionary(column.type) and not is_text(kind):
        column = column.cast(kind)
    if pa.types.is_boolean(kind):
        return column.cast(pa.float64())
    if pa.types.is_date(kind):
        days = column.cast(pa.date32(), safe=False).cast(pa.int32()).cast(pa.float64())
        return pc.multiply(days, float(_DAY_SECONDS))
    if pa.types.is_duration(kind) or pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        whole = column.cast(pa.int32()) if pa.types.is_time32(kind) else column.cast(pa.int64())
        return pc.divide(whole.cast(pa.float64(), safe=False), float(_PER_SECOND[kind.unit]))
    return column


def valid_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text of any kind as strings; what is no UTF-8 becomes empty."""
    if isinstance(column, pa.ChunkedArray):
        return pa.chunked_array([_valid(chunk) for chunk in column.chunks], _text_type(column.type))
    return _valid(column)


def _text_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, pa.string())
    return pa.string()


def _valid(chunk: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(chunk.type):
        return pa.DictionaryArray.from_arrays(chunk.indices, _valid(chunk.dictionary))
    try:
        chunk.validate(full=True)
        return chunk.cast(pa.string())
    except pa.ArrowInvalid:
        raw = chunk.cast(pa.large_binary()) if not pa.types.is_binary(chunk.type) else chunk
        return pa.array([_decoded(one) for one in raw.to_pylist()], pa.string())


def _decoded(raw: bytes | None) -> str | None:
    try:
        return None if raw is None else raw.decode()
    except UnicodeDecodeError:
        return None


def shown(row: Mapping[str, pa.Scalar]) -> dict[str, Any]:
    """A row for people; a value that Python has no form for is shown as its number."""
    return {name: _shown(scalar) for name, scalar in row.items()}


def _shown(scalar: pa.Scalar) -> Any:
    try:
        value = python_value(scalar)
    except (ValueError, OverflowError, UnicodeDecodeError, pa.ArrowException):
        return f"{getattr(scalar, 'value', '?')} ({scalar.type})"
    return value if not isinstance(value, np.generic) else value.item()
