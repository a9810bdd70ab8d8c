"""What decides the results of a run, so that two runs can be told apart or found to be one."""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from padit.domain.differences import differences as tree_differences

__all__ = ["RunIdentity", "differences", "shape_digest"]


class RunIdentity(msgspec.Struct, frozen=True):
    """Two bounded runs of one identity give the same bytes.

    Attributes:
        output: which of the run's outputs, like "alerts".
        live: whether the input has no end.
        source: topic or file that is read.
        ranges: by partition, the first offset and the one after the last (None: no end).
        shape: the options and the configuration that decide results, as plain JSON values.
    """

    output: str = ""
    live: bool = True
    source: str = ""
    ranges: dict[str, tuple[int, int | None]] = {}
    shape: dict[str, Any] = {}

    @classmethod
    def of(
        cls,
        output: str,
        source: str,
        ranges: Mapping[int, tuple[int, int | None]],
        shape: Mapping[str, Any],
    ) -> "RunIdentity":
        """Make one; it is live where a partition has no end."""
        live = any(stop is None for _, stop in ranges.values())
        named = {str(number): one for number, one in sorted(ranges.items())}
        return cls(output, live, source, named, _plain(shape))

    def to_bytes(self) -> bytes:
        """Encode as JSON, for a file beside the results."""
        return msgspec.json.encode(self, order="deterministic") + b"\n"

    @staticmethod
    def from_bytes(data: bytes) -> "RunIdentity":
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: it is something else.
        """
        return _decoder.decode(data)

    def __str__(self) -> str:
        """For people: which results of which input."""
        kind = "live run" if self.live else "bounded run"
        ranges = ", ".join(
            f"{number}: {first} to {'...' if stop is None else stop}"
            for number, (first, stop) in list(self.ranges.items())[:4]
        )
        more = ", ..." if len(self.ranges) > 4 else ""
        where = f" (offsets by partition {ranges}{more})" if ranges else ""
        return f"{self.output or 'results'} of a {kind} over {self.source or 'an input'}{where}"


_decoder = msgspec.json.Decoder(RunIdentity)


def shape_digest(shape: Mapping[str, Any]) -> str:
    """32 hex characters that stand for a shape."""
    return hashlib.sha256(msgspec.json.encode(shape, order="deterministic")).hexdigest()[:32]


def differences(before: RunIdentity, now: RunIdentity) -> list[str]:
    """What differs, one text for each place; the same in every run.

    >>> windows = {"window_size_sec": 300.0}
    >>> one = RunIdentity.of("alerts", "metrics", {0: (0, 9)}, {"windows": windows})
    >>> differences(one, RunIdentity.of("alerts", "metrics", {0: (0, 9)}, {"windows": {}}))
    ['windows.window_size_sec: 300.0 there, (nothing) now']
    """
    found = tree_differences(_tree(before), _tree(now))
    return [f"{one.path}: {one.left} there, {one.right} now" for one in found]


def _tree(one: RunIdentity) -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.json.decode(one.to_bytes())
    shape: dict[str, Any] = tree.pop("shape")
    return tree | shape


def _plain(shape: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(shape))
    return plain
