"""Each step of `discord` by hand: one sample after a state and a memory that are given.

No test learns from thousands of samples, so each is quick without a compiler.
"""

import math
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.transforms.detectors import discord_kernel as kernel
from padit.transforms.detectors.discord_kernel import BACK, LENGTH, run

MINUTE = 60_000_000
NOW = 5_000 * MINUTE
CENTRE, UNIT = 100.0, 0.5
LAST_EIGHT = 5.0  # units: the distance of 32 samples of which the last eight are ten units away


class Judged(NamedTuple):
    """What one window gave."""

    state: NDArray[np.float64]
    ring: NDArray[np.int8]
    sample: NDArray[np.float64]
    facts: NDArray[np.float64]

    def __getattr__(self, name: str) -> float:
        return float(self.state[getattr(kernel, name.upper())])


def _state(**given: float) -> NDArray[np.float64]:
    """A series with a memory of 1,023 samples, judged since long and without an alert."""
    usual: dict[str, float] = {
        "AGE": 1500, "LAST_TIME": NOW - MINUTE, "INTERVAL": MINUTE, "LAST": CENTRE, "MEAN": CENTRE,
        "VARIANCE": 256.0, "HAS": 1, "CENTRE": CENTRE, "UNIT": UNIT, "STORED": 1023,
        "UNBROKEN": 500, "JUDGED": 3, "USUAL_PREFIX": 0.65, "USUAL": 2.0,
    }  # fmt: skip
    s = np.zeros(kernel.SLOTS)
    for name, value in (usual | given).items():
        s[getattr(kernel, name)] = value
    return s


def _memory(last: int = 10, eight: int = 7) -> NDArray[np.int8]:
    """A thousand samples at the centre, and so many before the next one `last` units away."""
    ring = np.zeros(BACK + LENGTH, np.int8)
    ring[1023 - eight : 1023] = last
    return ring


def _run(
    s: NDArray[np.float64],
    ring: NDArray[np.int8] | None = None,
    value: tuple[float, ...] = (CENTRE + 10 * UNIT,),
    *,
    opens: float = 1.0,
    step: int = MINUTE,
    accepted: float = 1e18,
    has_ring: bool = True,
) -> Judged:
    count = len(value)
    rings = (_memory() if ring is None else ring)[None]
    sample, facts = np.full(count, -7.0), np.full((kernel.FACTS, 1), -7.0)
    time = NOW + np.arange(count) * step
    run(
        s[None], rings, np.zeros(1, np.int64), np.array([0 if has_ring else -1]),
        np.array([0, count]), time, np.array(value), time[-1:] + 1,
        np.array([opens, opens / 2, accepted]), np.empty(BACK + LENGTH, np.int32), sample, facts,
    )  # fmt: skip
    return Judged(s, rings[0], sample, facts[:, 0])


def test_the_ratio_is_that_of_both_distances_and_what_was_usual() -> None:
    found = _run(_state())
    assert found.ratio == pytest.approx(LAST_EIGHT / (0.0 + 0.5 * 0.65 + 0.3))
    assert found.judged == 4
    assert found.usual_prefix == pytest.approx(0.65 * 3 / 4)  # the first 24 were seen before
    assert found.usual == pytest.approx(2.0 + (LAST_EIGHT - 2.0) / 4)


def test_a_beginning_that_was_never_there_makes_the_ratio_small() -> None:
    found = _run(_state(), _memory(eight=31))  # all 32 are ten units from all before
    assert found.ratio == pytest.approx(10.0 / (10.0 + 0.325 + 0.3))
    assert found.usual_prefix == pytest.approx(0.65 + (10 - 0.65) / 4)


def test_what_is_usual_is_a_mean_of_256_judgements_and_not_learnt_in_an_alert() -> None:
    long = _run(_state(JUDGED=9_999))
    assert long.usual == pytest.approx(2.0 + 3.0 / 256)
    assert long.usual_prefix == pytest.approx(0.65 * 255 / 256)
    inside = _run(_state(OPEN=1, JUDGED=9))
    assert (inside.usual, inside.usual_prefix, inside.judged) == (2.0, 0.65, 10)
    assert inside.in_block == 0


