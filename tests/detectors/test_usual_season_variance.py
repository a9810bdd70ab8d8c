"""How much a season explains: the comparison of days and weeks by hand, from half hours given."""

import numpy as np
import pytest

from padit.transforms.detectors import usual_season as season
from padit.transforms.detectors.usual_season import DAY, OF_DAYS, OF_WEEKS, WEEK
from tests.detectors.season_states import learn, slots_of, state

VARIANCE = np.array([season.MIDDLE, season.BETWEEN, season.ERROR, season.TOTAL, season.COMPARED])


def test_days_are_compared_by_the_middle_of_the_same_half_hour() -> None:
    first = learn(state(), slots_of(d1=(8.0, 12.0), d2=(14.0, 14.0)))
    assert first[OF_DAYS + VARIANCE].tolist() == [12.0, -4.0, 4.0, 4.0, 1.0]
    assert not first[OF_WEEKS + VARIANCE].any()
    alone = learn(state(), slots_of(d1=(8.0, 12.0), h95=(14.0, 14.0)))
    assert not alone[OF_DAYS + VARIANCE].any()
    weeks = learn(state(), slots_of(w1=(8.0, 12.0), w2=(14.0, 14.0), w3=(9.0, 9.0)))
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
        before = {f"{kind.upper()}_{name}": value for name, value in given.items()}
        before[f"{kind.upper()}_COMPARED"] = seen
        s = learn(state(**before), slots_of(**{f"{kind}1": (8.0, 12.0), f"{kind}2": (14.0, 14.0)}))
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
        s = state(D_TOTAL=total, D_COMPARED=seen)
        learn(s, slots_of(d1=(sign * 50.0, sign * 50.0), d2=(sign * 50.0, sign * 50.0)))
        weight = 1 / min(seen + 1, 48)
        assert s[OF_DAYS + season.MIDDLE] == pytest.approx(sign * weight * held)


@pytest.mark.parametrize(
    ("total", "between", "squares"),
    [(2500.0, 2499.0, 4 * 25.0), (2500.0, 2400.0, 4 * 100.0), (2500.0, 1000.0, 900.0)],
)
def test_the_days_of_one_time_are_held_at_two_of_their_own_deviations(
    total: float, between: float, squares: float
) -> None:
    """So a day that was told is no reason to miss the next."""
    s = state(D_TOTAL=total, D_BETWEEN=between, D_ERROR=0.0, D_COMPARED=1e9)
    learn(s, slots_of(d1=(30.0, 30.0), d2=(-30.0, -30.0)))
    assert s[OF_DAYS + season.ERROR] == pytest.approx(squares / 48)
    assert s[OF_DAYS + season.TOTAL] == pytest.approx(total + (squares - total) / 48)
