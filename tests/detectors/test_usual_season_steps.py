"""Each step of the season of `usual` by hand: half hours and a state that are given."""

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.transforms.detectors import usual_season as season
from padit.transforms.detectors.usual_evidence import DOWN, HINT, KNOWN, UP
from padit.transforms.detectors.usual_season import (
    DAY,
    HALF_HOUR,
    OF_DAYS,
    OF_WEEKS,
    RING,
    WEEK,
    season_judge,
    season_learn,
    season_restart,
)

BOTH = UP | DOWN
NOW = 10_000  # a half hour
Slots = NDArray[np.float32]
Found = NDArray[np.float64]


def _state(**given: float) -> Found:
    s = np.zeros(season.SEASON)
    for name, value in given.items():
        place = getattr(season, name.removeprefix("D_").removeprefix("W_"))
        s[place + {"D": OF_DAYS, "W": OF_WEEKS}.get(name[: name.find("_")] or "", 0)] = value
    return s


def _returning(**given: float) -> Found:
    """A series with a season: five days between 10 and 20, judged since long, never wrong."""
    usual: dict[str, float] = {
        "DAYS": 5, "LOW": 10, "HIGH": 20, "STRICT_LOW": 10, "STRICT_HIGH": 20, "SEEN": 1e9,
        "D_COMPARED": 48, "D_BETWEEN": 2.0, "D_ERROR": 1.0,
    }  # fmt: skip
    return _state(**(usual | given))


def _judged(
    s: Found, y: float, *, directions: int = BOTH, learn: bool = True, doubt: float = 1.0
) -> tuple[float, int]:
    verdict, context = season_judge(s, y, directions, learn, doubt)
    return float(verdict), int(context)


def test_before_the_second_day_nothing_is_known() -> None:
    assert _judged(_returning(DAYS=0), 15.0) == (0.0, BOTH)
    assert _judged(_returning(DAYS=1), 15.0) == (0.0, BOTH | HINT)
    assert _judged(_returning(DAYS=2), 15.0) == (0.0, BOTH | HINT | KNOWN)
    assert _judged(_returning(DAYS=2), 1e6) == (0.0, BOTH)


@pytest.mark.parametrize(
    ("y", "noise", "inside"),
    [
        (7.5, 0.0, True), (7.4, 0.0, False), (22.5, 0.0, True), (22.6, 0.0, False),
        (6.5, 1.0, True), (6.4, 1.0, False), (23.5, 1.0, True), (23.6, 1.0, False),
    ],
)  # fmt: skip
def test_what_lies_within_a_quarter_of_the_days_before_is_known(
    y: float, noise: float, inside: bool
) -> None:
    for days in (2, 5):
        _, context = _judged(_returning(DAYS=days, NOISE=noise), y, directions=UP)
        assert context == UP | (HINT | KNOWN if inside else 0)


@pytest.mark.parametrize(
    ("y", "given", "directions", "total"),
    [
        (23.0, {}, BOTH, 1.0), (23.0, {}, UP, 1.0), (23.0, {}, DOWN, 0.0), (7.0, {}, BOTH, 1.0),
        (7.0, {}, DOWN, 1.0), (7.0, {}, UP, 0.0), (23.0, {"NOISE": 1.0}, BOTH, 0.5),
        (100.0, {}, BOTH, 3.5), (20.0 + 2 * 3.9, {}, BOTH, 3.4), (20.4, {}, BOTH, 0.0),
        (20.4, {"SUM": 2.0}, BOTH, 1.7), (21.0, {"SUM": 2.0}, BOTH, 2.0),
        (20.0, {"SUM": 2.0}, BOTH, 1.0), (15.0, {"SUM": 0.5}, BOTH, 0.0),
        (100.0, {"SUM": 7.0}, BOTH, 7.5), (100.0, {"SUM": 23.0, "RECORD": 10.0}, BOTH, 24.0),
    ],
)  # fmt: skip
def test_what_lies_outside_adds_up_and_falls_while_all_is_usual(
    y: float, given: Mapping[str, float], directions: int, total: float
) -> None:
    s = _returning(**given)
    verdict, _ = _judged(s, y, directions=directions)
    assert s[season.SUM] == pytest.approx(total, abs=1e-5)
    limit = max(5.0, 1.6 * given.get("RECORD", 0.0))
    assert verdict == pytest.approx(total / limit, rel=1e-6)


