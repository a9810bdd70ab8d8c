r"""The figures that a live job is held to, measured on this machine; docs/sla.md has them.

    make sla                      python -m benchmarks.sla --seconds 120 --into build/sla.json

A real broker, the job live in a process (DirectRunner, fixed limit, windows of 10 s every 0.25 s,
0.2 s of allowed disorder), 1,000 samples a second of 100 series, 100 incidents over the time.
Once a second the lag is taken: the ends of the partitions minus what the job has read.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from benchmarks.latency import opened_alerts, produce_incidents
from benchmarks.topics import PARTITIONS, create_topic
from padit.devcluster.broker import start_broker
from padit.devcluster.ports import free_port

__all__ = ["LiveJob", "live_job", "main"]

_RULE = """detectors:
  - name: rule
    parameters: {rules: [{conditions: [{feature: max, limit: 100.0, adds: 1.0}]}]}
"""
_OPTIONS = ("--window_size_sec=10", "--extract_interval_sec=0.25", "--out_of_orderness_sec=0.2",
            "--key_groups=4", "--start_offset=earliest")  # fmt: skip
_SLOT_S = 10.0


class _Lag:
    """Asks once a second how far the job is behind."""

    def __init__(self, bootstrap: str, topic: str, metrics: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "sla"})
        self._places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        self._url = f"http://{metrics}/metrics"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.found: list[int] = []
        self._thread.start()

    def stop(self) -> list[int]:
        """The lags."""
        self._stop.set()
        self._thread.join(30)
        self._consumer.close()
        return self.found

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            try:
                # The end first: what comes between the two questions is not lag.
                ends = [self._consumer.get_watermark_offsets(one, 5)[1] for one in self._places]
                read = _read(self._url)
            except (OSError, KafkaException):
                continue
            self.found.append(max(0, sum(ends) - read))


def _read(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http only
        lines = answer.read().decode().splitlines()
    return int(sum(float(x.rpartition(" ")[2]) for x in lines if x.startswith("padit_job_read")))


class LiveJob(NamedTuple):
    """A job that reads.

    Attributes:
        process: of it; its summary is the last line it prints.
        metrics: host and port of its figures.
    """

    process: subprocess.Popen[str]
    metrics: str


@contextlib.contextmanager
def live_job(bootstrap: str, samples: str, alerts: str, directory: Path) -> Iterator[LiveJob]:
    """A live job in its low-latency setting, from the moment that it reads."""
    config, metrics = directory / "rule.yaml", f"127.0.0.1:{free_port()}"
    config.write_text(_RULE)
    at = f"kafka://{bootstrap}"
    command = [sys.executable, "-m", "padit.cli.main", "run", f"--input={at}/{samples}"]
    command += [f"--output={at}/{alerts}", "--audit=null", f"--config={config}", *_OPTIONS]
    job = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**os.environ, "PADIT_METRICS": metrics, "PADIT_STATE_DIR": "nowhere"},
    )  # fmt: skip
    try:
        _send_one(bootstrap, samples)
        _await(f"http://{metrics}/metrics", job)
        yield LiveJob(job, metrics)
    finally:
        if job.poll() is None:
            job.kill()
            job.wait()


def _measure(directory: Path, seconds: float) -> dict[str, Any]:
    with start_broker(directory / "kafka") as broker:
        samples = create_topic(broker.bootstrap, "metrics")
        alerts = create_topic(broker.bootstrap, "alerts", append_time=True)
        with live_job(broker.bootstrap, samples, alerts, directory) as job:
            lag = _Lag(broker.bootstrap, samples, job.metrics)
            began = time.time()
            first = produce_incidents(broker.bootstrap, samples, seconds)
            lasted = time.time() - began
            time.sleep(3.0)
            lags = lag.stop()
            job.process.send_signal(signal.SIGINT)
            out, _ = job.process.communicate(timeout=120)
        summary = json.loads(out.strip().splitlines()[-1])
        return _result(first, opened_alerts(broker.bootstrap, alerts), lags, summary, lasted)


def _send_one(bootstrap: str, topic: str) -> None:
    """A sample before all others, to see when the job reads: its start is no latency."""
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 2})
    fields = {"timestamp": time.time(), "source_id": "start", "metric_name": "x", "value": 1.0}
    producer.produce(topic, json.dumps(fields).encode(), partition=0)
    producer.flush(30)


def _await(url: str, job: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and job.poll() is None:
        with contextlib.suppress(OSError):
            if _read(url):
                return
        time.sleep(0.2)
    message = "the job does not read"
    raise RuntimeError(message)


def _result(
    first: dict[str, float], found: dict[str, float], lags: list[int], summary: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:  # fmt: skip
    late = np.array([found[one] - first[one] for one in first if one in found])
    lag = np.array(lags[5:])  # the first seconds are those of a start
    begin = min(first.values())
    slots: dict[int, bool] = {}
    for one, moment in first.items():
        slot = int((moment - begin) // _SLOT_S)
        through = one in found and found[one] - moment <= 120
        slots[slot] = slots.get(slot, False) or through
    wrong = summary["late"] + summary["dead_lettered"]
    known = wrong + summary["scored"] + summary["duplicate"] + summary["waiting"]
    return {
        "records_s": round(summary["read"] / seconds, 1),
        "records": summary["read"],
        "incidents": len(first),
        "alerted": len(found),
        "alert_s": {f"p{q}": round(float(np.quantile(late, q / 100)), 3) for q in (50, 95, 99)},
        "within_1_s": round(float((late <= 1.0).mean()), 4),
        "lag": {f"p{q}": int(np.quantile(lag, q / 100)) for q in (50, 95, 99)},
        "error_share": wrong / summary["read"],
        "residue": summary["read"] - known,
        "slots": len(slots),
        "available": sum(slots.values()) / len(slots),
        "load": [round(one, 1) for one in os.getloadavg()],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="in which incidents begin")
    parser.add_argument("--into", type=Path, default=Path("build/sla.json"))
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="sla-") as directory:
        found = _measure(Path(directory), args.seconds)
    args.into.parent.mkdir(parents=True, exist_ok=True)
    args.into.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
