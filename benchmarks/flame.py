"""Where the job's processor time goes: a flame graph of it, and a table of its stages.

    python -m benchmarks.flame                                  # DirectRunner, as shipped
    python -m benchmarks.flame --flink --parallelism 2 --into build/flame-flink.svg

py-spy (extra `profile`) looks a hundred times a second at the threads that work: of the job's own
process and its reader's, or of the Python workers of a local Flink. What stands outside of Python
(compiled kernels, unpacking, sockets) counts for the function that called it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.flame_graph import Stacks, draw, read_stacks
from benchmarks.topics import Shape, create_topic, fill_json
from padit.devcluster.broker import start_broker
from padit.devcluster.flink import FlinkCluster, start_flink

__all__ = ["STAGES", "main", "stages_of", "without_start"]

_ROOT = Path(__file__).resolve().parents[1]
_RATE = 100
_START = "start: imports, loading kernels"
STAGES: Mapping[str, tuple[str, ...]] = {
    _START: ("importlib", "ops/compiler", "numba/", "pipelines/kernels", "ops/compiled.py:ready"),
    "JSON to columns": ("codecs/json", "codecs/columns", "codecs/known", "codecs/"),
    "fetch, unpack, walk": ("connectors/kafka", "codecs/record_", "kafka/", "lz4/"),
    "KeyByGroup": ("transforms/keying",),
    "detectors": ("transforms/detectors/", "transforms/detect.py", "transforms/levels"),
    "windows and features": ("transforms/windows", "transforms/features", "transforms/arranging"),
    "alerts": ("transforms/alerts", "transforms/budget", "transforms/episodes",
               "transforms/usual_range", "transforms/warmup"),
    "state: load, dump, compare, pack": (
        "transforms/changes", "transforms/packed", "transforms/checksum", "transforms/states",
        "transforms/kept_rows", "transforms/beam_store", "domain/batch",
        "transforms/detectors/columns.py:Columns.dump",
        "transforms/detectors/columns.py:Columns.load"),
    "rest of a group's pass": ("transforms/",),
    "joining reads, lateness": ("connectors/read_shard", "connectors/restriction", "connectors/"),
    "state over the network": ("pipelines/state_writes", "worker/statecache",
                               "worker/sdk_worker.py:GlobalCachingStateHandler",
                               "bundle_processor.py:SynchronousBagRuntimeState"),
    "Beam and gRPC": ("apache_beam/", "grpc/"),
}  # fmt: skip
"""By name the places of a stage, as `folder/file:function`; the longest that fits counts."""


def stages_of(stacks: Stacks) -> dict[str, float]:
    """Share of each stage; a sample belongs to the innermost frame that one of them names.

    What a process does once, before the first record, is left out.
    """
    found: Counter[str] = Counter()
    for frames, samples in stacks.items():
        found[_stage(frames)] += samples
    total = sum(found.values()) - found[_START] or 1
    names = [name for name in (*STAGES, "the rest") if name != _START]
    return {name: found[name] / total for name in names}


def without_start(stacks: Stacks) -> Stacks:
    """The stacks without imports and the loading of kernels, which are there once."""
    return {frames: samples for frames, samples in stacks.items() if _stage(frames) != _START}


def _stage(frames: Sequence[str]) -> str:
    if any("importlib" in frame or "pipelines/kernels" in frame for frame in frames):
        return _START
    for frame in reversed(frames):
        fitting = [
            (len(place), name) for name, places in STAGES.items()
            for place in places if place in frame
        ]  # fmt: skip
        if fitting:
            return max(fitting)[1]
    return "the rest"


def _record(arguments: Sequence[str], into: Path) -> list[str]:
    """The command of py-spy."""
    spy = Path(sys.executable).with_name("py-spy")
    if not spy.exists():
        message = "py-spy is not installed: pip install 'padit[profile]'"
        raise SystemExit(message)
    options = ["--format", "raw", "--rate", str(_RATE), "--nonblocking", "--output", str(into)]
    return [str(spy), "record", *options, *arguments]


def _direct(job: Sequence[str], directory: Path) -> list[Path]:
    into = directory / "direct.txt"
    run = [sys.executable, "-m", "benchmarks.run_job", *job]
    command = _record(["--subprocesses", "--", *run], into)
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    print(_summary(done.stdout))
    return [into]


def _summary(output: str) -> str:
    lines = [line for line in output.splitlines() if line.startswith("{")]
    run = json.loads(lines[-1])
    return f"{run['scored']:,} records scored, {run['seconds']:.1f} s, {run['cpu']:.1f} CPU s"


def _flink(
    cluster: FlinkCluster, job: Sequence[str], parallelism: int, directory: Path
) -> list[Path]:
    """Profile the workers; py-spy looks at each from before its first record until it ends."""
    options = [*cluster.options(parallelism), f"--rest_url={cluster.rest_url}"]
    command = [sys.executable, "-m", "benchmarks.run_job", *job, *options]
    command += ["--checkpointing_interval=10000"]
    spies: dict[int, subprocess.Popen[bytes]] = {}
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as running:
        while running.poll() is None:
            for pid in cluster.workers.worker_pids():
                if pid not in spies:
                    arguments = ["--pid", str(pid), "--duration", "unlimited"]
                    spies[pid] = subprocess.Popen(
                        _record(arguments, directory / f"{pid}.txt"), stderr=subprocess.DEVNULL
                    )
            time.sleep(0.1)
        print(_summary(running.communicate()[0]))
    for spy in spies.values():
        spy.send_signal(2)  # it writes what it has seen
        spy.wait(30)
    return [path for pid in spies if (path := directory / f"{pid}.txt").exists()]


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.flame",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--series", type=int, default=1_000)
    parser.add_argument("--flink", action="store_true", help="the workers of a local Flink")
    parser.add_argument("--parallelism", type=int, default=1, help="of the job on Flink")
    parser.add_argument("--into", type=Path, default=_ROOT / "build" / "flame.svg")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Profile one run."""
    args = _arguments(argv)
    shape = Shape(args.records, args.series)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="flame-")))
        broker = stack.enter_context(start_broker(directory / "kafka"))
        topic = create_topic(broker.bootstrap, "flame")
        fill_json(broker.bootstrap, topic, shape)
        alerts = f"--alerts={directory / 'alerts.jsonl'}"
        job = [alerts, f"--input=kafka://{broker.bootstrap}/{topic}"]
        if args.flink:
            cluster = start_flink(directory / "flink")
            stack.callback(cluster.stop)
            written = _flink(cluster, job, args.parallelism, directory)
        else:
            written = _direct(job, directory)
        stacks = without_start(read_stacks(one.read_text() for one in written))
    args.into.parent.mkdir(parents=True, exist_ok=True)
    args.into.write_text(draw(stacks))
    lines = (f"{';'.join(frames)} {samples}" for frames, samples in sorted(stacks.items()))
    args.into.with_suffix(".txt").write_text("\n".join(lines) + "\n")
    for name, share in stages_of(stacks).items():
        print(f"| {name} | {share:.0%} |")
    print(f"{sum(stacks.values())} samples, drawn in {args.into}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
