"""A mutant is run without a file being changed, by whatever name the file is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.limits import allowed

ROOT = Path(__file__).resolve().parents[1]
TEXT = """
LIMIT = 7
def double(x):
    return x + x
def early():
    return 5
FIVE = early()
class Some:
    def __init__(self, x=1):
        self.x = x
    def more(self):
        return [one + self.x for one in range(3)]
"""
TRY = """
import functools, json, sys
from pathlib import Path
from tests.mutants.live import changed_function, check_noticed, run_live
from tests.mutants.trial import Trial, anew, run_all
place, name, texts, way = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), sys.argv[4]
tests = [f"{place / 'test_it.py'}::{name}"]
trials = [Trial(place / "it.py", text, tests, {}) for text in texts]
outcomes = {}
run = functools.partial(run_all, workers=2, log=place / "log")
if way == "anew":
    trials += [Trial(place / "it.py", "", [], {})]
    run(trials, child=anew, done=outcomes.__setitem__)
else:
    codes = [changed_function(place / "it.py", text, {6}) for text in texts]
    found = [(trial, code) for trial, code in zip(trials, codes) if code]
    # pytest calls a test by its place relative to the root, which is elsewhere
    named = [(Trial(t.file, t.text, [f"test_it.py::{name}"], {}), c) for t, c in found]
    run_live(named, [str(place / "test_it.py")], run, outcomes.__setitem__)
print(json.dumps([outcomes[n].how for n in sorted(outcomes)]))
"""
TESTS = (
    "import importlib.util, pathlib\n"
    "place = pathlib.Path(__file__).parent / 'other' / 'it.py'\n"
    "spec = importlib.util.spec_from_file_location('another_name', place)\n"
    "it = importlib.util.module_from_spec(spec)\n"
    "spec.loader.exec_module(it)\n"
    "def test_three():\n    assert it.double(3) == 6\n"
    "def test_two():\n    assert it.double(2) == 4\n"
    "def test_some():\n    assert it.Some().more() == [1, 2, 3]\n"
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "it.py").write_text(TEXT)
    (tmp_path / "other").symlink_to(tmp_path)
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


def outcomes(place: Path, test: str, way: str, *texts: str) -> list[str]:
    command = [sys.executable, "-c", TRY, str(place), test, json.dumps(texts), way]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=allowed(300)
    )
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_change_that_a_test_notices_is_killed_and_the_file_stays_as_it_was(place: Path) -> None:
    changed = TEXT.replace("x + x", "x * x")
    found = outcomes(place, "test_three", "anew", TEXT, changed)
    assert found == ["passed", "failed", "not reached"]
    assert outcomes(place, "test_two", "anew", changed) == ["passed", "not reached"]
    assert (place / "it.py").read_text() == TEXT


def test_where_all_is_imported_a_function_is_exchanged_and_gives_the_same_outcomes(
    place: Path,
) -> None:
    changed = TEXT.replace("x + x", "x * x")
    others = TEXT.replace("one + self.x", "one - self.x"), TEXT.replace("self.x = x", "self.x = 0")
    assert outcomes(place, "test_three", "live", changed, *others) == ["failed", "passed", "passed"]
    assert outcomes(place, "test_two", "live", changed) == ["passed"]
    assert outcomes(place, "test_some", "live", changed, *others) == ["passed", "failed", "failed"]


def test_a_change_that_an_import_could_notice_is_not_tried_without_one(tmp_path: Path) -> None:
    from tests.mutants.live import changed_function

    file = tmp_path / "it.py"
    file.write_text(TEXT)
    ran = {one for one, line in enumerate(TEXT.splitlines(), 1) if line == "    return 5"}
    tried = {
        change: changed_function(file, TEXT.replace(*change), ran)
        for change in (
            ("LIMIT = 7", "LIMIT = 8"), ("x=1", "x=2"), ("return 5", "return 6"),
            ("FIVE = early()", "FIVE = not early()"), ("LIMIT = 7", "LIMIT = 7.0"),
            ("x + x", "x - x"), ("range(3)", "range(4)"), ("x + x", "x + x "),
        )
    }  # fmt: skip
    assert [change for change, code in tried.items() if code is not None] == [
        ("x + x", "x - x"), ("range(3)", "range(4)"),
    ]  # fmt: skip
