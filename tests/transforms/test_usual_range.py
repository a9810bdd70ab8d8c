"""The range of the hours before an alert, and the level it gives to detectors without one."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.domain.config import DetectorSetting
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms import usual_range as module
from padit.transforms.detect import Detection
from padit.transforms.usual_range import UsualRange, level_outside
from padit.transforms.windows import WindowOptions
from tests.codecs.samples import steady
from tests.laws.machine import SECOND, Sample, run

HOUR = 3_600_000_000
BEGIN = 1_767_225_600_000_000
KEY = Series("s", "m")


def _table(centre: Any, spread: Any, first: int, step: int) -> FeatureTable:
    n = len(centre)
    end = BEGIN + step * np.arange(first + 1, first + n + 1)
    features = {
        "count": np.ones(n), "median": np.asarray(centre, float), "p25": -np.asarray(spread, float),
        "p75": np.asarray(spread, float),
    }  # fmt: skip
    code = np.zeros(n, np.int32)
    return FeatureTable(
        (KEY,), end, code, features, np.arange(n + 1), end - 1, np.zeros(n), int(end[-1])
    )


def _ranges(centre: Any, spread: Any, step: int = HOUR // 4) -> NDArray[np.float64]:
    ranges = UsualRange()
    return ranges.step(ranges.initial(), _table(centre, spread, 0, step))[1]


def test_the_range_is_that_of_the_last_day_without_its_outer_eighths() -> None:
    centre = np.full(4 * 40, 5.0)
    centre[::4], centre[1::4] = 4.0, 6.0
    assert _ranges(centre, centre * 0 + 1)[-1].tolist() == [4.0, 6.0, 1.0, 1.0]
    centre[4 * 30 : 4 * 33] = 99.0  # three hours of 24
    assert _ranges(centre, centre * 0 + 1)[-1, :2].tolist() == [4.0, 6.0]
    centre[4 * 30 : 4 * 34] = 99.0  # four
    assert _ranges(centre, centre * 0 + 1)[-1, 1] == 99.0


def test_there_is_no_range_before_two_hours_have_ended() -> None:
    found = _ranges(np.arange(20.0), np.ones(20))
    assert np.isnan(found[:8]).all()
    assert found[8].tolist() == [0.0, 7.0, 1.0, 1.0]


def test_the_level_is_a_half_a_quarter_of_the_range_outside() -> None:
    usual = (0.0, 8.0, 1.0, 2.0)
    levels = [level_outside(usual, _table([c], [1.5], 0, HOUR), 0) for c in (4, 8, 10, 16, -2)]
    assert levels == [0.0, 0.0, 0.5, 0.8, 0.5]
    assert level_outside(usual, _table([4], [2.25], 0, HOUR), 0) == 0.5  # its spread grew
    assert level_outside((5.0, 5.0, 0.0, 0.0), _table([6], [0], 0, HOUR), 0) == 1.0
    assert level_outside((-1e308, 1e308, 0, 0), _table([1.7e308], [0], 0, HOUR), 0) < 1


FEW = st.sampled_from([0.0, 1.0, -5.0, 1e308, -1e308, 5e-324, 7.5])


@steady
@given(st.lists(st.tuples(FEW, FEW), min_size=2, max_size=60), st.integers(1, 59))
def test_ranges_do_not_depend_on_how_time_is_cut(rows: list[tuple[float, float]], cut: int) -> None:
    ranges, step = UsualRange(), HOUR // 2
    centre, spread = (np.array(column) for column in zip(*rows, strict=True))
    whole_state, whole = ranges.step(ranges.initial(), _table(centre, spread, 0, step))
    cut = min(cut, len(rows) - 1)
    state, head = ranges.step(ranges.initial(), _table(centre[:cut], spread[:cut], 0, step))
    state = ranges.load(ranges.dump(state))
    state, tail = ranges.step(state, _table(centre[cut:], spread[cut:], cut, step))
    assert np.concatenate([head, tail]).tobytes() == whole.tobytes()
    assert ranges.dump(state) == ranges.dump(whole_state)
    known = whole[~np.isnan(whole[:, 0])]
    assert (known[:, 0] <= known[:, 1]).all()
    for one in known.tolist():
        level = level_outside(one, _table([1.7e308], [0], 0, step), 0)
        assert 0 <= level <= 1
        assert not math.isnan(level)


def test_the_kernels_read_nothing_outside_of_their_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).normal(size=4 * 60)
    compiled = _ranges(values, values + 9)
    for name in ("_follow", "_trim"):
        monkeypatch.setattr(module, name, getattr(module, name).py_func)
    assert _ranges(values, values + 9).tobytes() == compiled.tobytes()


def test_an_alert_of_a_detector_without_a_level_lasts_as_long_as_the_fault() -> None:
    chance = np.random.default_rng(5)
    value = chance.normal(50, 1, 6 * 60 * 6)  # each ten seconds for six hours
    value[6 * 60 * 4 : 6 * 60 * 5] += 30  # one of them
    log = [Sample(BEGIN + 10 * SECOND * i, KEY, float(one)) for i, one in enumerate(value)]
    windows = WindowOptions(300 * SECOND, 60 * SECOND, 1000)
    found = run([log], Detection([DetectorSetting(name="novelty")]), windows=windows)
    steps = [event for group in found.alerts for event in group]
    assert [event.count(b'"reason":"level"') for event in steps][-1] == 1
    assert len([one for one in steps if b"alert.opened" in one]) == 1
    assert b'"time":"2026-01-01T05:0' in steps[-1]  # the fault ended at 05:00


def test_an_alert_of_stated_limits_needs_no_range() -> None:
    rule = DetectorSetting(
        name="rule", parameters={"rules": [{"conditions": [
            {"feature": "max", "limit": 60, "adds": 1.0}]}]},
    )  # fmt: skip
    value = np.full(6 * 60 * 6, 50.0)
    value[6 * 60 * 4] = 70.0
    value[6 * 60 * 4 :] += 5
    log = [Sample(BEGIN + 10 * SECOND * i, KEY, float(one)) for i, one in enumerate(value)]
    windows = WindowOptions(300 * SECOND, 60 * SECOND, 1000)
    found = run([log], Detection([rule]), windows=windows)
    steps = [event for group in found.alerts for event in group]
    assert len(steps) == 2
    assert b'"time":"2026-01-01T04:10' in steps[-1]
