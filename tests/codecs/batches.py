"""Writes Kafka's record batches for tests, apart from any client's code."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import cramjam
import crc32c
import lz4.frame

__all__ = ["PACKERS", "Batch", "Item", "encode", "marker", "sealed"]


def _xerial(data: bytes) -> bytes:
    """Snappy as Java's client frames it: blocks of at most 32 KiB."""
    head = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
    blocks = [
        bytes(cramjam.snappy.compress_raw(data[at : at + 32768]))
        for at in range(0, len(data), 32768)
    ]
    return head + b"".join(struct.pack(">i", len(block)) + block for block in blocks)


PACKERS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (0, bytes),
    "gzip": (1, gzip.compress),
    "snappy": (2, lambda data: bytes(cramjam.snappy.compress_raw(data))),
    "snappy of Java": (2, _xerial),
    "lz4": (3, lz4.frame.compress),
    "zstd": (4, lambda data: bytes(cramjam.zstd.compress(data))),
}


@dataclass(frozen=True)
class Item:
    """A record: its distance from the first offset and time of its batch, and its bytes."""

    number: int
    value: bytes | None
    time: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True)
class Batch:
    """A batch as it is meant to be written."""

    first: int
    items: tuple[Item, ...]
    last: int | None = None
    base_time: int = 1_700_000_000_000
    append_time: int | None = None
    packed: str = "none"
    producer: int = -1
    transactional: bool = False
    control: bool = False
    records: int | None = None
    attributes: int = 0
    magic: int = 2
    epoch: int = 3
    body: bytes | None = field(default=None, repr=False)

    @property
    def end(self) -> int:
        """Its last offset."""
        if self.last is not None:
            return self.last
        return self.first + max([item.number for item in self.items], default=0)


def _varint(number: int) -> bytes:
    left = (number << 1) ^ (number >> 63)
    out = bytearray()
    while left >= 0x80:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


def _sized(data: bytes | None) -> bytes:
    return _varint(-1) if data is None else _varint(len(data)) + data


def _record(item: Item) -> bytes:
    body = b"\x00" + _varint(item.time) + _varint(item.number) + _sized(item.key)
    body += _sized(item.value) + _varint(len(item.headers))
    for name, value in item.headers:
        body += _sized(name.encode()) + _sized(value)
    return _varint(len(body)) + body


def encode(batch: Batch) -> bytes:
    """A batch as a broker keeps it."""
    number, pack = PACKERS[batch.packed]
    records = b"".join(map(_record, batch.items))
    body = pack(records) if batch.body is None else batch.body
    attributes = batch.attributes | number | (0x08 if batch.append_time is not None else 0)
    attributes |= (0x10 if batch.transactional else 0) | (0x20 if batch.control else 0)
    newest = batch.base_time + max([item.time for item in batch.items], default=0)
    newest = newest if batch.append_time is None else batch.append_time
    count = len(batch.items) if batch.records is None else batch.records
    tail = struct.pack(
        ">hiqqqhii", attributes, batch.end - batch.first, batch.base_time, newest,
        batch.producer, 0, -1, count,
    ) + body  # fmt: skip
    head = struct.pack(">qiib", batch.first, 9 + len(tail), batch.epoch, batch.magic)
    return sealed(head + b"\x00\x00\x00\x00" + tail)


def sealed(data: bytes) -> bytes:
    """The same batch with the checksum that its bytes have."""
    return data[:17] + struct.pack(">I", crc32c.crc32c(data[21:])) + data[21:]


def marker(first: int, producer: int, *, commit: bool) -> Batch:
    """The end of a transaction."""
    item = Item(0, struct.pack(">hi", 0, 7), key=struct.pack(">hh", 0, int(commit)))
    return Batch(first, (item,), producer=producer, transactional=True, control=True)
