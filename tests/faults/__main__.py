"""`make faults N=... [SEED=...]`: rounds of faults, a table, build/faults.json."""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.faults.kinds import KINDS
from tests.faults.rounds import Round, play, table
from tests.faults.site import site

_COLUMNS = ("fault", "rounds", "failed", "lost", "changed", "doubled", "residue",
            "recovery_s_median", "recovery_s_max")  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run; 0: every round gave the undisturbed run's results."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=1, help="each has every kind of fault once")
    parser.add_argument("--seed", type=int, help="of order and moments; default: drawn, printed")
    parser.add_argument("--records", type=int, default=1_000_000, help="length of the topic")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="only these kinds")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no round after so many")
    parser.add_argument("--output", type=Path, default=Path("build/faults.json"))
    parser.add_argument("--directory", type=Path, help="keep data and logs here")
    args = parser.parse_args(argv)
    seed = random.SystemRandom().randrange(10**6) if args.seed is None else args.seed
    kinds = args.kind or list(KINDS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all parts are stopped
    _say(f"seed {seed}, {args.rounds} rounds of {len(kinds)} faults")
    with tempfile.TemporaryDirectory(prefix="padit-faults-") as scratch:
        directory = args.directory or Path(scratch)
        with site(directory, args.records) as place:
            rounds: list[Round] = []
            for one in play(place, args.rounds, seed, kinds, _say, args.minutes * 60):
                rounds.append(one)
                _write(args.output, seed, place.records, rounds, kinds)
    rows = table(rounds, kinds)
    print(_markdown(rows), flush=True)
    return 0 if all(one.verdict and one.verdict.good for one in rounds) else 1


def _say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", file=sys.stderr, flush=True)


def _write(
    path: Path, seed: int, records: int, rounds: Sequence[Round], kinds: Sequence[str]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "seed": seed,
        "records": records,
        "table": table(rounds, kinds),
        "rounds": [one.to_json() for one in rounds],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")


def _markdown(rows: Sequence[dict[str, Any]]) -> str:
    lines = [_COLUMNS, tuple("---" for _ in _COLUMNS)]
    lines += [tuple(str(row[name]) for name in _COLUMNS) for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
