"""What an alert says of a row stays true where rows of missing data are put in between."""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from padit.domain.config import DetectorSetting
from padit.domain.metric import Series
from padit.transforms.detect import Detection
from padit.transforms.detectors import registry
from padit.transforms.windows import WindowOptions, close_windows
from tests.detectors.recorded import PARAMETERS
from tests.laws.machine import SECOND, Log, Sample, rows_of, run

STEP = 20 * SECOND
LENGTH, GONE, BROKEN = 700, 300, 560
NO_DATA = DetectorSetting(name="no_data", parameters={"minimum_sec": 90})


def _log() -> Log:
    """A metric that stops stands first; two that follow each other part later on."""
    chance = np.random.default_rng(3)
    flow = np.zeros(LENGTH)
    for i in range(1, LENGTH):
        flow[i] = 0.8 * flow[i - 1] + chance.normal()
    power = 2 * flow + 0.2 * chance.normal(size=LENGTH)
    power[BROKEN : BROKEN + 40] += 12
    metrics = {"a": chance.normal(size=LENGTH), "flow": flow, "power": power}
    return [
        Sample(i * STEP, Series("plant", name), float(values[i]))
        for i in range(LENGTH)
        for name, values in metrics.items()
        if name != "a" or i < GONE
    ]


def test_an_alert_of_relation_names_its_partner_though_another_metric_has_no_data() -> None:
    log = _log()
    detection = Detection([DetectorSetting(name="relation"), NO_DATA])
    cut = [[(0, 90)]] * (len(log) // 90 + 1)
    result = run([log], detection, cut)
    events = [json.loads(one) for group in result.alerts for one in group]
    alerts = [one["data"] for one in events]
    missing = [one for one in alerts if one["detector"]["name"] == "no_data"]
    found = [one for one in alerts if one["detector"]["name"] == "relation"]
    assert {one["metric_name"] for one in missing} == {"a"}
    assert found
    for one in found:
        other = {"flow": "power", "power": "flow"}[one["metric_name"]]
        assert one["evidence"]["partner"] == other
        assert f"does not follow {other}:" in one["evidence"]["text"]


def _said(settings: list[DetectorSetting]) -> dict[tuple[int, Series], Any]:
    """The evidence of the first detector about each row that is judged, by its key."""
    detection, windows = Detection(settings), WindowOptions(120 * SECOND, 60 * SECOND, 1000)
    state, pieces, said = detection.initial(), [rows_of(_log())], {}
    last = LENGTH * STEP // windows.interval
    for closed, closing in pairwise([-1, 120, 200, last]):
        done = close_windows(pieces, closed, closing, windows, closing * windows.interval)
        pieces = [done.kept]
        state, detected = detection.step(state, done.table)
        table, scores = detected.table, detected.scores[0]
        for row in np.flatnonzero(~np.isnan(detected.matrix[0])).tolist():
            key = int(table.window_end[row]), table.series[table.code[row]]
            said[key] = detection.detectors[0].explain(table, scores, row)
    return said


@pytest.mark.parametrize("name", [one for one in registry() if one not in ("no_data", "model")])
def test_every_detector_says_the_same_of_a_row_with_rows_of_missing_data(name: str) -> None:
    setting = DetectorSetting(name=name, parameters=PARAMETERS.get(name, {}))
    alone, beside = _said([setting]), _said([setting, NO_DATA])
    assert json.dumps(list(alone.items()), default=str) == json.dumps(
        list(beside.items()), default=str
    )
