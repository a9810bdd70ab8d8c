"""Bytes of state per series, and how fast the pure machine advances: no Beam, no Kafka."""

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.topics import METRICS, Shape, source_of
from padit.domain.batch import KeyedBatch
from padit.domain.config import JobConfig
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import Position
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection
from padit.transforms.group import GroupMachine
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions

__all__ = ["StateSize", "measure_state"]

_WINDOW, _INTERVAL, _OUT_OF_ORDERNESS = 300_000_000, 60_000_000, 10_000_000
_SECONDS = 430  # a window, an interval, and the out-of-orderness before it closes


@dataclass(frozen=True, slots=True)
class StateSize:
    """State of one key group, divided by its series.

    Attributes:
        peak: the most there is, just before a window closes.
        after_close: what is left when it has closed.
    """

    peak: float
    after_close: float
    seconds: float


def measure_state(series: int = 100, seconds_per_fragment: int = 1) -> StateSize:
    """One group at one sample per second and series, window 300/60, the default detector.

    Args:
        series: in the group.
        seconds_per_fragment: how much of the stream comes at a time; the less, the more often
            names are repeated in the state.
    """
    detection = Detection(JobConfig().detectors)
    windows = WindowOptions(_WINDOW, _INTERVAL, 1000)
    machine = GroupMachine(windows, detection, Alerts(detection, _WINDOW, windows))
    store = MemoryStore()
    names = [
        Series(f"cell-{source_of(n):05d}", METRICS[n % len(METRICS)], "ms") for n in range(series)
    ]
    columns = list(Shape(series * _SECONDS, series).columns())
    peak = after = 0
    started = time.perf_counter()
    for first in range(0, _SECONDS, seconds_per_fragment):
        part = columns[first : first + seconds_per_fragment]
        moments = np.concatenate([one[0] for one in part]) * 1000
        values = np.concatenate([one[1] for one in part]) / 1000
        code = np.tile(np.arange(series, dtype=np.int32), len(part))
        position = Position(
            0, 0, first * series, (first + len(part)) * series, int(moments[-1]) - _OUT_OF_ORDERNESS
        )
        rows = Rows(names, code, moments, values)
        outcome = machine.advance(store, KeyedBatch(1, (position,), rows))
        size = _size(store)
        peak = max(peak, size)
        if outcome.closings:
            after = size
    return StateSize(peak / series, after / series, time.perf_counter() - started)


def _size(store: MemoryStore) -> int:
    return sum(map(len, store.pieces()))
