"""What a sweep of 20 configurations costs, against one run: `python -m benchmarks.sweep`.

One run is `padit replay` of one configuration on the DirectRunner. Both are processes of their
own, measured from start to end, imports included, over the same recording (378,000 rows by
default: 12 machines, 60 series, a sample a second for 1.75 hours). The best of the rounds counts.
Processor seconds stand beside wall-clock seconds; they suffer less from other work on the machine.

`judging` varies what is compared, which is what people tune first: limits of rules, and where
novelty begins to warn. `measuring` varies what each detector remembers, so nothing but reading,
windows and features can be shared. No number counts unless the sweep's best configuration,
replayed, raises the alerts that the sweep told.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml

__all__: list[str] = []

CONFIGURATIONS = 20
CASES: dict[str, dict[str, Any]] = {
    "rule": {
        "detectors.rule.p99_above": [10, 20, 40, 60, 80],
        "detectors.rule.cusum_above": [50, 100, 200, 400],
    },
    "rule+novelty, judging": {
        "detectors.rule.p99_above": [10, 20, 40, 60, 80],
        "detectors.novelty.warning": [0.15, 0.3, 0.6, 1.2],
    },
    "novelty, judging": {
        "detectors.novelty.warning": {"from": 0.1, "to": 1.2, "steps": 10, "scale": "log"},
        "detectors.novelty.warm_up": [32, 256],
    },
    "novelty, measuring": {
        "detectors.novelty.intervals": [16, 32, 64, 128],
        "detectors.novelty.horizon": [1024, 2048, 4096, 8192, 16384],
    },
}
PROMISED = 5.0
"""Cost of 20 configurations where only detector parameters vary, in runs."""


class Cost(NamedTuple):
    """Of one process and its children, seconds."""

    wall: float
    cpu: float
    summary: dict[str, Any]


def main() -> None:
    """Measure, print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--hours", type=float, default=1.75, help="of 12 machines")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", help="cases whose name contains this")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="padit-bench-") as folder:
        place = Path(folder)
        recording = place / "recording.jsonl"
        factory = ["--machines=12", "--seed=3", "--faults=overstrain,heat_dissipation"]
        hours = f"--hours={args.hours}"
        made = _padit("simulate", *factory, hours, f"--output={recording}").summary
        print(f"{made['samples']:,} rows, load average {os.getloadavg()[0]:.2f}")
        print(_row("case", "run s", "sweep s", "ratio", "run cpu", "sweep cpu", "ratio"))
        chosen = {name: vary for name, vary in CASES.items() if (args.only or "") in name}
        results = {
            name: _measure(place, recording, vary, args.rounds, args.jobs)
            for name, vary in chosen.items()
        }
    for name, one in results.items():
        cells = [f"{one[key]:.2f}" for key in ("run_s", "sweep_s", "ratio", "run_cpu_s",
                                               "sweep_cpu_s", "cpu_ratio")]  # fmt: skip
        print(_row(name, *cells))
    print(json.dumps({"rows": made["samples"], "configurations": CONFIGURATIONS,
                      "jobs": args.jobs, "promised": PROMISED, "cases": results}))  # fmt: skip


def _measure(
    place: Path, recording: Path, vary: dict[str, Any], rounds: int, jobs: int
) -> dict[str, float]:
    grid, best, alerts = place / "grid.yaml", place / "best.yaml", place / "alerts.jsonl"
    grid.write_text(yaml.safe_dump({"vary": vary}, sort_keys=False))
    sweeps = [
        _padit("sweep", recording, f"--grid={grid}", f"--output={best}", f"--jobs={jobs}")
        for _ in range(rounds)
    ]
    runs = [
        _padit(
            "replay",
            f"--input={recording}",
            f"--config={best}",
            f"--output={alerts}",
            "--overwrite",
        )
        for _ in range(rounds)
    ]
    told, raised = sweeps[0].summary["best"]["alerts"], runs[0].summary["alerts"]
    if told != raised or sweeps[0].summary["configurations"] != CONFIGURATIONS:
        message = f"not worth measuring: the sweep told {told} alerts, the run raised {raised}"
        raise SystemExit(message)
    run, sweep = min(one.wall for one in runs), min(one.wall for one in sweeps)
    run_cpu, sweep_cpu = min(one.cpu for one in runs), min(one.cpu for one in sweeps)
    return {
        "run_s": run,
        "sweep_s": sweep,
        "ratio": sweep / run,
        "run_cpu_s": run_cpu,
        "sweep_cpu_s": sweep_cpu,
        "cpu_ratio": sweep_cpu / run_cpu,
        "alerts": raised,
    }


def _padit(*arguments: object) -> Cost:
    """Run `padit` to its end; what it and its children cost."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "padit.cli.main", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    out = process.stdout.read() if process.stdout is not None else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - started
    if process.stdout is not None:
        process.stdout.close()
    if process.returncode:
        message = f"padit {arguments[0]} ended with {process.returncode}"
        raise SystemExit(message)
    return Cost(wall, usage.ru_utime + usage.ru_stime, json.loads(out.splitlines()[-1]))


def _row(name: str, *cells: str) -> str:
    return name.ljust(24) + "".join(cell.rjust(11) for cell in cells)


if __name__ == "__main__":
    main()
