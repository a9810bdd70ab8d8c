"""Which tests reach which lines, and how long each takes: one run of all, measured."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
            while modules were imported has the test "".
        seconds: by test, set-up included.
    """

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]

    def tests(self, path: Path, line: int) -> list[str]:
        """Tests that run the statement of this line, quickest first.

        What runs only at import counts for all tests that use the file.
        """
        known = self.lines.get(str(path.resolve()), {})
        reached = {one for number in _statement(path, line) for one in known.get(number, ())}
        if reached == {""}:
            reached = {one for tests in known.values() for one in tests}
        return sorted(reached - {""}, key=lambda one: (self.seconds.get(one, 0.0), one))


def measure(root: Path, files: Sequence[Path], tests: Sequence[str], directory: Path) -> Reach:
    """Run all tests once. Raises RuntimeError if one fails: then no mutant can be judged."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = directory / "coveragerc"
    settings.write_text(
        _SETTINGS.format(include="\n    ".join(map(str, files)), directory=directory)
    )
    report = directory / "seconds.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.mutants.seconds"]
    command += ["-p", "no:cacheprovider", "--cov", f"--cov-config={settings}"]
    command += ["--cov-context=test", "--cov-report=", *tests]
    env = {**os.environ, "PADIT_MUTANTS_SECONDS": str(report)}
    done = subprocess.run(command, cwd=root, env=env, check=False)
    if done.returncode != 0:
        message = "the tests fail without any mutant: mend them first"
        raise RuntimeError(message)
    data = CoverageData(str(directory / "coverage"))
    data.read()
    lines = {
        str(Path(file).resolve()): {
            line: sorted(name.rpartition("|")[0] for name in names)  # a name may hold a bar
            for line, names in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    return Reach(lines, json.loads(report.read_text()))


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
