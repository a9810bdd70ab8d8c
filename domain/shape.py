"""The shape of a job: all that is configured and decides its results, kept with its state.

State made with other windows, key groups or parameters can be read and would give wrong results,
so a restore compares the shapes first. `pipelines/shape.py` makes that of a job from its options.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from padit.domain.differences import ABSENT, differences
from padit.domain.errors import FRESH_START, StateError

__all__ = ["Shape"]

_MOST = 5
_WAY_OUT = f"go on with the options of then, or {FRESH_START}"


@dataclass(frozen=True)
class Shape:
    """Options as canonical JSON: equal options give equal bytes.

    Attributes:
        data: one JSON object with sorted keys; empty for state that an older version wrote.
    """

    data: bytes = b"{}"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Shape":
        """From options by name; values are plain JSON values.

        >>> Shape.of({"b": 1, "a": 2}).data
        b'{"a":2,"b":1}'
        """
        return cls(msgspec.json.encode(options, order="sorted"))

    @cached_property
    def digest(self) -> bytes:
        """16 bytes that differ where the options do: what small state keeps."""
        return hashlib.sha256(self.data).digest()[:16]

    def check(self, saved: bytes) -> None:
        """Compare with the shape in saved state.

        Args:
            saved: `data` of the job that saved it.

        Raises:
            StateError: it is another one; the message names up to five options, their values
                then and now, and the way out.
        """
        if saved != self.data:
            raise StateError(self._difference(saved))

    def _difference(self, saved: bytes) -> str:
        if not saved:
            return f"the saved state does not name the options it was made with: {_WAY_OUT}"
        both = msgspec.json.decode(saved), msgspec.json.decode(self.data)
        found = [
            f"{one.path} was {_text(one.left)} and is {_text(one.right)}"
            for one in differences(*both)
        ]
        rest = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
        listed = "; ".join(found[:_MOST]) + rest
        return f"the saved state belongs to a job with other options ({listed}): {_WAY_OUT}"


def _text(value: Any) -> str:
    """A value for people; of a detector its name, of several their names."""
    if value is None or value == ABSENT:
        return "not set"
    if isinstance(value, dict) and "name" in value:
        return str(value["name"])
    if isinstance(value, list) and all(isinstance(one, dict) and "name" in one for one in value):
        return ", ".join(str(one["name"]) for one in value) or "none"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:80]}..."
