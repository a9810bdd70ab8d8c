"""Record values that lie together in one buffer, without one Python object a record."""

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["JoinedValues"]

_SPACE, _BREAK = 0x20, 0x0A

Ints = NDArray[np.int64]


class JoinedValues(Sequence[bytes | None]):
    """Values of records, each followed by a line break, in the order of their offsets.

    Args:
        text: uint8; the values in order, a line break behind each.
        start: int64 (n,), where each value begins in `text`.
        length: int64 (n,), bytes of each value; -1 for a record without a value (tombstone).
    """

    __slots__ = ("length", "start", "text")

    def __init__(self, text: NDArray[np.uint8], start: Ints, length: Ints) -> None:
        self.text = text
        self.start = start
        self.length = length

    def __len__(self) -> int:
        return len(self.start)

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...
    @overload
    def __getitem__(self, index: slice) -> "JoinedValues": ...
    def __getitem__(self, index: int | slice) -> "bytes | JoinedValues | None":
        if isinstance(index, slice):
            return JoinedValues(self.text, self.start[index], self.length[index])
        size = int(self.length[index])
        if size < 0:
            return None
        first = int(self.start[index])
        return self.text[first : first + size].tobytes()

    def __iter__(self) -> Iterator[bytes | None]:
        data = self.text.data
        for first, size in zip(self.start.tolist(), self.length.tolist(), strict=True):
            yield None if size < 0 else bytes(data[first : first + size])

    def joined(self, front: int, back: int) -> NDArray[np.uint8] | None:
        """A text with a line break before and behind each value; None where one has none.

        Args:
            front: spaces before the first line break.
            back: spaces behind the last one.
        """
        if not len(self) or int(self.length.min()) < 0:
            return None
        first, last = int(self.start[0]), int(self.start[-1] + self.length[-1])
        text = np.full(front + last - first + 2 + back, _SPACE, np.uint8)
        text[front] = _BREAK
        text[front + 1 : front + last - first + 2] = self.text[first : last + 1]
        return text
