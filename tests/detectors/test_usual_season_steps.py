"""Each step of the season of `usual` by hand: half hours and a state that are given."""

from collections.abc import Mapping

import numpy as np
import pytest

from padit.transforms.detectors import usual_season as season
from padit.transforms.detectors.usual_evidence import DOWN, HINT, KNOWN, UP
from padit.transforms.detectors.usual_season import RING, season_restart
from tests.detectors.season_states import BOTH, NOW, judged, learn, put, returning, slots_of, state


def test_before_the_second_day_nothing_is_known() -> None:
    assert judged(returning(DAYS=0), 15.0) == (0.0, BOTH)
    assert judged(returning(DAYS=1), 15.0) == (0.0, BOTH | HINT)
    assert judged(returning(DAYS=2), 15.0) == (0.0, BOTH | HINT | KNOWN)
    assert judged(returning(DAYS=2), 1e6) == (0.0, BOTH)


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
        _, context = judged(returning(DAYS=days, NOISE=noise), y, directions=UP)
        assert context == UP | (HINT | KNOWN if inside else 0)


@pytest.mark.parametrize(
    ("y", "given", "directions", "total"),
    [
        (23.0, {}, BOTH, 1.0), (23.0, {}, UP, 1.0), (23.0, {}, DOWN, 0.0), (7.0, {}, BOTH, 1.0),
        (7.0, {}, DOWN, 1.0), (7.0, {}, UP, 0.0), (23.0, {"NOISE": 1.0}, BOTH, 0.5),
        (100.0, {}, BOTH, 12.0), (20.0 + 2 * 3.9, {}, BOTH, 3.4), (20.4, {}, BOTH, 0.0),
        (20.4, {"SUM": 2.0}, BOTH, 1.7), (21.0, {"SUM": 2.0}, BOTH, 2.0),
        (20.0, {"SUM": 2.0}, BOTH, 1.0), (15.0, {"SUM": 0.5}, BOTH, 0.0),
        (100.0, {"SUM": 11.0}, BOTH, 12.0), (100.0, {"SUM": 23.0, "RECORD": 10.0}, BOTH, 24.0),
    ],
)  # fmt: skip
def test_what_lies_outside_adds_up_and_falls_while_all_is_usual(
    y: float, given: Mapping[str, float], directions: int, total: float
) -> None:
    s = returning(**given)
    verdict, _ = judged(s, y, directions=directions)
    assert s[season.SUM] == pytest.approx(total, abs=1e-5)
    limit = max(8.0, 1.6 * given.get("RECORD", 0.0))
    assert verdict == pytest.approx(total / limit, rel=1e-6)


@pytest.mark.parametrize(
    ("given", "beyond", "times"),
    [
        ({"D_BETWEEN": 9.0, "D_TOTAL": 9.0}, 0.0, 1.0),
        ({"D_BETWEEN": 12.0, "D_TOTAL": 9.0}, 0.0, 1.0),
        ({"D_BETWEEN": 4.5, "D_TOTAL": 9.0}, 6.0 * 2.0**0.5, 1.0),
        ({"D_BETWEEN": 1.8, "D_TOTAL": 9.0}, 12.0 * 0.8**0.5, 1.5),
        ({"D_BETWEEN": 0.0, "D_TOTAL": 9.0}, 12.0, 2.0),
        ({"D_BETWEEN": -1.0, "D_TOTAL": 9.0}, 12.0, 2.0),
        ({"D_BETWEEN": 9.0, "D_TOTAL": 9.0, "D_COMPARED": 47}, 12.0, 2.0),
        ({"D_BETWEEN": 0.0, "D_TOTAL": 0.0}, 0.0, 2.0),
    ],
)
def test_the_less_a_season_explains_the_farther_outside_a_value_has_to_be(
    given: Mapping[str, float], beyond: float, times: float
) -> None:
    for sign, edge in ((1.0, 20.0), (-1.0, 10.0)):
        inside = returning(**given)
        assert judged(inside, edge + sign * (beyond - 0.01))[0] == 0.0
        s = returning(SUM=4.0, **given)
        outside = edge + sign * (beyond + 3.0)  # 1.5 times a fifth of what is known
        assert judged(s, outside)[0] == pytest.approx(5.0 / (8.0 * times), rel=1e-6)


