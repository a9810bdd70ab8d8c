"""Records of a topic in bounded pieces, as they lie in its log; nothing of them is decoded."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from padit.codecs.record_batches import BatchHeader, Walked
from padit.connectors.kafka_reader import KafkaReader
from padit.connectors.kafka_settings import FetchSettings
from padit.connectors.source import PartitionRange, ReadBatch
from padit.domain.errors import SourceError
from padit.domain.rows import Rows

__all__ = ["Piece", "RecordReader"]


class Piece(NamedTuple):
    """Records of one partition.

    Attributes:
        partition: its number.
        following: offset behind them.
        records: None where only the offset moves on: transactions, compaction.
        ended: whether nothing is left to read.
    """

    partition: int
    following: int
    records: Walked | BatchHeader | None
    ended: bool = False


class RecordReader(KafkaReader):
    """The reader of the job, which hands records out as they are.

    Args:
        settings, topic, ranges: as those of `KafkaReader`.
        look_every: seconds between two looks for added partitions; None for a bounded read.
        patience: seconds, as those of `KafkaReader`.
    """

    _keyed = True

    def __init__(
        self,
        settings: FetchSettings,
        topic: str,
        ranges: Sequence[PartitionRange],
        look_every: float | None,
        patience: float,
    ) -> None:
        self._pieces: list[Piece] = []
        super().__init__(
            settings, topic, ranges, _nothing, look_every, (), patience, in_headers=True
        )

    def pieces(self, seconds: float) -> list[Piece]:
        """Wait at most so long for records."""
        reads = self.read(seconds)
        found, self._pieces = self._pieces, []
        told = {(one.partition, one.following) for one in found}
        for one in reads:
            if (one.partition, one.following) not in told or (one.ended and not found):
                found.append(Piece(one.partition, one.following, None, one.ended))
        return found

    def _runs(self, number: int, found: Walked) -> tuple[list[ReadBatch], int]:
        taken = len(found.offset)
        if number not in self._reading or not taken:
            return [], taken
        found, following, ended = self._within(number, found)
        self._at[number] = following
        if ended:
            self._forget(number)
        self._pieces.append(Piece(number, following, found, ended))
        return [ReadBatch(number, following, Rows.empty(), ended=ended)], taken

    def _damaged(self, number: int, batch: BatchHeader) -> list[ReadBatch]:
        reads = super()._damaged(number, batch)
        for one in reads:
            self._pieces.append(Piece(number, one.following, batch))
        return reads


def _nothing(values: Any, record_time: Any) -> Any:
    message = "records of an archive are not decoded here"
    raise SourceError(message)
