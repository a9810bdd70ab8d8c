"""What a soak runs on: broker, Flink, the shipped job, alerting, a receiver, the producer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.topics import create_topic
from padit.devcluster.broker import Broker, start_broker
from padit.devcluster.flink import FlinkCluster, start_flink
from padit.devcluster.processes import Part
from tests.alerting.receiving import Answer, Receiving, receiving

__all__ = ["Plant", "Received", "plant"]

_ROOT = Path(__file__).resolve().parents[2]
_ALERTING = """
receivers: {{ops: {{kind: webhook, url: "{url}", timeout_sec: 5}}}}
routes: [{{name: all, receiver: ops}}]
"""


@dataclass
class Received:
    """What the receiver of alerts got.

    Attributes:
        at: moment of each request, seconds since 1970.
        refusing: whether it answers 500.
    """

    at: list[float] = field(default_factory=list)
    refusing: bool = False

    def answer(self, number: int) -> Answer:
        """200, or 500 while it refuses."""
        del number
        self.at.append(time.time())
        return Answer(500) if self.refusing else Answer()


@dataclass
class Plant:
    """The running parts.

    Attributes:
        directory: all files.
        broker, cluster: as started.
        alerting, load: processes; `alerting` may be killed and restarted.
        job: the command `padit run`, which waits for its Flink job.
        job_id: of Flink.
        receiver, received: the HTTP server and what came.
    """

    directory: Path
    broker: Broker
    cluster: FlinkCluster
    alerting: Part
    load: Part
    job: subprocess.Popen[str]
    job_id: str
    receiver: Receiving
    received: Received

    @property
    def account(self) -> Path:
        """File with what the producer has written."""
        return self.directory / "load.json"

    def processes(self) -> dict[str, int]:
        """Process id of every part, by name; a worker is one that a job is connected to."""
        parts = {
            "broker": self.broker.part,
            "jobmanager": self.cluster.jobmanager,
            "job server": self.cluster.job_server,
            "worker pool": self.cluster.workers.part,
            "alerting": self.alerting,
            "producer": self.load,
        }
        for number, part in enumerate(self.cluster.taskmanagers, 1):
            parts[f"taskmanager {number}"] = part
        found = {name: part.pid for name, part in parts.items() if part.running}
        found["padit run"] = self.job.pid
        for number, pid in enumerate(self.workers(), 1):
            found[f"worker {number}"] = pid
        return found

    def workers(self) -> list[int]:
        """Process ids of the Python workers that the job uses; spare ones are connected to none."""
        found = []
        for pid in self.cluster.workers.worker_pids():
            try:
                if psutil.Process(pid).net_connections(kind="tcp"):
                    found.append(pid)
            except psutil.Error:
                continue
        return sorted(found)

    def end(self, seconds: float = 120) -> dict[str, Any] | None:
        """Stop the job as an operator does; its last line, or None if it printed none."""
        self.job.send_signal(signal.SIGINT)
        try:
            out, _ = self.job.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None
        lines = out.strip().splitlines()
        return json.loads(lines[-1]) if lines else None


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_ROOT), "PADIT_STATE_DIR": "nowhere"}


def _topics(broker: Broker) -> None:
    # Results carry the broker's clock, so that their latency can be read from the topic.
    create_topic(broker.bootstrap, "metrics")
    for name in ("alerts", "features"):
        create_topic(broker.bootstrap, name, append_time=True)
    for name in ("dlq", "alerts-audit", "alert-commands"):
        create_topic(broker.bootstrap, name)


def _submit(directory: Path, broker: Broker, cluster: FlinkCluster) -> subprocess.Popen[str]:
    at = f"kafka://{broker.bootstrap}"
    command = [sys.executable, "-m", "padit.cli.main", "run", *cluster.options(1)]
    command += [f"--input={at}/metrics", f"--output={at}/alerts", "--start_offset=earliest"]
    command += [f"--features={at}/features", f"--dlq={at}/dlq", f"--audit={at}/alerts-audit"]
    with (directory / "run.log").open("ab") as log:
        return subprocess.Popen(
            command, env=_environment(), stdout=subprocess.PIPE, stderr=log, text=True
        )


def _running(cluster: FlinkCluster, job: subprocess.Popen[str], log: Path) -> str:
    """Flink's id of the job, once all of its tasks run."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and job.poll() is None:
        for one in cluster.rest("/jobs")["jobs"]:
            tasks = cluster.rest(f"/jobs/{one['id']}")["vertices"]
            if one["status"] == "RUNNING" and all(task["status"] == "RUNNING" for task in tasks):
                return str(one["id"])
        time.sleep(0.5)
    message = f"the job does not run: {log.read_text()[-2000:]}"
    raise RuntimeError(message)


def _alerting(directory: Path, broker: Broker, url: str) -> Part:
    config, at = directory / "alerting.yaml", f"kafka://{broker.bootstrap}"
    config.write_text(_ALERTING.format(url=url))
    command = [sys.executable, "-m", "padit.cli.main", "alerting", f"--config={config}"]
    command += [f"--alerts={at}/alerts", f"--audit={at}/alerts-audit"]
    command += [f"--commands={at}/alert-commands", f"--data={directory / 'alerting'}"]
    log = directory / "alerting.log"
    return Part("alerting", command, log=log, answers=lambda: True, env=_environment())


def _load(directory: Path, broker: Broker, rate: int, seed: int, sources: int) -> Part:
    account = directory / "load.json"
    command = [sys.executable, "-m", "tests.soak.load", f"--bootstrap={broker.bootstrap}"]
    command += ["--topic=metrics", f"--rate={rate}", f"--seed={seed}", f"--sources={sources}"]
    command += [f"--account={account}", f"--incidents={directory / 'incidents.jsonl'}"]
    log = directory / "load.log"
    return Part("producer", command, log=log, answers=account.exists, env=_environment())


@contextmanager
def plant(directory: Path, rate: int, seed: int, sources: int) -> Iterator[Plant]:
    """Start everything; all of it is stopped at the end, by process id."""
    directory.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        received = Received()
        receiver.answer = received.answer
        broker = start_broker(directory / "kafka")
        stack.callback(broker.stop)
        _topics(broker)
        cluster = start_flink(directory / "flink")
        stack.callback(cluster.stop)
        job = _submit(directory, broker, cluster)
        stack.callback(_kill, job)
        job_id = _running(cluster, job, directory / "run.log")
        alerting = _alerting(directory, broker, receiver.url).start()
        stack.callback(alerting.stop)
        load = _load(directory, broker, rate, seed, sources).start()
        stack.callback(load.stop)
        yield Plant(directory, broker, cluster, alerting, load, job, job_id, receiver, received)


def _kill(job: subprocess.Popen[str]) -> None:
    if job.poll() is None:
        job.kill()
    job.wait()
