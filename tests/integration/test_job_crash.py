"""Flink loses its TaskManager in the middle of a replay: the same bytes as without that."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from pipelines.local.flink import FlinkCluster
from tests.integration.helpers import ROOT, Live, Run, live, padit, residue
from tests.parts import KafkaPart

# Many small windows over one long topic, so that the replay takes a while.
WORK = (
    "--window_size_sec=60",
    "--extract_interval_sec=2",
    f"--config={ROOT / 'pipelines' / 'demo' / 'factory.yaml'}",
)
# 4.3 million rows, in Arrow batches because they are quick to write.
SIMULATED = ("--machines=8", "--hours=60", "--step=2", "--seed=7", "--faults=heat_dissipation")


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


class Disturbed(NamedTuple):
    """A replay that lost its TaskManager, and one that did not."""

    run: Run
    alerts: bytes
    quiet: bytes
    restored: object


@pytest.fixture(scope="module")
def disturbed(
    kafka: KafkaPart, flink: FlinkCluster, tmp_path_factory: pytest.TempPathFactory
) -> Disturbed:
    directory = tmp_path_factory.mktemp("crash")
    topic = kafka.uri(kafka.topic("long", 2))
    padit("simulate", *SIMULATED, "--format=arrow", "--output", topic)
    quiet, alerts = directory / "quiet.jsonl", directory / "disturbed.jsonl"
    padit("replay", "--input", topic, "--output", quiet, *WORK)
    known = {job["id"] for job in flink.rest("/jobs")["jobs"]}
    often = ["--checkpointing_interval=2000", *flink.options()]
    with live(directory, "replay", "--input", topic, "--output", alerts, *WORK, *often) as replay:
        name = _until_checkpoint(replay, flink, known)
        flink.taskmanagers[0].kill()
        flink.taskmanagers[0].restart()
        run = replay.end(code=None, seconds=240)
    restored = flink.rest(f"/jobs/{name}/checkpoints")["latest"]["restored"]
    return Disturbed(run, alerts.read_bytes(), quiet.read_bytes(), restored)


@pytest.mark.timeout(600)
def test_a_replay_whose_taskmanager_is_killed_goes_on_from_a_checkpoint(
    disturbed: Disturbed,
) -> None:
    assert disturbed.restored is not None


@pytest.mark.timeout(600)
def test_a_taskmanager_killed_in_the_middle_of_a_replay_changes_no_byte(
    disturbed: Disturbed,
) -> None:
    assert disturbed.quiet
    assert disturbed.alerts == disturbed.quiet


@pytest.mark.timeout(600)
def test_a_replay_whose_taskmanager_was_killed_accounts_for_every_record(
    disturbed: Disturbed,
) -> None:
    assert disturbed.run.code == 0
    assert residue(disturbed.run.summary) == 0
