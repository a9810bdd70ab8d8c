"""The window features, for many windows of many series in one pass of compiled code.

A *segment* is the run of samples of one series in one window, in the order (time, value).
Each feature is computed sample by sample in that order, by plain operations in a fixed order, so
a segment has the same bytes on every processor, and whichever other segments are computed with it.
So an alert can be recomputed from its own rows. Only sorting is left to numpy: sorted numbers are
the same however they are sorted (-0.0 is made 0.0 before).

Definitions, for a segment x_0 ... x_(n-1) with mean m:
    std         population standard deviation
    p25 ... p99 percentiles with linear interpolation (Hyndman and Fan 1996, type 7)
    trend       least-squares slope over the index; 0 for one sample
    ewma        e = m; e = 0.3 x_i + 0.7 e for every sample in order
    gradient    x_(n-1) - m
    cusum       s = 0; s = max(0, s + x_i - m) for every sample in order (Page 1954, one-sided)
    seasonality the share of the strongest frequency in the periodogram of the detrended
                segment (Fisher 1929, g statistic), 0 to 1; 0 below 8 samples or if constant;
                computed when it is read (`transforms/periodogram.py`)
    count       n
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import LateFeatures
from padit.ops.compiled import kernel, lean_kernel
from padit.transforms.periodogram import seasonality

__all__ = ["compute_features"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ALPHA, _REST = 0.3, 0.7
_SAMPLES_AT_ONCE = 32_768  # keeps the working set in the cache; measured best of 8 k to 1 M
_HUGE = 1e100  # squares of larger values overflow, so such segments are scaled first
_DOWN = 2.0**-700
_LARGEST = float(np.finfo(np.float64).max)
_QUANTILES = (("p25", 0.25), ("median", 0.5), ("p75", 0.75), ("p95", 0.95), ("p99", 0.99))
_WANTED = np.array([quantile for _, quantile in _QUANTILES])
_MOMENTS = ("mean", "std", "min", "max", "trend", "ewma", "gradient", "cusum")
_NAMES = (*_MOMENTS, *(name for name, _ in _QUANTILES))


def compute_features(value: Floats, start: Ints, count: Ints) -> Mapping[str, Floats]:
    """All features of k segments.

    Args:
        value: float64 (m,), finite, the samples of all series, in order within each segment.
        start: int64 (k,), position of each segment's first sample in `value`.
        count: int64 (k,), samples of each segment, at least 1. Segments may overlap.

    Returns:
        For each name of `FEATURES` float64 (k,), all finite.

    Raises:
        IndexError: a segment is empty, or not within the samples.
    """
    shortest, longest = _lengths(start, count, len(value))
    if shortest < 1:
        message = f"a segment lies outside of the {len(value)} samples, or is empty"
        raise IndexError(message)
    found = np.empty((len(_NAMES), len(start)))
    quantiles = found[len(_MOMENTS) :]
    for chosen, width in _batches(count, shortest, longest):
        matrix = np.empty((len(chosen), width))
        _moments(value, start, count, chosen, matrix, found)
        matrix.sort(axis=1)
        _quantiles(matrix, count, chosen, _WANTED, quantiles)
    columns = dict(zip(_NAMES, found, strict=True))
    columns["count"] = count.astype(np.float64)
    return LateFeatures(
        columns, "seasonality", lambda rows: seasonality(value, start[rows], count[rows])
    )


@kernel
def _lengths(start: Ints, count: Ints, samples: int) -> tuple[int, int]:
    """The shortest and the longest segment; 0 if one is not within the samples."""
    shortest, longest = samples + 1, 0
    for i in range(len(start)):
        if start[i] < 0 or start[i] > samples or count[i] > samples - start[i]:
            return 0, 0
        shortest, longest = min(shortest, count[i]), max(longest, count[i])
    return shortest, longest


def _batches(count: Ints, shortest: int, longest: int) -> Iterator[tuple[Ints, int]]:
    """Segments of like length share a padded matrix, so no more than half of it is padding.

    Numbers of segments, and the longest of them.
    """
    if not len(count):
        return
    if longest == shortest and longest * len(count) <= _SAMPLES_AT_ONCE:
        yield np.arange(len(count)), longest
        return
    order = np.argsort(count, kind="stable")
    ranked = count[order]
    first = 0
    while first < len(order):
        limit = np.searchsorted(ranked, 2 * ranked[first], side="right")
        last = min(int(limit), first + max(1, _SAMPLES_AT_ONCE // int(ranked[first])))
        yield order[first:last], int(ranked[last - 1])
        first = last


@lean_kernel
def _copy(segment: Floats, line: Floats) -> tuple[float, float]:
    """Write the values, 0.0 for -0.0, then infinities; returns the least and the greatest."""
    low = high = segment[0] + 0.0
    for i in range(len(segment)):
        x = segment[i] + 0.0
        line[i] = x
        low = min(low, x)
        high = max(high, x)
    line[len(segment) :] = np.inf
    return low, high


@kernel
def _moments(
    value: Floats, start: Ints, count: Ints, chosen: Ints, matrix: Floats, out: Floats
) -> None:
    """Everything but the percentiles, and the values of each segment, padded with infinities.

    Args:
        value: as in `compute_features`, like the next two.
        start: (k,).
        count: (k,).
        chosen: int64 (c,), which segments.
        matrix: float64 (c, width), written: the values of each, 0.0 for -0.0.
        out: float64 (8 or more, k), written: in the order of `_MOMENTS`.
    """
    for row in range(len(chosen)):
        segment = chosen[row]
        n = count[segment]
        low, high = _copy(value[start[segment] : start[segment] + n], matrix[row])
        scale = _DOWN if max(abs(low), abs(high)) > _HUGE else 1.0
        low, high, total = low * scale, high * scale, 0.0
        for i in range(n):
            total += matrix[row, i] * scale
        # The rounded sum of equal values can lie outside their range; the mean may not.
        mean = min(max(total / n, low), high)
        middle = (n - 1) / 2
        squares = slope = cusum = 0.0
        ewma = mean
        for i in range(n):
            x = matrix[row, i] * scale
            deviation = x - mean
            squares += deviation * deviation
            slope += (i - middle) * deviation
            ewma = _ALPHA * x + _REST * ewma
            cusum = max(0.0, cusum + deviation)
        spread = n * (n * float(n) - 1.0) / 12.0
        found = (
            mean,
            np.sqrt(squares / n),
            low,
            high,
            slope / spread if n > 1 else 0.0,
            ewma,
            matrix[row, n - 1] * scale - mean,
            cusum,
        )
        for i in range(len(found)):
            out[i, segment] = min(max(found[i] / scale, -_LARGEST), _LARGEST)


@kernel
def _quantiles(ranked: Floats, count: Ints, chosen: Ints, quantile: Floats, out: Floats) -> None:
    """Percentiles of sorted segments.

    Args:
        ranked: float64 (c, width), the values of each chosen segment in order, then infinities.
        count: int64 (k,), of all segments.
        chosen: int64 (c,), which segments.
        quantile: float64 (q,), which percentiles, 0 to 1.
        out: float64 (q, k), written.
    """
    for row in range(len(chosen)):
        segment = chosen[row]
        n = count[segment]
        scale = _DOWN if max(abs(ranked[row, 0]), abs(ranked[row, n - 1])) > _HUGE else 1.0
        for i in range(len(quantile)):
            position = quantile[i] * (n - 1)
            below = int(position)
            low = ranked[row, below] * scale
            high = ranked[row, min(below + 1, n - 1)] * scale
            found = low + (high - low) * (position - below)
            out[i, segment] = min(max(found / scale, -_LARGEST), _LARGEST)