@pytest.mark.parametrize(
    ("given", "times"),
    [
        ({}, 1.0), ({"D_BETWEEN": 1.0}, 1.0), ({"D_BETWEEN": 0.9}, 2.0), ({"D_COMPARED": 47}, 2.0),
        ({"D_BETWEEN": 0.0, "W_COMPARED": 48, "W_BETWEEN": 1.0, "W_ERROR": 1.0}, 1.0),
        ({"D_BETWEEN": 0.0, "W_COMPARED": 47, "W_BETWEEN": 1.0, "W_ERROR": 1.0}, 2.0),
        ({"OUT": 0.1}, 4.0), ({"SEEN": 119.0}, 1.5), ({"SEEN": 599.0}, 1.1),
        ({"SEEN": 599.0, "OUT": 0.002}, 1.1),
    ],
)  # fmt: skip
def test_without_a_season_or_where_it_is_often_wrong_it_takes_more(
    given: Mapping[str, float], times: float
) -> None:
    s = _returning(SUM=4.0, **given)
    assert _judged(s, 23.0)[0] == pytest.approx(5.0 / (5.0 * times), rel=1e-6)
    doubted = _returning(SUM=4.0, **given)
    assert _judged(doubted, 23.0, doubt=3.0)[0] == pytest.approx(1 / (3 * times), rel=1e-6)
    # inside an alert neither doubt nor season raise the limit
    inside = _returning(SUM=4.0, **given)
    wrong = 1.0 if times == 2.0 else times
    assert _judged(inside, 23.0, learn=False, doubt=3.0)[0] == pytest.approx(1 / wrong, rel=1e-6)


def test_the_season_speaks_once_it_was_judged_for_two_days() -> None:
    young = _returning(SEEN=95, SUM=900.0)
    assert _judged(young, 1e6) == (0.0, BOTH)
    assert young[season.SUM] > 5
    old = _returning(SEEN=96, SUM=900.0)
    assert _judged(old, 1e6) == pytest.approx((1.5, BOTH))


def test_what_was_usual_once_is_not_known_while_the_season_says_news() -> None:
    known = _returning(LOW=0.0, HIGH=40.0)
    assert _judged(known, 23.0)[1] == BOTH | HINT | KNOWN
    news = _returning(LOW=0.0, HIGH=40.0, SUM=7.0)
    assert _judged(news, 23.0)[1] == BOTH | HINT
    below = _returning(LOW=0.0, HIGH=40.0, SUM=3.9)
    assert _judged(below, 23.0)[1] == BOTH | HINT | KNOWN


def test_the_highest_sum_is_kept_and_is_a_record_when_it_is_gone() -> None:
    rising = _returning(SUM=2.0, PEAK=2.5, RECORD=1.0, HIGHEST=1.0)
    _judged(rising, 23.0)
    names = [season.SUM, season.PEAK, season.RECORD, season.HIGHEST]
    assert rising[names] == pytest.approx([3.0, 3.0, 1.0, 3.0])
    gone = _returning(SUM=1.0, PEAK=2.5, RECORD=2.0, HIGHEST=4.0)
    _judged(gone, 15.0)
    assert gone[names] == pytest.approx([0.0, 0.0, 2.5, 4.0])
    less = _returning(SUM=1.0, PEAK=2.5, RECORD=1024.0)
    _judged(less, 15.0)
    assert less[season.RECORD] == pytest.approx(1023.0)


def test_inside_an_alert_a_sum_falls_with_its_limit_and_sets_no_record() -> None:
    s = _returning(SUM=7.0, PEAK=2.0, RECORD=1.0)
    assert _judged(s, 15.0, learn=False)[0] == pytest.approx(1.0)
    assert s[[season.SUM, season.PEAK, season.RECORD]] == pytest.approx([5.0, 0.0, 1.0])
    wide = _returning(SUM=20.0, RECORD=10.0)
    _judged(wide, 15.0, learn=False)
    assert wide[season.SUM] == pytest.approx(20 - 16 / 2.5, rel=1e-6)
    up = _returning(SUM=1.0)
    _judged(up, 23.0, learn=False)
    assert up[season.SUM] == pytest.approx(2.0)


