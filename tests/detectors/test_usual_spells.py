"""What stays away for longer than it ever did, what grows for weeks, and how a job begins."""

import numpy as np
import pytest

from padit.transforms.detectors import usual_scale as scale
from padit.transforms.detectors.usual_scale import CHANNEL, SIDES, WIDTH
from padit.transforms.detectors.usual_spells import stays
from padit.transforms.detectors.usual_state import (
    AGE,
    LAST_TIME,
    SLOTS,
    STAY,
    STAY_LAST,
    STAY_PEAK,
    STAYED,
)
from tests.detectors.channels import channel
from tests.detectors.test_usual import _judged, _scored

DAY = 86400.0


def _told(values: np.ndarray, step: float, since: float, until: float, kind: str = "custom") -> int:
    news, _, _ = _judged(values, step, kind)
    return int(np.sum((news >= since) & (news < until)))


def _state(days: float = 4.0) -> np.ndarray:
    """A series that is so old, of a sample a second."""
    s = np.zeros(SLOTS)
    s[AGE], s[LAST_TIME] = 1.0, days * DAY * 1e6
    return s


def _seen(s: np.ndarray, *values: float, after: float = 1.0) -> bool:
    """Whether the last of some values stays away; the quartiles are at one, the 90 % at 1.28."""
    c = channel()
    assert len(c) == CHANNEL
    found = False
    for y in values:
        t = int(s[LAST_TIME] + after * 1e6)
        found = bool(stays(s, c, t, y))
        s[LAST_TIME] = t
    return found


def _noted(s: np.ndarray) -> list[float]:
    """The two highest counts of each side, upward first, and the last ones that may still grow."""
    return [*s[STAYED : STAYED + 4], *s[STAY_LAST : STAY_LAST + 2]]


def test_a_sample_in_the_tail_adds_one_to_its_side_and_any_other_takes_two() -> None:
    s = _state()
    _seen(s, 1.3, 1.3, 9.0, 1.3)
    assert s[[STAY, STAY_PEAK]].tolist() == [4.0, 4.0]
    _seen(s, 1.2)
    assert s[[STAY, STAY_PEAK]].tolist() == [2.0, 4.0]
    _seen(s, -9.0)  # another direction ends a stay like any other value
    assert s[[STAY, STAY_PEAK]].tolist() == [0.0, 0.0]
    assert _noted(s) == [0.0, 0.0, 0.0, 0.0, 4.0, 0.0]
    _seen(s, -1.3, -1.3, 0.0)
    assert _noted(s) == [0.0, 0.0, 0.0, 0.0, 4.0, 2.0]


def test_some_minutes_of_the_usual_end_a_long_stay() -> None:
    s = _state()
    _seen(s, *[2.0] * 1080)
    _seen(s, *[0.0] * 20)
    assert 0 < s[STAY] < 100
    _seen(s, *[0.0] * 22)
    assert s[[STAY, STAY_PEAK, STAY_LAST]].tolist() == [0.0, 0.0, 1080.0]


def test_a_probe_that_gets_through_ends_no_stay() -> None:
    s = _state()
    _seen(s, *[2.0] * 1000, 0.0)
    assert s[STAY] == 998.0
    _seen(s, 2.0, 0.0, 0.0)
    assert s[STAY] == 995.0
    _seen(s, 0.0)  # the third in a row
    assert s[STAY] == 995.0 * 0.875


def test_stays_of_each_two_hours_are_noted_all_the_same() -> None:
    """Each comes within six hours of the one before; the six hours are those of the first."""
    s = _state()
    for _ in range(8):
        _seen(s, *[2.0] * 15, *[0.0] * 105, after=60)
    assert s[STAYED + 1] > 14


