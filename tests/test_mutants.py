"""A mutant is run without a file being changed, by whatever name the file is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.limits import allowed

ROOT = Path(__file__).resolve().parents[1]
TRY = """
import json, sys
from pathlib import Path
from tests.mutants.trial import Trial, run_all
place, name, texts = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
tests = [f"{place / 'test_it.py'}::{name}"]
trials = [Trial(place / "it.py", text, tests, 60) for text in texts]
outcomes = {}
run_all([*trials, Trial(place / "it.py", "", [], 60)], 2, place / "log", outcomes.__setitem__)
print(json.dumps([outcomes[n].how for n in sorted(outcomes)]))
"""


def outcomes(place: Path, test: str, *texts: str) -> list[str]:
    command = [sys.executable, "-c", TRY, str(place), test, json.dumps(texts)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=allowed(300)
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_a_change_that_a_test_notices_is_killed_and_the_file_stays_as_it_was(
    tmp_path: Path,
) -> None:
    text = "def double(x):\n    return x + x\n"
    (tmp_path / "it.py").write_text(text)
    (tmp_path / "other").symlink_to(tmp_path)
    (tmp_path / "test_it.py").write_text(
        "import importlib.util, pathlib\n"
        "place = pathlib.Path(__file__).parent / 'other' / 'it.py'\n"
        "spec = importlib.util.spec_from_file_location('another_name', place)\n"
        "it = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(it)\n"
        "def test_three():\n    assert it.double(3) == 6\n"
        "def test_two():\n    assert it.double(2) == 4\n"
    )
    changed = text.replace("x + x", "x * x")
    assert outcomes(tmp_path, "test_three", text, changed) == ["passed", "failed", "not reached"]
    assert outcomes(tmp_path, "test_two", changed) == ["passed", "not reached"]
    assert (tmp_path / "it.py").read_text() == text