def _slots(**seen: tuple[float, float]) -> Slots:
    """Half hours before `NOW`, such as d2 for two days ago, w1 for a week, h3 for three of them."""
    slots = np.full(2 * RING, np.nan, np.float32)
    for name, (low, high) in seen.items():
        back = int(name[1:]) * {"h": 1, "d": DAY, "w": WEEK}[name[0]]
        _put(slots, NOW - back, low, high)
    return slots


def _put(slots: Slots, at: int, low: float, high: float) -> None:
    slots[2 * (at % RING) : 2 * (at % RING) + 2] = low, high


def _learn(s: Found, slots: Slots, y: float = 1.0, now: int = NOW, *, few: bool = False) -> Found:
    season_learn(s, slots, (now - 1) * HALF_HOUR + 7, y, few)
    assert s[season.NOW] == now
    return s


ENVELOPE = [season.DAYS, season.LOW, season.HIGH, season.STRICT_LOW, season.STRICT_HIGH]
D1, D2, D3, D4, D5 = (1.0, 21.0), (3.0, 25.0), (2.0, 24.0), (9.0, 22.0), (5.0, 23.0)


def test_two_days_agree_on_what_is_known_and_five_on_what_is_news() -> None:
    none = _learn(_state(), _slots())
    assert none[season.DAYS] == 0
    one = _learn(_state(), _slots(d1=D1))
    assert one[ENVELOPE].tolist() == [1, 1.0, 21.0, 1.0, 21.0]
    two = _learn(_state(), _slots(d1=D1, d2=D2))
    assert two[ENVELOPE].tolist() == [2, 3.0, 21.0, 1.0, 25.0]
    four = _learn(_state(), _slots(d1=D1, d2=D2, d3=D3, d7=D4))
    assert four[ENVELOPE].tolist() == [4, 2.0, 24.0, 1.0, 25.0]
    five = _learn(_state(), _slots(d1=D1, d2=D2, d3=D3, d4=D4, d7=D5))
    assert five[ENVELOPE].tolist() == [5, 2.0, 24.0, 2.0, 24.0]
    assert _learn(_state(), _slots(d8=D1))[season.DAYS] == 0


def test_a_day_is_what_lies_within_an_hour_of_the_same_time() -> None:
    for near, days in ((45, 0), (46, 1), (47, 1), (49, 1), (50, 1), (51, 0)):
        s = _learn(_state(), _slots(**{f"h{near}": (4.0, 6.0)}))
        assert s[season.DAYS] == days
    around = _learn(_state(), _slots(h46=(4.0, 6.0), h48=(5.0, 9.0), h50=(3.0, 5.0)))
    assert around[ENVELOPE].tolist() == [1, 3.0, 9.0, 3.0, 9.0]


def test_weeks_decide_once_there_are_two() -> None:
    one = _learn(_state(), _slots(w1=D1))
    assert one[[*ENVELOPE, season.WEEKLY]].tolist() == [1, 1.0, 21.0, 1.0, 21.0, 0.0]
    two = _learn(_state(), _slots(w1=D1, w2=D2))
    assert two[[*ENVELOPE, season.WEEKLY]].tolist() == [1, 1.0, 21.0, 1.0, 25.0, 1.0]
    three = _learn(_state(), _slots(w1=D1, w2=D2, w3=D3))
    assert three[ENVELOPE].tolist() == [1, 1.0, 24.0, 2.0, 24.0]
    days = _learn(_state(), _slots(d1=(5.0, 10.0), d2=(5.0, 10.0), w2=(2.0, 30.0), w3=(3.0, 31.0)))
    assert days[ENVELOPE].tolist() == [2, 3.0, 30.0, 2.0, 31.0]


