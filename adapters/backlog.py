"""The queue of records to send: memory first, then disk, in one order."""

from collections import deque
from collections.abc import Iterable

from padit.adapters.encode import Record
from padit.adapters.spool import Spool

__all__ = ["Backlog"]


class Backlog:
    """A first-in first-out queue that spills to disk; used by one thread.

    Args:
        spool: the disk.
        room: bytes that may wait in memory.
    """

    def __init__(self, spool: Spool, room: int) -> None:
        self._spool = spool
        self._room = room
        self._memory: deque[Record] = deque()
        self._bytes = 0
        self._samples = 0

    def __bool__(self) -> bool:
        return bool(self._memory or self._spool)

    @property
    def samples(self) -> int:
        """Samples that wait in memory and on disk."""
        return self._samples + self._spool.samples

    @property
    def disk_bytes(self) -> int:
        """Bytes on disk."""
        return self._spool.size

    def add(self, record: Record) -> None:
        """Put a record behind all others; on disk as soon as the memory is full."""
        if self._spool or self._bytes > self._room:
            self._spool.append([record])
        else:
            self._memory.append(record)
            self._account(record, 1)

    def take(self) -> Record | None:
        """The oldest record."""
        if self._memory:
            record = self._memory.popleft()
            self._account(record, -1)
            return record
        return self._spool.take()

    def give_back(self, records: Iterable[Record]) -> None:
        """Put records that were taken in front of all others again, in their order."""
        for record in reversed(list(records)):
            self._memory.appendleft(record)
            self._account(record, 1)

    def settle(self) -> None:
        """All that was taken is delivered: the disk may forget it."""
        self._spool.release()

    def close(self) -> int:
        """Leave what waits on disk; returns its samples."""
        self._spool.prepend(list(self._memory))
        samples = self._spool.samples
        self._spool.close()
        return samples

    def _account(self, record: Record, sign: int) -> None:
        self._bytes += sign * len(record.value)
        self._samples += sign * record.samples
