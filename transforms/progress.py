"""Progress of a key group: which offsets it has seen, and up to when windows may close."""

import msgspec

from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE, Position

__all__ = ["PartitionProgress", "Progress"]


class PartitionProgress(msgspec.Struct, array_like=True):
    """One partition as a key group knows it.

    Attributes:
        following: every offset before this has been seen.
        watermark: the watermark at `following`.
        ahead: positions of batches that arrived before a batch with earlier offsets.
        read, late, dead_lettered, reached, start: as in `Position`.
    """

    following: int
    watermark: int = WATERMARK_NONE
    ahead: list[Position] = []
    read: int = 0
    late: int = 0
    dead_lettered: int = 0
    reached: int = WATERMARK_NONE
    start: int = 0


class Progress(msgspec.Struct, array_like=True):
    """Watermarks of all partitions; grows with the number of partitions only.

    Attributes:
        partitions: how many there are; windows wait until each has a watermark.
        known: progress of those seen so far, by number.
    """

    partitions: int = 0
    known: dict[int, PartitionProgress] = {}

    def observe(self, partitions: int, positions: tuple[Position, ...]) -> bool:
        """Take note of a batch; False if all of it was seen before.

        A watermark counts once every offset before it has been seen, so a batch that overtook
        another one waits in `ahead`; its rows can be kept at once.
        """
        self.partitions = max(self.partitions, partitions)
        # A batch that is seen again may hold empty positions, which always count as new: only
        # positions that cover records decide.
        carrying: list[bool] = []
        empty: list[bool] = []
        for position in positions:
            news = self._observe(position)
            (empty if position.first == position.following else carrying).append(news)
        return any(carrying or empty)

    @property
    def watermark(self) -> int:
        """The smallest watermark of all partitions: every window that ends by then is complete."""
        if not self.partitions or len(self.known) < self.partitions:
            return WATERMARK_NONE
        return min(partition.watermark for partition in self.known.values())

    @property
    def known_until(self) -> int:
        """Event time up to which missing samples are known, microseconds.

        Once all partitions have ended it is that of the furthest one: the end of the input closes
        every window, but does not show whether samples are missing after it.
        """
        watermark = self.watermark
        if watermark != WATERMARK_END:
            return watermark
        return max(partition.reached for partition in self.known.values())

    def _observe(self, position: Position) -> bool:
        partition = self.known.get(position.partition)
        if partition is None:
            partition = PartitionProgress(position.start, start=position.start)
            self.known[position.partition] = partition
        if position.first > partition.following:
            if position in partition.ahead:
                return False
            partition.ahead = sorted([*partition.ahead, position])
            return True
        # An empty position covers no records, so counting it as new costs nothing.
        news = position.following > partition.following or position.first == position.following
        _advance(partition, position)
        while partition.ahead and partition.ahead[0].first <= partition.following:
            _advance(partition, partition.ahead.pop(0))
        return news


def _advance(partition: PartitionProgress, position: Position) -> None:
    partition.following = max(partition.following, position.following)
    partition.watermark = max(partition.watermark, position.watermark)
    # Totals since the job began, so a batch that is seen again counts nothing twice.
    partition.read = max(partition.read, position.read)
    partition.late = max(partition.late, position.late)
    partition.dead_lettered = max(partition.dead_lettered, position.dead_lettered)
    partition.reached = max(partition.reached, position.reached)