def test_records_of_few_samples_begin_again_with_the_weeks() -> None:
    given = {"OUT": 0.5, "RECORD": 7.0, "SEEN": 200.0}
    names = [season.OUT, season.RECORD, season.SEEN]
    weeks = _slots(w1=D1, w2=D2)
    assert _learn(_state(**given), weeks.copy(), few=True)[names].tolist() == [0, 0, 96]
    assert _learn(_state(**given | {"SEEN": 50}), weeks.copy(), few=True)[season.SEEN] == 50
    for few, weekly in ((False, 0), (True, 1)):
        kept = _learn(_state(WEEKLY=weekly, **given), weeks.copy(), few=few)
        assert kept[names].tolist() == [0.5, 7.0, 200.0]
    assert _learn(_state(**given), _slots(w1=D1), few=True)[season.RECORD] == 7.0


VARIANCE = np.array([season.MIDDLE, season.BETWEEN, season.ERROR, season.TOTAL, season.COMPARED])


def test_days_are_compared_by_the_middle_of_the_same_half_hour() -> None:
    first = _learn(_state(), _slots(d1=(8.0, 12.0), d2=(14.0, 14.0)))
    assert first[OF_DAYS + VARIANCE].tolist() == [12.0, -4.0, 4.0, 4.0, 1.0]
    assert not first[OF_WEEKS + VARIANCE].any()
    alone = _learn(_state(), _slots(d1=(8.0, 12.0), h95=(14.0, 14.0)))
    assert not alone[OF_DAYS + VARIANCE].any()
    weeks = _learn(_state(), _slots(w1=(8.0, 12.0), w2=(14.0, 14.0), w3=(9.0, 9.0)))
    mean, squares = 11.0, 14.0
    assert weeks[OF_WEEKS + VARIANCE] == pytest.approx(
        [mean, -squares / 6, squares / 6, squares / 3, 1.0]
    )


def test_the_comparison_is_a_mean_over_a_period() -> None:
    given = {"MIDDLE": 10.0, "BETWEEN": 3.0, "ERROR": 2.0, "TOTAL": 100.0}
    for kind, period, seen, weight in (
        ("d", DAY, 3.0, 1 / 4), ("d", DAY, 500.0, 1 / 48), ("w", WEEK, 99.0, 1 / 100),
        ("w", WEEK, 900.0, 1 / 336),
    ):  # fmt: skip
        at = OF_DAYS if period == DAY else OF_WEEKS
        state = {f"{kind.upper()}_{name}": value for name, value in given.items()}
        state[f"{kind.upper()}_COMPARED"] = seen
        s = _learn(_state(**state), _slots(**{f"{kind}1": (8.0, 12.0), f"{kind}2": (14.0, 14.0)}))
        mean = 2.0  # of 0 and 4 above the middle
        between = (1 - weight) * mean * mean
        assert s[at + VARIANCE] == pytest.approx([
            10 + weight * 2, 3 + weight * (between - 4 - 3), 2 + weight * (4 - 2),
            100 + weight * (between + 4 - 100), seen + 1,
        ])  # fmt: skip


@pytest.mark.parametrize(
    ("total", "seen", "middle"),
    [(100.0, 48, 50.0), (4.0, 48, 4.0), (0.04, 48, 0.4), (4.0, 47, 50.0), (0.0, 48, 50.0)],
)
def test_what_is_compared_is_held_at_two_deviations(
    total: float, seen: float, middle: float
) -> None:
    held = min(middle, 20.0) if total == 100.0 else middle
    for sign in (1.0, -1.0):
        s = _state(D_TOTAL=total, D_COMPARED=seen)
        _learn(s, _slots(d1=(sign * 50.0, sign * 50.0), d2=(sign * 50.0, sign * 50.0)))
        weight = 1 / min(seen + 1, 48)
        assert s[OF_DAYS + season.MIDDLE] == pytest.approx(sign * weight * held)


def test_a_half_hour_keeps_its_least_and_greatest_value() -> None:
    s, slots = _state(), _slots()
    for y in (5.0, 9.0, 3.0, 4.0):
        _learn(s, slots, y)
    at = 2 * (NOW % RING)
    assert slots[at : at + 2].tolist() == [3.0, 9.0]
    assert np.isnan(np.delete(slots, [at, at + 1])).all()


