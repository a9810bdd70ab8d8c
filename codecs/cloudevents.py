"""CloudEvents in binary mode: attributes in headers, the data alone as the value of the record.

A record is put into the structured form, one JSON object with the data as `data`, so that the
preset `cloudevents` reads both modes alike. Source: "Kafka Protocol Binding for CloudEvents 1.0.2",
section 3.2.
"""

from collections.abc import Sequence

import msgspec

__all__ = ["structured"]

_PREFIXES = ("ce_", "ce-")
_TYPE = "content-type"


def structured(
    headers: Sequence[tuple[str, bytes | None]] | None, value: bytes | None
) -> bytes | None:
    """A record as an event in structured mode.

    Records without the header `ce_specversion`, without a value, or with a value that is no JSON
    are given back as they are: they are events in structured mode, or what the mapping refuses.

    >>> structured([("ce_specversion", b"1.0"), ("ce_source", b"/a")], b'{"bar": 2}')
    b'{"specversion":"1.0","source":"/a","data":{"bar": 2}}'
    """
    if not headers or not value:
        return value
    event: dict[str, str | msgspec.Raw] = {}
    for name, content in headers:
        text = "" if content is None else content.decode("utf-8", "replace")
        if name[:3].lower() in _PREFIXES:
            event[name[3:].lower()] = text
        elif name.lower() == _TYPE:
            event["datacontenttype"] = text
    if "specversion" not in event:
        return value
    try:
        event["data"] = msgspec.json.decode(value, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value
    return msgspec.json.encode(event)
