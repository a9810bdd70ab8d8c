"""Key groups: many series behind one Beam key, so that work on them is vectorised.

All metrics of one source meet in one group, because multivariate detection needs them
together. The hash is CRC-32 of the source's UTF-8 bytes: stable across processes, machines and
versions, which Python's own `hash` is not.
"""

from collections.abc import Iterator
from functools import lru_cache
from zlib import crc32

import numpy as np

from padit.domain.batch import Batch, KeyedBatch
from padit.domain.rows import Rows

__all__ = ["group_of", "split_batch"]


@lru_cache(maxsize=1 << 18)
def group_of(source_id: str, groups: int) -> int:
    """Key group of a source, 0 to groups - 1."""
    return crc32(source_id.encode()) % groups


def split_batch(batch: Batch, groups: int) -> Iterator[tuple[int, KeyedBatch]]:
    """One keyed batch for every group, in the order of the groups; rows keep their order."""
    rows = batch.rows
    group = np.array([group_of(series.source_id, groups) for series in rows.series], np.int16)
    by_group = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[by_group], np.arange(groups + 1)).tolist()
    of_row = group[rows.code] if len(rows) else np.empty(0, np.int16)
    order = np.argsort(of_row, kind="stable")
    bounds = np.searchsorted(of_row[order], np.arange(groups + 1))
    code, time, value = rows.code[order], rows.time[order], rows.value[order]
    # A series' number within its group: its place in `by_group` behind the first of the group.
    number = np.empty(len(rows.series), np.int32)
    number[by_group] = np.arange(len(by_group)) - np.array(edges)[group[by_group]]
    attributes = None if rows.attributes is None else rows.attributes.select(order)
    for key in range(groups):
        chosen = slice(int(bounds[key]), int(bounds[key + 1]))
        mine = by_group[edges[key] : edges[key + 1]]
        part = Rows(
            [rows.series[i] for i in mine.tolist()],
            number[code[chosen]],
            time[chosen],
            value[chosen],
            None if attributes is None else attributes.select(chosen).with_series(mine),
        )
        yield key, KeyedBatch(batch.partitions, batch.positions, part)
