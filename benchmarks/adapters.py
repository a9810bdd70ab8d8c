"""How fast the adapters are: `python -m benchmarks.adapters [NAME...] [--into FILE]`.

- `json`, `json-array`, `arrow`: samples per second of CPU that the publisher brings into a real
  local Kafka, as metrics and, for Arrow, as columns. The rate is per second of this process's
  CPU time, which is what one core could do; the wall-clock rate of a shared machine stands
  beside it.
- `http`: share of one core that polling 1,000 targets every 10 s takes; the server runs in a
  process of its own.
- `otlp`, `prometheus`, `influx`: points per second of CPU that a receiver takes, from body to
  emitted samples, in requests of 5,000 points; the client runs in a process of its own.

Each runs in a process of its own, so that every line tells that adapter's resident memory.
`--into build/bench.json` puts the results under "adapters" into a file and leaves the rest of
it as it is. Floors are those of the issue: a
result below its floor ends the run with exit code 1.
"""

import argparse
import json
import logging
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from padit.adapters.config import BufferOptions, KafkaOptions
from padit.adapters.publisher import Publisher
from padit.devcluster.ports import free_port
from padit.domain.metric import Metric, Series
from padit.domain.rows import Rows
from padit.ops import metric_names
from padit.ops.stats import Stats

__all__ = ["main"]

FLOORS = {
    "json": 50_000.0,
    "json-array": 50_000.0,
    "arrow": 300_000.0,
    "arrow-columns": 300_000.0,
    "otlp": 50_000.0,
    "prometheus": 50_000.0,
    "influx": 50_000.0,
}
HTTP_CORE_SHARE = 0.5
T = 1_795_000_000.0
SERIES = 1_000
POINTS = 5_000


def _used() -> float:
    times = resource.getrusage(resource.RUSAGE_SELF)
    return times.ru_utime + times.ru_stime


def _report(name: str, count: int, cpu: float, wall: float) -> dict[str, Any]:
    memory = psutil.Process().memory_info().rss / 1e6
    return {
        "name": name,
        "per_cpu_second": round(count / cpu),
        "per_second": round(count / wall),
        "count": count,
        "resident_mb": round(memory),
        "floor": FLOORS[name],
        "ok": count / cpu >= FLOORS[name],
    }


@contextmanager
def _broker() -> Iterator[tuple[str, str]]:
    from padit.devcluster.broker import start_broker

    with tempfile.TemporaryDirectory() as directory:
        broker = start_broker(Path(directory))
        try:
            yield broker.bootstrap, broker.create_topic("metrics", 4)
        finally:
            broker.stop()


def _publish(name: str) -> dict[str, Any]:
    """Publish until the count is acknowledged; the making of the samples counts, too."""
    total = {"json": 400_000, "json-array": 400_000}.get(name, 3_000_000)
    form = "arrow" if name == "arrow-columns" else name
    with _broker() as (bootstrap, topic), tempfile.TemporaryDirectory() as directory:
        stats = Stats()
        kafka = KafkaOptions.model_validate(
            {"bootstrap": bootstrap, "topic": topic, "format": form, "batch_samples": 5000}
        )
        publisher = Publisher(kafka, BufferOptions(directory=directory), stats)
        publisher.start()
        make = _columns if name == "arrow-columns" else _metrics
        publisher.put(make(0))
        _wait_for(stats, SERIES)
        used, begin = _used(), time.perf_counter()
        for step in range(1, total // SERIES + 1):
            publisher.put(make(step))
            while not publisher.ready():
                time.sleep(0.01)
        _wait_for(stats, total + SERIES)
        cpu, wall = _used() - used, time.perf_counter() - begin
        publisher.stop(10)
    return _report(name, total, cpu, wall)


def _wait_for(stats: Stats, count: int) -> None:
    while stats.get(metric_names.PUBLISHER_SENT) < count:
        if stats.total(metric_names.PUBLISHER_DROPPED):
            message = "the publisher dropped samples"
            raise RuntimeError(message)
        time.sleep(0.01)


def _metrics(step: int) -> list[Metric]:
    return [
        Metric(T + step, name, "http_response_ms", 12.5 + step, "ms", "latency", "http")
        for name in _NAMES
    ]


_NAMES = [f"source-{i:04d}" for i in range(SERIES)]
_TABLE = tuple(Series(name, "torque_nm", "Nm") for name in _NAMES)
_CODES = np.arange(SERIES, dtype=np.int32)


def _columns(step: int) -> Rows:
    time_us = np.full(SERIES, int((T + step) * 1e6), np.int64)
    return Rows(_TABLE, _CODES, time_us, np.full(SERIES, 41.5 + step))


def _serve_http(ready: Any, port: int) -> None:
    """A server of 1,000 targets, in a process of its own."""
    from aiohttp import web

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/{name}", answer)
    web.run_app(
        app,
        host="127.0.0.1",
        port=port,
        access_log=None,
        print=lambda *_: ready.set(),
    )


@contextmanager
def _process(target: Callable[..., None], *arguments: Any) -> Iterator[Any]:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=target, args=(ready, *arguments), daemon=True)
    process.start()
    try:
        ready.wait(30)
        yield process
    finally:
        process.terminate()
        process.join(10)


