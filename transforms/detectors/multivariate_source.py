"""A source of `multivariate`: which of its metrics are related, what it learns, and its memory."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.domain.metric import Series
from padit.transforms.detectors import hotelling

__all__ = ["Source", "new_source", "restore"]

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
_FEW = 4  # values of a metric that is a switch or a state, and no dimension


@dataclass(slots=True)
class Source:
    """One source: its metrics, the first rows while it learns, and its memory.

    Metrics of few values, on/off for instance, are left alone: `related` are the columns of the
    others, None while it learns, and `values` what each of those left alone had so far.
    """

    metrics: tuple[Series, ...]
    seen: int
    last: Array  # (d,), NaN before a metric's first sample
    rows: Array  # (< learn, d)
    memory: Array | None
    related: Ints | None = None
    values: dict[int, list[float]] = field(default_factory=dict)

    def learn_anew(self) -> None:
        """Forget what was learnt; the metrics stay."""
        self.rows, self.memory = np.empty((0, len(self.metrics))), None
        self.related, self.values = None, {}

    def begin(self, warning: float) -> None:
        """Make a memory of the first rows, and tell the metrics of few values apart."""
        found = [np.unique(column) for column in self.rows.T]
        self.values = {i: one.tolist() for i, one in enumerate(found) if len(one) <= _FEW}
        self.related = np.array([i for i in range(len(found)) if i not in self.values], np.int64)
        if len(self.related) > 1:
            self.memory = hotelling.begin(self.rows[:, self.related], warning)
        self.rows = self.rows[:0]

    def more_values(self, rows: Array, at: int, stop: int) -> int:
        """The row at which a metric that was left alone has more than few values, or `stop`."""
        for column, values in self.values.items():
            part = rows[at:stop, column]
            fresh = np.flatnonzero(~np.isin(part, values))
            while fresh.size and len(values) < _FEW:
                values.append(float(part[fresh[0]]))
                fresh = fresh[part[fresh] != values[-1]]
            if fresh.size:
                stop = at + int(fresh[0])
        return stop

    def saved(self) -> tuple[Any, ...]:
        """All of it as plain values and bytes."""
        return (
            [tuple(metric) for metric in self.metrics],
            self.seen,
            self.last.tobytes(),
            self.rows.tobytes(),
            None if self.memory is None else self.memory.tobytes(),
            None if self.related is None else self.related.tolist(),
            [(column, sorted(values)) for column, values in self.values.items()],
        )


def new_source(metrics: tuple[Series, ...]) -> Source:
    """A source that begins to learn."""
    d = len(metrics)
    return Source(metrics, 0, np.full(d, np.nan), np.empty((0, d)), None)


def restore(item: list[Any]) -> Source:
    """A source from what `Source.saved` gave.

    Raises:
        ValueError: it is none.
    """
    metrics, seen, last, rows, memory, related, values = item
    d = len(metrics)
    known = sorted([*(related or ()), *(column for column, _ in values)])
    if known and known != list(range(d)):
        message = f"of {d} metrics the columns {known} are known"
        raise ValueError(message)
    if memory is not None and len(memory) != 8 * hotelling.layout(len(related)).size:
        message = f"a memory of {len(related)} metrics has {len(memory)} bytes"
        raise ValueError(message)
    return Source(
        tuple(Series(*metric) for metric in metrics),
        seen,
        np.frombuffer(last, np.float64).copy(),
        np.frombuffer(rows, np.float64).reshape(-1, d).copy(),
        None if memory is None else np.frombuffer(memory, np.float64).copy(),
        None if related is None else np.array(related, np.int64),
        {column: list(had) for column, had in values},
    )
