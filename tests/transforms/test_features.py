"""Features: equal to a slow reference, finite for everything, the same bytes in any company."""

import math
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.features import FEATURES, LateFeatures
from padit.transforms import features as module
from padit.transforms import periodogram
from padit.transforms.features import compute_features
from tests.codecs.samples import steady
from tests.transforms import plainly, reference

MODERATE = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
EWMA = module._MOMENTS.index("ewma")
PI = Decimal("3.141592653589793238462643383279502884197169399375105820974944")
ANY = st.lists(
    st.one_of(
        st.floats(-1e6, 1e6),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from([0.0, -0.0, 1.0, 1e100, -1.7976931348623157e308, 5e-324]),
    ),
    min_size=1,
    max_size=40,
)
SEGMENT = st.one_of(
    st.lists(MODERATE, min_size=1, max_size=40),
    st.lists(st.sampled_from([0.0, 1.0, 5.5]), min_size=1, max_size=40),
)


def _compute(segments: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    value = np.array([x for segment in segments for x in segment])
    count = np.array([len(segment) for segment in segments])
    start = np.concatenate(([0], np.cumsum(count)[:-1])).astype(np.int64)
    return {name: column.tolist() for name, column in compute_features(value, start, count).items()}


def _check(segments: Sequence[Sequence[float]]) -> None:
    found = _compute(segments)
    assert tuple(found) == FEATURES
    for row, segment in enumerate(segments):
        expected = reference.features(list(segment))
        # A sum of n deviations has n times the rounding error of one.
        scale = max(1e-300, *map(abs, segment)) * len(segment)
        spread = expected["std"]
        for name in FEATURES:
            if name == "seasonality" and spread < 1e-6 * scale:
                continue  # the share of a frequency in rounding errors means nothing
            unit = 1.0 if name == "seasonality" else scale
            assert abs(found[name][row] - expected[name]) <= 1e-9 * unit, (name, segment)


@steady
@given(st.lists(SEGMENT, min_size=1, max_size=5))
def test_features_equal_a_slow_obvious_reference(segments: list[list[float]]) -> None:
    _check(segments)


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 127, 128, 129, 300, 1000])
def test_features_of_waves_and_walks_equal_the_reference(length: int) -> None:
    noise = np.random.default_rng(length).normal(size=length)
    wave = 20 + 5 * np.sin(np.arange(length) / 3) + noise
    walk = 1e4 + np.cumsum(noise)
    _check([wave.tolist(), walk.tolist(), (1e-8 * noise).tolist()])


def test_the_check_against_the_reference_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        _moments(*arguments)
        arguments[-1][EWMA] += 1e-6

    _moments = module._moments
    monkeypatch.setattr(module, "_moments", broken)
    with pytest.raises(AssertionError, match="ewma"):
        _check([[1.0, 2.0, 3.0]])


@steady
@given(st.lists(ANY, min_size=1, max_size=4))
def test_features_have_the_bits_of_plain_python(segments: list[list[float]]) -> None:
    found = _compute(segments)
    for row, segment in enumerate(segments):
        expected = plainly.features(segment)
        assert tuple(expected) == FEATURES
        for name, value in expected.items():
            assert found[name][row].hex() == value.hex(), (name, segment)


