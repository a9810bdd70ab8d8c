"""A budget of alerts instead of a threshold: each series' lines from its own past.

What flows in: the highest scores of closed windows. What flows out: for each window the scores from
which on it opens an alert, and a critical one. Nothing is shared between series, and nothing is
rationed: how many alerts there are today decides nothing.

A budget is a rate r of alerts a series, in event time. The highest score of each hour and of each
day in which a series is judged is kept in a histogram of its own. In units of the warning (1 at
score 0.7) let m be the median and q the lower quartile of such peaks over blocks of length T. Peaks
of ordinary noise follow a Gumbel distribution, of which two quantiles give the rest:

    line = m + log2(ln 2 / (r T)) (m - q)

so every halving of the rate costs one more distance of median and quartile. Only the lower half of
the peaks counts: faults in less than half of the blocks do not raise the line. The larger of the
lines of hours and days counts, and never less than the fixed one (0.7, and 0.9 for critical). A
young series begins with eight quiet pseudo-hours, the prior, and so with the fixed line: detectors
are careful about young series themselves. Its days count from the eighth on.

Reference: E. J. Gumbel (1958), Statistics of Extremes, chapter 6.
"""

from decimal import Decimal, localcontext
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.domain.alert import CRITICAL_FROM
from padit.domain.config import Budget
from padit.ops.compiled import kernel, lean_kernel
from padit.transforms.detect import DetectionResult
from padit.transforms.detectors.columns import Columns, Field, locate
from padit.transforms.detectors.per_series import PerSeries
from padit.transforms.warmup import RETENTION

__all__ = ["BudgetLines", "Lines", "doublings"]

_HOUR = 3_600_000_000
_BLOCKS = np.array([_HOUR, 24 * _HOUR], np.int64)
_MOST = np.array([24 * 28, 7 * 16], np.int64)
"""Blocks of a histogram; at that number all counts are halved, so that the past fades."""
_BINS = 32
_NEVER = -(2**62)
_FEWEST = 8
"""Blocks, with those of the prior, from which on a histogram has a line."""
_PRIOR_UNTIL = 12
"""Hours of its own from which on a series needs no prior."""
_PRIOR = np.zeros((2, _BINS))
_PRIOR[0, 5:13] = 1.0  # eight quiet hours with peaks of 0.2 to 0.4, and no day
_FIELDS = {
    "counts": Field((2, _BINS), "<u2"),
    "block": Field((2,), "<i8", _NEVER),
    "peak": Field((2,), "<f8", -1.0),
    "lines": Field((3,), "<f8", -1.0),  # open, critical, open with twice the budget
}


class Lines(NamedTuple):
    """Where the windows of n rows open an alert, and a critical one.

    Attributes:
        open_at, critical_at: float64 (n,), scores in [0, 1].
        hours: hours of series that ended, in which the series was judged.
        more: those of them whose peak would have opened an alert with twice the budget, and did
            not.
    """

    open_at: NDArray[np.float64]
    critical_at: NDArray[np.float64]
    hours: int = 0
    more: int = 0


def doublings(rate: float, micros: int) -> float:
    """log2(ln 2 / (rate * time)), at least 0: how far a line lies beyond the median of the peaks.

    Args:
        rate: alerts a day.
        micros: length of a block, microseconds.

    >>> round(doublings(0.005, 24 * 3_600_000_000), 3)
    7.115
    """
    with localcontext() as context:  # exact to the last digit, unlike the C library's logarithm
        context.prec = 30
        two = Decimal(2).ln()
        expected = Decimal(rate) * Decimal(micros) / Decimal(24 * _HOUR)
        return max(0.0, float((two / expected).ln() / two))


