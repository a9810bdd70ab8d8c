"""CFM loopback: LBM and LBR frames of IEEE 802.1Q-2022 clause 21.7 (once IEEE 802.1ag).

A PDU is a 4-byte common header (MD level and version, opcode, flags, first TLV offset = 4), a
transaction identifier of 32 bits, and TLVs up to an End TLV. A loopback reply is the message
with opcode 2 instead of 3 and the addresses exchanged; its TLVs come back as they went.
"""

import struct
from dataclasses import dataclass

__all__ = [
    "ETHER_TYPE",
    "LBM",
    "LBR",
    "CfmError",
    "Loopback",
    "decode",
    "encode",
    "group_address",
    "reply_to",
]

ETHER_TYPE = 0x8902
LBM = 3
LBR = 2
_END_TLV = 0
_DATA_TLV = 3
_HEADER = struct.Struct(">BBBBI")
_TLV = struct.Struct(">BH")
_MOST_DATA = 1_480


class CfmError(ValueError):
    """The bytes are no loopback PDU."""


@dataclass(frozen=True, slots=True)
class Loopback:
    """A loopback message or reply.

    Attributes:
        level: MD level, 0 to 7.
        opcode: `LBM` or `LBR`.
        transaction: 32-bit number that ties the reply to its message.
        data: content of the Data TLV, b"" without one.
        tlvs: all TLVs as they stand in the frame, without the End TLV.
    """

    level: int
    opcode: int
    transaction: int
    data: bytes = b""
    tlvs: bytes = b""


def encode(level: int, opcode: int, transaction: int, data: bytes = b"") -> bytes:
    """A PDU with an optional Data TLV.

    Raises:
        ValueError: a field does not fit.
    """
    if not 0 <= level <= 7 or len(data) > _MOST_DATA:
        message = f"level {level} with {len(data)} bytes: levels are 0 to 7, data up to 1480 bytes"
        raise ValueError(message)
    tlvs = _TLV.pack(_DATA_TLV, len(data)) + data if data else b""
    return _HEADER.pack(level << 5, opcode, 0, 4, transaction & 0xFFFFFFFF) + tlvs + b"\0"


def reply_to(pdu: bytes) -> bytes:
    """The LBR of an LBM: every other byte as it came, as the standard demands."""
    return bytes((pdu[0], LBR)) + pdu[2:]


def decode(pdu: bytes) -> Loopback:
    """Read an LBM or LBR; what follows the End TLV is padding.

    Raises:
        CfmError: truncated, of another version or opcode, or a TLV runs out of the frame.
    """
    if len(pdu) < _HEADER.size:
        message = f"a CFM PDU of {len(pdu)} bytes, at least {_HEADER.size} are needed"
        raise CfmError(message)
    first, opcode, _flags, offset, transaction = _HEADER.unpack_from(pdu)
    if opcode not in (LBM, LBR):
        message = f"opcode {opcode} is no loopback (LBR 2, LBM 3)"
        raise CfmError(message)
    if offset < 4:
        message = f"first TLV offset {offset}, at least 4 is needed"
        raise CfmError(message)
    tlvs, data = _tlvs(pdu, 4 + offset)
    return Loopback(first >> 5, opcode, transaction, data, tlvs)


def _tlvs(pdu: bytes, start: int) -> tuple[bytes, bytes]:
    position, data = start, b""
    while position < len(pdu) and pdu[position] != _END_TLV:
        if position + _TLV.size > len(pdu):
            message = f"the TLV at {position} is truncated"
            raise CfmError(message)
        kind, length = _TLV.unpack_from(pdu, position)
        end = position + _TLV.size + length
        if end > len(pdu):
            message = f"the TLV at {position} announces {length} bytes and the frame ends before"
            raise CfmError(message)
        if kind == _DATA_TLV:
            data = pdu[position + _TLV.size : end]
        position = end
    return pdu[start:position], data


def group_address(level: int) -> bytes:
    """The CCM group address that an LBM may be sent to: 01-80-C2-00-00-3y, y the MD level."""
    return bytes((0x01, 0x80, 0xC2, 0x00, 0x00, 0x30 | level))
