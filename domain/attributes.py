"""What is known of a series beside its name: family, labels and bounds; no part of its identity.

In rows they are a dictionary column: each different `Attributes` once, and a number where it
applies. Mostly all rows of a series have the same, so a number for each series is enough; only
where they differ within a batch is there a number for each row. Where nothing is stated there is
no column at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LONGEST_LABEL",
    "LONGEST_LABEL_NAME",
    "MOST_LABELS",
    "UNSTATED",
    "AttributeColumn",
    "Attributes",
    "BadEnd",
    "Labels",
    "bad_end",
    "joined",
    "rank_of",
    "saved",
]

LONGEST_LABEL = 256
"""Characters of the value of a label."""
LONGEST_LABEL_NAME = 128
MOST_LABELS = 16
"""Labels that a configuration may name."""

Labels = tuple[tuple[str, str], ...]
"""Names and values, sorted by name; no value is empty."""
BadEnd = Literal["high", "low", "both"]
Ints = NDArray[np.int32]
_BAD_END: dict[str, BadEnd] = {
    "availability": "low", "throughput": "low", "error_rate": "high", "latency": "high",
}  # fmt: skip
_SHARES = frozenset(("%", "percent", "1", "ratio"))
_BETTER_MORE = frozenset(
    ("availability", "available", "battery", "charge", "free", "health", "idle", "remaining",
     "soc", "success", "up")
)  # fmt: skip


class Attributes(NamedTuple):
    """Attributes of a series.

    Attributes:
        metric_type: family of the metric, see `domain.metric.MetricType`.
        labels: where it belongs, such as its site.
        bounds: least and greatest value that is possible, in the unit of the series, None: no
            bound on that side. Only a configuration states them.
        bad: the end of the bounds that is bad to reach, see `bad_end`; None without bounds.
    """

    metric_type: str = "custom"
    labels: Labels = ()
    bounds: tuple[float | None, float | None] | None = None
    bad: BadEnd | None = None


@lru_cache(maxsize=1 << 16)
def bad_end(metric_type: str, metric_name: str, unit: str) -> BadEnd:
    """The end of its bounds that is bad for a metric of which nobody stated it.

    Its family decides. Without one, a metric whose name has a word for what there should be much of
    ("free", "battery", "idle") is bad low, another share bad high; of anything else either end is.

    >>> bad_end("custom", "disk_used_percent", "%"), bad_end("custom", "disk_free_percent", "%")
    ('high', 'low')
    >>> bad_end("availability", "probe", "1"), bad_end("custom", "valve_position", "mm")
    ('low', 'both')
    """
    family = _BAD_END.get(metric_type)
    if family is not None:
        return family
    if not _BETTER_MORE.isdisjoint(metric_name.lower().replace(".", "_").split("_")):
        return "low"
    return "high" if unit.lower() in _SHARES else "both"


UNSTATED = Attributes()
"""Of a series of which nothing is stated."""


@dataclass(frozen=True, slots=True)
class AttributeColumn:
    """Attributes of n rows over a table of k series.

    Attributes:
        table: different ones, each once.
        code: int32 (k,) for the series if `of_series`, else (n,) for the rows; index into `table`.
        of_series: whether all rows of a series have the same.
    """

    table: Sequence[Attributes]
    code: Ints
    of_series: bool

    @classmethod
    def of(
        cls, table: Sequence[Attributes], code: NDArray[np.int64] | Ints, series: Ints, count: int
    ) -> "AttributeColumn | None":
        """A column from a number for each row, as short as it can be; None if nothing is stated.

        Args:
            table: different ones, each once; some may be unused.
            code: (n,), index into `table`.
            series: int32 (n,), the series of each row.
            count: number of series.
        """
        if not len(code):
            return None
        table, code = _used(table, code)
        if len(table) == 1:
            return None if table[0] == UNSTATED else cls(table, np.zeros(count, np.int32), True)
        by_row = code.astype(np.int32)
        by_series = np.zeros(count, np.int32)
        by_series[series] = by_row
        if (by_series[series] == by_row).all():
            return cls(table, by_series, True)
        return cls(table, by_row, False)

    def of_rows(self, series: Ints) -> Ints:
        """int32 (n,), a number for each row; `series` of each row."""
        return self.code[series] if self.of_series else self.code

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> "AttributeColumn":
        """The column of the chosen rows, over the same series."""
        return self if self.of_series else AttributeColumn(self.table, self.code[chosen], False)

    def with_series(self, chosen: NDArray[np.int64] | Ints) -> "AttributeColumn":
        """The column of the same rows over another table of series, which holds these."""
        return AttributeColumn(self.table, self.code[chosen], True) if self.of_series else self

    def ranked(self) -> "AttributeColumn":
        """The same over a sorted table, so that numbers compare as what they stand for."""
        order = sorted(range(len(self.table)), key=lambda i: rank_of(self.table[i]))
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return AttributeColumn([self.table[i] for i in order], rank[self.code], self.of_series)

    def compact(self) -> "AttributeColumn":
        """The same without unused entries of the table."""
        table, code = _used(self.table, self.code)
        return AttributeColumn(table, code.astype(np.int32), self.of_series)


def _used(
    table: Sequence[Attributes], code: NDArray[np.int64] | Ints
) -> tuple[Sequence[Attributes], NDArray[np.int64] | Ints]:
    """The entries of a table that occur, as a table of its own, and each row's number there."""
    if len(table) == 1:
        return (table[0],), code
    seen = np.zeros(len(table), bool)
    seen[code] = True
    if seen.all():
        return tuple(table), code
    used = np.flatnonzero(seen)
    position = np.empty(len(table), np.int32)
    position[used] = np.arange(len(used), dtype=np.int32)
    return tuple(table[i] for i in used.tolist()), position[code]


