"""Each number that a detector keeps of a series has a place of its own in its state."""

from types import ModuleType

import numpy as np
import pytest

from padit.transforms.detectors import (
    directions,
    relation_kernel,
    usual_alert,
    usual_scale,
    usual_season,
    usual_state,
)
from padit.transforms.detectors.usual_homes import HOMES
from padit.transforms.detectors.usual_scale import CHANNEL, GAPS, MEMORY, SIDES, STATISTICS, TURNS
from padit.transforms.detectors.usual_season import SEASON

SERIES = """
    AGE LAST_TIME LAST STEP1 STEP2 ACTIVE RISES FALLS EQUALS COUNTER RUN RUN_RECORD RUNS OPEN SINCE
    CALM RUN_MEAN BORN WAITING STASHED STRIDE TURN ACTIVITY_FLOOR STEP_SUM STEPS JUDGED WAITING_A
    NEXT_KIND INSIDE INTERVAL LEVEL CHANNEL_OF ACCEPTED JUDGED_VALUE NEWS SEVERE FAR_FOR FRACTIONS
    RESETS RUN_SPREAD STOOD TOLD_RUN BEYOND BEYOND_FROM SPELL STAY
    STAY_PEAK RUN_LONG BACK_FOR
"""
RANGE = """
    COUNT SWINGS SIDE CENTRE LOW HIGH OUTSIDE_RUN JUMP NEWEST RECENT FULL_SWINGS LEAST MOST QUANTUM
    OVER LEAP SWUNG
"""
PAIR = """
    COUNT MEAN_X MEAN_Y VAR_X COVAR VAR_Y ERROR SUM RECORD PEAK SWINGS SIDE SEEN ERROR_SWINGS
    ERROR_SIDE
"""
DAYS = """
    NOW DAYS LOW HIGH COUNTED STRICT_LOW STRICT_HIGH NOISE SUM RECORD PEAK SEEN OUT HIGHEST WEEKLY
    RISEN HALVES OUTS
"""


def _places(module: ModuleType, names: str) -> list[int]:
    return [getattr(module, name) for name in names.split()]


def _all(places: list[int], count: int) -> bool:
    return sorted(places) == list(range(count))


def test_a_series_of_usual() -> None:
    kinds = list(range(usual_state.KIND, usual_state.KIND + 2 * usual_state.KINDS))
    pairs = [usual_state.LONGEST, usual_state.TOLD_SPELL, usual_state.FARTHEST,
             usual_state.TOLD_FARTHEST, usual_state.STAY_LAST, usual_state.STAY_AT]  # fmt: skip
    sides = [one + k for one in pairs for k in range(2)]
    stayed = list(range(usual_state.STAYED, usual_state.STAYED + 4))
    homes = list(range(usual_state.HOME, usual_state.HOME + 3 * HOMES))
    assert _all(_places(usual_state, SERIES) + kinds + sides + stayed + homes, usual_state.QUEUE)
    begins = _places(usual_state, "QUEUE STORE SEASON_AT VALUE ACTIVITY SLOTS")
    waiting = usual_state.WAIT + usual_state.WAIT_A
    assert np.diff(begins).tolist() == [waiting, usual_state.STASH, SEASON, CHANNEL, CHANNEL]
    assert usual_alert.ROUTINE == 3


def test_a_channel_of_usual() -> None:
    groups = [(SIDES, 10), (GAPS, 6), (TURNS, 10), (STATISTICS, 15)]
    places = [place for begin, size in groups for place in range(begin, begin + size)]
    assert _all(places + _places(usual_scale, RANGE), MEMORY)
    assert CHANNEL - MEMORY == usual_scale.RINGS * usual_scale.RING
    assert 2 * usual_scale.GAP_COUNT == 6


def test_a_season_of_usual() -> None:
    five = _places(usual_season, "MIDDLE BETWEEN ERROR TOTAL COMPARED")
    variance = [at + one for at in (usual_season.OF_DAYS, usual_season.OF_WEEKS) for one in five]
    assert _all(_places(usual_season, DAYS) + variance, SEASON)


@pytest.mark.parametrize(
    ("names", "count"), [(PAIR, "PAIR"), ("OPEN SINCE CALM LAST REPEATS WINDOWS", "SLOTS")]
)
def test_a_pair_and_a_series_of_relation(names: str, count: str) -> None:
    assert _all(_places(relation_kernel, names), getattr(relation_kernel, count))


def test_times_and_bounds_of_usual() -> None:
    minute = 60_000_000
    durations = "CALM_AFTER LASTING QUIET LONG_QUIET HALF_HOUR"
    places = [*_places(usual_state, durations), directions.DAY_OLD]
    assert [place / minute for place in places] == [5, 5, 15, 45, 30, 26 * 60]
    kinds = "BETWEEN ACTIVE_CHANNEL STUCK SEASONAL"
    assert len({0.0, 1.0, *_places(usual_state, kinds)}) == 6
