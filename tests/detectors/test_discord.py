"""What `discord` reports: usual values in an order that a series never had."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.domain.config import Levels
from padit.domain.errors import StateError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors.base import Scores
from padit.transforms.detectors.discord import DiscordDetector, DiscordParameters
from padit.transforms.detectors.discord_kernel import BACK, LENGTH, nearest
from tests.detectors.discord_twin import nearest_twin, ratios_of, verdicts_of

START = 1_772_409_600_000_000
MINUTE = 60_000_000
JOINT = 5200
PROBE = Series("probe", "flow", "l")


def _wave(size: int = 6000, joint: int | None = JOINT, noise: float = 0.02) -> NDArray[np.float64]:
    """Two sines whose periods never meet; at the joint nine samples are missing."""
    at = np.arange(size) + 9.0 * (0 if joint is None else np.arange(size) >= joint)
    chance = np.random.default_rng(11).normal(size=size)
    return np.sin(at / 7) + 0.5 * np.sin(at / 7 * 1.618034) + noise * chance


def _table(value: NDArray[np.float64], first: int = 0, step: int = MINUTE) -> FeatureTable:
    """A window for each sample."""
    end = START + (first + 1 + np.arange(len(value))) * step
    return FeatureTable(
        (PROBE,), end, np.zeros(len(value), np.int32), {}, np.arange(len(value) + 1), end - 1,
        value, int(end[-1]),
    )  # fmt: skip


def _detector() -> DiscordDetector:
    return DiscordDetector(DiscordParameters(sensitivity=1.0, retention_sec=35 * 86400.0))


def _opened(value: NDArray[np.float64]) -> list[int]:
    detector = _detector()
    _, scores = detector.step(detector.initial(), _table(value))
    return np.flatnonzero(scores.score >= 0.7).tolist()


def test_a_joint_between_usual_values_is_reported_once_and_closes() -> None:
    value = _wave()
    detector = _detector()
    _, scores = detector.step(detector.initial(), _table(value))
    opened = np.flatnonzero(scores.score >= 0.7)
    assert len(opened) == 1
    assert JOINT <= opened[0] < JOINT + LENGTH
    assert scores.level is not None
    assert scores.level[JOINT + 3 * LENGTH :].max() < 0.7
    text = detector.explain(_table(value), scores, int(opened[0]))["text"]
    assert "the last 32 samples are like none of the 4096 before" in text


def test_a_wave_without_a_joint_is_never_news() -> None:
    assert _opened(_wave(joint=None)) == []


@pytest.mark.parametrize("kind", ["gauss", "walk", "exponential", "ar", "poisson"])
def test_noise_gets_no_memory_and_is_never_news(kind: str) -> None:
    chance = np.random.default_rng(3)
    noise = chance.normal(size=8640)
    slow = np.convolve(noise, 0.9 ** np.arange(60), "same")
    value = {
        "gauss": noise, "walk": noise.cumsum(), "exponential": np.exp(noise), "ar": slow,
        "poisson": chance.poisson(0.02, 8640).astype(float),
    }[kind]  # fmt: skip
    detector = _detector()
    state, scores = detector.step(detector.initial(), _table(value))
    assert len(state.memories.row) == 0
    assert not np.nanmax(np.nan_to_num(scores.score)) > 0


def test_samples_after_a_gap_are_not_compared_across_it() -> None:
    value = np.delete(_wave(joint=None), slice(JOINT, JOINT + 9))  # it went on, and was not sent
    table = _table(value)
    late = np.where(np.arange(len(value)) >= JOINT, 9 * MINUTE, 0)
    gap = FeatureTable(
        table.series, table.window_end + late, table.code, {}, table.offset, table.time + late,
        value, table.closed_until + 9 * MINUTE,
    )  # fmt: skip
    detector = _detector()
    _, scores = detector.step(detector.initial(), gap)
    assert not (scores.score >= 0.7).any()
    assert len(_opened(gap.value)) == 1  # the same samples without the gap are news


def test_the_twin_gives_the_same_verdicts_up_to_the_first_news() -> None:
    value = _wave()
    detector = _detector()
    _, scores = detector.step(detector.initial(), _table(value))
    expected = verdicts_of(ratios_of(value))
    assert scores.sample is not None
    for at, verdict in expected.items():
        assert scores.sample[at] == pytest.approx(verdict / (verdict + 3 / 7), abs=1e-6), at
    assert max(expected.values()) >= 1
    between = sorted(set(range(min(expected), max(expected))) - set(expected))
    assert not scores.sample[between].any()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(64, 600) | st.integers(BACK - 2, 2 * BACK + 100),
    top=st.sampled_from([1, 3, 127]),
)
def test_the_nearest_is_that_of_trying_all(seed: int, size: int, top: int) -> None:
    units = np.random.default_rng(seed).integers(-top, top + 1, size)
    ring = np.zeros(BACK + LENGTH, np.int8)
    for i, one in enumerate(units.tolist()):
        ring[i % BACK] = one
        if i % BACK < LENGTH:
            ring[BACK + i % BACK] = one
    scratch = np.empty(BACK + LENGTH, np.int32)
    found = nearest(ring, (size - 1) % BACK, min(size, BACK), scratch)
    assert found == nearest_twin(units.tolist())


def test_the_memory_ends_with_what_it_is_for() -> None:
    value = np.concatenate([_wave(3000, None), 50 * np.ones(2500)])
    detector = _detector()
    table = _table(value[:3000])
    state, _ = detector.step(detector.initial(), table)
    assert list(state.memories.row) == [PROBE]
    state, _ = detector.step(state, _table(value[3000:], 3000))
    assert state.memories.row == {}
    assert state.memories.data["ring"].shape == (0, BACK + LENGTH)


@pytest.mark.parametrize("cuts", [[1000], [7, 513, 2047, 5203], list(range(100, 6000, 100))])
def test_cuts_change_no_score_and_no_byte_of_state(cuts: Sequence[int]) -> None:
    value = _wave()
    whole, whole_scores = _detector().step(_detector().initial(), _table(value))
    detector, state = _detector(), _detector().initial()
    parts: list[Scores] = []
    for begin, end in zip([0, *cuts], [*cuts, len(value)], strict=True):
        state = detector.load(detector.dump(state))
        state, scores = detector.step(state, _table(value[begin:end], begin))
        parts.append(scores)
    assert np.concatenate([one.score for one in parts]).tobytes() == whole_scores.score.tobytes()
    assert detector.dump(state) == detector.dump(whole)


def test_a_series_that_is_forgotten_leaves_nothing() -> None:
    detector = _detector()
    state, _ = detector.step(detector.initial(), _table(_wave(3000, None)))
    gone = detector.forget(state, {PROBE})
    assert detector.dump(gone) == detector.dump(detector.initial())


def test_the_part_of_a_series_holds_its_memory_until_it_is_forgotten() -> None:
    detector = _detector()
    state, _ = detector.step(detector.initial(), _table(_wave(3000, None)))
    assert detector.dump(state.part_of(PROBE, 0)) == detector.dump(state)
    later = float(START + 4000 * MINUTE)
    assert detector.dump(state.part_of(PROBE, later)) == detector.dump(detector.initial())


def test_damaged_state_is_refused_with_the_remedy() -> None:
    with pytest.raises(StateError, match="restore another savepoint"):
        _detector().load(b"\xc1")


def test_what_lasts_is_accepted_and_what_is_usual_learnt_again() -> None:
    detector = _detector().at(Levels(accept_after=5 * MINUTE))
    state, scores = detector.step(detector.initial(), _table(_wave()))
    assert scores.accepted is not None
    at = np.flatnonzero(scores.accepted).tolist()
    assert len(at) == 1
    assert JOINT < at[0] < JOINT + LENGTH
    assert np.isnan(scores.score[-1])  # ratios are few again
    assert list(state.memories.row) == [PROBE]
