"""ReadMetrics: any source as one splittable DoFn, live or bounded.

What an element is: one shard, a reader's share of the partitions, as `Cursor` bytes; what comes
out are `Batch`s, and `Message`s for late rows and dead letters.
Unit of parallelism: the shard; partition p belongs to shard p % shards.
In a crash: the cursor is the restriction, so the runner restores offsets and watermarks together
with everything downstream, and rows after the checkpoint are read again.

A reader hands its cursor back to the runner at intervals (a self-checkpoint), because a runner
can take a checkpoint only between bundles. It does so rarely when idle: Flink runners before
apache/beam PR 39191 keep a little state for every self-checkpoint forever, unless our launcher
bounds it (docs/adr/0046-what-a-self-checkpoint-leaves.md).
"""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import msgspec
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.metrics import Metrics
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Duration, Timestamp

from padit.connectors.collector import relax_collector, restore_collector
from padit.connectors.cursor import (
    Advance,
    Cursor,
    PartitionCursor,
    ReadAheadLimiter,
    advance,
    follow_idle,
)
from padit.connectors.restriction import CursorProvider
from padit.connectors.side_outputs import (
    DEAD,
    LATE,
    DeadLog,
    LabelLog,
    LeftLog,
    decision_message,
    losses_message,
    side_messages,
)
from padit.connectors.source import Decoder, PartitionRange, ReadBatch, Reader, Source
from padit.connectors.waiting import Waiting
from padit.domain.rows import Rows
from padit.domain.shape import Shape
from padit.domain.timestamps import MICROS
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE, Position
from padit.ops import metric_names
from padit.ops.compiled import ready
from padit.ops.metric_names import NAMESPACE
from padit.ops.run_context import RunContext

__all__ = ["DEAD", "LATE", "NOTES", "ReadOptions", "ReadShard"]

