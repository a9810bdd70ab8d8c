"""What detectors of verdicts share: their parameters, sides that are worth a word, and scores."""

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Option

from padit.domain.attributes import UNSTATED
from padit.domain.config import Levels
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.ops.compiled import kernel, lean_kernel
from padit.transforms.detectors.base import Parameters
from padit.transforms.of_names import OfNames

__all__ = [
    "CLOSED",
    "COUNTS",
    "DAY_OLD",
    "DUE",
    "GAUGED",
    "HIGHER",
    "LOWER",
    "NAMED_TOTAL",
    "NEVER_ACCEPTED",
    "NO_SAMPLES",
    "VerdictParameters",
    "at_bad_end",
    "directions_of",
    "everywhere",
    "follow",
    "kinds_of",
    "limits_of",
    "scored",
    "verdict_of",
]

HIGHER, LOWER, NEVER_ACCEPTED = 1, 2, 4
COUNTS, GAUGED, NAMED_TOTAL = 32, 64, 128
DAY_OLD = 26 * 3_600_000_000  # microseconds: a day was seen, and where it begins again
CLOSED, DUE = 1, 2  # what became of an alert in a window: it closed; it may be accepted
_OPEN, _SINCE, _CALM = 0, 1, 2
_SCALE = 3 / 7  # of `score_of`
NO_SAMPLES = np.empty(0)
Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = tuple[int, int, int]
_CALM_AFTER = 300_000_000  # microseconds below the level that keeps an alert open
_DIRECTIONS = {
    "availability": LOWER | NEVER_ACCEPTED,
    "error_rate": HIGHER | NEVER_ACCEPTED,
}
_ENDS = {"high": HIGHER, "low": LOWER, "both": HIGHER | LOWER}
_KINDS = {"counter": COUNTS, "gauge": GAUGED}


class VerdictParameters(Parameters):
    """How easily a detector of verdicts speaks, and how long it remembers."""

    sensitivity: float = Option(
        1.0,
        ge=0.1,
        le=10,
        description="Evidence needed for a warning is divided by this; 2 speaks sooner, and "
        "more often in vain.",
    )
    retention_sec: float = Option(
        35 * 86400.0,
        gt=0,
        le=1e9,
        description="Seconds without a sample until a series is forgotten.",
    )


def verdict_of(score: float) -> float:
    """The verdict that has a score; the inverse of `score_of`.

    >>> round(verdict_of(0.7), 9)
    1.0
    """
    return 3 / 7 * score / (1 - score) if score < 1 else np.inf


def limits_of(levels: Levels, sensitivity: float) -> NDArray[np.float64]:
    """Float64 (3,): verdicts that open an alert and keep it open; microseconds until accepted."""
    verdicts = verdict_of(levels.open_at), verdict_of(levels.close_at)
    limits = np.array([*verdicts, float(levels.accept_after)])
    limits[:2] /= sensitivity
    return limits


@lean_kernel
def follow(
    s: NDArray[np.float64],
    end: int,
    verdict: float,
    limits: NDArray[np.float64],
    row: int,
    out: NDArray[np.float64],
) -> int:
    """Open and close an alert by the verdict of a window; `CLOSED`, `DUE`, or 0.

    Args:
        s: float64 (3,): whether it is open, since when, and since when all has been calm.
        end: of the window, microseconds.
        verdict: of the window.
        limits: of `limits_of`.
        row: of the window.
        out: float64 (facts, windows), gets the event and the level, its first two facts.
    """
    out[0, row], out[1, row] = 0.0, verdict
    if s[_OPEN] == 0:
        out[0, row] = verdict
        if verdict >= limits[0]:
            s[_OPEN], s[_SINCE], s[_CALM] = 1.0, end, 0.0
        return 0
    if verdict < limits[1]:
        if s[_CALM] == 0:
            s[_CALM] = end
        if end - s[_CALM] >= _CALM_AFTER:
            s[_OPEN] = 0.0
            return CLOSED
        return 0
    s[_CALM] = 0.0
    return DUE if end - s[_SINCE] >= limits[2] else 0


