"""Cumulative histograms of any kind to what was observed since the point before.

A histogram is a list of *parts*, (lower, upper, count), in any order: explicit, exponential and
custom buckets differ only in their edges.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence

__all__ = ["QUANTILES", "Distributions", "Part", "explicit", "quantile", "summary"]

Part = tuple[float, float, float]

QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
"""Ending of a name, and the share that it stands for."""


class Distributions:
    """The last point of each histogram; bounded.

    Args:
        most: series that are remembered; the one not seen for longest is forgotten.
    """

    def __init__(self, most: int) -> None:
        self._seen: OrderedDict[object, tuple[dict[tuple[float, float], float], float]]
        self._seen = OrderedDict()
        self._most = most

    def since(
        self, key: object, parts: Sequence[Part], total: float, *, fresh: bool
    ) -> tuple[list[Part], float]:
        """(parts, sum) of what was observed since the point before.

        Args:
            key: the series.
            parts: of the cumulative histogram.
            total: sum of all its observations.
            fresh: whether its count began again at 0, so that all of it is new.

        No parts where the buckets' edges have changed, and a sum of NaN where the point before
        is not known.
        """
        now = {(lower, upper): count for lower, upper, count in parts if count}
        before = self._seen.pop(key, None)
        self._seen[key] = now, total
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        if fresh:
            return list(parts), total
        if before is None:
            return [], math.nan
        counts, sum_before = before
        if any(now.get(edges, 0.0) < count for edges, count in counts.items()):
            return [], total - sum_before
        new = [(*edges, count - counts.get(edges, 0.0)) for edges, count in now.items()]
        return new, total - sum_before

    def knows(self, key: object) -> bool:
        """Whether a point of the series was seen."""
        return key in self._seen


def explicit(bounds: Sequence[float], counts: Sequence[float]) -> list[Part]:
    """Parts of explicit buckets; the first begins at 0 unless its bound is below, the last is open.

    Args:
        bounds: upper bounds of all buckets but the last.
        counts: observations per bucket, one more than bounds.
    """
    if not bounds:
        return []
    lowers = [min(0.0, bounds[0]), *bounds]
    return list(zip(lowers, [*bounds, math.inf], counts, strict=True))


def quantile(parts: Sequence[Part], share: float) -> float | None:
    """A quantile, linear within its bucket; None without observations.

    Args:
        parts: in any order; an open bucket counts as its inner edge.
        share: 0.95 for the 95th percentile.

    >>> quantile([(10.0, 20.0, 10.0)], 0.5)
    15.0
    """
    filled = sorted(part for part in parts if part[2] > 0)
    rank = share * sum(count for *_, count in filled)
    passed = 0.0
    for position, (lower, upper, count) in enumerate(filled, 1):
        if passed + count >= rank or position == len(filled):
            if math.isinf(upper):
                return lower
            return upper if math.isinf(lower) else lower + (upper - lower) * (rank - passed) / count
        passed += count
    return None


def summary(parts: Sequence[Part], total: float, count: float) -> Iterator[tuple[str, float]]:
    """Endings of names and values of what was observed: its mean and quantiles, where finite."""
    if count <= 0:
        return
    if math.isfinite(total):
        yield "mean", total / count
    for ending, share in QUANTILES:
        value = quantile(parts, share)
        if value is not None and math.isfinite(value):
            yield ending, value
