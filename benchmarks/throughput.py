"""`python -m benchmarks.throughput`: how fast, how late, how much memory. Writes build/bench.json.

What is compared is measured in turns (drain, loop, direct, arrow, flink, and again), each in a
process of its own against the same real broker, and the best of the rounds counts: on a machine
that others use too, the best is what comes nearest to the code itself. docs/benchmarks.md says
what each number means.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from benchmarks.latency import LatencyPlan, measure_latency
from benchmarks.state_size import measure_state
from benchmarks.topics import Shape, create_topic, fill_arrow, fill_json
from benchmarks.workers import Workers
from padit.analysis.alert_files import read_events
from padit.devcluster.broker import Broker, start_broker
from padit.devcluster.flink import FlinkCluster, start_flink

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[1]
_RATES = ("drain", "loop", "shipped", "shipped_flink", "direct", "arrow", "flink")
_PARTS = (*_RATES, "latency", "scale")
_ON_FLINK = {"flink", "shipped_flink", "latency"}
_SAME = (("direct", "arrow", "flink"), ("shipped", "shipped_flink"))  # alerts, to the byte
_FIXED_LIMITS = f"--config={_ROOT / 'benchmarks' / 'rule.yaml'}"  # what the loop does, too
# Each key group costs a Beam element per block: with 100 series a few groups are plenty.
_LOW_LATENCY = (
    "--extract_interval_sec=0.25",
    "--out_of_orderness_sec=0.2",
    "--max_bundle_time_mills=20",
    "--key_groups=4",
)
_SCALE_SERIES = (100, 1_000, 10_000, 100_000)
_RATIOS = {
    "shipped_ratio": ("shipped", "drain"),
    "shipped_flink_ratio": ("shipped_flink", "drain"),
    "direct_ratio": ("direct", "drain"),
    "loop_ratio": ("direct", "loop"),
    "flink_ratio": ("flink", "drain"),
    "arrow_ratio": ("arrow", "direct"),
}
_GOALS = {
    "shipped_ratio": "at least 0.5",
    "shipped_flink_ratio": "at least 0.3",
    "direct_ratio": "at least 1, aim 1.5",
    "loop_ratio": "at least 4, aim 6",
    "flink_ratio": "at least 0.5, aim 0.8",
    "direct_cpu_s_per_million": "at most 1, aim 0.6",
    "arrow_cpu_s_per_million": "at most 0.4, aim 0.25",
    "latency_p99_s": "below 0.9, aim 0.6",
    "bytes_per_series": "at most 18432",
}

Run = dict[str, Any]


class WrongResultError(RuntimeError):
    """Two ways to the same alerts gave different ones, or records were lost: no number counts."""


@dataclass
class Bench:
    """Everything a measurement needs.

    Attributes:
        directory: for topics, clusters and alert files; gone afterwards.
        broker: a real one.
        flink: a real cluster, or None if no part needs it.
        results: what goes into build/bench.json.
        runs: every single run, by part.
        failed: what could not be measured; the rest still counts.
    """

    directory: Path
    broker: Broker
    flink: FlinkCluster | None
    results: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def child(self, module: str, *arguments: str) -> Run:
        """Run a module in a process of its own; it prints one JSON line at the end."""
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(
            command, cwd=_ROOT, capture_output=True, text=True, timeout=3600, check=False
        )
        if done.returncode:
            message = f"{module} failed: {done.stderr.strip()[-3000:]}"
            raise RuntimeError(message)
        run: Run = json.loads(done.stdout.splitlines()[-1])
        return run

    def topic(self, name: str, shape: Shape, fill: Callable[[str, str, Shape], None]) -> str:
        """Make and fill a topic."""
        _say(f"filling topic {name}: {shape.total:,} samples of {shape.series:,} series")
        create_topic(self.broker.bootstrap, name)
        fill(self.broker.bootstrap, name, shape)
        return name

    def job(self, topic: str, shape: Shape, alerts: Path, *options: str) -> Run:
        """Run the job over a topic; every record must be scored."""
        run = self.child(
            "benchmarks.run_job",
            f"--alerts={alerts}",
            f"--input=kafka://{self.broker.bootstrap}/{topic}",
            *options,
        )
        if run["scored"] != shape.total:
            message = f"{shape.total} records were written, the job says {run}"
            raise WrongResultError(message)
        return run


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _measure_rates(bench: Bench, args: argparse.Namespace) -> None:
    shape = Shape(args.records, args.series)
    topics = {"json": bench.topic("bench-json", shape, fill_json)}
    if "arrow" in args.only:
        topics["arrow"] = bench.topic("bench-arrow", shape, fill_arrow)
    for number in range(args.rounds):
        for part in _RATES:
            if part in args.only:
                run = _RUN[part](bench, topics, shape)
                run["per_s"] = shape.total / run["seconds"]
                run["load"] = os.getloadavg()[0]
                bench.runs.setdefault(part, []).append(run)
                _say(
                    f"round {number + 1} of {args.rounds}: {part:13} {run['per_s']:>9,.0f} "
                    f"records/s, load {run['load']:.1f}"
                )
        _same_alerts(bench)
    _conclude_rates(bench, shape)


def _bare(module: str) -> Callable[[Bench, dict[str, str], Shape], Run]:
    def run(bench: Bench, topics: dict[str, str], shape: Shape) -> Run:
        where = [f"--bootstrap={bench.broker.bootstrap}", f"--topic={topics['json']}"]
        output = [f"--output={bench.directory / 'loop.jsonl'}"] if "loop" in module else []
        return bench.child(module, *where, f"--records={shape.total}", *output)

    return run


def _here(name: str, topic: str, *options: str) -> Callable[[Bench, dict[str, str], Shape], Run]:
    """The job on the DirectRunner over a topic."""

    def run(bench: Bench, topics: dict[str, str], shape: Shape) -> Run:
        return bench.job(topics[topic], shape, bench.directory / f"{name}.jsonl", *options)

    return run


def _on_flink(name: str, *config: str) -> Callable[[Bench, dict[str, str], Shape], Run]:
    """The job on Flink over the JSON topic."""

    def run(bench: Bench, topics: dict[str, str], shape: Shape) -> Run:
        cluster = _cluster(bench)
        workers = Workers(cluster, int(bench.broker.bootstrap.rpartition(":")[2]))
        try:
            run = bench.job(
                topics["json"],
                shape,
                bench.directory / f"{name}.jsonl",
                *config,
                *cluster.options(1),
                f"--rest_url={cluster.rest_url}",
                "--checkpointing_interval=10000",
            )
        finally:
            workers.stop()
        # What the child knows of is the submission only; the work is done by the worker.
        run["cpu"], run["rss_mb"] = workers.cpu, workers.rss_mb
        if workers.connected is not None:
            run["worker_start"] = workers.connected - run["begun"]
            run["seconds"] -= run["worker_start"]
        return run

    return run


_RUN = {
    "drain": _bare("benchmarks.drain"),
    "loop": _bare("benchmarks.reference_loop"),
    "shipped": _here("shipped", "json"),
    "shipped_flink": _on_flink("shipped_flink"),
    "direct": _here("direct", "json", _FIXED_LIMITS),
    "arrow": _here("arrow", "arrow", _FIXED_LIMITS),
    "flink": _on_flink("flink", _FIXED_LIMITS),
}


def _cluster(bench: Bench) -> FlinkCluster:
    if bench.flink is None:
        message = "this part needs the Flink cluster"
        raise RuntimeError(message)
    return bench.flink


def _same_alerts(bench: Bench) -> None:
    """Every way must give the same alerts: the job's to the byte, the loop's as (series, end)."""
    written = {
        name: read_events(str(bench.directory / f"{name}.jsonl"))
        for group in _SAME
        for name in group
        if name in bench.runs
    }
    for group in _SAME:
        names = [name for name in group if name in written]
        for name in names[1:]:
            if [one.line for one in written[name]] != [one.line for one in written[names[0]]]:
                message = f"the alerts of {name} and {names[0]} differ"
                raise WrongResultError(message)
    fixed = next((name for name in _SAME[0] if name in written), None)
    if "loop" not in bench.runs or fixed is None:
        return
    job = sorted(
        (one.content["data"]["source_id"], one.content["data"]["metric_name"], one.time / 1e6)
        for one in written[fixed]
        if one.content["type"].endswith(".opened")
    )
    lines = (bench.directory / "loop.jsonl").read_text().splitlines()
    if job != [tuple(json.loads(line)) for line in lines]:
        message = f"the loop raises {len(lines)} alerts, the job {len(job)}, or others"
        raise WrongResultError(message)


def _conclude_rates(bench: Bench, shape: Shape) -> None:
    best = {}
    for part, runs in bench.runs.items():
        best[part] = max(run["per_s"] for run in runs)
        bench.results[f"{part}_per_s"] = round(best[part])
        cpu = min(run["cpu"] for run in runs)
        bench.results[f"{part}_cpu_s_per_million"] = round(cpu / shape.total * 1e6, 2)
        bench.results[f"{part}_rss_mb"] = round(max(run["rss_mb"] for run in runs))
    for name, (above, below) in _RATIOS.items():
        if above in best and below in best:
            bench.results[name] = round(best[above] / best[below], 3)
            rounds = zip(bench.runs[above], bench.runs[below], strict=True)
            each = [round(one["per_s"] / other["per_s"], 3) for one, other in rounds]
            bench.results[f"{name}_by_round"] = each


def _measure_latency(bench: Bench, args: argparse.Namespace) -> None:
    rows: list[dict[str, Any]] = []
    plans = [
        LatencyPlan(f"window {window} s", window, _LOW_LATENCY, args.latency_seconds)
        for window in (10, 300)
    ]
    if args.latency_shipped:
        options = (*_LOW_LATENCY[:-1], "--key_groups=32")
        name = "window 300 s, as shipped, 32 key groups"
        plans.append(LatencyPlan(name, 300, options, args.latency_seconds, shipped=True))
    for plan in plans:
        _say(f"latency, {plan.name}: 100 incidents in {plan.seconds:g} s")
        try:
            found = measure_latency(bench.broker, _cluster(bench), plan, bench.directory)
        except RuntimeError as error:
            _say(f"latency, {plan.name}: {error}")
            bench.failed.append(f"latency, {plan.name}: {error}")
            continue
        _say(f"latency, {plan.name}: p50 {found.p50:.3f} s, p99 {found.p99:.3f} s")
        rows.append(
            {
                "name": plan.name,
                "window_s": plan.window,
                "options": list(plan.options),
                "incidents": found.incidents,
                "p50_s": round(found.p50, 3),
                "p99_s": round(found.p99, 3),
                "worst_s": round(found.worst, 3),
                "load": os.getloadavg()[0],
            }
        )
    bench.results["latency"] = rows
    if len(rows) == len(plans):
        bench.results["latency_p99_s"] = max(
            row["p99_s"] for row, plan in zip(rows, plans, strict=True) if not plan.shipped
        )


def _measure_scale(bench: Bench, args: argparse.Namespace) -> None:
    millions = (1_000_000, 2_000_000, 5_000_000, 10_000_000) if args.full else (500_000, 1_000_000)
    shapes = [Shape(millions[-1] if args.full else args.records, n) for n in _SCALE_SERIES]
    shapes += [Shape(records, args.series) for records in millions]
    rows: list[dict[str, Any]] = []
    for shape in dict.fromkeys(shapes):
        name = f"scale-{shape.series}-{shape.records}"
        topic = bench.topic(name, shape, fill_json)
        run = bench.job(topic, shape, bench.directory / "scale.jsonl", _FIXED_LIMITS)
        row = {
            "series": shape.series,
            "records": shape.total,
            "event_seconds": shape.seconds,
            "windows": run["windows"],
            "per_s": round(shape.total / run["seconds"]),
            "cpu_s_per_million": round(run["cpu"] / shape.total * 1e6, 2),
            "rss_mb": round(run["rss_mb"]),
        }
        rows.append(row)
        _say(f"{shape.series:,} series: {row['per_s']:,} records/s, {row['rss_mb']} MB")
    bench.results["scale"] = rows


def _measure_state(bench: Bench) -> None:
    sizes = {step: measure_state(100, step) for step in (1, 10)}
    bench.results["bytes_per_series"] = round(max(size.peak for size in sizes.values()))
    bench.results["bytes_per_series_after_close"] = round(
        max(size.after_close for size in sizes.values())
    )


def _machine() -> dict[str, Any]:
    names = (
        "apache-beam",
        "confluent-kafka",
        "msgspec",
        "numpy",
        "pyarrow",
        "apache-flink-libraries",
    )
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "versions": {name: version(name) for name in names},
    }


def _print_table(results: dict[str, Any]) -> None:
    if any(f"{part}_per_s" in results for part in _RATES):
        print(f"\n{'':14}{'records/s':>12}{'CPU s per million':>20}{'memory MB':>12}")
    for part in _RATES:
        if f"{part}_per_s" in results:
            print(
                f"{part:14}{results[f'{part}_per_s']:>12,}"
                f"{results[f'{part}_cpu_s_per_million']:>20.2f}{results[f'{part}_rss_mb']:>12,}"
            )
    print()
    for name, goal in _GOALS.items():
        if name in results:
            print(f"{name:26}{results[name]:>10,}   ({goal})")
    for row in results.get("latency", []):
        print(
            f"latency, {row['name']}: p50 {row['p50_s']:.3f} s, p99 "
            f"{row['p99_s']:.3f} s, worst {row['worst_s']:.3f} s"
        )
    if "scale" in results:
        _print_scale(results["scale"])
    machine = results["machine"]
    load = f"{machine['load_average'][0]} before, {results['load_average_after'][0]} after"
    print(f"\n{machine['processors']} processors, load average {load}")


def _print_scale(rows: list[dict[str, Any]]) -> None:
    print(f"\n{'series':>10}{'records':>12}{'records/s':>12}{'CPU s/M':>10}{'memory MB':>12}")
    for row in rows:
        print(
            f"{row['series']:>10,}{row['records']:>12,}{row['per_s']:>12,}"
            f"{row['cpu_s_per_million']:>10.2f}{row['rss_mb']:>12,}"
        )


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--series", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--only", default=",".join(_PARTS), help="parts, separated by commas")
    parser.add_argument("--latency_seconds", type=float, default=40.0, help="of incidents")
    parser.add_argument(
        "--latency_shipped", action="store_true", help="also with the detectors as shipped"
    )
    parser.add_argument("--full", action="store_true", help="scale up to 10 million records")
    parser.add_argument("--output", type=Path, default=_ROOT / "build" / "bench.json")
    args = parser.parse_args(argv)
    args.only = args.only.split(",")
    unknown = set(args.only) - set(_PARTS)
    if unknown:
        parser.error(f"--only knows {', '.join(_PARTS)}; not {', '.join(sorted(unknown))}")
    return args


def _measure(bench: Bench, args: argparse.Namespace) -> None:
    if set(args.only) & set(_RATES):
        _measure_rates(bench, args)
    if "latency" in args.only:
        _measure_latency(bench, args)
    if "scale" in args.only:
        _measure_scale(bench, args)
        _measure_state(bench)


def main(argv: list[str] | None = None) -> int:
    """Measure what is asked for; 1 if results differ, because then no number counts."""
    args = _arguments(argv)
    machine, begun = _machine(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="padit-bench-") as name:
        directory = Path(name)
        _say("starting a broker" + (" and Flink" if _ON_FLINK & set(args.only) else ""))
        with start_broker(directory / "kafka", say=_say) as broker:
            flink = None
            if _ON_FLINK & set(args.only):
                flink = start_flink(directory / "flink", say=_say)
            bench = Bench(directory, broker, flink)
            try:
                _measure(bench, args)
            except WrongResultError as error:
                _say(f"{error}")
                return 1
            finally:
                if flink is not None:
                    flink.stop()
    results = {
        **bench.results,
        "records": args.records,
        "series": args.series,
        "rounds": args.rounds,
        "machine": machine,
        "load_average_after": [round(load, 2) for load in os.getloadavg()],
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "failed": bench.failed,
        "runs": bench.runs,
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(results, indent=2) + "\n")
    _print_table(results)
    print(f"written to {args.output}")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