def test_stays_within_six_hours_are_one() -> None:
    """An outage that comes back after half an hour is no second one that agrees."""
    s = _state()
    for _ in range(2):
        _seen(s, *[2.0] * 60, after=60)
        _seen(s, *[0.0] * 30, after=60)
    _seen(s, 2.0, 0.0, 0.0)  # far shorter ones come in between
    assert _noted(s) == [0.0, 0.0, 0.0, 0.0, 60.0, 0.0]
    _seen(s, 0.0, after=7 * 3600)
    assert _noted(s) == [60.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    _seen(s, *[2.0] * 60, *[0.0] * 30, after=60)
    _seen(s, 0.0, after=7 * 3600)
    assert s[STAYED : STAYED + 2] == pytest.approx([60.0, 60.0], rel=0.03)


def test_two_excursions_have_to_agree_on_how_long_one_may_be() -> None:
    s = _state()
    s[STAYED : STAYED + 2] = 100.0, 5.0
    assert not _seen(s, *[2.0] * 10)
    assert _seen(s, *[2.0] * 2)  # twice the second and one more
    assert not _seen(s, 0.0)
    few = _state(days=3.0)
    assert not _seen(few, *[2.0] * 500)  # three days are too few to say how long a stay may last


@pytest.mark.parametrize("step", [1.0, 60.0, 3600.0])
def test_the_counts_fade_within_four_weeks_of_any_sampling(step: float) -> None:
    s = _state()
    s[STAYED] = 100.0
    _seen(s, *[0.0] * round(DAY / step), after=step)
    assert s[STAYED] == pytest.approx(100.0 * np.exp(-1 / 28), rel=1e-2)


@pytest.mark.parametrize("scale", range(1, 200, 7))
def test_the_quantile_itself_counts_whatever_the_unit(scale: float) -> None:
    """What lasts is learnt in the end, and is the quantile then: it goes on all the same."""
    s, c = _state(), channel()
    for side in (SIDES, SIDES + 5):
        c[side + WIDTH] = scale / 1.2816
    stays(s, c, int(s[LAST_TIME]) + 1, float(scale))
    assert s[STAY] == 1.0
    stays(s, c, int(s[LAST_TIME]) + 1, 0.999 * scale)
    assert s[STAY] == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_a_probe_that_fails_now_and_then_hides_no_outage(seed: int) -> None:
    """Two failures at this time of the last days say that 0 may come, not that it may stay."""
    up = (np.random.default_rng(seed).random(6 * 2880) >= 1 / 300).astype(float)
    for begin in (13000, 16000):
        up[begin : begin + 60] = 0.0
    for begin in (13000, 16000):
        assert _told(up, 30.0, begin * 30.0, (begin + 60) * 30.0, "availability") == 1


@pytest.mark.parametrize("seed", range(3))
def test_a_heavy_tail_at_each_time_of_the_day_hides_no_hour_three_times_as_high(seed: int) -> None:
    chance = np.random.default_rng(seed)
    hour = np.arange(9 * 1440) / 60 % 24
    load = 0.8 + 0.5 * np.exp(-0.5 * ((hour - 14) / 4) ** 2)
    p99 = 120 * load * np.exp(0.25 * chance.standard_t(3, len(hour)).clip(-3, 12))
    p99[8 * 1440 + 600 : 8 * 1440 + 660] *= 3
    begin = 8 * DAY + 36000
    assert _told(p99, 60.0, begin, begin + 3600, "latency") == 1


@pytest.mark.parametrize("daily", [1.003, 1.01, 1.02])
def test_what_grows_evenly_for_weeks_is_no_news_each_day(daily: float) -> None:
    """A table of 40 GB, a sample each quarter of an hour."""
    day = np.arange(21 * 96) / 96
    swing = 0.3 * np.exp(-0.5 * ((day % 1 * 24 - 14) / 4) ** 2)
    noise = np.random.default_rng(1).normal(0, 0.05, len(day))
    news, _, _ = _judged(np.round(40 * daily**day + swing + noise, 2), 900.0)
    assert len(news[news > 2 * DAY]) == 0


@pytest.mark.parametrize("idle", [9, 20, 200])
def test_a_job_that_begins_after_zeros_is_no_news(idle: int) -> None:
    """Placeholders until the first batch is there, a sample a second."""
    chance = np.random.default_rng(idle)
    work = np.repeat(chance.choice([480e3, 540e3], 400), 5)
    news, _, _ = _judged(np.r_[np.full(idle, -1.0), np.zeros(3), work], 1.0)
    assert len(news) == 0


def test_a_stop_each_week_is_routine_from_the_fourth_on_and_a_longer_one_is_told() -> None:
    """Nights of no traffic on Tuesdays; a run of a day's memory would be new each time."""
    chance = np.random.default_rng(5)
    hour = np.arange(49 * 1440) / 60 % 24
    load = 50 * (0.4 + np.exp(-0.5 * ((hour - 14) / 4) ** 2))
    load *= 1 + 0.05 * chance.normal(size=len(hour))
    stops = [(7 * week + 1) * 1440 + 120 for week in range(7)]
    for stop in stops:
        load[stop : stop + 60] = 0.0
    load[stops[6] : stops[6] + 240] = 0.0
    told = [_told(load, 60.0, 60.0 * stop, 60.0 * stop + 5 * 3600) for stop in stops]
    assert told[:3] == [1, 1, 1]
    assert told[3:5] == [0, 0]
    assert told[6] >= 1


def test_the_state_of_a_channel_is_left_alone() -> None:
    c = channel()
    stays(_state(), c, int(5 * DAY * 1e6), 5.0)
    assert np.array_equal(c, channel())
    assert c[scale.COUNT] == 600


def _restarts(days: int, step: float, minutes: float) -> np.ndarray:
    """An availability that is 0 for some minutes each night at two."""
    hour = np.arange(round(days * DAY / step)) * step / 3600 % 24
    return np.where((hour >= 2) & (hour < 2 + minutes / 60), 0.0, 1.0)


@pytest.mark.parametrize("step", [10.0, 60.0])
def test_a_restart_of_each_night_is_no_news_soon_after_an_outage(step: float) -> None:
    up = _restarts(14, step, 12)
    outage = 12 * DAY - 2 * 3600
    up[round(outage / step) : round((outage + 3 * 3600) / step)] = 0.0
    assert _told(up, step, outage, outage + 3 * 3600, "availability") == 1
    assert _told(up, step, outage + 3.5 * 3600, 14 * DAY, "availability") == 0


@pytest.mark.parametrize("step", [10.0, 60.0])
def test_a_job_of_each_sunday_is_told_twice_and_then_known(step: float) -> None:
    chance = np.random.default_rng(1)
    load = 15 + chance.normal(0, 1.5, round(42 * DAY / step))
    begins = [(7 * week + 6) * DAY + 7200 for week in range(6)]
    for begin in begins:
        last = begin + 2400 * chance.uniform(0.95, 1.05)
        load[round(begin / step) : round(last / step)] += 55
    assert [_told(load, step, begin, begin + 3 * 3600) for begin in begins] == [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("hours", [2, 5])
def test_interruptions_of_each_few_hours_are_hardly_told_and_not_critical(hours: int) -> None:
    chance = np.random.default_rng(hours)
    up, at = np.ones(7 * 8640), 0.0
    while at < len(up):
        at += 360 * hours * chance.uniform(0.6, 1.4)
        up[round(at) : round(at + 6 * chance.uniform(6, 10))] = 0.0
    assert _told(up, 10.0, 5 * DAY, 7 * DAY, "availability") <= 4
    windows = _scored(up, kind="availability")[2].score
    assert not (windows[5 * 1440 :] >= 0.9).any()


@pytest.mark.parametrize("failing", [1.0, 0.9])
def test_a_long_outage_is_told_after_two_of_an_hour(failing: float) -> None:
    told = 0
    for seed in range(4):
        chance = np.random.default_rng(seed)
        up = (chance.random(17 * 1440) >= 1 / 150).astype(float)
        for day, hours in ((6, 1), (9, 1), (16, 6)):
            begin = round((day + chance.uniform(0.3, 0.5)) * 1440)
            up[begin : begin + 60 * hours] = chance.random(60 * hours) >= failing
        told += _told(up, 60.0, 16 * DAY, 17 * DAY, "availability") > 0
    assert told >= 3


def test_an_outage_that_came_back_at_once_hides_none_of_the_same_length() -> None:
    chance = np.random.default_rng(2)
    told = 0
    for seed in range(4):
        up = (np.random.default_rng(seed).random(20 * 1440) >= 1 / 300).astype(float)
        up[4320 + 600 : 4320 + 660] = up[4320 + 695 : 4320 + 755] = 0.0
        begin = 15 * 1440 + int(chance.integers(1440))
        up[begin : begin + 60] = 0.0
        told += _told(up, 60.0, begin * 60.0, begin * 60.0 + 3600, "availability")
    assert told == 4
