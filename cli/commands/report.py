"""`padit report`: one HTML page, and a table, from the output of a run."""

import argparse
import json
import sys
from pathlib import Path

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
from padit.domain.config import load_config
from padit.domain.errors import SourceError

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Draw the result of a run: one HTML page with series, windows, features, scores and alerts."
EXAMPLES = """examples:
  padit report --input metrics.parquet --alerts alerts.jsonl --output report.html
  padit report --input metrics.jsonl --alerts alerts.jsonl --features features.jsonl \\
      --labels labels.json --summary summary.json --output report.html

The page needs no network. `padit run` and `padit replay` write alerts with --output, features
with --features, and the summary as the last line of standard output.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("--input", required=True, help="the samples: input of the job, a file or a topic")
    add("--alerts", required=True, help="alerts of the run (.jsonl)")
    add("--features", help="features of the run (.jsonl); without them only samples are drawn")
    add("--labels", help="ground truth (.json or .csv), as padit simulate writes it")
    add("--summary", help="file that ends with the run's summary line")
    add("--config", help="the run's YAML file, for the options of its input")
    add("--output", default="report.html", help="file of the page (default report.html)")
    add("--title", default="PADIT report", help="title of the page")


def run(args: argparse.Namespace) -> int:
    """Write the page and print the table.

    Raises:
        PaditError: a file cannot be read or written.
    """
    alerts = read_alerts(args.alerts)
    config = load_config(args.config)
    labels = read_labels(args.labels) if args.labels else None
    write_report(
        args.output,
        rows=read_rows(args.input, config.input, config.series),
        alerts=alerts,
        features=read_features(args.features) if args.features else None,
        labels=labels,
        summary=_summary(args.summary) if args.summary else None,
        title=args.title,
    )
    sys.stdout.write(alerts_table(match(alerts, labels, window_length(alerts))))
    sys.stderr.write(f"wrote {args.output}\n")
    return 0


def _summary(path: str) -> dict[str, float]:
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
        summary = json.loads(next(line for line in reversed(lines) if line.strip()))
    except (OSError, ValueError, StopIteration) as error:
        message = f"{path} does not end with the summary line of a run: {error}"
        raise SourceError(message) from error
    if not isinstance(summary, dict):
        message = f"{path}: the last line is no JSON object"
        raise SourceError(message)
    return summary
