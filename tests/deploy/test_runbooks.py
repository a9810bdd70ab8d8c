"""Every runbook names a rehearsal that exists, or says that there is none."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "runbooks.md").read_text()
PAGES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
WANTED = (
    "Stop with a savepoint and resume", "Upgrade with an unchanged graph",
    "Upgrade with changed state or options", "Rescale", "Roll back", "A topic is repartitioned",
    "A broker is replaced", "The JobManager is lost", "The checkpoint disk is full",
    "A storm of poisoned records", "The replication slot is lost",
    "A store is restored from a backup",
)  # fmt: skip


def _tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def _rehearsals(page: str) -> list[tuple[str, str]]:
    return re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.partition("Rehearsed:")[2])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_names_tests_that_exist_or_says_that_there_is_none(name: str) -> None:
    page = PAGES[name]
    assert "Do:" in page
    assert "Rehearsed:" in page
    found = _rehearsals(page)
    assert found or "Rehearsed: not." in page
    for path, test in found:
        assert (ROOT / path).exists(), path
        assert not test or test in _tests(ROOT / path), test


def test_every_case_that_operators_ask_for_has_a_page() -> None:
    assert set(WANTED) <= set(PAGES)


def test_a_rehearsal_that_is_gone_would_be_noticed() -> None:
    page = "Do: x\nRehearsed: `tests/deploy/test_runbooks.py::test_that_never_was`"
    ((path, test),) = _rehearsals(page)
    assert test not in _tests(ROOT / path)
