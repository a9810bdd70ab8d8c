"""The cursor of a reader as Beam's restriction: claimed whole, and split only to be handed back."""

import msgspec
from apache_beam.coders import BytesCoder
from apache_beam.io.iobase import RestrictionProgress, RestrictionTracker
from apache_beam.transforms.core import RestrictionProvider

from padit.connectors.cursor import Cursor

__all__ = ["CursorProvider"]


class _CursorTracker(RestrictionTracker):  # type: ignore[misc]
    """Claims are whole cursors; the only split is the one that hands everything back."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def current_restriction(self) -> bytes:
        return self._data

    def try_claim(self, position: bytes) -> bool:
        if Cursor.from_bytes(self._data).closed:
            return False
        self._data = position
        return True

    def try_split(self, fraction_of_remainder: float) -> tuple[bytes, bytes] | None:
        cursor = Cursor.from_bytes(self._data)
        if fraction_of_remainder != 0 or cursor.closed:
            return None
        residual = self._data
        self._data = msgspec.structs.replace(cursor, closed=True).to_bytes()
        return self._data, residual

    def check_done(self) -> None:
        if not Cursor.from_bytes(self._data).closed:
            message = "a reader returned before its cursor was closed or handed back"
            raise ValueError(message)

    def current_progress(self) -> RestrictionProgress:
        return RestrictionProgress(fraction=1.0 if Cursor.from_bytes(self._data).closed else 0.0)

    def is_bounded(self) -> bool:
        return all(one.stop is not None for one in Cursor.from_bytes(self._data).at.values())


class CursorProvider(RestrictionProvider):  # type: ignore[misc]
    """The restriction of `ReadShard` for Beam; its methods are Beam's."""

    def initial_restriction(self, element: bytes) -> bytes:
        """The element itself."""
        return element

    def create_tracker(self, restriction: bytes) -> _CursorTracker:
        """Claims of one bundle."""
        return _CursorTracker(restriction)

    def restriction_size(self, element: bytes, restriction: bytes) -> int:
        """All alike."""
        return 1

    def restriction_coder(self) -> BytesCoder:
        """Cursors are bytes already."""
        return BytesCoder()

    def truncate(self, element: bytes, restriction: bytes) -> bytes | None:
        """On drain a bounded read is finished, a live one ends where it is."""
        return restriction if _CursorTracker(restriction).is_bounded() else None