@pytest.mark.parametrize(
    ("between", "beyond", "gain"),
    [
        (3.7, 18.4, 3.5), (3.7, 18.5, 12.0), (3.7, -18.5, 12.0), (3.5, 19.0, 3.5),
        (9.0, 40.0, 12.0),
    ],
)  # fmt: skip
def test_what_lies_eight_deviations_beyond_is_news_at_once_if_there_is_a_season(
    between: float, beyond: float, gain: float
) -> None:
    s = returning(D_BETWEEN=between, D_TOTAL=9.0, STRICT_LOW=14.9, STRICT_HIGH=15.1)
    verdict, _ = judged(s, (15.1 if beyond > 0 else 14.9) + beyond)
    assert s[season.SUM] == pytest.approx(gain)
    assert (verdict >= 1) == (gain == 12.0)  # as much as a sum can be


def test_where_a_season_is_often_wrong_what_lies_grossly_outside_counts_sixteen() -> None:
    often = returning(OUT=0.1, D_BETWEEN=9.0, D_TOTAL=9.0)
    judged(often, 90.0)
    assert often[season.SUM] == pytest.approx(15.5)  # of 48


@pytest.mark.parametrize(
    ("given", "share"),
    [
        ({"D_BETWEEN": 1.0, "D_ERROR": 1.0}, 0.75), ({"D_BETWEEN": 0.9, "D_ERROR": 1.0}, 0.225),
        ({"D_BETWEEN": 0.0, "W_ERROR": 3.0 / 16}, 0.75),
        ({"D_BETWEEN": 0.0, "W_ERROR": 3.1 / 16}, 0.0),
        ({"D_BETWEEN": 3.6, "W_BETWEEN": 3.0}, 0.9),
    ],
)  # fmt: skip
def test_weeks_count_where_days_return_or_where_they_are_alike_beyond_doubt(
    given: Mapping[str, float], share: float
) -> None:
    weekly: dict[str, float] = {
        "D_TOTAL": 4.0, "W_COMPARED": 48, "W_BETWEEN": 3.0, "W_ERROR": 1.0,
        "W_TOTAL": 4.0,
    }  # fmt: skip
    edge = 20.0 + 4.0 * (1.0 - share) ** 0.5 * 2.0
    assert judged(returning(**(weekly | dict(given))), edge - 0.01)[0] == 0.0
    assert judged(returning(**(weekly | dict(given))), edge + 3.0)[0] > 0.0


@pytest.mark.parametrize(
    ("given", "times"),
    [
        ({}, 1.0), ({"OUT": 0.1}, 4.0), ({"SEEN": 119.0}, 1.5), ({"SEEN": 599.0}, 1.1),
        ({"SEEN": 599.0, "OUT": 0.002}, 1.1),
    ],
)  # fmt: skip
def test_where_a_season_is_often_wrong_it_takes_more(
    given: Mapping[str, float], times: float
) -> None:
    s = returning(SUM=4.0, **given)
    assert judged(s, 23.0)[0] == pytest.approx(5.0 / (8.0 * times), rel=1e-6)
    doubted = returning(SUM=4.0, **given)
    assert judged(doubted, 23.0, doubt=3.0)[0] == pytest.approx(5 / (24 * times), rel=1e-6)
    # inside an alert doubt does not raise the limit
    inside = returning(SUM=4.0, **given)
    assert judged(inside, 23.0, learn=False, doubt=3.0)[0] == pytest.approx(5 / (8 * times))


def test_the_season_speaks_once_it_was_judged_for_two_days() -> None:
    young = returning(SEEN=95, SUM=900.0)
    assert judged(young, 1e6) == (0.0, BOTH)
    assert young[[season.SUM, season.PEAK]].tolist() == [0.0, 0.0]  # what it saw before is no news
    old = returning(SEEN=96, SUM=900.0)
    assert judged(old, 1e6) == pytest.approx((1.5, BOTH))


def test_what_was_usual_once_is_not_known_while_the_season_says_news() -> None:
    known = returning(LOW=0.0, HIGH=40.0)
    assert judged(known, 23.0)[1] == BOTH | HINT | KNOWN
    news = returning(LOW=0.0, HIGH=40.0, SUM=7.1)
    assert judged(news, 23.0)[1] == BOTH | HINT
    below = returning(LOW=0.0, HIGH=40.0, SUM=3.9)
    assert judged(below, 23.0)[1] == BOTH | HINT | KNOWN


def test_the_highest_sum_is_kept_and_is_a_record_when_it_is_gone() -> None:
    rising = returning(SUM=2.0, PEAK=2.5, RECORD=1.0, RISEN=0.5, HIGHEST=1.0)
    judged(rising, 23.0)
    names = [season.SUM, season.PEAK, season.RECORD, season.RISEN, season.HIGHEST]
    assert rising[names] == pytest.approx([3.0, 3.0, 1.0, 1.5, 1.5])
    gone = returning(SUM=1.0, PEAK=2.5, RECORD=2.0, RISEN=0.5, HIGHEST=4.0)
    judged(gone, 15.0)
    assert gone[names] == pytest.approx([0.0, 0.0, 2.5, 0.0, 4.0])
    less = returning(SUM=1.0, PEAK=2.5, RECORD=3.0)
    judged(less, 15.0)
    assert less[season.RECORD] == 3.0


