r"""What a self-checkpoint of a reader leaves behind in Flink's state, apart from everything else.

    python -m benchmarks.self_checkpoints                          # as PADIT's clusters run it
    python -m benchmarks.self_checkpoints --runner                 # as the runner itself does it
    python -m benchmarks.self_checkpoints --runner --backend rocksdb

The job is a splittable step that reads nothing and hands its position back at once, some hundred
times a second, so that a minute holds as many self-checkpoints as hours of a live job (one a
second, one in two while idle). Printed are, for each checkpoint of Flink, how many there had been,
the bytes of the state and its milliseconds; then bytes and milliseconds by self-checkpoint.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import apache_beam as beam
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.utils.timestamp import Duration

from padit.devcluster import flink as local
from padit.devcluster import jars
from padit.devcluster.flink import FlinkCluster, prepare_flink
from padit.devcluster.launcher import launcher
from padit.pipelines.flink_counters import flink_counters

__all__ = ["main", "measure"]

_NAMESPACE = "self_checkpoints"
_END = 1 << 40
_LONGEST_S = 120.0
_ROCKSDB = {"state.backend.type": "rocksdb", "execution.checkpointing.incremental": True}
_SETTINGS = {"taskmanager.memory.managed.size": "512m"}


class _Positions(RestrictionProvider):  # type: ignore[misc]
    """Positions without an end; Beam's methods."""

    def initial_restriction(self, element: bytes) -> OffsetRange:
        """From 0."""
        return OffsetRange(0, _END)

    def create_tracker(self, restriction: OffsetRange) -> OffsetRestrictionTracker:
        """Beam's own."""
        return OffsetRestrictionTracker(restriction)

    def restriction_size(self, element: bytes, restriction: OffsetRange) -> int:
        """All alike."""
        return 1


_TRACKER = beam.DoFn.RestrictionParam(_Positions())


class _HandBack(beam.DoFn):  # type: ignore[misc]
    """Claims one position, emits nothing, and hands the rest back."""

    def __init__(self) -> None:
        self._done = Metrics.counter(_NAMESPACE, "done")

    @beam.DoFn.unbounded_per_element()  # type: ignore[untyped-decorator]
    def process(self, element: bytes, tracker: Any = _TRACKER) -> Iterator[bytes]:
        """Read nothing."""
        start = tracker.current_restriction().start
        if tracker.try_claim(start):
            self._done.inc()
            tracker.defer_remainder(Duration(0))
        yield from ()


def measure(cluster: FlinkCluster, seconds: float, least: int = 0) -> list[dict[str, int]]:
    """Run the job for so long; a row for each checkpoint of Flink.

    Args:
        cluster: that runs.
        seconds: from the first checkpoint on.
        least: self-checkpoints between the second checkpoint and the last that are waited for
            beyond that, for two minutes at most.
    """
    known = {one["id"] for one in cluster.rest("/jobs")["jobs"]}
    options = [*cluster.options(1), "--checkpointing_interval=2000", "--max_bundle_time_mills=20"]
    pipeline = beam.Pipeline(options=PipelineOptions(options))
    begin = pipeline | "Begin" >> beam.Create([b"reader"], reshuffle=False)
    begin | "HandBack" >> beam.ParDo(_HandBack())
    result = pipeline.run()
    rows: dict[int, dict[str, int]] = {}
    began = time.monotonic()
    first = 0.0
    try:
        while time.monotonic() - began < _LONGEST_S:
            time.sleep(0.25)
            for row in _new(cluster, known):
                first = first or time.monotonic()
                rows.setdefault(row["id"], row)
            done = [row["done"] for row in rows.values()]
            long = first and time.monotonic() - first >= seconds
            if long and len(done) > 2 and done[-1] - done[1] >= least:
                break
    finally:
        result.cancel()
    return [rows[one] for one in sorted(rows)]


def _new(cluster: FlinkCluster, known: set[str]) -> Iterator[dict[str, int]]:
    """The newest checkpoint of a job that is not known; nothing while Flink builds it."""
    with suppress(OSError):
        for one in cluster.rest("/jobs")["jobs"]:
            row = None if one["id"] in known else _latest(cluster, one["id"])
            if row is not None:
                yield row


def _latest(cluster: FlinkCluster, job: str) -> dict[str, int] | None:
    """The newest complete checkpoint of a job, and how many self-checkpoints there have been."""
    found = cluster.rest(f"/jobs/{job}/checkpoints")["latest"]["completed"]
    if found is None:
        return None
    done = flink_counters(cluster.rest_url, job, _NAMESPACE).get("done", 0)
    names = {"id": "id", "state": "state_size", "ms": "end_to_end_duration"}
    return {"done": done, **{name: int(found[key]) for name, key in names.items()}}


def slope(rows: Sequence[dict[str, int]], name: str) -> float:
    """Growth by self-checkpoint, between the second and the last checkpoint."""
    first, last = rows[1], rows[-1]
    return (last[name] - first[name]) / max(1, last["done"] - first["done"])


def _without_residuals(folder: Path) -> Path:
    """Our jar without the classes that bound the state: the runner as it is."""
    target = folder / "launcher.jar"
    with zipfile.ZipFile(launcher(jars.job_server())) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            if not name.startswith("org/apache/beam/runners/"):
                new.writestr(name, old.read(name))
    return target


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print JSON lines."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runner", action="store_true", help="the runner as it is")
    parser.add_argument("--backend", choices=("hashmap", "rocksdb"), default="hashmap")
    parser.add_argument("--seconds", type=float, default=60.0)
    args = parser.parse_args(argv)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="self-")))
        if args.runner:
            own = _without_residuals(folder)
            stack.enter_context(mock.patch.object(local, "launcher", return_value=own))
        settings = _SETTINGS | (_ROCKSDB if args.backend == "rocksdb" else {})
        cluster = stack.enter_context(prepare_flink(folder / "flink", settings=settings))
        rows = measure(cluster, args.seconds)
    for row in rows:
        print(json.dumps(row))
    found = {name: round(slope(rows, name), 3) for name in ("state", "ms")}
    print(json.dumps({"by self-checkpoint": found, "self-checkpoints": rows[-1]["done"]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
