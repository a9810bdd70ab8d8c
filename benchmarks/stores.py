"""Rates of every store beside its bare client, in one run: `python -m benchmarks.stores`.

Redis, InfluxDB and Prometheus: `live_stores`. The archive: `archive`.

PostgreSQL: readings of machines (five metrics a row) by the writer of `padit store`, with and
without decoding of their JSON, beside a bare binary COPY of the same rows into the same table with
its index, in pairs. Each run begins with an empty table; the median of the pairs is reported.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import archive
from benchmarks.live_stores import live
from padit.stores.base import Batch
from padit.stores.postgres.copying import binary_rows
from padit.stores.postgres.readings import Readings, readings_of
from padit.stores.postgres.settings import SENSOR_COLUMNS
from padit.stores.registry import store_from_uri
from tests.postgres import Postgres, start_postgres
from tests.stores.databases import BEGIN, batch_of

_ALL = ("postgresql", "live", "archive")
_COLUMN = {name: n for n, name in enumerate(SENSOR_COLUMNS)}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 0 if the aims are met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000, help="rows of sensor_log")
    parser.add_argument("--machines", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--only", default=",".join(_ALL), help=f"of {', '.join(_ALL)}")
    args = parser.parse_args(argv)
    chosen = args.only.split(",")
    if unknown := set(chosen) - set(_ALL):
        parser.error(f"--only: {min(unknown)} is none of {', '.join(_ALL)}")
    os.environ["PGUSER"] = "padit"
    failed = 0
    if "postgresql" in chosen:
        with tempfile.TemporaryDirectory(prefix="padit-bench-") as scratch:
            server = start_postgres(Path(scratch), fsync="on")
            try:
                failed |= _postgres(server, args.rows, args.machines, args.pairs)
            finally:
                server.stop()
    if "live" in chosen:
        failed |= not live(args.pairs)
    if "archive" in chosen:
        failed |= archive.main(["--rounds", str(args.pairs)])
    return int(failed)


def _postgres(server: Postgres, rows: int, machines: int, pairs: int) -> int:
    records = _records(rows, machines)
    batches = [batch_of("metrics", some, n * len(some)) for n, some in enumerate(records)]
    found: dict[str, list[float]] = {"bare COPY": [], "writer": [], "decoded and written": []}
    for _ in range(pairs):
        found["bare COPY"].append(rows / _bare(server, batches))
        found["writer"].append(rows / _written(server, batches))
        found["decoded and written"].append(rows / _decoded(server, records))
    rates = {name: statistics.median(values) for name, values in found.items()}
    ratios = [one / bare for one, bare in zip(found["writer"], found["bare COPY"], strict=True)]
    for name, rate in rates.items():
        print(f"{name:22} {rate:10,.0f} rows/s {5 * rate:12,.0f} samples/s")
    ratio = statistics.median(ratios)
    print(f"writer / bare COPY     {ratio:10.2f} (pairs: {', '.join(f'{r:.2f}' for r in ratios)})")
    return 0 if rates["writer"] >= 50_000 and ratio >= 0.4 else 1


def _records(rows: int, machines: int) -> list[list[bytes]]:
    """Samples as JSON, 20,000 to a batch, as the loop reads them."""
    chance = np.random.default_rng(1)
    every, made = 20_000, []
    for second in range(rows // machines):
        for machine in range(machines):
            for name in SENSOR_COLUMNS:
                fields: dict[str, Any] = {
                    "timestamp": BEGIN + second, "source_id": f"press-{machine}",
                    "metric_name": name, "value": round(float(chance.normal(50, 5)), 3),
                }  # fmt: skip
                made.append(json.dumps(fields).encode())
    return [made[n : n + every] for n in range(0, len(made), every)]


def _empty(server: Postgres) -> str:
    return server.uri(server.database("bench"))


def _bare(server: Postgres, batches: Sequence[Batch]) -> float:
    """Seconds of a bare COPY; the table exists, partitions too."""
    store_from_uri(_empty(server)).open().close()
    arranged = [readings_of(one.rows, _COLUMN, len(SENSOR_COLUMNS)) for one in batches]
    from padit.stores.postgres.partitions import Partitions

    names = ", ".join(["machine_id", '"timestamp"', *SENSOR_COLUMNS])
    with server.connect("bench") as connection:
        for one in arranged:
            Partitions(connection, 1, 100).ensure("sensor_log", one.time)
        encoded = [_with_names(one) for one in arranged]
        begin = time.perf_counter()
        for data in encoded:
            with connection.cursor().copy(
                f"COPY sensor_log ({names}) FROM STDIN (FORMAT BINARY)".encode()
            ) as copy:
                copy.write(data)
        return time.perf_counter() - begin


def _with_names(one: Readings) -> bytes:
    """The same rows with the machine's name in each: what the bare client has to send."""
    fixed = binary_rows([("timestamptz", one.time), *(("float8", c) for c in one.values)])
    width = 2 + 12 * (1 + len(one.values))
    parts = [fixed[:19]]
    count = (2 + len(one.values)).to_bytes(2, "big")
    for n, machine in enumerate(one.machine.tolist()):
        name = one.machines[machine].encode()
        begin = 19 + n * width
        parts += [count, len(name).to_bytes(4, "big"), name, fixed[begin + 2 : begin + width]]
    return b"".join([*parts, b"\xff\xff"])


def _written(server: Postgres, batches: Sequence[Batch]) -> float:
    writer = store_from_uri(_empty(server)).open()
    try:
        begin = time.perf_counter()
        for batch in batches:
            writer.write(batch)
        return time.perf_counter() - begin
    finally:
        writer.close()


def _decoded(server: Postgres, records: Sequence[Sequence[bytes]]) -> float:
    writer = store_from_uri(_empty(server)).open()
    try:
        begin = time.perf_counter()
        for n, some in enumerate(records):
            writer.write(batch_of("metrics", some, n * len(some)))
        return time.perf_counter() - begin
    finally:
        writer.close()


if __name__ == "__main__":
    sys.exit(main())
