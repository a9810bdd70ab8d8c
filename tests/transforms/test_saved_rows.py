"""Rows that wait in the state: there and back exactly, and few bytes for times that are even."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.batch import OffsetRange, encode_kept
from padit.domain.errors import StateError
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.transforms.saved_rows import pack_rows, read_rows, steps_of
from tests.codecs.samples import plain, steady

_FAR = 2**63 - 1
_TIMES = st.one_of(
    st.integers(-_FAR - 1, _FAR),
    st.integers(-(2**40), 2**40).map(lambda n: 1000 * n),
    st.integers(0, 300).map(lambda n: 1_767_225_600_000_000 + 1_000_000 * n),
    st.sampled_from([0, 127, 128, -128, 2**15, 2**31 - 1, 2**31, 2**31 * 1000, 2**62, -(2**62)]),
)


def _rows(times: list[int]) -> Rows:
    size = len(times)
    code = np.sort(np.arange(size, dtype=np.int32) % 2)
    return Rows([Series("a", "x"), Series("b", "x")], code, np.array(times, np.int64),
                np.arange(size) / 7)  # fmt: skip


@steady
@given(st.lists(_TIMES, max_size=8), st.booleans())
def test_rows_come_back_as_they_were(times: list[int], by_series: bool) -> None:
    rows = _rows(times)
    ranges = [OffsetRange(0, 5, 7, 9, 100, 200)]
    keyed, found = read_rows(pack_rows(rows, ranges, by_series=by_series))
    assert plain(keyed.rows) == plain(rows)
    assert keyed.rows.time.dtype == np.int64
    assert found == ranges


@pytest.mark.parametrize("by_series", [False, True])
def test_rows_that_were_not_packed_are_read(by_series: bool) -> None:
    rows = _rows([3, 9, 4, 2**50])
    assert plain(read_rows(encode_kept(rows, [], by_series=by_series))[0].rows) == plain(rows)


@pytest.mark.parametrize(
    ("times", "unit", "width"),
    [
        ([0, 1_000_000, 128_000_000], 1_000_000, 1),
        ([5, 1_000_005, 129_000_005], 1_000_000, 2),
        ([0, 1_017_000, 1_998_000], 1000, 2),
        ([0, 32_768_000], 1000, 4),
        ([0, 127], 1, 1),
        ([7], 1_000_000, 1),
    ],
)
def test_times_are_as_narrow_as_what_lies_between_them(
    times: list[int], unit: int, width: int
) -> None:
    found = steps_of(np.array(times, np.int64))
    assert found is not None
    assert (found.unit, found.between.itemsize) == (unit, width)
    assert (times[0] + unit * found.between.cumsum(dtype=np.int64)).tolist() == times


@pytest.mark.parametrize("times", [[], [0, 2**31], [2**62], [0, -(2**62)], [1, 2**31 * 1_000_000]])
def test_times_that_lie_too_far_apart_are_written_as_they_are(times: list[int]) -> None:
    assert steps_of(np.array(times, np.int64)) is None


def test_times_of_an_even_series_pack_to_nothing_and_those_of_milliseconds_to_two_bytes() -> None:
    random = np.random.default_rng(1)
    for jitter, most in ((0, 8.4), (40, 10.6)):
        times = 1_767_225_600_000_000 + 1_000_000 * np.arange(2000)
        times += 1000 * random.integers(-jitter, jitter + 1, 2000)
        rows = Rows([Series("a", "x")], np.zeros(2000, np.int32), times, random.normal(size=2000))
        assert len(pack_rows(rows, [], by_series=True)) <= most * 2000


@pytest.mark.parametrize("by_series", [False, True])
def test_a_byte_that_is_damaged_is_refused_or_leaves_columns_of_one_length(by_series: bool) -> None:
    rows = _rows([5, 9, 12, 400])
    known = AttributeColumn(
        [Attributes("latency"), Attributes("load")], np.array([0, 1], np.int32), True
    )
    rows = Rows(rows.series, rows.code, rows.time, rows.value, known)
    for steps in (None, steps_of(rows.time)):
        data = encode_kept(rows, [OffsetRange(0, 5, 7, 9, 1, 2)], by_series=by_series, steps=steps)
        for place in range(len(data)):
            for change in (1, 2, 4, 16, 64, 128, 255):
                damaged = bytearray(data)
                damaged[place] ^= change
                try:
                    found = read_rows(bytes(damaged))[0].rows
                except StateError:
                    continue
                assert len(found.code) == len(found.time) == len(found.value)


@pytest.mark.parametrize("field", [4, 6, 7])
def test_columns_of_other_lengths_are_refused(field: int) -> None:
    columns = msgspec.msgpack.decode(encode_kept(_rows([5, 9, 12, 400]), []))
    for more in (bytes(24), b"\0"):
        broken = [*columns[:field], columns[field] + more, *columns[field + 1 :]]
        with pytest.raises(StateError, match="damaged"):
            read_rows(msgspec.msgpack.encode(broken))