_FILL_SECONDS = 0.02
_FILL_SECONDS_BOUNDED = 2.0  # a replay is in no hurry, but a checkpoint waits for the batch
_PATIENCE_BOUNDED = 0.5
_AHEAD_FROM = 50_000  # rows of a batch from which on more is likely to be there already
_BOUNDED = 4  # times the rows of a bundle: each batch of a replay costs every key group a close
NOTES = "notes"
_COUNTERS = (
    metric_names.READ, metric_names.LATE, metric_names.DEAD_LETTERED, metric_names.PARTITIONS_ENDED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read.

    Attributes:
        out_of_orderness: allowed disorder within a partition, microseconds.
        idle_after: a partition with nothing to read for so long stops holding the others
            back, seconds; live only.
        most_held: rows that may wait downstream for the slowest partition.
        bundle_rows: rows after which the cursor goes back to the runner.
        bundle_seconds: time after which it does, once it has read something; a runner may
            hand results on only then, so this bounds the latency.
        idle_seconds: time after which it does without having read anything.
        poll_seconds: how long one read waits for rows.
        outputs: the outputs that are read; messages for other outputs are counted and not made.
        shape: of the job; a cursor of a job of another shape is refused.
    """

    out_of_orderness: int
    idle_after: float
    most_held: int = 2_000_000
    bundle_rows: int = 250_000
    bundle_seconds: float = 1.0
    idle_seconds: float = 2.0
    poll_seconds: float = 0.1
    outputs: frozenset[str] = frozenset((LATE, DEAD))
    shape: Shape = Shape(b"")  # noqa: RUF009  # frozen


_TRACKER = beam.DoFn.RestrictionParam(CursorProvider())
_WATERMARK = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider())


class ReadShard(beam.DoFn):  # type: ignore[misc]
    """Reads one shard: batches on the main output, messages on `LATE`, `DEAD` and `NOTES`."""

    def __init__(
        self,
        source: Source,
        decode: Decoder,
        options: ReadOptions,
        context: RunContext | None = None,
        prepare: Callable[[], None] = ready,
    ) -> None:
        self._prepare = prepare
        self._source = source
        self._decode = decode
        self._options = options
        self._context = context or RunContext()
        self._readers: dict[int, _OpenReader] = {}

    def setup(self) -> None:
        """Prepare the process: load the kernels, expect many short-lived objects."""
        self._prepare()
        relax_collector()

    @beam.DoFn.unbounded_per_element()  # type: ignore[untyped-decorator]
    def process(
        self,
        element: bytes,
        tracker: Any = _TRACKER,
        watermark: Any = _WATERMARK,
    ) -> Iterator[Any]:
        """Read until there is nothing left, or until it is time to hand the cursor back."""
        cursor = Cursor.from_bytes(tracker.current_restriction())
        self._options.shape.check(cursor.shape)
        reader = self._reader(cursor)
        started = time.monotonic()
        rows = 0
        while True:
            if cursor.finished or self._context.stopping:
                tracker.try_claim(msgspec.structs.replace(cursor, closed=True).to_bytes())
                return
            limit = self._options.bundle_seconds if rows else self._options.idle_seconds
            if rows >= self._options.bundle_rows or time.monotonic() - started > limit:
                tracker.defer_remainder(Duration(0))
                return
            try:
                moved, outputs, count = reader.step(cursor)
            except BaseException:
                # The consumer may stand behind rows that no cursor covers: the next reader
                # begins where the cursor stands.
                self._drop(reader)
                raise
            if moved is cursor:
                continue
            if not tracker.try_claim(moved.to_bytes()):
                self._drop(reader)
                return
            cursor, rows = moved, rows + count
            reader.account(cursor)
            yield from outputs
            watermark.set_watermark(_timestamp(cursor.watermark))

    def teardown(self) -> None:
        """Close the connections."""
        for reader in list(self._readers.values()):
            self._drop(reader)
        restore_collector()

    def _reader(self, cursor: Cursor) -> "_OpenReader":
        reader = self._readers.get(cursor.shard)
        if reader is not None and reader.stands_at(cursor):
            return reader
        if reader is not None:
            self._drop(reader)
        ranges = [
            PartitionRange(number, one.following, one.stop)
            for number, one in cursor.at.items()
            if not one.ended
        ]
        labels = LabelLog(self._decode, self._source.name)
        opened = self._source.open(ranges, labels)
        reader = _OpenReader(
            cursor, self._source.name, opened, self._options, self._context, labels
        )
        self._readers[cursor.shard] = reader
        reader.account(cursor)
        return reader

    def _drop(self, reader: "_OpenReader") -> None:
        self._readers.pop(reader.shard, None)
        reader.close()


class _OpenReader:
    """A connection with the state that lasts only while it is open: clocks, pauses, counters.

    A thread of its own reads (each learns the names of records anew), and while the job works on a
    large batch it reads the next one: fetching and numpy work without Python's lock.
    """

    def __init__(
        self,
        cursor: Cursor,
        name: str,
        reader: Reader,
        options: ReadOptions,
        context: RunContext,
        labels: LabelLog,
    ) -> None:
        self._labels = labels
        self.shard = cursor.shard
        self._bounded = all(one.stop is not None for one in cursor.at.values())
        self._reader = reader
        self._most = options.bundle_rows  # later steps have nothing to do before the first batch
        self._running = {number for number, one in cursor.at.items() if not one.ended}
        self._thread = ThreadPoolExecutor(1)
        self._ahead: Future[list[ReadBatch]] | None = None
        self._name = name
        self._options = options
        self._context = context
        self._paused: frozenset[int] = frozenset()
        self._limiter = ReadAheadLimiter(options.most_held)
        self._last: dict[int, float] = {}
        self._at: Cursor | None = None
        self._counters = {name: Metrics.counter(NAMESPACE, name) for name in _COUNTERS}
        self._left_out = Metrics.counter(NAMESPACE, metric_names.LABELS_LEFT_OUT)
        self._lag = Metrics.gauge(NAMESPACE, metric_names.CONSUMER_LAG)
        self._lag_told = 0.0
        self._waiting = Waiting(time.monotonic())
        self._dead_log = DeadLog(DEAD in options.outputs)
        self._left_log = LeftLog()

    def account(self, cursor: Cursor) -> None:
        """Update the accounts of the run and the runner's counters to the totals of a cursor."""
        parts = cursor.at.values()
        totals = {
            metric_names.READ: sum(one.read for one in parts),
            metric_names.LATE: sum(one.late for one in parts),
            metric_names.DEAD_LETTERED: sum(one.dead_lettered for one in parts),
            metric_names.PARTITIONS_ENDED: sum(one.ended for one in parts),
        }
        for name, more in self._context.account("reader", self.shard, totals).items():
            self._counters[name].inc(more)
        self._left_out.inc(self._labels.news())
        self._context.note(self.shard, cursor.watermark)
        self._context.keep_losses(self.shard, cursor.losses, cursor.unwatched)

    def stands_at(self, cursor: Cursor) -> bool:
        """Whether reading can go on here without seeking."""
        return self._at == cursor

    def step(self, cursor: Cursor) -> tuple[Cursor, Iterable[Any], int]:
        """Read once; the same cursor comes back if nothing happened at all."""
        ahead = None if self._ahead is None else self._ahead.result()
        self._ahead = None
        paused = self._limiter.to_pause(cursor)
        if paused != self._paused:
            self._reader.pause(paused)
            self._paused = paused
        grown, announced = self._with_added(cursor)
        reads = self._thread.submit(self._read_batch).result() if ahead is None else ahead
        self._report_lag(cursor)
        if not reads and not announced:
            return self._idle(cursor)
        now = time.monotonic()
        for read in reads:
            self._last[read.partition] = now
            self._left_log.note(read.unwatched)
        found = advance(grown, reads, self._options.out_of_orderness, self._name)
        moved, batch = found.cursor, found.batch
        for read in reads:
            self._limiter.note(read, moved.at[read.partition].watermark)
        if announced:
            positions = (*announced, *batch.positions)
            found = found._replace(batch=dataclasses.replace(batch, positions=positions))
        self._at = moved
        rows = sum(len(read.rows) for read in reads)
        if rows >= _AHEAD_FROM and not moved.finished:
            self._ahead = self._thread.submit(self._read_batch)
        outputs = self._outputs(found)
        if announced and cursor.watermark != WATERMARK_NONE:
            # Where added partitions begin depends on when they were found.
            added = dataclasses.replace(batch, positions=tuple(announced), rows=Rows.empty())
            note = beam.pvalue.TaggedOutput(NOTES, decision_message(grown, added))
            outputs = itertools.chain(outputs, [note])
        return moved, outputs, rows

    def close(self) -> None:
        """Release everything; what was read ahead is read again by the next reader."""
        self._thread.shutdown()
        self._reader.close()

    def _read_batch(self) -> list[ReadBatch]:
        """Wait for rows, then take what is there up to a full batch.

        A batch is split into one keyed batch for every key group, and each of these costs a call, a
        header and, where a window ends, a close; few large batches cost a third of many small ones.
        Live, rows must not wait for others, so a batch is closed soon.
        """
        reads = self._reader.read(self._options.poll_seconds)
        more = reads
        rows = self._note(reads)
        patience = _PATIENCE_BOUNDED if self._bounded else _FILL_SECONDS
        filling = _FILL_SECONDS_BOUNDED if self._bounded else _FILL_SECONDS
        started = time.monotonic()
        while more and rows < self._most and self._running > self._paused:
            if time.monotonic() - started >= filling:
                break
            more = self._reader.read(patience)
            reads += more
            rows += self._note(more)
        if self._bounded and rows:
            self._most = _BOUNDED * self._options.bundle_rows
        return reads

    def _note(self, reads: Sequence[ReadBatch]) -> int:
        """Take note of partitions that have ended; returns the number of rows."""
        self._running.difference_update(read.partition for read in reads if read.ended)
        return sum(len(read.rows) for read in reads)

    def _outputs(self, found: Advance) -> Iterable[Any]:
        """Make the messages of outputs that are read, one by one as the runner takes them."""
        self._dead_log.note(found.lost)
        rows = found.batch.rows
        earliest = int(rows.time.min()) if len(rows) else WATERMARK_NONE
        sides = side_messages(self._name, found, self._options.outputs)
        ended = found.cursor.finished and (found.cursor.losses or found.cursor.unwatched)
        notes = [(NOTES, losses_message(found.cursor))] if ended else []
        return itertools.chain(
            [TimestampedValue(found.batch, _timestamp(earliest))],
            (
                beam.pvalue.TaggedOutput(output, message)
                for output, message in itertools.chain(sides, notes)
            ),
        )

    def _with_added(self, cursor: Cursor) -> tuple[Cursor, list[Position]]:
        """Take in partitions that came into being; they start at the slowest watermark here."""
        added = self._reader.added(cursor.partitions)
        if not added:
            return cursor, []
        mine = [one for one in added if one.partition % cursor.shards == cursor.shard]
        self._reader.extend(mine)
        at = dict(cursor.at)
        for one in mine:
            at[one.partition] = PartitionCursor(one.start, one.start, one.stop, cursor.watermark)
        announced = [at[one.partition].position(one.partition, one.start) for one in mine]
        partitions = cursor.partitions + len(added)
        return msgspec.structs.replace(cursor, partitions=partitions, at=at), announced

    def _idle(self, cursor: Cursor) -> tuple[Cursor, Iterable[Any], int]:
        now = time.monotonic()
        idle = frozenset(
            number
            for number, one in cursor.at.items()
            if one.stop is None
            and number not in self._paused
            and now - self._last.setdefault(number, now) >= self._options.idle_after
        )
        if not idle:
            return cursor, [], 0
        clock = round(time.time() * MICROS - self._options.idle_after * MICROS)
        moved, batch = follow_idle(cursor, idle, clock - self._options.out_of_orderness)
        if not batch.positions:
            return cursor, [], 0
        self._at = moved
        return (
            moved,
            [
                TimestampedValue(batch, _timestamp(WATERMARK_NONE)),
                beam.pvalue.TaggedOutput(NOTES, decision_message(moved, batch)),
            ],
            0,
        )

    def _report_lag(self, cursor: Cursor) -> None:
        if (now := time.monotonic()) - self._lag_told >= 1:
            self._lag_told = now
            lag = self._reader.lag()
            # Only a partition that is known to have nothing to read is idle. If a source that does
            # not answer counted as idle, what its producers hold back meanwhile would be late.
            self._last.update((number, now) for number in cursor.at if lag.get(number) != 0)
            known = self._reader.lag(lately=True)
            total, silent = self._waiting.of(known, self._running, self._paused, now)
            self._lag.set(-1 if total is None else total)
            self._context.note_lag(self.shard, total, silent=silent)


def _timestamp(micros: int) -> Timestamp:
    if micros == WATERMARK_NONE:
        return MIN_TIMESTAMP
    if micros >= WATERMARK_END or micros >= MAX_TIMESTAMP.micros:
        return MAX_TIMESTAMP
    return Timestamp(micros=micros)
