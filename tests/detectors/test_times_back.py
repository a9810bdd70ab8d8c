"""Times that go back, stand still or leap, and states that nobody wrote: no kernel looks beside."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.domain.errors import StateError
from padit.domain.features import FeatureTable, Passed
from padit.domain.metric import Series
from padit.ops.compiled import kernels
from padit.transforms.detectors import (
    Detector,
    create_detector,
    lasting_kernel,
    usual_scale,
    usual_state,
    usual_unseen,
)
from padit.transforms.detectors.columns import Columns
from padit.transforms.detectors.discord import Discords
from padit.transforms.detectors.discord_kernel import HAS
from padit.transforms.detectors.usual_intervals import SIZE

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
YEAR = 365 * DAY
START = 1_767_225_600 * SECOND
NAMES = (
    "changepoint", "discord", "lasting", "multivariate", "no_data", "novelty", "relation",
    "residual", "usual",
)  # fmt: skip
PARAMETERS: dict[str, dict[str, Any]] = {"no_data": {"retention_sec": 7200}}
SERIES = tuple(Series("a", name) for name in ("flow", "hits_total", "power", "pump", "wave"))
WARM = 1_600
EXTREMES = [-(2**63), 2**63 - 1, 2**62, -1, 0, START]
FROM_HERE = [0, 1, -1, MINUTE, -MINUTE, -59 * MINUTE, -DAY, DAY, -30 * DAY, YEAR, -YEAR, -40 * YEAR]


def _values(size: int) -> Array:
    """A row for each window: three that belong together, a counter, a smooth wave."""
    chance = np.random.default_rng(11)
    flow = np.zeros(size)
    for i in range(1, size):
        flow[i] = 0.8 * flow[i - 1] + chance.normal()
    wave = np.sin(np.arange(size) / 7) + 0.5 * np.sin(np.arange(size) / 4.326)
    hits = np.cumsum(chance.integers(0, 9, size)).astype(np.float64)
    power, pump = 2 * flow + 0.2 * chance.normal(size=(2, size))
    return np.stack([flow, hits, power, pump, wave], axis=1)


def _table(end: Ints, time: Ints, value: Array, passed: Passed | None = None) -> FeatureTable:
    """A row of each series for each end, with a sample each."""
    n, until = len(end) * len(SERIES), int(end[-1])
    return FeatureTable(
        SERIES, np.repeat(end, len(SERIES)), np.tile(np.arange(len(SERIES), dtype=np.int32),
        len(end)), {}, np.arange(n + 1), np.repeat(time, len(SERIES)), value.ravel(), until,
        passed=passed,
    )  # fmt: skip


def _detector(name: str) -> Detector[Any]:
    return create_detector(name, PARAMETERS.get(name, {}))


@cache
def _known(name: str) -> bytes:
    """The state of a detector that knows its series."""
    end = START + (1 + np.arange(WARM)) * MINUTE
    detector = _detector(name)
    state, _ = detector.step(detector.initial(), _table(end, end - SECOND, _values(WARM)))
    return detector.dump(state)


@contextmanager
def _plainly() -> Iterator[None]:
    """Kernels as plain Python, which refuses an index beyond an array's end."""
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        for one in kernels():
            patch.setattr(one, "_dispatcher", one.py_func)
        yield


TIMES = st.one_of(
    st.builds(lambda by: START + WARM * MINUTE + by, st.sampled_from(FROM_HERE)),
    st.sampled_from(EXTREMES),
)
ENDS = st.one_of(
    st.tuples(TIMES, st.integers(1, 12), st.sampled_from([0, MINUTE])),  # it stands still, or not
    st.lists(TIMES, min_size=1, max_size=8).map(sorted),
)
VALUES = st.lists(st.sampled_from([0.0, 1.0, -3.5, 40.0, 1e9, 1e308, -1e308]), max_size=6)


