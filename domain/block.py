"""Blocks: the unit in which samples and progress travel together.

A reader makes `Block`s; keying cuts each into one `Fragment` per key group. Every group gets a
fragment of every block, with or without rows, because the marks in it move time forward.
"""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.errors import StateError
from domain.marks import Position
from domain.metric import Series
from domain.rows import Rows

__all__ = [
    "Block",
    "Fragment",
    "Trace",
    "decode_fragment",
    "decode_kept",
    "decode_rows",
    "encode_fragment",
    "encode_kept",
]

_VERSION = 3


@dataclass(frozen=True, slots=True)
class Block:
    """What a reader read in one go.

    Attributes:
        partitions: how many partitions the job reads, as far as this reader knows.
        positions: what the block covers, and the marks behind it.
        rows: the samples that are in time.
    """

    partitions: int
    positions: tuple[Position, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class Fragment:
    """The part of a block that belongs to one key group; fields as in `Block`."""

    partitions: int
    positions: tuple[Position, ...]
    rows: Rows


class Trace(NamedTuple):
    """Where rows came from: what the blocks that brought them cover of one partition.

    Attributes:
        partition: number of the partition, from 0.
        start: offset at which the job began to read this partition.
        first: first offset the blocks cover.
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
    state and travel twice: 14 instead of 20 bytes.
    """

    version: int
    partitions: int
    positions: list[Position]
    series: list[Series]
    code: memoryview
    since: int
    time: memoryview
    value: memoryview
    traces: list[Trace] = []


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Columns)


def encode_fragment(fragment: Fragment) -> bytes:
    """A fragment as versioned bytes: MessagePack around raw little-endian columns."""
    return _encode(fragment, [])


def _encode(fragment: Fragment, traces: list[Trace]) -> bytes:
    rows = fragment.rows
    since = int(rows.time.min()) if len(rows) else 0
    near = len(rows) and int(rows.time.max()) - since < 1 << 32
    return _encoder.encode(
        _Columns(
            _VERSION,
            fragment.partitions,
            list(fragment.positions),
            list(rows.series),
            _raw(rows.code, "<u2" if len(rows.series) <= 1 << 16 else "<i4"),
            since,
            _raw(rows.time - since, "<u4") if near else _raw(rows.time, "<i8"),
            _raw(rows.value, "<f8"),
            traces,
        )
    )


def decode_fragment(data: bytes | memoryview) -> Fragment:
    """Read what `encode_fragment` wrote.

    Raises:
        StateError: damaged bytes, or another version's.
    """
    return _decode(data)[0]


def _decode(data: bytes | memoryview) -> tuple[Fragment, list[Trace]]:
    try:
        columns = _decoder.decode(data)
    except msgspec.DecodeError as error:
        message = f"a block of {len(data)} bytes is damaged: {error}"
        raise StateError(message) from error
    if columns.version != _VERSION:
        message = (
            f"a block has version {columns.version}, this code reads {_VERSION}: "
            "start without the savepoint and replay instead"
        )
        raise StateError(message)
    value = np.frombuffer(columns.value, "<f8")
    code = np.frombuffer(columns.code, "<u2" if len(columns.code) == 2 * len(value) else "<i4")
    if len(columns.time) == 4 * len(value):
        time = np.frombuffer(columns.time, "<u4") + np.int64(columns.since)
    else:
        time = np.frombuffer(columns.time, "<i8")
    rows = Rows(tuple(columns.series), code.astype(np.int32, copy=False), time, value)
    return Fragment(columns.partitions, tuple(columns.positions), rows), columns.traces


def encode_kept(rows: Rows, traces: list[Trace]) -> bytes:
    """Rows of many fragments that wait in the state, and where they came from."""
    return _encode(Fragment(0, (), rows), traces)


def decode_kept(data: bytes | memoryview) -> tuple[Fragment, list[Trace]]:
    """A fragment that waits in the state, or what `encode_kept` wrote.

    Raises:
        StateError: as `decode_fragment` does.
    """
    return _decode(data)


def decode_rows(data: bytes | memoryview) -> Rows:
    """The rows alone of what waits in the state; raises as `decode_fragment` does."""
    return decode_fragment(data).rows


def _raw(
    column: NDArray[np.int32] | NDArray[np.int64] | NDArray[np.float64], dtype: str
) -> memoryview:
    return np.ascontiguousarray(column, dtype).view(np.uint8).data
