"""`padit feedback`: what people judged alerts to be, as precision and as labels."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from padit.alerting.effects import VERDICTS
from padit.alerting.judged import Tally, labels_of, tallies, verdicts_of
from padit.alerting.policy import AlertingConfig
from padit.alerting.preview import preview
from padit.cli.commands.whatif import add_past, entries_of
from padit.domain.config import load_model
from padit.domain.errors import ConfigurationError

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "Precision per detector and route from people's feedback, and labels for padit sweep."
EXAMPLES = """examples:
  padit feedback --config alerting.yaml --data /var/lib/padit/alerting --labels labels.json
  padit sweep metrics.jsonl --grid sweep.yaml --labels labels.json
  padit feedback --config alerting.yaml --alerts alerts.jsonl --commands commands.jsonl

Of several verdicts on an alert the last counts. Precision: real ones of all judged ones but
duplicates. Exit codes: 0 done; 1 no alert was judged; 2 something cannot be read or written.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A configuration, the past, and where labels go."""
    add = parser.add_argument
    add("--config", required=True, help="the configuration of alerting")
    add_past(parser)
    add("--labels", help="file for the alerts marked as real, as ground truth: FILE.json")


def run(args: argparse.Namespace) -> int:
    """Print a table, and write labels."""
    entries = entries_of(args)
    end = max((one.time for one in entries), default=0)
    past = preview(load_model(args.config, AlertingConfig), entries, end, brief=True)
    verdicts = verdicts_of(entries, past)
    if not verdicts:
        print("nobody has judged an alert: send commands of kind feedback")
        return 1
    _print(tallies(entries, past, verdicts))
    if args.labels:
        labels = labels_of(entries, verdicts)
        try:
            Path(args.labels).write_text(json.dumps({"faults": labels}, indent=1) + "\n", "utf-8")
        except OSError as error:
            message = f"--labels {args.labels} cannot be written: {error.strerror or error}"
            raise ConfigurationError(message) from error
        print(f"{len(labels)} labels in {args.labels}")
    return 0


def _print(rows: Sequence[Tally]) -> None:
    print(f"{'':<40} {'month':<8}" + "".join(f"{one:>10}" for one in VERDICTS) + "  precision")
    for row in rows:
        found = row.precision
        counts = "".join(f"{one:>10}" for one in row.counts)
        share = "-" if found is None else f"{found:.0%}"
        print(f"{row.kind + ' ' + row.name:<40} {row.month:<8}{counts} {share:>10}")
