"""Progress of a key group: watermarks count once everything before them has been seen."""

from itertools import permutations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE, Position
from padit.transforms.progress import Progress
from tests.codecs.samples import steady


def _at(first: int, following: int, watermark: int, partition: int = 0) -> Position:
    return Position(partition, 0, first, following, watermark)


BATCHES = [_at(0, 3, 10), _at(3, 5, 20), _at(5, 6, 15), _at(6, 9, 40)]


def _progress(batches: list[Position], partitions: int = 1) -> tuple[Progress, list[bool]]:
    progress = Progress()
    return progress, [progress.observe(partitions, (batch,)) for batch in batches]


def test_batches_in_any_order_end_at_the_same_progress() -> None:
    expected = msgspec.msgpack.encode(_progress(BATCHES)[0])
    for order in permutations(BATCHES):
        progress, news = _progress(list(order))
        assert all(news)
        assert msgspec.msgpack.encode(progress) == expected


def test_a_watermark_behind_a_gap_does_not_count_yet() -> None:
    progress, _ = _progress([BATCHES[0], BATCHES[3]])
    assert progress.watermark == 10
    progress.observe(1, (BATCHES[2],))
    assert progress.watermark == 10
    progress.observe(1, (BATCHES[1],))
    assert progress.watermark == 40
    assert progress.known[0].ahead == []


@steady
@given(st.lists(st.sampled_from(BATCHES), max_size=12))
def test_a_batch_counts_as_new_only_the_first_time(batches: list[Position]) -> None:
    _, news = _progress(batches)
    assert news == [batch not in batches[:i] for i, batch in enumerate(batches)]


def test_a_batch_seen_again_is_not_new_though_one_of_its_positions_is_empty() -> None:
    progress = Progress()
    batch = (_at(0, 3, 10), _at(0, 0, WATERMARK_END, partition=1))
    assert progress.observe(2, batch)
    assert not progress.observe(2, batch)


def test_an_idle_partition_moves_its_watermark_without_offsets() -> None:
    progress, news = _progress([_at(0, 0, 5), _at(0, 0, 7), _at(0, 4, 9), _at(4, 4, 30)])
    assert news == [True] * 4
    assert progress.watermark == 30


def test_an_idle_watermark_that_overtook_its_rows_waits_for_them() -> None:
    progress, _ = _progress([_at(0, 2, 5), _at(4, 4, 50)])
    assert progress.watermark == 5
    progress.observe(1, (_at(2, 4, 8),))
    assert progress.watermark == 50


def test_windows_wait_until_every_partition_is_heard_of() -> None:
    progress, _ = _progress([_at(0, 3, 10)], partitions=2)
    assert progress.watermark == WATERMARK_NONE
    progress.observe(2, (_at(0, 1, 4, partition=1),))
    assert progress.watermark == 4


def test_a_partition_that_is_added_holds_windows_back_and_never_reopens_them() -> None:
    progress, _ = _progress([_at(0, 3, 10)])
    assert progress.watermark == 10
    progress.observe(2, (_at(3, 4, 30),))
    assert (
        progress.watermark == WATERMARK_NONE
    )  # the second partition is counted, but its position is unknown
    progress.observe(2, (_at(0, 0, 10, partition=1),))
    assert progress.watermark == 10


def test_a_late_word_of_fewer_partitions_changes_nothing() -> None:
    progress, _ = _progress([_at(0, 3, 10)], partitions=2)
    progress.observe(1, (_at(3, 4, 30),))
    assert progress.partitions == 2


def test_partitions_need_not_begin_at_zero() -> None:
    progress = Progress()
    assert progress.observe(1, (Position(0, 500, 500, 510, 7),))
    assert progress.watermark == 7


def test_a_batch_that_comes_first_but_begins_later_waits_for_the_start() -> None:
    progress = Progress()
    assert progress.observe(1, (Position(0, 500, 510, 520, 9),))
    assert progress.watermark == WATERMARK_NONE
    assert progress.observe(1, (Position(0, 500, 500, 510, 7),))
    assert progress.watermark == 9
