"""How fast Parquet is read, the reader alone: `python -m benchmarks.readers_parquet`.

Samples a second of processor time (the median of several passes), for a wide table of float64, a
wide table with empty cells, a narrow table, and a wide one whose rows are shuffled, with a sort
that fits into memory and one that spills. One process, one thread.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from padit.codecs.records import decode
from padit.connectors.file_source import FileSource

__all__ = ["measure", "tables"]

ROWS, COLUMNS = 500_000, 8
PASSES = 5
START = 1_767_600_000_000_000


def tables() -> dict[str, pa.Table]:
    """The tables by name (seed 0), a sample every 100 ms."""
    chance = np.random.default_rng(0)
    when = pa.array(START + np.arange(ROWS) * 100_000, pa.timestamp("us"))
    values = {f"m{i}": chance.normal(size=ROWS) for i in range(COLUMNS)}
    wide = pa.table({"timestamp": when, **values})
    absent = chance.random(ROWS) < 0.1
    gaps = {name: pa.array(one, mask=absent) for name, one in values.items()}
    names = pa.array([f"metric-{i}" for i in range(COLUMNS)]).take(np.arange(ROWS) % COLUMNS)
    narrow = {"timestamp": when, "source_id": pa.array(["host"] * ROWS), "metric_name": names}
    return {
        "wide": wide,
        "wide with gaps": pa.table({"timestamp": when, **gaps}),
        "narrow": pa.table({**narrow, "value": values["m0"]}),
        "shuffled": wide.take(chance.permutation(ROWS)),
    }


def measure(path: Path, sort_bytes: int) -> tuple[float, float]:
    """Million samples a second of the reader, and seconds that the start takes."""
    rates, starts = [], []
    for _ in range(PASSES):
        source = FileSource(str(path), sort_bytes=sort_bytes)
        begun = time.process_time()
        ranges = source.ranges()
        opened = time.process_time()
        reader = source.open(ranges, lambda values, _: decode(values, 1 << 22))
        samples = 0
        while reads := reader.read(0):
            samples += sum(len(one.rows) for one in reads)
        rates.append(samples / (time.process_time() - opened) / 1e6)
        starts.append(opened - begun)
        reader.close()
    return statistics.median(rates), statistics.median(starts)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        for name, table in tables().items():
            path = Path(folder, "table.parquet")
            pq.write_table(table, path)
            for sort_mib in (256, 16) if name == "shuffled" else (64,):
                rate, start = measure(path, sort_mib << 20)
                held = f", sort in {sort_mib} MiB" if name == "shuffled" else ""
                print(f"{name}{held}: {rate:.1f} million samples/s, start {start:.3f} s")


if __name__ == "__main__":
    main()
