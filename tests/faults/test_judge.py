"""The judge finds what is missing, different or there twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.job import Outputs
from tests.faults.judge import Verdict, judge, results
from tests.integration.helpers import Run

SUMMARY = {"read": 9, "scored": 7, "late": 1, "duplicate": 0, "dead_lettered": 1, "waiting": 0}


def alert(number: int, text: str = "high") -> str:
    data = {"source_id": "cell-1", "metric_name": "rtt_ms", "summary": text}
    event = {"id": f"a{number}", "time": f"2026-01-05T06:00:0{number}Z", "data": data}
    return json.dumps({**event, "type": "io.padit.alert.opened"})


GOOD = [alert(1), alert(2), alert(3)]


def write(directory: Path, alerts: list[str]) -> Outputs:
    directory.mkdir()
    names = ("alerts", "anomalies", "features", "audit")
    paths = [directory / f"{name}.jsonl" for name in names]
    for path in paths:
        path.write_text("one\ntwo\n")
    paths[0].write_text("".join(f"{line}\n" for line in alerts))
    return Outputs(str(paths[0]), str(paths[1]), paths[2], paths[3])


def verdict(tmp_path: Path, alerts: list[str], summary: dict[str, int], code: int = 0) -> Verdict:
    wanted = write(tmp_path / "wanted", GOOD)
    found = write(tmp_path / "found", alerts)
    run = Run(code, json.dumps(summary), "")
    return judge(results(wanted), found, run, wanted.alerts, 9)


def test_the_same_results_in_any_order_are_good(tmp_path: Path) -> None:
    found = verdict(tmp_path, GOOD[::-1], SUMMARY)
    assert found.good
    assert found.diff.startswith("equal")


@pytest.mark.parametrize(
    ("alerts", "lost", "changed", "doubled"),
    [
        (GOOD[:2], 1, 0, 0),
        ([*GOOD[:2], alert(3, "low")], 1, 1, 0),
        ([*GOOD, alert(4)], 0, 1, 0),
        ([*GOOD, GOOD[0]], 0, 0, 1),
    ],
    ids=["one is missing", "one has other bytes", "one too many", "one comes twice"],
)
def test_differences_are_counted_by_kind(
    tmp_path: Path, alerts: list[str], lost: int, changed: int, doubled: int
) -> None:
    found = verdict(tmp_path, alerts, SUMMARY)
    assert (found.lost, found.changed, found.doubled) == (lost, changed, doubled)
    assert not found.good


@pytest.mark.parametrize(
    ("summary", "code"),
    [({**SUMMARY, "scored": 6}, 0), ({**SUMMARY, "read": 8, "scored": 6}, 0), (SUMMARY, 1)],
    ids=["a residue", "a record that was not read", "an exit code"],
)
def test_a_run_that_does_not_balance_is_not_good(
    tmp_path: Path, summary: dict[str, int], code: int
) -> None:
    assert not verdict(tmp_path, GOOD, summary, code).good
