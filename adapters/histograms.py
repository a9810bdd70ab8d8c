"""Cumulative histograms of any kind to what was observed since the point before.

A histogram is a list of *parts*, (lower, upper, count), in any order: explicit, exponential and
custom buckets differ only in their edges.
"""

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence

__all__ = ["QUANTILES", "Distribution", "Distributions", "Part", "explicit", "quantile", "summary"]

Part = tuple[float, float, float]

QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
"""Ending of a name, and the share that it stands for."""


class Distribution:
    """The last point of one histogram; begins with the first.

    Args:
        parts: of the cumulative histogram.
        total: sum of all its observations, NaN if it is not known.
    """

    __slots__ = ("_counts", "_total")

    def __init__(self, parts: Sequence[Part], total: float) -> None:
        self._counts = _counts(parts)
        self._total = total

    def since(
        self, parts: Sequence[Part], total: float, *, fresh: bool
    ) -> tuple[list[Part], float]:
        """(parts, sum) of what was observed since the point before.

        No parts where the buckets' edges have changed; a sum of NaN where one is not known.

        Args:
            parts: of the cumulative histogram.
            total: sum of all its observations, NaN if it is not known.
            fresh: whether its count began again at 0, so that all of it is new.
        """
        counts, total_before = self._counts, self._total
        now = _counts(parts)
        self._counts, self._total = now, total
        if fresh:
            return list(parts), total
        if any(now.get(edges, 0.0) < count for edges, count in counts.items()):
            return [], total - total_before
        new = [(*edges, count - counts.get(edges, 0.0)) for edges, count in now.items()]
        return new, total - total_before


def _counts(parts: Sequence[Part]) -> dict[tuple[float, float], float]:
    return {(lower, upper): count for lower, upper, count in parts if count}


class Distributions:
    """Many histograms by key; bounded.

    Args:
        most: series that are remembered; the one not seen for longest is forgotten.
    """

    def __init__(self, most: int) -> None:
        self._seen: OrderedDict[object, Distribution] = OrderedDict()
        self._most = most

    def since(
        self, key: object, parts: Sequence[Part], total: float, *, fresh: bool
    ) -> tuple[list[Part], float]:
        """As `Distribution.since`; nothing where the point before is not known and not `fresh`."""
        before = self._seen.pop(key, None)
        if before is None:
            before = Distribution(parts, total)
            found: tuple[list[Part], float] = (list(parts), total) if fresh else ([], math.nan)
        else:
            found = before.since(parts, total, fresh=fresh)
        self._seen[key] = before
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return found

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
