"""Buckets of Prometheus's native histograms, as `adapters.histograms` takes them.

Bucket i of schema s in -4..8 covers (b^(i-1), b^i], b = 2^(2^-s); schema -53 has bounds of its
own. Filled buckets stand in spans, each so many indices after the end of the one before; counts
are absolute in float histograms, and differences from bucket to bucket in integer ones.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from padit.adapters.histograms import Part

__all__ = ["count_of", "parts_of"]

_CUSTOM = -53
_MOST_BUCKETS = 10_000


def count_of(histogram: Any) -> float:
    """All observations of an integer or float histogram."""
    return float(histogram.count_int or histogram.count_float)


def parts_of(histogram: Any) -> list[Part]:
    """Its buckets; raises ValueError if they make no sense."""
    schema = histogram.schema
    if schema != _CUSTOM and not -4 <= schema <= 8:
        message = f"schema {schema}; -4 to 8 and -53 are read"
        raise ValueError(message)
    positive = list(_filled(histogram.positive_spans, _counts(histogram, "positive")))
    if schema == _CUSTOM:
        return [_custom(histogram.custom_values, index, count) for index, count in positive]
    parts = [(_edge(schema, i - 1), _edge(schema, i), count) for i, count in positive]
    for i, count in _filled(histogram.negative_spans, _counts(histogram, "negative")):
        parts.append((-_edge(schema, i), -_edge(schema, i - 1), count))
    zero = float(histogram.zero_count_int or histogram.zero_count_float)
    if zero:
        # Without observations below zero the zero bucket reaches down to 0 only.
        below = -histogram.zero_threshold if histogram.negative_spans else 0.0
        parts.append((below, histogram.zero_threshold, zero))
    return parts


def _counts(histogram: Any, side: str) -> Sequence[float]:
    deltas = getattr(histogram, f"{side}_deltas")
    absolute: Sequence[float] = getattr(histogram, f"{side}_counts")
    return list(map(float, accumulate(deltas))) if deltas else absolute


def _filled(spans: Any, counts: Sequence[float]) -> Iterator[tuple[int, float]]:
    """(index, count) of every bucket."""
    if sum(span.length for span in spans) != len(counts) or len(counts) > _MOST_BUCKETS:
        message = f"{len(counts)} buckets in spans for others, or more than {_MOST_BUCKETS}"
        raise ValueError(message)
    index, remaining = 0, iter(counts)
    for span in spans:
        index += span.offset
        for _ in range(span.length):
            yield index, next(remaining)
            index += 1


def _edge(schema: int, index: int) -> float:
    exponent = index * 2.0**-schema
    return math.inf if exponent > 1000 else 2.0**exponent


def _custom(bounds: Sequence[float], index: int, count: float) -> Part:
    if not 0 <= index <= len(bounds) or not bounds:
        message = f"bucket {index} of {len(bounds)} custom bounds"
        raise ValueError(message)
    lower = bounds[index - 1] if index else min(0.0, bounds[0])
    return lower, bounds[index] if index < len(bounds) else math.inf, count
