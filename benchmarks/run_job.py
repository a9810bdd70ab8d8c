"""The job itself, once, in a process of its own: what `benchmarks.throughput` measures.

On the DirectRunner the clock runs from the opening of the first reader, before its first poll,
to the finished alerts file; imports, options and the construction of the graph come before it.
A reader that works in a process of its own is started within that time, imports and all.
On Flink it runs from the moment Flink's reading task runs (the caller, who watches the workers,
takes their start off) to the last result written by a worker; submission comes before it, and
what Flink waits for before it ends a bounded job after.
"""

import argparse
import contextlib
import json
import logging
import os
import resource
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

import benchmarks.shipped  # noqa: F401 (first: it hides what is not shipped)
from padit.connectors.kafka_source import KafkaSource
from padit.connectors.source import Decoder, PartitionRange, Reader
from padit.devcluster.flink import rest_json
from padit.ops.allocator import keep_memory
from padit.pipelines.job import run_job

__all__: list[str] = []


class _FirstOpen:
    """When the first reader of this process was opened, and the processor time until then."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.cpu = 0.0
        original = KafkaSource.open

        def noted(source: KafkaSource, ranges: Sequence[PartitionRange], decode: Decoder) -> Reader:
            if self.at is None:
                self.at, self.cpu = time.time(), time.process_time()
            return original(source, ranges, decode)

        KafkaSource.open = noted  # type: ignore[method-assign, assignment]


class _LastWrite:
    """Watches a new file that grows; its sorted successor is as large, and does not count."""

    def __init__(self, path: Path) -> None:
        self.at = 0.0
        self._path = path
        self._size = 0
        path.unlink(missing_ok=True)  # what an earlier run left is not this run's
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            with contextlib.suppress(FileNotFoundError):
                found = self._path.stat()
                if found.st_size > self._size:
                    self._size, self.at = found.st_size, found.st_mtime


def reading_since(rest_url: str) -> tuple[str, float]:
    """The newest job of a cluster, and when its reading task began to run (epoch seconds)."""
    jobs: list[dict[str, Any]] = rest_json(f"{rest_url}/jobs/overview")["jobs"]
    job = max(jobs, key=lambda one: one["start-time"])["jid"]
    for vertex in rest_json(f"{rest_url}/jobs/{job}")["vertices"]:
        if "ReadMetrics" in vertex["name"]:
            times = rest_json(f"{rest_url}/jobs/{job}/vertices/{vertex['id']}/subtasktimes")
            return job, min(one["timestamps"]["RUNNING"] for one in times["subtasks"]) / 1000
    message = f"job {job} has no task with the step ReadMetrics"
    raise LookupError(message)


def main() -> None:
    """Run once; print one JSON line. What is not known here passes to the job."""
    logging.basicConfig(level=os.environ.get("BENCH_LOG", "ERROR"))
    parser = argparse.ArgumentParser()
    parser.add_argument("--alerts", type=Path, required=True)
    parser.add_argument("--rest_url")
    args, rest = parser.parse_known_args()
    for earlier in (args.alerts, args.alerts.with_suffix(".audit.jsonl")):
        earlier.unlink(missing_ok=True)  # results that replace others appear at the end only
    keep_memory()  # as the job does, before there is a second thread
    first = _FirstOpen()
    last = _LastWrite(args.alerts)
    summary = run_job([*rest, f"--output={args.alerts}"], live=False)
    ended, cpu = time.time(), time.process_time()
    last.stop()
    begun = first.at
    if args.rest_url:
        if not last.at:
            message = "no alert was written, so the time of the last result is not known"
            raise SystemExit(message)
        ended, begun = last.at, reading_since(args.rest_url)[1]
    if summary is None or summary.residue or begun is None:
        message = f"the run is not worth measuring: {summary}"
        raise SystemExit(message)
    # What children did counts too.
    usage = resource.getrusage(resource.RUSAGE_SELF)
    child = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = {
        **msgspec.to_builtins(summary),
        "begun": begun,
        "seconds": ended - begun,
        "cpu": cpu - first.cpu + child.ru_utime + child.ru_stime,
        "rss_mb": (usage.ru_maxrss + child.ru_maxrss) / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
