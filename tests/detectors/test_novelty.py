"""Novelty: what its memories know."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.domain.metric import Series
from padit.transforms.detectors import create_detector, novelty_block
from tests.detectors.tables import table_of

Array = NDArray[np.float64]
HORIZON = 256


def _state(size: int, many: int) -> dict[str, NDArray[Any]]:
    """Columns of random walks after `size` samples each."""
    walks = np.random.default_rng(11).normal(size=(many, size)).cumsum(axis=1)
    detector = create_detector("novelty", {"intervals": 8, "horizon": HORIZON})
    values = {Series("s", f"m{i:03}"): walk for i, walk in enumerate(walks)}
    state, _ = detector.step(detector.initial(), table_of(values))
    data: dict[str, NDArray[Any]] = state.data
    return data


def _by_trying_all(low: Array, high: Array, value: Array) -> Array:
    """To the nearest interval of both generations (n, 2, size), of values (n, w); 0 of none."""
    ends = [end.reshape(len(end), 1, -1) for end in (low, high)]
    with np.errstate(invalid="ignore"):
        far = np.maximum(np.maximum(ends[0] - value[..., None], value[..., None] - ends[1]), 0.0)
    nearest = np.where(np.isnan(far), np.inf, far).min(axis=2)
    return np.where(np.isfinite(nearest), nearest, 0.0)


@pytest.mark.parametrize("many", [1, 40])
@pytest.mark.parametrize("size", [HORIZON - 1, HORIZON, HORIZON + 1, 2 * HORIZON - 32, 3 * HORIZON])
def test_a_distance_is_to_the_nearest_of_both_generations(size: int, many: int) -> None:
    r = _state(size, many)
    new = np.random.default_rng(12).uniform(-40, 40, size=(many, 32))
    recent = np.concatenate([r["recent"], new], axis=1)
    memories = len(novelty_block.MEMORIES)
    statistics = np.repeat(new[:, None], memories, axis=1)
    found = novelty_block._distances(r, recent, statistics)
    for memory, channel in zip(range(memories), (0, 2, 3, 4), strict=True):
        want = _by_trying_all(r["low"][:, memory], r["high"][:, memory], new)
        assert found[:, channel].tobytes() == want.tobytes()


def _share_with_an_alarm(values: Array) -> float:
    """Of the series (n, samples), within their samples."""
    detector = create_detector("novelty", {})
    table = table_of({Series("s", f"m{i:03}"): one for i, one in enumerate(values)})
    _, scores = detector.step(detector.initial(), table)
    return float((scores.score >= 0.7).mean())


@pytest.mark.parametrize(
    ("kind", "most"), [("t2", 0.45), ("t3", 0.4), ("log-normal", 0.3), ("Gaussian", 0.15)]
)
def test_young_series_with_heavy_tails_are_mostly_quiet(kind: str, most: float) -> None:
    chance, size = np.random.default_rng(31), (100, 1000)
    values = {
        "t2": chance.standard_t(2, size),
        "t3": chance.standard_t(3, size),
        "log-normal": np.exp(chance.normal(size=size)),
        "Gaussian": chance.normal(size=size),
    }[kind]
    assert _share_with_an_alarm(values) <= most


def test_a_clear_spike_of_a_young_series_is_reported() -> None:
    values = np.random.default_rng(32).normal(size=(100, 410))
    values[:, 400] = 6.0  # standard deviations
    assert _share_with_an_alarm(values) >= 0.85
