"""What `no_data` knows at ends of windows, and what it gives for windows without samples."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detectors.base import NoDataRows
from padit.transforms.detectors.gaps import NEVER

__all__ = ["NOTHING", "Ends", "Latest", "company_of", "rows_without_data"]

Ints = NDArray[np.int64]


class Ends(NamedTuple):
    """Window ends at which series are judged: of the rows of a table, or of windows without one.

    Attributes:
        end: int64 (n,), microseconds.
        owner: int64 (n,), row of the state.
        last, value: (n,), time and value of the latest sample before the end.
        limit: int64 (n,), microseconds; 0 while the series warms up.
        usual, longest, gaps: int64 (n,), usual and longest gap before it, and of how many.
    """

    end: Ints
    owner: Ints
    last: Ints
    value: NDArray[np.float64]
    limit: Ints
    usual: Ints
    longest: Ints
    gaps: Ints


_NONE: Ints = np.empty(0, np.int64)
NOTHING = Ends(_NONE, _NONE, _NONE, np.empty(0), _NONE, _NONE, _NONE, _NONE)


class Latest:
    """The latest sample of any series before any end.

    Args:
        seen: int64 (series,), time of the latest sample before the table.
        owner: int64 (n,), the series of each row of the table.
        table: its samples.
    """

    def __init__(self, seen: Ints, owner: Ints, table: FeatureTable) -> None:
        self._seen, self._owner, self._table = seen, owner, table

    @cached_property
    def _times(self) -> tuple[Ints, Ints]:
        """Times of the samples, those of a series together, and where each series begins."""
        owner = np.repeat(self._owner, np.diff(self._table.offset))
        order = np.argsort(owner, kind="stable")
        return self._table.time[order], np.searchsorted(
            owner[order], np.arange(len(self._seen) + 1)
        )

    def before(self, row: int, end: int) -> int:
        """Its time; `NEVER` without one."""
        times, begin = self._times
        mine = times[begin[row] : begin[row + 1]]
        found = int(np.searchsorted(mine, end))
        if found:
            return int(mine[found - 1])
        return int(self._seen[row]) if self._seen[row] < end else NEVER


def company_of(
    ends: Ends,
    latest: Latest,
    keys: Sequence[Series],
    without_data: NDArray[np.bool_],
    retention: int,
) -> dict[str, NDArray[Any]]:
    """Series of the same source that have no data at that end, and all its known series."""
    at = np.flatnonzero(without_data)
    found = {name: np.zeros(len(without_data), np.int64) for name in ("without_data", "known")}
    if not len(at):
        return found
    names = [keys[one].source_id for one in ends.owner[at].tolist()]
    pairs = list(zip(names, ends.end[at].tolist(), strict=True))
    members: dict[str, list[int]] = {name: [] for name in names}
    for number, key in enumerate(keys):
        if key.source_id in members:
            members[key.source_id].append(number)
    known = {}
    for source, end in dict.fromkeys(pairs):
        last = [latest.before(number, end) for number in members[source]]
        known[source, end] = sum(one != NEVER and end - one <= retention for one in last)
    together = Counter(pairs)
    found["without_data"][at] = [together[pair] for pair in pairs]
    found["known"][at] = [known[pair] for pair in pairs]
    return found


def rows_without_data(
    keys: Sequence[Series],
    absent: Ends,
    score: NDArray[np.float64],
    ongoing: NDArray[np.bool_],
    detail: dict[str, NDArray[Any]],
) -> NoDataRows | None:
    """Sorted by (window end, series)."""
    owner, end = absent.owner, absent.end
    if not len(end):
        return None
    present = sorted(np.unique(owner).tolist(), key=lambda one: keys[one])
    rank = np.zeros(len(keys), np.int32)
    rank[present] = np.arange(len(present), dtype=np.int32)
    code = rank[owner]
    order = np.lexsort((code, end))
    return NoDataRows(
        tuple(keys[one] for one in present),
        end[order],
        code[order],
        score[order],
        ongoing[order],
        {name: column[order] for name, column in detail.items()},
    )
