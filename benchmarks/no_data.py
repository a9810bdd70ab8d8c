"""How often `no_data` reports series that are only irregular, and what it costs.

    python -m benchmarks.no_data [--nab ../shared/data/nab/data]

First made-up series of 20,000 gaps each, of which none has stopped; then, where it is there, the
real times of NAB's files; then CPU time of a step, the best of five.
"""

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from padit.domain.config import DetectorSetting
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_NONE
from padit.transforms.detect import Detection
from padit.transforms.windows import WindowOptions, close_windows

SECOND = 1_000_000
START = 1_767_225_600
WINDOWS = WindowOptions(300 * SECOND, 60 * SECOND, 1000)
GAPS = 20_000
Make = Callable[[np.random.Generator, int], Any]
KINDS: dict[str, Make] = {
    "every second": lambda chance, n: np.full(n, 1.0),
    "10 s, 10% jitter": lambda chance, n: 10 * (1 + 0.1 * chance.normal(size=n)).clip(0.1),
    "10 s, one in 20 lost": lambda chance, n: np.where(chance.random(n) < 0.05, 20.0, 10.0),
    "60 s, three in 10 lost": lambda chance, n: 60.0 * chance.geometric(0.7, size=n),
    "events, exponential, 10 s": lambda chance, n: chance.exponential(10, n),
    "events, exponential, 10 min": lambda chance, n: chance.exponential(600, n),
    "events, lognormal, sigma 1": lambda chance, n: 60 * chance.lognormal(0, 1, n),
    "events, lognormal, sigma 2": lambda chance, n: 60 * chance.lognormal(0, 2, n),
    "events, Pareto, alpha 1": lambda chance, n: 60 * (1 + chance.pareto(1, n)),
    "bursts of 1,000, pauses of 1 h": lambda chance, n: np.where(
        np.arange(n) % 1000 == 999, 3600.0, 1.0
    ),
    "a sample a minute, nights off": lambda chance, n: np.where(
        np.arange(n) % 480 == 479, 57600.0, 60.0
    ),
    "every hour": lambda chance, n: 3600 * (1 + 0.02 * chance.normal(size=n)),
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nab", type=Path, default=Path("../shared/data/nab/data"))
    options = parser.parse_args()
    print(f"{'series':32} {'reported':>8}  of {GAPS:,} gaps, 300 s windows every 60 s")
    for name, make in KINDS.items():
        gaps = make(np.random.default_rng(1), GAPS)
        print(f"{name:32} {len(_reported(START + np.cumsum(gaps))):8}")
    if options.nab.is_dir():
        _real(options.nab)
    print()
    for series in (1, 30, 1000):
        spent, size = _cost(series)
        print(
            f"{series:5} series x 60 samples a window: {1e6 * spent:7.0f} us a step, "
            f"{1e6 * spent / series:6.1f} us a row, {size:.0f} bytes of state a series"
        )


def _reported(seconds: Any) -> list[int]:
    """Ends of windows that are reported, seconds."""
    times = np.sort((np.asarray(seconds) * SECOND).astype(np.int64))
    detection = _detection()
    _, detected = detection.step(detection.initial(), _table([Series("m", "x")], times))
    ends = detected.table.window_end[detected.anomaly] // SECOND
    return [int(end) for end in ends]


def _detection() -> Detection:
    return Detection([DetectorSetting(name="no_data")])


def _table(keys: Sequence[Series], times: Any, closed: int = WATERMARK_NONE) -> FeatureTable:
    """All series with samples at the same times."""
    code = np.tile(np.arange(len(keys), dtype=np.int32), len(times))
    rows = Rows(tuple(keys), code, np.repeat(times, len(keys)), np.ones(len(code)))
    last = int(times.max())
    return close_windows([rows], closed, last // WINDOWS.interval + 1, WINDOWS, last).table


def _real(folder: Path) -> None:
    files = reported = rows = 0
    for path in sorted(folder.rglob("*.csv")):
        with path.open(newline="") as file:
            stamps = [row["timestamp"] for row in csv.DictReader(file)]
        seconds = np.array(stamps, "datetime64[s]").astype(np.int64)
        gaps = np.diff(np.sort(seconds))
        ends = _reported(seconds)
        files, reported, rows = files + 1, reported + len(ends), rows + len(stamps)
        if ends:
            longest = ", ".join(f"{gap / 3600:.3g} h" for gap in np.sort(gaps)[::-1][: len(ends)])
            print(f"  {path.name:44} {len(ends):3}; usual gap {np.median(gaps):.0f} s, "
                  f"longest {longest}")  # fmt: skip
    print(f"NAB: {reported} gaps reported in {files} files, {rows:,} rows")


def _cost(series: int) -> tuple[float, float]:
    """CPU seconds of a step, and bytes of state a series."""
    keys = [Series(f"source-{i:04}", "x") for i in range(series)]
    detection, best, size = _detection(), np.inf, 0.0
    [detector] = detection.detectors
    for _ in range(5):
        state = detector.initial()
        for slot in range(10):
            times = (START + slot * 60 + np.arange(60)) * SECOND
            first = int(times[0]) // WINDOWS.interval
            table = _table(keys, times, first)
            begin = time.process_time()
            state, _scores = detector.step(state, table)
            best = min(best, time.process_time() - begin)
        size = len(detector.dump(state)) / series
    return best, size


if __name__ == "__main__":
    main()
