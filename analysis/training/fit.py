"""Fits a model: from joint rows of one or many sources to channels and their ranges.

Input: for each source its joint rows (u, d) in the order of time. Output: the channels of
`transforms.detectors.channels`. Pure functions; sums run in a fixed order.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from padit.transforms.detectors.artefact import WARNING, Metric
from padit.transforms.detectors.channels import (
    BINS,
    CLIP,
    SPANS,
    Channel,
    Corner,
    Feature,
    Relation,
    feature,
    measure,
)
from padit.transforms.detectors.joint import Joint
from padit.transforms.detectors.model import moving_means

__all__ = ["MOST_FOR_PAIRS", "fit", "moving_of"]

Array = NDArray[np.float64]

MOST_FOR_PAIRS = 12  # metrics; with more, there would be too many pairs to trust or to read
_SHRINK = 0.05  # of the covariance towards independent metrics
_RELATED = 0.3  # rank correlation from which on an empty corner means nothing
_LEAST_EXPECTED = 10.0  # rows, for a corner to be called empty: by chance once in 22,000
_LEAST_TAIL = 1e-9


def moving_of(sources: Sequence[Array]) -> list[Array]:
    """Means of 32 rows of each source; NaN before its 32nd row."""
    d = sources[0].shape[1]
    start = np.concatenate([[0], np.cumsum([len(rows) for rows in sources])]).astype(np.int64)
    empty = np.empty(0, np.int64)
    joint = Joint(np.concatenate(sources), start, np.empty((0, d)), empty, empty, empty)
    moving, _ = moving_means(joint, np.full((len(sources), SPANS[-1] - 1, d), np.nan))
    return np.split(moving, start[1:-1])


def fit(
    metrics: Sequence[Metric], sources: Sequence[Array], held_out: Sequence[Array]
) -> list[Channel]:
    """Channels of a model.

    Args:
        metrics: d metrics.
        sources: rows (u, d) of each source, complete, in the order of time.
        held_out: later rows of each source; they show which empty corners are empty by
            chance.
    """
    features = list(_features(metrics))
    rare = {one: _rarity(one, [*sources, *held_out]) for one in features}
    channels = []
    for span in SPANS:
        rows, later = _averaged(sources, span), _averaged(held_out, span)
        if sum(map(len, rows)) < BINS:
            continue
        channels.append(_range(_relation(np.concatenate(rows)), span, rows, later))
        channels += [_range(one, span, rows, later, rare[one]) for one in features]
    for corner, alone in _corners(features, metrics, sources):
        channel = _empty_corner(corner, held_out, alone)
        if channel is not None:
            channels.append(channel)
    return channels


def _features(metrics: Sequence[Metric]) -> Iterator[Feature]:
    d = len(metrics)
    for i in range(d):
        yield Feature("value", (i,))
    if d > MOST_FOR_PAIRS:
        return
    for i, j in combinations(range(d), 2):
        # A difference means something only in one unit, a product only in two.
        alike = metrics[i].unit == metrics[j].unit and metrics[i].unit != ""
        yield Feature("difference", (j, i)) if alike else Feature("product", (i, j))


def _averaged(sources: Sequence[Array], span: int) -> list[Array]:
    """Complete rows of each source, as they are or averaged."""
    given = list(sources) if span == 1 else moving_of(sources)
    return [rows[~np.isnan(rows).any(axis=1)] for rows in given]


def _rarity(what: Feature, sources: Sequence[Array]) -> tuple[float, float]:
    """Uncertainty of a range whose ends were seldom visited: low and high.

    A visit begins beyond the outermost 10 % and ends at the median. If a metric
    wanders for days, a recording has visited the ends once or twice. Sources may share the cause
    (the air of a hall), so the visits of one count, not those of all. The range may then
    grow by its distance from the median, divided by the visits.
    """
    values = [feature(what, rows) for rows in sources]
    low, middle, high = np.quantile(np.concatenate(values), (0.1, 0.5, 0.9)).tolist()
    result = []
    for value, sign, edge in ((values, -1.0, low), (values, 1.0, high)):
        visits = [_visits(sign * one, sign * middle, sign * edge) for one in value]
        count = max(visits)
        end = max(float((sign * one).max(initial=-np.inf)) for one in value)
        result.append(float((end - sign * middle) / max(count, 1.0)))
    return result[0], result[1]


def _visits(value: Array, middle: float, edge: float) -> int:
    state = np.where(value > edge, 1, np.where(value <= middle, -1, 0))
    state = state[state != 0]
    return int(((state[1:] == 1) & (state[:-1] == -1)).sum() + (state[:1] == 1).sum())


def _range(
    what: Feature | Relation,
    span: int,
    sources: Sequence[Array],
    later: Sequence[Array],
    rare: tuple[float, float] | None = None,
) -> Channel:
    """The range over all rows, and its tails: score 0.7 is `WARNING` of a tail beyond it.

    A tail is at least as wide as the outermost 1 %. It is wide enough that score 0.7 lies beyond
    the range by the excess of later rows over earlier ones, by the excess of one source over all
    others, and by `rare`.
    """
    values = [measure(what, rows)[0] for rows in sources]
    after = [measure(what, rows)[0] for rows in later]
    ordered = np.sort(np.concatenate(values))
    place = (len(ordered) - 1) * 0.01
    inner = float(ordered[int(place)]), float(ordered[-1 - int(place)])
    ends, tails = [], []
    for i, sign in enumerate((-1.0, 1.0)):
        own = [float((sign * one).max(initial=-np.inf)) for one in values]
        end = max(own)
        reached = max([end, *(float((sign * one).max(initial=-np.inf)) for one in after)])
        alone = end - sorted(own)[-2] if len(own) > 1 else 0.0
        grows = max(reached - end, alone, rare[i] if rare else 0.0)
        # A metric that never moved has no tail; a thousandth of its size is room for rounding.
        tails.append(max(end - sign * inner[i], grows / WARNING, 1e-3 * abs(end), _LEAST_TAIL))
        ends.append(sign * reached)
    return Channel(what, span, ends[0] if rare else None, ends[1], tails[0], tails[1])


def _relation(rows: Array) -> Relation:
    mean = _sum(rows) / len(rows)
    sd = np.sqrt(_sum((rows - mean) ** 2) / len(rows))
    sd = np.maximum(sd, np.maximum(1e-9 * np.abs(mean), 1e-12))
    z = np.clip((rows - mean) / sd, -CLIP, CLIP)
    covariance = np.stack([_sum(z * z[:, j : j + 1]) for j in range(z.shape[1])]) / len(z)
    shrunk = (1 - _SHRINK) * covariance + _SHRINK * np.eye(len(covariance))
    precision = _invert(shrunk)
    return Relation(mean.tolist(), sd.tolist(), precision.tolist())


def _corners(
    features: Sequence[Feature], metrics: Sequence[Metric], sources: Sequence[Array]
) -> Iterator[tuple[Corner, float]]:
    """All corners of two features that hardly depend on each other.

    Each carries its expected emptiness, by chance, for a source if only the others were known.
    """
    if len(metrics) > MOST_FOR_PAIRS:
        return
    rows = np.concatenate(sources)
    owner = np.repeat(np.arange(len(sources)), [len(one) for one in sources])
    plain = [one for one in features if one.op != "product"]
    values = [feature(one, rows) for one in plain]
    edges = [np.quantile(value, np.arange(1, BINS) / BINS) for value in values]
    places = [np.searchsorted(e, v, side="right") for e, v in zip(edges, values, strict=True)]
    ranks = [np.argsort(np.argsort(value, kind="stable")) / len(rows) - 0.5 for value in values]
    memory = [_memory(one, sources) for one in plain]
    for i, j in combinations(range(len(plain)), 2):
        if abs(12 * float(_sum(ranks[i] * ranks[j])) / len(rows)) > _RELATED:
            continue
        shared = memory[i] * memory[j]
        independent = len(rows) * (1 - shared) / (1 + shared)  # Bartlett (1935)
        for high in ((False, False), (False, True), (True, False), (True, True)):
            first, second = (
                BINS - 1 - place if up else place
                for place, up in zip((places[i], places[j]), high, strict=True)
            )
            nearest = np.full((len(sources), BINS), BINS)
            np.minimum.at(nearest, (owner, first), second)
            corner = Corner(
                plain[i],
                plain[j],
                high,
                (edges[i].tolist(), edges[j].tolist()),
                np.minimum.accumulate(nearest.min(axis=0)).tolist(),
                float(independent),
            )
            yield corner, _alone(nearest, float(independent))


def _alone(nearest: NDArray[np.int64], rows: float) -> float:
    """Expected emptiness of the corner for a source's rows if only the others were known."""
    worst = 0.0
    for source in range(len(nearest) if len(nearest) > 1 else 0):
        others = np.minimum.accumulate(np.delete(nearest, source, axis=0).min(axis=0))
        own = nearest[source]
        expected = rows * ((np.arange(BINS) + 1) / BINS) * ((own + 1) / BINS)
        worst = max(worst, float(np.where(own < others, expected, 0.0).max()))
    return worst


