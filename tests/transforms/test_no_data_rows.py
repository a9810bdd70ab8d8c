"""Rows for windows without a sample: in their place, and nothing else changes."""

from typing import Any

import numpy as np

from padit.domain.config import DetectorSetting
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detect import Detection, DetectionResult
from padit.transforms.no_data_rows import with_no_data_rows
from padit.transforms.windows import WindowOptions, close_windows
from tests.laws.machine import SECOND, Log, Sample, rows_of, setting

WINDOWS = WindowOptions(120 * SECOND, 60 * SECOND, 1000)
NAMES = [Series("a", "x"), Series("b", "x"), Series("c", "x")]
QUICK = {"minimum_sec": 30}


def _table() -> FeatureTable:
    """The first and the last series stop after ten minutes."""
    log: Log = [
        Sample(second * SECOND, series, float(i + second % 7))
        for i, series in enumerate(NAMES)
        for second in range(0, 1200 if i == 1 else 600, 5)
    ]
    return close_windows([rows_of(log)], 0, 20, WINDOWS, 1200 * SECOND).table


def _judged(*settings: DetectorSetting) -> DetectionResult:
    detection = Detection(settings)
    return detection.step(detection.initial(), _table())[1]


def _keys(table: FeatureTable) -> list[tuple[int, Series]]:
    ends = (table.window_end // SECOND).tolist()
    return [(end, table.series[i]) for end, i in zip(ends, table.code.tolist(), strict=True)]


def test_rows_stand_in_the_order_of_time_and_series_with_no_samples() -> None:
    before, detected = _table(), _judged(DetectorSetting(name="no_data", parameters=QUICK))
    table = detected.table
    keys = _keys(table)
    assert keys == sorted(keys)
    added = sorted(set(keys) - set(_keys(before)))
    assert added == [(end, one) for end in range(720, 1260, 60) for one in NAMES[::2]]
    for row, key in enumerate(keys):
        time, value = table.window(row)
        empty = key in added
        assert (len(time) == len(value) == 0) == empty
        assert (table.offset[row] == table.offset[row + 1]) or not empty
    assert (table.time.tobytes(), table.value.tobytes()) == (
        before.time.tobytes(), before.value.tobytes()
    )  # fmt: skip


def test_scores_of_other_detectors_are_nan_there_and_unchanged_elsewhere() -> None:
    no_data = DetectorSetting(name="no_data", parameters=QUICK)
    novelty = DetectorSetting(name="novelty")
    both, alone = _judged(novelty, no_data), _judged(novelty)
    absent = both.table.features["count"] == 0
    assert np.isnan(both.matrix[0, absent]).all()
    assert (both.matrix[1, absent] >= 0.7).all()
    assert both.matrix[0, ~absent].tobytes() == alone.matrix[0].tobytes()
    for name, column in (alone.scores[0].detail or {}).items():
        assert (both.scores[0].detail or {})[name][~absent].tobytes() == column.tobytes()
    assert _bytes(both.scores[0].sample) == _bytes(alone.scores[0].sample)


def test_two_no_data_detectors_share_a_row_and_each_scores_its_own_series() -> None:
    settings = [
        DetectorSetting(name="no_data", source="a", parameters=QUICK),
        DetectorSetting(name="no_data", parameters={"minimum_sec": 300}),
    ]
    detected = _judged(*settings)
    keys = _keys(detected.table)
    assert len(keys) == len(set(keys))
    quick, slow = (
        {keys[row] for row in np.flatnonzero(line >= 0.7).tolist()} for line in detected.matrix
    )
    assert {one.source_id for _, one in quick} == {"a"}
    assert {one.source_id for _, one in slow} == {"a", "c"}
    assert min(quick) == (660, NAMES[0])
    assert min(slow) == (900, NAMES[0])
    # A row that goes on for one detector is new for the other; each gap is new once.
    news = [keys[row] for row in np.flatnonzero(detected.anomaly).tolist()]
    assert news == [(660, NAMES[0]), (900, NAMES[0]), (900, NAMES[2])]


def test_without_a_gap_the_table_stays_as_it_is() -> None:
    table = _table()
    detection = setting("rule")
    _, scores = detection.detectors[0].step(detection.initial()[0], table)
    assert with_no_data_rows(table, [scores], lambda series: (True,)) == (table, [scores])


def _bytes(column: Any) -> bytes:
    return np.asarray(column).tobytes()
