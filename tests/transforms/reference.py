"""Slow, obvious references: loops over single samples, no arrays beyond a list."""

import cmath
import math
from bisect import bisect_left
from typing import NamedTuple

Sample = tuple[tuple[str, str], int, float]
"""Series, microseconds, value."""


def percentile(ranked: list[float], quantile: float) -> float:
    position = quantile * (len(ranked) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (position - below)


def trend(values: list[float]) -> float:
    n = len(values)
    if n == 1:
        return 0.0
    middle, mean = (n - 1) / 2, math.fsum(values) / n
    spread = math.fsum((i - middle) ** 2 for i in range(n))
    return math.fsum((i - middle) * (value - mean) for i, value in enumerate(values)) / spread


def seasonality(values: list[float]) -> float:
    """Fisher's g: the strongest of the Fourier frequencies of the detrended values."""
    n = len(values)
    if n < 8 or max(values) == min(values):
        return 0.0
    mean, slope = math.fsum(values) / n, trend(values)
    rest = [value - mean - slope * (i - (n - 1) / 2) for i, value in enumerate(values)]
    power = [
        abs(sum(x * cmath.exp(-2j * math.pi * k * i / n) for i, x in enumerate(rest))) ** 2
        for k in range(1, (n + 1) // 2)
    ]
    return max(power) / math.fsum(power)


def features(values: list[float]) -> dict[str, float]:
    n = len(values)
    mean = math.fsum(values) / n
    ranked = sorted(values)
    ewma, cusum = mean, 0.0
    for value in values:
        ewma = 0.3 * value + 0.7 * ewma
        cusum = max(0.0, cusum + value - mean)
    return {
        "mean": mean,
        "std": math.sqrt(math.fsum((value - mean) ** 2 for value in values) / n),
        "min": ranked[0],
        "max": ranked[-1],
        "median": percentile(ranked, 0.5),
        "p25": percentile(ranked, 0.25),
        "p75": percentile(ranked, 0.75),
        "p95": percentile(ranked, 0.95),
        "p99": percentile(ranked, 0.99),
        "trend": trend(values),
        "ewma": ewma,
        "gradient": values[-1] - mean,
        "cusum": cusum,
        "seasonality": seasonality(values),
        "count": float(n),
    }


class Window(NamedTuple):
    """One series in one window."""

    end: int
    series: tuple[str, str]
    samples: list[tuple[int, float]]
    new: list[tuple[int, float]]


def windows(
    samples: list[Sample], size: int, interval: int, max_samples: int, until: int
) -> list[Window]:
    """Every window that ends by `until` and holds a sample, in the order (end, series)."""
    by_series: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for series, time, value in sorted(set(samples)):
        by_series.setdefault(series, []).append((time, value))
    found = []
    for series, own in by_series.items():
        end = own[0][0] // interval * interval + interval
        while end <= min(until, own[-1][0] + size):
            inside = own[bisect_left(own, (end - size,)) : bisect_left(own, (end,))]
            new = own[bisect_left(own, (end - interval,)) : bisect_left(own, (end,))]
            if inside:
                found.append(Window(end, series, inside[-max_samples:], new))
            end += interval
    return sorted(found)
