"""Where the state of one key group is kept: four cells of bytes, in Beam state or in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["MemoryStore", "Store"]


class Store(Protocol):
    """State of one key group."""

    def read_header(self) -> bytes | None:
        """The small state that every keyed batch needs."""

    def write_header(self, data: bytes) -> None:
        """Replace it."""

    def add_rows(self, data: bytes) -> None:
        """Append rows."""

    def read_rows(self) -> Sequence[bytes]:
        """All rows, in any order of the pieces."""

    def replace_rows(self, data: bytes | None) -> None:
        """Keep only these rows."""

    def read_detection(self) -> bytes | None:
        """The state of detectors and alerts."""

    def write_detection(self, data: bytes) -> None:
        """Replace it."""

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

    def read_detection(self) -> bytes | None:
        """See `Store`."""
        return self.detection

    def write_detection(self, data: bytes) -> None:
        """See `Store`."""
        self.detection = data

    def read_shape(self) -> bytes | None:
        """See `Store`."""
        return self.shape

    def write_shape(self, data: bytes) -> None:
        """See `Store`."""
        self.shape = data
