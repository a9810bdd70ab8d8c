"""One host: a job on Flink that has read all there is, asked in two ways what it has done.

    python -m tests.hosts.scraped --into build/scraped.json

As root, on Linux: in a network namespace, because Flink's Prometheus reporter listens on every
interface. The workers export their own metrics (`--metrics` of the pool), Beam's counters reach
Flink and its reporter (port 9249 of the chart); both are scraped once they stand still.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from padit.devcluster.broker import start_broker
from padit.devcluster.flink import FlinkCluster, prepare_flink
from padit.devcluster.jars import flink_distribution
from padit.devcluster.ports import free_port
from padit.ops.metric_names import CONSUMER_LAG, JOB_GAUGES
from tests.integration.helpers import Record, live, produce, seed_case, wait_for
from tests.limits import allowed
from tests.namespaces import again, namespace

__all__ = ["main"]

_INSIDE = "PADIT_SCRAPED"
_START = 1_767_600_000
_ENDS = ("scored", "late", "duplicate", "dead_lettered")
# Flink shows them as counters, too; the workers export them as what they are.
GAUGES = (*JOB_GAUGES, CONSUMER_LAG)
_REPORTER = "org.apache.flink.metrics.prometheus.PrometheusReporterFactory"


def _records() -> list[Record]:
    """Two episodes; one sample comes twice, one is broken, one is an hour late."""
    first, last = seed_case(_START, "first"), seed_case(_START + 3600, "last")
    broken = Record(b"broken", float(_START))
    return [*first, first[-1], broken, *last, first[0]]


def of_flink(text: str) -> Counter[str]:
    """Beam's counters of our namespace in what Flink's reporter shows, over all instances."""
    found: Counter[str] = Counter()
    line = re.compile(r"^flink_taskmanager_job_task_operator_\S*?padit_(\w+)\{.*\} (\S+)$", re.M)
    for name, value in line.findall(text):
        found[name] += int(float(value))
    return found


def of_workers(text: str) -> Counter[str]:
    """The counters that the workers export, over all workers."""
    found: Counter[str] = Counter()
    for name, value in re.findall(r"^padit_job_(\w+?)_total(?:\{.*\})? (\S+)$", text, re.M):
        found[name] += int(float(value))
    return found


def _get(address: str) -> str:
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=allowed(5)) as page:
            return str(page.read().decode())
    except OSError:
        return ""


def _cluster(directory: Path, ports: Sequence[int], workers: str) -> FlinkCluster:
    """A cluster as the chart configures it: a reporter, and workers that export."""
    plugin = flink_distribution().lib.parent / "plugins" / "metrics-prometheus"
    (jar,) = plugin.glob("*.jar")
    settings = {
        "metrics.reporter.prom.factory.class": _REPORTER,
        "metrics.reporter.prom.port": f"{min(ports)}-{max(ports)}",
    }
    cluster = prepare_flink(directory, settings=settings)
    cluster.workers.part.command.extend(("--metrics", workers))
    for part in (cluster.jobmanager, *cluster.taskmanagers):
        place = part.command.index("-cp") + 1
        part.command[place] += f"{os.pathsep}{jar}"
    return cluster


def compare(directory: Path) -> dict[str, dict[str, int]]:
    """Run the job, wait until both have counted everything, and return what each shows."""
    records = _records()
    first = free_port()
    ports, workers = (first, first + 4), f"127.0.0.1:{free_port()}"
    with (
        start_broker(directory / "kafka") as broker,
        _cluster(directory / "flink", ports, workers) as cluster,
    ):
        topic = broker.create_topic("metrics", 1)
        produce(broker.bootstrap, topic, records)
        job = ["run", "--input", f"kafka://{broker.bootstrap}/{topic}", "--start_offset=earliest"]
        job += ["--output", str(directory / "alerts.jsonl"), "--idle_timeout_sec=3600"]
        found: dict[str, dict[str, int]] = {}

        def scraped() -> bool:
            pages = [_get(f"127.0.0.1:{port}") for port in range(ports[0], ports[1] + 1)]
            reporter, exporter = of_flink("\n".join(pages)), of_workers(_get(workers))
            found["flink"] = {k: n for k, n in sorted(reporter.items()) if n and k not in GAUGES}
            found["workers"] = {k: n for k, n in sorted(exporter.items()) if n}
            known = sum(reporter[one] for one in (*_ENDS, "waiting"))
            return found["flink"] == found["workers"] and known == exporter["read"] == len(records)

        with live(directory, *job, *cluster.options()) as running:
            wait_for(scraped, 180, lambda: json.dumps(found))
            summary = running.stop().summary
        # A stop closes the windows that are open: what waited is scored.
        found["summary"] = {name: summary[name] for name in ("read", *_ENDS)}
        return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print and write what each showed; AssertionError with both unless they agree."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="python -m tests.hosts.scraped",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--into", type=Path, default=Path("build/scraped.json"))
    args = parser.parse_args(argv)
    if _INSIDE not in os.environ:
        with namespace("scraped") as space:
            return again(space, ["tests.hosts.scraped", *argv], {_INSIDE: "1"})
    with tempfile.TemporaryDirectory(prefix="padit-scraped-") as scratch:
        found = compare(Path(scratch))
    args.into.parent.mkdir(parents=True, exist_ok=True)
    args.into.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
