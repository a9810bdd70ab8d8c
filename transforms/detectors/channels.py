"""Channels of a trained model: each is a number per row that should stay in its range.

What flows in: joint rows (u, d) of the model's metrics. What flows out: a value for every channel
and row (u, c). A channel is a metric, the product or difference of two, the distance T2 of all
metrics from what they usually are together, or how empty the corner of two features is that a row
lies in. Most are looked at twice: as they are, and as the mean of 32 rows.

Sums run in a fixed order of elementwise operations (no BLAS), so that equal rows give equal bytes
on every machine and in every cut of the stream.
"""

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "SPANS", "Channel", "Corner", "Feature", "Relation", "feature", "measure"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

SPANS = (1, 32)  # rows that are averaged
BINS = 64  # quantiles of a feature
CLIP = 20.0  # standard deviations


class Feature(msgspec.Struct, frozen=True, tag="feature", tag_field="kind"):
    """A metric, or two combined; `metrics` are their numbers."""

    op: Literal["value", "product", "difference"]
    metrics: tuple[int, ...]


class Relation(msgspec.Struct, frozen=True, tag="relation", tag_field="kind"):
    """T2 = z' P z, with z in standard deviations from the mean."""

    mean: list[float]
    sd: list[float]
    precision: list[list[float]]


class Corner(msgspec.Struct, frozen=True, tag="corner", tag_field="kind"):
    """The corner of two features that nothing was ever seen in.

    Attributes:
        first, second: the features.
        high: for each, whether the corner is where it is high.
        edges: for each the borders of its quantiles.
        reached: for each quantile of the first (from the corner on) the quantile of the second
            that was seen nearest to the corner, in it or nearer to the corner.
        rows: how many independent rows were learnt; the product of the quantiles' shares times
            this is how many would be expected where a row lies.
    """

    first: Feature
    second: Feature
    high: tuple[bool, bool]
    edges: tuple[list[float], list[float]]
    reached: list[int]
    rows: float


class Channel(msgspec.Struct, frozen=True):
    """One number a row, and the range it had.

    Attributes:
        what: how it is computed from the metrics.
        span: rows that are averaged.
        low, high: the range it kept in the recording; None: that side is not judged.
        low_tail, high_tail: distance of these from the 1 % and 99 % quantile: how far the range
            may well grow.
    """

    what: Feature | Relation | Corner
    span: int
    low: float | None
    high: float | None
    low_tail: float
    high_tail: float


def feature(what: Feature, rows: Array) -> Array:
    """A feature (u,) of rows (u, d)."""
    columns = [rows[:, i] for i in what.metrics]
    if what.op == "product":
        return np.asarray(columns[0] * columns[1])
    return np.asarray(columns[0] - columns[1]) if what.op == "difference" else columns[0]


def measure(what: Feature | Relation | Corner, rows: Array) -> tuple[Array, Array | None]:
    """Values (u,) of a channel, and for a relation each metric's residual (u, d)."""
    if isinstance(what, Feature):
        return feature(what, rows), None
    if isinstance(what, Corner):
        return _expected(what, rows), None
    z = np.clip((rows - np.array(what.mean)) / np.array(what.sd), -CLIP, CLIP)
    precision = np.array(what.precision)
    pulled = np.zeros_like(z)
    for j in range(z.shape[1]):
        pulled = pulled + z[:, j : j + 1] * precision[j]
    squared = np.zeros(len(z))
    for j in range(z.shape[1]):
        squared = squared + z[:, j] * pulled[:, j]
    return squared, pulled / np.sqrt(np.diagonal(precision))


def _expected(what: Corner, rows: Array) -> Array:
    """How many rows were to be expected in the empty corner of each row; 0 where it is not."""
    places = []
    for one, high, edges in zip((what.first, what.second), what.high, what.edges, strict=True):
        place = np.searchsorted(np.array(edges), feature(one, rows), side="right")
        places.append(BINS - 1 - place if high else place)
    first, second = places
    empty = second < np.array(what.reached)[first]
    expected = what.rows * ((first + 1) / BINS) * ((second + 1) / BINS)
    return np.where(empty & ~np.isnan(rows).any(axis=1), expected, 0.0)
