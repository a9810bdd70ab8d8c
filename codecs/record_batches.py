"""Kafka's record batches to values in one buffer: no Python object for a record.

A fetch gives the bytes of a partition's log as the broker keeps them: record batches of format 2,
each with a checksum and its records, most often compressed together. They are checked, unpacked
within bounds and walked by compiled code. https://kafka.apache.org/documentation/#recordbatch
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import crc32c
import numpy as np
from numpy.typing import NDArray

from padit.codecs.json_scan import PADDING
from padit.codecs.record_unpack import unpack
from padit.codecs.record_walk import varint, walk_records
from padit.codecs.values import JoinedValues
from padit.domain.errors import WireFormatError

__all__ = ["Aborted", "BatchHeader", "Walked", "committed", "headers_in", "headers_of", "walk"]

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH = struct.Struct(">qi")
_CRC_FROM = 21
_CONTROL = struct.Struct(">hh")
_COMPRESSION, _LOG_APPEND, _TRANSACTIONAL, _IS_CONTROL = 0x07, 0x08, 0x10, 0x20
_ABORT = 0
_TOGETHER = 64 << 10
_SHORTEST = 7  # bytes of a record: seven fields of at least one byte


class BatchHeader(NamedTuple):
    """A record batch.

    Attributes:
        first: offset of the batch; its records have this and later ones.
        last: offset of its last record, also where compaction has removed that.
        base_time, max_time: milliseconds since 1970.
        attributes: compression, kind of time, transactional, control.
        producer: id of the producer, for transactions.
        records: how many it claims to hold.
        body: the records as they are stored.
        epoch: of the leader that wrote it.
        damage: why it cannot be used; empty where nothing is known yet.
    """

    first: int
    last: int
    base_time: int
    max_time: int
    attributes: int
    producer: int
    records: int
    body: memoryview
    epoch: int = -1
    damage: str = ""

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
        headers: bytes of the headers of each record, if they were asked for; see `headers_in`.
        keys: of the records, if they were asked for.
    """

    values: JoinedValues
    offset: Ints
    time: Ints
    following: int
    headers: JoinedValues | None = None
    keys: JoinedValues | None = None

    def part(self, begin: int, end: int | None = None) -> "Walked":
        """Some of the records, by number."""
        chosen = slice(begin, end)
        headers = None if self.headers is None else self.headers[chosen]
        keys = None if self.keys is None else self.keys[chosen]
        offset, time = self.offset[chosen], self.time[chosen]
        return Walked(self.values[chosen], offset, time, self.following, headers, keys)


def headers_of(data: memoryview, *, checked: bool = True) -> Iterator[BatchHeader]:
    """The batches in the bytes of a fetch; a part of one at the end is left out.

    A batch that is damaged is the last one: what it says of transactions cannot be trusted, so
    the next fetch has to begin behind it.

    Args:
        data: what the broker sent for a partition.
        checked: whether checksums are compared.

    Raises:
        WireFormatError: where a batch ends cannot be told, offsets jump back, or it is of an old
            format.
    """
    at, before = 0, -1
    while (end := _end(data, at)) is not None:
        fields = _HEADER.unpack_from(data, at)
        first, _, _, magic, *_ = fields
        if magic != 2:
            message = (
                f"the record batch at offset {first} has the message format {magic}, of brokers "
                "before 0.11 or of the future; rewrite the topic with a broker of today"
            )
            raise WireFormatError(message)
        if first <= before:
            message = f"the record batch at offset {first} follows one that ends at {before}"
            raise WireFormatError(message)
        damage = _damage(data[at:end], fields, checked)
        last = _last(data, end, fields) if damage else first + fields[6]
        yield _header(fields, last, data[at + _HEADER.size : end], damage)
        if damage:
            return
        at, before = end, last


def _end(data: memoryview, at: int) -> int | None:
    """Where a batch ends; None where not all of it is there."""
    if at + _LENGTH.size > len(data):
        return None
    first, length = _LENGTH.unpack_from(data, at)
    if length < _HEADER.size - _LENGTH.size:
        message = f"the record batch at offset {first} claims a length of {length} bytes"
        raise WireFormatError(message)
    end = int(at + _LENGTH.size + length)
    return end if end <= len(data) else None


def _damage(batch: memoryview, fields: tuple[int, ...], checked: bool) -> str:
    """What is wrong with a header, in words; empty if nothing is."""
    first, _, _, _, crc, _, last, *_, records = fields
    if checked and crc32c.crc32c(batch[_CRC_FROM:]) != crc:
        return f"the record batch at offset {first} is damaged: its checksum does not fit"
    if last < 0 or not 0 <= records <= last + 1:
        return f"the record batch at offset {first} claims {records} records in {last + 1}"
    return ""


def _last(data: memoryview, end: int, fields: tuple[int, ...]) -> int:
    """The last offset of a damaged batch: what it claims, but before the batch behind it."""
    first, claimed = fields[0], max(fields[0], fields[0] + fields[6])
    if end + _LENGTH.size > len(data):
        return claimed
    (following,) = struct.unpack_from(">q", data, end)
    return min(claimed, following - 1) if following > first else claimed


def _header(fields: tuple[int, ...], last: int, body: memoryview, damage: str) -> BatchHeader:
    first, _, epoch, _, _, attributes, _, base, newest, producer, _, _, records = fields
    return BatchHeader(
        first, last, base, newest, attributes, producer, records, body, epoch, damage
    )


