"""Flink loses its TaskManager in the middle of a replay: the same bytes as without that."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.local.flink import FlinkCluster
from tests.integration.helpers import ROOT, Live, live, padit
from tests.parts import KafkaPart

# Many small windows over one long topic, so that the replay takes a while.
WORK = (
    "--window_size_sec=60",
    "--extract_interval_sec=2",
    f"--config={ROOT / 'pipelines' / 'demo' / 'factory.yaml'}",
)
SIMULATED = ("--machines=8", "--hours=4", "--step=2", "--seed=7", "--faults=heat_dissipation")


def _running(cluster: FlinkCluster, known: set[str]) -> str | None:
    jobs = cluster.rest("/jobs")["jobs"]
    new = [job["id"] for job in jobs if job["id"] not in known and job["status"] == "RUNNING"]
    return new[0] if new else None


def _until_checkpoint(job: Live, cluster: FlinkCluster, known: set[str]) -> str:
    """Wait until a checkpoint of the new job holds state; return the job's id."""

    def has_state() -> bool:
        name = _running(cluster, known)
        if name is None:
            return False
        latest = cluster.rest(f"/jobs/{name}/checkpoints")["latest"]["completed"]
        return latest is not None and latest["state_size"] > 50_000

    job.until(has_state, 120)
    name = _running(cluster, known)
    assert name is not None, "the replay ended before it could be disturbed; give it more to do"
    return name


@pytest.mark.timeout(600)
def test_a_taskmanager_killed_in_the_middle_of_a_replay_changes_no_byte(
    kafka: KafkaPart, flink: FlinkCluster, tmp_path: Path
) -> None:
    topic = kafka.uri(kafka.topic("long", 2))
    padit("simulate", *SIMULATED, "--output", topic)
    quiet, disturbed = tmp_path / "quiet.jsonl", tmp_path / "disturbed.jsonl"
    assert padit("replay", "--input", topic, "--output", quiet, *WORK).summary["alerts"]
    known = {job["id"] for job in flink.rest("/jobs")["jobs"]}
    often = ["--checkpointing_interval=2000", *flink.options()]
    place = ["--input", topic, "--output", disturbed]
    with live(tmp_path, "replay", *place, *WORK, *often) as replay:
        name = _until_checkpoint(replay, flink, known)
        flink.taskmanagers[0].kill()
        flink.taskmanagers[0].restart()
        replay.end(seconds=240)
    restored = flink.rest(f"/jobs/{name}/checkpoints")["latest"]["restored"]
    assert restored is not None, "the job was not restored from a checkpoint"
    assert disturbed.read_bytes() == quiet.read_bytes()
