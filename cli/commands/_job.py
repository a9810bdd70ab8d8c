"""Shared by `padit run` and `padit replay`."""

import argparse
import sys

import msgspec

from padit.pipelines.job import Summary, run_job
from padit.pipelines.options import PaditOptions

__all__ = ["add_job_arguments", "arguments", "finish", "print_summary"]


def add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Show the job's options in `--help`; they are Beam pipeline options and parsed as such."""
    PaditOptions._add_argparse_args(parser)
    for action in parser._actions:
        if action.option_strings and action.dest not in ("help", "detach"):
            if action.default not in (None, argparse.SUPPRESS) and action.help:
                action.help += f" (default: {action.default})"
            action.default = argparse.SUPPRESS


def finish(args: argparse.Namespace, *, live: bool, detach: bool = False) -> int:
    """Run the job and print its conservation line; the exit code is 1 if it does not balance."""
    summary = run_job(arguments(args), live=live, detach=detach)
    return 0 if summary is None else print_summary(summary)


def arguments(args: argparse.Namespace, **changed: str) -> list[str]:
    """The options that were given, some of them changed, as a command line."""
    given = {
        name: value
        for name, value in vars(args).items()
        if name not in ("command", "rest", "detach")
    }
    return [*(f"--{name}={value}" for name, value in {**given, **changed}.items()), *args.rest]


def print_summary(summary: Summary) -> int:
    """Print the conservation line; the exit code."""
    print(msgspec.json.encode(summary).decode(), flush=True)
    if summary.residue:
        print(f"padit: {summary.residue} records are unaccounted for", file=sys.stderr)
        return 1
    return 0
