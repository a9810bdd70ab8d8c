"""Columns of samples: the one shape in which samples move through the job."""

from collections import deque
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from padit.domain.attributes import AttributeColumn, Part, joined
from padit.domain.metric import Series

__all__ = ["Rows", "concatenate"]


class Rows(msgspec.Struct, frozen=True):
    """n samples as columns, in the order they came.

    Attributes:
        series: the distinct series of these rows, each once, in any order.
        code: int32 (n,), index into `series`.
        time: int64 (n,), event time in microseconds since 1970.
        value: float64 (n,).
        attributes: family and labels; None where nothing is stated.
    """

    series: Sequence[Series]
    code: NDArray[np.int32]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    attributes: AttributeColumn | None = None

    @classmethod
    def empty(cls) -> "Rows":
        """No rows."""
        return cls((), np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.float64))

    def __len__(self) -> int:
        return len(self.code)

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> "Rows":
        """The chosen rows (a mask, positions or a slice), with the same table of series."""
        attributes = None if self.attributes is None else self.attributes.select(chosen)
        return Rows(
            self.series, self.code[chosen], self.time[chosen], self.value[chosen], attributes
        )


def concatenate(parts: Sequence[Rows]) -> Rows:
    """All rows of all parts in order, over one table of series."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Rows.empty()
    series, maps = _one_table(parts)
    attributes = None
    first = parts[0].attributes
    if (
        first is not None
        and first.of_series
        and all(part.attributes is first and part.series is series for part in parts)
    ):
        attributes = first
    elif any(part.attributes is not None for part in parts):
        everything = np.arange(len(series), dtype=np.int32)
        columns = [
            Part(
                part.attributes,
                everything[: len(part.series)] if remap is None else remap,
                part.code,
            )
            for part, remap in zip(parts, maps, strict=True)
        ]
        attributes = joined(columns, len(series))
    return Rows(
        series,
        np.concatenate(
            [
                part.code if remap is None else remap[part.code]
                for part, remap in zip(parts, maps, strict=True)
            ]
        ),
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.value for part in parts]),
        attributes,
    )


def _one_table(parts: Sequence[Rows]) -> tuple[Sequence[Series], list[NDArray[np.int32] | None]]:
    """The series of all parts, and the numbers of each part's series there; None: the same."""
    first = parts[0].series
    if all(part.series is first or part.series == first for part in parts):
        return first, [None] * len(parts)
    table: dict[Series, int] = {}
    maps: list[NDArray[np.int32] | None] = []
    met: deque[tuple[Sequence[Series], NDArray[np.int32] | None]] = deque(maxlen=4)
    for part in parts:
        found = next((one for one in met if one[0] is part.series), None)  # mostly the same again
        if found is None:
            numbers = [table.setdefault(series, len(table)) for series in part.series]
            same = numbers == list(range(len(numbers)))
            found = part.series, None if same else np.array(numbers, np.int32)
            met.append(found)
        maps.append(found[1])
    # Where no name is new it is the same table, for whoever knows it.
    return first if len(table) == len(first) else tuple(table), maps
