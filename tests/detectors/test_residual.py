"""The residual detector finds what is unusual at its time, although the level is ordinary."""

from typing import Any

import numpy as np
import pytest

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors import create_detector
from tests.detectors.tables import cut, samples, table_of
from tests.detectors.test_sample_laws import HOSTILE

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


def _told(value: Any, time: Any) -> tuple[Any, dict[str, Any]]:
    """Alarms, and the evidence of the highest score."""
    detector = create_detector("residual", {})
    table = _table(value, time)
    _, scores = detector.step(detector.initial(), table)
    assert scores.sample is not None
    return np.flatnonzero(scores.sample >= 0.7), detector.explain(table, scores, 0)


def test_a_daytime_value_at_three_in_the_morning_is_found() -> None:
    value, time = _days(10)
    at = 9 * DAY + 36
    value[at] = 27.0
    assert _told(value, time)[0].tolist() == [at]


def test_a_missing_daily_peak_is_reported_once_within_its_hours() -> None:
    value, time = _days(10)
    value[9 * DAY + 96 : 9 * DAY + 192] = 12.0
    alarms, _ = _told(value, time)
    assert 1 <= len(alarms) <= 3
    assert ((alarms >= 9 * DAY + 96) & (alarms < 9 * DAY + 192)).all()
    assert not (_score(value, time, longest_sec=3600) >= 0.7).any()  # the level is ordinary


def test_the_evidence_says_what_is_usual_at_this_hour_and_names_the_seasons() -> None:
    value, time = _days(10)
    value[9 * DAY + 36] = 48.0
    _, evidence = _told(value, time)
    head, usual, seasons = evidence["text"].split("; ")
    assert head == "a 48 ms, highest in 9 days"
    assert usual.startswith("usual at this hour 1")
    assert seasons == "seasons found: 1 day"
    low, high = evidence["usual"]
    assert 12 < low < 14.5 < high < 17
    assert evidence["seasons_sec"] == [86400.0]


@pytest.mark.parametrize("period", [7, 24, 100, 333])
def test_a_season_without_a_calendar_is_found_by_itself(period: int) -> None:
    index = np.arange(period * 12 + 1500)
    noise = np.random.default_rng(3).normal(0, 0.2, len(index))
    value = 5 * (index % period) / period + noise
    at = len(index) - 100
    at += period // 2 - at % period
    value[at] = 0.0
    alarms, evidence = _told(value, index * 1_700_000)
    assert at in alarms
    assert len(alarms) <= 3
    [found, *_] = evidence["seasons_sec"]
    assert found == pytest.approx(period * 1.7, rel=0.01)


def test_a_random_walk_has_no_season() -> None:
    for seed in range(5):
        value = np.random.default_rng(seed).normal(size=6000).cumsum()
        assert _told(value, np.arange(6000) * FIVE_MINUTES)[1]["seasons_sec"] == []


def test_two_seasons_of_one_series_are_found_and_the_better_one_is_used() -> None:
    value, time = _days(42)
    weekend = time // 86_400_000_000 % 7 >= 5
    value[weekend] = 12 + np.random.default_rng(4).normal(0, 0.3, weekend.sum())
    value[-100] = 35.0
    detector = create_detector("residual", {})
    known, last = _table(value[:-200], time[:-200]), _table(value[-200:], time[-200:])
    state, scores = detector.step(detector.initial(), known)
    assert scores.sample is not None
    assert not (scores.sample[21 * DAY :] >= 0.7).any()  # a quiet weekend is one of many by then
    _, scores = detector.step(state, last)
    text = detector.explain(last, scores, 0)["text"]
    assert text.startswith("a 35 ms, highest in ")
    assert "usual at this hour of the week " in text
    assert text.endswith("seasons found: 1 day, 7 days")


@pytest.mark.parametrize("days", [1, 2, 3])
def test_the_first_days_of_a_season_are_no_flood(days: int) -> None:
    for shape in (np.sin, lambda x: np.sin(x) > 0.5):
        index = np.arange(days * DAY)
        noise = np.random.default_rng(2).normal(0, 0.1, len(index))
        value = 50 + 20 * shape(index * 2 * np.pi / DAY) + noise
        assert len(_told(value, index * FIVE_MINUTES)[0]) <= 1


@pytest.mark.parametrize("gap_days", [1, 3, 20])
def test_a_gap_of_days_is_no_flood(gap_days: int) -> None:
    value, time = _days(30)
    keep = (time < 8 * DAY * FIVE_MINUTES) | (time >= (8 + gap_days) * DAY * FIVE_MINUTES)
    assert not _told(value[keep], time[keep])[0].size


def test_a_clock_that_jumps_by_years_is_no_flood() -> None:
    value, time = _days(20)
    time[10 * DAY :] += 10 * 365 * 86_400_000_000 + 7_000_001
    assert len(_told(value, time)[0]) <= 2


def test_times_that_are_all_equal_do_no_harm() -> None:
    value, _ = _days(10)
    score = _score(value, np.full(len(value), 5, np.int64))
    assert ((score[32:] >= 0) & (score[32:] <= 1)).all()


def test_a_season_that_ends_loses_its_proof() -> None:
    value, time = _days(40)
    value[20 * DAY :] = 20 + np.random.default_rng(5).normal(0, 0.3, 20 * DAY)
    assert len(_told(value, time)[0]) <= 4
    detector = create_detector("residual", {})
    state, _ = detector.step(detector.initial(), _table(value, time))
    _, scores = detector.step(state, _table(value[:1], time[-1:] + FIVE_MINUTES))
    assert detector.explain(_table(value[:1], time[-1:]), scores, 0)["seasons_sec"] == []


@pytest.mark.parametrize("scale", [1e-6, 1e9])
@pytest.mark.parametrize("centre", [0.0, 1e3])
def test_other_units_give_the_same_alarms(scale: float, centre: float) -> None:
    value, time = _days(10)
    value[9 * DAY + 36] = 27.0
    assert _told(value * scale + centre * scale, time)[0].tolist() == [9 * DAY + 36]


@pytest.mark.parametrize("name", HOSTILE)
def test_bad_input_is_no_flood(name: str) -> None:
    score = samples(create_detector("residual", {}), [table_of({KEY: HOSTILE[name]})])[KEY]
    assert np.isnan(score[:32]).all()
    assert ((score[32:] >= 0) & (score[32:] <= 1)).all()
    assert int((score >= 0.7).sum()) <= 3


def test_seasons_survive_any_cut_and_being_saved() -> None:
    index = np.arange(2000)
    values = {
        Series("s", "a"): np.sin(index * 2 * np.pi / 50),
        Series("s", "b"): index % 30 + np.random.default_rng(1).normal(size=2000),
    }
    detector = create_detector("residual", {})
    whole = samples(detector, [table_of(values)])
    parts = samples(detector, list(cut(values, [1, 33, 700, 707, 1100, 1999])), reload=True)
    for key, expected in whole.items():
        assert parts[key].tobytes() == expected.tobytes()
        alone = samples(detector, [table_of({key: values[key]})])[key]
        assert alone.tobytes() == expected.tobytes()


def test_a_series_takes_at_most_six_kilobytes() -> None:
    detector = create_detector("residual", {})
    state, _ = detector.step(detector.initial(), table_of({KEY: np.arange(50.0)}))
    assert len(detector.dump(state)) <= 6 * 1024
