"""What a close costs when every series of a key group alerts in one window: no Beam, no Kafka.

python -m benchmarks.storm 200 400 800 1600 3000
"""

import sys
import time
from typing import NamedTuple

import numpy as np

from padit.domain.batch import KeyedBatch
from padit.domain.config import JobConfig
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS
from padit.domain.watermark import Position
from padit.transforms.alerts import Alerts
from padit.transforms.audit import Audit
from padit.transforms.detect import Detection
from padit.transforms.group import GroupMachine
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions

__all__ = ["Storm", "measure_storm"]

_START = 1_767_225_600
_WINDOW, _INTERVAL = 300, 60
_CALM = 10
_METRICS = 10  # of a source


class Storm(NamedTuple):
    """CPU seconds of two closes of one group, and the transitions of the second."""

    calm: float
    storm: float
    transitions: int


def measure_storm(series: int, *, audit: bool = True, detectors: int = 2) -> Storm:
    """Ten calm minutes at a sample a second, then one in which all series jump.

    Args:
        series: in the group.
        audit: whether the provenance of alerts is wanted.
        detectors: of the default configuration: novelty alone, or multivariate too.
    """
    windows = WindowOptions(_WINDOW * MICROS, _INTERVAL * MICROS, 1000)
    detection = Detection(JobConfig().detectors[:detectors])
    alerts = Alerts(detection, windows.size, windows)
    log = Audit(detection, windows) if audit else None
    machine = GroupMachine(windows, detection, alerts, audit=log)
    names = [Series(f"cell-{n // _METRICS:05d}", f"m{n % _METRICS}", "ms") for n in range(series)]
    store, chance = MemoryStore(), np.random.default_rng(0)
    calm = 0.0
    for minute in range(_CALM + 1):
        second, jump = _START + minute * _INTERVAL, 100.0 * (minute == _CALM)
        machine.advance(store, _keyed(names, second, _INTERVAL - 1, 0.0, chance))
        started = time.process_time()
        last = _keyed(names, second + _INTERVAL - 1, 1, jump, chance)
        outcome = machine.advance(store, last)
        seconds = time.process_time() - started
        calm = calm if jump else seconds
    return Storm(calm, seconds, len(outcome.transitions))


def _keyed(
    names: list[Series], second: int, count: int, jump: float, chance: np.random.Generator
) -> KeyedBatch:
    size = len(names)
    code = np.tile(np.arange(size, dtype=np.int32), count)
    moments = np.repeat((second + np.arange(count)) * MICROS, size)
    rows = Rows(names, code, moments, chance.normal(size=count * size) + jump)
    first = second * size
    at = Position(0, _START * size, first, first + count * size, (second + count) * MICROS)
    return KeyedBatch(1, (at,), rows)


def _main(sizes: list[int]) -> None:
    print("series  detectors     calm s  storm s  ratio  transitions")
    for detectors, name in ((1, "novelty"), (2, "default")):
        for series in sizes:
            found = measure_storm(series, detectors=detectors)
            ratio = found.storm / found.calm
            print(
                f"{series:6}  {name:12}  {found.calm:6.3f}  {found.storm:7.3f}  {ratio:5.1f}"
                f"  {found.transitions:11}",
                flush=True,
            )


if __name__ == "__main__":
    _main([int(one) for one in sys.argv[1:]] or [200, 400, 800, 1600, 3000])
