"""What a process of the job exports to Prometheus, derived from the accounts of its runs.

The totals of `RunContext` are those since the job began, also after a restore, and each reader and
key group is in one process at a time; so the sum over all workers is the job's, and equals the
counters that Flink shows. A process that takes over from another is another series (label
`process`), so that `rate()` does not see the takeover as traffic.
"""

import math
import os
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from padit.ops import metric_names
from padit.ops.metric_names import job_metric
from padit.ops.run_context import RunContext, sum_of_lags
from padit.ops.stats import Stats

__all__ = ["ALERT_DELAY", "Delays", "job_stats", "memory_limit", "process_stats"]

_MICROS = 1e6
_FINAL = 1 << 60  # watermarks beyond it are the marks "none yet" and "ended"


class Delays:
    """A histogram of seconds; safe to use from any thread.

    Args:
        bounds: upper bounds of the buckets, ascending, without infinity.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = (*bounds, math.inf)
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        self._lock = threading.Lock()

    def observe(self, seconds: Iterable[float]) -> None:
        """Count each into its bucket."""
        with self._lock:
            for one in seconds:
                self._sum += one
                place = next(i for i, bound in enumerate(self._bounds) if one <= bound)
                self._counts[place] += 1

    def write(self, stats: Stats, name: str, **labels: str) -> None:
        """Set its series."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        seen = 0
        for bound, count in zip(self._bounds, counts, strict=True):
            seen += count
            le = "+Inf" if bound == math.inf else f"{bound:g}"
            stats.set(f"{name}_bucket", seen, le=le, **labels)
        stats.set(f"{name}_count", seen, **labels)
        stats.set(f"{name}_sum", total, **labels)


ALERT_DELAY = Delays(
    (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 10.5, 11, 12.5, 15, 20, 30, 60, 120, 300, 3600)
)
"""Of this process; finest around 0 and around 10 s, which is `--out_of_orderness_sec`."""


def job_stats(now: float | None = None) -> Stats:
    """Everything that this process knows of its runs.

    Args:
        now: the time, seconds since 1970; None: the clock's.
    """
    stats = Stats()
    process = f"{os.getpid()}-{psutil.Process().create_time():.0f}"
    process_stats(stats, process=process)
    sums: dict[str, int] = {}
    marks: list[int] = []
    lags: list[int | None] = []
    for run in RunContext.here():
        for name, total in run.totals().items():
            sums[name] = sums.get(name, 0) + total
        seen = run.seen()
        if seen.watermark is not None and abs(seen.watermark) < _FINAL:
            marks.append(seen.watermark)
        if seen.lag is not None or seen.silent:
            lags.append(seen.lag)
    for name, total in sorted(sums.items()):
        stats.set(job_metric(name), total, process=process)
    if marks:
        behind = (time.time() if now is None else now) - min(marks) / _MICROS
        stats.set(metric_names.JOB_WATERMARK_DELAY, behind, process=process)
    lag = sum_of_lags(lags)
    if lag is not None:  # a broker that is silent is no empty topic
        stats.set(metric_names.JOB_LAG, lag, process=process)
    ALERT_DELAY.write(stats, metric_names.JOB_ALERT_DELAY, process=process)
    return stats


def process_stats(stats: Stats, **labels: str) -> None:
    """Set memory, its limit and CPU time of this process."""
    process = psutil.Process()
    stats.set(metric_names.PROCESS_MEMORY, process.memory_info().rss, **labels)
    times = process.cpu_times()
    stats.set(metric_names.PROCESS_CPU, times.user + times.system, **labels)
    stats.set(metric_names.PROCESS_MEMORY_LIMIT, memory_limit(), **labels)


def memory_limit(cgroup: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Bytes that this container may use (cgroup v2), at most those of the machine."""
    machine = int(psutil.virtual_memory().total)
    try:
        return min(machine, int(cgroup.read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or "max"
        return machine
