"""What compiled detectors share, against plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.transforms.detectors.kernels import rows_by_series
from tests.codecs.samples import steady


@steady
@given(st.integers(1, 7).flatmap(
    lambda series: st.tuples(st.just(series), st.lists(st.integers(0, series - 1), max_size=40))
))  # fmt: skip
def test_rows_of_each_series_stand_together_in_the_order_of_the_table(
    made: tuple[int, list[int]],
) -> None:
    series, codes = made
    row, start = rows_by_series(np.array(codes, np.int32), series)
    expected = [[i for i, code in enumerate(codes) if code == one] for one in range(series)]
    assert [row[start[s] : start[s + 1]].tolist() for s in range(series)] == expected


@pytest.mark.parametrize("code", [-1, 2, 2**31 - 1])
def test_a_code_outside_of_the_series_is_refused(code: int) -> None:
    with pytest.raises(IndexError, match="outside"):
        rows_by_series(np.array([0, code], np.int32), 2)
