"""Lateness: decided by a partition's log alone, however it is read."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.watermark import WATERMARK_NONE, find_late
from tests.codecs.samples import steady

TIMES = st.lists(st.integers(0, 200), max_size=30)
DISORDER = st.integers(0, 60)


def _slow(times: list[int], watermark: int, disorder: int) -> tuple[list[bool], int]:
    late = []
    for time in times:
        late.append(time < watermark)
        watermark = max(watermark, time - disorder)
    return late, watermark


def _judge(times: list[int], watermark: int, disorder: int) -> tuple[list[bool], int]:
    late, after = find_late(np.array(times, np.int64), watermark, disorder)
    return ([False] * len(times) if late is None else late.tolist()), after


@steady
@given(TIMES, st.one_of(st.just(WATERMARK_NONE), st.integers(0, 200)), DISORDER)
def test_the_columns_judge_as_a_loop_over_the_rows_does(
    times: list[int], watermark: int, disorder: int
) -> None:
    assert _judge(times, watermark, disorder) == _slow(times, watermark, disorder)


@steady
@given(TIMES, DISORDER, st.integers(0, 30))
def test_lateness_does_not_depend_on_how_the_log_is_cut(
    times: list[int], disorder: int, cut: int
) -> None:
    whole = _judge(times, WATERMARK_NONE, disorder)
    first, watermark = _judge(times[:cut], WATERMARK_NONE, disorder)
    second, end = _judge(times[cut:], watermark, disorder)
    assert (first + second, end) == whole


@steady
@given(TIMES, st.integers(0, 200), DISORDER)
def test_a_mark_never_goes_back(times: list[int], watermark: int, disorder: int) -> None:
    assert _judge(times, watermark, disorder)[1] >= watermark


@steady
@given(TIMES, DISORDER)
def test_no_row_within_the_allowed_disorder_is_late(times: list[int], disorder: int) -> None:
    late, _ = _judge(times, WATERMARK_NONE, disorder)
    newest = -1
    for time, is_late in zip(times, late, strict=True):
        newest = max(newest, time)
        assert is_late == (time < newest - disorder)


def test_no_rows_leave_the_mark_where_it_is() -> None:
    assert find_late(np.empty(0, np.int64), 7, 5) == (None, 7)
