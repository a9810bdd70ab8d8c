"""Calm series: each family is what its name says, from its seed alone; what opens is counted."""

import itertools

import numpy as np
import pytest

from benchmarks.quality import calm
from benchmarks.quality.calm import FalseAlert, false_alerts, measure_calm, print_calm
from benchmarks.quality.calm_series import FAMILIES, KINDS, Clock, calm_series
from benchmarks.quality.operating import critical_times, judged, opening_times


def test_a_seed_gives_the_same_series_and_another_gives_others() -> None:
    first, again, other = (dict(calm_series(seed, 300.0, 2.0)) for seed in (5, 5, 6))
    assert first.keys() == FAMILIES.keys()
    for name, values in first.items():
        assert len(values) == 576
        assert np.isfinite(values).all(), name
        assert np.array_equal(values, again[name]), name
        assert name == "setting" or not np.array_equal(values, other[name]), name


def test_a_family_takes_the_same_event_time_at_every_interval() -> None:
    for step in (1.0, 60.0):
        clock = Clock([3, 0], step, 2.0)
        busy = clock.bursts() > 0
        begins = np.count_nonzero(np.diff(busy.astype(int)) == 1)
        assert 20 <= begins <= 300, step
        minutes = float(np.count_nonzero(busy)) * step / 60 / begins
        assert 0.5 <= minutes <= 5, step


def test_slow_noise_forgets_within_its_time() -> None:
    values = Clock([4, 0], 10.0, 20.0).slow(600.0)
    assert float(values.std()) == pytest.approx(1.0, abs=0.1)
    assert float(np.corrcoef(values[:-60], values[60:])[0, 1]) == pytest.approx(np.exp(-1), abs=0.1)


def test_an_alert_of_a_series_with_a_fault_is_counted_with_its_reason_and_day() -> None:
    values = np.random.default_rng(1).normal(size=3 * 1440)
    assert false_alerts("gauss", values, 60.0) == []
    values[2000:2100] += 40
    found = false_alerts("gauss", values, 60.0)
    assert found == [FalseAlert("gauss", False, "usual: above its usual", True)]


def test_an_alert_is_critical_from_the_transition_on_that_says_so() -> None:
    values = np.random.default_rng(1).normal(size=3 * 1440)
    values[2000:2100] += 40
    time = np.arange(len(values)) * 60_000_000
    (critical,) = critical_times(judged(time, values).transitions)
    assert 2005 <= critical // 60_000_000 <= 2020
    values[2000:2100] -= 35
    assert critical_times(judged(time, values).transitions) == []


def test_an_opening_counts_also_of_a_detector_that_scores_no_sample() -> None:
    chance = np.random.default_rng(1)
    ends = np.cumsum(chance.integers(7, 14, 60)).tolist()  # a batch takes 7 to 13 minutes
    values = np.zeros(600)
    for k, (begin, end) in enumerate(itertools.pairwise([0, *ends])):
        values[begin:end] = 20.0 * (k % 2)
    values[500:] = values[499]  # and one does not end
    found = judged(np.arange(600) * 60_000_000, values + chance.normal(size=600))
    (opened,) = opening_times(found.transitions)
    assert 510 <= opened // 60_000_000 <= 540
    assert not (found.score >= 0.7).any()


def test_rates_are_alerts_a_series_day(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def one_each_for_gauss(family: str, values: object, step: float) -> list[FalseAlert]:
        first = FalseAlert(family, True, "usual: stuck", False)
        return [first, first._replace(first_day=False, critical=True)] * (family == "gauss")

    monkeypatch.setattr(calm, "false_alerts", one_each_for_gauss)
    found = measure_calm(3600.0, 5.0, (1, 2))
    gauss = found["by_family"]["gauss"]
    assert (gauss["first_day"], gauss["later"]) == (1.0, 0.25)
    assert gauss["critical_a_series_day"] == pytest.approx(2 / 10)
    noise = found["by_kind"]["noise"]
    assert noise["first_day"] == pytest.approx(1 / len(KINDS["noise"]))
    assert found["all"]["a_series_day"] == pytest.approx(4 / (10 * len(FAMILIES)))
    assert found["by_what"] == {"usual: stuck": {"first_day": 2, "later": 2}}
    print_calm(found)
    printed = capsys.readouterr().out
    assert "4 false alerts" in printed
    assert "(budget 0.005)" in printed
    assert "(budget 0.001)" in printed
