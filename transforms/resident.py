"""What a pass over a key group left, decoded, for the next pass of the same process.

The state in the store is the truth, and every pass writes it. To read and decode it again for each
pass takes half of the time of a small one, and on a cluster a round trip for every cell. So a
worker keeps what it wrote last: where the header in the store is, to the byte, the one it wrote,
nobody else has stepped the group since, because each pass moves the progress and the totals in it.
Otherwise all cells are read. A pass takes what is kept away before it begins, so one that fails
leaves nothing behind that the store does not have.
"""

from dataclasses import dataclass

from padit.domain.rows import Rows
from padit.transforms.changes import DetectionCell
from padit.transforms.kept_rows import Held
from padit.transforms.states import States

__all__ = ["Left", "Resident"]

_MOST = 64 << 20
_ROW_BYTES = 24


@dataclass(slots=True)
class Left:
    """What a pass left.

    Attributes:
        cell: the states as parts of bytes.
        states: the same, decoded.
        kept: where the rows that later windows need came from, by cell.
        history: these rows, sorted; None where they are still in the pieces of `kept`.
    """

    cell: DetectionCell
    states: States
    kept: Held
    history: Rows | None = None

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        rows = 0 if self.history is None else len(self.history)
        return 2 * self.cell.size + _ROW_BYTES * rows


class Resident:
    """What is kept, by key group; groups that find no room are read from the store each time.

    Args:
        most: bytes of all groups together.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._left: dict[int, tuple[bytes, Left, int]] = {}
        self._size = 0

    def take(self, group: int, header: bytes | None) -> Left | None:
        """Take away what was kept of a group; None where it is not what the store has.

        Args:
            group: its number.
            header: as it stands in the store.
        """
        found = self._left.pop(group, None)
        if found is None:
            return None
        self._size -= found[2]
        return found[1] if found[0] == header else None

    def put(self, group: int, header: bytes, left: Left | None) -> None:
        """Keep what a pass left, if there is room; `header` as it was written with it."""
        size = 0 if left is None else left.size
        if left is not None and self._size + size <= self._most:
            self._left[group] = header, left, size
            self._size += size
