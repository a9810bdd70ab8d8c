"""What waits in a source is not known where its broker is silent, and that is said."""

from collections.abc import Sequence

import pytest

from padit.connectors import waiting
from padit.connectors.read_shard import ReadShard
from padit.connectors.source import Decoder, PartitionRange, ReadBatch, Reader
from padit.connectors.waiting import Waiting
from padit.ops import metric_names
from padit.ops.job_metrics import job_stats
from padit.ops.progress_bar import Progress
from padit.ops.run_context import RunContext
from tests.connectors.reading import FixedReader
from tests.connectors.test_reading import OPTIONS, Fails, _batches, _start, _Tracker

BOTH = frozenset({0, 1})
NONE: frozenset[int] = frozenset()


def test_what_all_partitions_say_is_added() -> None:
    assert Waiting(0.0).of({0: 3, 1: 4}, BOTH, NONE, 1.0) == (7, False)


def test_before_every_partition_has_answered_nothing_is_known_and_nobody_is_silent() -> None:
    seen = Waiting(0.0)
    assert seen.of({0: 3}, BOTH, NONE, 1.0) == (None, False)
    assert seen.of({1: 4}, BOTH, NONE, 2.0) == (7, False)


def test_a_broker_that_never_answers_is_silent() -> None:
    seen = Waiting(0.0)
    assert seen.of({}, BOTH, NONE, 1.0) == (None, False)
    assert [seen.of({}, BOTH, NONE, 1.0 + i) for i in range(1, 11)][-1] == (None, True)


def test_a_busy_broker_keeps_what_it_said_for_a_while_and_a_silent_one_does_not() -> None:
    seen = Waiting(0.0)
    seen.of({0: 0, 1: 0}, BOTH, NONE, 1.0)
    assert [seen.of({0: 2}, BOTH, NONE, 1.0 + i) for i in range(1, 10)] == [(2, False)] * 9
    assert seen.of({0: 2}, BOTH, NONE, 11.5) == (None, True)
    assert seen.of({0: 2, 1: 90}, BOTH, NONE, 12.0) == (92, False)


def test_time_in_which_the_job_does_not_ask_is_no_silence() -> None:
    seen = Waiting(0.0)
    seen.of({0: 9}, {0}, NONE, 1.0)
    assert [seen.of({}, {0}, NONE, now) for now in (12.0, 23.0, 99.0)] == [(9, False)] * 3
    assert [seen.of({}, {0}, NONE, 99.0 + i) for i in (1, 3, 5, 7)][-1] == (None, True)
    assert Waiting(0.0).of({}, {0}, NONE, 60.0) == (None, False)


def test_a_dead_broker_beside_a_slow_job_is_silent_after_some_steps() -> None:
    seen = Waiting(0.0)
    seen.of({0: 9, 1: 5}, BOTH, NONE, 1.0)
    told = [seen.of({0: 9}, BOTH, NONE, 1.0 + 10 * i) for i in range(1, 8)]
    assert told == [(14, False)] * 5 + [(None, True)] * 2


def test_partitions_that_are_paused_or_have_ended_are_not_silent() -> None:
    seen = Waiting(0.0)
    seen.of({0: 5, 1: 6}, BOTH, NONE, 1.0)
    assert seen.of({0: 1}, BOTH, frozenset({1}), 60.0) == (7, False)
    assert seen.of({0: 1}, {0}, NONE, 61.0) == (1, False)
    assert seen.of({}, set(), NONE, 99.0) == (0, False)


@pytest.mark.parametrize("total", [None, 100])
def test_progress_shows_no_lag_of_a_source_that_is_silent(total: int | None) -> None:
    run = RunContext()
    run.account("reader", 0, {"read": 70})
    run.note_lag(0, 0)
    run.note_lag(1, None, silent=True)
    text = Progress(run.seen, total)._text(run.seen())
    assert "the source does not answer" in text
    assert "lag" not in text
    run.note_lag(1, 4)
    assert Progress(run.seen, None)._text(run.seen()).endswith("lag 4")


def test_the_metric_of_the_lag_is_absent_while_it_is_not_known() -> None:
    run = RunContext()
    run.note_lag(0, 0)
    run.note_lag(1, None, silent=True)
    assert metric_names.JOB_LAG not in {name for name, *_ in job_stats(now=1000.0).series()}


class _Silent(Fails):
    """A topic whose broker never answers."""

    def ranges(self) -> list[PartitionRange]:
        return [PartitionRange(0, 0, None)]

    def open(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        return _SilentReader()


class _SilentReader(FixedReader):
    def read(self, seconds: float) -> list[ReadBatch]:
        return []


def test_a_reader_says_that_its_broker_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_SILENT_SECONDS", -1.0)
    context, source = RunContext(), _Silent(fails_at=-1)
    shard = ReadShard(source, None, OPTIONS, context)  # type: ignore[arg-type]
    shard.setup()
    try:
        assert list(_batches(shard, _Tracker(_start(source)))) == []
    finally:
        shard.teardown()
    assert (context.seen().lag, context.seen().silent) == (None, True)
