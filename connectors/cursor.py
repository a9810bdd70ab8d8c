"""The pure half of reading: where a reader stands, and what a read moves.

A cursor is also the Beam restriction of the source, so all that reading has to remember
(offsets and watermarks) survives a crash with it.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from padit.codecs.dead_letter import DeadRecord
from padit.connectors.losses import dead_losses, far_loss, late_loss
from padit.connectors.source import PartitionRange, ReadBatch
from padit.domain.batch import Batch
from padit.domain.findings import Unwatched, add_unwatched
from padit.domain.losses import Loss, add_losses
from padit.domain.rows import Rows, concatenate
from padit.domain.saved import read_saved
from padit.domain.watermark import (
    WATERMARK_END,
    WATERMARK_NONE,
    Judged,
    Position,
    Vote,
    find_late,
    reached,
)

__all__ = [
    "Advance",
    "Cursor",
    "PartitionCursor",
    "ReadAheadLimiter",
    "Numbered",
    "advance",
    "first_cursors",
    "follow_idle",
]


_VERSION = 6


class PartitionCursor(msgspec.Struct, array_like=True, frozen=True):
    """Where one partition stands; fields as in `domain.watermark.Position`.

    Attributes:
        stop: offset after the last one to read, None: no end.
        late: rows of the partition that came too late so far, which numbers them.
        read: metrics of the partition read so far.
        dead_lettered: those of them that could not be read.
        reached: the watermark before the end was found; `WATERMARK_NONE` until then.
        vote: what its log shows about the clocks of its sources.
    """

    start: int
    following: int
    stop: int | None
    watermark: int = WATERMARK_NONE
    late: int = 0
    read: int = 0
    dead_lettered: int = 0
    reached: int = WATERMARK_NONE
    vote: Vote = Vote()

    @property
    def ended(self) -> bool:
        """Whether nothing is left to read."""
        return self.watermark == WATERMARK_END

    def position(self, number: int, first: int) -> Position:
        """The position of this partition in a batch from offset `first` up to here."""
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
        shape: `data` of the job's `Shape`; a reader of a job of another shape refuses it.
        losses: what was lost so far, by kind of reason.
        unwatched: what was left unwatched so far by a mapping, by kind.
    """

    shard: int
    shards: int
    partitions: int
    at: dict[int, PartitionCursor]
    closed: bool = False
    version: int = _VERSION
    shape: bytes = b""
    losses: tuple[Loss, ...] = ()
    unwatched: tuple[Unwatched, ...] = ()

    def to_bytes(self) -> bytes:
        """Encode; the same cursor always gives the same bytes."""
        return msgspec.msgpack.encode(self)

    @staticmethod
    def from_bytes(data: bytes) -> "Cursor":
        """Read what `to_bytes` wrote.

        Raises:
            StateError: damaged, or of another version.
        """
        return read_saved(_decoder, data, _VERSION, "the saved position of the source")

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


class Numbered(NamedTuple):
    """Rows that leave the job at the source.

    Attributes:
        partition: where they came from.
        first: number of the first; the count of such rows of the partition before.
        following: offset after the last record of the read they came with.
        rows: in log order.
    """

    partition: int
    first: int
    following: int
    rows: Rows


class Advance(NamedTuple):
    """The result of a read.

    Attributes:
        cursor: where the reader stands behind it.
        batch: rows in time, and the watermarks.
        late: rows older than their partition's watermark.
        dead: records that could not be read, or not all of them.
        far: rows of a clock that runs far ahead of the others; they count as dead letters.
        lost: all of these by kind of reason; the cursor holds the sum.
    """

    cursor: Cursor
    batch: Batch
    late: list[Numbered]
    dead: list[DeadRecord]
    far: list[Numbered]
    lost: tuple[Loss, ...] = ()


