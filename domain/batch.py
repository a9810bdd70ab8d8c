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
    "Steps",
    "decode_keyed_batch",
    "decode_kept",
    "decode_rows",
    "encode_keyed_batch",
    "encode_kept",
]

_VERSION = 6
_BEFORE = 5  # had no steps, and is read


class Steps(NamedTuple):
    """Times of rows as what lies between each and the one before.

    Attributes:
        unit: of them, microseconds.
        between: int8, int16 or int32 (n,), the first is 0.
    """

    unit: int
    between: NDArray[Any]


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
    Where there is a `unit`, `since` is the first time, and `time` holds 1, 2 or 4 bytes a row: how
    many units it is after the row before.
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
    unit: int = 0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Columns)
_decode_series = msgspec.msgpack.Decoder(tuple[Series, ...]).decode
_SHORT = 1 << 18  # bytes of a table of names that is remembered; longer ones are read each time


def encode_keyed_batch(keyed: KeyedBatch) -> bytes:
    """A keyed batch as versioned bytes: MessagePack around raw little-endian columns."""
    return _encode(keyed, [])


def _encode(
    keyed: KeyedBatch,
    offset_ranges: list[OffsetRange],
    *,
    by_series: bool = False,
    steps: Steps | None = None,
) -> bytes:
    rows = keyed.rows
    counted = by_series and 2 * len(rows.series) <= len(rows)
    since, time = _times(rows.time) if steps is None else (int(rows.time[0]), _raw_steps(steps))
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
            time,
            _raw(rows.value, "<f8"),
            offset_ranges,
            *(([], memoryview(b""), True) if known is None else _written(known)),
            counted,
            0 if steps is None else steps.unit,
        )
    )


def _times(time: NDArray[np.int64]) -> tuple[int, memoryview]:
    """Times as narrow as they are near, and since when they count."""
    if not len(time):
        return 0, memoryview(b"")
    since = int(time.min())
    if int(time.max()) - since < 1 << 32:
        return since, _raw(time - since, "<u4")
    return since, _raw(time, "<i8")


def _raw_steps(steps: Steps) -> memoryview:
    return _raw(steps.between, f"<i{steps.between.itemsize}")


def decode_keyed_batch(data: bytes | memoryview) -> KeyedBatch:
    """Read what `encode_keyed_batch` wrote.

    Raises:
        StateError: damaged bytes, or another version's.
    """
    return _decode(data)[0]


def _decode(data: bytes | memoryview) -> tuple[KeyedBatch, list[OffsetRange]]:
    try:
        columns = _decoder.decode(data)
        return _arrays(columns), columns.offset_ranges
    except (ValueError, OverflowError) as error:  # also of text that is none, and of odd lengths
        _check_version(_version_of(data))
        message = f"a batch of {len(data)} bytes is damaged: {error}"
        raise StateError(message) from error


def _arrays(columns: _Columns) -> KeyedBatch:
    _check_version(columns.version)
    short = len(columns.series) <= _SHORT
    series = _remembered(columns.series) if short else _decode_series(columns.series)
    value = np.frombuffer(columns.value, "<f8")
    code = _codes(columns, len(series), len(value))
    if columns.unit:
        time = _stepped(columns, len(value))
    elif len(columns.time) == 4 * len(value):
        time = np.frombuffer(columns.time, "<u4") + np.int64(columns.since)
    else:
        time = np.frombuffer(columns.time, "<i8")
    if not len(code) == len(time) == len(value):
        message = f"{len(value)} values have {len(code)} series and {len(time)} times"
        raise ValueError(message)
    rows = Rows(
        series,
        code.astype(np.int32, copy=False),
        time,
        value,
        _read(columns, len(series), len(value)) if columns.attributes else None,
    )
    return KeyedBatch(columns.partitions, tuple(columns.positions), rows)


@lru_cache(maxsize=64)
def _remembered(series: bytes) -> tuple[Series, ...]:
    return _decode_series(series)


def _version_of(data: bytes | memoryview) -> Any:
    """Of an array whatever else it holds: another version may have other fields."""
    try:
        found = msgspec.msgpack.decode(data)
    except (ValueError, RecursionError):
        return _VERSION
    first = found[0] if isinstance(found, list) and found else _VERSION
    return first if isinstance(first, int) else _VERSION


def _check_version(version: int) -> None:
    if version not in (_BEFORE, _VERSION):
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


def _stepped(columns: _Columns, rows: int) -> NDArray[np.int64]:
    """Times from what lies between them."""
    width = len(columns.time) // max(rows, 1)
    if width not in (1, 2, 4) or len(columns.time) != width * rows:
        message = f"a batch of {rows} rows is damaged: its times have {len(columns.time)} bytes"
        raise StateError(message)
    between = np.frombuffer(columns.time, f"<i{width}")
    return columns.since + columns.unit * between.cumsum(dtype=np.int64)


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
    if len(code) and not 0 <= int(code.min()) <= int(code.max()) < len(columns.attributes):
        message = f"attributes that are not among {len(columns.attributes)}"
        raise ValueError(message)
    return AttributeColumn(columns.attributes, code.astype(np.int32), columns.of_series)


def _narrow(different: int) -> str:
    """Type of a number below `different`."""
    return "u1" if different <= 1 << 8 else "<u2" if different <= 1 << 16 else "<i4"


def encode_kept(
    rows: Rows,
    offset_ranges: list[OffsetRange],
    *,
    by_series: bool = False,
    steps: Steps | None = None,
) -> bytes:
    """Rows of many keyed batches that wait in the state, and their offsets.

    Args:
        rows: as they came, or sorted.
        offset_ranges: where they came from.
        by_series: the rows stand series by series, in the order of their table.
        steps: their times, where that is smaller.
    """
    return _encode(KeyedBatch(0, (), rows), offset_ranges, by_series=by_series, steps=steps)


def decode_kept(data: bytes | memoryview) -> tuple[KeyedBatch, list[OffsetRange]]:
    """A keyed batch that waits in the state, or what `encode_kept` wrote.

    Raises:
        StateError: as `decode_keyed_batch` does.
    """
    return _decode(data)


def decode_rows(data: bytes | memoryview) -> Rows:
    """Only the rows of waiting data; raises as `decode_keyed_batch` does."""
    return decode_keyed_batch(data).rows


def _raw(column: NDArray[Any], dtype: str) -> memoryview:
    return np.ascontiguousarray(column, dtype).data
