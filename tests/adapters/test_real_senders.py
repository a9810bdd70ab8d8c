"""Telegraf and the OpenTelemetry Collector, as they are, against our receivers."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from padit.devcluster.ports import free_port
from tests.adapters.live import Live, until
from tests.go_tools import go_tool
from tests.limits import allowed
from tests.parts import required
from tests.supplies import collector

LINES = """weather,location=us\\ midwest temperature=82.5,humidity=70i,ok=true,text="hi"
disk,path=/ io_time=5i
disk_io,path=/ time=7i
"""


@contextmanager
def running(command: list[str], log: Path) -> Iterator[Callable[[], str]]:
    """A program that is ended; gives what it has logged."""
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield lambda: log.read_text()[-2000:]
        finally:
            process.terminate()
            process.wait(allowed(20))


def latest(made: Live) -> dict[tuple[str, str], float]:
    return {(m.source_id, m.metric_name): m.value for m in made.emitter.metrics}


OUTPUTS = {
    "influxdb_v2": (
        "influx",
        '[[outputs.influxdb_v2]]\n urls = ["http://127.0.0.1:{port}"]\n token = "secret"\n'
        ' organization = "o"\n bucket = "b"\n',
    ),
    "influxdb": (
        "influx",
        '[[outputs.influxdb]]\n urls = ["http://127.0.0.1:{port}"]\n database = "d"\n'
        ' username = "any"\n password = "secret"\n',
    ),
    "remote write": (
        "prometheus",
        '[[outputs.http]]\n url = "http://127.0.0.1:{port}/api/v1/write"\n'
        ' data_format = "prometheusremotewrite"\n [outputs.http.headers]\n'
        '  Content-Type = "application/x-protobuf"\n  Content-Encoding = "snappy"\n'
        '  X-Prometheus-Remote-Write-Version = "0.1.0"\n  Authorization = "Bearer secret"\n',
    ),
    "opentelemetry": (
        "otlp",
        '[[outputs.opentelemetry]]\n service_address = "127.0.0.1:{grpc_port}"\n'
        ' [outputs.opentelemetry.headers]\n  authorization = "Bearer secret"\n',
    ),
}


@pytest.mark.parametrize("output", OUTPUTS)
def test_what_telegraf_writes_arrives_with_host_names_and_values(
    output: str, tmp_path: Path
) -> None:
    program = required(lambda: go_tool("telegraf"))
    kind, section = OUTPUTS[output]
    options = {"type": kind, "port": 0, "tokens": ["secret"]}
    with Live(options | ({"grpc_port": 0} if kind == "otlp" else {})) as made:
        ports = {"port": made.adapter.port, "grpc_port": getattr(made.adapter, "grpc_port", 0)}
        (tmp_path / "lines").write_text(LINES)
        (tmp_path / "conf").write_text(
            '[agent]\n interval = "200ms"\n flush_interval = "200ms"\n hostname = "h1"\n'
            f'[[inputs.file]]\n files = ["{tmp_path}/lines"]\n data_format = "influx"\n'
            + section.format(**ports)
        )
        command = [str(program), "--config", str(tmp_path / "conf")]
        with running(command, tmp_path / "log") as log:
            until(lambda: len(made.emitter.metrics) >= 10, f"samples of {output}: {log()}", 30)
    found = latest(made)
    assert {source for source, _ in found} == {"h1"}
    name = 'weather_temperature{location="us midwest"}'
    assert found["h1", name] == 82.5
    assert found["h1", 'weather_humidity{location="us midwest"}'] == 70.0
    two = 'disk_io.time{path="/"}' if kind == "influx" else None
    if two:  # the other protocols know names alone: Telegraf has made one series of the two
        assert (found["h1", 'disk_io_time{path="/"}'], found["h1", two]) == (5.0, 7.0)
        assert set(made.emitter.left) == {"text"}
    assert not set(made.emitter.faults) - {"old", "duplicate", "mixed"}, made.emitter.messages


COLLECTOR = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{own}"}}}}}}}}
processors: {{batch: {{timeout: 50ms}}}}
exporters:
  otlp_http: {{endpoint: "http://127.0.0.1:{port}", headers: {{authorization: "Bearer secret"}}}}
  otlp_grpc:
    endpoint: "127.0.0.1:{grpc_port}"
    tls: {{insecure: true}}
    headers: {{authorization: "Bearer secret"}}
  prometheus_remote_write:
    endpoint: "http://127.0.0.1:{port}/api/v1/write"
    headers: {{authorization: "Bearer secret"}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    metrics: {{receivers: [otlp], processors: [batch], exporters: [{exporter}]}}
"""


