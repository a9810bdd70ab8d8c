"""What the tests of `padit explain` and `padit diff` share: runs, and alerts that are changed."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from padit.cli.main import main
from tests.pipelines.seed import NEXT_HOUR, line, seed_lines, with_rule, write

__all__ = ["STATEFUL", "Ran", "edit", "noisy_lines", "run_job", "seed_run"]

STATEFUL = """
detectors:
  - {name: changepoint, parameters: {threshold: 8}}
  - {name: novelty}
"""


class Ran:
    """One run of the job over a file.

    Attributes:
        input, alerts: files.
        events: the alerts' transitions.
    """

    def __init__(self, source: str, alerts: Path) -> None:
        self.input = source
        self.alerts = str(alerts)
        self.events = [json.loads(one) for one in alerts.read_text().splitlines()]

    @property
    def first(self) -> str:
        """Id of the first alert."""
        found: str = self.events[0]["data"]["id"]
        return found


def run_job(folder: Path, lines: Sequence[bytes], *options: str, name: str = "alerts") -> Ran:
    """Run the job on the DirectRunner over lines."""
    source = write(folder / "input.jsonl", list(lines))
    alerts = folder / f"{name}.jsonl"
    lenient = "--max_loss_share=1"  # some of these inputs hold many late samples
    assert (
        main(["run", f"--input={source}", f"--output={alerts}", lenient, *with_rule(options)]) == 0
    )
    return Ran(source, alerts)


def seed_run(folder: Path) -> Ran:
    """The seed case: one critical alert, whose evidence holds all rows."""
    return run_job(folder, [*seed_lines(), NEXT_HOUR])


def noisy_lines(seconds: int = 1500, seed: int = 7) -> list[bytes]:
    """Two metrics of one source and one of another; a level moves, for detectors with memory."""
    chance = np.random.default_rng(seed).normal(size=(2, seconds))
    chance[0, 1000:] += 6
    return [
        one
        for second in range(seconds)
        for one in (
            line(second, 50 + chance[0, second].item(), "probe-1"),
            line(second, 50 + chance[1, second].item(), "probe-2"),
        )
    ] + [line(seconds + 3600, 50.0, "probe-1")]


def edit(ran: Ran, target: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """The run's alerts with something changed in each; where they were written."""
    events = json.loads(json.dumps(ran.events))
    for event in events:
        change(event)
    target.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return str(target)
