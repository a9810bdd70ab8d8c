"""Values of Sparkplug B: every data type to a number, or the reason why it is none."""

import struct
import zlib
from typing import Any

from padit.codecs.sparkplug_proto import Payload

__all__ = [
    "ARRAYS",
    "MOST_ELEMENTS",
    "TYPES",
    "elements_of",
    "number_of",
    "quality_of",
    "unpacked",
]

TYPES = dict(
    enumerate(
        (
            "Unknown", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64",
            "Float", "Double", "Boolean", "String", "DateTime", "Text", "UUID", "DataSet", "Bytes",
            "File", "Template", "PropertySet", "PropertySetList", "Int8Array", "Int16Array",
            "Int32Array", "Int64Array", "UInt8Array", "UInt16Array", "UInt32Array", "UInt64Array",
            "FloatArray", "DoubleArray", "BooleanArray", "StringArray", "DateTimeArray",
        )
    )
)  # fmt: skip
"""Name of a data type by its number."""
MOST_ELEMENTS = 64
"""Elements of an array that become samples."""

_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED = {5: 8, 6: 16, 7: 32, 8: 64}
_NUMBERS = {*_SIGNED, *_UNSIGNED, 9, 10, 11}
_BOOLEANS = 32
ARRAYS = {22: "b", 23: "h", 24: "i", 25: "q", 26: "B", 27: "H", 28: "I", 29: "Q", 30: "f", 31: "d",
          _BOOLEANS: ""}  # fmt: skip
"""Data types of arrays of numbers and booleans: packed, little endian."""


def number_of(one: Any, datatype: int) -> float | str | None:
    """The value of a metric.

    Returns:
        A number; None where the type is no number; a text, the reason, where it is broken.
    """
    if datatype and datatype not in _NUMBERS:
        return None
    for field in ("double_value", "float_value", "boolean_value"):
        if one.HasField(field):
            return float(getattr(one, field))
    for field, width in (("int_value", 32), ("long_value", 64)):
        if one.HasField(field):
            return _whole(int(getattr(one, field)), width, datatype)
    if one.HasField("string_value") and not datatype:
        return None
    return f"a value of the type {TYPES.get(datatype, datatype)} is missing"


def quality_of(one: Any) -> int | None:
    """The quality among a metric's properties, if it is bad; None if it is good, or absent.

    192 is good, 0 is bad, 500 is stale; in the codes of OPC, from 64 on is uncertain, and in those
    of Ignition from 512 on is bad.
    """
    if not one.HasField("properties"):
        return None
    for key, value in zip(one.properties.keys, one.properties.values, strict=False):
        if key.lower() == "quality" and not value.is_null:
            for field in ("int_value", "long_value"):
                if value.HasField(field):
                    found = int(getattr(value, field))
                    return None if 64 <= found < 500 else found
    return None


def unpacked(body: bytes, algorithm: str, most: int) -> Any:
    """The payload in a compressed one. Raises ValueError, DecodeError: it cannot be read."""
    bits = {"GZIP": 31, "DEFLATE": 15}.get(algorithm.upper() or "DEFLATE")
    if bits is None:
        message = f"the algorithm {algorithm[:40]!r} is none of GZIP, DEFLATE"
        raise ValueError(message)
    try:
        inflating = zlib.decompressobj(bits)
        data = inflating.decompress(body, most)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if inflating.unconsumed_tail or not inflating.eof:
        message = f"it is cut, or larger than {most} bytes"
        raise ValueError(message)
    found = Payload()
    found.ParseFromString(data)
    return found


def _whole(value: int, width: int, datatype: int) -> float | str:
    """A whole number that stands as an unsigned one of `width` bits, as two's complement."""
    if not datatype:
        return "neither a birth nor the message names its type, so its sign is unknown"
    if datatype not in _SIGNED:
        most = 1 << _UNSIGNED.get(datatype, width)
        return float(value) if value < most else f"{value} is too large for {TYPES[datatype]}"
    bits = _SIGNED[datatype]
    if value >= 1 << bits and value < (1 << width) - (1 << (bits - 1)):
        return f"{value} is too large for {TYPES[datatype]}"
    low = value & ((1 << bits) - 1)
    return float(low - (1 << bits) if low >> (bits - 1) else low)


def elements_of(data: bytes, datatype: int) -> tuple[list[float], int | str]:
    """The first elements of an array, and how many are left; or the reason why it is broken."""
    if datatype == _BOOLEANS:
        return _bits(data)
    size = struct.calcsize(f"<{ARRAYS[datatype]}")
    if len(data) % size:
        return [], f"{len(data)} bytes are no {TYPES[datatype]}"
    count = len(data) // size
    taken = min(count, MOST_ELEMENTS)
    values = struct.unpack_from(f"<{taken}{ARRAYS[datatype]}", data)
    return [float(value) for value in values], count - taken


def _bits(data: bytes) -> tuple[list[float], int | str]:
    """Four bytes with the number of elements, then eight to a byte, the highest bit first."""
    count = int.from_bytes(data[:4], "little")
    if len(data) < 4 or len(data) - 4 != -(-count // 8):
        return [], f"{len(data)} bytes are no BooleanArray"
    taken = min(count, MOST_ELEMENTS)
    values = [float(data[4 + i // 8] >> (7 - i % 8) & 1) for i in range(taken)]
    return values, count - taken
