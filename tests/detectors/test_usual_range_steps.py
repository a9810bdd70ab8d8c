"""The usual range of a channel of `usual`, by hand on small memories."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from padit.transforms.detectors import usual_scale as scale
from padit.transforms.detectors.usual_scale import (
    CHANNEL,
    FADE,
    GAPS,
    MEMORY,
    RING,
    SIDES,
    TURNS,
    adopt,
    beyond_turns,
    distance,
    fit,
    persistence,
    remember,
    slowness,
    tolerance,
)
from tests.detectors.channels import Channel, channel

LOWER = SIDES + 5
TROUGHS = TURNS + 5


def _ring(c: Channel, ring: int) -> Channel:
    return c[MEMORY + ring * RING : MEMORY + (ring + 1) * RING]


def test_a_value_goes_into_each_ring_whose_turn_it_is() -> None:
    c = channel(COUNT=0)
    c[[SIDES + scale.EDGE, LOWER + scale.EDGE]] = 100.0
    for y in range(1, 70):
        remember(c, float(y), False, False, scale.PATIENCE)
    assert _ring(c, 0).tolist() == [*map(float, range(65, 70)), *map(float, range(6, 65))]
    assert _ring(c, 1)[:18].tolist() == [*(1.0 + 4 * k for k in range(18))]
    assert _ring(c, 2)[:6].tolist() == [1, 17, 33, 49, 65, 0]
    assert _ring(c, 3)[:3].tolist() == [1, 65, 0]
    assert _ring(c, 4)[:2].tolist() == [1, 0]
    assert c[[scale.COUNT, scale.NEWEST, scale.LEAST, scale.MOST]].tolist() == [69, 69, 1, 69]


def test_the_greatest_steps_are_kept_and_fade() -> None:
    c = channel(COUNT=40, NEWEST=1.0, JUMP=2.0, LEAP=3.0)
    _ring(c, 0)[8] = 1.5
    remember(c, 1.25, False, False, scale.PATIENCE)
    assert c[[scale.JUMP, scale.LEAP]].tolist() == [2 * FADE, 3 * FADE]
    remember(c, -2.75, False, False, scale.PATIENCE)
    assert c[scale.JUMP] == 4.0
    assert c[scale.LEAP] == 3 * FADE * FADE
    far = channel(COUNT=40, LEAP=3.0)
    _ring(far, 0)[8] = 10.0
    remember(far, 1.0, False, False, scale.PATIENCE)
    assert far[scale.LEAP] == 9.0
    young = channel(COUNT=31, LEAP=3.0)
    remember(young, 1e9, False, False, scale.PATIENCE)
    assert young[scale.LEAP] == 3.0


@pytest.mark.parametrize(
    ("y", "count", "run", "after", "rings"),
    [
        (3.1, 1024, 0, 1, [0, 1, 2, 3, 4]), (3.1, 1024, 1, 2, []), (-3.1, 1024, 1, 2, []),
        (3.0, 1024, 1, 0, [0, 1, 2, 3, 4]), (3.1, 1024, 254, 255, []),
        (3.1, 1024, 255, 256, [3, 4]), (3.1, 64, 1, 2, [3]), (3.1, 16, 1, 0, [0, 1, 2]),
        (3.1, 63, 1, 0, [0]), (3.1, 128, 1, 2, [3]), (0.0, 1025, 9, 0, [0]),
        (0.0, 1028, 9, 0, [0, 1]), (0.0, 1040, 9, 0, [0, 1, 2]),
    ],
)  # fmt: skip
def test_what_lies_outside_twice_in_a_row_is_learnt_late_and_slowly(
    y: float, count: int, run: int, after: int, rings: Sequence[int]
) -> None:
    c = channel(COUNT=count, OUTSIDE_RUN=run, LEAP=5.0)
    c[MEMORY:] = 77.0
    remember(c, y, False, False, scale.PATIENCE)
    assert c[scale.OUTSIDE_RUN] == after
    places = [float(_ring(c, ring)[count // 4**ring % RING]) for ring in range(5)]
    due = [ring for ring in range(5) if count % 4**ring == 0]
    assert [ring for ring in range(5) if places[ring] == y] == list(rings)
    # A place that was never written is never read; another keeps what it holds.
    assert [ring for ring in range(5) if np.isnan(places[ring])] == [
        ring for ring in due if ring not in rings and count < RING * 4**ring
    ]
    assert sum((_ring(c, ring) != 77.0).sum() for ring in range(5)) == sum(
        one != 77.0 for one in places
    )
    assert (c[scale.LEAP] == 5.0) == (after >= 2 or count < 32)


@pytest.mark.parametrize(
    ("young", "full", "recent", "learnt"),
    [
        (True, 3, 192, True), (True, 4, 192, False), (True, 3, 191, False), (False, 3, 192, False),
    ],
)  # fmt: skip
def test_what_a_slow_young_series_does_is_learnt_until_it_has_swung_four_times(
    young: bool, full: float, recent: float, learnt: bool
) -> None:
    c = channel(COUNT=1024, OUTSIDE_RUN=9, FULL_SWINGS=full, RECENT=recent)
    remember(c, 3.1, False, young, scale.PATIENCE)
    assert c[scale.OUTSIDE_RUN] == 10  # it is outside of the usual all the same
    assert (_ring(c, 0)[0] == 3.1) == learnt


def test_where_samples_are_seldom_what_stays_outside_is_followed_by_all_rings() -> None:
    """A disk that grows by the day is 24 samples of a quarter of an hour outside, then usual."""
    for run, rings in ((22, []), (23, [0, 1, 2, 3, 4])):
        c = channel(COUNT=1024, OUTSIDE_RUN=run)
        remember(c, 3.1, False, False, 24.0)
        assert [ring for ring in range(5) if 3.1 in _ring(c, ring)] == rings


def test_swings_are_counted_from_quartile_to_quartile_and_where_they_turn() -> None:
    c = channel(SWINGS=0, RECENT=0)
    for y in (0.0, 1.0, 2.0, 0.5, -1.0, -3.0, 0.0, 4.0, 1.0, -5.0, 1.0):
        remember(c, y, False, False, scale.PATIENCE)
    assert c[[scale.FULL_SWINGS, scale.SIDE]].tolist() == [3, 1]
    assert c[TURNS : TURNS + 5].tolist() == [1.0, 3.0, 1.0, 4.0, 2.0]  # of 2 and 4
    assert c[TROUGHS : TROUGHS + 5].tolist() == [-5.0, -4.0, 1.0, -5.0, 2.0]  # of -3 and -5
    assert c[scale.SWINGS] == pytest.approx(FADE**9 + FADE**3 + 1)
    assert c[scale.RECENT] == pytest.approx(sum(FADE**k for k in range(11)))
    less = channel(SIDE=1)
    less[TURNS : TURNS + 5] = 3.0, 8.0, 2.0, 9.0, 40.0
    remember(less, -1.0, False, False, scale.PATIENCE)
    assert less[TURNS : TURNS + 5] == pytest.approx(
        [3.0, 8 - 5 / 16, 2 + 3 / 16, 9 + (8 - 5 / 16 - 9) / 32, 41.0]
    )
    line = channel(LOW=1, HIGH=1, SWINGS=1)
    remember(line, 9.0, False, False, scale.PATIENCE)
    assert line[scale.SWINGS] == FADE + 0.125
    assert line[scale.SIDE] == 0


def _turning(**given: float) -> Channel:
    """Swings between -10 and 10, one in 64 samples."""
    c = channel(**({"RECENT": 192.0} | given))
    c[TURNS : TURNS + 5] = 0, 10.0, 0.8, 12.0, 5
    c[TROUGHS : TROUGHS + 5] = 0, -10.0, 0.8, -15.0, 5
    return c


def test_beyond_where_swings_turn_is_counted_in_their_deviations() -> None:
    assert beyond_turns(_turning(), 16.0) == pytest.approx(16 - 14)  # 10 and twice two of one
    assert beyond_turns(_turning(), -16.0) == pytest.approx(16 - 15)  # the farthest was at 15
    assert beyond_turns(_turning(), 13.0) == pytest.approx(-1.0)
    assert beyond_turns(_turning(SWINGS=15, RECENT=960), 16.0) == pytest.approx(16 - 13)
    assert beyond_turns(_turning(QUANTUM=2.3), 16.0) == pytest.approx(2.0)
    for c in (_turning(RECENT=191.9), _turning(QUANTUM=2.5)):
        assert beyond_turns(c, 16.0) == -1.0
    few = _turning()
    few[TURNS + scale.TURN_COUNT] = 4
    assert (beyond_turns(few, 16.0), beyond_turns(few, -16.0)) == pytest.approx((-1.0, 1.0))
    exact = _turning()
    exact[[TURNS + scale.TURN_SPREAD, TROUGHS + scale.TURN_SPREAD]] = 0.0
    assert beyond_turns(exact, 16.0) == pytest.approx(4.0)  # a twentieth of the height is one
    wild = _turning()
    wild[TURNS + scale.TURN_SPREAD] = 2.0
    assert beyond_turns(wild, 100.0) == -1.0


@pytest.mark.parametrize(("d", "scale_of"), [(1e150, 1e-300), (1e308, 5e-324), (0.0, 1e-300)])
def test_a_compressed_distance_is_finite(d: float, scale_of: float) -> None:
    assert 0 <= scale.compressed(d, scale_of) < 1000


def test_distances_of_a_heavy_tail_are_compressed() -> None:
    c = channel()
    c[SIDES + scale.SCALE] = 2.0
    assert (distance(c, 6.0), distance(c, -6.0)) == pytest.approx((2.0, 6.0))
    assert (distance(c, 0.0), distance(c, -0.5)) == pytest.approx((0.0, 0.5), abs=1e-9)


def test_few_and_slow_swings_are_worth_less() -> None:
    assert [tolerance(channel(SWINGS=n)) for n in (0, 3, 15)] == [3.0, 2.0, 1.5]
    assert slowness(channel(SWINGS=3, RECENT=24)) == 1.0
    assert slowness(channel(SWINGS=3, RECENT=240)) == 10.0
    assert slowness(channel(SWINGS=9, RECENT=24)) == 1.0
    assert slowness(channel(SWINGS=0, RECENT=40)) == 10.0
    assert [persistence(one) for one in (1.0, 4.0)] == pytest.approx([1.0, 10.8])


def _fitted(values: Sequence[float], floor: float = 1e-12, **given: float) -> Channel:
    """At most 64 values, all of the newest ring."""
    c = np.zeros(CHANNEL)
    _ring(c, 0)[: len(values)] = values
    c[scale.COUNT] = len(values)
    c[scale.SWINGS], c[scale.RECENT] = 9, len(values)
    for name, value in given.items():
        c[getattr(scale, name)] = value
    fit(c, floor)
    return c


RANGE = [scale.LEAST, scale.LOW, scale.CENTRE, scale.HIGH, scale.MOST, scale.QUANTUM]
SIDE = [scale.REACH, scale.SCALE, scale.EDGE, scale.UNIT, scale.WIDTH]


def test_quantiles_of_few_values() -> None:
    c = _fitted([8.0, 1, 5, 3, 2, 7, 4, 6])
    assert c[RANGE].tolist() == [1, 3, 5, 7, 8, 0]
    assert c[[SIDES + k for k in SIDE]] == pytest.approx([3, 0, 3, 0.45, 3 / 1.2816])
    assert c[[LOWER + k for k in SIDE]] == pytest.approx([4, 0, 4, 0.6, 4 / 1.2816])
    assert not c[GAPS : GAPS + 6].any()


def test_a_line_has_the_least_unit_that_is_asked_for() -> None:
    for floor, unit in ((1e-12, 7e-12), (1e-3, 7e-3), (0.0, 1e-300)):
        c = _fitted([-7.0] * 20, floor)
        assert c[RANGE].tolist() == [-7] * 5 + [0]
        for side in (SIDES, LOWER):
            assert c[[side + k for k in SIDE]] == pytest.approx([0, 0, 0, unit, unit], abs=0)


def test_a_tail_that_is_heavy_is_measured_by_a_logarithm() -> None:
    c = _fitted([*map(float, range(63)), 1000.0])
    assert c[RANGE].tolist() == [0, 16, 32, 48, 1000, 0]
    near, far = math.log2(1 + 25 / 16), math.log2(1 + 968 / 16)
    expected = [968, 16, far, far - near, near / 1.2816]
    assert c[[SIDES + k for k in SIDE]] == pytest.approx(expected, rel=1e-8)
    assert c[[LOWER + k for k in SIDE]] == pytest.approx([32, 0, 32, 6, 26 / 1.2816])
    light = _fitted([*map(float, range(63)), 32 + 57.4])
    assert light[SIDES + scale.SCALE] == 0
    few = _fitted([*map(float, range(62)), 1000.0])
    assert few[SIDES + scale.SCALE] == 0


def test_values_of_few_kinds_have_a_step() -> None:
    c = _fitted([1.0] * 30 + [1.5] * 20 + [3.0] * 14)
    assert c[scale.QUANTUM] == 0.5
    assert c[SIDES + scale.UNIT] == 0.5
    assert _fitted([*[float(k) for k in range(8)]] * 8)[scale.QUANTUM] == 1.0  # eight of 64
    assert _fitted([*[float(k) for k in range(9)]] * 7)[scale.QUANTUM] == 0.0
    assert _fitted([2.0] * 64)[scale.QUANTUM] == 0.0


def test_gaps_are_the_widest_stretches_without_a_value() -> None:
    low, high = [float(k) for k in range(32)], [float(k) for k in range(100, 132)]
    assert _fitted(low + high)[GAPS : GAPS + 6].tolist() == [31, 100, 0, 0, 0, 0]
    none = _fitted([k * 2.0 for k in range(40)] + [78.0 + 47 + k for k in range(24)])
    assert not none[GAPS : GAPS + 6].any()  # three eighths of the range are needed
    three = _fitted([0.0] * 22 + [50.0] * 21 + [100.0] * 21)
    assert three[GAPS : GAPS + 6].tolist() == [0, 50, 50, 100, 0, 0]


@pytest.mark.parametrize(
    ("before", "swung", "full", "swings"),
    [
        (4.0, 4.0, 7, 9), (4.0, 3.2, 7, 9), (4.0, 3.1, 0, 9), (1.9, 4.0, 7, 4.5), (0, 0, 0, 9),
        (2.1, 9.0, 7, 9),
    ],
)  # fmt: skip
def test_swings_of_a_range_that_has_grown_since_were_none(
    before: float, swung: float, full: int, swings: float
) -> None:
    given = {"LOW": 0.0, "HIGH": before, "SWUNG": swung, "FULL_SWINGS": 7.0}
    c = _fitted([8.0, 1, 5, 3, 2, 7, 4, 6], **given)  # quartiles four apart
    assert c[[scale.FULL_SWINGS, scale.SWINGS]].tolist() == [full, swings]
    assert c[scale.SWUNG] == (swung if full else 4.0)


def test_rings_that_are_too_short_for_four_swings_are_not_read() -> None:
    for count, swings, least in ((256, 8.0, 0.0), (256, 7.9, 1.0), (128, 0.0, 0.0)):
        c = channel(COUNT=count, SWINGS=swings, RECENT=128)
        _ring(c, 0)[:], _ring(c, 1)[:] = np.arange(64), np.arange(1, 65)
        fit(c, 0.0)
        assert c[scale.LEAST] == least
        assert c[scale.MOST] == (64 if count == 256 else 63)


def test_what_is_accepted_takes_every_other_place_in_its_order() -> None:
    c = np.zeros(CHANNEL)
    c[scale.COUNT] = 8
    adopt(c, np.array([1.0, 2.0, 3.0, 4.0]))
    assert _ring(c, 0)[:9].tolist() == [0, 2, 0, 3, 0, 4, 0, 4, 0]
    assert _ring(c, 1)[:3].tolist() == [0, 4, 0]
    assert [_ring(c, ring)[0] for ring in (2, 3, 4)] == [4, 4, 4]
    full = np.zeros(CHANNEL)
    full[scale.COUNT] = 65
    adopt(full, np.array([5.0]))
    assert (_ring(full, 0) == 5.0).tolist() == [k % 2 == 0 for k in range(64)]
