"""From an event to its alert, through Kafka in and out, on a live Flink job.

A producer writes 1,000 samples a second of 100 series; each series once jumps to a value that
the first anomalous sample alone makes its window alert. The latency of an alert is the time at
which the broker appended it to the alerts topic, minus the event time of that first sample. So
it holds the wait for the end of the window (up to one extraction interval), the allowed
out-of-orderness, and everything Kafka, Flink and the job take. All clocks are one machine's.
"""

import contextlib
import json
import logging
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.run_job import reading_since
from benchmarks.topics import PARTITIONS, create_topic
from padit.devcluster.broker import Broker
from padit.devcluster.flink import FlinkCluster, rest_json
from padit.domain.config import JobConfig

__all__ = ["Latency", "LatencyPlan", "measure_latency"]

_LOG = logging.getLogger(__name__)
_SERIES = 100
_PER_SECOND = 1000
_TICK = 0.01
_WARM_UP = 10.0
_INCIDENT = 0.5
_RULE = {
    "name": "rule",
    "parameters": {
        "rules": [{"conditions": [{"feature": "max", "limit": 100.0, "adds": 1.0}]}],
    },
}


@dataclass(frozen=True, slots=True)
class LatencyPlan:
    """One measurement.

    Attributes:
        name: for the table.
        window: length of a window, seconds.
        options: of the job.
        seconds: how long incidents are injected; 100 of them in all.
        shipped: the detectors as they are shipped look at every sample beside the rule, which says
            when an alert is due.
    """

    name: str
    window: float
    options: tuple[str, ...]
    seconds: float = 40.0
    shipped: bool = False

    @property
    def config(self) -> str:
        """The configuration; JSON is YAML."""
        shipped = JobConfig().detectors if self.shipped else ()
        plain = [{"name": one.name, "parameters": dict(one.parameters)} for one in shipped]
        return json.dumps({"detectors": [_RULE, *plain]})


@dataclass(frozen=True, slots=True)
class Latency:
    """What was measured, in seconds."""

    incidents: int
    alerts: int
    p50: float
    p99: float
    worst: float


def measure_latency(
    broker: Broker, flink: FlinkCluster, plan: LatencyPlan, directory: Path
) -> Latency:
    """Run the job live, inject incidents, read the alerts.

    Raises:
        RuntimeError: the job does not start, or incidents stay without an alert.
    """
    name = f"{plan.window:g}-{time.time_ns()}"
    samples = create_topic(broker.bootstrap, f"live-{name}")
    alerts = create_topic(broker.bootstrap, f"alerts-{name}", append_time=True)
    config = directory / f"latency-{name}.yaml"
    config.write_text(plan.config)
    job = _submit(broker, flink, plan, (samples, alerts, str(config)))
    try:
        first = _produce(broker.bootstrap, samples, plan.seconds)
        time.sleep(3.0)
    finally:
        _cancel(flink, job)
    found = _alerts(broker.bootstrap, alerts)
    lags = np.array([found[series] - first[series] for series in first if series in found])
    if len(lags) < len(first):
        message = f"only {len(lags)} of {len(first)} incidents led to an alert"
        raise RuntimeError(message)
    p50, p99 = np.quantile(lags, [0.5, 0.99]).tolist()
    return Latency(len(first), len(found), p50, p99, float(lags.max()))


def _submit(
    broker: Broker, flink: FlinkCluster, plan: LatencyPlan, places: tuple[str, str, str]
) -> str:
    samples, alerts, config = places
    command = [sys.executable, "-m", "padit.cli.main", "run", "--detach", *flink.options(1)]
    command += [f"--input=kafka://{broker.bootstrap}/{samples}"]
    command += [f"--output=kafka://{broker.bootstrap}/{alerts}"]
    command += [f"--config={config}", f"--window_size_sec={plan.window:g}", *plan.options]
    known = {one["id"] for one in flink.rest("/jobs")["jobs"]}
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        message = f"the job was not submitted: {done.stderr.strip()[-2000:]}"
        raise RuntimeError(message)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(LookupError, ValueError, KeyError):
            job, since = reading_since(flink.rest_url)
            if job not in known and since > 0:
                return job
        time.sleep(0.2)
    message = "the job does not run after two minutes"
    raise RuntimeError(message)


def _cancel(flink: FlinkCluster, job: str) -> None:
    url = f"{flink.rest_url}/jobs/{job}"
    request = urllib.request.Request(f"{url}?mode=cancel", method="PATCH")  # noqa: S310 - http only
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - http only
        pass
    deadline = time.monotonic() + 60
    while rest_json(url)["state"] not in ("CANCELED", "FAILED") and time.monotonic() < deadline:
        time.sleep(0.2)


def _produce(bootstrap: str, topic: str, seconds: float) -> dict[str, float]:
    """Write samples at an even pace; return the first anomalous event time of every series."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1, "log_level": 2})
    start = time.time()
    incidents = start + _WARM_UP + np.arange(_SERIES) * seconds / _SERIES
    first: dict[str, float] = {}
    lots = int((seconds + _WARM_UP + 3.0) / _TICK)
    at_once = round(_PER_SECOND * _TICK)
    for lot in range(lots):
        _sleep_until(start + lot * _TICK)
        for number in range(at_once):
            series = (lot * at_once + number) % _SERIES
            now = round(time.time(), 3)
            anomalous = incidents[series] <= now < incidents[series] + _INCIDENT
            if anomalous:
                first.setdefault(f"probe-{series:03d}", now)
            sample = {
                "timestamp": now,
                "source_id": f"probe-{series:03d}",
                "metric_name": "udp_echo_rtt_ms",
                "value": 1000.0 if anomalous else 5.0,
                "unit": "ms",
                "metric_type": "latency",
            }
            value = json.dumps(sample, separators=(",", ":")).encode()
            producer.produce(topic, value, partition=series % PARTITIONS)
        producer.poll(0)
    producer.flush(30)
    return first


def _sleep_until(moment: float) -> None:
    wait = moment - time.time()
    if wait > 0:
        threading.Event().wait(wait)


def _alerts(bootstrap: str, topic: str) -> dict[str, float]:
    """When the broker got the opening of each source's alert, epoch seconds."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "log_level": 2,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    found: dict[str, float] = {}
    try:
        while messages := consumer.consume(1000, 3.0):
            for message in messages:
                event = json.loads(message.value() or b"{}")
                if event["type"] == "io.padit.alert.opened":
                    moment = message.timestamp()[1] / 1000
                    found.setdefault(event["data"]["source_id"], moment)
    finally:
        consumer.close()
    return found
