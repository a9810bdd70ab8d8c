"""The window features, for many windows of many series in one pass.

A *segment* is the run of samples of one series in one window, in the order (time, value).
Every reduction runs along one segment only (`np.add.reduceat`, row-wise accumulate and sort),
so the features of a segment have the same bytes whichever other segments are computed with it.
So an alert can be recomputed from its own rows.

Definitions, for a segment x_0 ... x_(n-1) with mean m:
    std         population standard deviation
    p25 ... p99 percentiles with linear interpolation (Hyndman and Fan 1996, type 7)
    trend       least-squares slope over the index; 0 for one sample
    ewma        e = m; e = 0.3 x_i + 0.7 e for every sample in order
    gradient    x_(n-1) - m
    cusum       s = 0; s = max(0, s + x_i - m) for every sample in order (Page 1954, one-sided)
    seasonality the share of the strongest frequency in the periodogram of the detrended
                segment (Fisher 1929, g statistic), 0 to 1; 0 below 8 samples or if constant
    count       n
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FEATURES

__all__ = ["compute_features"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ALPHA = 0.3
# 0.3 * 0.7 ** 128 is 4e-21: leaving out an older sample changes no digit of a float64, unless it
# is more than 20,000 times larger than the average.
_EWMA_REACH = 128
_SAMPLES_AT_ONCE = 32_768  # keeps the working set in the cache; measured best of 8 k to 1 M
_SHORTEST_CYCLE = 8
_HUGE = 1e100  # squares of larger values overflow, so such segments are scaled first
_LARGEST = np.finfo(np.float64).max
_QUANTILES = {"p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95, "p99": 0.99}


def compute_features(value: Floats, start: Ints, count: Ints) -> dict[str, Floats]:
    """All features of k segments.

    Args:
        value: float64 (m,), finite, the samples of all series, in order within each segment.
        start: int64 (k,), position of each segment's first sample in `value`.
        count: int64 (k,), samples of each segment, at least 1. Segments may overlap.

    Returns:
        For each name of `FEATURES` float64 (k,), all finite.
    """
    table = {name: np.empty(len(start)) for name in FEATURES}
    # Segments of like length share a padded matrix, so no more than half of it is padding.
    order = np.argsort(count, kind="stable")
    for chosen in _batches(order, count[order]):
        part = _features_of(value, start[chosen], count[chosen])
        for name, column in part.items():
            table[name][chosen] = column
    return table


def _batches(order: Ints, count: Ints) -> Iterator[Ints]:
    first = 0
    while first < len(order):
        limit = np.searchsorted(count, 2 * count[first], side="right")
        last = min(int(limit), first + max(1, _SAMPLES_AT_ONCE // int(count[first])))
        yield order[first:last]
        first = last


def _features_of(value: Floats, start: Ints, count: Ints) -> dict[str, Floats]:
    width = int(count[-1])
    index = np.arange(width)
    inside = index < count[:, None]
    full = count[0] == width
    matrix = value[np.minimum(start[:, None] + index, len(value) - 1)]
    x = matrix.ravel() if full else matrix[inside]
    scale = _scale(np.abs(x), count)
    if scale is not None:
        matrix = matrix * scale[:, None]
        x = matrix.ravel() if full else matrix[inside]
    first = np.concatenate(([0], np.cumsum(count)[:-1]))
    number = (
        np.broadcast_to(index, matrix.shape).ravel()
        if full
        else np.broadcast_to(index, matrix.shape)[inside]
    )
    table = _moments(x, first, count, number)
    table |= _order_statistics(matrix, inside, full, count)
    deviation = table.pop("_deviation")
    table["cusum"] = _cusum(deviation, matrix.shape, inside, full)
    table["seasonality"] = _seasonality(
        table.pop("_detrended"),
        first,
        count,
        table["std"],
        np.maximum(np.abs(table["min"]), np.abs(table["max"])),
    )
    if scale is not None:
        _unscale(table, scale)
    table["count"] = count.astype(np.float64)
    return table


def _moments(x: Floats, first: Ints, count: Ints, number: Ints) -> dict[str, Floats]:
    n = count.astype(np.float64)
    low = np.minimum.reduceat(x, first)
    high = np.maximum.reduceat(x, first)
    # The rounded sum of equal values can lie outside their range; the mean may not.
    mean = np.clip(np.add.reduceat(x, first) / n, low, high)
    deviation = x - np.repeat(mean, count)
    std = np.sqrt(np.add.reduceat(deviation * deviation, first) / n)
    centred = number - np.repeat((n - 1) / 2, count)
    spread = np.where(count > 1, n * (n * n - 1) / 12, 1.0)
    trend = np.where(count > 1, np.add.reduceat(centred * deviation, first) / spread, 0.0)
    last = first + count - 1
    return {
        "mean": mean,
        "std": std,
        "min": low,
        "max": high,
        "trend": trend,
        "ewma": _ewma(x, last, count, mean),
        "gradient": x[last] - mean,
        "_deviation": deviation,
        "_detrended": deviation - np.repeat(trend, count) * centred,
    }


def _ewma(x: Floats, last: Ints, count: Ints, mean: Floats) -> Floats:
    reach = np.minimum(count, _EWMA_REACH)
    begin = np.concatenate(([0], np.cumsum(reach)[:-1]))
    age = np.repeat(begin + reach - 1, reach) - np.arange(int(reach.sum()))
    weight = _ALPHA * (1 - _ALPHA) ** np.arange(_EWMA_REACH, dtype=np.float64)
    weighted = x[np.repeat(last, reach) - age] * weight[age]
    return np.add.reduceat(weighted, begin) + (1 - _ALPHA) ** count.astype(np.float64) * mean


def _order_statistics(
    matrix: Floats, inside: NDArray[np.bool_], full: bool, count: Ints
) -> dict[str, Floats]:
    ranked = np.sort(matrix if full else np.where(inside, matrix, np.inf), axis=1)
    row = np.arange(len(count))
    table = {}
    for name, quantile in _QUANTILES.items():
        position = quantile * (count - 1)
        below = position.astype(np.int64)
        low = ranked[row, below]
        high = ranked[row, np.minimum(below + 1, count - 1)]
        table[name] = low + (high - low) * (position - below)
    return table


def _cusum(
    deviation: Floats, shape: tuple[int, int], inside: NDArray[np.bool_], full: bool
) -> Floats:
    """With prefix sums P the recursion ends at P_n - min(0, P_1, ..., P_n)."""
    if full:
        padded = deviation.reshape(shape)
    else:
        padded = np.zeros(shape)
        padded[inside] = deviation
    prefix = np.cumsum(padded, axis=1)
    floor: Floats = np.minimum(prefix.min(axis=1), 0.0)
    return np.asarray(prefix[:, -1] - floor)


def _seasonality(detrended: Floats, first: Ints, count: Ints, std: Floats, size: Floats) -> Floats:
    result = np.zeros(len(count))
    # A spread at the rounding error of the values has no frequency.
    useful = (count >= _SHORTEST_CYCLE) & (std > 1e-12 * size)
    for length in np.unique(count[useful]).tolist():
        rows = np.flatnonzero(useful & (count == length))
        series = detrended[first[rows][:, None] + np.arange(length)]
        power = np.abs(np.fft.rfft(series, axis=1)[:, 1 : (length + 1) // 2]) ** 2
        total = np.add.reduceat(power.ravel(), np.arange(len(rows)) * power.shape[1])
        residual = np.maximum(np.sqrt(total) / length, 1e-300)
        share = power.max(axis=1) / np.maximum(total, 1e-300)
        result[rows] = np.where(residual > 1e-12 * size[rows], share, 0.0)
    return result


def _scale(size: Floats, count: Ints) -> Floats | None:
    """Powers of two that bring segments with huge values near 1; None where there are none."""
    if not len(size) or size.max() <= _HUGE:
        return None
    largest = np.maximum.reduceat(size, np.concatenate(([0], np.cumsum(count)[:-1])))
    _, exponent = np.frexp(largest)
    scale: Floats = np.where(largest > _HUGE, np.ldexp(1.0, -np.minimum(exponent, 1000)), 1.0)
    return scale


def _unscale(table: dict[str, Floats], scale: Floats) -> None:
    for name in table:
        if name != "seasonality":
            with np.errstate(over="ignore"):
                table[name] = np.clip(table[name] / scale, -_LARGEST, _LARGEST)