def test_a_record_is_in_units_of_what_widens_the_limit_and_the_least_limit_at_most() -> None:
    doubted = returning(SUM=8.0, OUT=0.1)
    judged(doubted, 23.0, doubt=3.0)
    assert doubted[season.PEAK] == pytest.approx(9.0 / (4.0 * 3.0))
    for closed, given in (
        (False, {"SUM": 9.0}), (True, {"SUM": 11.9}), (True, {"SUM": 12.0, "RECORD": 8.0}),
    ):  # fmt: skip
        most = returning(**given)
        judged(most, 23.0, learn=closed)
        assert most[season.PEAK] == 8.0
    # so the limit grows by less than two thirds, whatever comes, and however often
    assert max(8.0, 1.6 * most[season.PEAK]) == pytest.approx(12.8)


def test_inside_an_alert_a_sum_falls_with_its_limit() -> None:
    s = returning(SUM=7.0, PEAK=2.0, RECORD=1.0)
    assert judged(s, 15.0, learn=False)[0] == pytest.approx(3.8 / 8)
    assert s[[season.SUM, season.PEAK, season.RECORD]] == pytest.approx([3.8, 3.8, 1.0])
    wide = returning(SUM=20.0, RECORD=10.0)
    judged(wide, 15.0, learn=False)
    assert wide[season.SUM] == pytest.approx(20 - 16 / 2.5, rel=1e-6)
    up = returning(SUM=1.0)
    judged(up, 23.0, learn=False)
    assert up[season.SUM] == pytest.approx(2.0)


ENVELOPE = [season.DAYS, season.LOW, season.HIGH, season.STRICT_LOW, season.STRICT_HIGH]
D1, D2, D3, D4, D5 = (1.0, 21.0), (3.0, 25.0), (2.0, 24.0), (9.0, 22.0), (5.0, 23.0)


def test_two_days_agree_on_what_is_known_and_five_on_what_is_news() -> None:
    none = learn(state(), slots_of())
    assert none[season.DAYS] == 0
    one = learn(state(), slots_of(d1=D1))
    assert one[ENVELOPE].tolist() == [1, 1.0, 21.0, 1.0, 21.0]
    two = learn(state(), slots_of(d1=D1, d2=D2))
    assert two[ENVELOPE].tolist() == [2, 3.0, 21.0, 1.0, 25.0]
    four = learn(state(), slots_of(d1=D1, d2=D2, d3=D3, d7=D4))
    assert four[ENVELOPE].tolist() == [4, 2.0, 24.0, 1.0, 25.0]
    five = learn(state(), slots_of(d1=D1, d2=D2, d3=D3, d4=D4, d7=D5))
    assert five[ENVELOPE].tolist() == [5, 2.0, 24.0, 2.0, 24.0]
    assert learn(state(), slots_of(d8=D1))[season.DAYS] == 0


def test_a_day_is_what_lies_within_an_hour_of_the_same_time() -> None:
    for near, days in ((45, 0), (46, 1), (47, 1), (49, 1), (50, 1), (51, 0)):
        s = learn(state(), slots_of(**{f"h{near}": (4.0, 6.0)}))
        assert s[season.DAYS] == days
    around = learn(state(), slots_of(h46=(4.0, 6.0), h48=(4.5, 9.0), h50=(3.0, 5.0)))
    assert around[ENVELOPE].tolist() == [1, 3.0, 9.0, 3.0, 9.0]


def test_weeks_decide_once_there_are_two() -> None:
    one = learn(state(), slots_of(w1=D1))
    assert one[[*ENVELOPE, season.WEEKLY]].tolist() == [1, 1.0, 21.0, 1.0, 21.0, 0.0]
    two = learn(state(), slots_of(w1=D1, w2=D2))
    assert two[[*ENVELOPE, season.WEEKLY]].tolist() == [1, 1.0, 21.0, 1.0, 25.0, 1.0]
    three = learn(state(), slots_of(w1=D1, w2=D2, w3=D3))
    assert three[ENVELOPE].tolist() == [1, 1.0, 24.0, 2.0, 24.0]
    days = learn(state(), slots_of(d1=(5.0, 10.0), d2=(5.0, 10.0), w2=(2.0, 30.0), w3=(3.0, 31.0)))
    assert days[ENVELOPE].tolist() == [2, 3.0, 30.0, 2.0, 31.0]


