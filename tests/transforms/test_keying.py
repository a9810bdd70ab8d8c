"""Key groups: stable, complete, and the metrics of a source together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.batch import Batch
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import Position
from padit.transforms.keying import group_of, split_batch
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
