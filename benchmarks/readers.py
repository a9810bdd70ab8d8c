"""Rows per second of the readers of files, each alone on one core: `python -m benchmarks.readers`.

What counts is the CPU time of the process, so that other work on the machine matters little. Each
file is written once, read `--repeat` times, and the median is printed. The pass that looks at the
file before it is read is printed as well.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from padit.connectors.uris import source_from_uri

T0 = 1_767_571_200


def narrow_csv(path: Path, rows: int) -> str:
    """Epoch seconds, 8 sources with 50 metrics each, a value and a unit."""
    with path.open("w") as file:
        file.write("timestamp,source_id,metric_name,value,unit\n")
        file.writelines(
            f"{T0 + i // 400},machine-{i % 8},metric_{i % 50},{i * 7919 % 100003 / 1000:.3f},ms\n"
            for i in range(rows)
        )
    return str(path)


def wide_csv(path: Path, rows: int, columns: int = 20) -> str:
    """RFC 3339 times and 20 columns of numbers."""
    second = np.datetime64(T0, "s")
    with path.open("w") as file:
        file.write("timestamp," + ",".join(f"sensor_{j}" for j in range(columns)) + "\n")
        for i in range(rows):
            cells = ",".join(f"{(i * 7919 + j) % 100003 / 1000:.3f}" for j in range(columns))
            file.write(f"{second + i},{cells}\n")
    return str(path)


def german_csv(path: Path, rows: int) -> str:
    """What Excel writes: day first, semicolons, decimal comma."""
    with path.open("w") as file:
        file.write("timestamp;a;b;c;d\n")
        for i in range(rows):
            clock = f"{i // 3600 % 24:02}:{i // 60 % 60:02}:{i % 60:02}"
            cells = ";".join(f"{(i * 7919 + j) % 100003 / 1000:.3f}".replace(".", ",")
                             for j in range(4))  # fmt: skip
            file.write(f"{i // 86400 + 5:02}.01.2026 {clock};{cells}\n")
    return str(path)


def wide_parquet(path: Path, rows: int, columns: int = 20) -> str:
    """Timestamps and 20 columns of float64."""
    at = np.arange(rows)
    cells = {f"sensor_{j}": (at * 7919 + j) % 100003 / 1000 for j in range(columns)}
    times = pa.array((T0 + at) * 1_000_000, pa.timestamp("us"))
    pq.write_table(pa.table({"timestamp": times, **cells}), path)
    return str(path)


FILES: Mapping[str, tuple[str, Callable[[Path, int], str], int]] = {
    "CSV, narrow": ("narrow.csv", narrow_csv, 400_000),
    "CSV, wide": ("wide.csv", wide_csv, 60_000),
    "CSV, wide, German": ("german.csv", german_csv, 100_000),
    "Parquet, wide": ("wide.parquet", wide_parquet, 500_000),
}


def read(uri: str) -> tuple[int, int, float, float]:
    """Rows, samples, and the CPU seconds of the look at the file and of reading it."""
    began = time.process_time()
    source = source_from_uri(uri)
    ranges = source.ranges()
    looked = time.process_time()
    reader = source.open(ranges, lambda values, times: None)  # type: ignore[arg-type]
    samples, ended = 0, False
    while not ended:
        for one in reader.read(0):
            samples += len(one.rows)
            ended = one.ended
    reader.close()
    return sum(one.stop or 0 for one in ranges), samples, looked - began, (
        time.process_time() - looked
    )  # fmt: skip


def main() -> None:
    """Write the files, read them, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the number of rows")
    options = parser.parse_args()
    pa.set_cpu_count(1)
    print(f"{'file':20}{'rows':>10}{'rows/s':>12}{'samples/s':>12}{'look, s':>9}")
    with tempfile.TemporaryDirectory() as directory:
        for title, (name, write, rows) in FILES.items():
            uri = write(Path(directory, name), max(1, int(rows * options.scale)))
            runs = [read(uri) for _ in range(options.repeat)]
            count, samples = runs[0][:2]
            seconds = statistics.median(run[3] for run in runs)
            look = statistics.median(run[2] for run in runs)
            print(
                f"{title:20}{count:>10,}{count / seconds:>12,.0f}{samples / seconds:>12,.0f}"
                f"{look:>9.2f}"
            )


if __name__ == "__main__":
    main()