def _http(name: str) -> dict[str, Any]:
    import asyncio

    from padit.adapters.base import ListEmitter
    from padit.adapters.registry import create_adapter

    port = free_port()
    urls = [f"http://127.0.0.1:{port}/{i}" for i in range(1000)]
    config = {"type": "http", "urls": urls, "interval_sec": 10, "spread": 0.8}

    async def polls() -> tuple[float, float, int]:
        adapter = create_adapter(config)
        emitter = ListEmitter()
        await adapter.open(emitter)
        used, begin = _used(), time.perf_counter()
        for _ in range(3):
            started = time.perf_counter()
            await adapter.poll(emitter)
            await asyncio.sleep(max(0.0, 10 - (time.perf_counter() - started)))
        result = _used() - used, time.perf_counter() - begin, int(sum(emitter.values("http_up")))
        await adapter.close()
        return result

    with _process(_serve_http, port):
        cpu, wall, up = asyncio.run(polls())
    share = cpu / 30  # of the schedule's three polls: a busy machine may stretch them
    return {
        "name": name,
        "core_share": round(share, 3),
        "cpu_ms_per_request": round(1e3 * cpu / 3000, 2),
        "seconds": round(wall, 1),
        "requests_ok": up,
        "resident_mb": round(psutil.Process().memory_info().rss / 1e6),
        "ceiling": HTTP_CORE_SHARE,
        # A few time-outs are the machine's, whose load stands beside them.
        "ok": share < HTTP_CORE_SHARE and up >= 2970,
    }


