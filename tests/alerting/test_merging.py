"""Backlogs of several partitions come in the order in which they were written."""

import random

from hypothesis import given
from hypothesis import strategies as st

from padit.alerting.merging import Merge
from padit.alerting.records import Record


def _record(partition: int, number: int, kind: str = "alert") -> Record:
    return Record(kind, f"topic-{partition}", partition, number, number + 1, b"")


@given(
    stamps=st.lists(st.lists(st.integers(0, 50), max_size=12), min_size=1, max_size=4),
    seed=st.integers(0, 1000),
)
def test_any_interleaving_of_partitions_gives_one_order(stamps: list[list[int]], seed: int) -> None:
    """Each partition is in order, reaches its end, and nothing is lost."""
    chance, merge, left = random.Random(seed), Merge(), [sorted(one) for one in stamps]
    for partition in range(len(left)):
        merge.begin(partition, 0.0)
    given_, at = [], [0] * len(left)
    while any(at[p] <= len(left[p]) for p in range(len(left))):
        partition = chance.choice([p for p in range(len(left)) if at[p] <= len(left[p])])
        if at[partition] == len(left[partition]):
            merge.end(partition)
        else:
            stamp = left[partition][at[partition]]
            merge.add(partition, stamp, _record(partition, at[partition]), 0.0)
        at[partition] += 1
        given_ += merge.take(0.0)
    order = [(left[one.partition][one.number], one.place, one.number) for one in given_]
    assert order == sorted(order)
    assert len(order) == sum(map(len, left))


def test_an_alert_comes_before_an_audit_record_of_the_same_moment() -> None:
    merge = Merge()
    for partition in (0, 1):
        merge.begin(partition, 0.0)
    merge.add(0, 5, _record(0, 0, "audit"), 0.0)
    assert merge.take(0.0) == []
    merge.add(1, 5, _record(1, 0), 0.0)
    merge.end(0)
    merge.end(1)
    assert [one.kind for one in merge.take(0.0)] == ["alert", "audit"]


def test_a_partition_that_does_not_answer_holds_the_others_up_for_a_while_only() -> None:
    merge = Merge(patience=10.0)
    merge.begin(0, 0.0)
    merge.begin(1, 0.0)
    merge.add(0, 5, _record(0, 0), 1.0)
    merge.end(0)
    assert merge.take(9.0) == []
    assert len(merge.take(10.5)) == 1


def test_a_partition_far_ahead_is_not_read_on() -> None:
    merge = Merge(most=3)
    merge.begin(0, 0.0)
    merge.begin(1, 0.0)
    for number in range(3):
        assert not merge.crowded(0)
        merge.add(0, number, _record(0, number), 0.0)
    assert merge.crowded(0)
