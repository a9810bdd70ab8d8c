"""`make faults-stores N=300 [SEED=...]`: stores are struck again and again; nothing may be lost.

A real broker, PostgreSQL, Redis and S3 server; `padit store` for each database, one with its relay,
and `padit archive`, as processes of their own. Records come all the time. Half of the faults of
PostgreSQL strike while a transaction is open: a lock keeps it from writing its positions. In the
end tables, stream, archive and the topic `anomaly-alerts` are compared with what was produced, one
by one and in their order.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.stores.fault_judge import Verdict, judge
from tests.stores.fault_kinds import KINDS, strike
from tests.stores.fault_site import Site, site

__all__ = ["main", "play"]

_ALONE = "PADIT_OWN_MOUNTS"


def play(place: Site, faults: int, seed: int, say: Callable[[str], None]) -> Verdict:
    """Strike so often, wait until all is written, judge."""
    chance = random.Random(seed)
    kinds = [kind for kind in KINDS if kind != "disk full" or place.disk is not None]
    place.produce(3000, 10)
    place.wait(place.stands, "the store begins", 60)
    for n in range(faults):
        kind = kinds[n % len(kinds)]
        begin = time.monotonic()
        strike(place, kind, chance)
        if n % 5 == 4:
            place.wait(place.stands, f"the store has recovered from {kind}", 60)
        say(f"{n + 1}/{faults} {kind}: {time.monotonic() - begin:.1f} s")
    place.wait(place.all_stand, "all stores have caught up", 120)
    return judge(place)


def _with_own_mounts() -> None:
    """Begin again in a mount namespace of its own, so that nothing stays mounted at the end."""
    if os.geteuid() == 0 and _ALONE not in os.environ and shutil.which("unshare"):
        os.environ[_ALONE] = "1"
        command = [sys.executable, "-m", "tests.stores.faults", *sys.argv[1:]]
        os.execvp("unshare", ["unshare", "--mount", *command])  # noqa: S606


def main() -> int:
    """Run; 0: nothing was lost, doubled or changed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--output", type=Path, default=Path("build/faults-stores.json"))
    args = parser.parse_args()
    _with_own_mounts()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all parts are stopped
    directory = Path(tempfile.mkdtemp(prefix="padit-faults-"))
    begin = time.monotonic()
    try:
        with site(directory, 128 + 2 * args.faults) as place:
            verdict = play(place, args.faults, args.seed, lambda text: print(text, flush=True))
            made = {"samples": place.samples, "alerts": len(place.events)}
            busy = dict(place.busy.happened)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    kinds = Counter(list(KINDS)[n % len(KINDS)] for n in range(args.faults))
    report = {"seed": args.seed, "faults": args.faults, "kinds": kinds, "answers of S3": busy,
              **made, "lost": verdict.lost, "doubled": verdict.doubled,
              "changed": verdict.changed, "details": verdict.details,
              "minutes": round((time.monotonic() - begin) / 60, 1)}  # fmt: skip
    args.output.parent.mkdir(parents=True, exist_ok=True)
    args.output.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    return 0 if verdict.good else 1


if __name__ == "__main__":
    sys.exit(main())
