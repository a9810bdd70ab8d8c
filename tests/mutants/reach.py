"""Which tests reach which lines, and how long each takes: one run of all, measured."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TypedDict

from coverage import CoverageData

__all__ = ["Reach", "measure"]

_SETTINGS = """
[run]
include =
    {include}
data_file = {directory}/coverage
"""


@dataclass(frozen=True)
class Reach:
    """What a measured run found.

    Attributes:
        lines: for every file (its real path) and line the tests that ran it; a line that ran
            while modules were imported has the test "". What runs while a test is set up counts
            for all tests of its file, which may share what was set up.
        seconds: by test, set-up included.
    """

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]

    def imported(self, path: Path) -> set[int]:
        """Lines that ran while modules were imported."""
        known = self.lines.get(str(path.resolve()), {})
        return {line for line, tests in known.items() if "" in tests}

    def tests(self, path: Path, line: int, most: float) -> list[str]:
        """Tests that run the statement of this line, quickest first, for `most` seconds in all.

        What runs only at import counts for all tests that use the file.
        """
        known = self.lines.get(str(path.resolve()), {})
        reached = {one for number in _statement(path, line) for one in known.get(number, ())}
        if reached == {""}:
            reached = {one for tests in known.values() for one in tests}
        chosen = sorted(reached - {""}, key=lambda one: (self.seconds.get(one, 0.0), one))
        taken = accumulate(self.seconds.get(one, 0.0) for one in chosen)
        return [one for one, sum_ in zip(chosen, taken, strict=True) if sum_ <= most] or chosen[:1]


def measure(
    root: Path, files: Sequence[Path], tests: Sequence[str], directory: Path, workers: int
) -> Reach:
    """Run the tests once. Raises RuntimeError if one fails: then no mutant can be judged.

    What was found is kept in the directory: a file of tests runs again if it or any file but
    those of tests has changed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / "reach.json"
    known: dict[str, _Found] = json.loads(kept.read_text()) if kept.exists() else {}
    states = _states(root, files, tests)
    stale = [one for one, state in states.items() if known.get(one, {}).get("state") != state]
    if stale:
        known |= _run(root, files, {one: states[one] for one in stale}, directory, workers)
        kept.write_text(json.dumps(known))
    lines: dict[str, dict[int, set[str]]] = {}
    seconds: dict[str, float] = {}
    for one in states:
        seconds |= known[one]["seconds"]
        for file, found in known[one]["lines"].items():
            mine = lines.setdefault(file, {})
            for line, names in found.items():
                mine.setdefault(int(line), set()).update(names)
    return Reach({file: {line: sorted(names) for line, names in found.items()}
                  for file, found in lines.items()}, seconds)  # fmt: skip


class _Found(TypedDict, total=False):
    """What the run of a file of tests found, with the state of the files that it depends on."""

    state: str
    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]


def _run(
    root: Path, files: Sequence[Path], states: dict[str, str], directory: Path, workers: int
) -> dict[str, _Found]:
    settings = directory / "coveragerc"
    settings.write_text(
        _SETTINGS.format(include="\n    ".join(map(str, files)), directory=directory)
    )
    report = directory / "seconds.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.mutants.seconds"]
    command += ["-p", "no:cacheprovider", "--cov", f"--cov-config={settings}"]
    command += ["--cov-context=test", "--cov-report=", "-n", str(workers), "--dist", "loadfile"]
    command += [*states]
    env = {**os.environ, "PADIT_MUTANTS_SECONDS": str(report)}
    done = subprocess.run(command, cwd=root, env=env, check=False)
    if done.returncode != 0:
        message = "the tests fail without any mutant: mend them first"
        raise RuntimeError(message)
    found: dict[str, _Found] = {
        one: {"state": state, "seconds": {}, "lines": {}} for one, state in states.items()
    }
    for test, seconds in json.loads(report.read_text()).items():
        found[test.partition("::")[0]]["seconds"][test] = seconds
    data = CoverageData(str(directory / "coverage"))
    data.read()
    for file in data.measured_files():
        lines = _sorted(data.contexts_by_lineno(file), found)
        for one, mine in lines.items():
            found[one]["lines"][str(Path(file).resolve())] = {
                str(line): sorted(names) for line, names in mine.items()
            }
    return found


def _sorted(
    contexts: dict[int, list[str]], found: dict[str, _Found]
) -> dict[str, dict[int, set[str]]]:
    """By file of tests the lines that it ran; contexts of pytest-cov are `test|phase`."""
    lines: dict[str, dict[int, set[str]]] = {one: {} for one in found}
    for line, names in contexts.items():
        for name in names:
            test, _, phase = name.rpartition("|")  # a test's name may hold a bar
            for one in [test.partition("::")[0]] if test else [*found]:
                shared = [*found[one]["seconds"]] if phase == "setup" else [test]
                lines[one].setdefault(line, set()).update(shared)
    return lines


def _states(root: Path, files: Sequence[Path], tests: Sequence[str]) -> dict[str, str]:
    """By file of tests a digest of all that its run depends on."""
    common = hashlib.sha256(repr(sorted(map(str, files))).encode())
    for path in sorted(root.glob("[!.]*/**/*.py")):
        parts = path.relative_to(root).parts
        apart = parts[0] == "build" or parts[:2] == ("tests", "mutants")
        if not apart and not path.name.startswith("test_"):
            common.update(f"{path}\n".encode() + path.read_bytes())
    states = {}
    for one in tests:
        place = root / one
        for path in [place] if place.is_file() else sorted(place.rglob("test_*.py")):
            digest = common.copy()
            digest.update(path.read_bytes())
            states[str(path.relative_to(root))] = digest.hexdigest()
    return states


def _statement(path: Path, line: int) -> range:
    """Lines of the innermost statement around a line; of a compound one its head."""
    best = range(line, line + 1)
    size = 1 << 30
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.stmt) or node.end_lineno is None:
            continue
        body = getattr(node, "body", None)
        last = body[0].lineno - 1 if isinstance(body, list) and body else node.end_lineno
        last = max(last, node.lineno)
        if node.lineno <= line <= last and last - node.lineno < size:
            best, size = range(node.lineno, last + 1), last - node.lineno
    return best
