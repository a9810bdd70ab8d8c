r"""What a record, a series and a window cost on Flink: points that the sizing model is fitted to.

    python -m benchmarks.sizing --into build/sizing.json            # all points, about 30 minutes
    python -m benchmarks.sizing --only 10000x200/60/2 --backend rocksdb

A point is SERIESxSECONDS/EXTRACT_INTERVAL/PARALLELISM: that many series with a sample a second each
for so long, replayed by the job as it is shipped on a real broker and a real Flink. Measured are
the CPU time of the Python workers, the TaskManager and the JobManager, their memory, every
checkpoint, and the bytes on the loopback interface. As root the run has a network namespace of its
own, so that no other traffic is counted; else bytes are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.state_size import written_by_replay
from benchmarks.topics import Shape, create_topic, fill_json
from padit.devcluster.broker import Broker, start_broker
from padit.devcluster.flink import FlinkCluster, prepare_flink
from padit.pipelines.flink_counters import flink_counters
from tests.namespaces import again, namespace, without_namespaces

__all__ = ["POINTS", "Point", "main"]

POINTS = (
    "1000x1500/60/1", "10000x200/60/1", "10000x200/20/1", "10000x400/60/1", "100000x70/60/1",
    "1000x1500/60/2", "10000x200/60/2", "100000x70/60/2", "10000x200/60/4",
)  # fmt: skip
_ROOT = Path(__file__).resolve().parents[1]
_OWN_NETWORK = "PADIT_SIZING_NETWORK"
_MB = 1 << 20
# With the 1,024 MB of flink-conf the heap ran out at 50,000 series read as fast as possible.
_HEAP_MB = 3072
_ROCKSDB = {
    "state.backend.type": "rocksdb",
    "execution.checkpointing.incremental": True,
    "taskmanager.memory.managed.size": "1024m",
}


@dataclass(frozen=True)
class Point:
    """What one run has to do.

    Attributes:
        series: each with a sample a second.
        seconds: of event time.
        interval: between two extractions, seconds.
        parallelism: of the job, one Python worker each.
    """

    series: int
    seconds: int
    interval: int
    parallelism: int

    @classmethod
    def of(cls, text: str) -> Point:
        """Read `1000x1500/60/1`."""
        found = re.fullmatch(r"(\d+)x(\d+)/(\d+)/(\d+)", text)
        if found is None:
            message = f"{text!r} is not SERIESxSECONDS/EXTRACT_INTERVAL/PARALLELISM"
            raise argparse.ArgumentTypeError(message)
        return cls(*(int(one) for one in found.groups()))


class _Meter:
    """Watches the processes and the checkpoints of the newest job while it runs."""

    def __init__(self, cluster: FlinkCluster) -> None:
        self._cluster = cluster
        self._known = {one["id"] for one in cluster.rest("/jobs")["jobs"]}
        self.memory: dict[str, float] = {}
        self._before = self._cpu()
        self._used = dict(self._before)
        self._loopback = _loopback_bytes()
        self.checkpoints: dict[int, dict[str, Any]] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, Any]:
        """What was seen."""
        self._done.set()
        self._thread.join()
        used: dict[str, float] = {}
        for (name, pid), cpu in self._used.items():
            used[name] = used.get(name, 0.0) + cpu - self._before.get((name, pid), 0.0)
        return {
            "cpu_s": {name: round(cpu, 2) for name, cpu in sorted(used.items())},
            "memory_mb": {name: round(mb) for name, mb in sorted(self.memory.items())},
            "checkpoints": [self.checkpoints[one] for one in sorted(self.checkpoints)],
            "loopback_bytes": _loopback_bytes() - self._loopback,
        }

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        cluster = self._cluster
        yield "taskmanager", psutil.Process(cluster.taskmanagers[0].pid)
        yield "jobmanager", psutil.Process(cluster.jobmanager.pid)
        for pid in cluster.workers.worker_pids():
            yield "workers", psutil.Process(pid)

    def _cpu(self) -> dict[tuple[str, int], float]:
        found = {}
        memory: dict[str, float] = {}
        for name, process in self._processes():
            try:
                times, mb = process.cpu_times(), process.memory_info().rss / _MB
            except psutil.Error:
                continue
            found[name, process.pid] = times.user + times.system
            memory[name] = max(memory.get(name, 0.0), mb)  # of the largest worker
        for name, mb in memory.items():
            self.memory[name] = max(self.memory.get(name, 0.0), mb)
        return found

    def _watch(self) -> None:
        while not self._done.wait(0.5):
            try:
                self._used.update(self._cpu())
                self._look()
            except (OSError, psutil.Error, KeyError):
                continue

    def _look(self) -> None:
        for one in self._cluster.rest("/jobs")["jobs"]:
            if one["id"] in self._known:
                continue
            latest = self._cluster.rest(f"/jobs/{one['id']}/checkpoints")["latest"]["completed"]
            if latest is not None and latest["id"] not in self.checkpoints:
                counts = flink_counters(self._cluster.rest_url, one["id"], "padit")
                self.checkpoints[latest["id"]] = {
                    "read": counts.get("read", 0),
                    "state": latest["state_size"],
                    "written": latest["checkpointed_size"],
                    "ms": latest["end_to_end_duration"],
                }


def _loopback_bytes() -> int:
    if _OWN_NETWORK not in os.environ:
        return 0
    return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)


def _flink(directory: Path, backend: str, heap_mb: int) -> FlinkCluster:
    settings = {"taskmanager.memory.task.heap.size": f"{heap_mb}m"}
    return prepare_flink(directory, settings=settings | (_ROCKSDB if backend == "rocksdb" else {}))


def measure(cluster: FlinkCluster, broker: Broker, topic: str, point: Point) -> dict[str, Any]:
    """Replay a topic once."""
    folder = cluster.directory / f"run-{time.monotonic_ns()}"
    folder.mkdir()
    command = [sys.executable, "-m", "padit.cli.main", "replay"]
    command += ["--input", f"kafka://{broker.bootstrap}/{topic}", "--audit=null"]
    command += ["--output", str(folder / "alerts.jsonl"), *cluster.options(point.parallelism)]
    command += [f"--extract_interval_sec={point.interval}", "--checkpointing_interval=5000"]
    meter = _Meter(cluster)
    began = time.monotonic()
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(_ROOT), "PADIT_STATE_DIR": "nowhere"},
        capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip
    seconds = time.monotonic() - began
    found = meter.stop()
    if done.returncode != 0:
        message = f"the run failed: {done.stderr[-3000:]}"
        raise RuntimeError(message)
    summary = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        "point": vars(point),
        "read": summary["read"],
        "scored": summary["scored"],
        "windows": summary.get("windows"),
        "state_written": round(
            point.series * written_by_replay(point.series, point.seconds, point.interval)
        ),
        "seconds": round(seconds, 1),
        **found,
    }


def _topic_bytes(broker: Broker, topic: str) -> int:
    data = Path(broker.directory) / "data"
    return sum(one.stat().st_size for one in data.glob(f"{topic}-*/*.log"))


def _measure_all(points: Sequence[Point], backend: str, heap_mb: int, into: Path) -> None:
    rows: list[dict[str, Any]] = json.loads(into.read_text()) if into.exists() else []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sizing-")))
        broker = start_broker(directory / "kafka")
        stack.callback(broker.stop)
        cluster = stack.enter_context(_flink(directory / "flink", backend, heap_mb))
        topics: dict[tuple[int, int], str] = {}
        for point in points:
            key = (point.series, point.seconds)
            if key not in topics:
                topics[key] = create_topic(broker.bootstrap, f"s{point.series}-{point.seconds}")
                shape = Shape(point.series * point.seconds, point.series)
                fill_json(broker.bootstrap, topics[key], shape)
            found = measure(cluster, broker, topics[key], point)
            row = {"backend": backend, "heap_mb": heap_mb, **found}
            row["topic_bytes"] = _topic_bytes(broker, topics[key])
            row["load"] = round(os.getloadavg()[0], 1)
            rows.append(row)
            into.write_text("[\n" + ",\n".join(json.dumps(one) for one in rows) + "\n]\n")
            print(json.dumps({**row, "checkpoints": len(row["checkpoints"])}), flush=True)


def _in_own_network(argv: Sequence[str]) -> int | None:
    """Run again in a network namespace, as root; None where that is done or cannot be."""
    if _OWN_NETWORK in os.environ or without_namespaces() is not None:
        return None
    with namespace("sizing") as space:
        return again(space, ["benchmarks.sizing", *argv], {_OWN_NETWORK: "1"})


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and write a JSON list with an object for each run."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--into", type=Path, default=Path("build/sizing.json"))
    parser.add_argument("--only", type=Point.of, nargs="*", metavar="POINT")
    parser.add_argument("--backend", choices=("hashmap", "rocksdb"), default="hashmap")
    parser.add_argument("--heap_mb", type=int, default=_HEAP_MB, help="for tasks, TaskManager")
    args = parser.parse_args(argv)
    code = _in_own_network(argv)
    if code is not None:
        return code
    args.into.parent.mkdir(parents=True, exist_ok=True)
    points = args.only or [Point.of(one) for one in POINTS]
    _measure_all(points, args.backend, args.heap_mb, args.into)
    return 0


if __name__ == "__main__":
    sys.exit(main())
