"""Latency of the real service for `benchmarks.alerting`: an input, a store, receivers over HTTP."""

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import numpy as np
import yaml

from benchmarks.alerting_log import alert_lines
from benchmarks.latency import LatencyPlan, live
from padit.alerting.policy import AlertingConfig
from padit.alerting.records import Record
from padit.alerting.service import Service
from padit.alerting.store.opening import open_store
from padit.devcluster.broker import start_broker
from padit.devcluster.flink import start_flink
from padit.devcluster.ports import free_port

__all__ = ["dead_beside", "latency_of_job", "latency_of_service"]

_PACE = 0.02
_PACED, _BURST = 400, 400
_LIMIT = 300.0
_LOW_LATENCY = (
    "--extract_interval_sec=0.25", "--out_of_orderness_sec=0.2", "--max_bundle_time_mills=20",
    "--key_groups=4",
)  # fmt: skip


class _Arrivals:
    """When the first request about each source came, by the clock."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}
        self.url = ""
        self._changed = threading.Condition()

    def note(self, body: bytes) -> None:
        """A request came."""
        moment = time.time()
        incident = msgspec.json.decode(body)["data"]["incident"]
        with self._changed:
            for member in incident["members"]:
                self.times.setdefault(member["source_id"], moment)
            self._changed.notify_all()

    def wait(self, count: int) -> None:
        """Until so many have come."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.times) >= count, _LIMIT):
                message = f"only {len(self.times)} of {count} messages came in {_LIMIT:g} s"
                raise RuntimeError(message)


@contextmanager
def _receiver(silent: bool = False) -> Iterator[_Arrivals]:
    """A server on this machine; a silent one takes requests and never answers."""
    found, ended = _Arrivals(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if silent:
                ended.wait()
                return
            found.note(body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed for a request."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield found
    finally:
        ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Input:
    """Records as they are put in, as from a topic."""

    reports = False

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Record] = queue.SimpleQueue()
        self._number = 0
        self.ended = False

    def put(self, line: bytes) -> None:
        """One more record."""
        self._number += 1
        self._queue.put(Record("alert", "bench", 0, self._number, self._number + 1, line))

    def seek(self, positions: dict[tuple[str, int], int]) -> None:
        """Nothing was read before."""

    def poll(self, seconds: float) -> Sequence[Record]:
        """What is there, or what comes first in so many seconds."""
        try:
            found = [self._queue.get(timeout=seconds)]
        except queue.Empty:
            return []
        while len(found) < 1000 and not self._queue.empty():
            found.append(self._queue.get())
        return found

    def close(self) -> None:
        """Nothing to close."""


def _openings(count: int) -> list[tuple[str, bytes]]:
    """Openings as the job writes them, each of a source of its own, stamped now."""
    found = []
    for number, line in enumerate(alert_lines(1) * count):
        event = msgspec.json.decode(line)
        source = f"cell-{number}"
        event["id"] = f"e{number}"
        event["data"] |= {"id": f"a{number}", "source_id": source}
        found.append((source, msgspec.json.encode(event)))
    return found


def _config(*routes: tuple[str, str]) -> AlertingConfig:
    return AlertingConfig.model_validate(
        yaml.safe_load(
            f"""
receivers: {{{", ".join(f'{name}: {{kind: webhook, url: "{url}"}}' for name, url in routes)}}}
routes: [{", ".join(f"{{name: {name}, receiver: {name}, go_on: true}}" for name, _ in routes)}]
"""
        )
    )


def _run(folder: Path, config: AlertingConfig, got: _Arrivals) -> tuple[float, float, float]:
    """p50 and p99 of a paced stream in milliseconds, and messages a second of a burst."""
    store = open_store(folder / "data")
    source, stopped = _Input(), threading.Event()
    service = Service(config, folder / "data", store, source)
    thread = threading.Thread(target=service.run, args=(stopped.is_set,))
    thread.start()
    try:
        openings = _openings(_PACED + _BURST)
        sent: dict[str, float] = {}
        for name, line in openings[:_PACED]:
            sent[name] = time.time()
            source.put(line)
            time.sleep(_PACE)
        got.wait(_PACED)
        lags = np.array([got.times[name] - moment for name, moment in sent.items()]) * 1e3
        began = time.time()
        for _, line in openings[_PACED:]:
            source.put(line)
        got.wait(_PACED + _BURST)
        rate = _BURST / (max(got.times.values()) - began)
    finally:
        stopped.set()
        thread.join()
        store.close()
    half, most = np.quantile(lags, [0.5, 0.99]).tolist()
    return half, most, rate


def latency_of_service(folder: Path) -> tuple[float, float]:
    """p50 and p99 in milliseconds, from an event at the service to its request."""
    with _receiver() as got:
        half, most, _ = _run(folder, _config(("all", got.url)), got)
    return half, most


def dead_beside(folder: Path, how: str) -> tuple[float, float, float]:
    """p50 and p99 in milliseconds and messages a second of a route.

    Args:
        folder: of the store.
        how: what the other receiver is: `well`, `refused`, `silent`, or `alone`: there is none.
    """
    with _receiver() as got, _receiver() as well, _receiver(silent=True) as silent:
        others = {
            "alone": [],
            "well": [("dead", well.url)],
            "refused": [("dead", f"http://127.0.0.1:{free_port()}/")],
            "silent": [("dead", silent.url)],
        }
        return _run(folder, _config(("all", got.url), *others[how]), got)


def latency_of_job(folder: Path, seconds: float = 40.0) -> tuple[float, float]:
    """p50 and p99 in seconds, from an anomalous sample to the request about it, over Kafka."""
    plan = LatencyPlan("alerting", 10, _LOW_LATENCY, seconds)
    with (
        _receiver() as got,
        start_broker(folder / "kafka") as broker,
        start_flink(folder / "flink") as flink,
    ):

        @contextmanager
        def beside(topic: str) -> Iterator[None]:
            config = folder / "alerting.yaml"
            config.write_text(_config(("all", got.url)).model_dump_json(exclude_unset=True))
            process = subprocess.Popen(
                [sys.executable, "-m", "padit.cli.main", "alerting", "--config", str(config),
                 "--alerts", f"kafka://{broker.bootstrap}/{topic}", "--data", str(folder / "data")],
            )  # fmt: skip
            try:
                yield
            finally:
                process.terminate()
                process.wait(60)

        first, _ = live(broker, flink, plan, folder, beside)
    lags = np.array([got.times[name] - moment for name, moment in first.items()])
    half, most = np.quantile(lags, [0.5, 0.99]).tolist()
    return half, most
