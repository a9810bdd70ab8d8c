"""`make machines`: the law of machines under every environment there is, ARM64 among them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from padit.devcluster.errors import LocalError
from tests.machines.arm64 import digests
from tests.machines.environments import PLAIN, digests_with, environments


def main(argv: Sequence[str] | None = None) -> int:
    """Compute everything everywhere; 1 if a case gives other bytes."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.machines",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--no_arm64", action="store_true", help="this kind of processor only")
    parser.add_argument("--cases", nargs="*", default=[], help="names, or how they begin (ARM64)")
    args = parser.parse_args(argv)
    here = digests_with(PLAIN)
    wrong = 0
    for name, environment in environments(every=True).items():
        wrong += _compare(name, here, digests_with(environment))
    if not args.no_arm64:
        try:
            wrong += _compare("ARM64", here, digests(_say, args.cases))
        except LocalError as error:
            _say(f"ARM64 cannot be tried: {error}")
            return 1
    return 1 if wrong else 0


def _compare(name: str, here: dict[str, str], there: dict[str, str]) -> int:
    """Print a line for a machine; how many cases broke the law there."""
    changed = {case for case in there if there[case] != here[case]}
    broken = f"; OTHER BYTES: {', '.join(sorted(changed))}" if changed else ""
    _say(f"{name}: {len(there) - len(changed)} of {len(there)} cases give the same bytes{broken}")
    return len(changed)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