@pytest.mark.parametrize(
    ("stored", "unbroken", "level"),
    [
        (1023, 31, None), (1023, 30, 0.0), (1015, 500, 3.0), (1024, 500, 3.0), (1027, 500, 3.0),
        (1031, 500, None),
    ],
)  # fmt: skip
def test_every_eighth_of_an_unbroken_run_is_judged_once_there_are_1024(
    stored: int, unbroken: int, level: float | None
) -> None:
    found = _run(_state(STORED=stored, UNBROKEN=unbroken, LEVEL=3.0))
    assert found.stored == stored + 1
    assert found.judged == (4 if level is None else 3)
    if level is not None:
        assert found.level == level


@pytest.mark.parametrize(
    ("number", "deviation", "record", "limit"),
    [
        (24, 0.1, 0.0, 0.5 + 4 * (1 + 8 / 24) * 0.1),
        (32, 0.1, 0.0, 0.5 + 4 * (1 + 8 / 32) * 0.1),
        (24, 0.1, 1.0, 1.0 + math.log2(1.1)),
        (24, 0.0, 0.2, 0.5),
    ],
)
def test_the_limit_is_the_highest_of_deviations_the_record_and_a_least_one(
    number: int, deviation: float, record: float, limit: float
) -> None:
    mean = 0.5 if limit != 0.5 else 0.1
    s = _state(NUMBER=number, BLOCK_MEAN=mean, SQUARES=number * deviation**2, RECORD=record)
    found = _run(s)
    expected = math.log2(1.3) if limit == 0.5 else limit
    assert found.limit == pytest.approx(expected, abs=1e-12)
    assert found.facts[3:5].tolist() == [found.ratio, found.limit]


def _known(limit: float, mean: float = 1.0, **given: float) -> NDArray[np.float64]:
    """A series whose ratios have this mean and this limit; the next one's logarithm is 3."""
    record = limit - kernel.BEAT
    return _state(NUMBER=40, BLOCK_MEAN=mean, RECORD=record, **given)


@pytest.mark.parametrize(
    ("limit", "opens", "share", "verdict"),
    [
        (2.0, 1.0, 2.0, 2.0),
        (1.0 + 2 / 3.7, 1.0, 3.7, 3.7),
        (1.5, 1.0, 3.8, 3.8),  # four, but a shape is never critical
        (3.0 + 1e-6, 1.0, 1.0, 0.4),  # just below
        (3.0 + 1e-6, 0.9, 1.0, 1.0),
        (1.0 + 2 / 0.75, 1.0, 0.75, 0.2),
        (1.0 + 2 / 0.75, 0.7, 0.75, 0.75),
        (1.0 + 2 / 0.75, 1.3, 0.75, 0.08),
        (6.0, 1.0, 0.4, 0.0),
    ],
)
def test_the_verdict_is_the_share_of_the_way_to_the_limit_or_a_rank_below_it(
    limit: float, opens: float, share: float, verdict: float
) -> None:
    found = _run(_known(limit), opens=opens)
    assert found.level == pytest.approx(share, abs=1e-5)
    assert found.sample[0] == pytest.approx(verdict, abs=1e-5)
    assert found.facts[0] == pytest.approx(verdict, abs=1e-5)
    assert found.in_block == (0 if verdict >= opens else 1)  # news is not learnt


def test_a_series_whose_samples_have_no_near_neighbours_is_not_judged() -> None:
    for usual, judged in ((8.0, True), (8.0 + 4.0, False), (9.0 + 1e-9, False)):
        found = _run(_known(2.0, USUAL=usual))  # a quarter of the way to the distance of five
        assert (found.level > 0) == judged, usual
        assert (found.sample[0] > 0) == judged


def test_less_than_24_blocks_say_nothing() -> None:
    young = _run(_state(NUMBER=23, BLOCK_MEAN=1.0, RECORD=1.0))
    assert np.isnan(young.sample[0])
    assert np.isnan(young.facts[[0, 3, 4]]).all()
    assert young.facts[6] == -1
    assert young.limit == 0
    low = _run(_state(NUMBER=24, BLOCK_MEAN=4.0, RECORD=6.0))  # the ratio is below the mean
    assert (low.level, low.sample[0]) == (0.0, 0.0)