def _memory(what: Feature, sources: Sequence[Array]) -> float:
    """Correlation of a feature with itself one row later, over all sources; 0 to 1."""
    above = below = 0.0
    for rows in sources:
        value = feature(what, rows)
        value = value - float(_sum(value)) / max(len(value), 1)
        above += float(_sum(value[1:] * value[:-1])) if len(value) > 1 else 0.0
        below += float(_sum(value * value))
    return min(max(above / below, 0.0), 1.0) if below > 0 else 1.0


def _empty_corner(corner: Corner, held_out: Sequence[Array], alone: float) -> Channel | None:
    """The corner with the expectation that makes it an alarm; None if that is never reached."""
    chance = max((float(measure(corner, rows)[0].max(initial=0.0)) for rows in held_out), default=0)
    reached = np.array(corner.reached)
    second = np.clip(reached, 0, BINS)  # the emptiest place lies just before a reached value
    most = float((corner.rows * ((np.arange(BINS) + 1) / BINS) * (second / BINS)).max())
    limit = max(_LEAST_EXPECTED, 3 * chance, 3 * alone)
    if most < (1 + WARNING) * limit:
        return None
    return Channel(corner, 1, None, limit, 1.0, limit)


def _sum(rows: Array) -> Array:
    total: Array = np.cumsum(rows, axis=0)[-1]  # in order, unlike sum
    return total


def _invert(matrix: Array) -> Array:
    """Gauss-Jordan; the matrix is symmetric and positive definite."""
    d = len(matrix)
    work = np.concatenate([matrix, np.eye(d)], axis=1)
    for i in range(d):
        pivot = work[i] / work[i, i]
        work = work - work[:, i : i + 1] * pivot
        work[i] = pivot
    inverse: Array = (work[:, d:] + work[:, d:].T) / 2
    return inverse
