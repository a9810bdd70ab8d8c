"""Columns of names and times: the fast ways give what the slow ones give, up to their bounds."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs import arrow as module
from padit.codecs.arrow import (
    LONGEST_STAMP,
    MOST_TOGETHER,
    combine_names,
    decode_stream,
    describe_bad_stamp,
    parse_timestamps,
    rows_from_streams,
)
from padit.codecs.arrow_headers import weigh
from padit.domain.errors import WireFormatError
from padit.domain.metric import Series
from padit.domain.timestamps import EARLIEST_US, LATEST_US
from tests.codecs.samples import T, arrow, plain, steady


@st.composite
def names(draw: st.DrawFn, rows: int) -> tuple[Any, np.ndarray[Any, Any]]:
    """A table of names, perhaps far larger than any real one, and the codes of some rows."""
    table = range(draw(st.sampled_from([1, 2, 3, 7, 1000, 1 << 20, 1 << 31, 1 << 40])))
    near = st.sampled_from([0, len(table) - 1]) | st.integers(0, len(table) - 1)
    return table, np.array(draw(st.lists(near, min_size=rows, max_size=rows)), np.int64)


@steady
@given(st.data())
def test_names_are_combined_as_a_loop_over_the_rows_does(data: st.DataObject) -> None:
    rows = data.draw(st.integers(1, 12))
    columns = [data.draw(names(rows)) for _ in range(3)]
    series, code = combine_names(*columns)
    assert code.dtype == np.int32
    words = [[table[i] for i in codes.tolist()] for table, codes in columns]
    expected = [Series(*one) for one in zip(*words, strict=True)]
    assert [series[i] for i in code.tolist()] == expected
    assert series == sorted(set(expected))


@pytest.mark.parametrize("size", [1023, 1024, 1032, 1033, 5000])
def test_marking_and_sorting_find_the_same_codes(size: int) -> None:
    codes = np.array([size - 1], np.int64)
    keys, code = module._compact(codes, size)
    assert (keys.tolist(), code.tolist()) == ([size - 1], [0])
    assert code.dtype == np.int32
    many = np.array([size - 1, 0, 5, 5, size - 1], np.int64)
    keys, code = module._compact(many, size)
    assert (keys.tolist(), code.tolist()) == ([0, 5, size - 1], [2, 0, 1, 1, 2])


@pytest.mark.parametrize(
    ("unit", "factor"), [("s", 1_000_000), ("ms", 1000), ("us", 1), ("ns", None)]
)
def test_times_are_taken_from_2000_until_2200_in_every_unit(unit: str, factor: int | None) -> None:
    if factor is None:
        first, end = EARLIEST_US * 1000, LATEST_US * 1000
    else:
        first, end = EARLIEST_US // factor, LATEST_US // factor
    ticks = [first - 1, first, end - 1, end, end + 1, -1, 0]
    found = decode_stream(
        arrow(timestamp=pa.array(ticks).cast(pa.timestamp(unit)), source_id=["a"] * 7,
              metric_name=["b"] * 7, value=[float(i) for i in range(7)])
    )  # fmt: skip
    assert found.element.tolist() == [1, 2]
    assert found.rows.time.tolist() == [
        EARLIEST_US, LATEST_US - (factor or 1) if factor else (end - 1) // 1000,
    ]  # fmt: skip
    assert found.rows.value.tolist() == [1.0, 2.0]
    assert found.faults.count == 5
    [(_, reason), *_] = found.faults.reject(0).elements
    assert reason == f"timestamp {first - 1} {unit} lies outside the years 2000 to 2199"


def test_numbers_of_all_kinds_are_times_and_values() -> None:
    for time, value in ((pa.int64(), pa.int8()), (pa.float64(), pa.float32()),
                        (pa.uint64(), pa.uint8())):  # fmt: skip
        found = decode_stream(
            arrow(timestamp=pa.array([T], time), source_id=["a"], metric_name=["b"],
                  value=pa.array([7], value))
        )  # fmt: skip
        assert plain(found.rows) == [(("a", "b", ""), T * 1_000_000, 7.0)]


@pytest.mark.parametrize(
    "column", [pa.array(["1"]), pa.array([True]), pa.array([0], pa.date32()), pa.array([b"1"])]
)
def test_column_of_values_that_holds_no_numbers_is_refused(column: pa.Array) -> None:
    reason = f"the column value holds {column.type}, it must hold numbers"
    with pytest.raises(WireFormatError, match=re.escape(reason)):
        decode_stream(arrow(timestamp=[T], source_id=["a"], metric_name=["b"], value=column))


@pytest.mark.parametrize("name", ["timestamp", "source_id", "metric_name", "value"])
def test_missing_column_is_named_with_those_that_are_there(name: str) -> None:
    columns = {"timestamp": [T], "source_id": ["a"], "metric_name": ["b"], "value": [1.0]}
    del columns[name]
    with pytest.raises(WireFormatError) as caught:
        decode_stream(arrow(**columns))
    assert str(caught.value) == f"Arrow stream without the column {name}; it has {[*columns]}"


def test_null_costs_its_row_only_and_the_first_null_is_named() -> None:
    value = arrow(
        timestamp=pa.array([None, T, T, T, T], pa.int64()), source_id=[None, None, "a", "a", "a"],
        metric_name=["b", "b", None, "b", "b"], value=pa.array([None, 1.0, 2.0, None, 3.0]),
        metric_type=[None, None, None, None, "latency"],
    )  # fmt: skip
    found = decode_stream(value)
    assert plain(found.rows) == [(("a", "b", ""), T * 1_000_000, 3.0)]
    assert found.element.tolist() == [4]
    assert found.element.dtype == np.int32
    assert found.faults.reject(0).elements == (
        (0, "timestamp is null"), (1, "source_id is null"), (2, "metric_name is null"),
        (3, "value is null"),
    )  # fmt: skip
    assert found.rows.attributes is not None
    assert [one.metric_type for one in found.rows.attributes.table] == ["latency"]


def test_text_that_is_no_utf_8_or_offsets_beyond_their_buffer_are_refused() -> None:
    for bad in (b"\xff", b"\xc3"):
        text = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"),
                                                      pa.py_buffer(bad)])  # fmt: skip
        value = arrow(timestamp=[T], source_id=text, metric_name=["b"], value=[1.0])
        with pytest.raises(pa.ArrowInvalid):
            decode_stream(value)
        assert rows_from_streams([value]) is None


def test_stamps_of_64_characters_are_the_longest_that_are_read() -> None:
    assert LONGEST_STAMP == 64
    good = "2026-01-02T03:04:05Z"
    stamps: list[float | str] = [
        good.ljust(64),
        good.ljust(65),
        good,
        "x",
        T,
        float("nan"),
        "x" * 64,
        "x" * 65,
    ]
    times, bad = parse_timestamps(stamps)
    assert bad.tolist() == [1, 3, 6, 7]
    assert times.tolist()[:5] == [T * 1_000_000, 0, T * 1_000_000, 0, T * 1_000_000]
    assert describe_bad_stamp("x" * 64) == (
        f"timestamp {'x' * 64!r} is neither epoch seconds, ms nor RFC 3339"
    )
    assert describe_bad_stamp("x" * 65) == f"timestamp {'x' * 65!r} has 65 characters, at most 64"
    assert describe_bad_stamp(5) == "timestamp 5 is neither epoch seconds, ms nor RFC 3339"


def _stream(rows: int, **more: Any) -> bytes:
    return arrow(timestamp=[float(T)] * rows, source_id=["a"] * rows, metric_name=["b"] * rows,
                 value=[1.0] * rows, **more)  # fmt: skip


def test_streams_are_read_together_as_long_as_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_TOGETHER == 33_554_432
    values = [_stream(3), _stream(4), _stream(5)]
    weights = [weigh(value)[0] for value in values]
    for most, counts in (
        (sum(weights), [3, 4, 5]), (sum(weights) - 1, [3, 4]), (sum(weights[:2]), [3, 4]),
        (sum(weights[:2]) - 1, [3]), (1, [3]),
    ):  # fmt: skip
        monkeypatch.setattr(module, "MOST_TOGETHER", most)
        found = rows_from_streams(values)
        assert found is not None
        rows, each = found.rows, found.counts
        assert (each.tolist(), len(rows)) == (counts, sum(counts))


@pytest.mark.parametrize(
    "odd",
    [
        _stream(0), _stream(2, unit=["a", "b"]), _stream(1)[:-30], b"", arrow(timestamp=[T]),
        arrow(timestamp=[5.0], source_id=["a"], metric_name=["b"], value=[1.0]),
    ],
)  # fmt: skip
def test_streams_of_which_one_is_odd_are_not_read_together(odd: bytes) -> None:
    assert rows_from_streams([_stream(2), _stream(1)]) is not None
    for values in ([odd, _stream(2)], [_stream(2), odd]):
        assert rows_from_streams(values) is None


def test_labels_that_cannot_be_read_are_counted_for_every_row() -> None:
    value = _stream(3, metadata=[1, 2, 3])
    found = decode_stream(value, ("site",))
    assert found.left_out.samples == 3
    assert found.left_out.reason.startswith("metadata holds int64")
    assert rows_from_streams([value], ("site",)) is None
    assert rows_from_streams([value]) is not None
    assert decode_stream(value).left_out.samples == 0
