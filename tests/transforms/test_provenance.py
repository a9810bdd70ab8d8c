"""Provenance: the offsets of an alert's rows, bounded, and never without one of its records."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from padit.domain.batch import KeyedBatch, OffsetRange
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_END, Position
from padit.transforms.checksum import without_checksum
from padit.transforms.provenance import offset_ranges_of, still_needed
from padit.transforms.saved_rows import read_rows
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions
from tests.codecs.samples import steady
from tests.laws.machine import SECOND, Sample, machine_of, rows_of, setting

HOT = Series("a", "x", "ms")
WINDOWS = WindowOptions(30 * SECOND, 10 * SECOND, 100)
RULE = setting("rule", {"rules": [{"conditions": [{"feature": "max", "limit": 10, "adds": 0.9}]}]})


def _keyed(first: int, values: list[float], partitions: int = 1, partition: int = 0) -> KeyedBatch:
    """Record n of a partition is a sample at second n; the watermark follows it."""
    rows = rows_of([Sample((first + i) * SECOND, HOT, v) for i, v in enumerate(values)])
    following = first + len(values)
    at = Position(partition, 0, first, following, following * SECOND)
    return KeyedBatch(partitions, (at,), rows)


def _run(values: list[float], cuts: list[int]) -> tuple[list[tuple[int, int, int]], MemoryStore]:
    """(window end in seconds, first, following) of each provenance, and the state left."""
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    bounds = [0, *cuts, len(values)]
    found = []
    for low, high in itertools.pairwise(bounds):
        outcome = machine.advance(store, _keyed(low, values[low:high]))
        found += [(one.time // SECOND, *one.offsets[0]) for one in outcome.provenance]
    return found, store


def test_an_alert_names_the_batches_that_hold_its_window() -> None:
    values = [1.0] * 100
    values[75] = 50.0
    # Batches of 5 records: the window that ends at 80 holds the seconds 50 to 79.
    assert _run(values, list(range(5, 100, 5)))[0] == [(80, 50, 80)]


def test_with_a_single_batch_its_whole_range_is_named() -> None:
    values = [1.0] * 100
    values[75] = 50.0
    assert _run(values, [])[0] == [(80, 0, 100)]


@steady
@given(st.sets(st.integers(1, 119)), st.integers(0, 100))
def test_every_record_of_the_window_lies_within_the_ranges(cuts: set[int], hot: int) -> None:
    values = [1.0] * 120
    values[hot] = 50.0
    ((end, first, following),) = _run(values, sorted(cuts))[0]
    assert first <= max(0, end - 30)
    assert following >= min(end, 120)


def test_ranges_survive_rows_that_were_kept_for_later_windows() -> None:
    values = [1.0] * 100
    values[45] = 50.0
    found, store = _run(values, list(range(1, 100)))
    assert found == [(50, 20, 50)]
    pieces = [piece for cell in store.kept for piece in cell]
    kept = [read_rows(without_checksum(data, "rows")) for data in pieces]
    # One for a slot, whatever the batches.
    assert 0 < sum(len(ranges) for _, ranges in kept) <= 2 * WINDOWS.slots


def test_an_alert_that_resolves_names_nothing() -> None:
    values = [1.0] * 100
    values[10] = 50.0
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    outcome = machine.advance(store, _keyed(0, values))
    assert [one.kind for one in outcome.transitions] == ["opened", "resolved"]
    assert [one.transition for one in outcome.provenance] == [outcome.transitions[0].id]


def test_provenance_holds_the_first_offset_of_the_job() -> None:
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    at = Position(0, 400, 400, 410, WATERMARK_END)
    rows = rows_of([Sample(i * SECOND, HOT, 50.0) for i in range(10)])
    (one,) = machine.advance(store, KeyedBatch(1, (at,), rows)).provenance
    assert (one.began, one.offsets) == ({0: 400}, {0: (400, 410)})


def test_a_partition_that_brought_nothing_is_not_named() -> None:
    machine, store = machine_of(RULE, WINDOWS), MemoryStore()
    machine.advance(store, _keyed(0, [50.0] * 20, 2, 1))
    end = tuple(Position(p, 0, 20 * p, 20 * p, WATERMARK_END) for p in range(2))
    (one,) = machine.advance(store, KeyedBatch(2, end, Rows.empty())).provenance
    assert one.offsets == {1: (0, 20)}


TRACES = st.lists(
    st.builds(
        lambda p, first, old, new: OffsetRange(p, 0, first, first + 5, old, old + new),
        st.integers(0, 2),
        st.integers(0, 10_000),
        st.integers(0, 10_000),
        st.integers(0, 50),
    ),
    max_size=700,
)


@steady
@given(TRACES, st.integers(0, 900))
def test_condensed_offset_ranges_are_few_and_cover_the_window(
    offset_ranges: list[OffsetRange], closing: int
) -> None:
    windows = WindowOptions(30, 10, 100)
    kept = KeyedBatch(1, (), rows_of([Sample(0, HOT, 1.0)]))
    found = offset_ranges_of([(kept, offset_ranges)], windows)
    assert len(found) <= 256
    needed = [one for one in offset_ranges if one.newest >= (closing - 2) * 10]
    found = still_needed(found, closing, windows)
    for one in needed:
        assert any(
            other.partition == one.partition
            and other.first <= one.first
            and other.following >= one.following
            and other.oldest <= one.oldest
            and other.newest >= one.newest
            for other in found
        )
    assert offset_ranges_of([(kept, found)], windows) == found
