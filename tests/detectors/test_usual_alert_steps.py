"""Each step inside an alert of `usual` by hand: a state that is given, and one sample."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.transforms.detectors import usual_scale, usual_season, usual_state
from padit.transforms.detectors.directions import DAY_OLD
from padit.transforms.detectors.usual_alert import follow, open_alert, severity, told
from padit.transforms.detectors.usual_scale import CHANNEL, MEMORY, RING, STATISTICS
from padit.transforms.detectors.usual_season import SEASON, SLOTS_OF_SEASON
from padit.transforms.detectors.usual_state import (
    ACTIVITY,
    BETWEEN,
    KIND,
    SEASON_AT,
    SEASONAL,
    SLOTS,
    STORE,
    STUCK,
    VALUE,
)

State = NDArray[np.float64]
NOW = 1_000_000_000_000
MINUTE = 60_000_000
SIDE = 1.0  # of what a channel may be, neither of those that have a name


def _state(**given: float) -> State:
    """A series of a sample a minute, older than a day, usually from 10 to 20, in an alert."""
    usual: dict[str, float] = {
        "AGE": 1000, "LAST_TIME": NOW - MINUTE, "INTERVAL": MINUTE, "BORN": NOW - DAY_OLD,
        "OPEN": 1, "SINCE": NOW - 10 * MINUTE, "STRIDE": 1, "CHANNEL_OF": SIDE,
        "C_CENTRE": 15, "C_LOW": 10, "C_HIGH": 20, "C_FULL_SWINGS": 20, "C_COUNT": 32,
        "C_SWINGS": 8, "C_RECENT": 32,
    }  # fmt: skip
    s = np.zeros(SLOTS)
    for name, value in (usual | given).items():
        if name.startswith("C_"):
            s[VALUE + getattr(usual_scale, name[2:])] = value
        else:
            s[getattr(usual_state, name)] = value
    return s


def _get(s: State, *names: str) -> list[float]:
    return [float(s[getattr(usual_state, name)]) for name in names]


def _stashed(s: State, values: Sequence[float]) -> State:
    s[STORE : STORE + len(values)] = values
    s[usual_state.STASHED] = s[usual_state.TURN] = len(values)
    return s


def _kinds(s: State, *kinds: tuple[float, float]) -> State:
    for k, (place, times) in enumerate(kinds):
        s[KIND + 2 * k : KIND + 2 * k + 2] = place, times
    s[usual_state.NEXT_KIND] = len(kinds)
    return s


def _follow(
    s: State, verdict: float, y: float = 50.0, *, channel: float = SIDE, accepted: float = 1e18,
    held: bool = False, season: NDArray[np.float32] | None = None,
) -> float:  # fmt: skip
    slots = np.zeros(SLOTS_OF_SEASON, np.float32) if season is None else season
    limits = np.array([1.0, 0.5, accepted])
    return float(follow(s, slots, NOW, y, verdict, channel, limits, held))


def test_an_alert_begins_with_nothing_kept() -> None:
    s = _stashed(_state(OPEN=0, CALM=3, FAR_FOR=4, WAITING=5, WAITING_A=6, STRIDE=8), [1.0, 2.0])
    open_alert(s, 77)
    assert _get(s, "OPEN", "SINCE", "CALM", "FAR_FOR") == [1, 77, 0, 0]
    assert _get(s, "WAITING", "WAITING_A", "STASHED", "STRIDE", "TURN") == [0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("given", "over", "far_for", "verdict"),
    [
        ({}, 8.0, 1, 0.0), ({"FAR_FOR": 7 * MINUTE}, 8.0, 8, 3.86),
        ({"FAR_FOR": 6.9 * MINUTE}, 8.0, 7.9, 0.0), ({"FAR_FOR": 15 * MINUTE}, 9.0, 16, 7.72),
        ({"FAR_FOR": 99 * MINUTE}, 9.0, 100, 8 * 3.86), ({"FAR_FOR": 99 * MINUTE}, 7.9, 98, 0.0),
        ({"FAR_FOR": MINUTE / 2}, 7.9, 0, 0.0), ({"AGE": 0, "FAR_FOR": 9 * MINUTE}, 8.0, 9, None),
        ({"LAST_TIME": NOW - 3 * MINUTE}, 8.0, 3, 0.0),
        ({"LAST_TIME": NOW - 9 * MINUTE}, 8.0, 4, 0),
        ({"INTERVAL": MINUTE / 2, "FAR_FOR": 4 * MINUTE}, 8.0, 5, 3.86),
        ({"INTERVAL": MINUTE / 2, "FAR_FOR": 3.9 * MINUTE}, 8.0, 4.9, 0.0),
        ({"BORN": NOW - DAY_OLD + 1, "FAR_FOR": 7 * MINUTE}, 15.9, 6, 0.0),
        ({"BORN": NOW - DAY_OLD + 1, "FAR_FOR": 7 * MINUTE}, 16.0, 8, 3.86),
        ({"BORN": NOW, "FAR_FOR": 7 * MINUTE, "C_LOW": 20}, 8.0, 8, 3.86),
        ({"BORN": NOW, "FAR_FOR": 7 * MINUTE, "C_FULL_SWINGS": 8}, 16.0, 8, 3.86),
        ({"BORN": NOW, "FAR_FOR": 7 * MINUTE, "C_FULL_SWINGS": 7}, 16.0, 7, 0.0),
        ({"FAR_FOR": 7 * MINUTE, "C_FULL_SWINGS": 7}, 16.0, 8, 3.86),
    ],
)  # fmt: skip
def test_an_alert_is_critical_after_five_minutes_and_eight_samples_far_outside(
    given: Mapping[str, float], over: float, far_for: float, verdict: float | None
) -> None:
    s = _state(**given)
    found = severity(s, NOW, over, True)
    assert s[usual_state.FAR_FOR] == pytest.approx(far_for * MINUTE)
    expected = 3.86 * 9 / 8 if verdict is None else verdict
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("given", [{}, {"C_LOW": 20.0}, {"C_FULL_SWINGS": 8.0}])
def test_a_series_whose_kind_is_not_stated_is_critical_from_its_second_day_on(
    given: dict[str, float],
) -> None:
    for age, verdict in ((DAY_OLD - 1, 0.0), (DAY_OLD, 3.86)):
        s = _state(**({"BORN": NOW - age, "FAR_FOR": 7 * MINUTE} | given))
        assert severity(s, NOW, 16.0, False) == verdict


@pytest.mark.parametrize(
    ("calm", "interval", "closes"),
    [(0, 1, False), (5, 1, True), (4.9, 1, False), (5, 2.6, False), (5.2, 2.6, True)],
)
def test_an_alert_closes_when_all_was_usual_for_five_minutes_and_two_samples(
    calm: float, interval: float, closes: bool
) -> None:
    s = _state(CALM=NOW - calm * MINUTE if calm else 0.0, INTERVAL=interval * MINUTE)
    assert _follow(s, 0.49) == 0.49
    assert _get(s, "OPEN", "INSIDE", "STASHED") == [0 if closes else 1, 1, 0]
    if not calm:
        assert _get(s, "CALM") == [NOW]


def test_what_is_not_calm_is_kept_and_counts_from_then_on() -> None:
    s = _state(CALM=NOW - MINUTE)
    assert _follow(s, 0.5, 42.0) == 0.5
    assert _get(s, "OPEN", "CALM", "STASHED", "TURN", "INSIDE") == [1, 0, 1, 1, 1]
    assert s[STORE] == 42.0


def test_at_most_128_values_of_an_alert_are_kept_evenly_spaced() -> None:
    s = _state()
    for k in range(1, 301):
        _follow(s, 2.0, float(k))
        if k == 128:
            assert _get(s, "STASHED", "STRIDE") == [128, 1]
    assert _get(s, "STRIDE", "TURN") == [4, 300]
    kept = int(s[usual_state.STASHED])
    assert s[STORE : STORE + kept].tolist() == [float(k) for k in range(1, 301, 4)]


FLAT = [50.0] * 20


@pytest.mark.parametrize(
    ("age", "count", "channel", "held", "accepts"),
    [
        (30, 20, SIDE, False, True), (29.9, 20, SIDE, False, False), (30, 11, SIDE, False, True),
        (30, 10, SIDE, False, False), (30, 20, STUCK, False, False), (30, 20, SIDE, True, False),
        (239, 20, SEASONAL, False, False), (240, 20, SEASONAL, False, True),
        (30, 20, BETWEEN, False, True),
    ],
)  # fmt: skip
def test_what_lasts_is_accepted(
    age: float, count: int, channel: float, held: bool, accepts: bool
) -> None:
    s = _stashed(_state(SINCE=NOW - age * MINUTE, JUDGED=3), FLAT[:count])
    s[SEASON_AT : SEASON_AT + SEASON] = 5.0
    for at in (VALUE, ACTIVITY):
        s[at + STATISTICS : at + STATISTICS + 15] = [9.0] * 5 + [4.0] * 5 + [7.0] * 5
    season = np.zeros(SLOTS_OF_SEASON, np.float32)
    found = _follow(s, 2.0, channel=channel, accepted=30 * MINUTE, held=held, season=season)
    assert found == (0.0 if accepts else 2.0)
    again = accepts and channel == SEASONAL
    assert np.isnan(season).all() == again
    assert (s[SEASON_AT + usual_season.SUM] == 0.0) == again
    if accepts:
        assert _get(s, "OPEN", "ACCEPTED", "JUDGED") == [0, 1, 0]
        for at in (VALUE, ACTIVITY):
            sums = s[at + STATISTICS : at + STATISTICS + 15].tolist()
            assert sums == [0.0] * 5 + [9.0] * 5 + [0.0] * 5
        assert s[VALUE + usual_scale.MOST] == 50.0
    else:
        assert _get(s, "OPEN", "ACCEPTED", "JUDGED") == [1, 0, 3]


@pytest.mark.parametrize(
    ("values", "moves"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 8] * 2, False),
        ([1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8, 9, 9, 9, 9], True),
        ([1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2], True), ([3.0] * 16, False),
        ([9, 9, 9, 9, 8, 7, 6, 5, 8, 7, 6, 5, 4, 3, 2, 1], True),
        ([1, 2, 3, 4, 5, 6, 7, 8, 4, 5, 6, 7, 8, 9, 9, 9], False),
    ],
)  # fmt: skip
def test_what_still_moves_is_accepted_eight_times_later(
    values: Sequence[float], moves: bool
) -> None:
    given = [float(one) for one in values]
    for age in (30, 239, 240):
        s = _stashed(_state(SINCE=NOW - age * MINUTE), given[:-1])
        found = _follow(s, 2.0, given[-1], accepted=30 * MINUTE)
        assert found == (2.0 if moves and age < 240 else 0.0)


CALM = NOW - 6 * MINUTE


def _closed(s: State, *, held: bool = False) -> State:
    s[usual_state.CALM] = CALM
    for at in (VALUE, ACTIVITY):
        s[at + STATISTICS : at + STATISTICS + 15] = [1.0] * 5 + [4.0] * 5 + [7.0] * 5
    _follow(s, 0.0, held=held)
    assert _get(s, "OPEN") == [0]
    return s


def _routine(s: State) -> bool:
    """Whether the last alert was: its peaks are records, and its values are known."""
    for at in (VALUE, ACTIVITY):
        sums = s[at + STATISTICS : at + STATISTICS + 15]
        assert sums[:5].tolist() == [1.0] * 5
        assert not sums[10:].any()
    records = [s[at + STATISTICS + 5 : at + STATISTICS + 10].tolist() for at in (VALUE, ACTIVITY)]
    assert records in ([[4.0] * 5] * 2, [[7.0] * 5] * 2)
    known = bool((s[VALUE + MEMORY : VALUE + MEMORY + RING] == 50.0).any())
    assert known == (records[0][0] == 7.0)
    return known


@pytest.mark.parametrize(
    ("before", "inside", "routine"),
    [
        (0, 0, False), (1, 0, False), (1, 148, False), (1, 149, True), (2, 0, True), (5, 0, True),
        (0, 900, False),
    ],
)  # fmt: skip
def test_what_comes_a_third_time_or_takes_a_sixth_of_the_time_is_routine(
    before: float, inside: float, routine: bool
) -> None:
    s = _stashed(_state(INSIDE=inside), FLAT)
    if before:
        _kinds(s, (50.0, before))
    _closed(s)
    assert _routine(s) == routine
    assert s[KIND + 1] == before + 1
    held = _kinds(_stashed(_state(INSIDE=inside), FLAT), (50.0, before or 1.0))
    assert not _routine(_closed(held, held=True))


def test_an_alert_of_which_nothing_was_kept_is_never_routine() -> None:
    s = _kinds(_state(INSIDE=900), (50.0, 9.0))
    assert not _routine(_closed(s))
    assert s[KIND : KIND + 2].tolist() == [50.0, 9.0]


@pytest.mark.parametrize(
    ("place", "channel", "kinds"),
    [
        (50.0, SIDE, [(50.0, 2.0), (0.0, 0.0)]),
        (43.0, SIDE, [(43.0, 2.0), (0.0, 0.0)]),  # within three tenths of its distance
        (41.5, SIDE, [(50.0, 2.0), (0.0, 0.0)]),
        (64.0, SIDE, [(64.0, 2.0), (0.0, 0.0)]),
        (84.0, SIDE, [(67.0, 2.0), (0.0, 0.0)]),  # less than twice as far: half of the way
        (86.0, SIDE, [(50.0, 1.0), (86.0, 1.0)]),
        (30.0, SIDE, [(50.0, 2.0), (0.0, 0.0)]),  # nearer than one before
        (30.0, BETWEEN, [(50.0, 1.0), (30.0, 1.0)]),
        (-20.0, SIDE, [(50.0, 1.0), (-20.0, 1.0)]),
    ],
)  # fmt: skip
def test_an_excursion_is_of_the_kind_that_lay_about_as_far_on_its_side(
    place: float, channel: float, kinds: Sequence[tuple[float, float]]
) -> None:
    s = _kinds(_stashed(_state(CHANNEL_OF=channel), [place] * 3), (50.0, 1.0))
    _closed(s)
    np.testing.assert_allclose(s[KIND : KIND + 4].reshape(2, 2), np.array(kinds))


def test_the_margin_of_a_kind_is_at_least_half_of_the_usual_range() -> None:
    s = _kinds(_stashed(_state(), [24.85] * 3), (19.9, 1.0))  # of 4.9 twice are 9.8; margin five
    _closed(s)
    assert s[KIND : KIND + 2].tolist() == [24.85, 2.0]
    s = _kinds(_stashed(_state(), [24.85] * 3), (19.8, 1.0))
    _closed(s)
    assert s[KIND : KIND + 4].tolist() == [19.8, 1.0, 24.85, 1.0]


def test_where_an_excursion_lay_is_where_it_was_outside_of_the_usual() -> None:
    """An alert over a burst goes on for as long as its sums fall: most of its values are usual."""
    s = _kinds(_stashed(_state(), [10.0] * 9 + [50.0] * 3), (50.0, 1.0))
    _closed(s)
    assert s[KIND : KIND + 4].tolist() == [50.0, 2.0, 0.0, 0.0]


def test_four_kinds_are_known_and_a_new_one_takes_the_place_of_the_oldest() -> None:
    full = [(100.0, 1.0), (-100.0, 1.0), (1000.0, 1.0), (-1000.0, 1.0)]
    s = _kinds(_stashed(_state(), [9000.0] * 3), *full)
    _closed(s)
    assert s[KIND : KIND + 8].reshape(4, 2).tolist() == [[9000.0, 1.0], *map(list, full[1:])]
    assert _get(s, "NEXT_KIND") == [5]
    last = _kinds(_stashed(_state(), [-1000.0] * 3), *full)
    _closed(last)
    assert last[KIND + 6 : KIND + 8].tolist() == [-1000.0, 2.0]
    nearer = _kinds(_stashed(_state(), [-400.0] * 3), *full)
    _closed(nearer)
    assert nearer[KIND + 6 : KIND + 8].tolist() == [-1000.0, 2.0]


@pytest.mark.parametrize(
    ("y", "times", "known"),
    [
        (50.0, 1.0, True), (50.0, 2.0, True), (50.0, 3.0, False), (50.0, 0.0, False),
        (39.5, 1.0, True), (39.4, 1.0, False), (900.0, 1.0, True), (-50.0, 1.0, False),
    ],
)  # fmt: skip
def test_where_an_excursion_was_told_nothing_is_known_until_it_is_routine(
    y: float, times: float, known: bool
) -> None:
    for place in range(4):
        s = _state()
        s[KIND + 2 * place : KIND + 2 * place + 2] = 50.0, times
        assert told(s, y) == known
    below = _kinds(_state(), (-20.0, 1.0))
    assert (told(below, -9.5), told(below, -9.4)) == (True, False)


def test_nearer_than_a_routine_excursion_to_the_same_side_is_routine() -> None:
    centre = _state()[VALUE + usual_scale.CENTRE]
    s = _kinds(_state(), (centre + 10.0, 1.0), (centre + 70.0, 3.0), (centre - 10.0, 2.0))
    found = [told(s, centre + away) for away in (6.9, 8.0, 70.0, 99.0, 101.0, -8.0, -99.0)]
    assert found == [False, False, False, False, True, True, True]


def test_the_least_unit_of_a_counter_is_wider() -> None:
    for counter, unit in ((0.0, 50.0 * 1e-12), (1.0, 50.0 * 1e-3)):
        s = _stashed(_state(SINCE=NOW - 60 * MINUTE, COUNTER=counter, C_COUNT=0), FLAT)
        s[VALUE + usual_scale.COUNT] = 1
        _follow(s, 2.0, accepted=30 * MINUTE)
        channel = s[VALUE : VALUE + CHANNEL]
        assert channel[usual_scale.CENTRE] == 50.0
        side = usual_scale.SIDES + usual_scale.UNIT
        assert channel[[side, side + 5]] == pytest.approx([unit, unit])
