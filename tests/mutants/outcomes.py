"""What became of mutants, written down as it comes, so that a run can be continued.

A kill counts again if neither the file it is in nor the file of the test that noticed has changed:
only then is it certain to be noticed again. Everything else is tried again.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.mutants.mutate import Mutant
from tests.mutants.trial import Outcome, Trial

__all__ = ["Outcomes", "say"]


class Outcomes:
    """Outcomes of drawn mutants, in a file of one JSON object a line.

    Args:
        root: of the repository.
        place: of the file.
        drawn: the mutants with the texts of their files.
    """

    def __init__(self, root: Path, place: Path, drawn: Sequence[tuple[Mutant, str]]) -> None:
        self._root, self._place = root, place
        self._names = [hashlib.sha256(f"{one.path}\n{text}".encode()).hexdigest()
                       for one, text in drawn]  # fmt: skip
        self._mutants = [mutant for mutant, _ in drawn]
        self._started = time.monotonic()
        self._done = 0

    def known(self) -> dict[int, Outcome]:
        """By number of the mutant; of those that survived the last outcome."""
        lines = self._place.read_text().splitlines() if self._place.exists() else []
        found: dict[str, Outcome] = {}
        for line in lines:
            one = json.loads(line)
            if one["state"] == self._state(one["path"], one["test"]):
                outcome = Outcome(one["killed"], one["how"], one["seconds"], one["test"])
                if not found.get(one["name"], outcome).killed or outcome.killed:
                    found[one["name"]] = outcome
        return {number: found[name] for number, name in enumerate(self._names) if name in found}

    def of(self, numbers: Sequence[int]) -> Callable[[int, Outcome], None]:
        """Return what takes the outcomes of those mutants."""
        return lambda which, outcome: self._take(numbers[which], outcome, len(numbers))

    def _take(self, number: int, outcome: Outcome, many: int) -> None:
        mutant = self._mutants[number]
        with self._place.open("a") as file:
            line = {
                "name": self._names[number],
                "path": mutant.path,
                "state": self._state(mutant.path, outcome.test),
                "killed": outcome.killed,
                "how": outcome.how,
                "seconds": round(outcome.seconds, 3),
                "test": outcome.test,
            }
            file.write(json.dumps(line) + "\n")
        self._done += 1
        if not outcome.killed:
            say(f"  {outcome.how}, {outcome.seconds:.0f} s: {mutant.key}")
        if self._done % 50 == 0:
            say(f"{self._done} of {many}, {(time.monotonic() - self._started) / 60:.1f} minutes")

    def noticed(self, seconds: Mapping[str, float]) -> list[Trial]:
        """Every test that noticed a mutant, to be run alone without any."""
        names = sorted({one.test for one in self.known().values() if one.killed} - {""})
        return [Trial(self._root, "", [name], seconds) for name in names]

    def _state(self, path: str, test: str) -> str:
        """Digest of the file of a mutant, and of that of a test."""
        digest = hashlib.sha256()
        for one in (path, test.partition("::")[0]):
            place = self._root / one
            digest.update(place.read_bytes() if place.is_file() else b"")
        return digest.hexdigest()


def say(text: str) -> None:
    """To standard error."""
    print(text, file=sys.stderr, flush=True)
