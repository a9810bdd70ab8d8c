"""Records of an archive again: from the rows of a table to what a broker's log gave."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.codecs.archive_fill import Numbers, Pieces, Texts, fill, room_for
from padit.codecs.archive_forms import (
    SHORTEST_TEXT,
    TENS,
    TIME_MARK,
    UNIT,
    VALUE_MARK,
)
from padit.codecs.archive_split import words_of
from padit.codecs.json_scan import PADDING
from padit.codecs.record_batches import BatchHeader, Walked
from padit.codecs.values import JoinedValues
from padit.domain.errors import WireFormatError
from padit.ops.compiled import warm_up

__all__ = ["COLUMNS", "records_of", "with_keys"]

COLUMNS = (
    "offset", "timestamp", "element", "time", "value", "form", "time_style", "value_style",
    "time_exact", "raw", "headers", "damage", "damage_last", "damage_records",
)  # fmt: skip
"""Columns that the job needs of a record; with "key" its key is given, too."""

Ints = NDArray[np.int64]

_COMMA = ord(",")
_UNITS = (6, 3, 0)  # powers of ten above microseconds; their times have no more digits behind
_STYLES = np.zeros(128, bool)
for _number, _power in enumerate(_UNITS):
    _STYLES[UNIT * _number : UNIT * _number + _power + 1] = True
_STYLES[SHORTEST_TEXT] = True
_VALUE_STYLES = np.zeros(128, bool)
_VALUE_STYLES[: len(TENS)] = True
_VALUE_STYLES[SHORTEST_TEXT] = True


def records_of(
    tables: Sequence[pa.Table], following: int, at_once: int = 10_000
) -> Iterator[Walked | BatchHeader]:
    """The records of some tables of one partition, in the order of their offsets.

    Args:
        tables: with `COLUMNS`; together all rows of a range of offsets.
        following: offset behind the range.
        at_once: the most records that are written again together.

    Raises:
        WireFormatError: a table does not hold what an archive writes.
    """
    table = pa.concat_tables(tables) if len(tables) > 1 else tables[0]
    table = _in_order(table.combine_chunks())
    columns = _columns(table)
    damaged: list[int] = []
    if table["damage"].null_count < len(table):
        damaged = np.flatnonzero(_mask(table["damage"])).tolist()
    first = 0
    for end in [*damaged, len(table)]:
        for begin in range(first, end, at_once):
            yield _walked(columns, slice(begin, min(begin + at_once, end)), following)
        if end < len(table):
            yield _batch(table, end)
        first = end + 1


def with_keys(table: pa.Table) -> pa.Table:
    """A table with the column of keys, which the first version of the archive did not write."""
    if "key" in table.column_names:
        return table
    return table.append_column("key", pa.nulls(len(table), pa.binary()))


class _Columns(NamedTuple):
    """Columns of a table: numbers as in `archive_forms.Split`, texts as they lie."""

    offset: Ints
    stamp: Ints
    form: NDArray[np.int32]
    pieces: Pieces
    time: Ints
    time_style: NDArray[np.int8]
    exact: NDArray[np.float64]
    value: NDArray[np.float64]
    value_style: NDArray[np.int8]
    raw: Texts
    headers: Texts
    keys: Texts | None


def _columns(table: pa.Table) -> _Columns:
    """Check a table. Raises WireFormatError if it is none of an archive."""
    form, pieces = _forms(table["form"])
    raw = _texts(table["raw"])
    if ((form >= 0) & (raw.length >= 0)).any():
        message = "a row of the archive has a form and stands whole, too"
        raise WireFormatError(message)
    value = _numbers(table["value"], np.float64)
    time_style = _numbers(table["time_style"], np.int8)
    value_style = _numbers(table["value_style"], np.int8)
    keys = _texts(table["key"]) if "key" in table.schema.names else None
    good = (time_style >= 0) & (value_style >= 0) & np.isfinite(value)
    good &= _STYLES[np.maximum(time_style, 0)] & _VALUE_STYLES[np.maximum(value_style, 0)]
    if not good[form >= 0].all():
        message = "a number of the archive is written in no known style"
        raise WireFormatError(message)
    return _Columns(
        _numbers(table["offset"], np.int64),
        _numbers(table["timestamp"].cast(pa.int64()), np.int64, -1),
        form, pieces,
        _numbers(table["time"].cast(pa.int64()), np.int64), time_style,
        _numbers(table["time_exact"], np.float64), value, value_style,
        raw, _texts(table["headers"]), keys,
    )  # fmt: skip


def _in_order(table: pa.Table) -> pa.Table:
    """The first row of each record, by offset."""
    element = _numbers(table["element"], np.int32)
    if element.any():
        table = table.filter(pa.array(element == 0)).combine_chunks()
    offset = _numbers(table["offset"], np.int64)
    gaps = np.diff(offset)
    if len(gaps) and gaps.min() < 0:
        order = np.argsort(offset, kind="stable")
        gaps = np.diff(offset[order])
        table = table.take(pa.array(order)).combine_chunks()
    if len(gaps) and gaps.min() == 0:
        message = "an offset stands twice in the archive"
        raise WireFormatError(message)
    return table


def _batch(table: pa.Table, row: int) -> BatchHeader:
    names = ("damage", "damage_last", "damage_records")
    one = {name: table[name][row].as_py() for name in names}
    offset, body = table["offset"][row].as_py(), table["raw"][row].as_py() or b""
    last, records = one["damage_last"], one["damage_records"]
    if last is None or records is None:
        message = f"offset {offset} of the archive names no end of its damage"
        raise WireFormatError(message)
    return BatchHeader(offset, last, -1, -1, 0, -1, records, memoryview(body), damage=one["damage"])


def _walked(columns: _Columns, part: slice, following: int) -> Walked:
    """Some rows as records again."""
    form = columns.form[part]
    formed = form >= 0
    raw = _part(columns.raw, part)
    value, value_style = columns.value[part], columns.value_style[part]
    time_style = columns.time_style[part]
    numbers = Numbers(
        columns.time[part], time_style, value, value_style,
        _shortest(columns.exact[part], formed & (time_style == SHORTEST_TEXT)),
        _shortest(value, formed & (value_style == SHORTEST_TEXT)),
    )  # fmt: skip
    text = np.empty(room_for(columns.pieces, form, raw) + PADDING, np.uint8)
    start, length = np.empty(len(form), np.int64), np.empty(len(form), np.int64)
    end = fill(columns.pieces, form, numbers, raw, text, words_of(text), start, length)
    text[end : end + PADDING] = 0
    headers = _part(columns.headers, part)  # a record without any has no byte
    return Walked(
        JoinedValues(text[: end + PADDING], start, length),
        columns.offset[part],
        columns.stamp[part],
        following,
        JoinedValues(headers.text, headers.start, np.maximum(headers.length, 0)),
        None if columns.keys is None else JoinedValues(*_part(columns.keys, part)),
    )


def _part(texts: Texts, part: slice) -> Texts:
    return Texts(texts.text, texts.start[part], texts.length[part])


def _shortest(numbers: NDArray[np.float64], chosen: NDArray[np.bool_]) -> Texts:
    """The shortest texts of the chosen numbers."""
    start, length = np.zeros(len(numbers), np.int64), np.full(len(numbers), -1, np.int64)
    if not chosen.any():
        return Texts(np.zeros(1, np.uint8), start, length)
    text = np.frombuffer(msgspec.json.encode(numbers[chosen].tolist()), np.uint8)
    ends = np.append(np.flatnonzero(text == _COMMA), len(text) - 1)  # behind [ and before , or ]
    begins = np.append(1, ends[:-1] + 1)
    start[chosen], length[chosen] = begins, ends - begins
    return Texts(text, start, length)


def _forms(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], Pieces]:
    """Numbers of the forms, and their pieces."""
    array = _one(column)
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    code = _numbers(array.indices.cast(pa.int32()), np.int32, -1)
    texts = [(one or "").encode() for one in array.dictionary.to_pylist()]
    used = np.unique(code[code >= 0]).tolist()
    marks = bytes([TIME_MARK]), bytes([VALUE_MARK])
    if any(texts[n].count(mark) != 1 for n in used for mark in marks):
        message = "a form of the archive has not one place for its time and one for its value"
        raise WireFormatError(message)
    at, first, put = np.zeros((len(texts), 4), np.int64), np.zeros(len(texts), bool), 0
    for n, one in enumerate(texts):
        time, value = one.find(marks[0]), one.find(marks[1])
        first[n] = time < value
        at[n] = put, put + min(time, value), put + max(time, value), put + len(one)
        put += len(one)
    text = np.frombuffer(b"".join([*texts, bytes(16)]), np.uint8)
    return code, Pieces(words_of(text), at, first)


def _texts(column: pa.ChunkedArray) -> Texts:
    """Texts of a binary column."""
    array = _one(column)
    count = len(array)
    if array.null_count == count:
        nothing = np.zeros(1, np.uint8)
        return Texts(nothing, np.zeros(count, np.int64), np.full(count, -1, np.int64))
    array = array.cast(pa.large_binary())
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64, count + 1, array.offset * 8)
    length = np.diff(ends)
    length[~_mask(array)] = -1
    text = (
        np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    )
    return Texts(text, ends[:-1].astype(np.int64), length)


def _one(column: Any) -> pa.Array:
    """A column as one array."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _mask(column: Any) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = _one(column).is_valid().to_numpy(zero_copy_only=False)
    return found


def _numbers(column: Any, kind: Any, default: int = 0) -> NDArray[Any]:
    array = _one(column)
    if array.null_count:
        array = array.fill_null(default)
    found: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(found, kind)


@warm_up
def archive_records() -> None:
    """Records written again, as a replay from an archive does it."""
    from padit.codecs.archive_split import FormReader
    from padit.codecs.archive_table import SliceBuilder

    text = b'{"timestamp":946684801,"source_id":"a","metric_name":"b","value":2}'
    values = JoinedValues(np.frombuffer(text + b"\n" + bytes(PADDING), np.uint8).copy(),
                          np.zeros(1, np.int64), np.full(1, len(text), np.int64))  # fmt: skip
    one = np.zeros(1, np.int64)
    builder = SliceBuilder(0, FormReader())
    builder.add(Walked(values, one, one, 1))
    list(records_of([builder.table()], 1))