def _body(name: str, step: int) -> tuple[str, bytes, dict[str, str]]:
    """Path, body and headers of one request with `POINTS` points."""
    now_ns = int((T + step) * 1e9)
    if name == "influx":
        lines = (f"cpu,host={s},region=eu usage={i % 100}.5 {now_ns}" for i, s in _points())
        return "/api/v2/write", "\n".join(lines).encode(), {}
    if name == "prometheus":
        import cramjam

        from padit.codecs.prometheus_proto import Label, WriteRequest

        message = WriteRequest()
        for i, source in _points():
            series = message.timeseries.add()
            labels = {"__name__": f"jobs_{i // SERIES}_total", "instance": source, "code": "200"}
            for label, text in labels.items():
                series.labels.append(Label(name=label, value=text).SerializeToString())
            series.samples.add(value=float(step * 10), timestamp=now_ns // 1_000_000)
        data = bytes(cramjam.snappy.compress_raw(message.SerializeToString()))
        return "/api/v1/write", data, {"Content-Encoding": "snappy"}
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2

    request = metrics_service_pb2.ExportMetricsServiceRequest()
    for start in range(0, POINTS, 100):
        resource_metrics = request.resource_metrics.add()
        attribute = resource_metrics.resource.attributes.add(key="service.instance.id")
        attribute.value.string_value = f"shop-{start}"
        metric: Any = resource_metrics.scope_metrics.add().metrics.add(name="orders")
        metric.sum.is_monotonic = True
        metric.sum.aggregation_temporality = 2
        for i in range(100):
            point = metric.sum.data_points.add(time_unix_nano=now_ns, as_int=step * i)
            point.attributes.add(key="route").value.string_value = f"r{i}"
    return "/v1/metrics", request.SerializeToString(), {"Content-Type": "application/x-protobuf"}


def _points() -> Iterator[tuple[int, str]]:
    for i in range(POINTS):
        yield i, _NAMES[i % SERIES]


def _write(ready: Any, name: str, port: int, requests: int) -> None:
    """The client of a receiver, in a process of its own; the bodies are made beforehand."""
    import httpx

    bodies = [_body(name, step) for step in range(requests)]
    ready.set()
    with httpx.Client(timeout=60) as client:
        for path, body, headers in bodies:
            url = f"http://127.0.0.1:{port}{path}"
            while client.post(url, content=body, headers=headers).status_code in (429, 503):
                time.sleep(0.05)


class _Counting:
    """An outlet that counts."""

    def __init__(self) -> None:
        self.count = 0

    def emit(self, batch: Any) -> None:
        self.count += len(batch)

    def emit_record(self, topic: str, key: str, value: bytes) -> None:
        self.count += 1

    def ready(self) -> bool:
        return True

    def fault(self, cause: str, message: str, count: int = 1) -> None:
        raise RuntimeError(message)

    def unwatched(self, what: str, message: str, count: int = 1) -> None:
        if what not in ("first", "untyped_total"):  # of counters
            raise RuntimeError(message)


def _receive(name: str) -> dict[str, Any]:
    import asyncio

    from padit.adapters.registry import create_adapter

    requests = 40
    # Counters give nothing for the first point of each series.
    expected = POINTS * (requests if name == "influx" else requests - 1)

    async def receive() -> tuple[float, float]:
        config: dict[str, Any] = {"type": name, "port": 0}
        adapter: Any = create_adapter({**config, "grpc_port": 0} if name == "otlp" else config)
        emitter = _Counting()
        await adapter.open(emitter)
        with await asyncio.to_thread(lambda: _process(_write, name, adapter.port, requests)) as p:
            while not emitter.count and p.is_alive():
                await asyncio.sleep(0.001)
            used, begin = _used(), time.perf_counter()
            while emitter.count < expected and p.is_alive():
                await asyncio.sleep(0.01)
            cpu, wall = _used() - used, time.perf_counter() - begin
        if emitter.count < expected:
            message = f"{emitter.count} of {expected} points came"
            raise RuntimeError(message)
        await adapter.close()
        return cpu, wall

    cpu, wall = asyncio.run(receive())
    return _report(name, POINTS * (requests - 2), cpu, wall)


BENCHMARKS: dict[str, Callable[[str], dict[str, Any]]] = {
    "json": _publish,
    "json-array": _publish,
    "arrow": _publish,
    "arrow-columns": _publish,
    "http": _http,
    "otlp": _receive,
    "prometheus": _receive,
    "influx": _receive,
}


def _apart(name: str) -> dict[str, Any]:
    """One benchmark in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.adapters", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if not done.stdout:
        message = f"{name} failed: {done.stderr.strip()[-3000:]}"
        raise RuntimeError(message)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _add(path: Path, results: list[dict[str, Any]]) -> None:
    """Put the results into a file of others; those of benchmarks that did not run stay."""
    content = json.loads(path.read_text()) if path.exists() else {}
    content["adapters"] = content.get("adapters", {}) | {one.pop("name"): one for one in results}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n")


def main(argv: list[str] | None = None) -> int:
    """Run the named benchmarks, or all; print one JSON line each; 1 if one misses its floor."""
    parser = argparse.ArgumentParser(description="Speed of the adapters.")
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="by default all")
    parser.add_argument("--into", type=Path, help="JSON file whose key `adapters` is renewed")
    args = parser.parse_args(argv)
    names = args.names or list(BENCHMARKS)
    logging.getLogger("padit.adapters.librdkafka").setLevel(logging.CRITICAL)
    results = []
    for name in names:
        result = BENCHMARKS[name](name) if len(names) == 1 else _apart(name)
        result["load_average"] = round(os.getloadavg()[0], 2)
        results.append(result)
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
    if args.into:
        _add(args.into, results)
    return 0 if all(one["ok"] for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
