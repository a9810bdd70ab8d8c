"""log, exp and pow: within 1 ulp of the true value, which `decimal` computes to 60 digits."""

import decimal
import math
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from padit.transforms import exact
from tests.codecs.samples import steady

TRUE = decimal.Context(prec=60, Emin=-(10**9), Emax=10**9)
INF, NAN = math.inf, math.nan
LARGEST = 1.7976931348623157e308
anything = st.floats(width=64)
finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=5e-324, max_value=LARGEST)
near_one = st.floats(-1e-6, 1e-6).map(lambda one: 1.0 + one)


def ulps(found: float, true: Decimal) -> float:
    """How far the result is from the true value, in units of its last place."""
    near = float(true) if abs(true) < Decimal(LARGEST) else LARGEST
    if math.isinf(found):
        over = abs(true) >= Decimal(LARGEST) + Decimal(math.ulp(LARGEST)) / 2
        return 0.0 if over and (found > 0) == (true > 0) else INF
    return float(abs(Decimal(found) - true) / Decimal(math.ulp(near)))


@steady
@given(st.one_of(positive, near_one, st.floats(0.5, 2.0)))
@example(5e-324)
@example(2.2250738585072009e-308)
@example(0.7071067811865475)
@example(LARGEST)
def test_log_is_within_one_ulp(x: float) -> None:
    assert ulps(exact.log(x), TRUE.ln(Decimal(x))) <= 1.0


@steady
@given(st.one_of(st.floats(-746, 710), st.floats(-1, 1), st.floats(-1e-8, 1e-8)))
@example(709.782712893384)
@example(709.7827128933841)
@example(-745.1332191019411)
@example(-745.1332191019412)
@example(-708.4)
@example(0.34657359027997264)
def test_exp_is_within_one_ulp(x: float) -> None:
    assert ulps(exact.exp(x), TRUE.exp(Decimal(x))) <= 1.0


@steady
@given(
    st.one_of(positive, near_one, st.floats(0.5, 2.0)),
    st.one_of(st.floats(-5, 5), st.integers(-60, 60).map(float), st.floats(-1100, 1100)),
)
@example(1.0000000000000002, 3e18)
@example(0.9999999999999999, 3e18)
@example(2.0, -1074.0)
@example(10.0, 308.0)
@example(0.7, 128.0)
def test_pow_is_within_one_ulp(x: float, y: float) -> None:
    true = TRUE.multiply(TRUE.ln(Decimal(x)), Decimal(y))
    if abs(true) < 1000:
        assert ulps(exact.pow(x, y), TRUE.exp(true)) <= 1.0
    else:
        assert exact.pow(x, y) == (INF if true > 0 else 0.0)


@steady
@given(finite, st.integers(-40, 40))
def test_a_negative_base_has_the_sign_of_its_integer_power(x: float, n: int) -> None:
    found = exact.pow(-abs(x), float(n))
    assert abs(found) == exact.pow(abs(x), float(n))
    assert math.copysign(1.0, found) == (-1.0 if n % 2 else 1.0)


# What C99, annex F, states of special values.
SPECIAL: list[tuple[Callable[..., float], tuple[float, ...], float]] = [
    (exact.log, (0.0,), -INF),
    (exact.log, (-0.0,), -INF),
    (exact.log, (-1.0,), NAN),
    (exact.log, (-INF,), NAN),
    (exact.log, (1.0,), 0.0),
    (exact.log, (INF,), INF),
    (exact.log, (NAN,), NAN),
    (exact.exp, (0.0,), 1.0),
    (exact.exp, (-0.0,), 1.0),
    (exact.exp, (INF,), INF),
    (exact.exp, (-INF,), 0.0),
    (exact.exp, (1e308,), INF),
    (exact.exp, (-1e308,), 0.0),
    (exact.exp, (5e-324,), 1.0),
    (exact.exp, (NAN,), NAN),
    *((exact.pow, (x, 0.0), 1.0) for x in (0.0, -0.0, 2.0, -2.0, INF, -INF, NAN)),
    *((exact.pow, (1.0, y), 1.0) for y in (0.5, -INF, INF, NAN)),
    *((exact.pow, (-1.0, y), 1.0) for y in (INF, -INF, 2.0, 1e300)),
    (exact.pow, (-1.0, 3.0), -1.0),
    (exact.pow, (NAN, 1.0), NAN),
    (exact.pow, (2.0, NAN), NAN),
    (exact.pow, (-2.0, 0.5), NAN),
    (exact.pow, (-5e-324, -0.5), NAN),
    (exact.pow, (0.0, 3.0), 0.0),
    (exact.pow, (-0.0, 3.0), -0.0),
    (exact.pow, (-0.0, 2.0), 0.0),
    (exact.pow, (-0.0, 0.5), 0.0),
    (exact.pow, (0.0, -3.0), INF),
    (exact.pow, (-0.0, -3.0), -INF),
    (exact.pow, (-0.0, -2.0), INF),
    (exact.pow, (-0.0, -0.5), INF),
    (exact.pow, (0.0, INF), 0.0),
    (exact.pow, (0.0, -INF), INF),
    (exact.pow, (0.5, INF), 0.0),
    (exact.pow, (0.5, -INF), INF),
    (exact.pow, (2.0, INF), INF),
    (exact.pow, (2.0, -INF), 0.0),
    (exact.pow, (-2.0, INF), INF),
    (exact.pow, (INF, 0.5), INF),
    (exact.pow, (INF, -0.5), 0.0),
    (exact.pow, (-INF, 3.0), -INF),
    (exact.pow, (-INF, 2.0), INF),
    (exact.pow, (-INF, 0.5), INF),
    (exact.pow, (-INF, -3.0), -0.0),
    (exact.pow, (-INF, -2.0), 0.0),
    (exact.pow, (-INF, -0.5), 0.0),
    (exact.pow, (2.0, 1e300), INF),
    (exact.pow, (-2.0, 1e300), INF),
    (exact.pow, (1.5, -1e300), 0.0),
    (exact.pow, (5e-324, 1e-300), 1.0),
    (exact.pow, (LARGEST, 1.0), LARGEST),
    (exact.pow, (5e-324, 1.0), 5e-324),
]


@pytest.mark.parametrize(("function", "arguments", "wanted"), SPECIAL)
def test_special_values_are_those_of_c99(
    function: Callable[..., float], arguments: tuple[float, ...], wanted: float
) -> None:
    found = function(*arguments)
    assert (math.isnan(found) and math.isnan(wanted)) or (
        found == wanted and math.copysign(1.0, found) == math.copysign(1.0, wanted)
    )


@steady
@given(anything, anything)
def test_no_number_raises_compiled_or_as_plain_python_and_both_give_the_same_bits(
    x: float, y: float
) -> None:
    for function, arguments in ((exact.log, (x,)), (exact.exp, (x,)), (exact.pow, (x, y))):
        compiled = np.float64(function(*arguments)).tobytes()
        plain = function.py_func(*arguments)  # type: ignore[union-attr]
        assert np.isnan(plain) or np.float64(plain).tobytes() == compiled


@pytest.mark.parametrize("function", [exact.log, exact.exp])
def test_they_are_monotonic_over_neighbours(function: Callable[[float], float]) -> None:
    chance = np.random.default_rng(1)
    for x in chance.uniform(0.01, 700, 2000).tolist():
        assert function(math.nextafter(x, INF)) >= function(x)
