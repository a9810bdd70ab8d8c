"""The end of the input closes every window at once; what a detector knows must last until then."""

import numpy as np
import pytest

from padit.domain.config import DetectorSetting
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_END, WATERMARK_NONE
from padit.transforms.detect import Detection
from padit.transforms.detectors import registry
from padit.transforms.windows import WindowOptions, close_windows
from tests.laws.test_laws import PARAMETERS

SECOND = 1_000_000
WINDOWS = WindowOptions(300 * SECOND, 60 * SECOND, 1000)
START = 1_767_225_600 * SECOND


def _rows(count: int) -> Rows:
    """Two metrics of a source, a sample a second, with a jump near the end."""
    value = np.random.default_rng(3).normal(5, 1, (count, 2))
    value[-200:-150] += 30
    time = np.repeat(START + np.arange(count) * SECOND, 2)
    code = np.tile(np.array([0, 1], np.int32), count)
    return Rows((Series("m", "a"), Series("m", "b")), code, time, value.ravel())


def _scores(name: str, cuts: list[int]) -> bytes:
    """Composite scores of all windows, where windows close at some rows and at the end."""
    rows = _rows(3000)
    detection = Detection([DetectorSetting(name=name, parameters=PARAMETERS.get(name) or {})])
    states = detection.initial()
    kept, closed, first = Rows.empty(), WATERMARK_NONE, 0
    found = b""
    for last in [*cuts, len(rows)]:
        end = last == len(rows)
        closing = WINDOWS.slot_before(WATERMARK_END if end else int(rows.time[last]))
        part = rows.select(np.arange(first, last))
        result = close_windows([kept, part], closed, closing, WINDOWS)
        states, detected = detection.step(states, result.table)
        found += detected.composite.tobytes()
        kept, closed, first = result.kept, closing, last
    return found


@pytest.mark.parametrize("name", registry())
def test_the_last_windows_are_judged_alike_whether_or_not_others_closed_before(name: str) -> None:
    whole = _scores(name, [])
    assert _scores(name, [5000]) == whole
    assert _scores(name, [800, 2400, 5900]) == whole
