"""Records of topics that do not exist, put aside until they do; bounded by their bytes."""

from collections import deque

from padit.adapters.encode import Record

__all__ = ["Parked"]


class Parked:
    """Queues by topic; used by one thread.

    Args:
        room: bytes of all values together; beyond them the longest queue loses its oldest.

    Attributes:
        samples: samples that wait here.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._bytes: dict[str, int] = {}
        self._records: dict[str, deque[Record]] = {}
        self.samples = 0

    def __bool__(self) -> bool:
        return bool(self._records)

    def topics(self) -> list[str]:
        """Topics with records."""
        return list(self._records)

    def add(self, record: Record) -> int:
        """Put a record behind the others of its topic; samples that had to go for it."""
        self._records.setdefault(record.topic, deque()).append(record)
        self._account(record, 1)
        dropped = 0
        while sum(self._bytes.values()) > self._room:
            largest = max(self._bytes, key=self._bytes.__getitem__)
            oldest = self._records[largest].popleft()
            self._account(oldest, -1)
            dropped += oldest.samples
            if not self._records[largest]:
                self.take(largest)
        return dropped

    def take(self, topic: str) -> list[Record]:
        """All records of a topic, oldest first; they wait here no longer."""
        records = list(self._records.pop(topic, ()))
        self._bytes.pop(topic, None)
        self.samples -= sum(record.samples for record in records)
        return records

    def take_all(self) -> list[Record]:
        """All records of all topics."""
        return [record for topic in self.topics() for record in self.take(topic)]

    def _account(self, record: Record, sign: int) -> None:
        size = len(record.value) + len(record.key or b"") + 200  # and what Python needs for it
        self._bytes[record.topic] = self._bytes.get(record.topic, 0) + sign * size
        self.samples += sign * record.samples
