"""Samples to records: what is written is what the job's own reader reads."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import DefaultPartitioner

from padit.adapters.base import Batch
from padit.adapters.encode import LARGEST_RECORD, Encoder, Record, partition_of
from padit.codecs.records import decode
from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.metric import Metric, Series
from padit.domain.rows import Rows
from tests.codecs.samples import attributes

FORMS = ["json", "json-array", "arrow"]
T = 1_767_323_045.25

names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
metrics = st.builds(
    Metric,
    timestamp=st.floats(1e9, 2e9).map(lambda t: round(t, 3)),
    source_id=names,
    metric_name=names,
    value=st.floats(allow_nan=False, allow_infinity=False),
    unit=st.sampled_from(["", "ms"]),
    metric_type=st.sampled_from(["latency", "custom"]),
    protocol=st.just("test"),
    metadata=st.dictionaries(names, st.text(max_size=5) | st.integers(0, 9), max_size=2),
)


def encode(batches: list[Batch], form: str, partitions: int = 3, batch: int = 1000) -> list[Record]:
    losses: list[tuple[str, int]] = []
    encoder = Encoder("metrics", form, batch, lambda reason, n: losses.append((reason, n)))
    records = list(encoder.encode(batches, partitions))
    assert not losses
    return records


def rows_of(records: list[Record]) -> list[tuple[str, str, str, int, float]]:
    decoded = decode([record.value for record in records], 1_000_000)
    assert not decoded.rejects
    rows = decoded.rows
    return sorted(
        (*rows.series[code], int(time), float(value))
        for code, time, value in zip(rows.code, rows.time, rows.value, strict=True)
    )


@pytest.mark.parametrize("form", FORMS)
@given(st.lists(metrics, max_size=30))
def test_reader_finds_every_sample(form: str, wanted: list[Metric]) -> None:
    records = encode([wanted], form)
    assert sum(record.samples for record in records) == len(wanted)
    expected = sorted(
        (m.source_id, m.metric_name, m.unit, round(float(m.timestamp) * 1e6), m.value)
        for m in wanted
    )
    assert rows_of(records) == expected


@pytest.mark.parametrize("form", FORMS)
def test_columns_give_the_same_as_metrics(form: str) -> None:
    series = (Series("a", "x", "ms"), Series("b", "y"))
    rows = Rows(
        series,
        np.array([0, 1, 0], np.int32),
        np.array([T * 1e6, T * 1e6, T * 1e6 + 1000]).astype(np.int64),
        np.array([1.0, 2.0, 3.0]),
    )
    same = [
        Metric(T, "a", "x", 1.0, "ms"),
        Metric(T, "b", "y", 2.0),
        Metric(T + 0.001, "a", "x", 3.0, "ms"),
    ]
    assert rows_of(encode([rows], form)) == rows_of(encode([same], form))


@pytest.mark.parametrize("form", FORMS)
def test_columns_keep_families_and_labels(form: str) -> None:
    known = [Attributes("latency", (("site", "a"),)), Attributes("latency"), Attributes()]
    code = np.array([0, 0, 1], np.int32)
    rows = Rows(
        (Series("a", "x"), Series("b", "y")),
        code,
        np.full(3, int(T * 1e6)),
        np.arange(3.0),
        AttributeColumn.of(known, np.array([0, 1, 2], np.int32), code, 2),
    )
    values = [record.value for record in encode([rows], form)]
    found = decode(values, 1 << 20, ("site",)).rows
    order = np.argsort(found.value)
    assert [attributes(found)[i] for i in order.tolist()] == known


class Cluster:
    """What Kafka's partitioner asks of a cluster."""

    def __init__(self, partitions: int) -> None:
        self.partitions = set(range(partitions))

    def topics(self) -> set[str]:
        return {"t"}

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return self.partitions

    available_partitions_for_topic = partitions_for_topic


@given(names, names, st.integers(1, 50))
def test_series_goes_where_kafkas_own_partitioner_sends_its_key(
    source: str, metric: str, partitions: int
) -> None:
    key = f"{source}:{metric}".encode()
    cluster = Cluster(partitions)
    expected = DefaultPartitioner().partition("t", key, key, None, None, cluster)
    assert partition_of(source, metric, partitions) == expected


@pytest.mark.parametrize("form", ["json-array", "arrow"])
def test_batches_hold_only_series_of_their_partition_and_respect_the_limits(form: str) -> None:
    wanted = [Metric(T + i, f"s{i % 50}", "m", float(i), "", "custom", "p", {"pad": "x" * 400})
              for i in range(5000)]  # fmt: skip
    records = encode([wanted], form, partitions=4, batch=2000)
    assert all(len(record.value) < LARGEST_RECORD + 10_000 for record in records)
    for record in records:
        for source, metric, *_ in rows_of([record]):
            assert partition_of(source, metric, 4) == record.partition
    assert len(rows_of(records)) == 5000


@pytest.mark.parametrize("form", FORMS)
def test_what_no_reader_accepts_is_left_out_and_counted(form: str) -> None:
    losses: dict[str, int] = {}

    def lost(reason: str, count: int) -> None:
        losses[reason] = losses.get(reason, 0) + count

    bad = [
        Metric(T, "a", "m", float("nan")),
        Metric(T, "", "m", 1.0),
        Metric(T, "a", "m" * 600, 1.0),
        Metric(5.0, "a", "m", 1.0),
        Metric("yesterday", "a", "m", 1.0),
        Metric(T, "a", "huge", 1.0, "", "custom", "", {"x": "y" * LARGEST_RECORD}),
    ]
    good = [Metric(T, "a", "m", 1.0), Metric("2026-01-02T03:04:05.25Z", "a", "m", 2.0)]
    records = list(Encoder("metrics", form, 100, lost).encode([[*bad, *good]], 1))
    assert losses == {"invalid": 5, "too_large": 1}
    assert [row[4] for row in rows_of(records)] == [1.0, 2.0]


def test_json_record_is_keyed_by_series() -> None:
    record = encode([[Metric(T, "a", "m", 1.0, metadata={"k": 1})]], "json")[0]
    assert record.key == b"a:m"
    assert json.loads(record.value)["metadata"] == {"k": 1}