def _tables(ends: Any, values: list[float]) -> FeatureTable:
    if isinstance(ends, tuple):
        first, count, step = ends
        ends = [min(first + n * step, 2**63 - 1) for n in range(count)]
    end = np.array(ends, np.int64)
    value = _values(WARM + len(end))[WARM:]
    value.ravel()[: len(values)] = values[: value.size]
    near = np.abs(end - START).max() < 50 * YEAR and (end > 0).all()
    last = int(end[-1])
    passed = Passed(last - len(end) * MINUTE, last, MINUTE, MINUTE) if near else None
    return _table(end, np.maximum(end, -(2**63) + SECOND) - SECOND, value, passed)


@pytest.mark.parametrize("name", NAMES)
@given(steps=st.lists(st.tuples(ENDS, VALUES), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_whatever_times_come_a_detector_gives_scores_and_looks_at_nothing_else(
    name: str, steps: list[tuple[Any, list[float]]]
) -> None:
    detector = _detector(name)
    state = detector.load(_known(name))
    for ends, values in steps:
        table = _tables(ends, values)
        with _plainly():
            state, scores = detector.step(state, table)
        for found in (scores.score, scores.sample, scores.level):
            if found is not None:
                known = found[~np.isnan(found)]
                assert ((known >= 0) & (known <= 1)).all()
        for row in np.flatnonzero(scores.score >= 0.5).tolist():
            assert detector.explain(table, scores, row)["text"]
        state = detector.load(saved := detector.dump(state))
        assert detector.dump(state) == saved


def test_a_window_that_is_repeated_has_no_more_partners_than_it_has_room_for() -> None:
    """Each of 40 equal ends was one more verdict, behind the array of eight."""
    detector = _detector("relation")
    state = detector.load(_known("relation"))
    end = np.full(40, START + WARM * MINUTE + MINUTE)
    table = _table(end, end - SECOND, _values(WARM + 40)[WARM:])
    with _plainly():
        _, scores = detector.step(state, table)
    assert np.isfinite(scores.score).any()
    assert scores.detail is not None
    assert set(scores.detail["partner"]) <= {0, *(one.metric_name for one in SERIES)}


BESIDE = [
    ("usual", "state", usual_state.STASHED, usual_state.STASH + 1),
    ("usual", "state", usual_state.CHANNEL_OF, 8),
    *[
        ("usual", "unseen", usual_unseen.MEMORY + k * SIZE + at, most)
        for k in range(4)
        for at, most in ((0, 32), (SIZE - 1, 31))
    ],
    ("lasting", "state", lasting_kernel.WHAT, 4),
]


@pytest.mark.parametrize(("name", "column", "at", "beyond"), BESIDE)
@pytest.mark.parametrize("bad", [-1.0, 0.0, float("nan"), 1e300])
def test_a_state_that_would_lead_a_kernel_astray_is_refused(
    name: str, column: str, at: int, beyond: int, bad: float
) -> None:
    detector = _detector(name)
    state: Columns = detector.load(_known(name))
    data: dict[str, Any] = state.data
    data[column][2, at] = beyond if bad == 0.0 else bad
    with pytest.raises(StateError, match="damaged"):
        detector.load(detector.dump(state))
    data[column][2, at] = beyond - 1  # the greatest that there may be
    detector.load(detector.dump(state))


def test_a_series_whose_memory_is_another_s_is_refused() -> None:
    detector = _detector("discord")
    state: Discords = detector.load(_known("discord"))
    numbers: dict[str, Any] = state.numbers.data
    assert numbers["state"][:, HAS].any()  # the wave
    for has in (0.0, 1.0):
        numbers["state"][:, HAS] = has
        with pytest.raises(StateError, match="do not belong together"):
            detector.load(detector.dump(state))


def test_a_range_of_nothing_is_left_as_it_is() -> None:
    channel = np.zeros(usual_scale.CHANNEL)
    channel[usual_scale.COUNT] = -5
    fit: Any = usual_scale.fit
    fit.py_func(channel, 1e-12)
    assert np.count_nonzero(channel) == 1


def test_bytes_of_a_state_are_checked_before_a_kernel_sees_them() -> None:
    version, keys, seen, data = msgspec.msgpack.decode(_known("lasting"))
    data["state"] = data["state"][:-8]
    with pytest.raises(StateError, match="does not fit"):
        _detector("lasting").load(msgspec.msgpack.encode([version, keys, seen, data]))
