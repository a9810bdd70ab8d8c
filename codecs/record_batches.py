"""Kafka's record batches to values in one buffer: no Python object for a record.

A fetch gives the bytes of a partition's log as the broker keeps them: record batches of format 2,
each with a header, a checksum and its records, most often compressed together. They are checked,
unpacked within bounds and walked by compiled code (`_walk`), which reads every length before it
uses it. https://kafka.apache.org/documentation/#recordbatch
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import crc32c
import lz4.frame
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from padit.codecs.contract import AT_LEAST, MOST_TIMES
from padit.codecs.values import JoinedValues
from padit.domain.errors import WireFormatError
from padit.ops.compiled import kernel

__all__ = ["Aborted", "BatchHeader", "Walked", "headers_of", "walk"]

Ints = NDArray[np.int64]

_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH = struct.Struct(">qi")
_CRC_FROM = 21
_CONTROL = struct.Struct(">hh")
_COMPRESSION, _LOG_APPEND, _TRANSACTIONAL, _IS_CONTROL = 0x07, 0x08, 0x10, 0x20
_ABORT = 0
_NAMES = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_XERIAL = b"\x82SNAPPY\x00"
_SHORTEST = 7  # bytes of a record: seven fields of at least one byte
_BREAK = 0x0A
_BROKEN = -1


class BatchHeader(NamedTuple):
    """A record batch.

    Attributes:
        first: offset of the batch; its records have this and later ones.
        last: offset of its last record, also where compaction has removed that.
        base_time, max_time: milliseconds since 1970.
        attributes: compression, kind of time, transactional, control.
        producer: id of the producer, for transactions.
        records: how many it holds.
        body: the records as they are stored.
    """

    first: int
    last: int
    base_time: int
    max_time: int
    attributes: int
    producer: int
    records: int
    body: memoryview

    @property
    def control(self) -> bool:
        """Whether it marks the end of a transaction."""
        return bool(self.attributes & _IS_CONTROL)


class Aborted(NamedTuple):
    """A transaction that was given up: producer, and the offset of its first record."""

    producer: int
    first: int


class Walked(NamedTuple):
    """The records of some batches.

    Attributes:
        values: of all records, in the order of their offsets.
        offset: int64 (n,).
        time: int64 (n,), milliseconds since 1970; -1 where the producer gave none.
        following: offset after the last batch.
    """

    values: JoinedValues
    offset: Ints
    time: Ints
    following: int


def headers_of(data: memoryview, *, checked: bool = True) -> Iterator[BatchHeader]:
    """The batches in the bytes of a fetch; a part of one at the end is left out.

    Args:
        data: what the broker sent for a partition.
        checked: whether checksums are compared.

    Raises:
        WireFormatError: a batch is damaged, or of an old format.
    """
    at, before = 0, -1
    while at + _LENGTH.size <= len(data):
        first, length = _LENGTH.unpack_from(data, at)
        end = at + _LENGTH.size + length
        if length < _HEADER.size - _LENGTH.size:
            message = f"the record batch at offset {first} claims a length of {length} bytes"
            raise WireFormatError(message)
        if end > len(data):
            return
        fields = _HEADER.unpack_from(data, at)
        _check(data[at:end], fields, checked)
        one = _header(fields, data[at + _HEADER.size : end])
        if one.first <= before:
            message = f"the record batch at offset {first} follows one that ends at {before}"
            raise WireFormatError(message)
        yield one
        at, before = end, one.last


def _check(batch: memoryview, fields: tuple[int, ...], checked: bool) -> None:
    first, _, _, magic, crc, _, last, *_, records = fields
    if magic != 2:
        message = (
            f"the record batch at offset {first} has the message format {magic} of brokers before "
            "0.11; rewrite the topic with a broker of today"
        )
        raise WireFormatError(message)
    if checked and crc32c.crc32c(batch[_CRC_FROM:]) != crc:
        message = f"the record batch at offset {first} is damaged: its checksum does not fit"
        raise WireFormatError(message)
    if last < 0 or not 0 <= records <= last + 1:
        message = f"the record batch at offset {first} claims {records} records in {last + 1}"
        raise WireFormatError(message)


def _header(fields: tuple[int, ...], body: memoryview) -> BatchHeader:
    first, _, _, _, _, attributes, last, base, newest, producer, _, _, records = fields
    return BatchHeader(first, first + last, base, newest, attributes, producer, records, body)


def walk(batches: Sequence[BatchHeader], aborted: Sequence[Aborted] | None, start: int) -> Walked:
    """All records of batches, from an offset on.

    Args:
        batches: of one partition, in order.
        aborted: transactions that were given up, by first offset; their records are left out.
            None: nothing is left out but control records (read_uncommitted).
        start: offset from which on records count; the first batch may begin before it.

    Raises:
        WireFormatError: a batch lies about its counts or lengths, or cannot be unpacked.
    """
    chosen = batches if aborted is None else list(_committed(batches, aborted))
    chosen = [one for one in chosen if not one.control and one.records and one.last >= start]
    bodies = [_unpacked(one) for one in chosen]
    records = sum(one.records for one in chosen)
    size = sum(map(len, bodies))
    if records * _SHORTEST > size:
        message = f"batches from offset {start} on claim {records} records in {size} bytes"
        raise WireFormatError(message)
    body = np.frombuffer(bodies[0] if len(bodies) == 1 else b"".join(bodies), np.uint8)
    text = np.empty(size + records, np.uint8)
    found = np.empty((4, records), np.int64)
    table = np.array([_row(one, len(part)) for one, part in zip(chosen, bodies, strict=True)],
                     np.int64).reshape(-1, 5)  # fmt: skip
    broken = _walk(body, table, text, found)
    if broken >= 0:
        message = f"the records of the batch at offset {chosen[broken].first} are damaged"
        raise WireFormatError(message)
    begin = int(np.searchsorted(found[0], start))
    offset, time, first, length = (row[begin:] for row in found)
    following = batches[-1].last + 1 if batches else start
    return Walked(JoinedValues(text, first, length), offset, time, max(following, start))


def _row(one: BatchHeader, size: int) -> tuple[int, int, int, int, int]:
    """What the walk needs of a header; a fixed time where the broker set it."""
    fixed = one.max_time if one.attributes & _LOG_APPEND else -1
    return one.records, size, one.first, one.last, one.base_time if fixed < 0 else -2 - fixed


def _committed(batches: Sequence[BatchHeader], aborted: Sequence[Aborted]) -> Iterator[BatchHeader]:
    """Batches without those of transactions that were given up; as Kafka's own client does it."""
    waiting = sorted(aborted, key=lambda one: one.first)
    given_up: set[int] = set()
    at = 0
    for one in batches:
        while at < len(waiting) and waiting[at].first <= one.last:
            given_up.add(waiting[at].producer)
            at += 1
        if one.control:
            if _is_abort(one):
                given_up.discard(one.producer)
        elif not (one.attributes & _TRANSACTIONAL and one.producer in given_up):
            yield one


