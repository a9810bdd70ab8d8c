"""Attributes of series on their way to detectors and alerts.

A window has the attributes of its latest sample, by (time, value). A window without a sample has
those of the latest sample before it, which are therefore kept, once for each series that stated
any. What the configuration states comes before both.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import msgspec
import numpy as np

from padit.domain.attributes import UNSTATED, AttributeColumn, Attributes, rank_of, saved
from padit.domain.errors import StateError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.series_rules import SeriesRules

__all__ = ["Known", "complete", "dump_known", "keep_latest", "learn", "load_known", "with_rules"]

Known = dict[Series, Attributes]
"""By series what its latest sample stated; series without such a statement are left out."""
_VERSION = 1


class _Saved(msgspec.Struct, array_like=True):
    version: int
    table: list[Attributes]
    series: list[Series]
    code: list[int]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Saved)


def keep_latest(rows: Rows, interval: int) -> Rows:
    """Rows that keep, of the attributes of a series within a slot, those of its latest row.

    No other attributes can become a window's, so a label that differs from sample to sample
    takes no more state than one for each series and slot.
    """
    known = rows.attributes
    if known is None or known.of_series:
        return rows
    known = known.ranked()
    order = np.lexsort((known.code, rows.value, rows.time, rows.code))
    code, slot = rows.code[order], rows.time[order] // interval
    last = np.flatnonzero(np.append((code[1:] != code[:-1]) | (slot[1:] != slot[:-1]), True))
    latest = np.empty(len(rows), np.int32)
    latest[order] = np.repeat(known.code[order[last]], np.diff(last, prepend=-1))
    return msgspec.structs.replace(
        rows, attributes=AttributeColumn.of(known.table, latest, rows.code, len(rows.series))
    )


def with_rules(table: FeatureTable, rules: SeriesRules) -> FeatureTable:
    """The table with what the configuration states about its series."""
    if not rules or not len(table):
        return table
    found = table.attributes
    if found is None or found.of_series:
        codes = [0] * len(table.series) if found is None else found.code.tolist()
        known = (UNSTATED,) if found is None else found.table
        numbers: dict[Attributes, int] = {}
        code = [
            numbers.setdefault(rules.over(series, known[one]), len(numbers))
            for series, one in zip(table.series, codes, strict=True)
        ]
        if set(numbers) == {UNSTATED}:
            return table
        column = AttributeColumn(list(numbers), np.array(code, np.int32), True)
        return replace(table, attributes=column)
    pairs = table.code.astype(np.int64) * len(found.table) + found.code
    distinct, code_of_row = np.unique(pairs, return_inverse=True)
    numbers = {}
    of_pair = [
        numbers.setdefault(
            rules.over(table.series[one // len(found.table)], found.table[one % len(found.table)]),
            len(numbers),
        )
        for one in distinct.tolist()
    ]
    by_row = np.array(of_pair, np.int32)[code_of_row]
    return replace(table, attributes=AttributeColumn(list(numbers), by_row, False))


def complete(
    table: FeatureTable, known: Mapping[Series, Attributes], rules: SeriesRules
) -> FeatureTable:
    """The table with attributes for its windows without a sample, too.

    Args:
        table: with rows of count 0, whose attributes are not known yet.
        known: before the table.
        rules: of the configuration.
    """
    if table.attributes is None and not known and not rules:
        return table
    empty = table.features["count"] == 0
    if not empty.any():
        return table
    column = table.attributes or AttributeColumn((UNSTATED,), np.zeros(len(table), np.int32), False)
    numbers = {one: i for i, one in enumerate(column.table)}
    code = column.of_rows(table.code).copy()
    silent = np.zeros(len(table.series), bool)
    silent[table.code[empty]] = True
    latest: dict[int, int] = {}
    for row in np.flatnonzero(silent[table.code]).tolist():  # in the order of time; mostly few
        series = int(table.code[row])
        if not empty[row]:
            latest[series] = int(code[row])
            continue
        if series not in latest:
            name = table.series[series]
            one = rules.over(name, known.get(name, UNSTATED))
            latest[series] = numbers.setdefault(one, len(numbers))
        code[row] = latest[series]
    return replace(
        table, attributes=AttributeColumn.of(list(numbers), code, table.code, len(table.series))
    )


def learn(known: Known, table: FeatureTable) -> Known:
    """Keep what the latest sample of each series of a table stated.

    Args:
        known: changed in place.
        table: as the windows gave it, without what the configuration states.
    """
    column = table.attributes
    if column is None and not known:
        return known
    last = np.full(len(table.series), -1, np.int64)
    last[table.code] = np.arange(len(table))  # rows are in the order of time: the last one stays
    for series, row in zip(table.series, last.tolist(), strict=True):
        if row < 0:
            continue
        one = table.attributes_of(row)
        if one == UNSTATED:
            known.pop(series, None)
        else:
            known[series] = one
    return known


def dump_known(known: Known, series: Collection[Series]) -> bytes:
    """What is known of these series, in their canonical order; empty where nothing is."""
    kept = sorted(one for one in known if one in series)
    if not kept:
        return b""
    table = sorted({known[one] for one in kept}, key=rank_of)
    number = {one: i for i, one in enumerate(table)}
    code = [number[known[one]] for one in kept]
    return _encoder.encode((_VERSION, list(map(saved, table)), kept, code))


def load_known(data: bytes) -> Known:
    """Read what `dump_known` wrote.

    Raises:
        StateError: damaged, or of another version.
    """
    if not data:
        return {}
    try:
        saved = _decoder.decode(data)
        known = {
            series: saved.table[code] for series, code in zip(saved.series, saved.code, strict=True)
        }
    except (msgspec.DecodeError, ValueError, IndexError) as error:
        message = f"the saved attributes of series ({len(data)} bytes) are damaged: {error}"
        raise StateError(message) from error
    if saved.version != _VERSION:
        message = f"the saved attributes have version {saved.version}, this code reads {_VERSION}"
        raise StateError(message)
    return known
