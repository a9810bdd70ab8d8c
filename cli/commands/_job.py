"""Shared by `padit run` and `padit replay`."""

import argparse
import json
import sys

import msgspec

from padit.pipelines.job import Ended, run_to_end
from padit.pipelines.options import PaditOptions
from padit.pipelines.run_report import say

__all__ = ["LOST_TOO_MUCH", "add_job_arguments", "arguments", "finish", "show_end"]

LOST_TOO_MUCH = 3
"""Exit code of a bounded run that scored nothing, or lost too much of its input."""


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Show the job's options in `--help`; they are Beam pipeline options and parsed as such."""
    PaditOptions._add_argparse_args(parser)
    for action in parser._actions:
        if action.option_strings and action.dest not in ("help", "detach"):
            if action.default not in (None, argparse.SUPPRESS) and action.help:
                action.help += f" (default: {action.default})"
            action.default = argparse.SUPPRESS


def finish(args: argparse.Namespace, *, live: bool, detach: bool = False) -> int:
    """Run the job and show how it ended; the exit code."""
    ended = run_to_end(arguments(args), live=live, detach=detach, submitted=_show_submission)
    return 0 if ended is None else show_end(ended)


def _show_submission(flink: str | None, job: str | None) -> None:
    """Print where a job that goes on is found, as a JSON line."""
    url = flink if flink is None or "://" in flink else f"http://{flink}"
    print(json.dumps({"flink": url, "job": job}), flush=True)
    if job is None:
        where = "its page" if flink is None else url
        say([f"the job is submitted; {where} shows it once it is set up"])
    else:
        say(
            [f"the job goes on; docs/operations.md shows how job {job} is stopped with a savepoint"]
        )


def arguments(args: argparse.Namespace, **changed: str) -> list[str]:
    """The options that were given, some of them changed, as a command line."""
    given = {
        name: value
        for name, value in vars(args).items()
        if name not in ("command", "rest", "detach")
    }
    return [*(f"--{name}={value}" for name, value in {**given, **changed}.items()), *args.rest]


def show_end(ended: Ended) -> int:
    """Print the conservation line, and what was lost; the exit code.

    It is 1 if the line does not balance, and `LOST_TOO_MUCH` if too much was lost.
    """
    print(msgspec.json.encode(ended.summary).decode(), flush=True)
    say(ended.verdict.lines)
    if ended.summary.residue:
        print(f"padit: {ended.summary.residue} records are unaccounted for", file=sys.stderr)
        return 1
    return LOST_TOO_MUCH if ended.verdict.failed else 0
