"""JSON that is sound but for what others write around it, and for numbers that JSON does not have.

Senders batch by writing objects into one record with a line feed, a comma or nothing between them
(Firehose, NDJSON, a list without its brackets), begin it with a byte order mark (.NET) or a record
separator (RFC 7464), end it with the zero byte of a C string, or encode it twice, as text in JSON.
Python writes NaN and Infinity. NaN becomes null, which is no number either, and Infinity a text.
It is looked at only after the strict parser has refused the record.
"""

import json
import re

__all__ = ["tidied"]

_SHORTEST = 8  # bytes of an object, on average; a sample has 60
_FEW = 8
_AROUND = " \t\r\n\0\x1e\ufeff"
_BETWEEN = re.compile(r"[ \t\r\n\0\x1e]*,?[ \t\r\n\0\x1e]*")
_CONSTANT = re.compile(r'("(?:[^"\\]|\\.)*")|NaN|-?Infinity', re.DOTALL)
_decoder = json.JSONDecoder(parse_int=float)


def tidied(record: bytes) -> bytes:
    """The record as one JSON value, several objects as an array; empty where it is none of these.

    >>> tidied(b'{"a": 1}{"a": NaN},'), tidied(bytes([30]) + b'{"a": 1}'), tidied(b'{"a": 1} x')
    (b'[{"a": 1},{"a": null}]', b'{"a": 1}', b'')
    """
    try:
        text = record.decode().strip(_AROUND)
        if text.startswith('"'):
            text = json.loads(text).strip(_AROUND)
        found = _with_null(_whole(text)).encode()
    except (ValueError, RecursionError):
        return b""
    return found if found != record else b""


def _whole(text: str) -> str:
    """One array, one object, or several as an array; "" for anything else. Raises ValueError."""
    if text.startswith("["):
        text = text.rstrip(", \r\n")
        return text if _decoder.raw_decode(text)[1] == len(text) else ""
    parts = _objects(text)
    return parts[0] if len(parts) == 1 else f"[{','.join(parts)}]" if parts else ""


def _objects(text: str) -> list[str]:
    """The objects that a text holds; none where it holds anything else. Raises ValueError."""
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "{":
            return []
        _, end = _decoder.raw_decode(text, at)
        parts.append(text[at:end])
        if len(parts) > _FEW and end < _SHORTEST * len(parts):
            return []  # too short for samples, and each takes the memory of an object
        match = _BETWEEN.match(text, end)
        at = match.end() if match else end
    return parts


def _with_null(text: str) -> str:
    """The text without numbers that JSON does not have."""
    if "NaN" not in text and "Infinity" not in text:
        return text
    return _CONSTANT.sub(lambda one: one[1] or ("null" if one[0] == "NaN" else f'"{one[0]}"'), text)
