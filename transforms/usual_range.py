"""The usual range of each series' windows, which gives a level where a detector has none.

What flows in: centre (median) and spread ((p75 - p25) / 2) of closed windows. What flows out: for
each window the range that both had in the hours before. An alert of a detector that knows only
news keeps the range of its opening, and is open while centre or spread lie outside of it:

    outside = (distance from the range) / (width of the range)
    level = outside / (outside + 1/4)

so the level is 0.5 a quarter of the width outside. Of the last 24 hours in which the series had
windows, the lowest and highest eighth are left out, so that one fault is no part of the range in
which the next one is judged.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.ops.compiled import kernel
from padit.transforms.detectors.columns import Columns, Field, locate
from padit.transforms.detectors.per_series import PerSeries
from padit.transforms.warmup import RETENTION

__all__ = ["UsualRange", "level_outside"]

_HOUR = 3_600_000_000
_HOURS = 24
_LEAST_HOURS = 2
_NEVER = -(2**62)
_NAN = float("nan")
_FIELDS = {
    "hours": Field((4, _HOURS), "<f8", _NAN),  # centre low, high, spread low, high
    "ended": Field((), "<i8"),  # how many hours
    "block": Field((), "<i8", _NEVER),
    "now": Field((4,), "<f8", _NAN),  # of the hour that goes on
    "range": Field((4,), "<f8", _NAN),
}


class UsualRange(PerSeries):
    """A pure machine beside the alerts; its state is a row for each series."""

    version: ClassVar[int] = 1
    fields = _FIELDS

    def step(self, state: Columns, table: FeatureTable) -> tuple[Columns, NDArray[np.float64]]:
        """float64 (n, 4): low and high of the centre, then of the spread; NaN where not known."""
        state, rows = locate(state, _FIELDS, table, RETENTION, table.passed_until)
        found = np.empty((len(table), 4))
        features = table.features
        data: dict[str, Any] = state.data
        _follow(
            rows.take(table.code), table.window_end, features["count"], features["median"],
            features["p25"], features["p75"], data["hours"], data["ended"], data["block"],
            data["now"], data["range"], found,
        )  # fmt: skip
        return state, found


def level_outside(usual: Sequence[float], table: FeatureTable, row: int) -> float:
    """How far centre or spread of a window lie outside of a range, in [0, 1]; NaN: not known.

    Args:
        usual: low and high of the centre, then of the spread.
        table: of the window.
        row: its row.
    """
    if not table.features["count"][row]:
        return _NAN
    spread = float(_spread(table)[row])
    centre = float(table.features["median"][row])
    return max(_outside(centre, usual[0], usual[1]), _outside(spread, usual[2], usual[3]))


def _spread(table: FeatureTable) -> NDArray[np.float64]:
    spread: NDArray[np.float64] = table.features["p75"] / 2 - table.features["p25"] / 2
    return spread  # the halves, because the difference of two finite values may be infinite


def _outside(value: float, low: float, high: float) -> float:
    low, value, high = low / 4, value / 4, high / 4  # so that no difference is infinite
    distance = max(low - value, value - high)
    if not distance > 0:
        return 0.0
    width = high - low
    if not width > 0:  # it has always been the same
        return 1.0
    return distance / (distance + width / 4)


@kernel
def _follow(
    slot: NDArray[np.int64],
    end: NDArray[np.int64],
    count: NDArray[np.float64],
    centre: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    hours: NDArray[np.float64],
    ended: NDArray[np.int64],
    block: NDArray[np.int64],
    now: NDArray[np.float64],
    usual: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Rows in order of event time; `slot` is the row of the state. See the module."""
    for i in range(len(slot)):
        s = slot[i]
        here = (end[i] - 1) // _HOUR
        if here != block[s]:
            if now[s, 0] == now[s, 0]:
                hours[s, :, ended[s] % _HOURS] = now[s]
                ended[s] += 1
                _trim(hours[s], min(ended[s], _HOURS), usual[s])
            block[s] = here
            now[s, :] = np.nan
        out[i, :] = usual[s, :]
        if count[i] > 0.0:
            first = now[s, 0] != now[s, 0]
            for k in range(2):
                value = centre[i] if k == 0 else high[i] / 2 - low[i] / 2  # as `_spread`
                now[s, 2 * k] = value if first else min(value, now[s, 2 * k])
                now[s, 2 * k + 1] = value if first else max(value, now[s, 2 * k + 1])


@kernel
def _trim(hours: NDArray[np.float64], known: int, usual: NDArray[np.float64]) -> None:
    """The range without the outer eighth of the hours on either side."""
    if known < _LEAST_HOURS:
        return
    left_out = known // 8
    for k in range(4):
        order = np.sort(hours[k, :known])
        usual[k] = order[left_out] if k % 2 == 0 else order[known - 1 - left_out]
