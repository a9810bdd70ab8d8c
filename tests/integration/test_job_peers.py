"""The option `peers`: the same alerts and the same silence, whatever runs the job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from padit.devcluster.flink import FlinkCluster
from tests.integration.helpers import Record, alerts_of, live, metric, padit, produce
from tests.parts import KafkaPart
from tests.transforms.fleet_run import SECOND, START, STEP, by_turns, hosts

WINDOWS = ("--window_size_sec=120", "--extract_interval_sec=30")
HOURS, LATE_STARTER, LATE = 4.6, 5, 2.5


def _hosts() -> list[Record]:
    bumps = by_turns(6, HOURS + 1)
    bumps[LATE_STARTER] = [one for one in bumps[LATE_STARTER] if one[0] > LATE]
    return [
        metric(f"host-{host:02}", "load", START / SECOND + number * STEP, float(value))
        for number, row in enumerate(hosts(bumps, HOURS))
        for host, value in enumerate(row)
    ]


def _config(folder: Path) -> str:
    place = folder / "peers.yaml"
    place.write_text('alerts: {peers: "*"}\n')
    return f"--config={place}"


def _silenced(alerts: Path) -> list[dict[str, Any]]:
    lines = alerts.with_suffix(".audit.jsonl").read_text().splitlines()
    return sorted(
        (one for one in map(json.loads, lines) if one["record"] == "silenced"),
        key=lambda one: (one["time"], one["alert"]),
    )


@pytest.fixture(scope="module")
def topic(kafka: KafkaPart) -> str:
    name = kafka.topic("peers")
    produce(kafka.bootstrap, name, _hosts())
    return kafka.uri(name)


@pytest.fixture(scope="module")
def direct(topic: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Alerts of the DirectRunner with four key groups."""
    alerts = tmp_path_factory.mktemp("peers") / "direct.jsonl"
    run = padit(
        "replay", "--input", topic, "--output", alerts, _config(alerts.parent), *WINDOWS,
        "--key_groups=4",
    )  # fmt: skip
    assert run.summary["silenced"] == len(_silenced(alerts)) >= 1
    assert "no news on two peers" in run.err
    opened = [one for one in alerts_of(alerts) if one["type"].endswith("opened")]
    assert run.summary["alerts"] == len(opened) + run.summary["silenced"]
    return alerts


@pytest.mark.parametrize(("parallelism", "groups"), [(None, 1), (4, 32)])
def test_neither_runner_nor_parallelism_nor_key_groups_change_what_is_silenced(
    topic: str,
    direct: Path,
    parallelism: int | None,
    groups: int,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    options: list[str] = []
    if parallelism is not None:
        cluster: FlinkCluster = request.getfixturevalue("flink")
        options = cluster.options(parallelism)
    alerts = tmp_path / "alerts.jsonl"
    place = ["--input", topic, "--output", alerts, _config(tmp_path), f"--key_groups={groups}"]
    run = padit("replay", *place, *WINDOWS, *options)
    assert alerts.read_bytes() == direct.read_bytes() != b""
    assert _silenced(alerts) == _silenced(direct)
    assert run.summary["silenced"] == len(_silenced(direct))


def test_a_live_job_that_loses_its_worker_silences_the_same(
    kafka: KafkaPart, flink: FlinkCluster, direct: Path, tmp_path: Path
) -> None:
    name, alerts = kafka.topic("peers-live"), tmp_path / "alerts.jsonl"
    lines = _hosts()
    half = len(lines) * 6 // 10
    known = {job["id"] for job in flink.rest("/jobs")["jobs"]}

    def running() -> list[str]:
        jobs = flink.rest("/jobs")["jobs"]
        return [one["id"] for one in jobs if one["id"] not in known and one["status"] == "RUNNING"]

    def checkpoints() -> int:
        found = [flink.rest(f"/jobs/{one}/checkpoints") for one in running()]
        return max((int(one["counts"]["completed"]) for one in found), default=0)

    def restored() -> bool:
        found = [flink.rest(f"/jobs/{one}/checkpoints") for one in running()]
        return any(one["latest"]["restored"] is not None for one in found)

    place = ["--input", kafka.uri(name), "--output", alerts, "--start_offset=earliest"]
    often = ["--idle_timeout_sec=3600", "--checkpointing_interval=1000", *flink.options(2)]
    produce(kafka.bootstrap, name, lines[:half])
    with live(
        tmp_path, "run", *place, *often, *WINDOWS, _config(tmp_path), "--key_groups=4"
    ) as job:
        job.until(lambda: alerts_of(alerts), 120)
        before = checkpoints()
        job.until(lambda: checkpoints() > before + 1, 60)
        flink.taskmanagers[0].kill()
        flink.taskmanagers[0].restart()
        job.until(restored, 120)
        produce(kafka.bootstrap, name, lines[half:])
        job.until(lambda: alerts.with_suffix(".audit.jsonl").exists() and _silenced(alerts), 120)
        job.stop()
    assert _silenced(alerts)[0] == _silenced(direct)[0]
    told = {one["data"]["id"] for one in alerts_of(alerts)}
    assert told <= {one["data"]["id"] for one in alerts_of(direct)}
    assert not told & {one["alert"] for one in _silenced(direct)}


def test_beside_another_configuration_it_silences_what_it_does_alone(
    topic: str, direct: Path, tmp_path: Path
) -> None:
    (tmp_path / "usual.yaml").write_text("detectors: [{name: usual}]")
    place = ["--input", topic, "--output", tmp_path / "alerts.jsonl", *WINDOWS, "--key_groups=4"]
    both = [f"--config={tmp_path}/usual.yaml", _config(tmp_path)]
    run = padit("replay", *place, *both)
    assert (tmp_path / "alerts.peers.jsonl").read_bytes() == direct.read_bytes()
    opened = sum(one["type"].endswith("opened") for one in alerts_of(direct))
    assert f"peers: {opened} alerts in" in run.err
