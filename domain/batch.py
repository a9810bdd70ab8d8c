"""Batches: the unit in which samples and progress travel together.

A reader makes `Batch`s; keying cuts each into one `KeyedBatch` per key group. Every group gets a
keyed batch of every batch, with or without rows, because the watermarks in it move time forward.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.attributes import AttributeColumn, Attributes, saved
from padit.domain.errors import FRESH_START, StateError
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import Position

__all__ = [
    "Batch",
    "KeyedBatch",
    "OffsetRange",
    "decode_keyed_batch",
    "decode_kept",
    "decode_rows",
    "encode_keyed_batch",
    "encode_kept",
]

_VERSION = 5


@dataclass(frozen=True, slots=True)
class Batch:
    """The result of one read.

    Attributes:
        partitions: number of partitions the job reads, as far as this reader knows.
        positions: offsets that the batch covers, and the watermarks after it.
        rows: the samples that are in time.
    """

    partitions: int
    positions: tuple[Position, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class KeyedBatch:
    """The part of a batch that belongs to one key group; fields as in `Batch`."""

    partitions: int
    positions: tuple[Position, ...]
    rows: Rows


class OffsetRange(NamedTuple):
    """Offsets of one partition behind a set of rows: those that their batches cover.

    Attributes:
        partition: number of the partition, from 0.
        start: offset at which the job began to read this partition.
        first: first offset the batches cover.
        following: offset after the last one they cover.
        oldest, newest: event times of the rows, microseconds.
    """

    partition: int
    start: int
    first: int
    following: int
    oldest: int
    newest: int


class _Columns(msgspec.Struct, array_like=True):
    """Raw little-endian columns, as narrow as their values allow.

    `code` has 2 bytes a row where the series are few enough, else 4; `time` has 4 bytes after
    `since` where the rows lie within 71 minutes, else 8. Waiting rows are most of a series'
    state and are copied twice: 14 instead of 20 bytes. `attribute` is as narrow: a number for each
    series if `of_series`, else for each row; empty without attributes. `series` is a MessagePack
    array of its own, so that a table of names that comes again and again is read once. Where
    `counted`, the rows stand series by series, and `code` holds 4 bytes for each series: how many.
    """

    version: int
    partitions: int
    positions: list[Position]
    series: bytes
    code: memoryview
    since: int
    time: memoryview
    value: memoryview
    offset_ranges: list[OffsetRange] = []
    attributes: list[Attributes] = []
    attribute: memoryview = memoryview(b"")
    of_series: bool = True
    counted: bool = False


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Columns)
_decode_series = msgspec.msgpack.Decoder(tuple[Series, ...]).decode
_SHORT = 1 << 18  # bytes of a table of names that is remembered; longer ones are read each time


def encode_keyed_batch(keyed: KeyedBatch) -> bytes:
    """A keyed batch as versioned bytes: MessagePack around raw little-endian columns."""
    return _encode(keyed, [])


def _encode(
    keyed: KeyedBatch, offset_ranges: list[OffsetRange], *, by_series: bool = False
) -> bytes:
    rows = keyed.rows
    counted = by_series and 2 * len(rows.series) <= len(rows)
    since = int(rows.time.min()) if len(rows) else 0
    near = len(rows) and int(rows.time.max()) - since < 1 << 32
    known = rows.attributes.compact() if rows.attributes is not None and len(rows) else None
    return _encoder.encode(
        _Columns(
            _VERSION,
            keyed.partitions,
            list(keyed.positions),
            _encoder.encode(rows.series),
            _raw(np.bincount(rows.code, minlength=len(rows.series)), "<u4")
            if counted
            else _raw(rows.code, "<u2" if len(rows.series) <= 1 << 16 else "<i4"),
            since,
            _raw(rows.time - since, "<u4") if near else _raw(rows.time, "<i8"),
            _raw(rows.value, "<f8"),
            offset_ranges,
            *(([], memoryview(b""), True) if known is None else _written(known)),
            counted,
        )
    )


def decode_keyed_batch(data: bytes | memoryview) -> KeyedBatch:
    """Read what `encode_keyed_batch` wrote.

    Raises:
        StateError: damaged bytes, or another version's.
    """
    return _decode(data)[0]


def _decode(data: bytes | memoryview) -> tuple[KeyedBatch, list[OffsetRange]]:
    try:
        columns = _decoder.decode(data)
        short = len(columns.series) <= _SHORT
        series = _remembered(columns.series) if short else _decode_series(columns.series)
    except msgspec.DecodeError as error:
        _check_version(_version_of(data))
        message = f"a batch of {len(data)} bytes is damaged: {error}"
        raise StateError(message) from error
    _check_version(columns.version)
    value = np.frombuffer(columns.value, "<f8")
    code = _codes(columns, len(series), len(value))
    if len(columns.time) == 4 * len(value):
        time = np.frombuffer(columns.time, "<u4") + np.int64(columns.since)
    else:
        time = np.frombuffer(columns.time, "<i8")
    rows = Rows(
        series,
        code.astype(np.int32, copy=False),
        time,
        value,
        _read(columns, len(series), len(value)) if columns.attributes else None,
    )
    return KeyedBatch(columns.partitions, tuple(columns.positions), rows), columns.offset_ranges


@lru_cache(maxsize=64)
def _remembered(series: bytes) -> tuple[Series, ...]:
    return _decode_series(series)


def _version_of(data: bytes | memoryview) -> Any:
    """Of an array whatever else it holds: another version may have other fields."""
    try:
        found = msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, ValueError):
        return _VERSION
    first = found[0] if isinstance(found, list) and found else _VERSION
    return first if isinstance(first, int) else _VERSION


def _check_version(version: int) -> None:
    if version != _VERSION:
        message = f"a batch has version {version}, this code reads {_VERSION}: {FRESH_START}"
        raise StateError(message)


def _codes(columns: _Columns, series: int, rows: int) -> NDArray[Any]:
    """The series of each row."""
    if not columns.counted:
        return np.frombuffer(columns.code, "<u2" if len(columns.code) == 2 * rows else "<i4")
    count = np.frombuffer(columns.code, "<u4") if len(columns.code) == 4 * series else None
    if count is None or int(count.sum(dtype=np.int64)) != rows:
        message = f"a batch of {rows} rows is damaged: its {series} series have other counts"
        raise StateError(message)
    return np.repeat(np.arange(series, dtype=np.int32), count)


def _written(known: AttributeColumn) -> tuple[list[Any], memoryview, bool]:
    """Attributes as the last three fields of `_Columns`."""
    table = list(map(saved, known.table))
    return table, _raw(known.code, _narrow(len(table))), known.of_series


def _read(columns: _Columns, series: int, rows: int) -> AttributeColumn:
    """What `_written` wrote."""
    code = np.frombuffer(columns.attribute, _narrow(len(columns.attributes)))
    if len(code) != (series if columns.of_series else rows):
        message = f"a batch of {rows} rows is damaged: it has {len(code)} attributes"
        raise StateError(message)
    return AttributeColumn(columns.attributes, code.astype(np.int32), columns.of_series)


def _narrow(different: int) -> str:
    """Type of a number below `different`."""
    return "u1" if different <= 1 << 8 else "<u2" if different <= 1 << 16 else "<i4"


def encode_kept(rows: Rows, offset_ranges: list[OffsetRange], *, by_series: bool = False) -> bytes:
    """Rows of many keyed batches that wait in the state, and their offsets.

    Args:
        rows: as they came, or sorted.
        offset_ranges: where they came from.
        by_series: the rows stand series by series, in the order of their table.
    """
    return _encode(KeyedBatch(0, (), rows), offset_ranges, by_series=by_series)


def decode_kept(data: bytes | memoryview) -> tuple[KeyedBatch, list[OffsetRange]]:
    """A keyed batch that waits in the state, or what `encode_kept` wrote.

    Raises:
        StateError: as `decode_keyed_batch` does.
    """
    return _decode(data)


def decode_rows(data: bytes | memoryview) -> Rows:
    """Only the rows of waiting data; raises as `decode_keyed_batch` does."""
    return decode_keyed_batch(data).rows


def _raw(
    column: NDArray[np.int32] | NDArray[np.int64] | NDArray[np.float64], dtype: str
) -> memoryview:
    return np.ascontiguousarray(column, dtype).view(np.uint8).data
