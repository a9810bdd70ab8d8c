"""Units and labels that the configuration states, given to any source.

The unit is part of a series' identity, so it is set before anything reads the identity: between
the source's reader and the cursor. All else that `series:` states is no part of it, and waits for
the detectors (`transforms/attributes.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np

from padit.connectors.source import Decoder, PartitionRange, ReadBatch, Reader, Source
from padit.domain.config import SeriesSetting
from padit.domain.findings import Findings
from padit.domain.rows import Rows
from padit.domain.series_rules import SeriesRules

__all__ = ["with_labels", "with_units"]


@runtime_checkable
class _Labelled(Protocol):
    """A source that shows before it is read which labels it has."""

    def labelled(self, labels: tuple[str, ...]) -> Source:
        """The same for a configuration that names labels."""


def with_labels(source: Source, labels: tuple[str, ...]) -> Source:
    """The source as it is for a configuration that names labels: their columns are not left."""
    return source.labelled(labels) if labels and isinstance(source, _Labelled) else source


def with_units(source: Source, settings: Sequence[SeriesSetting]) -> Source:
    """The source with its series in the units that are stated; itself where none is.

    Args:
        source: any source.
        settings: `series` of the configuration.
    """
    stated = tuple(one for one in settings if one.unit is not None)
    return _Source(source, stated) if stated else source


@dataclass(frozen=True)
class _Source:
    """A `Source` over another one."""

    inner: Source
    settings: tuple[SeriesSetting, ...]

    @property
    def name(self) -> str:
        """See `Source`."""
        return self.inner.name

    def ranges(self) -> list[PartitionRange]:
        """See `Source`."""
        return self.inner.ranges()

    def findings(self) -> Findings:
        """See `Source`."""
        return self.inner.findings()

    def open(self, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
        """See `Source`."""
        return _Reader(self.inner.open(ranges, decode), SeriesRules(self.settings))


class _Reader:
    """A `Reader` over another one."""

    def __init__(self, inner: Reader, rules: SeriesRules) -> None:
        self._inner = inner
        self._rules = rules

    def read(self, seconds: float) -> list[ReadBatch]:
        """See `Reader`."""
        return [
            replace(one, rows=_renamed(one.rows, self._rules)) if len(one.rows) else one
            for one in self._inner.read(seconds)
        ]

    def pause(self, partitions: frozenset[int]) -> None:
        """See `Reader`."""
        self._inner.pause(partitions)

    def lag(self, *, lately: bool = False) -> Mapping[int, int]:
        """See `Reader`."""
        return self._inner.lag(lately=lately)

    def added(self, known: int) -> list[PartitionRange]:
        """See `Reader`."""
        return self._inner.added(known)

    def extend(self, ranges: Sequence[PartitionRange]) -> None:
        """See `Reader`."""
        self._inner.extend(ranges)

    def close(self) -> None:
        """See `Reader`."""
        self._inner.close()


def _renamed(rows: Rows, rules: SeriesRules) -> Rows:
    """Rows whose series have the stated units; series that differed in the unit alone are one."""
    series = [rules.renamed(one) for one in rows.series]
    if len(set(series)) == len(series):
        return msgspec.structs.replace(rows, series=series)
    column = rows.attributes
    if column is not None and column.of_series:  # two that become one may have other attributes
        column = replace(column, code=column.of_rows(rows.code), of_series=False)
    table = {one: number for number, one in enumerate(dict.fromkeys(series))}
    code = np.array([table[one] for one in series], np.int32)[rows.code]
    return msgspec.structs.replace(rows, series=tuple(table), code=code, attributes=column)
