"""Real Redis, InfluxDB and Prometheus on loopback, each for one test file."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from padit.codecs.validate import Validate
from padit.connectors.sinks.simple import NullSink
from padit.devcluster.ports import LOOPBACK, free_port, port_answers
from padit.devcluster.processes import Part
from padit.stores.base import Content, Store
from padit.stores.consume import Consume, Pace
from padit.stores.decode import Decoder
from tests.limits import allowed
from tests.parts import required_program
from tests.stores.faking import FakeTopics

__all__ = ["bring", "create_influx", "get", "influx_server", "prometheus_server", "redis_server"]


def redis_server(directory: Path, *options: str) -> tuple[int, Part]:
    """Start Redis without any memory on the disk."""
    program = required_program("redis-server")
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    part = Part(
        "Redis",
        [program.path, "--bind", LOOPBACK, "--port", str(port), "--save", "", "--appendonly", "no",
         "--dir", str(directory), *options],
        log=directory / "redis.log",
        answers=lambda: port_answers(port),
        env=program.environment,
    )  # fmt: skip
    part.start()
    return port, part


def bring(
    store: Store,
    content: Content,
    partitions: Sequence[Sequence[bytes | None]],
    topics: FakeTopics | None = None,
    records: int = 50,
) -> tuple[Consume, FakeTopics]:
    """Bring records to a store, to the end; the loop and its topic, for more of both."""
    source = topics or FakeTopics(partitions, content.value)
    decoder = Decoder(source.topic, content, Validate(1 << 20, 3_600_000_000), raw=False)
    pace = Pace(records=records, poll=0.0, longest=0.05, open=0.05)
    loop = Consume(source, store, {source.topic: decoder}, NullSink().open(), pace)
    loop.run(threading.Event(), source.caught_up)
    assert loop.counts.holds, loop.counts.line()
    return loop, source


def influx_server(directory: Path) -> tuple[int, Part]:
    """Start InfluxDB 1."""
    program = required_program("influxd")
    port, backup = free_port(), free_port()
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "influxdb.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "{LOOPBACK}:{backup}"\n'
        f'[meta]\ndir = "{directory}/meta"\n[data]\ndir = "{directory}/data"\n'
        f'wal-dir = "{directory}/wal"\n[http]\nbind-address = "{LOOPBACK}:{port}"\n'
        "log-enabled = false\n[monitor]\nstore-enabled = false\n"
    )
    part = Part(
        "InfluxDB",
        [program.path, "-config", str(config)],
        log=directory / "influx.log",
        answers=lambda: port_answers(port),
        env=program.environment,
    )
    part.start()
    return port, part


def create_influx(port: int, database: str) -> None:
    """Make a database."""
    get(port, f"/query?q={quote(f'CREATE DATABASE {database}')}")


def prometheus_server(directory: Path, window: str | None = None) -> tuple[int, Part]:
    """Start a Prometheus that receives; `window`: how much out of order it takes."""
    program = required_program("prometheus")
    port = free_port()
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "prometheus.yml"
    tsdb = f"storage: {{tsdb: {{out_of_order_time_window: {window}}}}}\n" if window else ""
    config.write_text(f"global: {{scrape_interval: 1h}}\n{tsdb}")
    part = Part(
        "Prometheus",
        [program.path, f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}",
         f"--web.listen-address={LOOPBACK}:{port}", "--web.enable-remote-write-receiver",
         "--storage.tsdb.retention.time=100y"],
        log=directory / "prometheus.log",
        answers=lambda: _ready(port),
        env=program.environment,
    )  # fmt: skip
    part.start()
    return port, part


def _ready(port: int) -> bool:
    return get(port, "/-/ready")[0] == 200


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of a page."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=allowed(60))
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
