"""Evidence that a channel of `usual` has left its range, by hand: one value after a given state."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from padit.transforms.detectors import usual_scale as scale
from padit.transforms.detectors.usual_evidence import (
    AGED,
    DOWN,
    HINT,
    KNOWN,
    OLD,
    UP,
    extreme,
    judge,
    known,
)
from padit.transforms.detectors.usual_scale import GAPS, STATISTICS
from tests.detectors.channels import Channel, channel

BOTH = UP | DOWN


def _judged(
    c: Channel, y: float, *, before: float = 0.0, far: float = np.inf, context: int = BOTH,
    learn: bool = True, steps: bool = False, fade: float = 1.0, pace: float = 1.0,
) -> tuple[float, int]:  # fmt: skip
    verdict, which = judge(c, y, before, far, context, learn, steps, fade, pace)
    return float(verdict), int(which)


@pytest.mark.parametrize(
    ("y", "context", "given", "sums"),
    [  # outside up and down, shifted up and down, and between
        (8.0, BOTH, {}, [2.5, 0, 2, 0, 0]), (-8.0, BOTH, {}, [0, 2.5, 0, 2, 0]),
        (5.0, BOTH, {}, [1.0, 0, 1.5, 0, 0]), (2.0, BOTH, {}, [0, 0, 0, 0, 0]),
        (100.0, BOTH, {}, [3.5, 0, 2, 0, 0]), (8.0, BOTH, {"RECENT": 48}, []),
        (8.0, BOTH, {"SWINGS": 15, "RECENT": 120}, [3.5, 0, 2, 0, 0]),
        (8.0, BOTH, {"SWINGS": 24, "RECENT": 4 * 192}, []),
        (8.0, BOTH | KNOWN, {}, [0, 0, 0, 0, 0]),
    ],
)  # fmt: skip
def test_sums_grow_by_how_far_outside_and_how_far_from_the_centre(
    y: float, context: int, given: Mapping[str, float], sums: Sequence[float]
) -> None:
    c = channel(**given)
    _judged(c, y, context=context)
    found = c[STATISTICS : STATISTICS + 5]
    if given.get("RECENT") == 48:  # a swing takes twice as long: 2.2 - 0.85 do not count
        assert found == pytest.approx([1.65 / math.sqrt(2), 0, 1, 0, 0])
    elif given.get("SWINGS") == 24:
        slack = 2.2 - 1.7 / 4
        gain = min(6 / 1.4, 4.0) - slack
        assert found == pytest.approx([gain / 2, 0, 2 / 10.8, 0, 0])
    else:
        assert found == pytest.approx(sums)


def test_the_verdict_is_the_highest_share_of_the_sides_that_are_worth_a_word() -> None:
    assert _judged(channel(), 8.0) == pytest.approx((2.5 / 10, 0))
    assert _judged(channel(), -8.0) == pytest.approx((2.5 / 10, 1))
    assert _judged(channel(), 3.5) == pytest.approx((0.75 / 18, 2))
    assert _judged(channel(), 8.0, context=DOWN) == (0.0, 0)
    assert _judged(channel(), -8.0, context=UP) == (0.0, 0)
    for y, context, over in ((8.0, UP, 3.0), (8.0, DOWN, 0.0), (-8.0, DOWN, 3.0), (2.0, UP, 0.0)):
        c = channel()
        _judged(c, y, context=context)
        assert c[scale.OVER] == over


def test_a_record_raises_the_limit_and_a_line_that_seldom_moves_more() -> None:
    for context, record, limit in ((BOTH, 6.0, 10.0), (BOTH, 10.0, 16.0), (BOTH | OLD, 6.0, 18.0)):
        c = channel()
        c[STATISTICS + 5] = record
        assert _judged(c, 20.0, context=context)[0] == pytest.approx(3.5 / limit)


def test_a_sum_sets_a_record_when_it_is_gone_and_falls_faster_inside_an_alert() -> None:
    c = channel()
    c[[STATISTICS, STATISTICS + 5, STATISTICS + 10]] = 0.5, 2.0, 3.0
    _judged(c, 0.0, fade=0.5)
    assert c[[STATISTICS, STATISTICS + 5, STATISTICS + 10]].tolist() == [0, 3, 0]
    risen = channel()
    risen[[STATISTICS, STATISTICS + 10]] = 2.0, 3.0
    _judged(risen, 8.0)
    assert risen[[STATISTICS, STATISTICS + 10]].tolist() == [4.5, 4.5]
    for steps, pace, left in ((False, 1.0, 12.5), (True, 1.0, 10.0), (False, 2.0, 10.0)):
        inside = channel()
        inside[[STATISTICS, STATISTICS + 5, STATISTICS + 10]] = 15.0, 2.0, 3.0
        _judged(inside, 0.0, learn=False, steps=steps, fade=0.5, pace=pace)
        assert inside[[STATISTICS, STATISTICS + 5, STATISTICS + 10]].tolist() == [left, 2, 3]
    more = channel()
    more[[STATISTICS, STATISTICS + 10]] = 14.0, 3.0
    _judged(more, 8.0, learn=False)
    assert more[[STATISTICS, STATISTICS + 10]].tolist() == [15.0, 5.5]  # one and a half limits


def test_a_walk_where_the_range_is_not_known_is_no_news() -> None:
    walk = channel()
    _judged(walk, 8.0, before=3.0)
    assert walk[STATISTICS] == 0
    for given in ({"before": 2.3}, {"before": -7.0}, {"before": 7.0, "context": BOTH | AGED}):
        c = channel()
        _judged(c, 8.0, **given)  # type: ignore[arg-type]
        assert c[STATISTICS] == pytest.approx(2.5), given
    hint = channel()
    _judged(hint, 8.0, before=7.0, context=BOTH | AGED | HINT)
    assert hint[STATISTICS] == 0


def test_values_in_a_gap_that_the_channel_jumps_across_are_evidence() -> None:
    for y, before, far, given, found in (
        (0.0, 9.0, 9.0, {}, 1.0), (0.0, 0.2, 9.0, {}, 0.0), (0.0, 9.0, 0.2, {}, 0.0),
        (0.69, 9.0, 9.0, {}, 1.0), (0.71, 9.0, 9.0, {}, 0.0), (-0.71, 9.0, 9.0, {}, 0.0),
        (0.0, 9.0, 9.0, {"JUMP": 1.6}, 0.0), (0.0, 9.0, 9.0, {"JUMP": 1.7}, 1.0),
    ):  # fmt: skip
        for gap in range(3):
            c = channel(**({"JUMP": 2.0} | given))
            c[GAPS + 2 * gap : GAPS + 2 * gap + 2] = -1.0, 1.0
            verdict = _judged(c, y, before=before, far=far)
            assert c[STATISTICS + 4] == found
            assert verdict == ((pytest.approx(1 / 16), 4) if found else (0.0, 0))


@pytest.mark.parametrize(
    ("y", "far", "given", "verdict"),
    [
        (202.0, 1e9, {}, 1.0), (-202.0, 1e9, {}, 1.0), (102.0, 1e9, {}, 0.5),
        (202.0, 100.0, {}, 0.5),
        (2.0, 1e9, {}, 0.0), (1e300, 1e308, {}, 1e6), (34.0, 1e9, {"COUNT": 24}, 1.0),
        (98.0, 1e9, {"COUNT": 8}, 3.0), (97.0, 1e9, {"COUNT": 8}, 0.99),
        (98.0, 1e9, {"COUNT": 7}, 0),
        (34.0, 1e9, {"COUNT": 12}, 0.5), (98.0, 1e9, {"MOST": -2}, 0.0),
        (202.0, 1e9, {"LOW": 1}, 0.0), (98.0, 1e9, {"LOW": 1, "COUNT": 23}, 3.0),
    ],
)  # fmt: skip
def test_one_value_alone_is_news_far_beyond_all_that_was_seen(
    y: float, far: float, given: Mapping[str, float], verdict: float
) -> None:
    assert extreme(channel(**given), y, far, False, False) == pytest.approx(verdict, abs=0.003)


def test_the_rate_of_a_counter_is_taken_to_be_uneven_by_a_tenth() -> None:
    even = channel(LEAST=100.0, MOST=100.0 + 1e-9, CENTRE=100.0)
    assert extreme(even, 150.0, 1e9, False, False) > 1.0
    assert extreme(even, 150.0, 1e9, False, True) == pytest.approx(0.1)
    assert extreme(even, 700.0, 1e9, False, True) > 1.0


def test_a_sample_that_stands_for_a_quarter_of_an_hour_is_no_spike() -> None:
    assert extreme(channel(), 34.0, 1e9, False, False) == pytest.approx(0.16)
    assert extreme(channel(), 34.0, 1e9, True, False) == pytest.approx(1.0)
    assert extreme(channel(QUANTUM=2.0), 34.0, 1e9, True, False) == pytest.approx(0.16)


@pytest.mark.parametrize(("quantum", "verdict"), [(0.0, 3.0), (1.9, 3.0), (2.0, 0.48)])
def test_a_range_of_one_or_two_roundings_is_none_yet(quantum: float, verdict: float) -> None:
    c = channel(COUNT=8, QUANTUM=quantum)  # from -2 to 2
    assert extreme(c, 98.0, 1e9, False, False) == pytest.approx(
        verdict if verdict > 1 else verdict / 3
    )
    assert extreme(c, 602.0, 1e9, False, False) > 1.0


def test_a_channel_is_known_by_its_swings_or_samples() -> None:
    for count, swings, found in (
        (24, 6, True), (23, 6, False), (24, 5.9, False), (512, 0, True), (511, 5.9, False),
    ):  # fmt: skip
        assert known(channel(COUNT=count, SWINGS=swings)) == found
