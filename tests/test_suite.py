"""What holds for the tests themselves: none is skipped silently, none has a limit of its own."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.limits import allowed

ROOT = Path(__file__).resolve().parents[1]
SKIPS = """
import pytest
from tests.parts import skip_for_data

def test_of_data():
    skip_for_data("not here")

def test_of_a_part():
    pytest.skip("no broker")

@pytest.mark.skipif(True, reason="no cluster")
def test_of_another():
    pass
"""
# Calls that wait: their limits are `allowed(...)`, or shorter than a second.
_WAITING = ("communicate", "run", "urlopen", "wait", "check_output")


@pytest.mark.parametrize(
    ("ci", "wanted"), [("1", "1 failed, 1 skipped, 1 error"), ("", "3 skipped")]
)
def test_in_ci_a_test_is_skipped_for_want_of_data_only(
    tmp_path: Path, ci: str, wanted: str
) -> None:
    (tmp_path / "test_skips.py").write_text(SKIPS)
    env = {name: value for name, value in os.environ.items() if name != "CI"} | {"CI": ci}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=allowed(120),
    )
    assert wanted in done.stdout.splitlines()[-1]


def _limits(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        own = node.func.attr == "timeout" and ast.unparse(node.func) == "pytest.mark.timeout"
        given = [one.value for one in node.keywords if one.arg == "timeout"]
        fixed = node.func.attr in _WAITING and any(
            isinstance(one, ast.Constant) and isinstance(one.value, int | float) and one.value >= 1
            for one in given
        )
        if own or fixed:
            found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_no_test_has_a_limit_of_its_own() -> None:
    assert [one for path in sorted(ROOT.glob("tests/**/*.py")) for one in _limits(path)] == []


def test_no_test_is_named_by_packed_bytes_or_by_an_address(
    request: pytest.FixtureRequest,
) -> None:
    # Such a name differs from one worker to the other, and then no test is run at all.
    unsteady = re.compile(r"\\x1f\\x8b|\bat 0x[0-9a-f]{8}|0x[0-9a-f]{10}")
    assert [one.nodeid for one in request.session.items if unsteady.search(one.nodeid)] == []
