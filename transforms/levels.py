"""Combines what detectors say about the state of series: level, usual range, baseline.

What flows in: scores of each detector over a table of n rows. What flows out: columns (n,) of the
state that keeps an alert open. The level is the highest; usual range, baseline and shift are those
of the first detector, in the order of the configuration, that knows them for the row.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import kernel
from padit.transforms.detectors.base import Scores

__all__ = ["BASELINE", "RowStates", "combine", "highest"]

BASELINE = ("median", "iqr", "n")
Flags = NDArray[np.bool_]
Values = NDArray[np.float64]


class RowStates(msgspec.Struct, frozen=True):
    """How the series of n rows are at the end of their windows; see `Scores`.

    Attributes:
        level: float64 (n,), the highest of all detectors; NaN where none knows it.
        held: bool (n,), a level that keeps alerts open is held by its detector.
        missing: bool (n,), such a level says that samples are missing.
        accepted: bool (n,), a detector took what it had reported as the new normal.
        expected_low, expected_high, shift: float64 (n,); NaN where there is none.
        baseline: float64 (n,) by the names of `BASELINE`; NaN where there is none.
    """

    level: Values
    held: Flags
    missing: Flags
    accepted: Flags
    expected_low: Values
    expected_high: Values
    shift: Values
    baseline: Mapping[str, Values]

    def level_facts(self, row: int) -> dict[str, Any]:
        """Level and usual range of a row as plain values, without what is not known."""
        low, high = float(self.expected_low[row]), float(self.expected_high[row])
        level = float(self.level[row])
        facts: dict[str, Any] = {} if np.isnan(level) else {"level": level}
        if not np.isnan(low) or not np.isnan(high):
            facts["expected"] = {"low": _known(low), "high": _known(high)}
        return facts

    def baseline_of(self, row: int) -> dict[str, float] | None:
        """Median and IQR in the unit of the metric, and number of samples; None: not known."""
        found = {name: float(self.baseline[name][row]) for name in BASELINE}
        return None if any(np.isnan(one) for one in found.values()) else found

    def shift_of(self, row: int) -> float | None:
        """Distance of the window from the baseline in IQRs of the baseline; None: not known."""
        return _known(float(self.shift[row]))


def combine(
    scores: Sequence[Scores], looks: NDArray[np.bool_] | None, close_at: float, never: Flags
) -> RowStates:
    """The state of every row.

    Args:
        scores: of each detector over n rows.
        looks: bool (detectors, n), whether the detector looks at the row's series; None: all do.
        close_at: level from which on a window keeps an alert open.
        never: bool (n,), what the row shows is no new normal, whatever a detector holds.
    """
    n = len(never)
    levels = np.empty((len(scores), n))
    held, missing, accepted = np.zeros((3, len(scores), n), bool)
    nothing = np.full(n, np.nan)
    facts: dict[str, Values] = {}
    for number, one in enumerate(scores):
        levels[number] = one.score if one.level is None else one.level
        if one.held is not None:
            held[number] = one.held
        if one.missing is not None:
            missing[number] = one.missing
        if one.accepted is not None:
            accepted[number] = one.accepted
        mine = None if looks is None else looks[number]
        for name, values in _facts(one):
            before = facts.get(name)
            if before is not None:
                unknown = np.isnan(before) if mine is None else mine & np.isnan(before)
                facts[name] = np.where(unknown, values, before) if unknown.any() else before
            else:
                facts[name] = values if mine is None else np.where(mine, values, nothing)
    if looks is not None:
        levels[~looks] = np.nan
        accepted &= looks
    return RowStates(
        *_joined(levels, held, missing, accepted, never, close_at),
        expected_low=facts.get("expected_low", nothing),
        expected_high=facts.get("expected_high", nothing),
        shift=facts.get("shift", nothing),
        baseline={name: facts.get(name, nothing) for name in BASELINE},
    )


@kernel
def highest(matrix: Values) -> Values:
    """float64 (n,): the highest of each column of (k, n); NaN where all are."""
    found = np.full(matrix.shape[1], np.nan)
    for k in range(len(matrix)):
        for i in range(len(found)):
            if not (found[i] >= matrix[k, i] or np.isnan(matrix[k, i])):
                found[i] = matrix[k, i]
    return found


@kernel
def _joined(
    level: Values, held: Flags, missing: Flags, accepted: Flags, never: Flags, close_at: float
) -> tuple[Values, Flags, Flags, Flags]:
    """The first four columns of `RowStates`, from those of each detector, (detectors, n)."""
    keeps, lacks = never.copy(), np.zeros(len(never), np.bool_)
    taken = np.zeros(len(never), np.bool_)
    for k in range(len(level)):
        for i in range(len(never)):
            if level[k, i] >= close_at:
                keeps[i] |= held[k, i] or missing[k, i]
                lacks[i] |= missing[k, i]
            taken[i] |= accepted[k, i]
    return highest(level), keeps, lacks, taken


def _facts(one: Scores) -> Iterator[tuple[str, Values]]:
    """The columns that a detector knows, by name."""
    if one.expected_low is not None:
        yield "expected_low", one.expected_low
    if one.expected_high is not None:
        yield "expected_high", one.expected_high
    if one.shift is not None:
        yield "shift", one.shift
    for name, column in (one.baseline or {}).items():
        if name in BASELINE:
            yield name, column


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
