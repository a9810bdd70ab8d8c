"""What the disturbed job reads: a topic of metrics with an episode every few minutes.

One metric a record, JSON, 64 series of 16 sources, one sample a second; every source writes to
one partition, in order. The same number of records gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.integration.helpers import Record, produce

__all__ = ["CONFIG", "PARTITIONS", "WINDOWS", "write_topic"]

PARTITIONS = 4
CONFIG = Path(__file__).with_name("detectors.yaml")
WINDOWS = ("--window_size_sec=120", "--extract_interval_sec=30", f"--config={CONFIG}")

_SOURCES, _METRICS = 16, ("rtt_ms", "delay_us", "loss", "load")
_SERIES = _SOURCES * len(_METRICS)
_START_S = 1_767_600_000
_SEED = 20_260_105
_EVERY_S, _EPISODE_S = 1200, 150


def write_topic(bootstrap: str, topic: str, records: int) -> None:
    """Write at least `records` records, a whole number of seconds.

    In small batches: a broker hands out whole ones, and a piece of a fetch must hold a few.
    """
    produce(bootstrap, topic, _records(-(-records // _SERIES)), batch=25)


def _records(seconds: int) -> Iterator[Record]:
    normal = np.random.default_rng(_SEED)
    for second in range(seconds):
        noise = normal.standard_normal(_SERIES).tolist()
        for series, one in enumerate(noise):
            # Each series has its episodes at a time of its own, so alerts come all the time.
            phase = (second + series * _EVERY_S // _SERIES) % _EVERY_S
            level = 60.0 if second > _EVERY_S // 4 and phase < _EPISODE_S else 5.0
            source, metric = divmod(series, len(_METRICS))
            moment = _START_S + second
            value = (
                f'{{"timestamp":{moment},"source_id":"cell-{source}",'
                f'"metric_name":"{_METRICS[metric]}","value":{level + one:.3f}}}'
            )
            yield Record(value.encode(), float(moment), source % PARTITIONS)
