"""`padit simulate`: factory machines to a file or a topic, with ground truth beside them."""

import argparse
import csv
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from padit.adapters.factory import Factory
from padit.adapters.factory_faults import FAULTS, Label, parse_faults, schedule_faults
from padit.cli.commands._simulate_output import FORMATS, open_output
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS, format_utc, parse_timestamp
from padit.ops.progress_bar import Progress
from padit.ops.run_totals import RunProgress

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run", "simulate", "write_labels"]

HELP = "Simulate factory machines with injected faults, to a file or a Kafka topic."
EXAMPLES = """examples:
  # Two hours of eight machines with two faults, and the truth beside them
  padit simulate --machines 8 --hours 2 --seed 7 --faults overstrain,heat_dissipation \\
      --output build/factory.parquet --labels build/labels.json

  # The same onto a topic, sixty times faster than real time
  padit simulate --machines 8 --hours 2 --seed 7 --speedup 60 \\
      --output kafka://127.0.0.1:9092/metrics

  # From now on, in real time, until Ctrl-C
  padit simulate --machines 8 --realtime --output kafka://127.0.0.1:9092/metrics
"""

DEFAULT_START = "2026-01-05T06:00:00Z"
_DEFAULT_HOURS = 2.0
_FOREVER_HOURS = 24.0 * 365


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("--machines", type=int, default=8, help="how many machines (default 8)")
    add("--hours", type=float, help="hours of event time (default 2; with --realtime no end)")
    add("--step", type=float, default=1.0, help="seconds between two samples (default 1)")
    add("--seed", type=int, default=0, help="the same seed gives the same bytes (default 0)")
    add("--faults", default="", help=f"comma-separated, each gets a machine: {', '.join(FAULTS)}")
    add(
        "--start", help=f"event time of the first sample (default {DEFAULT_START}; --realtime: now)"
    )
    add("--output", required=True, help="FILE.jsonl, .csv or .parquet, or kafka://HOST:PORT/TOPIC")
    add("--labels", help="file for the ground truth: FILE.json or FILE.csv")
    add("--format", choices=FORMATS, default="json", help="wire format (default json)")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--realtime", action="store_true", help="a sample is written when it is due")
    pace.add_argument(
        "--speedup", type=float, help="times faster than real time (default: no limit)"
    )
    pace.add_argument("--rate", type=float, help="samples a second at most")


def run(args: argparse.Namespace) -> int:
    """Simulate; prints one JSON line about the output. Raises as `simulate` does."""
    sys.stdout.write(json.dumps(simulate(args)) + "\n")
    return 0


def simulate(args: argparse.Namespace) -> dict[str, Any]:
    """Simulate, and return a summary of the output.

    Raises:
        ConfigurationError: options that are wrong or contradict each other.
        SinkError: the output cannot be written.
    """
    start = _start(args)
    hours = (
        args.hours
        if args.hours is not None
        else (_FOREVER_HOURS if args.realtime else _DEFAULT_HOURS)
    )
    seconds = hours * 3600
    steps = round(seconds / args.step) if args.step > 0 else 0
    if steps < 1:
        message = f"--hours {hours} with --step {args.step} is not one sample: raise --hours"
        raise ConfigurationError(message)
    # A run without an end has its faults in the first two hours, so that they are seen.
    within = (args.hours or _DEFAULT_HOURS) * 3600
    faults = schedule_faults(parse_faults(args.faults), args.machines, within, args.seed)
    factory = Factory(args.machines, args.seed, args.step, faults)
    labels = factory.labels(start)
    if args.labels:
        write_labels(args.labels, factory, labels, start, seconds)
    began = time.monotonic()
    written = _write(factory, steps, start, args)
    return {
        "samples": written,
        "series": len(factory.series),
        "faults": len(labels),
        "start": format_utc(start),
        "output": args.output,
        "seconds": round(time.monotonic() - began, 3),
    }


def write_labels(
    path: str, factory: Factory, labels: list[Label], start: int, seconds: float
) -> None:
    """Ground truth as JSON or CSV, by the ending of `path`.

    Raises:
        ConfigurationError: another ending.
        SinkError: the file cannot be written.
    """
    items = [label.to_json() for label in labels]
    suffix = Path(path).suffix
    if suffix not in (".json", ".csv"):
        message = f"--labels {path}: give a file that ends in .json or .csv"
        raise ConfigurationError(message)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            if suffix == ".json":
                json.dump(_description(factory, items, start, seconds), file, indent=2)
                file.write("\n")
                return
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["source_id", "fault", "start", "failure", "end", "metrics"])
            for item in items:
                table.writerow([*list(item.values())[:5], " ".join(item["metrics"])])
    except OSError as error:
        message = f"the labels {path} cannot be written: {error.strerror or error}"
        raise SinkError(message) from error


def _description(
    factory: Factory, items: list[dict[str, Any]], start: int, seconds: float
) -> dict[str, Any]:
    return {
        "seed": factory.seed,
        "step_sec": factory.step,
        "start": format_utc(start),
        "end": format_utc(start + round(seconds * MICROS)),
        "machines": dict(zip(factory.sources, factory.variants, strict=True)),
        "faults": items,
    }


def _start(args: argparse.Namespace) -> int:
    if args.start is None and args.realtime:
        return int(time.time()) * MICROS
    text = args.start or DEFAULT_START
    try:
        return parse_timestamp(text)
    except ValueError as error:
        message = f"--start {text!r} is not a time: write it like {DEFAULT_START}"
        raise ConfigurationError(message) from error


def _write(factory: Factory, steps: int, start: int, args: argparse.Namespace) -> int:
    speed = _steps_per_second(factory, args)
    output = open_output(args.output, args.format)
    total = steps * len(factory.series)
    written, mark = 0, start
    try:
        with Progress(lambda: RunProgress(written, mark), None if args.realtime else total):
            for rows in _paced(factory, steps, start, speed):
                output.write(rows)
                written += len(rows)
                mark = int(rows.time[-1])
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; the output so far stays\n")
    finally:
        output.close()
    return written


def _paced(factory: Factory, steps: int, start: int, speed: float | None) -> Iterator[Rows]:
    """Blocks of rows, each when it is due; `speed` in steps a second, None without a limit."""
    if speed is None:
        yield from factory.blocks(steps, start)
        return
    most = max(1, 200_000 // len(factory.series))
    began = time.monotonic()
    first = 0
    while first < steps:
        elapsed = time.monotonic() - began
        due = min(steps, int(elapsed * speed) + 1, first + most)
        if due > first:
            yield factory.rows(first, due - first, start)
            first = due
        else:
            time.sleep(max(0.001, first / speed - elapsed))


def _steps_per_second(factory: Factory, args: argparse.Namespace) -> float | None:
    for name in ("speedup", "rate"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            message = f"--{name} {value}: it must be above 0"
            raise ConfigurationError(message)
    if args.rate is not None:
        return float(args.rate) / len(factory.series)
    if args.speedup is not None or args.realtime:
        return float(args.speedup or 1.0) / factory.step
    return None
