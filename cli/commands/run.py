"""`padit run`: the job, live from a topic, or over files."""

import argparse

from padit.cli.commands._job import add_job_arguments, finish

HELP = "Run the job: read a topic as it grows (or files to their end), raise alerts."
EXAMPLES = """examples:
  padit run --input kafka://127.0.0.1:9092/metrics --output kafka://127.0.0.1:9092/alerts
  padit run --input kafka://127.0.0.1:9092/metrics --output alerts.jsonl \\
      --window_size_sec=600 --extract_interval_sec=30
  padit run --input machines.csv --output alerts.jsonl --config rules.yaml
  padit run --input kafka://127.0.0.1:9092/metrics --output kafka://127.0.0.1:9092/alerts \\
      --runner=FlinkRunner --parallelism=2 --detach

Any option of Beam passes through (--runner, --parallelism, ...). A start erases nothing: a live
run adds to its outputs, see --overwrite for runs with an end.
Every run ends with one JSON line on standard output; a live one on Ctrl-C or SIGTERM.

Exit codes: 0 done; 1 the job failed, a part is broken, or an input or output cannot be
reached; 2 the command line or a configuration is wrong; 3 nothing could be read, or too
much was lost (--max_loss_share, --strict; runs with an end only).
"""
PASS_THROUGH = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the job, and `--detach`."""
    parser.add_argument(
        "--detach", action="store_true", help="On a cluster: return once the job is submitted."
    )
    add_job_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run until the input ends or the command is stopped."""
    return finish(args, live=True, detach=args.detach)
