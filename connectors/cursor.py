"""The pure half of reading: where a reader stands, and what a read moves.

A cursor is also the Beam restriction of the source, so all that reading has to remember
(offsets and marks) survives a crash with it.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from connectors.reader import PartitionRange, Read
from domain.block import Block
from domain.deadletter import DeadLetter
from domain.errors import StateError
from domain.marks import MARK_END, MARK_NONE, Position, judge
from domain.rows import Rows, concatenate

__all__ = [
    "Advance",
    "Cursor",
    "PartitionCursor",
    "Held",
    "advance",
    "first_cursors",
    "follow_idle",
]


class PartitionCursor(msgspec.Struct, array_like=True, frozen=True):
    """Where one partition stands; fields as in `domain.marks.Position`.

    Attributes:
        stop: offset after the last one to read, None: for ever.
        late: rows of the partition that came too late so far, which numbers them.
        read: metrics of the partition read so far.
        dead_lettered: those of them that could not be read.
        reached: the mark before the end was found; `MARK_NONE` until then.
    """

    start: int
    following: int
    stop: int | None
    mark: int = MARK_NONE
    late: int = 0
    read: int = 0
    dead_lettered: int = 0
    reached: int = MARK_NONE

    @property
    def ended(self) -> bool:
        """Whether nothing is left to read."""
        return self.mark == MARK_END

    def position(self, number: int, first: int) -> Position:
        """What a block from offset `first` up to here says of this partition."""
        return Position(
            number,
            self.start,
            first,
            self.following,
            self.mark,
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
    def mark(self) -> int:
        """The smallest mark of its partitions."""
        return min((partition.mark for partition in self.at.values()), default=MARK_END)


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
        block: rows in time, and the marks.
        late: rows older than their partition's mark, as (partition, number of the first, rows).
        dead: what could not be read.
    """

    cursor: Cursor
    block: Block
    late: list[tuple[int, int, Rows]]
    dead: list[DeadLetter]


def advance(cursor: Cursor, reads: Sequence[Read], out_of_orderness: int) -> Advance:
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
        before = max(partition.mark, read.decided)
        is_late, mark = judge(read.rows.time, before, out_of_orderness)
        if is_late is None:
            in_time.append(read.rows)
        else:
            in_time.append(read.rows.select(~is_late))
            late.append((read.partition, partition.late, read.rows.select(is_late)))
        at[read.partition] = PartitionCursor(
            partition.start,
            max(partition.following, read.following),
            partition.stop,
            MARK_END if read.ended else mark,
            partition.late + (0 if is_late is None else int(is_late.sum())),
            partition.read + len(read.rows) + len(read.dead),
            partition.dead_lettered + len(read.dead),
            mark if read.ended and not partition.ended else partition.reached,
        )
    moved = msgspec.structs.replace(cursor, at=at)
    positions = [at[number].position(number, first) for number, first in touched.items()]
    return Advance(
        moved,
        Block(cursor.partitions, tuple(positions), concatenate(in_time)),
        late,
        [letter for read in reads for letter in read.dead],
    )


class Held:
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

    def note(self, read: Read, mark: int) -> None:
        """Take note of a read and the mark of its partition behind it."""
        self._blocks.setdefault(read.partition, deque()).append((mark, len(read.rows)))

    def to_pause(self, cursor: Cursor) -> frozenset[int]:
        """Partitions that should not be read on for now."""
        slowest = cursor.mark
        rows = 0
        for blocks in self._blocks.values():
            while blocks and blocks[0][0] <= slowest:
                blocks.popleft()
            rows += sum(count for _, count in blocks)
        self._paused = rows > (self._most // 2 if self._paused else self._most)
        if not self._paused:
            return frozenset()
        running = {number: one.mark for number, one in cursor.at.items() if not one.ended}
        return frozenset(number for number, mark in running.items() if mark > slowest)


def follow_idle(cursor: Cursor, idle: frozenset[int], now: int) -> tuple[Cursor, Block]:
    """Move the marks of idle partitions, so that they do not hold the others back.

    An idle partition follows the slowest one that is not idle. If all are idle, time goes on
    as the clock says: each goes to `now`. The decision is in the block like any other mark, so
    whatever happens downstream follows from the data.

    Args:
        cursor: where the reader stands.
        idle: partitions that have had nothing to read for the idle time-out.
        now: clock minus the idle time-out and the out-of-orderness, microseconds.
    """
    busy = [one.mark for number, one in cursor.at.items() if number not in idle and not one.ended]
    target = min(busy) if busy else now
    at = dict(cursor.at)
    positions = []
    for number in sorted(idle):
        one = at[number]
        if one.mark < target and not one.ended:
            at[number] = msgspec.structs.replace(one, mark=target)
            positions.append(at[number].position(number, one.following))
    moved = msgspec.structs.replace(cursor, at=at)
    return moved, Block(cursor.partitions, tuple(positions), Rows.empty())