def test_the_highest_of_eight_ratios_is_learnt_and_a_block_begins_anew() -> None:
    assert _run(_state(HIGHEST=9.0)).highest == pytest.approx(3.0)
    assert _run(_state(HIGHEST=9.0, IN_BLOCK=3)).highest == 9.0
    low = _run(_state(HIGHEST=1.0, IN_BLOCK=6))
    assert (low.highest, low.in_block, low.number) == pytest.approx((3.0, 7, 0))
    first = _run(_state(HIGHEST=1.0, IN_BLOCK=7, RECORD=50.0))
    assert (first.number, first.in_block) == (1, 0)
    assert (first.block_mean, first.record) == pytest.approx((3.0, 3.0))
    assert first.squares == pytest.approx(0.0)


def test_blocks_have_a_mean_a_sum_of_squares_and_a_record_that_fades() -> None:
    found = _run(_state(HIGHEST=1.0, IN_BLOCK=7, NUMBER=3, BLOCK_MEAN=1.0, SQUARES=2.0, RECORD=4.0))
    assert found.number == 4
    assert found.block_mean == pytest.approx(1.5)
    assert found.squares == pytest.approx(2.0 + 2.0 * 1.5)
    assert found.record == pytest.approx(4.0 - 0.002)


def test_after_512_blocks_the_oldest_fade() -> None:
    s = _state(
        HIGHEST=1.0, IN_BLOCK=7, NUMBER=512, BLOCK_MEAN=1.0, SQUARES=512.0, RECORD=9.0, USUAL=50.0
    )
    found = _run(s)
    assert found.number == 512
    assert found.block_mean == pytest.approx(1.0 + 2.0 / 512)
    assert found.squares == pytest.approx(511.0 + 2.0 * (2.0 - 2.0 / 512))


def test_a_stretch_that_was_there_before_counts_as_a_thousandth() -> None:
    found = _run(_state(), _memory(0), (CENTRE,))
    assert found.ratio == 0.0
    assert found.highest == pytest.approx(math.log2(1e-3))
    assert found.usual == pytest.approx(1.5)


def test_samples_are_kept_in_units_and_the_first_places_stand_at_the_end_again() -> None:
    for stored, at, x, kept in (
        (0, 0, CENTRE + 3.2 * UNIT, 3), (31, 31, CENTRE - 3.5 * UNIT, -3),
        (32, 32, CENTRE - 3.6 * UNIT, -4), (4096, 0, CENTRE + 127.4 * UNIT, 127),
        (4095, 4095, CENTRE + 128 * UNIT, 127), (8200, 8, CENTRE - 1e9, -127),
    ):  # fmt: skip
        ring = np.full(BACK + LENGTH, 55, np.int8)
        found = _run(_state(STORED=stored, UNBROKEN=0), ring, (x,))
        expected = np.full(BACK + LENGTH, 55 if stored else 0, np.int8)
        expected[[at, BACK + at] if at < LENGTH else [at]] = kept
        np.testing.assert_array_equal(found.ring, expected)
        assert found.clipped == (1 / 512 if abs(x - CENTRE) >= 128 * UNIT else 0)
        assert found.facts[5] == min(stored + 1, BACK)


def test_mean_variance_and_differences_are_those_of_the_samples() -> None:
    s = np.zeros(kernel.SLOTS)
    found = _run(s, value=(0.0, 1.0, 3.0, 6.0, 10.0), step=MINUTE, has_ring=False)
    assert found.age == 5
    assert (found.mean, found.variance) == pytest.approx((4.0, 13.2))
    assert found.first_square == pytest.approx(((4 / 2 * 2 + 9) / 3 * 3 + 16) / 4)  # of 2, 3, 4
    assert found.second_square == pytest.approx((0.5 * 2 + 1 + 1) / 4)
    assert (found.interval, found.last_time) == (MINUTE, NOW + 4 * MINUTE)
    assert (found.unbroken, found.step, found.last) == (5, 4.0, 10.0)
    assert np.isnan(found.sample).all()


def test_old_samples_fade_from_mean_variance_and_differences() -> None:
    s = _state(
        AGE=9001, STEP=1.0, LAST=100.0, MEAN=90.0, VARIANCE=4.0, FIRST_SQUARE=2.0, SECOND_SQUARE=3.0
    )
    found = _run(s, value=(103.0,))
    assert found.mean == pytest.approx(90 + 13 / 4096)
    assert found.variance == pytest.approx((1 - 1 / 4096) * (4 + 169 / 4096))
    assert found.first_square == pytest.approx(2 + (9 - 2) / 1024)
    assert found.second_square == pytest.approx(3 + (4 - 3) / 1024)
    young = _run(_state(AGE=100, INTERVAL=MINUTE / 2, UNBROKEN=9, STEP=1.0, FIRST_SQUARE=2.0))
    assert young.interval == pytest.approx(MINUTE / 2 * (1 + 1 / 64))
    assert young.first_square == pytest.approx(2 + (25 - 2) / 100)