def test_compiled_code_has_the_bits_of_its_python(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(5)
    segments = [chance.normal(9, 4, size=n).tolist() for n in (1, 7, 8, 9, 12, 31, 32, 60, 97)]
    segments.append([1e300, -1e300, 5e-324, 0.0, -0.0] * 3)
    compiled = _compute(segments)
    for part in (module, periodogram):
        for name, function in vars(part).copy().items():
            if hasattr(function, "py_func"):
                monkeypatch.setattr(part, name, function.py_func)
    periodogram._plan.cache_clear()
    with np.errstate(all="ignore"):
        assert _compute(segments) == compiled
    periodogram._plan.cache_clear()


@pytest.mark.parametrize("whole", [1, 2, 3, 7, 8, 16, 60, 97, 300, 1024])
def test_sines_and_cosines_are_exact_to_an_ulp(whole: int) -> None:
    with localcontext() as exact:
        exact.prec = 40
        for part in range(whole):
            angle = 2 * PI * part / whole
            for found, first in zip(periodogram._turn(part, whole), (0, 1), strict=True):
                error = abs(Decimal(found) - _taylor(angle, first))
                assert error <= Decimal(math.ulp(1.0)), (part, whole)


def _taylor(angle: Decimal, power: int) -> Decimal:
    """The series of the cosine (power 0) or the sine (power 1)."""
    term, total = angle if power else Decimal(1), Decimal(0)
    for k in range(power, 90 + power, 2):
        total += term
        term *= -angle * angle / ((k + 1) * (k + 2))
    return total


def test_a_late_feature_of_one_row_is_that_of_the_column() -> None:
    value = np.random.default_rng(8).normal(size=90)
    start, count = np.array([0, 30, 50]), np.array([30, 20, 40])
    table = compute_features(value, start, count)
    assert isinstance(table, LateFeatures)
    rows = [table.of_row(row) for row in range(3)]
    column = table["seasonality"]
    assert [one["seasonality"] for one in rows] == column.tolist()
    assert rows == [table.of_row(row) for row in range(3)]
    assert [tuple(one) for one in rows] == [FEATURES] * 3


def test_a_late_feature_stays_late_where_rows_are_chosen_or_spread() -> None:
    value = np.random.default_rng(8).normal(size=90)
    start, count = np.array([0, 30, 50]), np.array([30, 20, 40])
    whole = dict(compute_features(value, start, count))
    table = compute_features(value, start, count)
    assert isinstance(table, LateFeatures)
    chosen, spread = table.select(np.array([2, 0])), table.spread(np.array([3, 0, 1]), 5)
    assert all("seasonality" not in one._columns for one in (table, chosen, spread))
    for name in FEATURES:
        column = whole[name]
        assert chosen[name].tolist() == [column[2], column[0]]
        assert spread[name].tolist() == [column[1], column[2], 0, column[0], 0]


@pytest.mark.parametrize(
    ("start", "count"), [([0], [0]), ([-1], [1]), ([2], [2]), ([0, 3], [3, 1]), ([0], [-1])]
)
def test_a_segment_outside_of_the_samples_is_refused(start: list[int], count: list[int]) -> None:
    with pytest.raises(IndexError, match="of the 3 samples"):
        compute_features(np.zeros(3), np.array(start), np.array(count))


@steady
@given(st.lists(SEGMENT, min_size=1, max_size=6), st.integers(1, 9))
def test_a_segment_has_the_same_bytes_alone_and_among_others(
    segments: list[list[float]], at_once: int
) -> None:
    together = _compute(segments)
    for row, segment in enumerate(segments):
        alone = _compute([segment])
        for name in FEATURES:
            assert np.float64(alone[name][0]).tobytes() == np.float64(together[name][row]).tobytes()


def test_a_segment_has_the_same_bytes_in_any_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    segments = [rng.normal(50, 9, size=n).tolist() for n in rng.integers(1, 200, size=60)]
    segments[7][3] = 1e300
    expected = _compute(segments)
    monkeypatch.setattr(module, "_SAMPLES_AT_ONCE", 64)
    assert _compute(segments) == expected
    assert _compute(segments[::-1]) == {name: column[::-1] for name, column in expected.items()}


def test_overlapping_segments_are_independent() -> None:
    value = np.random.default_rng(2).normal(size=30)
    start, count = np.array([0, 5, 5, 29]), np.array([30, 10, 20, 1])
    found = compute_features(value, start, count)
    for row in range(4):
        own = value[start[row] : start[row] + count[row]]
        alone = compute_features(own.copy(), np.array([0]), count[[row]])
        assert all(alone[name][0] == found[name][row] for name in FEATURES)


HUGE = st.floats(allow_nan=False, allow_infinity=False)


@steady
@given(st.lists(st.lists(HUGE, min_size=1, max_size=20), min_size=1, max_size=4))
def test_features_of_any_finite_values_are_finite(segments: list[list[float]]) -> None:
    for name, column in _compute(segments).items():
        assert all(map(math.isfinite, column)), name


@pytest.mark.parametrize("value", [0.0, -0.0, 5.3, -1e300, 1.7976931348623157e308, 5e-324])
@pytest.mark.parametrize("length", [1, 8, 500])
def test_a_constant_has_its_value_as_level_and_no_movement(value: float, length: int) -> None:
    found = {name: column[0] for name, column in _compute([[value] * length]).items()}
    for name in ("mean", "min", "max", "median", "p25", "p75", "p95", "p99"):
        assert found[name] == value
    assert found["ewma"] == pytest.approx(value, rel=1e-12)
    assert [found[name] for name in ("std", "trend", "gradient", "cusum", "seasonality")] == [0] * 5


def test_one_sample_has_its_value_as_level() -> None:
    found = _compute([[7.25]])
    assert [found[name] for name in ("mean", "median", "p99", "count")] == [[7.25]] * 3 + [[1.0]]
    assert [found[name] for name in ("std", "trend", "gradient", "cusum")] == [[0.0]] * 4
    assert found["ewma"] == pytest.approx([7.25])


def test_a_pure_wave_is_all_season_and_a_step_is_not() -> None:
    wave = [math.sin(2 * math.pi * i / 8) for i in range(64)]
    step = [0.0] * 32 + [1.0] * 32
    found = _compute([wave, step])["seasonality"]
    assert found[0] > 0.95
    assert found[1] < 0.8


def test_no_segments_give_empty_columns() -> None:
    nothing = np.empty(0, np.int64)
    assert all(len(c) == 0 for c in compute_features(np.empty(0), nothing, nothing).values())
