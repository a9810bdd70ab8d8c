"""Key groups: many series behind one Beam key, so that work on them is vectorised.

All metrics of one source meet in one group, because multivariate detection needs them
together. The hash is CRC-32 of the source's UTF-8 bytes: stable across processes, machines and
versions, which Python's own `hash` is not.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from padit.domain.batch import Batch, KeyedBatch
from padit.domain.metric import Series
from padit.domain.rows import Rows, concatenate
from padit.domain.watermark import Position
from padit.ops.compiled import kernel

__all__ = ["group_of", "join_batches", "split_batch"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


@lru_cache(maxsize=1 << 18)
def group_of(source_id: str, groups: int) -> int:
    """Key group of a source, 0 to groups - 1."""
    return crc32(source_id.encode()) % groups


class _Plan(NamedTuple):
    """How the series of a table are spread over groups.

    Attributes:
        group: int32 (series,), group of each.
        number: int32 (series,), its place in the group's own table.
        tables: of each group, sorted, so that the same series always give the same table.
        places: int64 (k,) of each group, where its series stand in the whole table.
    """

    group: Codes
    number: Codes
    tables: tuple[tuple[Series, ...], ...]
    places: tuple[Ints, ...]


@lru_cache(maxsize=16)
def _plan(series: tuple[Series, ...], groups: int) -> _Plan:
    """Worked out once for a table: a reader's batches mostly have the same series."""
    members: list[list[int]] = [[] for _ in range(groups)]
    group = np.empty(len(series), np.int32)
    number = np.empty(len(series), np.int32)
    for place, one in enumerate(series):
        group[place] = group_of(one.source_id, groups)
        members[group[place]].append(place)
    for mine in members:
        mine.sort(key=series.__getitem__)
        number[mine] = np.arange(len(mine), dtype=np.int32)
    tables = tuple(tuple(series[place] for place in mine) for mine in members)
    return _Plan(group, number, tables, tuple(np.array(mine, np.int64) for mine in members))


def split_batch(batch: Batch, groups: int) -> Iterator[tuple[int, KeyedBatch]]:
    """One keyed batch for every group, in the order of the groups; rows keep their order."""
    rows = batch.rows
    plan = _plan(tuple(rows.series), groups)
    by_row = rows.attributes is not None and not rows.attributes.of_series
    bounds, order, code, time, value = _spread(
        rows.code, rows.time, rows.value, plan.group, plan.number, groups, by_row
    )
    attributes = rows.attributes
    if attributes is not None and by_row:
        attributes = attributes.select(order)
    edges = bounds.tolist()
    for key, table in enumerate(plan.tables):
        chosen = slice(edges[key], edges[key + 1])
        known = attributes
        if known is not None:
            known = known.select(chosen).with_series(plan.places[key])
        part = Rows(table, code[chosen], time[chosen], value[chosen], known)
        yield key, KeyedBatch(batch.partitions, batch.positions, part)


def join_batches(batches: Sequence[Batch]) -> Batch:
    """Batches that one reader made one after another, as one.

    Args:
        batches: at least one, in the order they were read.
    """
    if len(batches) == 1:
        return batches[0]
    last: dict[int, int] = {}
    positions: list[Position] = []
    for position in (one for batch in batches for one in batch.positions):
        at = last.get(position.partition)
        if at is not None and _continues(positions[at], position):
            positions[at] = position._replace(first=positions[at].first)
            continue
        last[position.partition] = len(positions)
        positions.append(position)
    return Batch(
        max(batch.partitions for batch in batches),
        tuple(positions),
        concatenate([batch.rows for batch in batches]),
    )


def _continues(before: Position, after: Position) -> bool:
    """Whether one position goes on where another ends, and covers no less of anything."""
    return (
        after.first == before.following
        and after.start == before.start
        and after.watermark >= before.watermark
        and after.reached >= before.reached
    )


@kernel
def _spread(
    code: Codes,
    time: Ints,
    value: Floats,
    group: Codes,
    number: Codes,
    groups: int,
    ordered: bool,
) -> tuple[Ints, Ints, Codes, Ints, Floats]:
    """Rows by group, in the order they came within each; a counting sort.

    They are read in their order and written to as many places as there are groups: to look each
    group's rows up in the whole took an eighth of a run over Arrow records.

    Args:
        code: int32 (n,), the series of each row.
        time: int64 (n,).
        value: float64 (n,).
        group: as of `_Plan`.
        number: as of `_Plan`.
        groups: how many.
        ordered: whether the order is wanted.

    Returns:
        Where the rows of each group begin, int64 (groups + 1,); the rows in the order of their
        groups, int64 (n,), or nothing; then in that order the number of the series of each within
        its group, int32 (n,), its time and its value.

    Raises:
        IndexError: a code is outside of the series.
    """
    bounds = np.zeros(groups + 1, np.int64)
    for i in range(len(code)):
        if code[i] < 0 or code[i] >= len(group):
            raise IndexError("a row belongs to a series that is not in its table")  # noqa: EM101
        bounds[group[code[i]] + 1] += 1
    for i in range(groups):
        bounds[i + 1] += bounds[i]
    at = bounds.copy()
    size = len(code)
    order = np.empty(size if ordered else 0, np.int64)
    numbers, times, values = np.empty(size, np.int32), np.empty(size, np.int64), np.empty(size)
    for i in range(size):
        place = at[group[code[i]]]
        at[group[code[i]]] = place + 1
        numbers[place], times[place], values[place] = number[code[i]], time[i], value[i]
        if ordered:
            order[place] = i
    return bounds, order, numbers, times, values