def test_half_hours_that_were_left_out_are_forgotten() -> None:
    for gap in (1, 3, RING - 1, RING, 5 * RING):
        s, slots = _state(NOW=NOW), np.full(2 * RING, 7.0, np.float32)
        _learn(s, slots, 1.0, NOW + gap)
        kept = np.isnan(slots).reshape(-1, 2).all(axis=1)
        assert kept.sum() == min(gap, RING) - 1
        now = (NOW + gap) % RING
        assert slots[2 * now : 2 * now + 2].tolist() == [1.0, 1.0]
        if gap == 3:
            assert np.flatnonzero(kept).tolist() == [(NOW + 1) % RING, (NOW + 2) % RING]


@pytest.mark.parametrize(
    ("half", "others", "noise", "after"),
    [
        ((2.0, 6.0), {}, 0.0, 2.0), ((2.0, 6.0), {}, 1.0, 1.05), ((2.0, 6.0), {}, 4.0, 3.9),
        ((5.0, 5.0), {}, 1.0, 0.95), ((5.0, 5.0), {1: (1.0, 3.0)}, 1.0, 1.0),
        ((5.0, 5.0), {1: (9.0, 11.0)}, 1.0, 1.05), ((5.0, 5.0), {1: (4.0, 6.0)}, 1.0, 0.95),
        ((5.0, 5.0), {4: (9.0, 11.0)}, 1.0, 1.05), ((5.0, 5.0), {5: (9.0, 11.0)}, 1.0, 0.95),
        ((5.0, 5.0), {2: (9.0, 11.0), 3: (1.0, 1.0)}, 1.0, 1.05),
    ],
)  # fmt: skip
def test_noise_is_half_of_the_spread_or_of_the_step_from_what_was_before(
    half: tuple[float, float],
    others: Mapping[int, tuple[float, float]],
    noise: float,
    after: float,
) -> None:
    s, slots = _state(NOW=NOW, NOISE=noise), _slots(h0=half)
    for back, seen in others.items():
        _put(slots, NOW - back, *seen)
    _learn(s, slots, 1.0, NOW + 1)
    assert s[season.NOISE] == pytest.approx(after)


def test_a_first_half_hour_says_nothing_of_noise() -> None:
    s = _learn(_state(NOISE=3.0), _slots(h0=(1.0, 9.0)))
    assert s[season.NOISE] == 3.0
    empty = _learn(_state(NOW=NOW, NOISE=3.0), _slots(), 1.0, NOW + 1)
    assert empty[season.NOISE] == 3.0


@pytest.mark.parametrize(
    ("days", "highest", "seen", "out", "after"),
    [
        (3, 2.6, 9, 0.0, 0.1), (3, 2.5, 9, 0.0, 0.0), (3, 2.5, 9, 0.5, 0.45), (5, 3.0, 0, 0.0, 1.0),
        (3, 3.0, 999, 0.0, 1 / 336), (2, 3.0, 9, 0.3, None),
    ],
)  # fmt: skip
def test_how_often_the_season_was_wrong_is_counted_by_half_hours(
    days: int, highest: float, seen: float, out: float, after: float | None
) -> None:
    s = _state(NOW=NOW, DAYS=days, HIGHEST=highest, SEEN=seen, OUT=out)
    _learn(s, _slots(), 1.0, NOW + 1)
    names = [season.SEEN, season.OUT, season.HIGHEST]
    if after is None:
        assert s[names].tolist() == [seen, out, highest]
    else:
        assert s[names] == pytest.approx([seen + 1, after, 0.0])
    again = s.copy()
    _learn(s, _slots(), 1.0, NOW + 1)
    np.testing.assert_array_equal(s, again)  # the same half hour


def test_a_season_that_begins_again_knows_no_day() -> None:
    s, slots = _returning(), _slots(d1=D1)
    season_restart(s, slots)
    assert not s.any()
    assert np.isnan(slots).all()
