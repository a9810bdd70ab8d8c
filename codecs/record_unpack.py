"""Unpacks the records of a Kafka record batch, within bounds: gzip, snappy, lz4, zstd.

Snappy is a raw block (librdkafka), or blocks in a frame of its own (Java). The numbers of the
kinds are those of https://kafka.apache.org/documentation/#recordbatch
"""

import struct
import zlib

import lz4.frame
import pyarrow as pa

from padit.codecs.contract import AT_LEAST, MOST_TIMES
from padit.domain.errors import WireFormatError

__all__ = ["unpack"]

_NAMES = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_USUAL, _ROOM = 8, 64 << 10
_XERIAL = b"\x82SNAPPY\x00"


def unpack(codec: int, body: memoryview, first: int) -> bytes | memoryview:
    """The records of a batch as bytes; at most `MOST_TIMES` their size and `AT_LEAST` together.

    Args:
        codec: number of the kind of compression; 0: none.
        body: as they are stored.
        first: offset of the batch, for messages.

    Raises:
        WireFormatError: they cannot be unpacked, or become too many.
    """
    if not codec:
        return body
    most = MOST_TIMES * len(body) + AT_LEAST
    try:
        data = _UNPACK[codec](body, most)
    except KeyError as error:
        message = f"the record batch at offset {first} has the unknown compression {codec}"
        raise WireFormatError(message) from error
    except (zlib.error, RuntimeError, OSError, ValueError, pa.ArrowException) as error:
        message = f"the record batch at offset {first} cannot be unpacked ({_NAMES[codec]})"
        raise WireFormatError(message) from error
    if len(data) > most:
        message = (
            f"the record batch at offset {first} unpacks from {len(body)} bytes to more than {most}"
        )
        raise WireFormatError(message)
    return data


def _gzip(body: memoryview, most: int) -> bytes:
    return zlib.decompressobj(31).decompress(body, most + 1)


def _lz4(body: memoryview, most: int) -> bytes:
    unpacker = lz4.frame.LZ4FrameDecompressor()
    # Room for all that may come costs twice the time of the unpacking itself.
    parts = [unpacker.decompress(body, max_length=min(most + 1, _USUAL * len(body) + _ROOM))]
    size = len(parts[0])
    while not unpacker.eof and size <= most and parts[-1]:
        parts.append(unpacker.decompress(b"", max_length=min(most + 1 - size, 4 * size)))
        size += len(parts[-1])
    return parts[0] if len(parts) == 1 else b"".join(parts)


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