def request(number: int, start: int) -> dict[str, Any]:
    """A gauge, a counter, histograms of both kinds; all grow with the number."""
    times = {"timeUnixNano": str(start + number * 10**9), "startTimeUnixNano": str(start)}
    room = [{"key": "room", "value": {"stringValue": "a"}}]
    count, cumulative = str(10 * number), {"aggregationTemporality": 2}
    metrics = [
        {"name": "temp", "unit": "Cel",
         "gauge": {"dataPoints": [{"asDouble": 20.0 + number, "attributes": room, **times}]}},
        {"name": "orders", "sum": {"isMonotonic": True, **cumulative,
         "dataPoints": [{"asInt": str(100 * number), **times}]}},
        {"name": "lat", "unit": "ms", "histogram": {**cumulative, "dataPoints": [
            {"count": count, "sum": 55.0 * number, "bucketCounts": [str(5 * number)] * 2,
             "explicitBounds": [5], **times}]}},
        {"name": "exp", "exponentialHistogram": {**cumulative, "dataPoints": [
            {"count": count, "sum": 55.0 * number, "scale": 1, "zeroCount": "0",
             "positive": {"offset": 1, "bucketCounts": [count]}, **times}]}},
    ]  # fmt: skip
    names = {"service.name": "shop", "service.instance.id": "shop-1"}
    resource = [{"key": key, "value": {"stringValue": text}} for key, text in names.items()]
    scope = {"scope": {"name": "lib"}, "metrics": metrics}
    return {"resourceMetrics": [{"resource": {"attributes": resource}, "scopeMetrics": [scope]}]}


@pytest.mark.parametrize("exporter", ["otlp_http", "otlp_grpc", "prometheus_remote_write"])
def test_what_the_collector_passes_on_arrives_as_it_was_sent(exporter: str, tmp_path: Path) -> None:
    program = required(collector)
    kind = "prometheus" if exporter == "prometheus_remote_write" else "otlp"
    options = {"type": kind, "port": 0, "tokens": ["secret"]}
    with Live(options | ({"grpc_port": 0} if kind == "otlp" else {})) as made:
        own = free_port()
        ports = {"port": made.adapter.port, "grpc_port": getattr(made.adapter, "grpc_port", 0)}
        config = tmp_path / "collector.yaml"
        config.write_text(COLLECTOR.format(own=own, exporter=exporter, **ports))
        with running([str(program), "--config", str(config)], tmp_path / "log") as log:
            start = time.time_ns() - 60 * 10**9
            for number in range(1, 5):
                body = request(number, start)
                until(partial(_sent, own, body), f"the Collector: {log()}", 30)
                until(partial(_has, made, 20.0 + number), f"point {number}: {log()}", 30)
    found = {name: value for (_, name), value in latest(made).items()}
    source = {source for source, _ in latest(made)}
    assert source == {"shop/shop-1" if kind == "otlp" else "shop-1"}
    orders = next(name for name in found if name.startswith("orders") and "_per_s{" in name)
    assert found[orders] == pytest.approx(100.0)
    means = [value for name, value in found.items() if name.startswith("exp_mean")]
    assert means == [pytest.approx(5.5)]
    assert made.emitter.faults == {}, made.emitter.messages


def _has(made: Live, temperature: float) -> bool:
    metrics = made.emitter.metrics
    return any(m.value == temperature for m in metrics if m.metric_name.startswith("temp"))


def _sent(port: int, body: dict[str, Any]) -> bool:
    try:
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/metrics", content=json.dumps(body),
                            headers={"content-type": "application/json"})  # fmt: skip
    except httpx.TransportError:
        return False
    return answer.is_success
