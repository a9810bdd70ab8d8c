"""`padit demo`: simulate a factory, run the job over it, draw the result. No Kafka, no Java."""

import argparse
import sys
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from padit.analysis.report import (
    alerts_table,
    match,
    read_alerts,
    read_features,
    read_labels,
    read_rows,
    write_report,
)
from padit.analysis.report.charts import window_length
from padit.cli.commands import simulate
from padit.pipelines.bounds import Number

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Simulate a factory with faults, run the job over it, and draw the result."
EXAMPLES = """examples:
  padit demo
  padit demo --seed 11 --machines 20 --hours 8
  padit demo --live               # a page, and a factory that fails within a minute
"""

ALL_FAULTS = "overstrain,heat_dissipation,power_failure,tool_wear_failure"
FOLDER = "build/demo"
LIVE_FOLDER = "build/demo-live"
WINDOW_OPTIONS = ("--window_size_sec=120", "--extract_interval_sec=30")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("--machines", type=Number(1, 100_000), default=8, help="how many machines (default 8)")
    add(
        "--hours",
        type=Number(1e-6, 1e6, "hours"),
        default=2.0,
        help="hours of event time (default 2)",
    )
    add(
        "--seed",
        type=Number(0, 2**63 - 1),
        default=7,
        help="another seed is another factory (default 7)",
    )
    add("--faults", default=ALL_FAULTS, help=f"faults to inject (default {ALL_FAULTS})")
    add("--folder", default=FOLDER, help=f"where everything goes (default {FOLDER})")
    add(
        "--overwrite",
        action="store_true",
        help=f"replace what another demo left in a folder; {FOLDER} is replaced anyway",
    )

    add("--live", action="store_true", help="open the page while a factory runs, and fails")
    add(
        "--minutes",
        type=Number(0.1, 1440.0, "minutes"),
        default=10.0,
        help="with --live: until it ends by itself (default 10)",
    )
    add("--port", type=Number(0, 65535), default=8080, help="with --live: of the page")
    add("--no_browser", action="store_true", help="with --live: only print the link")


def run(args: argparse.Namespace) -> int:
    """Run the demo; 1 if a record is unaccounted for.

    Raises:
        PaditError: an option or the folder is wrong, or the run failed.
    """
    if args.live:
        from padit.cli.live_demo import show

        folder = Path(LIVE_FOLDER if args.folder == FOLDER else args.folder)
        return show(folder, args.seed, args.minutes, args.port, browser=not args.no_browser)
    folder = Path(args.folder)
    places = {
        name: str(folder / name)
        for name in ("metrics.jsonl", "labels.json", "alerts.jsonl", "features.jsonl")
    }
    began = time.monotonic()
    _say(f"simulating {args.machines} machines for {args.hours:g} h with {args.faults}")
    _simulate(args, places)
    _say("running the job on the DirectRunner")
    summary = _run_job(
        [
            f"--input={places['metrics.jsonl']}",
            f"--output={places['alerts.jsonl']}",
            f"--features={places['features.jsonl']}",
            f"--config={files('padit.pipelines').joinpath('demo/factory.yaml')}",
            *WINDOW_OPTIONS,
            *_overwrites(args),
        ]
    )
    _say("drawing the report")
    page = folder / "report.html"
    sys.stdout.write("\n" + _report(places, str(page), summary, args) + "\n")
    balanced = _balance(summary)
    sys.stdout.write(f"report: {page} ({time.monotonic() - began:.1f} s in all)\n")
    return 0 if balanced else 1


def _overwrites(args: argparse.Namespace) -> list[str]:
    return ["--overwrite"] if args.overwrite or args.folder == FOLDER else []


def _simulate(args: argparse.Namespace, places: dict[str, str]) -> None:
    parser = argparse.ArgumentParser()
    simulate.add_arguments(parser)
    simulated = parser.parse_args(
        [
            f"--machines={args.machines}",
            f"--hours={args.hours}",
            f"--seed={args.seed}",
            f"--faults={args.faults}",
            f"--output={places['metrics.jsonl']}",
            f"--labels={places['labels.json']}",
            *_overwrites(args),
        ]
    )
    simulate.simulate(simulated)


def _run_job(argv: Sequence[str]) -> dict[str, Any]:
    """The one call into the job: options in, conservation line out."""
    import msgspec

    from padit.pipelines.job import run_job  # Beam takes seconds to import

    summary = run_job(argv, live=False)
    return {} if summary is None else msgspec.structs.asdict(summary)


def _report(
    places: dict[str, str], page: str, summary: dict[str, Any], args: argparse.Namespace
) -> str:
    alerts = read_alerts(places["alerts.jsonl"])
    labels = read_labels(places["labels.json"])
    write_report(
        page,
        rows=read_rows(places["metrics.jsonl"]),
        alerts=alerts,
        features=read_features(places["features.jsonl"]),
        labels=labels,
        summary=summary,
        title=f"A factory of {args.machines} machines, {len(labels)} faults",
    )
    return alerts_table(match(alerts, labels, window_length(alerts)))


def _balance(summary: dict[str, Any]) -> bool:
    names = ("scored", "late", "duplicate", "dead_lettered", "waiting", "in_flight")
    counts = {name: summary.get(name, 0) for name in names}
    balanced: bool = sum(counts.values()) == summary.get("read", 0)
    text = " + ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    sys.stdout.write(
        f"records: {summary.get('read', 0):,} read = {text}{'' if balanced else '  NOT BALANCED'}\n"
    )
    return balanced


def _say(text: str) -> None:
    sys.stderr.write(f"demo: {text}\n")
