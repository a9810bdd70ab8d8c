"""Lateness: decided by a partition's log alone, however it is read."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.marks import MARK_NONE, judge
from tests.domain.samples import steady

TIMES = st.lists(st.integers(0, 200), max_size=30)
DISORDER = st.integers(0, 60)


def _slow(times: list[int], mark: int, disorder: int) -> tuple[list[bool], int]:
    late = []
    for time in times:
        late.append(time < mark)
        mark = max(mark, time - disorder)
    return late, mark


def _judge(times: list[int], mark: int, disorder: int) -> tuple[list[bool], int]:
    late, after = judge(np.array(times, np.int64), mark, disorder)
    return ([False] * len(times) if late is None else late.tolist()), after


@steady
@given(TIMES, st.one_of(st.just(MARK_NONE), st.integers(0, 200)), DISORDER)
def test_the_columns_judge_as_a_loop_over_the_rows_does(
    times: list[int], mark: int, disorder: int
) -> None:
    assert _judge(times, mark, disorder) == _slow(times, mark, disorder)


@steady
@given(TIMES, DISORDER, st.integers(0, 30))
def test_lateness_does_not_depend_on_how_the_log_is_cut(
    times: list[int], disorder: int, cut: int
) -> None:
    whole = _judge(times, MARK_NONE, disorder)
    first, mark = _judge(times[:cut], MARK_NONE, disorder)
    second, end = _judge(times[cut:], mark, disorder)
    assert (first + second, end) == whole


@steady
@given(TIMES, st.integers(0, 200), DISORDER)
def test_a_mark_never_goes_back(times: list[int], mark: int, disorder: int) -> None:
    assert _judge(times, mark, disorder)[1] >= mark


@steady
@given(TIMES, DISORDER)
def test_no_row_within_the_allowed_disorder_is_late(times: list[int], disorder: int) -> None:
    late, _ = _judge(times, MARK_NONE, disorder)
    newest = -1
    for time, is_late in zip(times, late, strict=True):
        newest = max(newest, time)
        assert is_late == (time < newest - disorder)


def test_no_rows_leave_the_mark_where_it_is() -> None:
    assert judge(np.empty(0, np.int64), 7, 5) == (None, 7)