def walk(
    batches: Sequence[BatchHeader], start: int, *, headers: bool = False, keys: bool = False
) -> Walked:
    """All records of batches, from an offset on.

    Args:
        batches: of one partition, in order; see `committed` for those that count.
        start: offset from which on records count; the first batch may begin before it.
        headers: whether the headers of records are wanted.
        keys: whether their keys are.

    Raises:
        WireFormatError: a batch lies about its counts or lengths, or cannot be unpacked.
    """
    chosen = [
        one
        for one in batches
        if one.records and one.last >= start and not (one.control or one.damage)
    ]
    bodies = [_unpacked(one) for one in chosen]
    records = sum(one.records for one in chosen)
    size = sum(map(len, bodies))
    text = np.empty(size + records + PADDING, np.uint8)  # a decoder may look beyond the end
    extra, names = (np.empty(size if wanted else 0, np.uint8) for wanted in (headers, keys))
    found = np.empty((8, records), np.int64)
    table = np.array([_row(one, len(part)) for one, part in zip(chosen, bodies, strict=True)],
                     np.int64).reshape(-1, 5)  # fmt: skip
    done = np.zeros(4, np.int64)
    for first, last, body in _joined(bodies):
        broken = walk_records(body, table[first:last], (text, extra, names), found, done)
        if broken >= 0:
            place = chosen[first + broken].first
            message = f"the records of the batch at offset {place} are damaged"
            raise WireFormatError(message)
    begin = int(np.searchsorted(found[0], start))
    offset, time, *where = (row[begin:] for row in found)
    following = max(batches[-1].last + 1 if batches else start, start)
    extras = JoinedValues(extra, *where[2:4]) if headers else None
    named = JoinedValues(names, *where[4:]) if keys else None
    return Walked(JoinedValues(text, *where[:2]), offset, time, following, extras, named)


def headers_in(data: bytes | None) -> list[tuple[str, bytes | None]]:
    """Names and contents of a record's headers; of headers that are broken, those before."""
    found: list[tuple[str, bytes | None]] = []
    body = np.frombuffer(data or b"", np.uint8)
    count, at = varint(body, 0, len(body))
    while at >= 0 and len(found) < count:
        size, at = varint(body, at, len(body))
        if at < 0 or not 0 <= size <= len(body) - at:
            break
        name = str(body[at : at + size].tobytes(), "utf-8", "replace")
        size, at = varint(body, at + size, len(body))
        if at < 0 or size > len(body) - at:
            break
        found.append((name, None if size < 0 else body[at : at + size].tobytes()))
        at += max(size, 0)
    return found


def _joined(bodies: Sequence[bytes | memoryview]) -> Iterator[tuple[int, int, Bytes]]:
    """Bodies for one walk each, and their numbers: small ones together, as a call costs 2 us."""
    first = size = 0
    for i, body in enumerate(bodies):
        size += len(body)
        if size >= _TOGETHER or i + 1 == len(bodies):
            whole = body if i == first else b"".join(bodies[first : i + 1])
            yield first, i + 1, np.frombuffer(whole, np.uint8)
            first, size = i + 1, 0


def _unpacked(one: BatchHeader) -> bytes | memoryview:
    body = unpack(one.attributes & _COMPRESSION, one.body, one.first)
    if one.records * _SHORTEST > len(body):
        message = (
            f"the record batch at offset {one.first} claims {one.records} records in "
            f"{len(body)} bytes"
        )
        raise WireFormatError(message)
    return body


def _row(one: BatchHeader, size: int) -> tuple[int, int, int, int, int]:
    """What the walk needs of a header; a fixed time where the broker set it."""
    fixed = one.max_time if one.attributes & _LOG_APPEND else -1
    return one.records, size, one.first, one.last, one.base_time if fixed < 0 else -2 - fixed


def committed(batches: Iterable[BatchHeader], aborted: Sequence[Aborted]) -> Iterator[BatchHeader]:
    """Batches without those of transactions that were given up; as Kafka's own client does it.

    Args:
        batches: all of one fetch, in order.
        aborted: transactions that were given up, as the broker names them with the fetch.

    Raises:
        WireFormatError: the end of a transaction cannot be read.
    """
    waiting = sorted(aborted, key=lambda one: one.first)
    given_up: set[int] = set()
    at = 0
    for one in batches:
        while at < len(waiting) and waiting[at].first <= one.last:
            given_up.add(waiting[at].producer)
            at += 1
        if one.damage:
            yield one
        elif one.control:
            if given_up and _kind(one) == _ABORT:
                given_up.discard(one.producer)
        elif not (one.attributes & _TRANSACTIONAL and one.producer in given_up):
            yield one


def _kind(one: BatchHeader) -> int:
    """How a control batch ends a transaction; the key of its only record says so."""
    body = np.frombuffer(_unpacked(one), np.uint8)
    start, length = _key(body)
    if length < _CONTROL.size:
        message = f"the end of a transaction at offset {one.first} cannot be read"
        raise WireFormatError(message)
    return int(_CONTROL.unpack(body[start : start + _CONTROL.size].tobytes())[1])


def _key(body: Bytes) -> tuple[int, int]:
    """Start and length of the key of the first record; a length of -1 where there is none."""
    _, at = varint(body, 0, len(body))
    for skipped in (1, 0):  # the attributes of the record; its deltas of time and offset
        _, at = varint(body, at + skipped, len(body)) if at >= 0 else (0, -1)
    size, at = varint(body, at, len(body)) if at >= 0 else (-1, -1)
    return (at, int(size)) if 0 <= at <= len(body) - size else (0, -1)
