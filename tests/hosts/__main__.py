"""Two hosts run one job; one is cut off, then the other loses its power.

    python -m tests.hosts --records 200000 --into build/hosts.json

As root, on Linux: every host is a network namespace. The JobManager, Kafka, the job server and the
command are on a third. The settings of Flink are those that are shipped.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from padit.devcluster.errors import LocalError
from tests.hosts.network import Network, network
from tests.hosts.play import play
from tests.namespaces import again, without_namespaces

_INSIDE = "PADIT_HOSTS"


def _say(text: str) -> None:
    print(text, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Print what happened and write it as JSON; 1 unless nothing was lost, changed or doubled."""
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(
        prog="python -m tests.hosts",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--into", type=Path, default=Path("build/hosts.json"))
    parser.add_argument("--keep", type=Path, help="directory for logs; else they are deleted")
    args = parser.parse_args(argv)
    if _INSIDE not in os.environ:
        reason = without_namespaces()
        if reason is not None:
            print(f"padit: {reason}", file=sys.stderr)
            return 2
        return _in_the_middle(argv)
    here = Network(**json.loads(os.environ[_INSIDE]))
    args.into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="padit-hosts-") as scratch:
        outcome = play(args.keep or Path(scratch), here, args.records, _say)
    args.into.write_text(json.dumps(asdict(outcome), indent=2) + "\n")
    return 0 if outcome.verdict is not None and outcome.verdict.good else 1


def _in_the_middle(argv: Sequence[str]) -> int:
    """Run again on the middle host."""
    try:
        with network() as made:
            where = {_INSIDE: json.dumps(asdict(made))}
            return again(made.middle, ["tests.hosts", *argv], where)
    except LocalError as error:
        print(f"padit: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
