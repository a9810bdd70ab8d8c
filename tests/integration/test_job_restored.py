"""A live job on Flink loses its TaskManager: its counters go on from where the state stood."""

from __future__ import annotations

from pathlib import Path

from padit.devcluster.flink import FlinkCluster
from tests.integration.helpers import alerts_of, live, produce, residue, seed_case
from tests.parts import KafkaPart

START = 1_767_600_000


def _restored(cluster: FlinkCluster, known: set[str]) -> bool:
    for job in cluster.rest("/jobs")["jobs"]:
        if job["id"] not in known and job["status"] == "RUNNING":
            latest = cluster.rest(f"/jobs/{job['id']}/checkpoints")["latest"]
            return latest["restored"] is not None
    return False


def _has_checkpoint(cluster: FlinkCluster, known: set[str], after: int) -> bool:
    for job in cluster.rest("/jobs")["jobs"]:
        if job["id"] not in known and job["status"] == "RUNNING":
            counts = cluster.rest(f"/jobs/{job['id']}/checkpoints")["counts"]
            return int(counts["completed"]) > after
    return False


def test_a_restored_live_run_accounts_for_what_it_read_before_the_crash(
    kafka: KafkaPart, flink: FlinkCluster, tmp_path: Path
) -> None:
    topic, alerts = kafka.topic("restored"), tmp_path / "alerts.jsonl"
    known = {job["id"] for job in flink.rest("/jobs")["jobs"]}
    place = ["--input", kafka.uri(topic), "--output", alerts, "--start_offset=earliest"]
    often = ["--idle_timeout_sec=3600", "--checkpointing_interval=1000", *flink.options()]
    produce(kafka.bootstrap, topic, seed_case(START, "before"))
    with live(tmp_path, "run", *place, *often) as job:
        job.until(lambda: alerts_of(alerts), 120)
        done = flink.rest("/jobs")["jobs"]
        name = next(one["id"] for one in done if one["id"] not in known)
        before = int(flink.rest(f"/jobs/{name}/checkpoints")["counts"]["completed"])
        # Two more, so that one began after the alert was written.
        job.until(lambda: _has_checkpoint(flink, known, before + 1), 60)
        flink.taskmanagers[0].kill()
        flink.taskmanagers[0].restart()
        job.until(lambda: _restored(flink, known), 120)
        produce(kafka.bootstrap, topic, seed_case(START + 3600, "after"))
        job.until(lambda: {"/padit/after"} <= {one["source"] for one in alerts_of(alerts)}, 120)
        summary = job.stop().summary
    assert summary["read"] == 30
    assert summary["scored"] + summary["waiting"] == 30
    assert residue(summary) == 0
