"""Records in a segment of the disk buffer, so that damage costs what it hit and nothing else.

A frame is a head of 24 bytes, big-endian: magic (F7 "PF2"), length of the body, samples in the
segment before this frame, samples in it, CRC-32 of the body, CRC-32 of the head so far. The body is
the record as MessagePack. Where a frame is damaged, reading goes on at the next good one, and its
number of samples before it shows how many were lost in between.

Version 1 (files without `.v2` in their names) had length and CRC-32 only; it is read
up to its first damage.
"""

import struct
import zlib
from typing import NamedTuple

import msgspec

from padit.adapters.encode import Record

__all__ = ["Frames", "frame", "read_frames", "read_frames_v1"]

_MAGIC = b"\xf7PF2"
_HEAD = struct.Struct(">4sIIII")
_CRC = struct.Struct(">I")
_SIZE = _HEAD.size + _CRC.size
_HEAD_V1 = struct.Struct(">II")
_decoder = msgspec.msgpack.Decoder(tuple[str, bytes | None, bytes, int, int])


class Frames(NamedTuple):
    """The content of a segment.

    Attributes:
        records: the good ones, in order.
        lost: samples in frames that were damaged; at the end of a segment, where their number is
            unknown, 1.
    """

    records: list[Record]
    lost: int


def frame(record: Record, before: int) -> bytes:
    """A record as bytes; `before` is the number of samples in the segment before it."""
    body = msgspec.msgpack.encode(tuple(record))
    head = _HEAD.pack(_MAGIC, len(body), before & 0xFFFFFFFF, record.samples, zlib.crc32(body))
    return head + _CRC.pack(zlib.crc32(head)) + body


def read_frames(data: bytes) -> Frames:
    """All good frames of a segment; never raises."""
    records: list[Record] = []
    lost = position = reached = 0
    while position < len(data):
        at = _next_head(data, position)
        if at < 0:  # the rest of the segment is no frame
            return Frames(records, lost + 1)
        _, length, before, samples, crc = _HEAD.unpack_from(data, at)
        body = data[at + _SIZE : at + _SIZE + length]
        lost += max(0, before - reached)
        reached = before + samples
        position = at + _SIZE + length
        if len(body) < length or zlib.crc32(body) != crc:
            lost += samples
            if position != len(data) and not data.startswith(_MAGIC, position):
                position = at + _SIZE  # bytes are missing: the next frame begins in this body
            continue
        try:
            records.append(Record(*_decoder.decode(body)))
        except msgspec.DecodeError:
            lost += samples
    return Frames(records, lost)


def _next_head(data: bytes, position: int) -> int:
    """Where the next undamaged head stands; -1 if there is none."""
    while True:
        at = data.find(_MAGIC, position)
        if at < 0 or at + _SIZE > len(data):
            return -1
        if zlib.crc32(data[at : at + _HEAD.size]) == _CRC.unpack_from(data, at + _HEAD.size)[0]:
            return at
        position = at + 1


def read_frames_v1(data: bytes) -> Frames:
    """The records of a segment of version 1, up to the first damage."""
    records: list[Record] = []
    position = 0
    while position < len(data):
        if position + _HEAD_V1.size > len(data):
            return Frames(records, 1)
        length, crc = _HEAD_V1.unpack_from(data, position)
        body = data[position + _HEAD_V1.size : position + _HEAD_V1.size + length]
        position += _HEAD_V1.size + length
        try:
            if len(body) < length or zlib.crc32(body) != crc:
                return Frames(records, 1)
            records.append(Record(*_decoder.decode(body)))
        except msgspec.DecodeError:
            return Frames(records, 1)
    return Frames(records, 0)
