"""Key groups: stable, complete, and the metrics of a source together."""

from collections import Counter
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.batch import Batch
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import Position
from padit.ops.compiled import Kernel
from padit.transforms import keying
from padit.transforms.keying import _spread, group_of, join_batches, split_batch
from padit.transforms.progress import Progress
from tests.codecs.samples import plain, steady

NAMES = st.text(max_size=5)
SAMPLES = st.lists(st.tuples(NAMES, NAMES, st.integers(0, 9)), max_size=30)


def _batch(samples: list[tuple[str, str, int]]) -> Batch:
    table = sorted({(source, metric) for source, metric, _ in samples})
    rows = Rows(
        [Series(*names) for names in table],
        np.array([table.index((source, metric)) for source, metric, _ in samples], np.int32),
        np.array([time for *_, time in samples], np.int64),
        np.arange(len(samples), dtype=np.float64),
    )
    return Batch(3, (Position(0, 0, 0, len(samples), 7),), rows)


@steady
@given(SAMPLES, st.integers(1, 40))
def test_every_group_gets_the_watermarks_and_every_row_its_group(
    samples: list[tuple[str, str, int]], groups: int
) -> None:
    batch = _batch(samples)
    parts = list(split_batch(batch, groups))
    assert [key for key, _ in parts] == list(range(groups))
    of_group: dict[int, list[object]] = {key: [] for key in range(groups)}
    for sample in plain(batch.rows):
        of_group[group_of(sample[0][0], groups)].append(sample)
    for key, part in parts:
        assert (part.partitions, part.positions) == (batch.partitions, batch.positions)
        assert plain(part.rows) == of_group[key]  # in the order they came


@pytest.mark.parametrize(("source", "group"), [("cell-7", 21), ("", 0), ("pump-1", 6)])
def test_a_source_has_the_same_group_in_every_process(source: str, group: int) -> None:
    assert group_of(source, 32) == group


READS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 9)),
    min_size=1, max_size=12,
)  # fmt: skip


@steady
@given(READS)
def test_joined_batches_are_the_progress_and_the_rows_of_all(
    reads: list[tuple[int, int, int]],
) -> None:
    at = [5, 0, 7]
    starts = list(at)
    marks = [0, 0, 0]
    batches = []
    for partition, count, climb in reads:
        first = at[partition]
        at[partition], marks[partition] = first + count, marks[partition] + climb
        position = Position(
            partition, starts[partition], first, at[partition], marks[partition], first
        )
        samples = [(str(partition), "m", first + i) for i in range(count)]
        batches.append(Batch(3, (position,), _batch(samples).rows))
    joined = join_batches(batches)
    assert plain(joined.rows) == [row for one in batches for row in plain(one.rows)]
    assert len(joined.positions) == len({partition for partition, *_ in reads})
    apart, together = Progress(), Progress()
    for one in batches:
        apart.observe(one.partitions, one.positions)
    assert together.observe(joined.partitions, joined.positions)
    assert together == apart


def test_positions_that_do_not_follow_each_other_stay_apart() -> None:
    there = [Position(0, 0, 0, 5, 9), Position(0, 0, 6, 7, 9), Position(0, 3, 7, 8, 9)]
    batches = [Batch(1, (one,), Rows.empty()) for one in there]
    assert join_batches(batches).positions == tuple(there)


def test_the_same_series_give_the_same_table_in_any_order() -> None:
    batch = _batch([(str(i), "m", i) for i in range(9)])
    rows = batch.rows
    turned = Rows(rows.series[::-1], (8 - rows.code).astype(np.int32), rows.time, rows.value)
    for (_, one), (_, other) in zip(
        split_batch(batch, 4), split_batch(Batch(3, (), turned), 4), strict=True
    ):
        assert one.rows.series == other.rows.series
        assert plain(one.rows) == plain(other.rows)


@pytest.mark.parametrize("code", [-1, 1])
def test_a_row_of_a_series_that_is_not_there_is_refused(code: int) -> None:
    rows = Rows((Series("a", "b"),), np.array([code], np.int32), np.zeros(1, np.int64), np.zeros(1))
    with pytest.raises(IndexError, match="not in its table"):
        list(split_batch(Batch(1, (), rows), 2))


class _Read:
    """An array that counts how often an element is read."""

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values)
        self.reads = 0

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, at: Any) -> Any:
        self.reads += 1
        return self._values[at]


@pytest.mark.parametrize("ordered", [False, True])
def test_rows_are_read_equally_often_however_many_groups_there_are(ordered: bool) -> None:
    series, size = 50, 400
    reads = []
    for groups in (1, 32, 4096):
        code = _Read(np.arange(size) % series)
        group = _Read([group_of(f"s{one}", groups) for one in range(series)])
        number = _Read(np.zeros(series, np.int32))
        time, value = _Read(np.arange(size)), _Read(np.ones(size))
        plainly = cast(Kernel, _spread).py_func
        bounds, *_ = plainly(code, time, value, group, number, groups, ordered)
        assert bounds[-1] == size
        reads.append([one.reads for one in (code, time, value, group, number)])
    assert reads[0] == reads[1] == reads[2]
    assert max(reads[0]) <= 7 * size


def test_the_group_of_a_series_is_looked_up_once_for_a_table_however_many_groups_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: Counter[str] = Counter()

    def counted(source: str, groups: int) -> int:
        calls[source] += 1
        return group_of(source, groups)

    monkeypatch.setattr(keying, "group_of", counted)
    batch = _batch([(f"counted-{one}", "m", 0) for one in range(200)])
    for _ in range(3):
        assert len(list(split_batch(batch, 4096))) == 4096
    assert len(calls) == 200
    assert set(calls.values()) == {1}
