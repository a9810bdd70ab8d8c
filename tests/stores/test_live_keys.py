"""Means and variances of the latest samples: no finite numbers can make them fail."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from padit.stores.live_keys import _VALUES

_LARGEST = 1.7976931348623157e308
_FLOATS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([_LARGEST, -_LARGEST, 1e308, 5e-324, 0.0, -0.0]),
)


@given(st.lists(_FLOATS, min_size=1, max_size=8))
@example([_LARGEST] * 3)
@example([-_LARGEST] * 7)
@example([_LARGEST, _LARGEST, -_LARGEST, 1.0])
def test_every_value_of_finite_numbers_is_one(values: list[float]) -> None:
    found = {name: make(values) for name, make in _VALUES.items()}
    assert found["last"] == values[-1]
    assert (found["min"], found["max"]) == (min(values), max(values))
    exact = sum(map(Fraction, values), Fraction(0)) / len(values)
    assert math.isclose(found["mean"], float(exact), rel_tol=1e-15, abs_tol=1e-323)
    assert not math.isnan(found["variance"])
    assert found["variance"] >= 0
    squares = [(Fraction(one) - exact) * (Fraction(one) - exact) for one in values]
    spread = sum(squares, Fraction(0)) / len(values)
    if spread < Fraction(10) ** 300:
        # The mean is rounded, which counts where all values are nearly the same.
        rounded = (Fraction(max(map(abs, values))) * Fraction(1, 2**52)) ** 2
        error = abs(Fraction(found["variance"]) - spread)
        assert error <= spread * Fraction(1, 10**12) + 4 * rounded + Fraction(1, 10**300)


@given(st.lists(_FLOATS, min_size=1, max_size=8), st.randoms())
def test_their_order_changes_nothing(values: list[float], chance) -> None:  # type: ignore[no-untyped-def]
    mixed = [*values]
    chance.shuffle(mixed)
    for name in ("mean", "variance", "min", "max"):
        assert _VALUES[name](mixed) == _VALUES[name](values)
