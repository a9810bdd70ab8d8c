"""Records of several partitions in the order in which they were written.

After a pause each partition has a backlog. Read one after the other, the job's progress of an hour
would come before the alerts of that hour. So a record is given once no other partition can have an
earlier one: each has a record waiting or is read to its end.
"""

from collections import deque
from collections.abc import Hashable

from padit.alerting.records import Record

__all__ = ["Merge"]

_KINDS = {"alert": 0, "command": 1, "audit": 2}
_MOST_WAITING = 2000


class Merge:
    """Partitions and what waits of them.

    Args:
        patience: seconds after which a partition that gives nothing holds the others up no longer.
        most: records of a partition that may wait.
    """

    def __init__(self, patience: float = 10.0, most: int = _MOST_WAITING) -> None:
        self._patience = patience
        self._most = most
        self._waiting: dict[Hashable, deque[tuple[int, int, Record]]] = {}
        self._behind: dict[Hashable, float] = {}

    def begin(self, partition: Hashable, now: float) -> None:
        """A partition is read from now on, seconds."""
        self._waiting[partition] = deque()
        self._behind[partition] = now

    def add(self, partition: Hashable, written: int, record: Record, now: float) -> None:
        """A record, and when it was written, in any unit."""
        self._waiting[partition].append((written, _KINDS.get(record.kind, 3), record))
        self._behind[partition] = now

    def end(self, partition: Hashable) -> None:
        """A partition is read to where it ends now."""
        self._behind.pop(partition, None)

    def crowded(self, partition: Hashable) -> bool:
        """Whether so many of its records wait that no more should be read."""
        return len(self._waiting[partition]) >= self._most

    def take(self, now: float) -> list[Record]:
        """The records that are next, in order."""
        found = []
        filled = {key for key, waiting in self._waiting.items() if waiting}
        held = [key for key, since in self._behind.items() if now - since < self._patience]
        while filled and all(key in filled for key in held):
            key = min(filled, key=self._rank)
            found.append(self._waiting[key].popleft()[2])
            if not self._waiting[key]:
                filled.remove(key)
        return found

    def _rank(self, key: Hashable) -> tuple[int, int, str, int]:
        written, kind, record = self._waiting[key][0]
        return written, kind, record.place, record.partition