def saved(one: Attributes) -> tuple[Any, ...]:
    """The fields as they are saved: without the bad end, which came later, where none is stated."""
    return one if one.bad is not None else one[:3]


def rank_of(one: Attributes) -> tuple[bool, str, Labels, tuple[tuple[bool, float], ...], str]:
    """Order of attributes: stated families, labels and bounds come after those that are not."""
    bounds = tuple((bound is not None, bound or 0.0) for bound in one.bounds or ())
    stated = one.metric_type != UNSTATED.metric_type
    return stated, one.metric_type, one.labels, bounds, one.bad or ""


class Part(NamedTuple):
    """Rows that are joined with others.

    Attributes:
        column: of its rows.
        series: int32 (k,), the numbers of its series in the joined table.
        code: int32 (n,), the series of each row in the part's own table.
    """

    column: AttributeColumn | None
    series: Ints
    code: Ints


def _one_statement(columns: Sequence[AttributeColumn | None]) -> list[Attributes] | None:
    """The table of columns that state one and the same of all their series; None: they do not."""
    first = columns[0] if columns else None
    if first is None or len(first.table) != 1:
        return None
    stated = first.table[0]
    for one in columns:
        if one is None or not one.of_series or len(one.table) != 1 or one.table[0] != stated:
            return None
    return [stated]


def joined(parts: Sequence[Part], count: int) -> AttributeColumn | None:
    """The column of all rows of all parts in order, over one table of `count` series."""
    if all(part.column is None for part in parts):
        return None
    same = _one_statement([part.column for part in parts if len(part.series)])
    if same is not None:
        return AttributeColumn(same, np.zeros(count, np.int32), True)
    table: dict[Attributes, int] = {}
    numbered = _numbered(parts, table)
    if all(of_series for _, _, of_series in numbered):
        by_series = np.full(count, -1, np.int32)
        for part, code, _ in numbered:
            known = by_series[part.series]
            if not ((known == -1) | (known == code)).all():
                break
            by_series[part.series] = code
        else:
            return AttributeColumn(list(table), np.maximum(by_series, 0), True)
    by_row = [code[part.code] if of_series else code for part, code, of_series in numbered]
    return AttributeColumn(list(table), np.concatenate(by_row), False)


def _numbered(
    parts: Sequence[Part], table: dict[Attributes, int]
) -> list[tuple[Part, NDArray[np.int32], bool]]:
    """Parts with series, their column over one table, and whether it is one of series."""
    found = []
    for part in parts:
        column = part.column
        if not len(part.series):
            continue
        if column is None:
            one = np.array([table.setdefault(UNSTATED, len(table))], np.int32)
            found.append((part, one[np.zeros(len(part.series), np.int32)], True))
            continue
        remap = [table.setdefault(one, len(table)) for one in column.table]
        found.append((part, np.array(remap, np.int32)[column.code], column.of_series))
    return found
