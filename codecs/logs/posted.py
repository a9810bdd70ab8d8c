"""A posted body to records: JSON objects, or lines of text."""

import json
from typing import Any, NamedTuple

import msgspec

from padit.codecs.logs.envelopes import unwrapped
from padit.codecs.logs.parser import LineParser
from padit.codecs.logs.record import LogRecord, Settings

__all__ = ["Posted", "objects_of", "read_body"]


_whole = json.JSONDecoder()


class Posted(NamedTuple):
    """What a body holds.

    Attributes:
        records: those that were read.
        refused: how many objects or lines were not.
        reasons: why, with the number of the object or line; the first of each kind for text.
        parser: what it left and noticed beside that.
    """

    records: list[LogRecord]
    refused: int
    reasons: list[str]
    parser: LineParser


def read_body(
    body: bytes, content_type: str, service: str, received: float, settings: Settings
) -> Posted:
    """Records of a body.

    Args:
        body: decompressed.
        content_type: `text/plain` is lines of any format, unless it begins with a bracket.
        service: of records that name none.
        received: epoch seconds, the time of records that have none.
        settings: how they are read.
    """
    parser = LineParser(service, settings)
    body = _as_utf8(body, content_type)
    if content_type.lower().startswith("text/plain") and body.lstrip()[:1] not in (b"{", b"["):
        lines = body.removesuffix(b"\n").split(b"\n") if body else []
        records = parser.feed(lines, received) + parser.flush()
        reasons = [f"a line is {kind}: {text}" for kind, (_, text) in parser.refused.items()]
        refused = sum(count for count, _ in parser.refused.values())
        parser.refused.clear()
        return Posted(records, refused, reasons, parser)
    objects, reasons = objects_of(body)
    records = parser.objects(objects, received)
    lost = len(objects) - len(records)
    reasons += [text for _, text in parser.refused.values()]
    parser.refused.clear()
    return Posted(records, len(reasons) if not lost else len(reasons) - 1 + lost, reasons, parser)


def _as_utf8(body: bytes, content_type: str) -> bytes:
    """The body in the encoding that lines are read in; one that is unknown is left as it is."""
    _, named, charset = content_type.lower().partition("charset=")
    charset = charset.partition(";")[0].strip(' "')
    if not named or charset in ("utf-8", "utf8"):
        return body
    try:
        return body.decode(charset, "replace").encode()
    except LookupError:
        return body


def objects_of(body: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """Posted records, and why others are unusable: a JSON object, an array, or one per line.

    >>> objects_of(b'[{"message": "x"}, 7]')
    ([{'message': 'x'}], ['record 2 is no JSON object'])
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _objects_by_line(body)
    items = content if isinstance(content, list) else [content]
    items = [one for item in items for one in _records_of(item)]
    refused = [
        f"record {number} is no JSON object"
        for number, item in enumerate(items, 1)
        if not isinstance(item, dict)
    ]
    return [item for item in items if isinstance(item, dict)], refused


def _records_of(item: Any) -> list[Any]:
    return unwrapped(item) if isinstance(item, dict) else [item]


def _objects_by_line(body: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    found: list[dict[str, Any]] = []
    refused: list[str] = []
    for number, line in enumerate(body.splitlines(), 1):
        if not line.strip():
            continue
        try:
            items = _decoded(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            refused.append(
                f"line {number}: neither JSON nor one JSON object per line: {error}; lines of text "
                "have the Content-Type text/plain"
            )
            continue
        for item in (one for each in items for one in _records_of(each)):
            if isinstance(item, dict):
                found.append(item)
            else:
                refused.append(f"line {number} is no JSON object")
    return found, refused


def _decoded(line: bytes) -> list[Any]:
    """The objects of a line: one, or several behind each other as Splunk's collector takes them."""
    try:
        return [msgspec.json.decode(line)]
    except msgspec.DecodeError:
        if not line.startswith(b"{"):
            raise
    text, at, found = line.decode(), 0, []
    while at < len(text):
        item, at = _whole.raw_decode(text, at)
        found.append(item)
        at += len(text[at:]) - len(text[at:].lstrip())
    return found