@pytest.mark.parametrize(
    ("age", "intervals", "unbroken", "part"),
    [
        (17, 2.5, 51, 1.5 / 17), (17, 2.6, 1, 1.6 / 17), (17, 10.0, 1, 3.0 / 17),
        (16, 10.0, 51, 9.0 / 16), (640, 3.0, 1, 2.0 / 64),
    ],
)  # fmt: skip
def test_a_gap_breaks_the_run_once_the_interval_is_known(
    age: int, intervals: float, unbroken: int, part: float
) -> None:
    s = _state(AGE=age, LAST_TIME=NOW - intervals * MINUTE, UNBROKEN=50, FIRST_SQUARE=7.0)
    found = _run(s)
    assert found.unbroken == unbroken
    assert found.interval == pytest.approx(MINUTE * (1 + part))
    assert (found.first_square == 7.0) == (unbroken == 1)


@pytest.mark.parametrize("unbroken", [0, 1, 2])
def test_differences_need_three_samples_in_a_row(unbroken: int) -> None:
    found = _run(_state(UNBROKEN=unbroken, FIRST_SQUARE=7.0, SECOND_SQUARE=8.0))
    learnt = unbroken == 2
    assert (found.first_square != 7.0, found.second_square != 8.0) == (learnt, learnt)


def _decided(has: int, age: int = 4607, **given: float) -> Judged:
    """A sample at the mean behind a break, which changes no square of differences."""
    usual: dict[str, float] = {
        "AGE": age, "HAS": has, "UNBROKEN": 0, "VARIANCE": 4.0 * 4096 / 4095, "MEAN": 7.0,
        "STORED": 700, "JUDGED": 5, "NUMBER": 30, "IN_BLOCK": 3, "RECORD": 2, "LEVEL": 2, "OPEN": 1,
        "HIGHEST": 2, "BLOCK_MEAN": 1, "SQUARES": 2, "CALM": 3,
    }  # fmt: skip
    return _run(_state(**(usual | given)), value=(7.0,))


FORGOTTEN = ("OPEN", "CALM", "LEVEL", "JUDGED", "USUAL_PREFIX", "USUAL", "NUMBER", "BLOCK_MEAN",
             "SQUARES", "RECORD", "IN_BLOCK")  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "age", "begins"),
    [
        (1.0, 0.59, 4607, True), (1.0, 0.6, 4607, False), (1.0, 0.0, 4606, False),
        (0.0157, 0.0, 4607, True), (0.0155, 0.0, 4607, False),
    ],
)  # fmt: skip
def test_a_memory_begins_where_a_series_is_smooth_and_moves(
    first: float, second: float, age: int, begins: bool
) -> None:
    found = _decided(0, age, FIRST_SQUARE=first, SECOND_SQUARE=second, CLIPPED=0.5)
    assert found.has == begins
    if begins:
        assert (found.centre, found.unit) == pytest.approx((7.0, 2.0 / 32))
        assert (found.stored, found.clipped) == (1, 0.0)
        assert [getattr(found, name) for name in FORGOTTEN] == [0.0] * len(FORGOTTEN)
        assert found.highest == -np.inf
        assert found.ring[0] == 0
    else:
        assert (found.number, found.level) == (30, 0.0)  # without a memory there is no level


def test_a_series_that_never_changes_gets_no_memory() -> None:
    assert _decided(0, VARIANCE=0.0, FIRST_SQUARE=1.0).has == 0
    assert _decided(0, VARIANCE=1e-320, FIRST_SQUARE=1.0).has == 1
    assert _decided(1, VARIANCE=0.0, FIRST_SQUARE=1.0).has == 0


