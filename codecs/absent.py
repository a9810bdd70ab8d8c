"""Samples whose value is null: there is no number, so there is no sample and nothing to repair.

`{"timestamp": ..., "source_id": ..., "metric_name": ..., "value": null}` says that a value is
absent, as an empty cell of a table does, and so does the NaN that Python writes. It is counted as
unwatched and is no dead letter. A record without the field `value` is none of ours, and stays one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from padit.codecs.contract import Reject, numbered
from padit.codecs.records import Decoded
from padit.codecs.tidied import tidied
from padit.domain.findings import Unwatched

__all__ = ["without_absent"]

_NEEDED = {"timestamp", "source_id", "metric_name", "value"}
_json = msgspec.json.Decoder()
_elements = msgspec.json.Decoder(list[msgspec.Raw])


def without_absent(
    values: Sequence[bytes | None],
    decoded: Decoded,
    decode: Callable[[Sequence[bytes | None]], Decoded],
) -> Decoded:
    """What was decoded, with absent values counted and not rejected.

    Args:
        values: records.
        decoded: what they gave.
        decode: decodes again what is left of an array without them.
    """
    rejects: list[Reject] = []
    count = 0
    for one in decoded.rejects:
        value = values[one.record]
        if value is None or (b"null" not in value and b"NaN" not in value):
            rejects.append(one)
            continue
        absent, rest = _rest_of(value, one, decode)
        count += absent
        rejects += rest
    if not count:
        return decoded
    reason = "the value is null or NaN: absent is no number"
    left = Unwatched("", "samples whose value is null or NaN", reason, "", count, "samples")
    return replace(decoded, rejects=rejects, unwatched=(*decoded.unwatched, left))


def _rest_of(
    value: bytes, reject: Reject, decode: Callable[[Sequence[bytes | None]], Decoded]
) -> tuple[int, list[Reject]]:
    """How many values of a rejected record are null, and the reject of its others."""
    try:
        content: Any = _json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        whole = tidied(value)
        return _rest_of(whole, reject, decode) if whole else (0, [reject])
    if _is_absent(content):
        return 1, []
    if not isinstance(content, list) or not reject.elements:
        return 0, [reject]  # a record that is rejected as a whole
    kept = [i for i, one in enumerate(content) if not _is_absent(one)]
    absent = len(content) - len(kept)
    if not absent or absent > reject.lost:
        return 0, [reject]
    if absent == reject.lost:
        return absent, []
    raw = _elements.decode(value)
    again = decode([msgspec.json.encode([raw[i] for i in kept])])
    for one in again.rejects:
        named = [(kept[element], reason) for element, reason in one.elements]
        if named and one.lost == reject.lost - absent:
            return absent, [numbered(reject.record, named, one.lost)]
    # What is left reads as no list of samples at all: those that were named before stay.
    named = [one for one in reject.elements if not _is_absent(content[one[0]])]
    return (
        (absent, [numbered(reject.record, named, reject.lost - absent)]) if named else (0, [reject])
    )


def _is_absent(content: Any) -> bool:
    return isinstance(content, dict) and content.keys() >= _NEEDED and content["value"] is None
