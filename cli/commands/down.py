"""`padit down`: end the processes of `padit up`, and no others."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from padit.devcluster.processes import stop_process
from padit.devcluster.state import read_state, remove_state

__all__ = ["EXAMPLES", "HELP", "add_arguments", "run"]

HELP = "End the processes of `padit up`."
EXAMPLES = """\
examples:
  padit down                          data and logs stay in .padit; delete it to start empty
  padit down --state_dir /tmp/mine    end those of `padit up --state_dir /tmp/mine`
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `padit down`."""
    parser.add_argument(
        "--state_dir",
        type=Path,
        default=Path(".padit"),
        help="as given to `padit up` (%(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Stop the recorded processes, the latest first. It is no error if none runs."""
    state = read_state(args.state_dir)
    stopped = 0
    for record in reversed(state.processes if state else []):
        if stop_process(record):
            stopped += 1
            print(f"padit down: {record.name} ended", file=sys.stderr, flush=True)
    remove_state(args.state_dir)
    if not stopped:
        print("padit down: nothing runs", file=sys.stderr)
    return 0