def test_records_of_few_samples_begin_again_with_the_weeks() -> None:
    given = {"OUT": 0.5, "RECORD": 7.0, "SEEN": 200.0, "COUNTED": 9.0}
    names = [season.OUT, season.RECORD, season.SEEN, season.COUNTED]
    weeks = slots_of(w1=D1, w2=D2)
    assert learn(state(**given), weeks.copy(), few=True)[names].tolist() == [0, 0, 96, 0]
    assert learn(state(**given | {"SEEN": 50}), weeks.copy(), few=True)[season.SEEN] == 50
    for few, weekly in ((False, 0), (True, 1)):
        kept = learn(state(WEEKLY=weekly, **given), weeks.copy(), few=few)
        assert kept[names].tolist() == [0.5, 7.0, 200.0, 9.0]
    assert learn(state(**given), slots_of(w1=D1), few=True)[season.RECORD] == 7.0


def test_a_half_hour_keeps_its_least_and_greatest_value() -> None:
    s, slots = state(), slots_of()
    for y in (5.0, 9.0, 3.0, 4.0):
        learn(s, slots, y)
    at = 2 * (NOW % RING)
    assert slots[at : at + 2].tolist() == [3.0, 9.0]
    assert np.isnan(np.delete(slots, [at, at + 1])).all()


def test_half_hours_that_were_left_out_are_forgotten() -> None:
    for gap in (1, 3, RING - 1, RING, 5 * RING):
        s, slots = state(NOW=NOW), np.full(2 * RING, 7.0, np.float32)
        learn(s, slots, 1.0, NOW + gap)
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
    s, slots = state(NOW=NOW, NOISE=noise), slots_of(h0=half)
    for back, seen in others.items():
        put(slots, NOW - back, *seen)
    learn(s, slots, 1.0, NOW + 1)
    assert s[season.NOISE] == pytest.approx(after)


def test_a_first_half_hour_says_nothing_of_noise() -> None:
    s = learn(state(NOISE=3.0), slots_of(h0=(1.0, 9.0)))
    assert s[season.NOISE] == 3.0
    empty = learn(state(NOW=NOW, NOISE=3.0), slots_of(), 1.0, NOW + 1)
    assert empty[season.NOISE] == 3.0


@pytest.mark.parametrize(
    ("days", "highest", "outs"), [(3, 4.1, 1.0), (5, 4.1, 1.0), (3, 4.0, 0.0), (2, 9.0, None)]
)
def test_a_half_hour_is_wrong_by_what_it_saw_itself(
    days: int, highest: float, outs: float | None
) -> None:
    given = {"SUM": 900.0, "HIGHEST": highest, "RISEN": 1.0, "RECORD": 7.0, "SEEN": 5.0, "OUT": 0.3}
    s = state(NOW=NOW, DAYS=days, **given)
    learn(s, slots_of(), 1.0, NOW + 1)
    names = [season.SEEN, season.HALVES, season.OUTS, season.HIGHEST, season.RISEN, season.RECORD]
    if outs is None:
        assert s[names].tolist() == [5.0, 0.0, 0.0, highest, 1.0, 7.0]
    else:
        assert s[names] == pytest.approx([6.0, 1.0, outs, 0.0, 0.0, 7.0 * (1 - 1 / 8736)])
    assert s[season.OUT] == 0.3  # until the day is over
    again = s.copy()
    learn(s, slots_of(), 1.0, NOW + 1)
    np.testing.assert_array_equal(s, again)  # the same half hour


@pytest.mark.parametrize(
    ("days", "out", "after"),
    [(0, 0.0, 0.25), (1, 0.75, 0.5), (27, 0.0, 0.25 / 28), (28, 0.0, 0.25 / 28)],
)
def test_how_often_the_season_was_wrong_is_counted_by_days(
    days: int, out: float, after: float
) -> None:
    s = state(NOW=NOW, DAYS=3, HALVES=47, OUTS=11, HIGHEST=9.0, OUT=out, COUNTED=days)
    learn(s, slots_of(), 1.0, NOW + 1)
    names = [season.OUT, season.HALVES, season.OUTS, season.COUNTED]
    assert s[names] == pytest.approx([after, 0, 0, min(days + 1, 28)])


def test_a_season_that_begins_again_knows_no_day_but_how_often_it_was_wrong() -> None:
    s, slots = returning(OUT=0.2, COUNTED=9, RECORD=3.0, PEAK=8.0), slots_of(d1=D1)
    season_restart(s, slots)
    names = [season.OUT, season.COUNTED, season.RECORD]
    assert s[names].tolist() == [0.2, 9.0, 8.0]
    assert not np.delete(s, names).any()
    assert np.isnan(slots).all()
