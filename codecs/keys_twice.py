"""Names that stand twice in one JSON object, of which the last counts: named, and counted by some.

Parsers of JSON keep the last of them and say nothing. What was lost is a number that somebody
meant to send, so a few records of every read are looked at here.
"""

import json
from collections.abc import Sequence
from typing import Any

from padit.codecs.looked_at import LookedAt
from padit.domain.findings import Unwatched

__all__ = ["KeysTwice"]

_FIRST_BYTES = 1 << 20  # of a reader's first records that are looked at
_MOST_BYTES = 64 << 10  # of a later read; a longer record is none that is looked at
_MOST_KINDS = 20
_OTHERS = "other names"
_REASON = "it stands twice in one object, and the last one counts (counted by some of the records)"
_REMEDY = "let the sender write each name once"


class KeysTwice:
    """Looks at some of the records that a reader reads, see `LookedAt`."""

    def __init__(self) -> None:
        self._looked_at = LookedAt(_MOST_KINDS)

    def count(self, values: Sequence[bytes | None], taken: int) -> tuple[Unwatched, ...]:
        """About how many values are not read because their name comes again; without place.

        Args:
            values: records.
            taken: how many of them were decoded.
        """
        found: dict[str, list[int]] = {}
        room = _FIRST_BYTES if self._looked_at.at_first else _MOST_BYTES
        looked = 0
        for i in self._looked_at.of(taken):
            value = values[i] or b""
            if len(value) > min(room, _MOST_BYTES):
                continue
            room -= len(value)
            looked += 1
            for name, numeric in _twice(value):
                counts = found.setdefault(self._kind(name), [0, 0])
                counts[0] += 1
                counts[1] += numeric
        return tuple(
            Unwatched("", kind, _REASON, _REMEDY, *_all(counts, taken, looked))
            for kind, counts in sorted(found.items())
        )

    def _kind(self, name: str) -> str:
        shown = self._looked_at.shown(name)
        return f"name {shown} twice" if shown else _OTHERS


def _all(counts: Sequence[int], taken: int, looked: int) -> tuple[int, str, int]:
    """About how many there are in all records; the unit; and how many of them are numbers."""
    amount, numeric = (round(count * taken / looked) for count in counts)
    return amount, "fields", numeric


def _twice(record: bytes) -> list[tuple[str, bool]]:
    """Names whose earlier value is lost, and whether that is a number; none of what is no JSON."""
    if record[:1] not in (b"{", b"["):
        return []
    found: list[tuple[str, bool]] = []

    def pairs(given: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(given)
        if len(made) < len(given):
            last = {name: number for number, (name, _) in enumerate(given)}
            found.extend(
                (name, isinstance(one, int | float) and not isinstance(one, bool))
                for number, (name, one) in enumerate(given)
                if last[name] != number
            )
        return made

    try:
        json.loads(record, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return []
    return found
