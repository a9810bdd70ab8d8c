"""`python -m tests.machines.digests`: the SHA-256 of every case on this machine, as JSON."""

import hashlib
import json
import platform
import sys

from tests.machines.cases import CASES


def main(names: list[str]) -> None:
    """Compute those whose name begins with one of `names`; all, if there are none."""
    found = {
        name: hashlib.sha256(case()).hexdigest()
        for name, case in CASES.items()
        if not names or name.startswith(tuple(names))
    }
    print(json.dumps({"machine": platform.machine(), "digests": found}))


if __name__ == "__main__":
    main(sys.argv[1:])
