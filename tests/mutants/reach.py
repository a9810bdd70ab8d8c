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
from pathlib import Path
from typing import TypedDict

from coverage import CoverageData

__all__ = ["Reach", "measure"]

_AT_ONCE = 25  # files of tests

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
        declared: files of tests that look at what modules declare (fields, bounds, defaults, the
            tables of messages) and so run no line of them.
    """

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]
    declared: tuple[str, ...] = ()

    def imported(self, path: Path) -> set[int]:
        """Lines that ran while modules were imported."""
        known = self.lines.get(str(path.resolve()), {})
        return {line for line, tests in known.items() if "" in tests}

    def tests(self, path: Path, line: int, most: float, each: float = 0.0) -> list[str]:
        """Tests that run the statement of this line, quickest first, for `most` seconds in all.

        What runs only at import counts for all tests that use the file, and for all tests of what
        is declared. Every file of tests costs `each` seconds more.
        """
        known = self.lines.get(str(path.resolve()), {})
        reached = {one for number in _statement(path, line) for one in known.get(number, ())}
        if reached == {""}:
            reached = {one for tests in known.values() for one in tests}
            reached |= {one for one in self.seconds if one.startswith(self.declared)}
        chosen = sorted(reached - {""}, key=lambda one: (self.seconds.get(one, 0.0), one))
        found: list[str] = []
        taken, files = 0.0, set[str]()
        for one in chosen:
            file = one.partition("::")[0]
            cost = self.seconds.get(one, 0.0) + (0.0 if file in files else each)
            if taken + cost <= most or not found:
                found.append(one)
                files.add(file)
                taken += cost
        return found


def measure(
    root: Path, files: Sequence[Path], tests: Sequence[str], directory: Path, most: float
) -> Reach:
    """Run the tests once; one that fails, is skipped or takes more than `most` seconds is left out.

    What was found is kept in the directory, after every few files: a file of tests runs again if
    it has changed, or a file that it ran lines of.

    Raises:
        RuntimeError: the tests cannot be run.
    """
    directory.mkdir(parents=True, exist_ok=True)
    kept = directory / "reach.json"
    known: dict[str, _Found] = json.loads(kept.read_text()) if kept.exists() else {}
    digests = {str(path): _digest(path) for path in files}
    states = _states(root, tests)
    stale = [one for one, state in states.items() if not _holds(known.get(one), state, digests)]
    for begin in range(0, len(stale), _AT_ONCE):
        chosen = {one: states[one] for one in stale[begin : begin + _AT_ONCE]}
        known |= _run(root, digests, chosen, directory, most)
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
    files: dict[str, str]
    seconds: dict[str, float]
    lines: dict[str, dict[str, list[str]]]


def _holds(found: _Found | None, state: str, digests: dict[str, str]) -> bool:
    """Whether neither the file of tests nor what it ran has changed since."""
    return found is not None and (
        found["state"] == state
        and all(digests.get(file) == then for file, then in found["files"].items())
    )


def _run(
    root: Path, files: dict[str, str], states: dict[str, str], directory: Path, most: float
) -> dict[str, _Found]:
    settings = directory / "coveragerc"
    settings.write_text(
        _SETTINGS.format(include="\n    ".join(map(str, files)), directory=directory)
    )
    report = directory / "seconds.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.mutants.seconds"]
    command += ["-p", "no:cacheprovider", "--cov", f"--cov-config={settings}"]
    command += ["--cov-context=test", "--cov-report="]
    command += [*states]
    env = {
        **os.environ, "PADIT_MUTANTS_SECONDS": str(report), "PADIT_MUTANTS_MOST": str(most)
    }  # fmt: skip
    done = subprocess.run(command, cwd=root, env=env, check=False)
    if done.returncode not in (0, 1):
        message = f"the tests cannot be run: exit code {done.returncode}"
        raise RuntimeError(message)
    found: dict[str, _Found] = {
        one: {"state": state, "files": {}, "seconds": {}, "lines": {}}
        for one, state in states.items()
    }
    for test, seconds in json.loads(report.read_text()).items():
        found[test.partition("::")[0]]["seconds"][test] = seconds
    data = CoverageData(str(directory / "coverage"))
    data.read()
    for file in data.measured_files():
        lines = _sorted(data.contexts_by_lineno(file), found)
        place = str(Path(file).resolve())
        for one, mine in lines.items():
            if mine:
                found[one]["files"][place] = files[place]
                found[one]["lines"][place] = {
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
                passed = found[one]["seconds"]
                shared = [*passed] if phase == "setup" else [test]
                fit = [each for each in shared if not each or each in passed]
                if fit:
                    lines[one].setdefault(line, set()).update(fit)
    return lines


def _states(root: Path, tests: Sequence[str]) -> dict[str, str]:
    """By file of tests a digest of it and of what is beside it for tests."""
    states = {}
    for one in tests:
        place = root / one
        for path in [place] if place.is_file() else sorted(place.rglob("test_*.py")):
            beside = [
                each for each in path.parent.glob("*.py") if not each.name.startswith("test_")
            ]
            digests = [_digest(each) for each in [path, *sorted(beside)]]
            states[str(path.relative_to(root))] = "".join(digests)
    return states


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:24]


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