def _is_abort(one: BatchHeader) -> bool:
    """Whether a control batch ends a transaction that was given up; its record's key says so."""
    try:
        body = _unpacked(one)
        # length, attributes and two deltas are one byte each, and so is the length of the key
        _, kind = _CONTROL.unpack_from(body, 5)
    except (struct.error, WireFormatError):
        return False
    return bool(kind == _ABORT)


def _unpacked(one: BatchHeader) -> bytes | memoryview:
    """The records of a batch as bytes; at most `MOST_TIMES` their size and `AT_LEAST` together."""
    codec = one.attributes & _COMPRESSION
    if not codec:
        return one.body
    most = MOST_TIMES * len(one.body) + AT_LEAST
    try:
        data = _UNPACK[codec](one.body, most)
    except KeyError as error:
        message = f"the record batch at offset {one.first} has the unknown compression {codec}"
        raise WireFormatError(message) from error
    except (zlib.error, RuntimeError, OSError, ValueError, pa.ArrowException) as error:
        message = f"the record batch at offset {one.first} cannot be unpacked ({_NAMES[codec]})"
        raise WireFormatError(message) from error
    if len(data) > most:
        message = (
            f"the record batch at offset {one.first} unpacks from {len(one.body)} bytes to more "
            f"than {most}"
        )
        raise WireFormatError(message)
    return data


def _gzip(body: memoryview, most: int) -> bytes:
    return zlib.decompressobj(31).decompress(body, most + 1)


