"""The state of a key group in the state of a Beam step."""

from collections.abc import Sequence
from typing import Any

__all__ = ["BeamStore"]


class BeamStore:
    """A `transforms.store.Store` over Beam's state of one key; see there for what a cell holds.

    Args:
        header, shape: values.
        rows: a bag.
        kept: bags.
        detection: a value, and the bag of its changes.
    """

    def __init__(
        self, header: Any, rows: Any, kept: Sequence[Any], detection: tuple[Any, Any], shape: Any
    ) -> None:
        self._header, self._rows, self._kept, self._shape = header, rows, kept, shape
        self._detection, self._changes = detection

    def read_header(self) -> bytes | None:
        """See `Store`."""
        value: bytes | None = self._header.read()
        return value

    def write_header(self, data: bytes) -> None:
        """See `Store`."""
        self._header.write(data)

    def add_rows(self, data: bytes) -> None:
        """See `Store`."""
        self._rows.add(data)

    def read_rows(self) -> Sequence[bytes]:
        """See `Store`."""
        return list(self._rows.read())

    def replace_rows(self, data: bytes | None) -> None:
        """See `Store`."""
        self._rows.clear()
        if data is not None:
            self._rows.add(data)

    def add_kept(self, cell: int, data: bytes) -> None:
        """See `Store`."""
        self._kept[cell].add(data)

    def read_kept(self, cell: int) -> Sequence[bytes]:
        """See `Store`."""
        return list(self._kept[cell].read())

    def clear_kept(self, cell: int) -> None:
        """See `Store`."""
        self._kept[cell].clear()

    def read_detection(self) -> bytes | None:
        """See `Store`."""
        value: bytes | None = self._detection.read()
        return value

    def write_detection(self, data: bytes) -> None:
        """See `Store`."""
        self._detection.write(data)
        self._changes.clear()

    def read_changes(self) -> Sequence[bytes]:
        """See `Store`."""
        return list(self._changes.read())

    def add_change(self, data: bytes) -> None:
        """See `Store`."""
        self._changes.add(data)

    def replace_changes(self, data: bytes) -> None:
        """See `Store`."""
        self._changes.clear()
        self._changes.add(data)

    def read_shape(self) -> bytes | None:
        """See `Store`."""
        value: bytes | None = self._shape.read()
        return value

    def write_shape(self, data: bytes) -> None:
        """See `Store`."""
        self._shape.write(data)