def advance(
    cursor: Cursor, reads: Sequence[ReadBatch], out_of_orderness: int, name: str = ""
) -> Advance:
    """Move the cursor over what was read; lateness is decided by each partition's log alone.

    Args:
        cursor: where the reader stood.
        reads: in the order they were read; several of one partition are allowed.
        out_of_orderness: microseconds.
        name: of the source, for the examples of what is lost.
    """
    at = dict(cursor.at)
    in_time: list[Rows] = []
    late: list[Numbered] = []
    far: list[Numbered] = []
    lost: list[Loss] = []
    touched: dict[int, int] = {}
    for read in reads:
        before = at[read.partition]
        touched.setdefault(read.partition, before.following)
        at[read.partition], kept, found = _take(before, read, out_of_orderness)
        in_time.append(kept)
        if found.late is not None and found.behind is not None:
            rows = read.rows.select(found.late)
            late.append(Numbered(read.partition, before.late, read.following, rows))
            lost.append(late_loss(name, read.partition, rows, found.behind))
        if found.far is not None:
            rows = read.rows.select(found.far)
            far.append(Numbered(read.partition, before.dead_lettered, read.following, rows))
            lost.append(far_loss(name, read.partition, rows))
        lost += dead_losses(read.dead)
    losses = add_losses(cursor.losses, lost) if lost else cursor.losses
    left = add_unwatched(cursor.unwatched, [one for read in reads for one in read.unwatched])
    moved = msgspec.structs.replace(cursor, at=at, losses=losses, unwatched=left)
    positions = [at[number].position(number, first) for number, first in touched.items()]
    return Advance(
        moved,
        Batch(cursor.partitions, tuple(positions), concatenate(in_time)),
        late,
        [one for read in reads for one in read.dead],
        far,
        add_losses((), lost),
    )


def _take(
    before: PartitionCursor, read: ReadBatch, out_of_orderness: int
) -> tuple[PartitionCursor, Rows, Judged]:
    """Where a partition stands behind a read, the rows in time, and which are late or far."""
    watermark = max(before.watermark, read.decided)
    found = find_late(read.rows, watermark, out_of_orderness, before.vote)
    late, far, watermark, vote = found[:4]
    dropped = [mask for mask in (late, far) if mask is not None]
    kept = read.rows.select(~np.logical_or.reduce(dropped)) if dropped else read.rows
    after = PartitionCursor(
        before.start,
        max(before.following, read.following),
        before.stop,
        WATERMARK_END if read.ended else watermark,
        before.late + (0 if late is None else int(late.sum())),
        before.read + len(read.rows) + read.lost,
        before.dead_lettered + read.lost + (0 if far is None else int(far.sum())),
        reached(watermark, vote, out_of_orderness)
        if read.ended and not before.ended
        else before.reached,
        vote,
    )
    return after, kept, found


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
        self._batches: dict[int, deque[tuple[int, int]]] = {}
        self._rows = 0
        self._paused = False

    def note(self, read: ReadBatch, watermark: int) -> None:
        """Take note of a read and the watermark of its partition behind it."""
        self._batches.setdefault(read.partition, deque()).append((watermark, len(read.rows)))
        self._rows += len(read.rows)

    def to_pause(self, cursor: Cursor) -> frozenset[int]:
        """Partitions that should not be read on for now.

        The rows are a running total, so a call costs no more than there are partitions and
        batches that have gone since the last one, however many wait.
        """
        slowest = cursor.watermark
        for batches in self._batches.values():
            while batches and batches[0][0] <= slowest:
                _, count = batches.popleft()
                self._rows -= count
        self._paused = self._rows > (self._most // 2 if self._paused else self._most)
        if not self._paused:
            return frozenset()
        running = {number: one.watermark for number, one in cursor.at.items() if not one.ended}
        return frozenset(number for number, watermark in running.items() if watermark > slowest)


def follow_idle(cursor: Cursor, idle: frozenset[int], now: int) -> tuple[Cursor, Batch]:
    """Move the watermarks of idle partitions, so that they do not hold the others back.

    An idle partition follows the slowest one that is not idle. If all are idle, time follows the
    clock: each goes to `now`. The decision is in the batch like any other watermark, so whatever
    happens downstream follows from the data.

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
