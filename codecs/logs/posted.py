"""A posted body to records: JSON objects, or lines of text."""

from typing import Any, NamedTuple

import msgspec

from padit.codecs.logs.parser import LineParser
from padit.codecs.logs.record import LogRecord, Settings

__all__ = ["Posted", "objects_of", "read_body"]


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


def objects_of(body: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """Posted records, and why others are unusable: a JSON object, an array, or one per line.

    >>> objects_of(b'[{"message": "x"}, 7]')
    ([{'message': 'x'}], ['record 2 is no JSON object'])
    """
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _objects_by_line(body)
    items = content if isinstance(content, list) else [content]
    refused = [
        f"record {number} is no JSON object"
        for number, item in enumerate(items, 1)
        if not isinstance(item, dict)
    ]
    return [item for item in items if isinstance(item, dict)], refused


def _objects_by_line(body: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    found: list[dict[str, Any]] = []
    refused: list[str] = []
    for number, line in enumerate(body.splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refused.append(f"line {number}: neither JSON nor one JSON object per line: {error}")
            continue
        if isinstance(item, dict):
            found.append(item)
        else:
            refused.append(f"line {number} is no JSON object")
    return found, refused
