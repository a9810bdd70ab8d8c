"""Numbers in PADIT's own JSON that no sample has: named, and counted by a sample of the records.

A sample has one value. A record `{"timestamp": ..., "value": 1.5, "value2": 2.5}` has a number that
nothing reads, and the decoder never sees it. So a few records of every read are looked at here: all
of the first ones, then some spread evenly, each of which stands for its neighbours. That costs a
thousandth of decoding, and the counts are estimates.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from padit.domain.findings import Unwatched
from padit.domain.metric import Metric

__all__ = ["OtherFields"]

_FIRST = 1000  # records of a reader that are all looked at
_OF_A_READ = 8
_MOST_KINDS = 50
_LONGEST = 80  # characters of a name
_MOST_ELEMENTS = 1000  # of an array that is looked at
_NEEDED = {"timestamp", "source_id", "metric_name", "value"}
_FIELDS = frozenset(Metric.__struct_fields__)
_OTHERS = "other fields"
_REASON = "it is no field of a sample, which has one value (counted by a sample of the records)"
_REMEDY = "format: in the configuration names other fields"


class OtherFields:
    """Looks at the records that a reader reads; memory is bounded by the number of names."""

    def __init__(self) -> None:
        self._seen = 0
        self._names: set[str] = set()

    def count(self, values: Sequence[bytes | None], taken: int) -> tuple[Unwatched, ...]:
        """About how many fields of numbers are not read; the place is set by the caller.

        Args:
            values: records.
            taken: how many of them were decoded.
        """
        if not taken:
            return ()
        found: dict[str, float] = {}
        most = min(taken, max(_OF_A_READ, _FIRST - self._seen))
        weight = taken / most
        for i in np.linspace(0, taken - 1, most).astype(int).tolist():
            value = values[i]
            if value is not None and value[:1] in (b"{", b"["):
                for name in _other_numbers(value):
                    kind = self._kind(name)
                    found[kind] = found.get(kind, 0.0) + weight
        self._seen = min(_FIRST, self._seen + taken)
        return tuple(
            Unwatched("", kind, _REASON, _REMEDY, round(amount), "fields", round(amount))
            for kind, amount in sorted(found.items())
        )

    def _kind(self, name: str) -> str:
        if name not in self._names and len(self._names) >= _MOST_KINDS:
            return _OTHERS
        self._names.add(name)
        shown = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3]}..."
        return f"field {shown!r}"


def _other_numbers(record: bytes) -> list[str]:
    """Names of fields of numbers that samples do not have, one for each field."""
    try:
        read = msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [
        name
        for one in (read[:_MOST_ELEMENTS] if isinstance(read, list) else [read])
        if isinstance(one, dict) and one.keys() >= _NEEDED  # others are dead letters as a whole
        for name in one.keys() - _FIELDS
        if isinstance(one[name], int | float) and not isinstance(one[name], bool)
    ]
