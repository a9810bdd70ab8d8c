"""Bytes of state, packed: saved smaller, read back to the byte.

Much of a detector's state is empty for long (three weeks of half hours, values of an alert) or
stands there more than once (a value in several memories), so LZ4 halves it at least, at some
gigabytes a second. What does not become smaller stays as it is.

    0x01, MessagePack array of LZ4 blocks, each of which begins with its size when unpacked

All other state begins with the first byte of a MessagePack array, which no packed bytes do, so
what was saved before anything was packed is read as well.
"""

from collections.abc import Sequence

import lz4.block
import msgspec

from padit.domain.errors import StateError

__all__ = ["packed", "unpacked"]

_TAG = b"\x01"
_PIECE = 16 << 20  # LZ4 takes at most 2 GB at a time
_MOST_TIMES = 255  # larger than its bytes LZ4 makes nothing
_SIZE = 4
_encoder = msgspec.msgpack.Encoder()
_read_blocks = msgspec.msgpack.Decoder(list[bytes]).decode


def packed(data: bytes) -> bytes:
    """The bytes packed, where that makes them smaller.

    >>> len(packed(bytes([0x91]) + bytes(10_000)))
    59
    >>> packed(bytes([0x91, 1])).hex()
    '9101'

    Args:
        data: a MessagePack array.
    """
    view = memoryview(data)
    blocks = [lz4.block.compress(view[at : at + _PIECE]) for at in range(0, len(data), _PIECE)]
    found = _TAG + _encoder.encode(blocks)
    return found if len(found) < len(data) else data


def unpacked(data: bytes) -> bytes:
    """What `packed` was given.

    Raises:
        StateError: damaged.
    """
    if data[:1] != _TAG:
        return data
    try:
        return _joined(_read_blocks(memoryview(data)[1:]))
    except (msgspec.DecodeError, lz4.block.LZ4BlockError, ValueError) as error:
        message = f"{len(data)} packed bytes of state are damaged: {error}"
        raise StateError(message) from error


def _joined(blocks: Sequence[bytes]) -> bytes:
    for block in blocks:
        size = int.from_bytes(block[:_SIZE], "little")
        if size > min(_MOST_TIMES * len(block), _PIECE):
            message = f"a block of {len(block)} bytes would become {size}"
            raise ValueError(message)
    pieces = [lz4.block.decompress(block) for block in blocks]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
