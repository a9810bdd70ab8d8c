"""What compiled detectors share: the rows of a table by series, without copying a sample.

State of a compiled detector is numpy arrays, one row a series (`columns.locate` gives the row of
each series of a table). Its kernel walks series by series, and the samples of each in time order:

    at = locate(state, FIELDS, table, retention)[1]     # row of state of each series of the table
    row, start = rows_by_series(table.code, len(table.series))
    _steps(at, row, start, table.offset, table.value, ...)

    @kernel
    def _steps(at, row, start, offset, value, level, score):
        for series in range(len(at)):
            here = at[series]
            for i in range(start[series], start[series + 1]):
                for k in range(offset[row[i]], offset[row[i] + 1]):
                    score[k] = _step(level, here, value[k])

Rows of a table are sorted by (window end, series), so the rows of one series, in this order, are
in the order of time, and so are the samples of their slices.
"""

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel

__all__ = ["rows_by_series"]

Ints = NDArray[np.int64]


@kernel
def rows_by_series(code: NDArray[np.int32], series: int) -> tuple[Ints, Ints]:
    """Rows of a table grouped by series, in the order of the table within each: a counting sort.

    Args:
        code: int32 (n,), the series of each row, 0 to `series` - 1.
        series: how many series the table has.

    Returns:
        row: int64 (n,), numbers of rows.
        start: int64 (series + 1,); those of series s are row[start[s]] to row[start[s + 1]].

    Raises:
        IndexError: a code is outside of the series.
    """
    start = np.zeros(series + 1, np.int64)
    for one in code:
        if one < 0 or one >= series:
            raise IndexError("code of a row is outside of the table's series")  # noqa: EM101
        start[one + 1] += 1
    for i in range(series):
        start[i + 1] += start[i]
    at = start.copy()
    row = np.empty(len(code), np.int64)
    for i in range(len(code)):
        row[at[code[i]]] = i
        at[code[i]] += 1
    return row, start
