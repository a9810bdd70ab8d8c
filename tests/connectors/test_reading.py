"""The shell around reading: what a failure leaves behind, and what is counted where."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from apache_beam.utils.timestamp import Duration

from padit.connectors.coders import BatchCoder, MessageCoder
from padit.connectors.collector import relax_collector, restore_collector
from padit.connectors.cursor import Cursor, PartitionCursor, ReadAheadLimiter, first_cursors
from padit.connectors.read_shard import ReadOptions, ReadShard
from padit.connectors.restriction import CursorProvider
from padit.connectors.source import Decoder, PartitionRange, ReadBatch, Reader
from padit.domain.batch import Batch
from padit.domain.errors import SourceError
from padit.domain.findings import Findings
from padit.domain.message import Kind, Message
from padit.domain.rows import Rows
from padit.ops.run_context import RunContext
from tests.connectors.reading import FixedReader
from tests.laws.machine import SECOND, Sample, rows_of
from tests.laws.streams import SERIES

ROWS = 40
OPTIONS = ReadOptions(out_of_orderness=10 * SECOND, idle_after=1e9)


@dataclass
class Fails:
    """Forty rows, ten a read; a reader raises once, in the middle of a batch.

    Attributes:
        fails_at: the offset at which it does.
        opened: where readers have begun.
    """

    fails_at: int
    opened: list[int] = field(default_factory=list)
    name: str = "fails"

    def ranges(self) -> list[PartitionRange]:
        return [PartitionRange(0, 0, ROWS)]

    def findings(self) -> Findings:
        return Findings()

    def open(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        self.opened.append(ranges[0].start)
        return _Reader(self, ranges[0].start)


class _Reader(FixedReader):
    """Ten rows a read."""

    def __init__(self, source: Fails, at: int) -> None:
        self._source = source
        self._at = at

    def read(self, seconds: float) -> list[ReadBatch]:
        if self._at == self._source.fails_at:
            self._source.fails_at = -1
            message = "the connection broke"
            raise SourceError(message)
        first, self._at = self._at, min(self._at + 10, ROWS)
        rows = rows_of([Sample(i * SECOND, SERIES[i % 2], 1.0) for i in range(first, self._at)])
        return [ReadBatch(0, self._at, rows, ended=self._at == ROWS)]


class _Tracker:
    """What Beam hands to `process`, around the real tracker."""

    def __init__(self, restriction: bytes) -> None:
        self.tracker = CursorProvider().create_tracker(restriction)
        self.deferred = False

    def current_restriction(self) -> bytes:
        return self.tracker.current_restriction()

    def try_claim(self, position: bytes) -> bool:
        return self.tracker.try_claim(position)

    def defer_remainder(self, delay: Duration) -> None:
        self.deferred = True


class _Watermark:
    def set_watermark(self, moment: Any) -> None:
        pass


def _batches(shard: ReadShard, tracker: _Tracker) -> Iterator[Batch]:
    for output in shard.process(b"", tracker, _Watermark()):
        if isinstance(getattr(output, "value", None), Batch):
            yield output.value


def _start(source: Fails) -> bytes:
    (cursor,) = first_cursors(source.ranges(), 1)
    return cursor.to_bytes()


def test_a_read_that_fails_inside_a_batch_skips_nothing_when_it_is_tried_again() -> None:
    source = Fails(fails_at=20)
    shard = ReadShard(source, None, OPTIONS)  # type: ignore[arg-type]
    shard.setup()
    try:
        restriction = _start(source)
        with pytest.raises(SourceError):
            list(_batches(shard, _Tracker(restriction)))
        again = list(_batches(shard, _Tracker(restriction)))  # on the same instance
    finally:
        shard.teardown()
    assert sum(len(batch.rows) for batch in again) == ROWS
    assert source.opened == [0, 0]


class _InTurns(Fails):
    """Two partitions of ten rows, the first of which ends long before the other begins."""

    def ranges(self) -> list[PartitionRange]:
        return [PartitionRange(number, 0, 10) for number in range(2)]

    def open(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        return _OneByOne()


class _OneByOne(FixedReader):
    """One row a read, partition by partition."""

    def __init__(self) -> None:
        self._at = 0

    def read(self, seconds: float) -> list[ReadBatch]:
        if self._at == 20:
            return []
        (number, at), self._at = divmod(self._at, 10), self._at + 1
        rows = rows_of([Sample(at * SECOND, SERIES[number], 1.0)])
        return [ReadBatch(number, at + 1, rows, ended=at == 9)]


def test_a_replay_reads_on_into_the_same_batch_when_one_partition_ends() -> None:
    shard = ReadShard(_InTurns(fails_at=-1), None, OPTIONS)  # type: ignore[arg-type]
    shard.setup()
    try:
        found = list(_batches(shard, _Tracker(_start(_InTurns(fails_at=-1)))))
    finally:
        shard.teardown()
    assert [len(batch.rows) for batch in found] == [20]


def test_the_size_of_what_travels_is_estimated_without_encoding_it() -> None:
    rows = rows_of([Sample(i * SECOND, SERIES[i % 2], 1.0) for i in range(1000)])
    message = Message.of(Kind.ALERT, ("a",), 0, b"x" * 1000, "1")
    pairs: list[tuple[Any, object]] = [
        (BatchCoder(), Batch(1, (), rows)),
        (MessageCoder(), message),
    ]
    for coder, value in pairs:
        size = len(coder.encode(value))
        coder.encode = None
        assert 0.8 * size < coder.estimate_size(value) < 1.2 * size


def test_instances_that_take_turns_on_a_shard_count_nothing_twice() -> None:
    source = Fails(fails_at=-1)
    context = RunContext()
    few = ReadOptions(out_of_orderness=10 * SECOND, idle_after=1e9, bundle_rows=10)
    shards = [ReadShard(source, None, few, context) for _ in range(2)]  # type: ignore[arg-type]
    restriction, turns = _start(source), 0
    while not Cursor.from_bytes(restriction).closed:
        tracker = _Tracker(restriction)
        list(_batches(shards[turns % 2], tracker))
        restriction, turns = tracker.current_restriction(), turns + 1
    assert turns > 2
    assert context.totals()["read"] == ROWS
    assert context.totals()["partitions_ended"] == 1


def test_growth_of_a_total_is_reported_once() -> None:
    context = RunContext()
    assert context.account("group", 3, {"scored": 10, "waiting": 5}) == {"scored": 10, "waiting": 5}
    assert context.account("group", 3, {"scored": 14, "waiting": 1}) == {"scored": 4, "waiting": -4}
    assert context.account("group", 3, {"scored": 14, "waiting": 1}) == {}
    assert context.account("group", 4, {"scored": 1}) == {"scored": 1}
    assert context.totals() == {"scored": 15, "waiting": 1}


def test_a_context_that_was_pickled_is_the_same_run_and_no_other() -> None:
    one, other = RunContext(), RunContext()
    copy = pickle.loads(pickle.dumps(one))  # noqa: S301
    assert copy is one
    copy.request_stop()
    assert one.stopping
    assert not other.stopping


def test_the_collector_is_as_before_once_the_last_reader_has_gone() -> None:
    before = gc.get_threshold()
    relax_collector()
    relax_collector()
    restore_collector()
    assert gc.get_threshold() != before
    restore_collector()
    assert gc.get_threshold() == before


def test_asking_what_to_pause_costs_no_more_when_many_batches_wait() -> None:
    """Counted in looks at waiting batches, not in seconds."""
    looks = {}
    for waiting in (10, 1000):
        held = ReadAheadLimiter(10**9)
        rows = rows_of([Sample(0, SERIES[0], 1.0)])
        for i in range(waiting):
            held.note(ReadBatch(0, i + 1, rows), 100 + i)
        batches = held._batches[0] = _Watched(held._batches[0])  # type: ignore[assignment]
        at = {0: PartitionCursor(0, waiting, None, 10**6), 1: PartitionCursor(0, 0, None, 50)}
        for _ in range(10):
            assert held.to_pause(Cursor(0, 1, 2, at)) == frozenset()
        looks[waiting] = batches.looks
    assert looks[10] == looks[1000] > 0


class _Watched(list[tuple[int, int]]):
    """Batches that count how often one of them is looked at."""

    looks = 0

    def __getitem__(self, place: Any) -> Any:
        self.looks += 1
        return super().__getitem__(place)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for one in super().__iter__():
            self.looks += 1
            yield one

    def popleft(self) -> tuple[int, int]:
        return self.pop(0)


def test_what_waits_is_a_running_total() -> None:
    held = ReadAheadLimiter(15)
    rows = rows_of([Sample(i * SECOND, SERIES[0], 1.0) for i in range(10)])
    for watermark in (100, 200):
        held.note(ReadBatch(0, 10, rows), watermark)
    ahead = PartitionCursor(0, 20, None, 300)

    def paused(slowest: int) -> frozenset[int]:
        return held.to_pause(Cursor(0, 1, 2, {0: ahead, 1: PartitionCursor(0, 0, None, slowest)}))

    assert paused(50) == {0}  # 20 rows wait, 15 may
    assert paused(150) == {0}  # 10, still more than half of them
    assert paused(250) == frozenset()
    assert paused(250) == frozenset()
    held.note(ReadBatch(0, 30, Rows.empty()), 400)
    assert paused(250) == frozenset()
