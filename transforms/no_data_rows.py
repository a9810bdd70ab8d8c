"""Adds a row for each empty window that a no-data detector reports.

Windows without a sample have no row, and no other detector ever sees one. The rows are added
after all detectors have scored, with features of 0 and no samples; the scores of the other
detectors are NaN there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.attributes import AttributeColumn
from padit.domain.features import FeatureTable, LateFeatures
from padit.domain.metric import Series
from padit.transforms.detectors.base import NoDataRows, Scores

__all__ = ["with_no_data_rows"]

Applies = Callable[[Series], tuple[bool, ...]]


class _Place(NamedTuple):
    """Where rows go: those of the table, and of each detector's `NoDataRows` by its number."""

    rows: int
    table: NDArray[np.int64]
    absent: dict[int, NDArray[np.int64]]


def with_no_data_rows(
    table: FeatureTable, scores: Sequence[Scores], applies: Applies
) -> tuple[FeatureTable, Sequence[Scores]]:
    """The table with a row for every window that a detector reports, and the scores over it.

    Args:
        table: the input of the detectors.
        scores: of each detector.
        applies: which detectors look at a series.
    """
    reported = {
        number: _looked_at(one.absent, number, applies)
        for number, one in enumerate(scores)
        if one.absent is not None and len(one.absent.code)
    }
    reported = {number: one for number, one in reported.items() if len(one.code)}
    if not reported:
        return table, scores
    series = sorted({*table.series, *(key for one in reported.values() for key in one.series)})
    rank = {key: number for number, key in enumerate(series)}
    keys = {
        number: np.stack([one.window_end, _renumbered(one.series, one.code, rank)], axis=1)
        for number, one in reported.items()
    }
    added, inverse = np.unique(np.concatenate(list(keys.values())), axis=0, return_inverse=True)
    code = _renumbered(table.series, table.code, rank)
    end = np.concatenate([table.window_end, added[:, 0]])
    code = np.concatenate([code, added[:, 1]])
    order = np.lexsort((code, end))
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    bounds = np.cumsum([len(one) for one in keys.values()])[:-1]
    of_added = np.split(position[len(table) :][inverse.ravel()], bounds)
    place = _Place(len(order), position[: len(table)], dict(zip(keys, of_added, strict=True)))
    filled = [
        _scores(one, reported.get(number), number, place) for number, one in enumerate(scores)
    ]
    return _table(table, tuple(series), end[order], code[order], place), filled


def _looked_at(absent: NoDataRows, number: int, applies: Applies) -> NoDataRows:
    """Without the series that the detector does not look at."""
    looks = np.array([applies(key)[number] for key in absent.series], bool)
    if looks.all():
        return absent
    chosen = looks[absent.code]
    kept = tuple(key for key, one in zip(absent.series, looks.tolist(), strict=True) if one)
    return NoDataRows(
        kept,
        absent.window_end[chosen],
        (np.cumsum(looks) - 1)[absent.code[chosen]].astype(np.int32),
        absent.score[chosen],
        absent.ongoing[chosen],
        {name: column[chosen] for name, column in absent.detail.items()},
    )


def _renumbered(
    series: Sequence[Series], code: NDArray[np.int32], rank: Mapping[Series, int]
) -> NDArray[np.int64]:
    return np.array([rank[key] for key in series], np.int64)[code]


def _scores(one: Scores, absent: NoDataRows | None, number: int, place: _Place) -> Scores:
    at = place.absent.get(number)
    score = _spread(one.score, place, np.nan)
    flags = {name: _optional(getattr(one, name), place, 0) for name in _FLAGS}
    facts = {name: _optional(getattr(one, name), place, np.nan) for name in _FACTS}
    baseline = one.baseline and {
        name: _spread(column, place, np.nan) for name, column in one.baseline.items()
    }
    detail = {name: _spread(column, place, 0) for name, column in (one.detail or {}).items()}
    if absent is not None:
        for name, values in (("ongoing", absent.ongoing), ("missing", True)):
            column = flags[name]
            flags[name] = column = np.zeros(place.rows, bool) if column is None else column
            column[at] = values
        score[at] = absent.score
        if facts["level"] is not None:
            facts["level"][at] = absent.score
        for name, column in absent.detail.items():
            detail[name][at] = column
    return msgspec.structs.replace(
        one, score=score, detail=detail or one.detail, absent=None, baseline=baseline,
        **flags, **facts,
    )  # fmt: skip


_FLAGS = ("ongoing", "held", "missing", "accepted")
_FACTS = ("level", "expected_low", "expected_high", "shift")


def _optional(column: NDArray[Any] | None, place: _Place, rest: float) -> NDArray[Any] | None:
    return None if column is None else _spread(column, place, rest)


def _spread(column: NDArray[Any], place: _Place, rest: float) -> NDArray[Any]:
    column = np.asarray(column)
    result = np.full((place.rows, *column.shape[1:]), rest, column.dtype)
    result[place.table] = column
    return result


def _table(
    table: FeatureTable,
    series: tuple[Series, ...],
    end: NDArray[np.int64],
    code: NDArray[np.int64],
    place: _Place,
) -> FeatureTable:
    count = _spread(np.diff(table.offset), place, 0)
    known, features = table.attributes, table.features
    if known is not None:
        by_row = _spread(known.of_rows(table.code), place, 0)  # of the added rows: not known yet
        known = AttributeColumn(known.table, by_row, False)
    return replace(
        table,
        series=series,
        window_end=end,
        code=code.astype(np.int32),
        features=features.spread(place.table, place.rows)
        if isinstance(features, LateFeatures)
        else {name: _spread(column, place, 0) for name, column in features.items()},
        offset=np.concatenate(([0], np.cumsum(count))),
        history_start=(
            None if table.history_start is None else _spread(table.history_start, place, 0)
        ),
        attributes=known,
    )
