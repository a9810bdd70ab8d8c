"""Features of closed windows, as columns: the input of detectors."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.attributes import UNSTATED, AttributeColumn, Attributes
from padit.domain.metric import Series

__all__ = ["FEATURES", "FeatureTable", "LateFeatures", "Passed"]

_Answer = TypeVar("_Answer")
FEATURES = (
    "mean",
    "std",
    "min",
    "max",
    "median",
    "p25",
    "p75",
    "p95",
    "p99",
    "trend",
    "ewma",
    "gradient",
    "cusum",
    "seasonality",
    "count",
)


class LateFeatures(Mapping[str, NDArray[np.float64]]):
    """Columns of features of which one costs more than the others and is mostly not read.

    Args:
        columns: by name, all but the late one.
        name: of the late one.
        compute: gives its values for some rows (numbers), each as if it were computed alone.
    """

    def __init__(
        self,
        columns: dict[str, NDArray[np.float64]],
        name: str,
        compute: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    ) -> None:
        self._columns = columns
        self._name = name
        self._compute = compute

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        if name == self._name and name not in self._columns:
            rows = len(next(iter(self._columns.values())))
            self._columns[name] = self._compute(np.arange(rows))
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(FEATURES)

    def __len__(self) -> int:
        return len(FEATURES)

    def select(self, rows: NDArray[np.int64]) -> "LateFeatures":
        """The columns of some rows (numbers); the late one is computed where it is read."""
        columns = {name: column[rows] for name, column in self._columns.items()}
        return LateFeatures(columns, self._name, lambda chosen: self._compute(rows[chosen]))

    def spread(self, place: NDArray[np.int64], count: int) -> "LateFeatures":
        """The columns of `count` rows: row i of these at `place[i]`, and zeros.

        The late one is computed where it is read.
        """
        origin = np.full(count, -1)
        origin[place] = np.arange(len(place))
        columns = {}
        for name, column in self._columns.items():
            columns[name] = np.zeros(count)
            columns[name][place] = column

        def compute(rows: NDArray[np.int64]) -> NDArray[np.float64]:
            found = np.zeros(len(rows))
            known = origin[rows] >= 0
            found[known] = self._compute(origin[rows[known]])
            return found

        return LateFeatures(columns, self._name, compute)

    def of_row(self, row: int) -> dict[str, float]:
        """All features of one row; the late one is computed for this row only."""
        late = self._columns.get(self._name)
        found = self._compute(np.array([row]))[0] if late is None else late[row]
        return {
            name: float(found if name == self._name else self._columns[name][row])
            for name in FEATURES
        }


class Passed(msgspec.Struct, frozen=True):
    """Time span of a table, which also covers series without a row; microseconds.

    Attributes:
        since: every window that ends at or before this was closed earlier.
        until: missing samples are known for windows that end at or before this.
        size, interval: shape of the windows.
    """

    since: int
    until: int
    size: int
    interval: int


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """One or more consecutive closed windows of one key group.

    A row is one series in one window that holds at least one of its samples; rows are sorted by
    (window end, series). Every row has a *slice*: the samples that are new since the window
    before, so that every sample belongs to exactly one row. A row without new samples has
    an empty slice.

    Attributes:
        series: the distinct series of these rows, sorted by (source_id, metric_name).
        window_end: int64 (n,), exclusive end of the window, microseconds.
        code: int32 (n,), index into `series`.
        features: for each name of `FEATURES` float64 (n,), all finite.
        offset: int64 (n + 1,); row i has the samples offset[i] to offset[i + 1].
        time: int64 (m,), event times of the samples, sorted within a row by (time, value).
        value: float64 (m,).
        closed_until: every window that ends at or before this is closed, microseconds.
        history: times (int64) and values (float64) that `history_start` points into.
        history_start: int64 (n,); the samples of the whole window of row i are the
            features["count"][i] from there on.
        passed: the time span of the table; None where missing samples are not known.
        attributes: family, labels and bounds of each row, of its window's latest (time, value);
            None where nothing is stated. Detectors get what the configuration states, too.
    """

    series: tuple[Series, ...]
    window_end: NDArray[np.int64]
    code: NDArray[np.int32]
    features: Mapping[str, NDArray[np.float64]]
    offset: NDArray[np.int64]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    closed_until: int
    history: tuple[NDArray[np.int64], NDArray[np.float64]] | None = None
    history_start: NDArray[np.int64] | None = None
    passed: Passed | None = None
    attributes: AttributeColumn | None = None
    _found: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, asked: Callable[["FeatureTable"], _Answer]) -> _Answer:
        """What a function says of this table: worked out once, whoever asks; not to be changed."""
        if asked not in self._found:
            self._found[asked] = asked(self)
        answer: _Answer = self._found[asked]
        return answer

    @property
    def passed_until(self) -> int:
        """Up to when time has passed for all series, microseconds.

        The end of the input is later than any time, but must not expire any series.
        """
        if self.passed is None:
            return self.closed_until
        return min(self.passed.until, self.closed_until)

    def attributes_of(self, row: int) -> Attributes:
        """Family, labels and bounds of a row; its unit stands in its series."""
        if self.attributes is None:
            return UNSTATED
        known = self.attributes
        one: Attributes = known.table[known.code[self.code[row] if known.of_series else row]]
        return one

    def features_of(self, row: int) -> dict[str, float]:
        """The features of a row by name, as plain numbers."""
        if isinstance(self.features, LateFeatures):
            return self.features.of_row(row)
        return {name: float(column[row]) for name, column in self.features.items()}

    @property
    def bounds(self) -> NDArray[np.float64]:
        """float64 (n, 2): least and greatest possible value of each row; infinite where none."""
        if self.attributes is None:
            return np.tile([-np.inf, np.inf], (len(self), 1))
        limits = [one.bounds or (None, None) for one in self.attributes.table]
        table = [
            (-np.inf if low is None else low, np.inf if high is None else high)
            for low, high in limits
        ]
        return np.array(table, np.float64)[self.attributes.of_rows(self.code)]

    @property
    def metric_types(self) -> list[str]:
        """The family of each row."""
        if self.attributes is None:
            return [UNSTATED.metric_type] * len(self)
        names = [one.metric_type for one in self.attributes.table]
        return [names[i] for i in self.attributes.of_rows(self.code).tolist()]

    def window(self, row: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Times and values of all samples of a row's window; of its slice without history."""
        if self.history is None or self.history_start is None:
            chosen = slice(int(self.offset[row]), int(self.offset[row + 1]))
            return self.time[chosen], self.value[chosen]
        start = int(self.history_start[row])
        chosen = slice(start, start + int(self.features["count"][row]))
        return self.history[0][chosen], self.history[1][chosen]

    def __len__(self) -> int:
        return len(self.code)
