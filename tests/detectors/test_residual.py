"""The residual detector finds what is unusual at its time, although the level is ordinary."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.features import FeatureTable
from domain.metric import Series
from tests.detectors.tables import cut, samples, table_of
from tests.detectors.test_sample_laws import HOSTILE
from transforms.detectors import create_detector

KEY = Series("s", "a", "ms")
FIVE_MINUTES = 300_000_000
DAY = 288


def _table(value: Any, time: Any) -> FeatureTable:
    n, end = len(value), int(time[-1]) + 1
    code = np.array([0], np.int32)
    return FeatureTable((KEY,), np.array([end]), code, {}, np.array([0, n]), time, value, end)


def _days(days: int, seed: int = 3) -> tuple[Any, Any]:
    index = np.arange(days * DAY)
    noise = np.random.default_rng(seed).normal(0, 0.3, len(index))
    return 20 - 8 * np.cos(index * 2 * np.pi / DAY) + noise, index * FIVE_MINUTES


def _score(value: Any, time: Any, **options: Any) -> Any:
    return samples(create_detector("residual", options), [_table(value, time)])[KEY]


def test_a_daytime_value_at_three_in_the_morning_is_found() -> None:
    value, time = _days(10)
    at = 9 * DAY + 36
    value[at] = 27.0
    assert np.flatnonzero(_score(value, time) >= 0.7).tolist() == [at]
    assert not (_score(value, time, periods_sec=()) >= 0.7).any()  # the level is ordinary


def test_a_missing_peak_of_the_day_is_found() -> None:
    value, time = _days(10)
    value[9 * DAY + 96 : 9 * DAY + 192] = 12.0
    alarms = np.flatnonzero(_score(value, time) >= 0.7)
    assert len(alarms) > 40
    assert ((alarms >= 9 * DAY + 96) & (alarms < 9 * DAY + 192)).all()


def test_a_quiet_weekend_is_no_alarm_once_the_week_is_known() -> None:
    value, time = _days(42)
    weekend = time // 86_400_000_000 % 7 >= 5
    value[weekend] = 12 + np.random.default_rng(4).normal(0, 0.3, weekend.sum())
    assert not (_score(value, time)[28 * DAY :] >= 0.7).any()


@pytest.mark.parametrize("gap_days", [1, 3, 20])
def test_a_gap_of_days_is_no_flood(gap_days: int) -> None:
    value, time = _days(30)
    keep = (time < 8 * DAY * FIVE_MINUTES) | (time >= (8 + gap_days) * DAY * FIVE_MINUTES)
    assert not (_score(value[keep], time[keep]) >= 0.7).any()


@pytest.mark.parametrize("name", HOSTILE)
def test_bad_input_gives_scores_between_zero_and_one(name: str) -> None:
    table = table_of({KEY: HOSTILE[name]})
    score = samples(create_detector("residual", {}), [table])[KEY]
    assert np.isnan(score[:30]).all()
    assert ((score[30:] >= 0) & (score[30:] <= 1)).all()
    if name == "constant":
        assert not (score >= 0.7).any()


@given(at=st.lists(st.integers(1, 299), max_size=8, unique=True))
@settings(max_examples=4, deadline=None)
def test_any_cut_gives_the_same_bytes(at: list[int]) -> None:
    rng = np.random.default_rng(5)
    values = {Series("s", name): rng.normal(size=300).cumsum() for name in "abc"}
    detector = create_detector("residual", {})
    whole = samples(detector, [table_of(values)])
    for key, found in samples(detector, list(cut(values, sorted(at))), reload=True).items():
        assert found.tobytes() == whole[key].tobytes()
        alone = samples(detector, [table_of({key: values[key]})])[key]
        assert alone.tobytes() == found.tobytes()


def test_a_series_takes_at_most_six_kilobytes() -> None:
    detector = create_detector("residual", {})
    state, _ = detector.step(detector.initial(), table_of({KEY: np.arange(50.0)}))
    assert len(detector.dump(state)) <= 6 * 1024
