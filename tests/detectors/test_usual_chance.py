"""What comes by chance is no news of `usual`: rare events, pauses between them, heavy tails."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.transforms.detectors import usual_channels, usual_evidence, usual_scale, usual_unseen
from padit.transforms.detectors.usual_state import AGE, RUN, RUN_MEAN, RUN_SPREAD, SLOTS
from tests.detectors.test_usual import _judged

Array = NDArray[np.float64]
DAY = 8640  # samples, one each 10 s


def _series(kind: str, seed: int) -> Array:
    chance = np.random.default_rng([5, seed])
    draw: dict[str, Callable[[], Any]] = {
        "Poisson of mean 0.02": lambda: chance.poisson(0.02, DAY),
        "Poisson of mean 0.1": lambda: chance.poisson(0.1, DAY),
        "log-normal": lambda: np.exp(chance.normal(size=DAY)),
        "exponential": lambda: chance.exponential(size=DAY),
        "Student t, 3 degrees": lambda: chance.standard_t(3, DAY),
    }
    return np.asarray(draw[kind](), np.float64)


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        ("Poisson of mean 0.02", 3),
        ("Poisson of mean 0.1", 1),
        ("log-normal", 1),
        ("exponential", 1),
        ("Student t, 3 degrees", 3),
    ],
)
def test_noise_has_few_alerts_on_its_first_day(kind: str, most: int) -> None:
    """Of 40 series; before, of Poisson of mean 0.02 nine."""
    opened = sum(len(_judged(_series(kind, seed))[0]) for seed in range(40))
    assert opened <= most


def test_an_outage_after_lone_blips_is_told_within_five_samples() -> None:
    up = np.ones(6000)
    up[[700, 1500, 2300, 3100, 4000]] = 0
    up[5000:5100] = 0
    news = _judged(up, kind="gauge")[0]
    assert [one for one in news if one >= 50_000] == pytest.approx([50_020], abs=30)


def test_a_line_that_seldom_moves_may_move_twice_in_a_row() -> None:
    counts = np.zeros(6000)
    counts[[600, 1100, 1700, 2500, 3000, 3600]] = 1
    counts[[4400, 4401]] = 1
    assert not any(one > 43_000 for one in _judged(counts)[0])
    counts[4402:4406] = 1
    assert any(one > 43_000 for one in _judged(counts)[0])


@settings(deadline=None, max_examples=50)
@given(runs=st.lists(st.integers(1, 60), min_size=2, max_size=60))
def test_runs_are_weighed_by_their_samples(runs: list[int]) -> None:
    s = np.zeros(SLOTS)
    for run in runs:
        s[AGE] += run
        s[RUN] = run
        s[AGE] -= 1  # the sample that ends a run is not counted yet
        usual_channels._learn_run(s)
        s[AGE] += 1
    weights = np.array(runs, float)
    mean = np.average(weights, weights=weights)
    assert s[RUN_MEAN] == pytest.approx(mean)
    assert s[RUN_SPREAD] == pytest.approx(np.average((weights - mean) ** 2, weights=weights))


@pytest.mark.parametrize(("seen", "times"), [(8, 24.0), (12, 16.0), (23, 8.0 * 24 / 23)])
def test_the_fewer_samples_the_farther_out_an_absurd_value_lies(seen: int, times: float) -> None:
    c = np.zeros(usual_scale.CHANNEL)
    c[usual_scale.COUNT], c[usual_scale.LEAST], c[usual_scale.MOST] = seen, 1.0, 3.0
    assert usual_evidence.extreme(c, 3.0 + 1.98 * times, np.inf, False, False) == pytest.approx(
        0.99
    )
    found = usual_evidence.extreme(c, 3.0 + 2.02 * times, np.inf, False, False)
    assert found == pytest.approx(1.01 * times / 8)
    nearer = usual_evidence.extreme(c, 3.0 + 2.02 * times, 1.98 * times, False, False)
    assert nearer == pytest.approx(0.99)  # a long memory had something nearer


def test_a_heavy_tail_may_reach_as_far_on_the_other_side() -> None:
    memory = np.zeros(usual_unseen.SLOTS_OF_UNSEEN)
    chance = np.random.default_rng(3)
    values = chance.standard_t(3, 4000).clip(-12, 12)
    values[2000] = -40.0
    for one in values.tolist():
        usual_unseen.unseen(memory, one, 0.0, True)
    assert not usual_unseen.record(memory, 60.0, 4.2)  # far beyond 12, not beyond 40
    assert usual_unseen.record(memory, 400.0, 4.2)