@pytest.mark.parametrize(
    ("first", "second", "clipped", "age", "ends"),
    [
        (1.0, 0.9, 0.0, 4607, False), (1.0, 0.91, 0.0, 4607, True), (1.0, 0.91, 0.0, 4608, False),
        (0.004, 0.0, 0.0, 4607, False), (0.0038, 0.0, 0.0, 4607, True),
        (1.0, 0.0, 0.25, 4607, False), (1.0, 0.0, 0.26, 4607, True),
    ],
)  # fmt: skip
def test_a_memory_ends_with_what_it_is_for_or_where_its_scale_no_longer_fits(
    first: float, second: float, clipped: float, age: int, ends: bool
) -> None:
    given = {"FIRST_SQUARE": first, "SECOND_SQUARE": second, "CLIPPED": clipped}
    found = _decided(1, age, CENTRE=7.0, **given)
    assert found.has == (not ends)
    assert found.stored == (0 if ends else 701)
    if ends:
        assert [getattr(found, name) for name in FORGOTTEN] == [0.0] * len(FORGOTTEN)
        assert found.highest == -np.inf
    else:
        assert (found.number, found.open) == (30, 1)


def test_a_window_has_its_highest_verdict_and_the_sample_that_gave_it() -> None:
    ring, high = _memory(), CENTRE + 10 * UNIT
    found = _run(_known(2.0), ring, (high, *[high] * 8))
    assert found.sample[0] == pytest.approx(2.0)
    assert found.sample[8] < 1
    assert not found.sample[1:8].any()
    assert found.facts[6] == 0
    assert found.facts[3] == pytest.approx(8.0)
    later = _run(_known(2.0), _memory(0), (CENTRE, *[high] * 8), opens=1.0)
    assert np.flatnonzero(later.sample).tolist() == [8]
    assert later.facts[6] == 8
    assert later.open == 1
    assert later.since == NOW + 8 * MINUTE + 1


def test_inside_an_alert_samples_score_nothing_and_the_level_says_how_far_it_is() -> None:
    found = _run(_known(2.0, OPEN=1, SINCE=NOW - MINUTE))
    assert found.sample.tolist() == [0.0]
    assert found.facts[[0, 2]].tolist() == [0.0, 0.0]
    assert found.facts[1] == pytest.approx(2.0)
    between = _run(_known(2.0, OPEN=1, SINCE=NOW - MINUTE, STORED=1024, LEVEL=1.5))
    assert between.facts[1] == 1.5  # the level of the last judgement holds until the next one


def test_an_alert_that_lasts_is_accepted_and_one_that_calms_down_closes() -> None:
    lasting = _run(_known(2.0, OPEN=1, SINCE=NOW - 60 * MINUTE, IN_BLOCK=4), accepted=30 * MINUTE)
    assert lasting.facts[1:3].tolist() == [0.0, 1.0]
    assert [getattr(lasting, name) for name in FORGOTTEN] == [0.0] * len(FORGOTTEN)
    assert np.isnan(lasting.sample).tolist() == [False]
    assert (lasting.has, lasting.stored) == (1, 1024)
    given = {"OPEN": 1, "SINCE": NOW - 60 * MINUTE, "CALM": NOW - 30 * MINUTE, "STORED": 1024}
    calm = _run(_known(2.0, IN_BLOCK=4, HIGHEST=5, **given))
    assert (calm.open, calm.in_block, calm.highest) == (0, 0, -np.inf)
    assert calm.number == 40


def test_windows_of_several_series_are_judged_with_their_own_memories() -> None:
    states = np.array([_known(2.0), _state(HAS=0), _known(2.0)])
    rings = np.array([_memory(0), _memory()])
    value = np.array([CENTRE, 7.0, CENTRE + 10 * UNIT, CENTRE + 10 * UNIT])
    sample, facts = np.full(4, -7.0), np.full((kernel.FACTS, 4), -7.0)
    run(
        states, rings, np.array([0, 1, 2, 2]), np.array([0, -1, 1, 1]), np.array([0, 1, 2, 3, 4]),
        np.array([NOW, NOW, NOW, NOW + MINUTE]), value, np.full(4, NOW + MINUTE + 1),
        np.array([1.0, 0.5, 1e18]), np.empty(BACK + LENGTH, np.int32), sample, facts,
    )  # fmt: skip
    assert sample[[0, 2, 3]] == pytest.approx([0.0, 2.0, 0.0])
    assert np.isnan(sample[1])
    assert facts[1] == pytest.approx([0.0, 0.0, 2.0, 2.0])
    assert facts[6].tolist() == [0, -1, 2, 3]
    assert states[:, kernel.STORED].tolist() == [1024, 1023, 1025]
    assert states[:, kernel.AGE].tolist() == [1501, 1501, 1502]
    assert rings[1, 1023:1025].tolist() == [10, 10]
    assert not rings[0].any()
