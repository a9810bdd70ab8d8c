"""A live run: stopped cleanly, accounted for, and the beginning of what a replay gives."""

from __future__ import annotations

import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from pipelines.alertfiles import read_events
from pipelines.local.flink import FlinkCluster
from tests.integration.helpers import (
    alerts_of,
    live,
    padit,
    produce,
    residue,
    seed_case,
    wait_for,
)
from tests.parts import KafkaPart

START = 1_767_600_000
# Event time stands still when nothing comes: what is open at the stop stays open.
HELD = ("--start_offset=earliest", "--idle_timeout_sec=3600")


def _options(request: pytest.FixtureRequest, runner: str) -> list[str]:
    if runner == "direct":
        return []
    cluster: FlinkCluster = request.getfixturevalue("flink")
    return cluster.options()


@pytest.mark.parametrize("runner", ["direct", "flink"])
def test_a_live_run_stops_on_sigterm_as_the_beginning_of_its_replay(
    kafka: KafkaPart, request: pytest.FixtureRequest, tmp_path: Path, runner: str
) -> None:
    topic, alerts = kafka.topic("live"), tmp_path / "live.jsonl"
    place = ["--input", kafka.uri(topic), "--output", alerts, *HELD]
    produce(kafka.bootstrap, topic, seed_case(START))
    with live(tmp_path, "run", *place, *_options(request, runner)) as job:
        job.until(lambda: alerts_of(alerts), 120)
        summary = job.stop().summary
    _check_live(summary)
    padit("replay", "--input", kafka.uri(topic), "--output", tmp_path / "replay.jsonl")
    during = [event.line for event in read_events(str(alerts))]
    whole = [event.line for event in read_events(str(tmp_path / "replay.jsonl"))]
    assert during == whole[: len(during)]
    assert len(during) < len(whole)


def _check_live(summary: dict[str, Any]) -> None:
    """The last window is open: its row waits, and nothing else is missing."""
    assert summary["read"] == 15
    assert summary["waiting"] > 0
    assert residue(summary) == 0


def _jobs(cluster: FlinkCluster) -> dict[str, str]:
    return {job["id"]: job["status"] for job in cluster.rest("/jobs")["jobs"]}


def _cancel(cluster: FlinkCluster, job: str) -> None:
    url = f"{cluster.rest_url}/jobs/{job}?mode=cancel"
    request = urllib.request.Request(url, method="PATCH")  # noqa: S310 - http only
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert answer.status == 202
    wait_for(lambda: _jobs(cluster)[job] == "CANCELED", 60)


def test_a_detached_job_goes_on_after_the_command_has_returned(
    kafka: KafkaPart, flink: FlinkCluster, tmp_path: Path
) -> None:
    topic, alerts = kafka.topic("detached"), tmp_path / "alerts.jsonl"
    before = set(_jobs(flink))
    place = ["--input", kafka.uri(topic), "--output", alerts, *HELD]
    padit("run", *place, *flink.options(), "--detach")
    wait_for(lambda: set(_jobs(flink)) - before, 60)
    (job,) = set(_jobs(flink)) - before
    try:
        produce(kafka.bootstrap, topic, seed_case(START))
        wait_for(lambda: alerts_of(alerts), 90)
    finally:
        _cancel(flink, job)


def test_a_live_run_without_a_start_reads_only_what_comes(kafka: KafkaPart, tmp_path: Path) -> None:
    topic, alerts = kafka.topic("latest"), tmp_path / "alerts.jsonl"
    produce(kafka.bootstrap, topic, seed_case(START, "before"))
    place = ["--input", kafka.uri(topic), "--output", alerts, "--idle_timeout_sec=1"]
    now = int(time.time()) // 60 * 60 - 180
    with live(tmp_path, "run", *place) as job:
        # The output is made when the job begins, which is after it has asked where topics end.
        job.until(alerts.exists)
        produce(kafka.bootstrap, topic, seed_case(now, "after"))
        job.until(lambda: alerts_of(alerts))
        assert job.stop().summary["read"] == 15
    assert {alert["source"] for alert in alerts_of(alerts)} == {"/padit/after"}
