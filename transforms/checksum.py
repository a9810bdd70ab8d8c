"""Checksums for the cells of a key group's state.

A flipped bit in saved columns is mostly another valid number, so without a checksum a damaged
savepoint would silently give wrong scores.
"""

from collections.abc import Sequence
from zlib import crc32

from padit.domain.errors import FRESH_START, StateError
from padit.transforms.store import Store

__all__ = ["ChecksummedStore", "with_checksum", "without_checksum"]

_BYTES = 4


def with_checksum(data: bytes) -> bytes:
    """Append the CRC-32 of the data.

    >>> without_checksum(with_checksum(b"state"), "rows")
    b'state'
    """
    return data + crc32(data).to_bytes(_BYTES, "little")


def without_checksum(data: bytes, what: str) -> bytes:
    """Take off the checksum.

    Args:
        data: from `with_checksum`.
        what: the cell, for the message.

    Raises:
        StateError: the checksum does not fit.
    """
    content = data[:-_BYTES]
    if len(data) < _BYTES or crc32(content) != int.from_bytes(data[-_BYTES:], "little"):
        message = (
            f"the saved {what} ({len(data)} bytes) are damaged, their checksum does not fit: go "
            f"on from an earlier savepoint, or {FRESH_START}"
        )
        raise StateError(message)
    return content


class ChecksummedStore:
    """A `transforms.store.Store` that adds a checksum to each cell of the store beneath."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read_header(self) -> bytes | None:
        """See `Store`."""
        return _checked(self._store.read_header(), "progress")

    def write_header(self, data: bytes) -> None:
        """See `Store`."""
        self._store.write_header(with_checksum(data))

    def add_rows(self, data: bytes) -> None:
        """See `Store`."""
        self._store.add_rows(with_checksum(data))

    def read_rows(self) -> Sequence[bytes]:
        """See `Store`."""
        return [without_checksum(data, "rows") for data in self._store.read_rows()]

    def replace_rows(self, data: bytes | None) -> None:
        """See `Store`."""
        self._store.replace_rows(None if data is None else with_checksum(data))

    def add_kept(self, cell: int, data: bytes) -> None:
        """See `Store`."""
        self._store.add_kept(cell, with_checksum(data))

    def read_kept(self, cell: int) -> Sequence[bytes]:
        """See `Store`."""
        return [without_checksum(data, "rows") for data in self._store.read_kept(cell)]

    def clear_kept(self, cell: int) -> None:
        """See `Store`."""
        self._store.clear_kept(cell)

    def read_detection(self) -> bytes | None:
        """See `Store`."""
        return _checked(self._store.read_detection(), "states of detectors and alerts")

    def write_detection(self, data: bytes) -> None:
        """See `Store`."""
        self._store.write_detection(with_checksum(data))

    def read_changes(self) -> Sequence[bytes]:
        """See `Store`."""
        what = "changes of detectors and alerts"
        return [without_checksum(data, what) for data in self._store.read_changes()]

    def add_change(self, data: bytes) -> None:
        """See `Store`."""
        self._store.add_change(with_checksum(data))

    def replace_changes(self, data: bytes) -> None:
        """See `Store`."""
        self._store.replace_changes(with_checksum(data))

    def read_shape(self) -> bytes | None:
        """See `Store`."""
        return _checked(self._store.read_shape(), "options")

    def write_shape(self, data: bytes) -> None:
        """See `Store`."""
        self._store.write_shape(with_checksum(data))


def _checked(data: bytes | None, what: str) -> bytes | None:
    return None if data is None else without_checksum(data, what)
