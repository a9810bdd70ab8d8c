"""What of PADIT's own JSON becomes no part of a sample: named, and counted by some of the records.

Numbers that no sample has, and types of metrics that are unknown and read as `custom`.

A sample has one value. A record `{"timestamp": ..., "value": 1.5, "value2": 2.5}` has a number that
nothing reads, and the decoder never sees it. So a few records of every read are looked at here.
That costs a thousandth of decoding, and the counts are estimates.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from padit.codecs.contract import shorten
from padit.codecs.looked_at import LookedAt
from padit.domain.findings import Unwatched
from padit.domain.metric import METRIC_TYPES, Metric

__all__ = ["OtherFields"]

_MOST_KINDS = 50
_MOST_ELEMENTS = 1000  # of an array that is looked at
_NEEDED = {"timestamp", "source_id", "metric_name", "value"}
_FIELDS = frozenset(Metric.__struct_fields__)
_OTHERS = "other fields"
_REASON = "it is no field of a sample, which has one value (counted by some of the records)"
_TYPE = "metric_type "
_UNKNOWN = (
    f"it is none of {', '.join(METRIC_TYPES)}, and read as custom (counted by some of the records)"
)
_STATE = "series: in the configuration states the type"
_REMEDY = "format: in the configuration names other fields"


class OtherFields:
    """Looks at some of the records that a reader reads, see `LookedAt`."""

    def __init__(self) -> None:
        self._looked_at = LookedAt(_MOST_KINDS)

    def count(self, values: Sequence[bytes | None], taken: int) -> tuple[Unwatched, ...]:
        """About how many fields of numbers are not read; the place is set by the caller.

        Args:
            values: records.
            taken: how many of them were decoded.
        """
        found: dict[str, float] = {}
        places = self._looked_at.of(taken)
        for i in places:
            value = values[i]
            if value is not None and value[:1] in (b"{", b"["):
                for name in _others(value):
                    kind = self._kind(name)
                    found[kind] = found.get(kind, 0.0) + taken / len(places)
        return tuple(_left(kind, round(amount)) for kind, amount in sorted(found.items()))

    def _kind(self, name: str) -> str:
        shown = self._looked_at.shown(name)
        if not shown:
            return _OTHERS
        return name if name.startswith(_TYPE) else f"field {shown}"


def _left(kind: str, amount: int) -> Unwatched:
    if kind.startswith(_TYPE):
        return Unwatched("", kind, _UNKNOWN, _STATE, amount, "fields")
    return Unwatched("", kind, _REASON, _REMEDY, amount, "fields", amount)


def _others(record: bytes) -> list[str]:
    """Fields of numbers that samples do not have, and unknown types; one for each of them."""
    try:
        read = msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    found: list[str] = []
    for one in read[:_MOST_ELEMENTS] if isinstance(read, list) else [read]:
        if not isinstance(one, dict) or not one.keys() >= _NEEDED:
            continue  # a dead letter as a whole
        kind = one.get("metric_type")
        if isinstance(kind, str) and kind not in METRIC_TYPES:
            found.append(f"{_TYPE}{shorten(kind)}")
        for name in one.keys() - _FIELDS:
            found += [name] * _numbers(one[name])
    return found


def _numbers(value: Any) -> int:
    """How many numbers a value holds, whatever it is nested in."""
    count, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, int | float) and not isinstance(one, bool):
            count += 1
    return count
