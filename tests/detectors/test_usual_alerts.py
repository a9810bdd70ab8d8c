"""Alerts of `usual`: cycles that go on, states that come again, severity, and young seasons."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.transforms.detectors import usual_scale
from tests.detectors.test_usual import Array, _judged, _noise, _scored


def test_a_sawtooth_that_does_not_come_back_is_told_as_it_passes_its_usual_turn() -> None:
    at = np.arange(7200)
    level = 5 + at % 360 / 4.5 + 0.8 * _noise(31, len(at))
    level[5400:5760] += 80  # no reset
    news, _, _ = _judged(level)
    assert len(news) == 1
    assert 54_000 <= news[0] < 54_000 + 1200


def test_a_charge_that_falls_below_its_usual_turn_is_told() -> None:
    at = np.arange(5 * 1440) % 660
    charge = np.where(at < 540, 100 - 75 * at / 540, 25 + 75 * (at - 540) / 120)
    charge = np.round(charge + 0.3 * _noise(32, len(charge)), 1)
    begin = 8 * 660
    charge[begin + 200 : begin + 400] = np.maximum(72 - np.arange(200) * 0.5, 0)
    news, _, _ = _judged(charge, step=60)
    assert news.size
    assert (news >= 60 * (begin + 260)).all()


def test_noise_that_swings_irregularly_has_no_turn() -> None:
    found = 0
    for seed in range(12):
        value, noise = np.zeros(8640), _noise(40 + seed, 8640)
        for i in range(1, 8640):
            value[i] = 0.9 * value[i - 1] + noise[i]
        found += len(_judged(value)[0])
    assert found <= 2  # a day each


def test_a_stall_between_two_states_is_told_again_the_second_and_third_time() -> None:
    values = np.repeat([2.0, 15.0] * 60, 120) + 0.1 * _noise(33, 14_400)
    begins = (6600, 9000, 11_400)
    for begin in begins:
        values[begin : begin + 110] = 8.0 + 0.1 * _noise(begin, 110)
    news, _, _ = _judged(values)
    late = [round(float(one)) // 10 for one in news if one > 20_000]
    assert len(late) >= 2
    assert all(any(begin <= one < begin + 110 for begin in begins) for one in late)


def _scores(values: Array) -> Array:
    """Scores of windows of a minute."""
    return _scored(values)[2].score


@pytest.mark.parametrize(
    ("height", "lasts", "critical"), [(40.0, 120, True), (40.0, 20, False), (5.0, 120, False)]
)
def test_critical_is_what_is_far_outside_for_five_minutes(
    height: float, lasts: int, critical: bool
) -> None:
    values = 20 + _noise(34, 11_000)
    values[10_000 : 10_000 + lasts] += height
    scores = _scores(values)
    assert (scores >= 0.7).any()
    assert bool((scores >= 0.9).any()) == critical
    if critical:
        assert 10_000 // 6 + 5 <= np.flatnonzero(scores >= 0.9)[0] <= 10_000 // 6 + 8


@pytest.mark.parametrize(("begin", "critical"), [(9600, [1604]), (9120, []), (600, [])])
def test_an_outage_of_a_line_of_no_stated_kind_is_critical_from_the_second_day_on(
    begin: int, critical: list[int]
) -> None:
    up = np.ones(begin + 150)
    up[begin : begin + 100] = 0
    scores = _scores(up)
    assert (scores >= 0.7).sum() > 0
    assert np.flatnonzero(scores >= 0.9)[:1].tolist() == critical


@pytest.mark.parametrize("day", [1, 2])
def test_what_came_at_the_same_time_a_day_ago_is_not_critical(day: int) -> None:
    values = 6 + 0.6 * _noise(36, 3 * 8640)
    for night in range(2):
        values[night * 8640 + 4320 : night * 8640 + 4500] += 30  # half an hour
    values[2 * 8640 - 1440 : 2 * 8640 - 1260] += 30 if day == 2 else 0  # not of that time
    scores = _scores(values)
    assert (scores[1440 + 720 : 1440 + 760] >= 0.7).any()
    assert bool((scores >= 0.9).any()) == (day == 2)


def test_a_season_may_not_speak_before_it_was_right_for_two_days() -> None:
    hour = np.arange(9 * 288) / 12 % 24
    values = 20 + 80 * np.exp(-0.5 * ((hour - 13) / 3) ** 2)
    values *= 1 + 0.03 * _noise(35, len(values))
    for day, told in ((4, False), (7, True)):
        moved = values.copy()
        moved[day * 288 + 24 : day * 288 + 48] += 30  # a value of every day, at night
        news, _, _ = _judged(moved, step=300)
        assert bool(((news >= day * 86400) & (news < day * 86400 + 6 * 3600)).any()) == told


@given(turns=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
@settings(deadline=None, max_examples=50)
def test_turns_are_learnt_as_the_plain_mean_and_deviation(turns: list[float]) -> None:
    channel = np.zeros(usual_scale.CHANNEL)
    at = usual_scale.TURNS
    mean = most = turns[0]
    spread = 0.0
    for k, turn in enumerate(turns):
        channel[at] = turn
        usual_scale._turned(channel, at, 1.0)
        if k == 0:
            continue
        weight = 1 / min(k + 1.0, 16.0)
        away = turn - mean
        spread += weight * (abs(away) - spread)
        mean += weight * away
        most += (mean - most) / 32
        most = max(most, turn)
    assert channel[at + 1] == mean
    assert channel[at + 2] == spread
    assert channel[at + 3] == most


@pytest.mark.parametrize("seed", [0, 1])
def test_faults_that_grow_are_told_each_time(seed: int) -> None:
    """Each nearly twice as far as the last: three of those are no routine, and hide no fourth."""
    values = 100 + 3 * np.random.default_rng(seed).normal(size=14 * 288)
    begins = [round(288 * day) for day in (4.3, 5.5, 6.8, 8.4, 9.6, 11.2, 12.5)]
    for begin, height in zip(begins, (60, 110, 200, 380, 700, 1300, 2400), strict=True):
        values[begin : begin + 12] += height
    news = _judged(values, step=300)[0]
    told = [((news >= 300 * one) & (news < 300 * (one + 12))).any() for one in begins]
    assert all(told)