@kernel
def _scored(
    facts: Values,
    level: int,
    accepted: int,
    severe: int,
    sample: Values,
    sensitivity: float,
    flags: Flags,
) -> None:
    """See `scored`; `flags` is bool (2, n), zeros."""
    for i in range(facts.shape[1]):
        found = facts[0, i] * sensitivity
        if severe >= 0 and facts[severe, i] > 0:
            found, flags[1, i] = facts[severe, i], True
        facts[0, i] = found / (found + _SCALE)
        found = facts[level, i] * sensitivity
        facts[level, i] = found / (found + _SCALE)
        flags[0, i] = facts[accepted, i] > 0
    for i in range(len(sample)):
        found = sample[i] * sensitivity
        sample[i] = found / (found + _SCALE)


def scored(facts: Values, places: Places, sample: Values, sensitivity: float) -> Flags:
    """Make scores of what a kernel found out about n windows and m samples; see `score_of`.

    Args:
        facts: float64 (facts, n); the event, which is the first, and the level become scores.
        places: of the level, of whether it was accepted, and of what is severe, which is the event
            wherever it is more than 0; -1: nothing is.
        sample: float64 (m,), verdict of each sample; becomes its score.
        sensitivity: times which a verdict counts; not one that is severe.

    Returns:
        bool (2, n), whether something is accepted, and whether it is severe.
    """
    flags = np.zeros((2, facts.shape[1]), bool)
    _scored(facts, *places, sample, sensitivity, flags)
    return flags


def directions_of(table: FeatureTable) -> NDArray[np.int64]:
    """int64 (n,): of each window the bits of the sides that are worth a word.

    A value at the bad end of the bounds that are stated for its series is never accepted as the
    new normal: a full disk stays a full disk, an empty one may be.
    """
    both = HIGHER | LOWER
    if table.attributes is None:
        return np.full(len(table), both, np.int64)
    found = np.array(
        [_DIRECTIONS.get(one.metric_type, both) for one in table.attributes.table]
        or [_DIRECTIONS.get(UNSTATED.metric_type, both)],
        np.int64,
    )
    chosen: NDArray[np.int64] = found[table.attributes.of_rows(table.code)]
    return chosen | np.where(at_bad_end(table), NEVER_ACCEPTED, 0)


def everywhere(table: FeatureTable) -> NDArray[np.bool_]:
    """Bool (n,): every window."""
    return np.ones(len(table), bool)


def kinds_of(table: FeatureTable) -> NDArray[np.int64]:
    """int64 (n,): of each window what is stated about how its values come about, else 0.

    A counter only grows and begins again at 0; a gauge goes both ways. Where neither is stated, a
    name that ends in `_total` is that of a counter (OpenMetrics), as long as it seldom falls.
    """
    named = _totals(table.series).take(table.code)
    if table.attributes is None or not len(table.attributes.table):
        return named
    found = np.array([_KINDS.get(one.metric_type, 0) for one in table.attributes.table], np.int64)
    stated = found[table.attributes.of_rows(table.code)]
    return np.where(stated != 0, stated, named)


@OfNames
def _totals(series: tuple[Series, ...]) -> NDArray[np.int64]:
    """int64 (series,): `NAMED_TOTAL` of those whose name says so, else 0."""
    named = [NAMED_TOTAL if one.metric_name.endswith("_total") else 0 for one in series]
    return np.array(named, np.int64)


def at_bad_end(table: FeatureTable) -> NDArray[np.bool_]:
    """Bool (n,): whether a new sample of the window reaches the bad end of its bounds.

    Where there are two bounds, within a fiftieth of what lies between them: few things that are
    full read exactly 100 %.
    """
    found = np.zeros(len(table), bool)
    column = table.attributes
    if column is None or all(one.bounds is None for one in column.table):
        return found
    some = np.flatnonzero(np.diff(table.offset))
    if not len(some):
        return found
    low, high = table.bounds[some].T
    both = np.isfinite(low) & np.isfinite(high)
    near = np.where(both, high, 0.0) / 50 - np.where(both, low, 0.0) / 50
    begin = table.offset[some]
    least = np.minimum.reduceat(table.value, begin)
    most = np.maximum.reduceat(table.value, begin)
    bad = np.array([_ENDS[one.bad or "both"] for one in column.table], np.int64)
    bad = bad[column.of_rows(table.code)[some]]
    found[some] = ((least <= low + near) & (bad & LOWER > 0)) | (
        (most >= high - near) & (bad & HIGHER > 0)
    )
    return found
