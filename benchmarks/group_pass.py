"""What a pass over a key group costs: `python -m benchmarks.group_pass`. No Beam, no Kafka.

A pass takes a minute of one sample a second from each series and closes the window that ends with
it (300 s, every 60 s). It is measured by the processor time of its thread, so that other work on
the machine counts little, as the least and the median of many. The state goes through its bytes
between two passes as in the job.

With `--live` it is what a pass costs where latency counts (`benchmarks.latency`): ten samples a
second from each of 3 series, with their families, in four partitions, batches of an eighth of a
second, and windows of 300 s that close every quarter.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.topics import METRICS, source_of
from padit.domain.attributes import AttributeColumn, Attributes
from padit.domain.batch import KeyedBatch, decode_keyed_batch, encode_keyed_batch
from padit.domain.config import AlertSettings, DetectorSetting, JobConfig
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import Position
from padit.transforms.alerts import Alerts
from padit.transforms.audit import Audit
from padit.transforms.detect import Detection
from padit.transforms.group import GroupMachine
from padit.transforms.resident import Resident
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions

__all__ = ["live_batches", "live_passes", "machine_of", "minutes", "passes"]

_WINDOW, _INTERVAL, _START = 300_000_000, 60_000_000, 1_767_225_600_000_000
_CONFIGS = {"fixed limits": [DetectorSetting(name="rule")], "shipped": JobConfig().detectors}
_QUARTER = 250_000
_LIVE_SERIES, _LIVE_RATE, _LIVE_PARTITIONS = 3, 10, 4
_GOALS = {("fixed limits", 1): 0.3, ("shipped", 1): 0.5}


def machine_of(detectors: Sequence[DetectorSetting], interval: int = _INTERVAL) -> GroupMachine:
    """The machine as a job without options builds it, but for the interval."""
    detection = Detection(detectors)
    windows = WindowOptions(_WINDOW, interval, 1000)
    alerts = Alerts.of(detection, AlertSettings(), windows)
    audit = Audit(detection, windows)
    return GroupMachine(windows, detection, alerts, audit=audit, resident=Resident())


def minutes(series: int, count: int) -> Iterator[bytes]:
    """Keyed batches of a minute each."""
    names = [
        Series(f"cell-{source_of(n):05d}", METRICS[n % len(METRICS)], "ms") for n in range(series)
    ]
    noise = np.random.default_rng(1)
    code = np.tile(np.arange(series, dtype=np.int32), 60)
    for minute in range(count):
        begin = _START + minute * _INTERVAL
        moment = np.repeat(begin + np.arange(60, dtype=np.int64) * 1_000_000, series)
        value = 5 + np.round(noise.normal(size=len(code)), 3)
        first = minute * len(code)
        position = Position(0, 0, first, first + len(code), begin + _INTERVAL)
        yield encode_keyed_batch(KeyedBatch(1, (position,), Rows(names, code, moment, value)))


def passes(detectors: Sequence[DetectorSetting], series: int, count: int) -> list[float]:
    """Milliseconds of each pass; those before the window is full are left out."""
    machine, store = machine_of(detectors), MemoryStore()
    found = []
    for data in minutes(series, count):
        begun = time.thread_time()
        outcome = machine.advance(store, decode_keyed_batch(data), data)
        found.append((time.thread_time() - begun) * 1e3)
        if len(outcome.closings) != 1:
            message = f"a pass closed {len(outcome.closings)} times"
            raise RuntimeError(message)
    return found[10:]


def live_batches(seconds: float) -> Iterator[bytes]:
    """Keyed batches of an eighth of a second each, with families, from several partitions."""
    names = [Series(f"probe-{n:03d}", "udp_echo_rtt_ms", "ms") for n in range(_LIVE_SERIES)]
    known = AttributeColumn([Attributes("latency")], np.zeros(len(names), np.int32), True)
    noise = np.random.default_rng(1)
    step = 1_000_000 // (_LIVE_RATE * _LIVE_SERIES)
    until, sample = _START, 0
    first = [0] * _LIVE_PARTITIONS
    while until < _START + round(seconds * 1e6):
        until += _QUARTER // 2
        number = np.arange(sample, 1 + (until - _START - 1) // step)
        sample += len(number)
        positions = []
        for one in range(_LIVE_PARTITIONS):
            more = int((number % _LIVE_SERIES % _LIVE_PARTITIONS == one).sum())
            positions.append(Position(one, 0, first[one], first[one] + more, until - 200_000))
            first[one] += more
        code = (number % _LIVE_SERIES).astype(np.int32)
        value = 5 + np.round(noise.normal(size=len(number)), 3)
        rows = Rows(names, code, _START + number * step, value, known)
        yield encode_keyed_batch(KeyedBatch(_LIVE_PARTITIONS, tuple(positions), rows))


def live_passes(detectors: Sequence[DetectorSetting]) -> tuple[list[float], list[float]]:
    """Milliseconds of each pass that closes and of each that does not, once windows are full."""
    machine, store = machine_of(detectors, _QUARTER), MemoryStore()
    closing: list[float] = []
    waiting: list[float] = []
    for number, data in enumerate(live_batches(400.0)):
        begun = time.thread_time()
        outcome = machine.advance(store, decode_keyed_batch(data), data)
        spent = (time.thread_time() - begun) * 1e3
        if number * _QUARTER // 2 > 1.1 * _WINDOW:
            (closing if outcome.closings else waiting).append(spent)
    return closing, waiting


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.group_pass",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--passes", type=int, default=400)
    parser.add_argument("--series", default="1,30", help="numbers of series, separated by commas")
    parser.add_argument("--live", action="store_true", help="passes where latency counts")
    args = parser.parse_args()
    if args.live:
        print(f"{'configuration':14}{'':>10}{'least ms':>10}{'median ms':>11}")
        for name, detectors in _CONFIGS.items():
            for kind, found in zip(("closes", "waits"), live_passes(detectors), strict=True):
                print(f"{name:14}{kind:>10}{min(found):>10.3f}{statistics.median(found):>11.3f}")
        return
    print(f"{'configuration':14}{'series':>8}{'least ms':>10}{'median ms':>11}")
    for name, detectors in _CONFIGS.items():
        for series in map(int, args.series.split(",")):
            found = passes(detectors, series, args.passes)
            goal = _GOALS.get((name, series))
            asked = "" if goal is None else f"   (at most {goal})"
            print(
                f"{name:14}{series:>8}{min(found):>10.3f}{statistics.median(found):>11.3f}{asked}"
            )


if __name__ == "__main__":
    main()
