"""The features sample by sample in plain Python, in the order that decides their last bit.

Nothing here is fast or shared with the compiled code; `reference.py` says what the features mean.
"""

import math
from functools import cache

LARGEST = math.ldexp(math.nextafter(1.0, 0.0), 1024)
DOWN = 2.0**-700


def features(values: list[float]) -> dict[str, float]:
    """All features of one segment."""
    huge = max(map(abs, values)) > 1e100
    scale = DOWN if huge else 1.0
    x = [(value + 0.0) * scale for value in values]
    n = len(x)
    low, high = min(x), max(x)
    mean = min(max(_sum(x) / n, low), high)
    deviation = [one - mean for one in x]
    ewma, cusum = mean, 0.0
    for one in x:
        ewma = 0.3 * one + 0.7 * ewma
    for one in deviation:
        cusum = max(0.0, cusum + one)
    ranked = sorted(x)
    found = {
        "mean": mean,
        "std": math.sqrt(_sum([one * one for one in deviation]) / n),
        "min": low,
        "max": high,
        **{name: _percentile(ranked, q) for name, q in (("median", 0.5), ("p25", 0.25))},
        **{name: _percentile(ranked, q) for name, q in (("p75", 0.75), ("p95", 0.95))},
        "p99": _percentile(ranked, 0.99),
        "trend": _slope(deviation),
        "ewma": ewma,
        "gradient": x[-1] - mean,
        "cusum": cusum,
    }
    found = {name: min(max(one / scale, -LARGEST), LARGEST) for name, one in found.items()}
    return {**found, "seasonality": seasonality(x, found_scale=max(abs(low), abs(high))),
            "count": float(n)}  # fmt: skip


def _sum(values: list[float]) -> float:
    """From the first to the last; Python's own `sum` compensates for rounding."""
    total = values[0]
    for one in values[1:]:
        total += one
    return total


def _slope(deviation: list[float]) -> float:
    n = len(deviation)
    if n == 1:
        return 0.0
    slope = 0.0
    for i, one in enumerate(deviation):
        slope += (i - (n - 1) / 2) * one
    return slope / (n * (n * float(n) - 1.0) / 12.0)


def _percentile(ranked: list[float], quantile: float) -> float:
    position = quantile * (len(ranked) - 1)
    below = int(position)
    low, high = ranked[below], ranked[min(below + 1, len(ranked) - 1)]
    return low + (high - low) * (position - below)


def seasonality(x: list[float], found_scale: float) -> float:
    """Fisher's g by the same chirp transform, with recursion where the compiled code loops."""
    n = len(x)
    if n < 8:
        return 0.0
    low, high = min(x), max(x)
    mean = min(max(_sum([0.0, *x]) / n, low), high)
    rest = [one - mean for one in x]
    std = math.sqrt(_sum([0.0, *(one * one for one in rest)]) / n)
    trend = _slope(rest)
    if std <= 1e-12 * found_scale:
        return 0.0
    rest = [one - trend * (i - (n - 1) / 2) for i, one in enumerate(rest)]
    if n % 2:
        power = [re * re + im * im for re, im in _transform([(one, 0.0) for one in rest])]
    else:
        z = _transform([(rest[i], rest[i + 1]) for i in range(0, n, 2)])
        power = [0.0] + [_power(z[k], z[n // 2 - k], turn(k, n)) for k in range(1, n // 2)]
    power = power[1 : (n + 1) // 2]
    total = _sum([0.0, *power])
    if max(math.sqrt(total) / n, 1e-300) <= 1e-12 * found_scale:
        return 0.0
    return max(0.0, *power) / max(total, 1e-300)


Complex = tuple[float, float]


def _power(one: Complex, other: Complex, at: Complex) -> float:
    even = ((one[0] + other[0]) / 2, (one[1] - other[1]) / 2)
    odd = ((one[1] + other[1]) / 2, (other[0] - one[0]) / 2)
    x = even[0] + (odd[0] * at[0] - odd[1] * at[1])
    y = even[1] + (odd[0] * at[1] + odd[1] * at[0])
    return x * x + y * y


def _times(one: Complex, other: Complex) -> Complex:
    return one[0] * other[0] - one[1] * other[1], one[0] * other[1] + one[1] * other[0]


def _plus(one: Complex, other: Complex) -> Complex:
    return one[0] + other[0], one[1] + other[1]


def _minus(one: Complex, other: Complex) -> Complex:
    return one[0] - other[0], one[1] - other[1]


def _transform(x: list[Complex]) -> list[Complex]:
    n = len(x)
    size = 1 << (2 * n - 2).bit_length()
    chirp = [turn(k * k % (2 * n), 2 * n) for k in range(n)]
    kernel = [(0.0, 0.0)] * size
    for k, (re, im) in enumerate(chirp):
        kernel[k] = kernel[-k] = (re, -im)
    kernel = [(re / size, im / size) for re, im in _forward(kernel)]
    spread = [_times(one, at) for one, at in zip(x, chirp, strict=True)]
    spread = _forward(spread + [(0.0, 0.0)] * (size - n))
    found = _backward([_times(one, at) for one, at in zip(spread, kernel, strict=True)])
    return [_times(one, at) for one, at in zip(found, chirp, strict=False)]


def _forward(x: list[Complex]) -> list[Complex]:
    half = len(x) // 2
    if not half:
        return x
    a, b = x[:half], x[half:]
    low = [_plus(one, other) for one, other in zip(a, b, strict=True)]
    high = [_times(_minus(a[k], b[k]), turn(k, 2 * half)) for k in range(half)]
    return _forward(low) + _forward(high)


def _backward(x: list[Complex]) -> list[Complex]:
    half = len(x) // 2
    if not half:
        return x
    a, b = _backward(x[:half]), _backward(x[half:])
    for k in range(half):
        re, im = turn(k, 2 * half)
        b[k] = (b[k][0] * re + b[k][1] * im, b[k][1] * re - b[k][0] * im)
    low = [_plus(one, other) for one, other in zip(a, b, strict=True)]
    return low + [_minus(one, other) for one, other in zip(a, b, strict=True)]


@cache
def turn(part: int, whole: int) -> Complex:
    """exp(-2 pi i part / whole): the angle from the nearest quarter, then Taylor polynomials."""
    quarter = (8 * part // whole + 1) // 2
    place = 4 * part - whole * quarter
    x = 6.283185307179586 * abs(place) / (4.0 * whole)
    sine = cosine = 1.0
    for k in range(8, 0, -1):
        sine = 1.0 - x * x / (2 * k * (2 * k + 1)) * sine
    for k in range(9, 0, -1):
        cosine = 1.0 - x * x / ((2 * k - 1) * (2 * k)) * cosine
    sine *= -x if place < 0 else x
    for _ in range(quarter % 4):
        cosine, sine = -sine, cosine
    return cosine, -sine
