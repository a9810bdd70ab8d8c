"""Bodies of requests: decompression within a bound, and the errors of a body that is unusable.

In: the bytes as they came. Out: the decompressed bytes, never more than the given bound;
nothing larger is allocated on the way, and the time is in proportion to the two. Whatever the
bytes are, only `BadRequestError` is raised.
"""

import zlib

import cramjam

__all__ = [
    "ENCODINGS",
    "MOST_MEMBERS",
    "BadRequestError",
    "EncodingError",
    "TooLargeError",
    "decompressed",
    "unsnappy",
]

ENCODINGS = ("identity", "gzip", "deflate", "zstd")
"""Content encodings that `decompressed` reads."""
MOST_MEMBERS = 10_000
"""Members of one gzip body; writers that compress block by block send some hundreds."""
_FIRST_SLICE, _LARGEST_SLICE = 256, 1 << 20


class BadRequestError(ValueError):
    """The body cannot be used; answered with 400."""


class TooLargeError(BadRequestError):
    """The body is larger than allowed when decompressed; answered with 413."""


class EncodingError(BadRequestError):
    """The body has a content encoding that is not read; answered with 415."""


def decompressed(body: bytes, encoding: str, most: int) -> bytes:
    """The body without its content encoding.

    Args:
        body: as it came.
        encoding: the header Content-Encoding, "" for none.
        most: bytes that the result may have.

    Raises:
        BadRequestError: damaged, or of more than `MOST_MEMBERS` members.
        EncodingError: in an encoding that is not read.
        TooLargeError: larger than `most`.
    """
    encoding = encoding.strip(" \t").lower()
    if encoding in ("", "identity"):
        return body
    if encoding in ("gzip", "x-gzip", "deflate"):
        return _inflated(body, most)
    if encoding == "zstd":
        return _unzstd(body, most)
    message = f"content-encoding {encoding[:60]!r}; one of: {', '.join(ENCODINGS)}"
    raise EncodingError(message)


def _inflated(body: bytes, most: int) -> bytes:
    """Gzip, one member or several, or zlib; both begin with a header of their own."""
    parts: list[bytes] = []
    whole, at, room, members = memoryview(body), 0, most, 0
    while at < len(body):
        members += 1
        if members > MOST_MEMBERS:
            message = f"the body has more than {MOST_MEMBERS} compressed members; send one"
            raise BadRequestError(message)
        at, room = _member(whole, at, room, parts)
        if room < 0:
            raise _too_large(most)
    return b"".join(parts)


def _member(whole: memoryview, at: int, room: int, parts: list[bytes]) -> tuple[int, int]:
    """Read one member into `parts`; where it ends, and the room that is left, -1 if too little."""
    stream = zlib.decompressobj(wbits=47)
    size = _FIRST_SLICE
    try:
        while not stream.eof:
            if at >= len(whole):
                message = "the body ends within its compressed data"
                raise BadRequestError(message)
            # What follows a member is copied once it has ended: slices grow with the member, so
            # all copies together stay in proportion to the body, however many members it has.
            piece = whole[at : at + size]
            part = stream.decompress(piece, room + 1)
            if len(part) > room:
                return at, -1
            parts.append(part)
            at, room, size = at + len(piece), room - len(part), min(2 * size, _LARGEST_SLICE)
    except zlib.error as error:
        message = f"the body cannot be decompressed: {error}"
        raise BadRequestError(message) from error
    return at - len(stream.unused_data), room


def _unzstd(body: bytes, most: int) -> bytes:
    room = bytearray(most + 1)
    try:
        size = cramjam.zstd.decompress_into(body, room)
    except cramjam.DecompressionError as error:
        if "whole buffer" in str(error):  # `room` is full
            raise _too_large(most) from error
        message = f"the body cannot be decompressed: {error}"
        raise BadRequestError(message) from error
    if size > most:
        raise _too_large(most)
    return bytes(memoryview(room)[:size])


def unsnappy(body: bytes, most: int) -> bytes:
    """Decompress a snappy block; raises BadRequestError if damaged, TooLargeError."""
    try:
        size = cramjam.snappy.decompress_raw_len(body)
        if size > most:
            raise _too_large(most)
        return bytes(cramjam.snappy.decompress_raw(body))
    except (cramjam.DecompressionError, MemoryError, OverflowError) as error:
        message = f"the body is no snappy block: {error}"
        raise BadRequestError(message) from error


def _too_large(most: int) -> TooLargeError:
    return TooLargeError(f"the body has more than {most} bytes when decompressed")
