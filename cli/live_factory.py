"""A factory that fails before your eyes: `padit demo --live`, one process, no Kafka, no Java.

Machines are simulated ten times faster than the clock until they have caught up with it, then as
fast as it. Their samples go through `WatchGroup`, the job's own step. What it decides is appended
to files that the portal follows, as it follows those of any job. Nothing is recorded beforehand.
"""

import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from padit.adapters.factory import Factory
from padit.adapters.factory_faults import Fault
from padit.cli.commands._simulate_output import records
from padit.domain.batch import KeyedBatch, encode_keyed_batch
from padit.domain.config import load_config
from padit.domain.rows import Rows
from padit.domain.timestamps import MICROS
from padit.domain.watermark import Position
from padit.ops.background import Background
from padit.transforms.windows import WindowOptions

__all__ = ["FAILS_WITHIN_SECONDS", "LiveFactory"]

FAILS_WITHIN_SECONDS = 60
_MACHINES = 8
_SPEED = 10.0
_HISTORY_SECONDS = 3600
_BEHIND_SECONDS = 600
_STEP_SECONDS = 0.25
_BLOCK = 600
_DISORDER = 1_000_000
_WINDOWS = WindowOptions(120 * MICROS, 30 * MICROS, 1_000)
# Event time after the page was opened. The first begins 12 s later by the clock, and is an alert
# within a minute; the second comes while that one is looked at.
_FAULTS = {
    2: Fault("power_failure", 120.0, 720.0, 20.0),
    5: Fault("heat_dissipation", 330.0, 1000.0, 60.0),
}


class _Cell:
    """State of a Beam step in memory: a value, or a bag."""

    def __init__(self) -> None:
        self._value: bytes | None = None
        self._bag: list[bytes] = []

    def read(self) -> Any:
        """The value, or what is in the bag."""
        return self._bag or self._value

    def write(self, value: bytes) -> None:
        """Replace the value."""
        self._value = value

    def add(self, value: bytes) -> None:
        """Put something into the bag."""
        self._bag.append(value)

    def clear(self) -> None:
        """Drop it."""
        self._value, self._bag = None, []


class _Bag(_Cell):
    def read(self) -> list[bytes]:
        """What is in the bag."""
        return list(self._bag)


class LiveFactory:
    """Machines, the job over them, and the files of both.

    Args:
        folder: that gets metrics.jsonl, features.jsonl and alerts.jsonl.
        seed: another seed is another factory.
        say: prints a line for people.
    """

    def __init__(self, folder: Path, seed: int, say: Callable[[str], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._files = {
            name: (folder / f"{name}.jsonl").open("wb")
            for name in ("metrics", "features", "alerts")
        }
        faults = {
            number: Fault(one.kind, one.start + _HISTORY_SECONDS, one.end + _HISTORY_SECONDS,
                          one.onset)
            for number, one in _FAULTS.items()
        }  # fmt: skip
        self._factory = Factory(_MACHINES, seed, 1.0, faults)
        self._start = (int(time.time()) - _BEHIND_SECONDS - _HISTORY_SECONDS) * MICROS
        self._at = 0
        self._offset = 0
        self._say = say
        self._watch, self._cells = _step()
        self._thread = Background(self._run, "factory")
        self._caught_up = False
        self.failed = ""

    def catches_up(self) -> bool:
        """Whether the machines are still behind the clock, by design, and nothing is wrong."""
        return not (self._caught_up or self.failed)

    def prepare(self) -> None:
        """The hour before: normal operation, as quickly as it can be computed."""
        while self._at < _HISTORY_SECONDS:
            self._advance(min(_BLOCK, _HISTORY_SECONDS - self._at))

    def start(self) -> None:
        """Begin to run the machines."""
        self._thread.start()

    def stop(self) -> None:
        """Stop them, and close the files."""
        self._thread.stop()
        for file in self._files.values():
            file.close()

    def _run(self) -> None:
        before, gone = time.monotonic(), float(self._at)
        while not self._thread.wait(_STEP_SECONDS):
            now = time.monotonic()
            clock = time.time() - self._start / MICROS
            gone = min(gone + _SPEED * (now - before), clock)
            before = now
            if gone == clock and not self._caught_up:
                self._caught_up = True
                self._say("the factory has caught up with the clock, and goes on at its pace")
            due = int(gone) - self._at
            try:
                if due > 0:
                    self._advance(min(due, _BLOCK))
            except Exception as error:  # a demo that stands still must say why
                self.failed = f"{type(error).__name__}: {error}"
                self._say(f"the factory stands still: {self.failed}")
                return

    def _advance(self, steps: int) -> None:
        """So many seconds of all machines through the job, and into the files."""
        rows = self._factory.rows(self._at, steps, self._start)
        self._at += steps
        self._append("metrics", (one.value for one in records(rows, "json")))
        found: dict[str, list[bytes]] = {"alerts": [], "features": []}
        for output in self._results(rows):
            found[output.tag].append(_line(output))
        for name, lines in found.items():
            self._append(name, lines)

    def _results(self, rows: Rows) -> Iterator[Any]:
        """What the job's step gives for a batch of these rows."""
        following = self._offset + len(rows)
        newest = int(rows.time.max())
        position = Position(0, 0, self._offset, following, newest - _DISORDER, following)
        self._offset = following
        encoded = encode_keyed_batch(KeyedBatch(1, (position,), rows))
        yield from self._watch.process((0, encoded), **self._cells)

    def _append(self, name: str, lines: Any) -> None:
        data = b"".join(line + b"\n" for line in lines)
        if data:
            self._files[name].write(data)
            self._files[name].flush()


def _step() -> tuple[Any, dict[str, Any]]:
    """The job's step with its kernels, and empty state for it."""
    from padit.pipelines.kernels import prepare
    from padit.transforms.watch import ALERTS, FEATURES, WatchGroup  # Beam takes seconds to import

    config = load_config(str(files("padit.pipelines").joinpath("demo/factory.yaml")))
    watch = WatchGroup(
        _WINDOWS, config, frozenset({ALERTS, FEATURES}), "the live factory", prepare=prepare
    )
    watch.setup()
    cells: dict[str, Any] = {name: _Cell() for name in ("header", "detection", "shape")}
    cells |= {name: _Bag() for name in ("rows", "kept_0", "kept_1", "changes")}
    return watch, cells


def _line(output: Any) -> bytes:
    value: bytes = output.value.value
    return value
