"""Arrow streams decoded together are what they are one by one."""

import numpy as np
import pyarrow as pa
import pytest

from padit.codecs.arrow import arrow_from_columns
from padit.codecs.records import decode
from padit.domain.rows import Rows


def _stream(values: list[float], source: str = "a", start: float = 1_767_225_600.0) -> bytes:
    names = pa.array([source] * len(values)).dictionary_encode()
    times = start + np.arange(len(values), dtype=np.float64)
    return arrow_from_columns(times, names, pa.array(["m"] * len(values)), np.array(values))


def _plain(rows: Rows) -> list[tuple[str, int, float]]:
    return [
        (rows.series[code].source_id, time, value)
        for code, time, value in zip(
            rows.code.tolist(), rows.time.tolist(), rows.value.tolist(), strict=True
        )
    ]


GOOD = [_stream([1.0, 2.0]), _stream([3.0], "b"), _stream([4.0, 5.0, 6.0], "c")]
FAULTY = [
    _stream([float("nan"), 7.0], "d"),
    _stream([8.0], "e", start=5.0),
    _stream([9.0], ""),
    _stream([10.0])[:-40],
    _stream([]),
    b"\xff\xff\xff\xff",
]


@pytest.mark.parametrize("fault", [None, *range(len(FAULTY))])
def test_streams_together_give_what_they_give_alone(fault: int | None) -> None:
    values = GOOD if fault is None else [GOOD[0], FAULTY[fault], *GOOD[1:]]
    together = decode(values, 1 << 20)
    alone = [decode([value], 1 << 20) for value in values]
    assert _plain(together.rows) == [row for one in alone for row in _plain(one.rows)]
    assert together.record.tolist() == [i for i, one in enumerate(alone) for _ in one.record]
    assert [(reject.record, reject.reason) for reject in together.rejects] == [
        (i, reject.reason) for i, one in enumerate(alone) for reject in one.rejects
    ]
    assert bool(together.rejects) == (fault is not None)
