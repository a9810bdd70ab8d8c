"""`padit replay`: the same job over what a topic or files hold now."""

import argparse

from pipelines.commands._job import add_job_arguments, finish

HELP = "Run the job over a historical topic, by offsets or by time, or over files."
EXAMPLES = """examples:
  padit replay --input kafka://127.0.0.1:9092/metrics --output alerts.jsonl
  padit replay --input kafka://127.0.0.1:9092/metrics --output alerts.jsonl \\
      --start_time=2026-01-05T06:00:00Z --end_time=2026-01-05T18:00:00Z
  padit replay --input kafka://127.0.0.1:9092/metrics --output tuned.jsonl \\
      --start_offset=1000 --end_offset=50000 --window_size_sec=120

A replay gives the alerts that the live job gave, to the byte; compare with `padit diff`.
"""
PASS_THROUGH = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the job."""
    add_job_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run to the end of what there is."""
    return finish(args, live=False)
