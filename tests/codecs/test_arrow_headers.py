"""Arrow streams that ask for more than they hold, and columns that are not as writers make them."""

import numpy as np
import pyarrow as pa
import pytest

from padit.codecs.arrow_headers import MOST_UNPACKED, UNPACKED_AT_LEAST, weigh
from padit.codecs.json_records import NumberedSample
from padit.codecs.records import decode
from padit.codecs.series_table import SeriesTable
from padit.domain.metric import Series
from tests.codecs.samples import MAX_BYTES, T, arrow, plain, record
from tests.laws.codecs import check_rows, stream

MICROS = 1_000_000


@pytest.mark.parametrize("name", ["timestamp", "source_id", "metric_name", "value", "unit"])
def test_a_column_name_that_comes_twice_is_rejected_with_its_name(name: str) -> None:
    columns = {
        "timestamp": pa.array([float(T)]), "source_id": pa.array(["a"]),
        "metric_name": pa.array(["b"]), "value": pa.array([1.5]), "unit": pa.array(["ms"]),
    }  # fmt: skip
    batch = pa.RecordBatch.from_arrays([*columns.values(), columns[name]], names=[*columns, name])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    for values in ([sink.getvalue().to_pybytes()], [sink.getvalue().to_pybytes()] * 2):
        decoded = decode(values, 1 << 20)
        assert [reject.record for reject in decoded.rejects] == [*range(len(values))]
        assert decoded.rejects[0].reason == f"an Arrow stream with 2 columns of the name {name}"


def test_a_repeated_word_of_a_dictionary_is_one_series() -> None:
    unit = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None]), pa.array(["", "ms", "ms"]))
    name = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 1]), pa.array(["a", "a"]))
    value = arrow(timestamp=[T] * 4, source_id=name, metric_name=name, value=[1.0, 2, 3, 4],
                  unit=unit)  # fmt: skip
    expected = [Series("a", "a", ""), Series("a", "a", "ms")]
    for values in ([value], [value, value]):
        rows = decode(values, 1 << 20).rows
        check_rows(rows)
        assert sorted(rows.series) == expected
        assert [tuple(one) for one, *_ in plain(rows)][:4] == [
            expected[0], expected[1], expected[1], expected[0],
        ]  # fmt: skip


def test_a_full_dictionary_with_a_null_beside_it_is_read() -> None:
    words = pa.array([f"u{i}" for i in range(128)])
    unit = pa.DictionaryArray.from_arrays(pa.array([127, None], pa.int8()), words)
    value = arrow(timestamp=[T] * 2, source_id=["a"] * 2, metric_name=["b"] * 2,
                  value=[1.0, 2.0], unit=unit)  # fmt: skip
    decoded = decode([value], 1 << 20)
    assert decoded.rejects == []
    assert [one[2] for one, *_ in plain(decoded.rows)] == ["u127", ""]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_time_beyond_its_range_does_not_wrap_into_it(unit: str) -> None:
    per = {"s": 1, "ms": 1000, "us": MICROS, "ns": 1000 * MICROS}[unit]
    wrapped = {"s": T + 2**64 // MICROS, "ms": T * 1000 + 2**64 // 1000, "us": 0, "ns": -1}[unit]
    ticks = pa.array([T * per, wrapped, -(2**63), 2**63 - 1]).cast(pa.timestamp(unit, "UTC"))
    value = arrow(timestamp=ticks, source_id=["a"] * 4, metric_name=["b"] * 4, value=[1.0] * 4)
    decoded = decode([value], 1 << 20)
    assert decoded.rows.time.tolist() == [T * MICROS]
    [reject] = decoded.rejects
    assert reject.lost == 3
    assert all("years 2000 to 2199" in reason for _, reason in reject.elements)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_what_publishers_write_is_accepted(compression: str | None) -> None:
    n = 45_000  # samples in the largest record of our own publisher
    name = pa.array(["machine-01"] * n).dictionary_encode()
    noise = np.round(np.random.default_rng(0).normal(20, 1, n), 2)
    for value in (noise, np.zeros(n)):  # a sensor that works, and one that is stuck
        for time in (np.full(n, float(T)), T + np.arange(n) / 10):
            columns = {"timestamp": pa.array(time), "source_id": name, "metric_name": name,
                       "value": pa.array(value)}  # fmt: skip
            decoded = decode([stream(columns, compression)], 4 << 20)
            assert len(decoded.rows) == n
            assert decoded.rejects == []


def test_a_stream_that_unpacks_to_gigabytes_is_rejected_with_both_sizes() -> None:
    n = 8_000_000
    zeros = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int8)), ["a"])
    value = stream({"timestamp": pa.array(np.zeros(n)), "source_id": zeros, "metric_name": zeros,
                    "value": pa.array(np.zeros(n))}, "zstd")  # fmt: skip
    assert len(value) < 16_000
    pool = pa.proxy_memory_pool(pa.default_memory_pool())
    kept = pa.default_memory_pool()
    pa.set_memory_pool(pool)
    try:
        [reject] = decode([value], 4 << 20).rejects
    finally:
        pa.set_memory_pool(kept)
    assert pool.max_memory() < 1 << 20
    assert f"of {len(value)} bytes that takes {32 * n}" in reject.reason
    assert f"more than {UNPACKED_AT_LEAST}" in reject.reason


def test_the_weight_of_a_plain_stream_is_about_its_size() -> None:
    n = 10_000
    value = arrow(timestamp=np.full(n, float(T)), source_id=["a"] * n, metric_name=["b"] * n,
                  value=np.ones(n))  # fmt: skip
    weight, layout = weigh(value)
    assert 0.9 * len(value) < weight < MOST_UNPACKED * len(value)
    assert layout.options is None


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([["a"]]), "list"),
        (pa.array([{"a": 1}]), "struct"),
        (pa.RunEndEncodedArray.from_arrays([1], pa.array(["a"])), "run_end_encoded"),
    ],
)
def test_names_of_a_nested_type_are_rejected(column: pa.Array, kind: str) -> None:
    value = arrow(timestamp=[T], source_id=column, metric_name=["b"], value=[1.5])
    [reject] = decode([value], MAX_BYTES).rejects
    assert f"the column source_id holds {kind}" in reject.reason


def test_columns_that_are_not_used_may_be_of_any_type() -> None:
    value = arrow(timestamp=[T], source_id=["a"], metric_name=["b"], value=[1.5],
                  metadata=pa.array([{"deep": [[1]]}]), note=pa.array([None]))  # fmt: skip
    assert plain(decode([value], MAX_BYTES).rows) == plain(decode([record()], MAX_BYTES).rows)


def test_names_seen_once_do_not_fill_the_memory() -> None:
    table = SeriesTable()
    for i in range(140):
        long = f"{i:09}" + "x" * 1_000_000
        found, code = table.encode([NumberedSample(T, long, "b", 1.0)])
        assert (found[0].source_id, code.tolist()) == (long, [0])
        assert table._characters < 70 << 20
