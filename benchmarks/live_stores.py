"""How fast Redis, InfluxDB and Prometheus are filled, by the writers of `padit store`.

The servers are those that the tests start. Batches are made beforehand, as the loop decodes them;
what is measured is the writer with the server. `python -m benchmarks.live_stores`
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from padit.codecs.validate import Validate
from padit.stores.base import Batch, Content
from padit.stores.decode import Decoder
from padit.stores.registry import store_from_uri
from tests.stores.faking import records_of
from tests.stores.records import plain
from tests.stores.servers import get, influx_server, prometheus_server, redis_server

_SERIES, _WINDOWS, _BATCH = 1000, 20, 20_000


def _features() -> list[bytes | None]:
    """Features of a thousand series, as the job writes them: 20 numbers each."""
    names = [f"feature_{n}" for n in range(20)]
    return [
        json.dumps(
            {"source_id": f"cell-{n:05d}", "metric_name": "rtt_ms", "unit": "ms",
             "window_end": f"2026-01-01T00:{minute:02d}:00.000000Z",
             **{name: n * 0.123 + minute + k for k, name in enumerate(names)}}
        ).encode()
        for minute in range(_WINDOWS)
        for n in range(_SERIES)
    ]  # fmt: skip


def _batches(content: Content, values: Sequence[bytes | None]) -> list[Batch]:
    decode = Decoder(content.value, content, Validate(1 << 20, 3_600_000_000), raw=False)
    return [
        decode(records_of(values[first : first + _BATCH], 0, first))
        for first in range(0, len(values), _BATCH)
    ]


def _rate(uri: str, batches: Sequence[Batch], each: int, **settings: Any) -> str:
    writer = store_from_uri(uri, settings).open()
    cpu, wall = time.process_time(), time.perf_counter()
    written = sum(writer.write(one).written for one in batches)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    writer.close()
    return f"{written * each / wall:11,.0f}/s, {written * each / cpu:11,.0f} a CPU second here"


def main() -> None:
    """Measure; print a line a store."""
    features, samples = _batches(Content.FEATURES, _features()), plain(300_000, sources=_SERIES)
    one_by_one = [
        part
        for minute in range(_WINDOWS)
        for part in _batches(Content.FEATURES, _features()[minute * _SERIES :][:_SERIES])
    ]
    metrics = _batches(Content.METRICS, samples)
    with tempfile.TemporaryDirectory() as folder:
        port, part = redis_server(Path(folder) / "redis")
        print("Redis, hash fields  ", _rate(f"redis://127.0.0.1:{port}/0", one_by_one, 24))
        part.stop()
        port, part = influx_server(Path(folder) / "influx")
        get(port, f"/query?q={quote('CREATE DATABASE plant')}")
        print("InfluxDB, samples   ", _rate(f"influxdb://127.0.0.1:{port}/plant", metrics, 1))
        print("InfluxDB, fields    ", _rate(f"influxdb://127.0.0.1:{port}/plant", features, 20))
        part.stop()
        port, part = prometheus_server(Path(folder) / "prometheus")
        print("Prometheus, samples ", _rate(f"prometheus://127.0.0.1:{port}", metrics, 1))
        print("Prometheus, points  ", _rate(f"prometheus://127.0.0.1:{port}", features, 20))
        part.stop()


if __name__ == "__main__":
    main()
