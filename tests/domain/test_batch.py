"""Batches as bytes: exact there and back, and damaged bytes are never read."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.batch import (
    KeyedBatch,
    OffsetRange,
    Steps,
    decode_kept,
    decode_keyed_batch,
    decode_rows,
    encode_kept,
    encode_keyed_batch,
)
from padit.domain.errors import StateError
from padit.domain.metric import Series
from padit.domain.rows import Rows, concatenate
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE, Position
from tests.codecs.samples import attributes, plain, steady

NAMES = st.text(max_size=6)
ATTRIBUTES = st.builds(
    Attributes,
    st.sampled_from(["custom", "latency"]),
    st.sampled_from([(), (("site", "a"),), (("cluster", "é"), ("site", "b"))]),
)
INTEGERS = st.integers(-(2**63), 2**63 - 1)


@st.composite
def rows(draw: st.DrawFn) -> Rows:
    series = draw(st.lists(st.builds(Series, NAMES, NAMES, NAMES), max_size=4, unique=True))
    size = draw(st.integers(0, 6)) if series else 0
    codes = [draw(st.integers(0, len(series) - 1)) for _ in range(size)]
    times = draw(st.lists(INTEGERS, min_size=size, max_size=size))
    values = draw(st.lists(st.floats(allow_nan=False), min_size=size, max_size=size))
    code = np.array(codes, np.int32)
    known = draw(st.lists(ATTRIBUTES, min_size=1, max_size=4, unique=True))
    number = [draw(st.integers(0, len(known) - 1)) for _ in range(size)]
    column = AttributeColumn.of(known, np.array(number, np.int32), code, len(series))
    return Rows(series, code, np.array(times, np.int64), np.array(values), column)


POSITIONS = st.lists(
    st.builds(
        Position,
        st.integers(0, 99),
        st.integers(0, 2**62),
        st.integers(0, 2**62),
        st.integers(0, 2**62),
        st.integers(WATERMARK_NONE, WATERMARK_END),
        st.integers(0, 2**62),
        st.integers(0, 2**62),
        st.integers(0, 2**62),
        st.integers(WATERMARK_NONE, WATERMARK_END),
    ),
    max_size=3,
)


@steady
@given(st.integers(0, 1000), POSITIONS, rows())
def test_a_keyed_batch_comes_back_as_it_was(
    partitions: int, positions: list[Position], content: Rows
) -> None:
    keyed = KeyedBatch(partitions, tuple(positions), content)
    data = encode_keyed_batch(keyed)
    again = decode_keyed_batch(data)
    assert (again.partitions, again.positions) == (partitions, tuple(positions))
    assert tuple(again.rows.series) == tuple(content.series)
    assert plain(again.rows) == plain(content)
    assert attributes(again.rows) == attributes(content)
    assert encode_keyed_batch(again) == data


@steady
@given(st.lists(rows(), max_size=4), st.lists(st.integers(0, 3), max_size=4))
def test_concatenated_rows_are_the_rows_of_the_parts(parts: list[Rows], again: list[int]) -> None:
    parts = [*parts, *(parts[number] for number in again if number < len(parts))]
    whole = concatenate(parts)
    assert plain(whole) == [sample for part in parts for sample in plain(part)]
    assert attributes(whole) == [one for part in parts for one in attributes(part)]
    if whole.attributes is not None and len(parts) > 1:
        assert len(set(whole.attributes.table)) == len(whole.attributes.table)
    assert len(set(whole.series)) == len(whole.series)


def test_attributes_cost_three_bytes_if_none_is_stated_and_else_a_byte_a_series() -> None:
    content = Rows(
        [Series("a", str(i)) for i in range(100)], np.arange(100, dtype=np.int32).repeat(9),
        np.arange(900), np.zeros(900),
    )  # fmt: skip
    bare = encode_kept(content, [])
    assert msgspec.msgpack.decode(bare)[-5:] == [[], b"", True, False, 0]
    for values, most in ((["latency"], 140), (["latency", "throughput"], 160)):
        table = [Attributes(one) for one in values]
        code = content.code % len(table)
        known = AttributeColumn.of(table, code, content.code, 100)
        assert len(encode_kept(structs.replace(content, attributes=known), [])) - len(bare) < most


def test_columns_that_are_not_contiguous_are_written_in_order() -> None:
    every_other = np.arange(10, dtype=np.int64)[::2]
    content = Rows([Series("a", "b")], np.zeros(5, np.int32), every_other, np.arange(5.0)[::-1])
    assert plain(decode_rows(encode_kept(content, []))) == plain(content)


@pytest.mark.parametrize("data", [b"", b"\x00", b"hello", encode_kept(Rows.empty(), [])[:-1]])
def test_damaged_bytes_are_a_clear_error(data: bytes) -> None:
    with pytest.raises(StateError, match=f"a batch of {len(data)} bytes is damaged"):
        decode_keyed_batch(data)


def test_another_version_is_a_clear_error() -> None:
    columns = msgspec.msgpack.decode(encode_kept(Rows.empty(), []))
    columns[0] = 99
    with pytest.raises(StateError, match=r"version 99, this code reads 6.*start without"):
        decode_rows(msgspec.msgpack.encode(columns))


def test_a_batch_of_the_version_before_is_refused_by_its_version() -> None:
    columns = msgspec.msgpack.decode(encode_kept(Rows.empty(), []))
    columns[0], columns[3] = 4, [["a", "b", ""]]  # names stood there as they are
    with pytest.raises(StateError, match=r"version 4, this code reads 6.*start without"):
        decode_rows(msgspec.msgpack.encode(columns))


def test_rows_that_wait_keep_where_they_came_from() -> None:
    offset_ranges = [OffsetRange(0, 5, 7, 9, 100, 200), OffsetRange(3, 0, 1, 2, -5, 2**60)]
    assert decode_kept(encode_kept(Rows.empty(), offset_ranges))[1] == offset_ranges


def test_rows_saved_without_offset_ranges_are_read() -> None:
    columns = msgspec.msgpack.decode(encode_kept(Rows.empty(), []))
    assert decode_kept(msgspec.msgpack.encode(columns[:8]))[1] == []


def test_rows_of_the_version_before_are_read() -> None:
    content = Rows([Series("a", "b")], np.zeros(3, np.int32), np.arange(5, 8), np.arange(3.0))
    columns = msgspec.msgpack.decode(encode_kept(content, [], by_series=True))
    old = msgspec.msgpack.encode([5, *columns[1:-1]])
    assert plain(decode_rows(old)) == plain(content)


@pytest.mark.parametrize("times", [b"", b"\0\0\0\0", b"\0" * 9, b"\0" * 24])
def test_steps_that_do_not_fit_the_rows_are_a_clear_error(times: bytes) -> None:
    content = Rows([Series("a", "b")], np.zeros(3, np.int32), np.arange(5, 8), np.arange(3.0))
    steps = Steps(1, np.array([0, 1, 1], np.int8))
    columns = msgspec.msgpack.decode(encode_kept(content, [], steps=steps))
    assert columns[6] == b"\0\1\1"
    columns[6] = times
    with pytest.raises(StateError, match=f"its times have {len(times)} bytes"):
        decode_rows(msgspec.msgpack.encode(columns))
