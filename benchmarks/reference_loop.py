"""The loop to beat: one Python process that does the job's work without Beam.

Written as a careful engineer would by hand: confluent-kafka in batches of 10,000, msgspec into a
struct (twice as fast as orjson), a deque for each series, numpy for the features of one series at
a time, the default rule, alerts that open and resolve. What it leaves out is everything that
makes a job: it forgets all on a crash, takes one metric per record as valid JSON or dies, has no
late data, no duplicates, no dead letters, no order invariance, no evidence and one core. Its
alerts (series, window end) are the job's; the benchmark checks that.
"""

import argparse
import json
import resource
import time
from collections import deque
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.drain import AT_ONCE, open_consumer

__all__ = ["Loop", "features"]

WINDOW, INTERVAL, OUT_OF_ORDERNESS = 300.0, 60.0, 10.0
_EWMA_REACH = 128
_WEIGHT = 0.3 * 0.7 ** np.arange(_EWMA_REACH - 1, -1, -1, dtype=np.float64)
_QUANTILE = np.array([0.25, 0.5, 0.75, 0.95, 0.99])

Floats = NDArray[np.float64]


class Sample(msgspec.Struct, gc=False):
    """What is used of a record."""

    timestamp: float
    source_id: str
    metric_name: str
    value: float


def features(x: Floats) -> dict[str, float]:
    """The fifteen features of one window of one series; definitions in `transforms.features`."""
    n = len(x)
    ranked = np.sort(x)
    mean = float(x.mean())
    deviation = x - mean
    std = float(np.sqrt(deviation @ deviation / n))
    position = _QUANTILE * (n - 1)
    below = position.astype(np.int64)
    low, high = ranked[below], ranked[np.minimum(below + 1, n - 1)]
    p25, median, p75, p95, p99 = (low + (high - low) * (position - below)).tolist()
    centred = np.arange(n) - (n - 1) / 2
    trend = float(centred @ deviation) * 12 / (n * (n * n - 1)) if n > 1 else 0.0
    reach = min(n, _EWMA_REACH)
    prefix = np.cumsum(deviation)
    seasonality = 0.0
    if n >= 8 and std > 0:
        spectrum = np.fft.rfft(deviation - trend * centred)[1 : (n + 1) // 2]
        power = spectrum.real**2 + spectrum.imag**2
        seasonality = float(power.max() / power.sum())
    return {
        "mean": mean,
        "std": std,
        "min": float(ranked[0]),
        "max": float(ranked[-1]),
        "p25": p25,
        "median": median,
        "p75": p75,
        "p95": p95,
        "p99": p99,
        "trend": trend,
        "ewma": float(x[-reach:] @ _WEIGHT[-reach:]) + 0.7**n * mean,
        "gradient": float(x[-1]) - mean,
        "cusum": float(prefix[-1] - min(0.0, prefix.min())),
        "seasonality": seasonality,
        "count": float(n),
    }


class _Series:
    """One series: its samples, the end of its next window, and until when an alert stays open."""

    __slots__ = ("end", "open_until", "times", "values")

    def __init__(self, first: float) -> None:
        self.times: deque[float] = deque()
        self.values: deque[float] = deque()
        self.end = (first // INTERVAL + 1) * INTERVAL
        self.open_until = -1.0


class Loop:
    """Windows and alerts of all series, in memory."""

    def __init__(self) -> None:
        self.alerts: list[tuple[str, str, float]] = []
        self.windows = 0
        self._all: dict[tuple[str, str], _Series] = {}

    def take(self, values: list[bytes]) -> None:
        """Take records; a window closes when its series is past its end."""
        decode = msgspec.json.Decoder(Sample).decode
        known = self._all
        for value in values:
            sample = decode(value)
            time = sample.timestamp
            key = (sample.source_id, sample.metric_name)
            series = known.get(key)
            if series is None:
                series = known[key] = _Series(time)
            series.times.append(time)
            series.values.append(sample.value)
            if time >= series.end + OUT_OF_ORDERNESS:
                self._close(key, series, time - OUT_OF_ORDERNESS)

    def finish(self) -> None:
        """Close every window that holds a sample."""
        for key, series in self._all.items():
            self._close(key, series, series.times[-1] + WINDOW)

    def _close(self, key: tuple[str, str], series: _Series, until: float) -> None:
        times = np.array(series.times)
        values = np.array(series.values)
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
        while series.end <= until:
            first, last = np.searchsorted(times, (series.end - WINDOW, series.end)).tolist()
            if last > first:
                self._judge(key, series, features(values[first:last]))
            series.end += INTERVAL
        while series.times and series.times[0] < series.end - WINDOW:
            series.times.popleft()
            series.values.popleft()

    def _judge(self, key: tuple[str, str], series: _Series, found: dict[str, float]) -> None:
        self.windows += 1
        if 0.5 * (found["p99"] > 10.0) + 0.5 * (found["cusum"] > 50.0) < 0.7:
            return
        if series.end > series.open_until:
            self.alerts.append((*key, series.end))
        series.open_until = series.end + WINDOW


def main() -> None:
    """Measure once; print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    loop = Loop()
    started, before = time.perf_counter(), time.process_time()
    consumer = open_consumer(args.bootstrap, args.topic)
    read = 0
    while read < args.records:
        messages = consumer.consume(AT_ONCE, 1.0)
        read += len(messages)
        loop.take([message.value() for message in messages])
    loop.finish()
    alerts = sorted(loop.alerts)
    args.output.write_text("".join(f"{json.dumps(alert)}\n" for alert in alerts))
    seconds = time.perf_counter() - started
    consumer.close()
    result = {
        "seconds": seconds,
        "cpu": time.process_time() - before,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "windows": loop.windows,
        "alerts": len(alerts),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
