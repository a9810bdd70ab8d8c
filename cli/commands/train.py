"""`padit train`: a model of several metrics, from a recording."""

import argparse
import sys
import time

import msgspec

from padit.analysis.report import read_labels
from padit.analysis.training import Training, save, train_model
from padit.analysis.training.write import write_report
from padit.cli.times import time_of
from padit.connectors.uris import Bounds
from padit.domain.config import load_config
from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import MICROS
from padit.ops.progress_bar import Progress
from padit.ops.run_context import RunProgress
from padit.pipelines.bounds import OFFSET, SECONDS, SECONDS_OR_NONE
from padit.transforms.detectors.artefact import encode

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Train a model on a recording: files, or the present content of a topic."
EXAMPLES = """examples:
  padit train --input build/normal.parquet --output build/model.json --report build/model.html
  padit train --input kafka://127.0.0.1:9092/metrics --source 'machine-*' --output models/ \\
      --start_time=2026-01-05T00:00:00Z --end_time=2026-01-07T00:00:00Z
  # A new version for a job that runs with `path: models/`: it scores from that moment on
  padit train --input fresh.parquet --output models/ --valid_from=2026-01-08T00:00:00Z

The recording should show normal operation; --labels leaves known faults out. To use the model:
  detectors: [{name: model, parameters: {path: models/}}]
Standard output gets one JSON line. Exit codes: 0 trained; 1 the input cannot be read or the model
not be written; 2 an option is wrong, or there is too little to learn from.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command; those of `padit replay` have the same names."""
    add = parser.add_argument
    add("--input", required=True, help="kafka://host:9092/topic, a .jsonl, .csv or .parquet file")
    add(
        "--output",
        required=True,
        help="of the model: FILE.json, or a folder of versions (also s3://bucket/folder)",
    )
    add("--report", help="a page with plots (.html)")
    add("--config", help="YAML file, for the options of the input")
    add("--source", default="*", help="pattern of the sources to learn from (default *)")
    add("--metric", default="*", help="pattern of the metrics to learn (default *)")
    add("--labels", help="faults in the recording, as padit simulate writes them: left out")
    add("--valid_from", help="event time from which on the model scores (default: always)")
    add("--start_offset", help="earliest or a number; for every partition")
    add("--end_offset", type=OFFSET, help="offset after the last one to read")
    add("--start_time", help="read from here on; any form of timestamp")
    add("--end_time", help="read up to here; any form of timestamp")
    add("--extract_interval_sec", type=SECONDS, default=60.0, help="as in the job (default 60)")
    add(
        "--out_of_orderness_sec",
        type=SECONDS_OR_NONE,
        default=10.0,
        help="as in the job (default 10)",
    )


def run(args: argparse.Namespace) -> int:
    """Train, write the model, and print a summary as one JSON line.

    Raises:
        PaditError: an option, the input or the output is wrong.
    """
    began = time.monotonic()
    training = _training(args)
    seen = 0

    def note(rows: int) -> None:
        nonlocal seen
        seen += rows

    with Progress(lambda: RunProgress(seen), None):
        trained = train_model(training, note)
    sys.stderr.write(f"train: {trained.model.recording.rows:,} joint rows learnt\n")
    path = save(trained.model, args.output)
    if args.report:
        write_report(args.report, trained)
    for name in trained.left_out:
        sys.stderr.write(f"train: {name} was left out, it lacks a metric\n")
    model = trained.model
    summary = {
        "model": str(path),
        "digest": msgspec.json.decode(encode(model))["digest"],
        "metrics": [one.name for one in model.metrics],
        "channels": len(model.channels),
        "rows": model.recording.rows,
        "sources": len(model.recording.sources),
        "left_out": trained.left_out,
        "quality": model.quality,
        "report": args.report,
        "seconds": round(time.monotonic() - began, 3),
    }
    sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
    return 0


def _training(args: argparse.Namespace) -> Training:
    config = load_config(args.config)
    return Training(
        input=args.input,
        mapping=dict(config.input),
        series=config.series,
        bounds=Bounds(
            start_time=_time(args.start_time, "--start_time"),
            stop_time=_time(args.end_time, "--end_time"),
            start=_offset(args.start_offset),
            stop=args.end_offset,
        ),
        source=args.source,
        metric=args.metric,
        faults=read_labels(args.labels) if args.labels else (),
        valid_from=_time(args.valid_from, "--valid_from") or 0,
        interval=round(args.extract_interval_sec * MICROS),
        out_of_orderness=round(args.out_of_orderness_sec * MICROS),
    )


def _offset(text: str | None) -> int | str:
    if text is None or text == "earliest":
        return "earliest"
    if not text.isdecimal():
        message = f"--start_offset {text!r} is neither earliest nor a number"
        raise ConfigurationError(message)
    return int(text)


def _time(text: str | None, option: str) -> int | None:
    return None if text is None else time_of(option, text)
