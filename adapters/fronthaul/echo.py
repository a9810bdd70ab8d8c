"""UDP echo: datagrams that come back as they went (RFC 862), numbered and stamped.

A request is 4 bytes "PEc1", a session of 64 random bits, a 32-bit number and the sender's
monotonic clock in nanoseconds, big-endian, then padding. Any echo server answers it. The session
keeps what others send, or an earlier run, out of the measurement.
"""

import struct
from typing import NamedTuple

__all__ = ["HEADER_BYTES", "PORT", "Echo", "EchoError", "decode", "encode"]

PORT = 7_007
"""Default port here; RFC 862's own is 7, which needs privileges."""

_MAGIC = b"PEc1"
_HEADER = struct.Struct(">4sQIQ")
HEADER_BYTES = _HEADER.size


class EchoError(ValueError):
    """The datagram is no echo of ours."""


class Echo(NamedTuple):
    """The content of a request; `sent_ns` on the sender's monotonic clock."""

    session: int
    number: int
    sent_ns: int


def encode(echo: Echo, size: int) -> bytes:
    """A request of `size` bytes, at least `HEADER_BYTES`."""
    return _HEADER.pack(_MAGIC, *echo).ljust(size, b"\0")


def decode(data: bytes) -> Echo:
    """Read what came back; raises EchoError for anything else."""
    if len(data) < _HEADER.size or not data.startswith(_MAGIC):
        message = f"{len(data)} bytes that begin with {data[:4]!r} are no echo of ours"
        raise EchoError(message)
    return Echo(*_HEADER.unpack_from(data)[1:])