class BudgetLines(PerSeries):
    """A pure machine beside the alerts; its state is a row for each series.

    Args:
        budget: of alerts.
        critical: of critical ones.
        open_at: the least score that opens an alert.
    """

    version: ClassVar[int] = 1
    fields = _FIELDS

    def __init__(self, budget: Budget, critical: Budget, open_at: float) -> None:
        self.budget, self.critical = budget, critical
        rates = (budget.daily, critical.daily, 2 * budget.daily)
        self._steps = np.array(
            [[doublings(rate, block) for rate in rates] for block in _BLOCKS.tolist()]
        )
        self._least = np.array([open_at, max(open_at, CRITICAL_FROM), min(open_at, 0.5)])

    def step(self, state: Columns, detected: DetectionResult) -> tuple[Columns, Lines]:
        """Lines of every row from what was before its window; then learn its score."""
        table = detected.table
        state, rows = locate(state, _FIELDS, table, RETENTION, table.passed_until)
        n = len(table)
        lines, counted = np.empty((2, n)), np.zeros(2, np.int64)
        data: dict[str, Any] = state.data
        _calibrate(
            rows.take(table.code), table.window_end, detected.calibrated, data["counts"],
            data["block"], data["peak"], data["lines"], self._steps, self._least, _PRIOR, _BLOCKS,
            _MOST, lines, counted,
        )  # fmt: skip
        hours, more = counted.tolist()
        return state, Lines(lines[0], lines[1], hours, more)


@kernel
def _calibrate(
    slot: NDArray[np.int64],
    end: NDArray[np.int64],
    score: NDArray[np.float64],
    counts: NDArray[np.uint16],
    block: NDArray[np.int64],
    peak: NDArray[np.float64],
    lines: NDArray[np.float64],
    steps: NDArray[np.float64],
    least: NDArray[np.float64],
    prior: NDArray[np.float64],
    lengths: NDArray[np.int64],
    most: NDArray[np.int64],
    out: NDArray[np.float64],
    counted: NDArray[np.int64],
) -> None:
    """Rows in order of event time; `slot` is the row of the state. See the module."""
    for i in range(len(slot)):
        s = slot[i]
        stale = lines[s, 0] < 0.0
        for k in range(2):
            here = (end[i] - 1) // lengths[k]
            if here != block[s, k]:
                if peak[s, k] >= 0.0:
                    _count(counts[s, k], peak[s, k], most[k])
                    stale = True
                    if k == 0:
                        counted[0] += 1
                        counted[1] += lines[s, 2] <= peak[s, 0] < lines[s, 0]
                block[s, k] = here
                peak[s, k] = -1.0
            if score[i] == score[i]:
                peak[s, k] = max(peak[s, k], score[i])
        if stale:
            _draw(lines[s], counts[s], steps, least, prior)
        out[0, i] = lines[s, 0]
        out[1, i] = lines[s, 1]


@kernel
def _draw(
    lines: NDArray[np.float64],
    counts: NDArray[np.uint16],
    steps: NDArray[np.float64],
    least: NDArray[np.float64],
    prior: NDArray[np.float64],
) -> None:
    """Lines of one series from its histograms."""
    for j in range(3):
        lines[j] = least[j]
    for k in range(2):
        own = counts[k].sum()
        before = prior[k] if own < _PRIOR_UNTIL else np.zeros(_BINS)
        if own + before.sum() < _FEWEST:
            continue
        quartile = _quantile(counts[k], before, 0.25)
        median = _quantile(counts[k], before, 0.5)
        for j in range(3):
            measure = median + steps[k, j] * (median - quartile)
            lines[j] = max(lines[j], measure / (measure + 3.0 / 7.0))


@lean_kernel
def _count(counts: NDArray[np.uint16], peak: float, most: int) -> None:
    """Add a peak to a histogram; at `most` blocks, all are halved first."""
    total = 0
    for b in range(len(counts)):
        total += counts[b]
    if total >= most:
        for b in range(len(counts)):
            counts[b] = counts[b] // 2
    counts[int(min(max(peak, 0.0), 1.0 - 1e-9) * len(counts))] += 1  # also of what is no score


@lean_kernel
def _quantile(counts: NDArray[np.uint16], prior: NDArray[np.float64], share: float) -> float:
    """Quantile of a histogram of scores together with the prior, in units of the warning."""
    total = 0.0
    for b in range(len(counts)):
        total += counts[b] + prior[b]
    wanted, before = share * total, 0.0
    score = 0.0
    for b in range(len(counts)):
        inside = counts[b] + prior[b]
        if before + inside >= wanted:
            score = (b + (wanted - before) / inside) / len(counts)
            break
        before += inside
    score = min(score, 1.0 - 1e-6)
    return 3.0 / 7.0 * score / (1.0 - score)
