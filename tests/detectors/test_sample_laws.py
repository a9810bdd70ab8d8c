"""Laws of detectors that judge samples: any cut, any company, saved or not, the same bytes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.domain.errors import StateError
from padit.domain.metric import Series
from padit.transforms.detectors import create_detector
from tests.detectors.tables import cut, samples, table_of

NAMES = ("changepoint", "multivariate", "novelty", "residual", "usual")
HOSTILE = {
    "constant": np.full(900, 5.0),
    "one sample": np.array([3.0]),
    "huge": np.r_[np.random.default_rng(1).normal(size=600), [1e300, -1e300, 1e-300], np.ones(200)],
    "counter": np.arange(900.0) % 400 * 1e6,
    "on and off": np.repeat([0.0, 1.0] * 15, 30),
    "steps": np.repeat(np.arange(9.0), 100),
}


def _walk() -> dict[Series, Any]:
    rng = np.random.default_rng(5)
    values = {Series("s", f"m{i}"): rng.normal(size=700).cumsum() + 50 for i in range(3)}
    values[Series("t", "a")] = rng.normal(size=700)
    values[Series("t", "b")] = rng.normal(size=700)
    values[Series("t", "a")][600] = 40.0
    return values


@pytest.mark.parametrize("name", NAMES)
@given(at=st.lists(st.integers(1, 699), max_size=12, unique=True))
@settings(max_examples=10, deadline=None)
def test_any_cut_gives_the_same_bytes(name: str, at: list[int]) -> None:
    detector = create_detector(name, {})
    whole = samples(detector, [table_of(_walk())])
    parts = samples(detector, list(cut(_walk(), sorted(at))), reload=True)
    for key, expected in whole.items():
        assert parts[key].tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_other_sources_change_nothing(name: str) -> None:
    detector = create_detector(name, {})
    values = _walk()
    together = samples(detector, [table_of(values)])
    for source in ("s", "t"):
        own = {key: v for key, v in values.items() if key.source_id == source}
        for key, expected in samples(detector, [table_of(own)]).items():
            assert together[key].tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", HOSTILE)
def test_bad_input_neither_fails_nor_floods(name: str, kind: str) -> None:
    values = {Series("x", "a"): HOSTILE[kind], Series("x", "b"): HOSTILE[kind] * 2 + 1}
    for score in samples(create_detector(name, {}), [table_of(values)]).values():
        given_ = score[~np.isnan(score)]
        assert ((given_ >= 0) & (given_ <= 1)).all()
        if kind == "constant":
            assert not (given_ >= 0.7).any()


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_state_is_a_clear_error(name: str) -> None:
    detector = create_detector(name, {})
    with pytest.raises(StateError, match=r"damaged|version"):
        detector.load(b"\x01garbage")


def _one(name: str, value: Any) -> Any:
    return samples(create_detector(name, {}), [table_of({Series("x", "a"): value})])[
        Series("x", "a")
    ]


def test_an_absurd_outlier_does_not_disable_novelty() -> None:
    value = np.random.default_rng(3).normal(size=3000)
    value[1000], value[2001] = 1e300, 30.0
    assert set(np.flatnonzero(_one("novelty", value) >= 0.9)) >= {1000, 2001}


def test_memory_that_is_full_still_finds_what_is_new() -> None:
    value = np.random.default_rng(3).normal(size=60_000)
    value[[30_000, 59_000]] = 12.0
    assert (_one("novelty", value)[[30_000, 59_000]] >= 0.9).all()


def test_a_level_that_moves_all_the_time_is_reported_ever_less() -> None:
    noise = np.random.default_rng(3).normal(size=8000)
    score = _one("changepoint", np.repeat([0.0, 9.0] * 10, 400) + noise)
    told = score[score > 0]
    assert len(told) >= 12
    assert told[0] >= 0.7 > 0.5 > told[-1]


def test_change_point_reports_a_step_once() -> None:
    value = np.random.default_rng(3).normal(size=4000)
    value[2000:] += 8
    assert np.flatnonzero(_one("changepoint", value) >= 0.7).tolist() == [2003]
