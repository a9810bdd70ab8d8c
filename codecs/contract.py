"""The contract of every record codec, and what a record that breaks it becomes.

Bytes in; rows, and at most one `Reject`, out. For every codec and for any bytes whatever:

- No exception gets out. An error that a codec does not know becomes a reject with its name.
- A reject is bounded: it counts all lost samples, and names the first `MOST_NAMED` of them in
  at most `LONGEST_REASON` characters each.
- Memory and output are bounded by the input. While n bytes are decoded at most
  `MOST_TIMES * n + AT_LEAST` bytes are allocated, rows and reject included. What a codec
  unpacks is measured before anything is allocated.

`tests/laws` holds every codec of `codecs.records.CODECS` to this.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.domain.findings import Unwatched
from padit.domain.rows import Rows

__all__ = [
    "AT_LEAST",
    "Codec",
    "Faults",
    "LONGEST_REASON",
    "LeftOut",
    "MOST_NAMED",
    "MOST_TIMES",
    "NOTHING_LEFT_OUT",
    "Reject",
    "Sampled",
    "bounded",
    "merged",
    "numbered",
    "shorten",
]

MOST_TIMES = 64
"""Bytes that may be allocated for each byte of a record."""
AT_LEAST = 32 << 20
"""Bytes that may be allocated for a record of any size."""
MOST_NAMED = 20
"""Lost samples of a record that are named one by one; the others are counted."""
LONGEST_REASON = 300
_SHORT = 80

Elements = tuple[tuple[int, str], ...]


class Reject(NamedTuple):
    """Why a record, or a part of it, cannot be used; at most one for each record.

    Attributes:
        record: position of the record in the list that was decoded.
        reason: for people, with the offending value.
        lost: samples that are lost; 1 where the record cannot be read at all.
        elements: (number in the record, reason) of the first `MOST_NAMED` of them; empty where
            the record holds one sample, or is no list of samples.
    """

    record: int
    reason: str
    lost: int = 1
    elements: Elements = ()


class Faults:
    """Collects why samples of one record are lost: counts all, keeps the first few reasons."""

    def __init__(self) -> None:
        self.count = 0
        self._named: list[tuple[int, str]] = []

    def note(
        self,
        elements: Sequence[int] | NDArray[np.int32] | NDArray[np.int64],
        reason: Callable[[int], str] | str,
    ) -> None:
        """Add lost samples.

        Args:
            elements: their numbers in the record, ascending.
            reason: for all of them; or a function of the position in `elements`.
        """
        self.count += len(elements)
        for i, element in enumerate(elements[:MOST_NAMED]):
            text = reason if isinstance(reason, str) else reason(i)
            self._named.append((int(element), bounded(text)))

    def reject(self, record: int) -> Reject:
        """One reject for all of them."""
        return numbered(record, self._named, self.count)


class LeftOut(NamedTuple):
    """Samples of which a label could not be used; the samples themselves are good.

    Attributes:
        samples: how many.
        reason: of the first.
    """

    samples: int = 0
    reason: str = ""

    def plus(self, other: "LeftOut") -> "LeftOut":
        """The sum of both."""
        return LeftOut(self.samples + other.samples, self.reason or other.reason)


NOTHING_LEFT_OUT = LeftOut()


class Sampled(NamedTuple):
    """The rows and faults of one record.

    Attributes:
        rows: the readable samples.
        element: int32 (n,), the number of each in the record.
        faults: the other samples.
        left_out: readable samples of which a label could not be used.
        unwatched: what is there and becomes no part of a sample; without place.
    """

    rows: Rows
    element: NDArray[np.int32]
    faults: Faults
    left_out: LeftOut = NOTHING_LEFT_OUT
    unwatched: tuple[Unwatched, ...] = ()


class Codec(NamedTuple):
    """A record format.

    Attributes:
        name: for people.
        begins: what a record of this format begins with, after white space if that is allowed.
        many: whether a record holds a list of samples, which are numbered in a reject.
        decode: one record to samples, with the labels of these names. It may raise anything: the
            caller makes a reject of it.
    """

    name: str
    begins: bytes
    many: bool
    decode: Callable[[bytes, tuple[str, ...]], Sampled]


def numbered(record: int, named: Sequence[tuple[int, str]], count: int) -> Reject:
    """A reject for `count` samples, of which some are named."""
    first = tuple(sorted(named)[:MOST_NAMED])
    element, reason = first[0]
    many = f"{count} samples are lost, the first: " if count > 1 else ""
    return Reject(record, bounded(f"{many}element {element}: {reason}"), count, first)


def merged(one: Reject, other: Reject) -> Reject:
    """One reject for two sets of samples of a record."""
    return numbered(one.record, [*one.elements, *other.elements], one.lost + other.lost)


def bounded(reason: str) -> str:
    """A reason as it may leave the codec: of bounded length, and valid Unicode."""
    if len(reason) > LONGEST_REASON:
        reason = reason[: LONGEST_REASON - 3] + "..."
    return reason.encode("utf-8", "replace").decode()


def shorten(value: object) -> str:
    """A value as it may stand in a reason."""
    text = repr(value[:_SHORT] if isinstance(value, str) else value)
    return text if len(text) <= _SHORT else text[: _SHORT - 3] + "..."
