"""log, exp and pow with the same bits on every machine, for use in kernels.

Those of the C library and of numpy differ from machine to machine in the last bit. These are made
of operations that IEEE 754 rounds correctly everywhere (+ - * /) and of the bits of a float64. All
are within 1 ulp of the true value; special values are those of C99, annex F.

`log` and `exp` are the methods of fdlibm (Sun Microsystems, 1993); `pow` is exp(y log x) with the
logarithm as the unevaluated sum of two float64 (Dekker 1971, Numerische Mathematik 18).
"""

import numpy as np

from padit.ops.compiled import kernel, warm_up

__all__ = ["exp", "log", "pow"]

_INF, _NAN = float("inf"), float("nan")
_MANTISSA = (1 << 52) - 1
_ONE = 1023 << 52  # the bits of 1.0
_SQRT_HALF = 0x3FE6A09E << 32  # where the bits of sqrt(1/2) begin
_DENORMAL, _TWO_54 = 2.0**-1022, 2.0**54
_LN2, _LN2_REST = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # the first has 32 bits
_LOG2_E = 1.44269504088896338700
_OVERFLOW, _UNDERFLOW = 7.09782712893383973096e02, -7.45133219101941108420e02
_SPLIT = 134217729.0  # 2**27 + 1
_BEYOND = 2.0**65  # of y: as x is not 1, pow is 0 or infinite
_THIRD, _THIRD_REST = 1.0 / 3.0, 1.850371707708594e-17
_FIFTH, _FIFTH_REST = 0.2, -1.1102230246251566e-17
_SEVENTH, _SEVENTH_REST = 1.0 / 7.0, 7.93016446160826e-18


@kernel
def log(x: float) -> float:
    """The natural logarithm; -inf at 0, NaN below."""
    if not x > 0.0:
        return -_INF if x == 0.0 else _NAN
    if x == _INF:
        return x
    k, f = _reduced(x)
    half = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    odd = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01
               + w * 1.531383769920937332e-01))  # fmt: skip
    even = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01
                + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)))  # fmt: skip
    return s * (half + (odd + even)) + k * _LN2_REST - half + f + k * _LN2


@kernel
def exp(x: float) -> float:
    """The exponential; inf beyond 709.78, 0 below -745.13."""
    return _exp(x, 0.0)


@kernel
def pow(x: float, y: float) -> float:
    """The number x to the power of y; NaN where x is negative and y no integer."""
    if y == 0.0 or x == 1.0:
        return 1.0
    if x != x or y != y:
        return _NAN
    size = abs(x)
    sign = 1.0
    if x < 0.0 or (x == 0.0 and _bits(x) < 0):
        whole = abs(y) >= 2.0**53 or y == float(int(y))
        if not whole and size != 0.0 and size != _INF:
            return _NAN
        sign = -1.0 if whole and abs(y) < 2.0**53 and int(y) % 2 != 0 else 1.0
    if size == 1.0:
        return sign
    if size == 0.0 or size == _INF or abs(y) >= _BEYOND:
        return sign * (_INF if (size > 1.0) == (y > 0.0) else 0.0)
    high, low = _log(size)
    product, rest = _times(high, y)
    return sign * _exp(product, rest + low * y)


@kernel
def _bits(x: float) -> int:
    return int(np.float64(x).view(np.int64))


@kernel
def _of_bits(bits: int) -> float:
    return float(np.int64(bits).view(np.float64))


@kernel
def _reduced(x: float) -> tuple[float, float]:
    """The k and f of x = 2**k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2); x > 0 and finite."""
    k = 0.0
    if x < _DENORMAL:
        k = -54.0
        x *= _TWO_54
    bits = _bits(x) + (_ONE - _SQRT_HALF)
    k += float((bits >> 52) - 1023)
    return k, _of_bits((bits & _MANTISSA) + _SQRT_HALF) - 1.0


@kernel
def _exp(x: float, rest: float) -> float:
    """The exponential of x + rest, where the rest is at most the last bit of x."""
    if x != x:
        return x
    if x > _OVERFLOW:
        return _INF
    if x < _UNDERFLOW:
        return 0.0
    k = int(_LOG2_E * x + (0.5 if x > 0.0 else -0.5))
    high = x - k * _LN2
    low = k * _LN2_REST - rest
    r = high - low
    t = r * r
    c = r - t * (1.66666666666666019037e-01 + t * (-2.77777777770155933842e-03
                 + t * (6.61375632143793436117e-05 + t * (-1.65339022054652515390e-06
                 + t * 4.13813679705723846039e-08))))  # fmt: skip
    y = 1.0 - ((low - r * c / (2.0 - c)) - high)
    if k > 1000:
        return y * _of_bits((k - 1000 + 1023) << 52) * _of_bits((1000 + 1023) << 52)
    if k < -1000:
        return y * _of_bits((k + 1000 + 1023) << 52) * _of_bits((-1000 + 1023) << 52)
    return y * _of_bits((k + 1023) << 52)


@kernel
def _plus(a: float, b: float) -> tuple[float, float]:
    """The rounded sum and its error (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@kernel
def _times(a: float, b: float) -> tuple[float, float]:
    """The rounded product and its error (Dekker)."""
    product = a * b
    long = _SPLIT * a
    a_high = long - (long - a)
    long = _SPLIT * b
    b_high = long - (long - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@kernel
def _times_plus(
    a: float, a_low: float, b: float, b_low: float, c: float, c_low: float
) -> tuple[float, float]:
    """The sum a b + c of pairs."""
    product, rest = _times(a, b)
    total, error = _plus(c, product)
    return _plus(total, error + (rest + (a * b_low + a_low * b) + c_low))


@kernel
def _log(x: float) -> tuple[float, float]:
    """The logarithm as a pair: 2 s (1 + s^2/3 + s^4/5 + ...) + k log 2, s = f / (2 + f)."""
    k, f = _reduced(x)
    below, below_low = _plus(2.0, f)
    s = f / below
    product, rest = _times(s, below)
    s_low = ((f - product) - rest - s * below_low) / below
    z, z_low = _times(s, s)
    z_low += 2.0 * s * s_low
    tail = 0.0
    for n in range(27, 7, -2):
        tail = tail * z + 1.0 / n
    high, low = _times_plus(z, z_low, tail, 0.0, _SEVENTH, _SEVENTH_REST)
    high, low = _times_plus(z, z_low, high, low, _FIFTH, _FIFTH_REST)
    high, low = _times_plus(z, z_low, high, low, _THIRD, _THIRD_REST)
    high, low = _times_plus(z, z_low, high, low, 1.0, 0.0)
    high, low = _times_plus(high, low, 2.0 * s, 2.0 * s_low, k * _LN2, 0.0)
    return _plus(high, low + k * _LN2_REST)


@warm_up
def functions() -> None:
    """All three, of float64."""
    log(2.0)
    exp(1.0)
    pow(2.0, 0.5)
