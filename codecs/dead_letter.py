"""Records that cannot be used, wholly or in part.

A `DeadRecord` only points at its record. The letter, with its digest and the record's bytes, is
made only where dead letters are read.
"""

from collections.abc import Sequence
from typing import NamedTuple

from padit.codecs.contract import Reject
from padit.domain.dead_letter import DeadLetter

__all__ = ["DeadRecord", "count_lost"]


class DeadRecord(NamedTuple):
    """A record, or a part of it, that could not be used, and where it came from.

    Attributes:
        value: the whole record; None is a tombstone.
        reject: why; its `record` has no meaning here.
        topic: topic or file.
        partition: number of the partition.
        offset: offset of the record.
    """

    value: bytes | None
    reject: Reject
    topic: str
    partition: int
    offset: int

    def letter(self) -> DeadLetter:
        """Make the letter."""
        _, reason, lost, elements = self.reject
        return DeadLetter.of(
            self.value or b"", reason, self.topic, self.partition, self.offset, lost, elements
        )


def count_lost(dead: Sequence[DeadRecord]) -> int:
    """Samples that are lost with these records."""
    return sum(one.reject.lost for one in dead)
