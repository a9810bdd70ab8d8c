"""Writes a PNG of at most 16 colours, with a packer of its own.

zlib may pack differently from one build to the next, and messages are compared byte for byte. Rows
are stored as differences from the row above, so that nearly all bytes are zeros, and only runs of
equal bytes are packed (RFC 1951 with fixed codes, RFC 2083).
"""

import struct
import zlib
from collections.abc import Iterator, Sequence

__all__ = ["png"]

_LONGEST = 258
# Shortest run, and bits of its exact length behind the code, of the codes 257 to 284; 285 is 258.
_LENGTHS = (
    *((3 + i, 0) for i in range(8)),
    *((base, bits) for bits in range(1, 6) for base in range(
        3 + (4 << bits), 3 + (8 << bits), 1 << bits)),
)  # fmt: skip


class _Bits:
    """Bits in the order of RFC 1951: bytes fill from their lowest bit on."""

    def __init__(self) -> None:
        self._done = bytearray()
        self._left = 0
        self._count = 0

    def add(self, value: int, count: int) -> None:
        """Bits of a number, the lowest first."""
        self._left |= value << self._count
        self._count += count
        while self._count >= 8:
            self._done.append(self._left & 255)
            self._left >>= 8
            self._count -= 8

    def code(self, value: int, count: int) -> None:
        """Bits of a code, the highest first."""
        self.add(int(f"{value:0{count}b}"[::-1], 2), count)

    def symbol(self, one: int) -> None:
        """A symbol in the fixed code."""
        if one < 144:
            self.code(0x30 + one, 8)
        elif one < 256:
            self.code(0x190 + one - 144, 9)
        elif one < 280:
            self.code(one - 256, 7)
        else:
            self.code(0xC0 + one - 280, 8)

    def end(self) -> bytes:
        """All bytes, the last one filled up."""
        return bytes(self._done) + (bytes([self._left]) if self._count else b"")


def _packed(data: bytes) -> bytes:
    """Data as zlib reads it."""
    bits = _Bits()
    bits.add(1, 1)  # the last block
    bits.add(1, 2)  # fixed codes
    for value, count in _runs(data):
        bits.symbol(value)
        count -= 1
        while count:
            length = min(count, _LONGEST)
            if 0 < count - length < 3:  # a run of one or two cannot be coded
                length -= 3
            if length < 3:
                bits.symbol(value)
                count -= 1
                continue
            _run(bits, length)
            count -= length
    bits.symbol(256)
    return b"\x78\x01" + bits.end() + struct.pack(">I", zlib.adler32(data))


def _runs(data: bytes) -> Iterator[tuple[int, int]]:
    begin = 0
    for at in range(1, len(data) + 1):
        if at == len(data) or data[at] != data[begin]:
            yield data[begin], at - begin
            begin = at


def _run(bits: _Bits, length: int) -> None:
    """The byte before, `length` times."""
    if length == _LONGEST:
        bits.symbol(285)
    else:
        number = max(i for i, (base, _) in enumerate(_LENGTHS) if base <= length)
        base, more = _LENGTHS[number]
        bits.symbol(257 + number)
        bits.add(length - base, more)
    bits.code(0, 5)  # from one byte back


def png(rows: Sequence[bytes], colours: Sequence[tuple[int, int, int]]) -> bytes:
    """A picture.

    Args:
        rows: of equal length, a byte for each point: the number of its colour.
        colours: red, green and blue, at most 16.
    """
    width = len(rows[0])
    above = bytes((width + 1) // 2)
    data = bytearray()
    for row in rows:
        even = row + bytes(width % 2)
        halves = bytes(a << 4 | b for a, b in zip(even[::2], even[1::2], strict=True))
        data.append(2)  # less the row above
        data += bytes((a - b) & 255 for a, b in zip(halves, above, strict=True))
        above = halves
    head = struct.pack(">IIBBBBB", width, len(rows), 4, 3, 0, 0, 0)
    palette = b"".join(bytes(one) for one in colours)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(name, content)
        for name, content in (
            (b"IHDR", head), (b"PLTE", palette), (b"IDAT", _packed(bytes(data))), (b"IEND", b""),
        )
    )  # fmt: skip


def _chunk(name: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check
