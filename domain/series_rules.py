"""What a configuration states about series: `series:` of the YAML file, looked up by name."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple

from padit.domain.attributes import UNSTATED, Attributes, BadEnd, Labels, bad_end
from padit.domain.config import SeriesSetting
from padit.domain.metric import Series

__all__ = ["SeriesRules", "Stated"]

_MOST = 1 << 18


class Stated(NamedTuple):
    """What is stated about a series; see `SeriesSetting`."""

    unit: str | None = None
    metric_type: str | None = None
    bounds: tuple[float | None, float | None] | None = None
    bad: BadEnd | None = None
    labels: Labels = ()

    def plain(self) -> dict[str, Any]:
        """As in a configuration, without what is not stated."""
        whole = {**self._asdict(), "labels": dict(self.labels)}
        return {name: one for name, one in whole.items() if one not in (None, {})}


class SeriesRules:
    """Looks up series; all entries that match count, the later one first.

    Args:
        settings: of a configuration.
    """

    def __init__(self, settings: Sequence[SeriesSetting] = ()) -> None:
        self.settings = tuple(settings)
        self.names_units = any(one.unit is not None for one in self.settings)
        self.stated = lru_cache(maxsize=_MOST)(self._find)

    def __bool__(self) -> bool:
        return bool(self.settings)

    def renamed(self, series: Series) -> Series:
        """The series in the unit that is stated."""
        unit = self.stated(series.source_id, series.metric_name).unit
        return series if unit is None else series._replace(unit=unit)

    def over(self, series: Series, found: Attributes = UNSTATED) -> Attributes:
        """Attributes of a series: what is stated comes before what was found with its samples."""
        stated = self.stated(*series.key)
        labels = found.labels
        if stated.labels:
            labels = tuple(sorted({**dict(labels), **dict(stated.labels)}.items()))
        family = stated.metric_type or found.metric_type
        if stated.bounds is None:
            return Attributes(family, labels)
        unit = series.unit if stated.unit is None else stated.unit
        bad = stated.bad or bad_end(family, series.metric_name, unit)
        return Attributes(family, labels, stated.bounds, bad)

    def _find(self, source_id: str, metric_name: str) -> Stated:
        given: dict[str, Any] = {}
        labels: dict[str, str] = {}
        for one in self.settings:
            if fnmatchcase(source_id, one.source) and fnmatchcase(metric_name, one.metric):
                named = one.model_dump(include={"unit", "metric_type", "bounds", "bad"})
                given |= {name: value for name, value in named.items() if value is not None}
                labels |= one.labels
        return Stated(**given, labels=tuple(sorted(labels.items())))
