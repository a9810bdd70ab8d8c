"""Series as the body of a Prometheus remote write 1.0 request, before it is compressed.

https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

import struct
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["labels_out", "request_of"]

_VALUE = struct.Struct("<d")
_SERIES, _LABELS, _SAMPLES = b"\x0a", b"\x0a", b"\x12"


def _varint(number: int) -> bytes:
    found = bytearray()
    number &= (1 << 64) - 1
    while number >= 0x80:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _field(tag: bytes, body: bytes) -> bytes:
    return tag + _varint(len(body)) + body


def labels_out(labels: Mapping[str, str]) -> bytes:
    r"""The labels of a series, sorted; those without a value do not exist.

    >>> labels_out({"b": "2", "a": "1", "c": ""})
    b'\n\x06\n\x01a\x12\x011\n\x06\n\x01b\x12\x012'
    """
    return b"".join(
        _field(_LABELS, _field(b"\x0a", name.encode()) + _field(b"\x12", value.encode()))
        for name, value in sorted(labels.items())
        if value
    )


def request_of(series: Iterable[tuple[bytes, Sequence[tuple[int, float]]]]) -> bytes:
    """A request.

    Args:
        series: labels as `labels_out` gives them; samples as (milliseconds, value), ascending.
    """
    parts = []
    for labels, samples in series:
        body = [labels]
        for time, value in samples:
            sample = b"\x09" + _VALUE.pack(value) + b"\x10" + _varint(time)
            body.append(_SAMPLES + _varint(len(sample)) + sample)
        parts.append(_field(_SERIES, b"".join(body)))
    return b"".join(parts)
