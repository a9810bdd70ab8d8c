"""Values that are computed from the latest samples of a series: last, mean, variance, ...

Samples are kept by their time, and sums are exact, so neither order nor repeats change a value.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS
from padit.stores.redis_settings import LiveKey

__all__ = ["Lag", "LiveKeys", "Update"]

_NO_KEY = "samples that no key asks for"
_NO_NUMBER = "samples that are NaN or infinite"
_MOST = 100_000  # samples of a series


def _mean(values: Sequence[float]) -> float:
    try:
        return math.fsum(values) / len(values)
    except OverflowError:  # the sum is larger than all floats, and the mean is none of them
        return math.ldexp(math.fsum(math.ldexp(one, -64) for one in values) / len(values), 64)


def _variance(values: Sequence[float]) -> float:
    mean = _mean(values)
    try:
        return math.fsum((one - mean) * (one - mean) for one in values) / len(values)
    except OverflowError:
        return math.inf


_VALUES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "last": lambda values: values[-1],
    "mean": _mean,
    "variance": _variance,
    "min": min,
    "max": max,
}


class Update(NamedTuple):
    """A key and its new value."""

    key: str
    value: float


class LiveKeys:
    """Computes keys; a restart needs the samples of the last `longest` microseconds again.

    Args:
        keys: of the settings.
    """

    def __init__(self, keys: Iterable[LiveKey]) -> None:
        self._by_metric: dict[str, list[LiveKey]] = {}
        for one in keys:
            self._by_metric.setdefault(one.metric, []).append(one)
        self._samples: dict[tuple[str, str, str], dict[int, float]] = {}
        windows = [one.seconds for one in keys if one.value != "last"]
        self.longest = round(max(windows, default=0.0) * MICROS)

    def update(self, rows: Rows) -> tuple[list[Update], dict[str, int]]:
        """Take in samples; the keys that follow from them, and why others have none."""
        found: list[Update] = []
        wanted = np.array([one.metric_name in self._by_metric for one in rows.series], bool)
        if not len(rows) or not wanted.any():
            return found, {_NO_KEY: len(rows)} if len(rows) else {}
        asked = wanted[rows.code]
        chosen = np.flatnonzero(asked & np.isfinite(rows.value))
        order = chosen[np.argsort(rows.code[chosen], kind="stable")]
        code = rows.code[order]
        for part in np.split(order, np.flatnonzero(np.diff(code)) + 1):
            if len(part):
                series = rows.series[int(rows.code[part[0]])]
                found += self._series(series, rows.time[part], rows.value[part])
        left = {_NO_KEY: int((~asked).sum()), _NO_NUMBER: int(asked.sum()) - len(chosen)}
        return found, {why: count for why, count in left.items() if count}

    def _series(
        self, series: tuple[str, str, str], time: NDArray[np.int64], value: NDArray[np.float64]
    ) -> list[Update]:
        source, metric, unit = series
        kept = self._samples.setdefault(series, {})
        kept.update(zip(time.tolist(), value.tolist(), strict=True))
        newest = max(kept)
        keys = self._by_metric[metric]
        if kept:
            longest = round(max(one.seconds for one in keys) * MICROS)
            times = sorted(one for one in kept if one > newest - longest)[-_MOST:]
            if len(times) < len(kept):
                kept = self._samples[series] = {one: kept[one] for one in times}
        times = sorted(kept)
        found = []
        for one in keys:
            if one.value == "last":
                values = [kept[newest]]
            else:
                first = newest - round(one.seconds * MICROS)
                values = [kept[each] for each in times if each > first]
            key = one.key.format(source=source, metric=metric, unit=unit)
            found.append(Update(key, _VALUES[one.value](values)))
        return found


class Lag:
    """Up to where reading may begin so that the windows of `LiveKeys` are whole again.

    Args:
        longest: microseconds.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._waiting: dict[int, deque[tuple[int, int]]] = {}
        self._newest: dict[int, int] = {}
        self._at: dict[int, int] = {}

    def note(self, partition: int, first: int, after: int, newest: int) -> int:
        """Take note of records of a partition; the offset from which a restart would read.

        Args:
            partition: its number.
            first: offset of the first record.
            after: offset behind the last one.
            newest: largest event time, microseconds.
        """
        self._at.setdefault(partition, first)
        waiting = self._waiting.setdefault(partition, deque())
        top = max(newest, self._newest.get(partition, newest))
        self._newest[partition] = top
        waiting.append((after, top))
        while waiting and waiting[0][1] <= top - self._longest:
            self._at[partition] = waiting.popleft()[0]
        return self._at[partition] if self._longest else after
