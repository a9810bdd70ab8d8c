"""What became of mutants, written down as it comes, so that a run can be continued.

A kill counts again if neither the file it is in nor the file of the test that noticed has changed:
only then is it certain to be noticed again. A survivor counts again if it would get the same
tests. Everything else is tried again.
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
        self._files: dict[str, str] = {}

    def known(self, trials: Mapping[int, Trial] | None = None) -> dict[int, Outcome]:
        """By number of the mutant; of those that survived the last outcome.

        Args:
            trials: by number; what survived other tests than theirs is not known.
        """
        lines = self._place.read_text().splitlines() if self._place.exists() else []
        tests = {self._names[n]: self._given(one) for n, one in (trials or {}).items()}
        found: dict[str, Outcome] = {}
        for line in lines:
            one = json.loads(line)
            same = one["killed"] or one["given"] == tests.get(one["name"], one["given"])
            if one["how"] == "not tried" or not same:
                continue
            if one["state"] == self._state(one["path"], one["test"]):
                outcome = Outcome(one["killed"], one["how"], one["seconds"], one["test"])
                if not found.get(one["name"], outcome).killed or outcome.killed:
                    found[one["name"]] = outcome
        return {number: found[name] for number, name in enumerate(self._names) if name in found}

    def of(
        self, numbers: Sequence[int], trials: Mapping[int, Trial]
    ) -> Callable[[int, Outcome], None]:
        """Return what takes the outcomes of those mutants."""

        def take(which: int, outcome: Outcome) -> None:
            number = numbers[which]
            self._take(number, outcome, self._given(trials[number]), len(numbers))

        return take

    def _take(self, number: int, outcome: Outcome, given: str, many: int) -> None:
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
                "given": given,
            }
            file.write(json.dumps(line) + "\n")
        self._done += 1
        if not outcome.killed:
            say(f"  {outcome.how}, {outcome.seconds:.0f} s: {mutant.key}")
        if self._done % 50 == 0:
            say(f"{self._done} of {many}, {(time.monotonic() - self._started) / 60:.1f} minutes")

    def noticed(self, numbers: Sequence[int], seconds: Mapping[str, float]) -> list[Trial]:
        """Every test that noticed one of those mutants, to be run alone without any."""
        known = self.known()
        found = [known[number] for number in numbers if number in known]
        names = sorted({one.test for one in found if one.killed} - {""})
        return [Trial(self._root, "", [name], seconds) for name in names]

    def _given(self, trial: Trial) -> str:
        """Digest of the tests that a mutant gets, and of their files."""
        files = sorted({test.partition("::")[0] for test in trial.tests})
        states = [self._file(file) for file in files]
        return hashlib.sha256(repr((list(trial.tests), states)).encode()).hexdigest()[:24]

    def _file(self, path: str) -> str:
        if path not in self._files:
            place = self._root / path
            content = place.read_bytes() if place.is_file() else b""
            self._files[path] = hashlib.sha256(content).hexdigest()
        return self._files[path]

    def _state(self, path: str, test: str) -> str:
        """Digest of the file of a mutant, and of that of a test."""
        return self._file(path)[:24] + self._file(test.partition("::")[0])[:24]


def say(text: str) -> None:
    """To standard error."""
    print(text, file=sys.stderr, flush=True)
