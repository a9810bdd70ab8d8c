"""The pure half of reading: where a reader stands, and what a read moves.

A cursor is also the Beam restriction of the source, so all that reading has to remember
(offsets and watermarks) survives a crash with it.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from padit.codecs.dead_letter import DeadRecord
from padit.connectors.source import PartitionRange, ReadBatch
from padit.domain.batch import Batch
from padit.domain.errors import StateError
from padit.domain.rows import Rows, concatenate
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE, Position, find_late

__all__ = [
    "Advance",
    "Cursor",
    "PartitionCursor",
    "ReadAheadLimiter",
    "advance",
    "first_cursors",
    "follow_idle",
]


class PartitionCursor(msgspec.Struct, array_like=True, frozen=True):
    """Where one partition stands; fields as in `domain.watermark.Position`.

    Attributes:
        stop: offset after the last one to read, None: for ever.
        late: rows of the partition that came too late so far, which numbers them.
        read: metrics of the partition read so far.
        dead_lettered: those of them that could not be read.
        reached: the watermark before the end was found; `WATERMARK_NONE` until then.
    """

    start: int
    following: int
    stop: int | None
    watermark: int = WATERMARK_NONE
    late: int = 0
    read: int = 0
    dead_lettered: int = 0
    reached: int = WATERMARK_NONE

    @property
    def ended(self) -> bool:
        """Whether nothing is left to read."""
        return self.watermark == WATERMARK_END

    def position(self, number: int, first: int) -> Position:
        """What a batch from offset `first` up to here says of this partition."""
        return Position(
            number,
            self.start,
            first,
            self.following,
            self.watermark,
            self.read,
            self.late,
            self.dead_lettered,
            self.reached,
        )


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """Where a reader stands in each of its partitions.

    Attributes:
        shard: number of this reader.
        shards: how many readers there are; partition p belongs to reader p % shards.
        partitions: how many partitions the job reads, as far as this reader knows.
        at: by partition.
        closed: nothing is left to do (all ended, or handed to another cursor).
        version: of this layout.
    """

    shard: int
    shards: int
    partitions: int
    at: dict[int, PartitionCursor]
    closed: bool = False
    version: int = 3

    def to_bytes(self) -> bytes:
        """Encode; the same cursor always gives the same bytes."""
        return msgspec.msgpack.encode(self)

    @staticmethod
    def from_bytes(data: bytes) -> "Cursor":
        """Read what `to_bytes` wrote.

        Raises:
            StateError: damaged, or of another version.
        """
        try:
            cursor = _decoder.decode(data)
        except msgspec.DecodeError as error:
            message = f"the saved position of the source is damaged: {error}"
            raise StateError(message) from error
        if cursor.version != 3:
            message = f"the saved position has version {cursor.version}, this code reads 3"
            raise StateError(message)
        return cursor

    @property
    def finished(self) -> bool:
        """Whether every partition has ended."""
        return all(partition.ended for partition in self.at.values())

    @property
    def watermark(self) -> int:
        """The smallest watermark of its partitions."""
        return min((partition.watermark for partition in self.at.values()), default=WATERMARK_END)


_decoder = msgspec.msgpack.Decoder(Cursor)


def first_cursors(ranges: list[PartitionRange], shards: int) -> list[Cursor]:
    """Cursors that divide the partitions among the readers."""
    shards = max(1, min(shards, len(ranges)))
    return [
        Cursor(
            shard,
            shards,
            len(ranges),
            {
                one.partition: PartitionCursor(one.start, one.start, one.stop)
                for one in ranges
                if one.partition % shards == shard
            },
        )
        for shard in range(shards)
    ]


class Advance(NamedTuple):
    """What a read gave.

    Attributes:
        cursor: where the reader stands behind it.
        batch: rows in time, and the watermarks.
        late: rows older than their partition's watermark, as (partition, number of the first,
            rows).
        dead: records that could not be read, or not all of them.
    """

    cursor: Cursor
    batch: Batch
    late: list[tuple[int, int, Rows]]
    dead: list[DeadRecord]


def advance(cursor: Cursor, reads: Sequence[ReadBatch], out_of_orderness: int) -> Advance:
    """Move the cursor over what was read; lateness is decided by each partition's log alone.

    Args:
        cursor: where the reader stood.
        reads: in the order they were read; several of one partition are allowed.
        out_of_orderness: microseconds.
    """
    at = dict(cursor.at)
    in_time: list[Rows] = []
    late: list[tuple[int, int, Rows]] = []
    touched: dict[int, int] = {}
    for read in reads:
        partition = at[read.partition]
        touched.setdefault(read.partition, partition.following)
        before = max(partition.watermark, read.decided)
        is_late, watermark = find_late(read.rows.time, before, out_of_orderness)
        if is_late is None:
            in_time.append(read.rows)
        else:
            in_time.append(read.rows.select(~is_late))
            late.append((read.partition, partition.late, read.rows.select(is_late)))
        at[read.partition] = PartitionCursor(
            partition.start,
            max(partition.following, read.following),
            partition.stop,
            WATERMARK_END if read.ended else watermark,
            partition.late + (0 if is_late is None else int(is_late.sum())),
            partition.read + len(read.rows) + read.lost,
            partition.dead_lettered + read.lost,
            watermark if read.ended and not partition.ended else partition.reached,
        )
    moved = msgspec.structs.replace(cursor, at=at)
    positions = [at[number].position(number, first) for number, first in touched.items()]
    return Advance(
        moved,
        Batch(cursor.partitions, tuple(positions), concatenate(in_time)),
        late,
        [one for read in reads for one in read.dead],
    )


class ReadAheadLimiter:
    """Counts the rows that wait downstream because another partition is behind.

    Without a bound a replay could read one partition to its end while the rows of that time
    from the others are still to come. Reading ahead is harmless as long as it is bounded in
    rows, and pausing is not free: a consumer throws away what it has fetched.

    Args:
        most: rows that may wait; above it the partitions that are ahead are paused, until half
            of them have gone.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._blocks: dict[int, deque[tuple[int, int]]] = {}
        self._paused = False

    def note(self, read: ReadBatch, watermark: int) -> None:
        """Take note of a read and the watermark of its partition behind it."""
        self._blocks.setdefault(read.partition, deque()).append((watermark, len(read.rows)))

    def to_pause(self, cursor: Cursor) -> frozenset[int]:
        """Partitions that should not be read on for now."""
        slowest = cursor.watermark
        rows = 0
        for batches in self._blocks.values():
            while batches and batches[0][0] <= slowest:
                batches.popleft()
            rows += sum(count for _, count in batches)
        self._paused = rows > (self._most // 2 if self._paused else self._most)
        if not self._paused:
            return frozenset()
        running = {number: one.watermark for number, one in cursor.at.items() if not one.ended}
        return frozenset(number for number, watermark in running.items() if watermark > slowest)


def follow_idle(cursor: Cursor, idle: frozenset[int], now: int) -> tuple[Cursor, Batch]:
    """Move the watermarks of idle partitions, so that they do not hold the others back.

    An idle partition follows the slowest one that is not idle. If all are idle, time goes on
    as the clock says: each goes to `now`. The decision is in the batch like any other watermark, so
    whatever happens downstream follows from the data.

    Args:
        cursor: where the reader stands.
        idle: partitions that have had nothing to read for the idle time-out.
        now: clock minus the idle time-out and the out-of-orderness, microseconds.
    """
    busy = [
        one.watermark for number, one in cursor.at.items() if number not in idle and not one.ended
    ]
    target = min(busy) if busy else now
    at = dict(cursor.at)
    positions = []
    for number in sorted(idle):
        one = at[number]
        if one.watermark < target and not one.ended:
            at[number] = msgspec.structs.replace(one, watermark=target)
            positions.append(at[number].position(number, one.following))
    moved = msgspec.structs.replace(cursor, at=at)
    return moved, Batch(cursor.partitions, tuple(positions), Rows.empty())