def _lz4(body: memoryview, most: int) -> bytes:
    return bytes(lz4.frame.LZ4FrameDecompressor().decompress(body, max_length=most + 1))


def _zstd(body: memoryview, most: int) -> bytes:
    with pa.input_stream(pa.py_buffer(body), compression="zstd") as stream:
        return bytes(stream.read(most + 1))


def _snappy(body: memoryview, most: int) -> bytes:
    """A raw block, or blocks in the frame of the Java client."""
    if bytes(body[: len(_XERIAL)]) != _XERIAL:
        return _snappy_block(body, most)
    parts, at, left = [], 16, most
    while at + 4 <= len(body):
        (size,) = struct.unpack_from(">i", body, at)
        if not 0 < size <= len(body) - at - 4:
            message = f"a block of {size} bytes"
            raise ValueError(message)
        parts.append(_snappy_block(body[at + 4 : at + 4 + size], left))
        left -= len(parts[-1])
        at += 4 + size
    return b"".join(parts)


def _snappy_block(body: memoryview, most: int) -> bytes:
    size = shift = 0
    for byte in body[:5]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    if size > most:
        message = f"{size} bytes"
        raise ValueError(message)
    return bytes(pa.decompress(pa.py_buffer(body), size, codec="snappy"))


_UNPACK = {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}


@kernel
def _varint(data: NDArray[np.uint8], at: int, end: int) -> tuple[int, int]:
    """A zigzag number at a position, and where the next begins; -1 where it does not end."""
    if at >= end:
        return 0, -1
    value = np.int64(data[at])
    if value < 0x80:  # most are this short
        return int((value >> 1) ^ -(value & 1)), at + 1
    value &= 0x7F
    for i in range(1, min(10, end - at)):
        byte = np.int64(data[at + i])
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            half = (value >> 1) & 0x7FFFFFFFFFFFFFFF  # the sign of the pattern means nothing
            return int(half ^ -(value & 1)), at + i + 1
    return 0, -1


@kernel
def _record(body: NDArray[np.uint8], at: int, stop: int) -> tuple[int, int, int, int, int]:
    """One record: deltas of time and offset, start and length of its value, and its end.

    The end is -1 where a length does not fit into what is there.
    """
    broken = (0, 0, 0, 0, -1)
    length, at = _varint(body, at, stop)
    if at < 0 or length < 6 or length > stop - at:
        return broken
    end = at + length
    time, at = _varint(body, at + 1, end)  # behind the attributes of the record
    number, at = _varint(body, at, end) if at >= 0 else (0, -1)
    key, at = _varint(body, at, end) if at >= 0 else (0, -1)
    if at < 0 or key > end - at:
        return broken
    value, at = _varint(body, at + max(key, 0), end)
    if at < 0 or value > end - at:
        return broken
    return time, number, at, value, end


@kernel
def _walk_batch(
    body: NDArray[np.uint8], at: int, row: Ints, text: NDArray[np.uint8], put: int, found: Ints
) -> tuple[int, int]:
    """Copy the values of one batch to `text`; where it ends there and here, -1 if it is broken."""
    records, size, first, last, base = row
    stop = at + size
    before = -1
    for n in range(records):
        time, number, start, length, at = _record(body, at, stop)
        if at < 0 or number <= before or first + number > last:
            return -1, put
        before = number
        found[0, n] = first + number
        found[1, n] = base + time if base >= -1 else -2 - base
        found[2, n] = put
        found[3, n] = max(length, -1)
        if length > 0:
            text[put : put + length] = body[start : start + length]
            put += length
        text[put] = _BREAK
        put += 1
    return (at, put) if at == stop else (-1, put)


@kernel
def _walk(body: NDArray[np.uint8], table: Ints, text: NDArray[np.uint8], found: Ints) -> int:
    """Copy the values of all batches to `text`; the number of a broken batch, or -1.

    `table` has a row for each batch: records, bytes, first and last offset, base time (or -2
    minus the time that the broker set). `found` gets offset, time, start and length of values.
    """
    at = n = put = 0
    for batch in range(len(table)):
        at, put = _walk_batch(body, at, table[batch], text, put, found[:, n:])
        if at < 0:
            return batch
        n += table[batch, 0]
    return -1
