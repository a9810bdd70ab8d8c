"""The parts of the soak that need no cluster: its load, its slopes and its report."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.soak.load import Workload, read_account
from tests.soak.report import Ending, Fault, Plan, report
from tests.soak.slopes import floor, lives, robust_slope, slope_of

START = 1_767_600_000.0


def test_a_workload_holds_its_rate_and_a_hundredth_of_each_kind_of_trouble() -> None:
    found = Counter(kind for kind, _, _ in Workload(10_000, 1).due(20.0, START))
    assert abs(sum(found.values()) - 200_000) < 10
    assert all(1_700 < found[kind] < 2_300 for kind in ("poison", "duplicate"))
    assert 300 < found["late"] < 700  # not before the watermark is 15 s on its way


def test_the_same_seed_gives_the_same_records_however_they_are_asked_for() -> None:
    once = list(Workload(1000, 7).due(40.0, START))
    parts = Workload(1000, 7)
    assert once == [one for n in range(1, 401) for one in parts.due(n / 10, START)]
    assert once != list(Workload(1000, 8).due(40.0, START))


def test_a_duplicate_follows_its_original_and_an_incident_lifts_its_source() -> None:
    workload = Workload(2000, 3, sources=10)
    records = [(kind, value) for kind, _, value in workload.due(60.0, START)]
    for before, (kind, value) in pairwise(records):
        if kind == "duplicate":
            assert before == ("good", value)
    (source, begun), *_ = workload.incidents
    assert begun == pytest.approx(START + 30, abs=0.01)
    samples = [json.loads(value) for kind, value in records if kind == "good"]
    lifted = {one["source_id"] for one in samples if one["value"] > 40}
    assert f"cell-{source}" in lifted
    assert min(one["timestamp"] for one in samples if one["value"] > 40) >= begun - 0.01


def test_a_slope_is_that_of_most_points() -> None:
    points = [(60.0 * n, 100.0 + n / 10 + (500.0 if n % 7 == 0 else 0.0)) for n in range(60)]
    assert robust_slope(points) == pytest.approx(1 / 600, rel=0.05)
    slope = slope_of(points)
    assert slope.hour == pytest.approx(6.0, rel=0.05)
    assert slope.day == pytest.approx(144.0, rel=0.05)


def test_a_short_life_has_no_slope_and_a_restart_begins_another() -> None:
    samples = [
        {"at": 10.0 * n, "memory": {"worker": {"pid": 1 if n < 20 else 2, "mb": 100.0 + n}}}
        for n in range(200)
    ]
    first, second = lives(samples)["worker"]
    assert slope_of(first).hour is None
    assert slope_of(second).hour == pytest.approx(360.0)
    assert floor([(0.0, 3.0), (1.0, 2.0)]) == [(1.0, 2.0)]


def sample(number: int, **more: Any) -> dict[str, Any]:
    memory = {"worker": {"pid": 1, "mb": 500.0, "cpu": 2.0 * number}}
    one = {"at": START + 10 * number, "sent": 100_000 * number, "read": 100_000 * number - 5,
           "end": 100_000 * number, "memory": memory, "features": [12.0], "alerts": [],
           "opened": 0, "transitions": 0, "received": 0}  # fmt: skip
    return {**one, **more}


def test_a_report_can_be_made_at_any_time() -> None:
    plan = Plan(10_000, 2.0, 1, 1000)
    samples = [sample(n) for n in range(200)]
    del samples[7]["read"]  # a part was away
    for count in (0, 1, 2, 200):
        assert "# Soak: 10,000 records/s" in report(plan, samples[:count], [], None)
    text = report(plan, samples, [Fault("worker killed", START, "", 44.0)], None)
    assert "| records/s written | 10,000.0 |" in text
    assert "| lag, records | 5.0 |" in text
    assert "worker killed |  | 44 |" in text
    assert "| worker | 1 | 500 | 500 | +0.0 | +0 |" in text


def test_the_account_shows_what_is_missing() -> None:
    summary = {"read": 10, "scored": 6, "late": 1, "duplicate": 1, "dead_lettered": 1, "waiting": 0}
    ending = Ending({"good": 7}, {}, 10, summary, "all: 1", 1, {"delivered": 1})
    assert ending.residue == 1
    assert Ending({}, {}, 10, None, "", 0).residue is None


def test_an_account_that_is_not_written_yet_is_empty(tmp_path: Path) -> None:
    assert read_account(tmp_path / "load.json") == {"acknowledged": {}, "failed": {}}
