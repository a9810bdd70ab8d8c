"""`padit simulate`: factory machines to a file or a topic, with ground truth beside them."""

import argparse
import csv
import json
import os
import sys
import time
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from padit.adapters.factory import Factory
from padit.adapters.factory_faults import FAULTS, Label, parse_faults, schedule_faults
from padit.cli.commands._simulate_output import FORMATS, Output, open_output
from padit.connectors.sink import Start
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.rows import Rows
from padit.domain.run_identity import RunIdentity
from padit.domain.timestamps import MICROS, format_utc, parse_timestamp
from padit.ops.progress_bar import Progress
from padit.ops.run_context import RunProgress
from padit.pipelines.bounds import Number

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
    add("--machines", type=Number(1, 100_000), default=8, help="how many machines (default 8)")
    add(
        "--hours",
        type=Number(1e-6, 1e6, "hours"),
        help="hours of event time (default 2; with --realtime no end)",
    )
    add(
        "--step",
        type=Number(1e-3, 1e6, "seconds"),
        default=1.0,
        help="seconds between two samples (default 1)",
    )
    add(
        "--seed",
        type=Number(0, 2**63 - 1),
        default=0,
        help="the same seed gives the same bytes (default 0)",
    )
    add("--faults", default="", help=f"comma-separated, each gets a machine: {', '.join(FAULTS)}")
    add(
        "--start", help=f"event time of the first sample (default {DEFAULT_START}; --realtime: now)"
    )
    add("--output", required=True, help="FILE.jsonl, .csv or .parquet, or kafka://HOST:PORT/TOPIC")
    add("--labels", help="file for the ground truth: FILE.json or FILE.csv")
    add("--format", choices=FORMATS, default="json", help="wire format (default json)")
    add(
        "--overwrite",
        action="store_true",
        help="replace a file that holds something else than these samples",
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--realtime", action="store_true", help="a sample is written when it is due")
    pace.add_argument(
        "--speedup", type=Number(1e-6, 1e9), help="times faster than real time (default: no limit)"
    )
    pace.add_argument(
        "--rate", type=Number(1e-6, 1e9, "samples a second"), help="samples a second at most"
    )


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
    speed = _steps_per_second(factory, args)
    output = open_output(args.output, args.format, _run_of(args, start, hours))
    began = time.monotonic()
    try:
        complete = False
        try:
            if args.labels:
                write_labels(args.labels, factory, labels, start, seconds, overwrite=args.overwrite)
            shown = None if args.realtime else steps * len(factory.series)
            blocks = _paced(factory, steps, start, speed)
            endless = args.realtime and args.hours is None
            written = _write(blocks, start, shown, output, endless=endless)
            complete = written == steps * len(factory.series)
        finally:
            output.close(complete)
    except OSError as error:  # also of a close, which writes what is left
        raise _no_room(args.output, error) from error
    return {
        "samples": written,
        "series": len(factory.series),
        "faults": len(labels),
        "start": format_utc(start),
        "output": args.output,
        "seconds": round(time.monotonic() - began, 3),
    }


def _run_of(args: argparse.Namespace, start: int, hours: float) -> Start:
    """What decides the samples; the pace does not."""
    shape = {name: getattr(args, name) for name in ("machines", "step", "seed", "faults", "format")}
    shape |= {"hours": hours, "start": format_utc(start)}
    run = RunIdentity.of("samples", "padit simulate", {}, shape)
    endless = args.realtime and args.hours is None
    return Start(run, finishes=not endless, overwrite=args.overwrite)


def write_labels(
    path: str,
    factory: Factory,
    labels: list[Label],
    start: int,
    seconds: float,
    *,
    overwrite: bool = False,
) -> None:
    """Ground truth as JSON or CSV, by the ending of `path`.

    Raises:
        ConfigurationError: another ending, or a file that holds another truth.
        SinkError: the file cannot be written.
    """
    items = [label.to_json() for label in labels]
    suffix = Path(path).suffix
    if suffix not in (".json", ".csv"):
        message = f"--labels {path}: give a file that ends in .json or .csv"
        raise ConfigurationError(message)
    text = StringIO()
    if suffix == ".json":
        json.dump(_description(factory, items, start, seconds), text, indent=2)
        text.write("\n")
    else:
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["source_id", "fault", "start", "failure", "end", "metrics"])
        for item in items:
            table.writerow([*list(item.values())[:5], " ".join(item["metrics"])])
    data = text.getvalue().encode()
    try:
        file = Path(path)
        if not overwrite and file.exists() and file.read_bytes() not in (b"", data):
            message = f"--labels {path} holds another truth; name another file or --overwrite"
            raise ConfigurationError(message)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
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


def _no_room(place: str, error: OSError) -> SinkError:
    reason = os.strerror(error.errno) if error.errno else error
    return SinkError(f"{place} cannot be written: {reason}; what is there is not all of it")


def _write(
    blocks: Iterator[Rows], start: int, total: int | None, output: Output, *, endless: bool
) -> int:
    """Write until the end; the samples that were written.

    Raises:
        KeyboardInterrupt: Ctrl-C, where it is not the end that is meant.
    """
    written, mark = 0, start
    try:
        with Progress(lambda: RunProgress(written, mark), total):
            for rows in blocks:
                output.write(rows)
                written += len(rows)
                mark = int(rows.time[-1])
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; what was written stays\n")
        if not endless:
            raise
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
    if args.rate is not None:
        return float(args.rate) / len(factory.series)
    if args.speedup is not None or args.realtime:
        return float(args.speedup or 1.0) / factory.step
    return None
