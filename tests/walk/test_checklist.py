"""The committed transcript is one of the walk that is in the code, and every check of it held."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "checklist.md").read_text()


def _titles() -> set[str]:
    code = "".join((ROOT / "tests" / "walk" / f"{one}.py").read_text() for one in
                   ("__main__", "deploy", "change"))  # fmt: skip
    return set(re.findall(r"page\.step\(\s*\"([^\"]+)\"", code))


def test_the_transcript_has_every_step_of_the_walk_in_order() -> None:
    found = re.findall(r"^## (\d+)\. (.+)$", PAGE, re.MULTILINE)
    assert [int(number) for number, _ in found] == list(range(1, len(found) + 1))
    assert {title for _, title in found} == _titles()


def test_every_check_held_and_all_are_counted() -> None:
    assert "- [ ]" not in PAGE
    (count,) = re.findall(r"(\d+) checks, all of them held", PAGE)
    assert int(count) == PAGE.count("- [x]") > 50


def test_the_gate_refused_one_green_and_let_the_other_pass() -> None:
    refused = PAGE.partition("Green does not pass the gate")[2].partition("\n## ")[0]
    passed = PAGE.partition("Green passes the gate")[2].partition("\n## ")[0]
    assert "padit diff" in refused
    assert "exit code 1" in refused
    assert "padit diff" in passed
    assert "exit code 0" in passed
