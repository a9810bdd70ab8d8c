"""Where the state of one key group is kept: cells of bytes, in Beam state or in memory.

What grows is appended to, as pieces in no order; what is small is replaced.

| cell | holds |
|---|---|
| header | the small state that every keyed batch needs |
| rows | rows as they came, until their slot closes |
| kept, two of them | rows of closed slots that later windows need, a piece for each close |
| detection, changes | the state of detectors and alerts, and what changed in it since |
| shape | the shape of the job that made all of it |
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["KEPT_CELLS", "MemoryStore", "Store"]

KEPT_CELLS = 2


class Store(Protocol):
    """State of one key group."""

    def read_header(self) -> bytes | None:
        """The small state that every keyed batch needs."""

    def write_header(self, data: bytes) -> None:
        """Replace it."""

    def add_rows(self, data: bytes) -> None:
        """Append rows."""

    def read_rows(self) -> Sequence[bytes]:
        """All rows whose slot was open at the last close, in any order of the pieces."""

    def replace_rows(self, data: bytes | None) -> None:
        """Keep only these rows."""

    def add_kept(self, cell: int, data: bytes) -> None:
        """Append rows of closed slots to one of the cells."""

    def read_kept(self, cell: int) -> Sequence[bytes]:
        """The rows of a cell, in any order of the pieces."""

    def clear_kept(self, cell: int) -> None:
        """Drop all rows of a cell."""

    def read_detection(self) -> bytes | None:
        """The state of detectors and alerts, without the changes since."""

    def write_detection(self, data: bytes) -> None:
        """Replace it, and drop the changes."""

    def read_changes(self) -> Sequence[bytes]:
        """What changed in it since, in any order of the pieces."""

    def add_change(self, data: bytes) -> None:
        """Append a change."""

    def replace_changes(self, data: bytes) -> None:
        """Keep only this change."""

    def read_shape(self) -> bytes | None:
        """The shape of the job that made this state; read only where it differs."""

    def write_shape(self, data: bytes) -> None:
        """Write it, once, with the first header."""


@dataclass(slots=True)
class MemoryStore:
    """State in memory, to run the machine without Beam."""

    header: bytes | None = None
    rows: list[bytes] = field(default_factory=list)
    detection: bytes | None = None
    shape: bytes | None = None
    kept: tuple[list[bytes], ...] = field(
        default_factory=lambda: tuple([] for _ in range(KEPT_CELLS))
    )
    changes: list[bytes] = field(default_factory=list)

    def copy(self) -> "MemoryStore":
        """The same state, independent of this one."""
        kept = tuple(list(pieces) for pieces in self.kept)
        return MemoryStore(
            self.header, list(self.rows), self.detection, self.shape, kept, list(self.changes)
        )

    def pieces(self) -> list[bytes]:
        """All bytes of it."""
        small = [one for one in (self.header, self.detection, self.shape) if one is not None]
        return [*small, *self.rows, *self.changes, *(one for cell in self.kept for one in cell)]

    def read_header(self) -> bytes | None:
        """See `Store`."""
        return self.header

    def write_header(self, data: bytes) -> None:
        """See `Store`."""
        self.header = data

    def add_rows(self, data: bytes) -> None:
        """See `Store`."""
        self.rows.append(data)

    def read_rows(self) -> Sequence[bytes]:
        """See `Store`."""
        return self.rows

    def replace_rows(self, data: bytes | None) -> None:
        """See `Store`."""
        self.rows = [] if data is None else [data]

    def add_kept(self, cell: int, data: bytes) -> None:
        """See `Store`."""
        self.kept[cell].append(data)

    def read_kept(self, cell: int) -> Sequence[bytes]:
        """See `Store`."""
        return self.kept[cell]

    def clear_kept(self, cell: int) -> None:
        """See `Store`."""
        self.kept[cell].clear()

    def read_detection(self) -> bytes | None:
        """See `Store`."""
        return self.detection

    def write_detection(self, data: bytes) -> None:
        """See `Store`."""
        self.detection = data
        self.changes = []

    def read_changes(self) -> Sequence[bytes]:
        """See `Store`."""
        return self.changes

    def add_change(self, data: bytes) -> None:
        """See `Store`."""
        self.changes.append(data)

    def replace_changes(self, data: bytes) -> None:
        """See `Store`."""
        self.changes = [data]

    def read_shape(self) -> bytes | None:
        """See `Store`."""
        return self.shape

    def write_shape(self, data: bytes) -> None:
        """See `Store`."""
        self.shape = data
