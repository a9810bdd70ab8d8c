"""The records in the bodies of Kafka's record batches, compiled; see `record_batches`."""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel

__all__ = ["Copies", "varint", "walk_records"]

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Copies = tuple[Bytes, Bytes, Bytes]
"""Room for the values, the headers and the keys of records; empty where they are not wanted."""

_BREAK = 0x0A


@kernel
def varint(data: Bytes, at: int, end: int) -> tuple[int, int]:
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
def _record(body: Bytes, at: int, stop: int) -> tuple[int, int, int, int, int, int, int]:
    """One record: deltas of time and offset, start and length of key and of value, and its end.

    The end is -1 where a length does not fit into what is there.
    """
    broken = (0, 0, 0, 0, 0, 0, -1)
    length, at = varint(body, at, stop)
    if at < 0 or length < 6 or length > stop - at:
        return broken
    end = at + length
    time, at = varint(body, at + 1, end)  # behind the attributes of the record
    number, at = varint(body, at, end) if at >= 0 else (0, -1)
    key, name = varint(body, at, end) if at >= 0 else (0, -1)
    if name < 0 or key > end - name:
        return broken
    value, at = varint(body, name + max(key, 0), end)
    if at < 0 or value > end - at:
        return broken
    return time, number, name, key, at, value, end


@kernel
def _walk_batch(body: Bytes, at: int, row: Ints, copies: Copies, put: Ints, found: Ints) -> int:
    """Copy the values of one batch; where it ends, -1 if it is broken."""
    text, extra, names = copies
    records, size, first, last, base = row
    stop = at + size
    before = -1
    for n in range(records):
        time, number, name, key, start, length, at = _record(body, at, stop)
        if at < 0 or number <= before or number > last - first:
            return -1
        before = number
        found[0, n] = first + number
        found[1, n] = base + time if base >= -1 else -2 - base
        found[2, n] = put[1]
        found[3, n] = max(length, -1)
        put[1] = _copied(body, start, max(length, 0), text, put[1])
        text[put[1]] = _BREAK
        put[1] += 1
        if len(extra):
            begin = start + max(length, 0)
            found[4, n] = put[2]
            found[5, n] = at - begin
            put[2] = _copied(body, begin, at - begin, extra, put[2])
        if len(names):
            found[6, n] = put[3]
            found[7, n] = max(key, -1)
            put[3] = _copied(body, name, key, names, put[3])
    return at if at == stop else -1


@kernel
def _copied(body: Bytes, start: int, length: int, text: Bytes, put: int) -> int:
    """Copy some bytes; where they end in `text`."""
    if length > 0:
        # Two views and a loop: a quarter of the time of an assignment of slices.
        target, origin = text[put : put + length], body[start : start + length]
        for k in range(length):
            target[k] = origin[k]
    return put + max(length, 0)


@kernel
def walk_records(body: Bytes, table: Ints, copies: Copies, found: Ints, done: Ints) -> int:
    """Copy the values of all batches; the number of a broken batch, or -1.

    `table` has a row for each batch: records, bytes, first and last offset, base time (or -2
    minus the time that the broker set). `found` gets offset, time, start and length of values, of
    headers and of keys. `done` holds how many records and bytes of the `copies` are there, and is
    moved on.
    """
    at = 0
    for batch in range(len(table)):
        at = _walk_batch(body, at, table[batch], copies, done, found[:, done[0] :])
        if at < 0:
            return batch
        done[0] += table[batch, 0]
    return -1
