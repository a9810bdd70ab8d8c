"""The disk of checkpoints is full: the job goes on, and so do checkpoints once there is room."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from padit.devcluster.flink import FlinkCluster
from tests.integration.helpers import alerts_of, live, produce, residue, seed_case, wait_for
from tests.parts import KafkaPart, missing

START = 1_767_600_000
_SIZE = 8 << 20


@contextmanager
def small_disk(place: Path, copy: Path) -> Iterator[Path]:
    """A file system of 8 MB at a folder, with what was there; the file to fill it with."""
    if os.geteuid() != 0:
        missing("a file system of its own needs root")
    shutil.copytree(place, copy)
    size = f"size={_SIZE}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], check=True)
    try:
        shutil.copytree(copy, place, dirs_exist_ok=True)
        yield place / "filler"
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_a_full_checkpoint_disk_costs_nothing_once_there_is_room(
    kafka: KafkaPart, flink: FlinkCluster, tmp_path: Path
) -> None:
    topic, alerts = kafka.topic("disk"), tmp_path / "alerts.jsonl"
    known = {job["id"] for job in flink.rest("/jobs")["jobs"]}
    produce(kafka.bootstrap, topic, seed_case(START, "before"))
    place = ["--input", kafka.uri(topic), "--output", alerts, "--start_offset=earliest"]
    options = ["--idle_timeout_sec=3600", "--checkpointing_interval=1000", *flink.options()]
    with live(tmp_path, "run", *place, *options) as job:
        job.until(lambda: alerts_of(alerts), 300)
        name = next(one["id"] for one in flink.rest("/jobs")["jobs"] if one["id"] not in known)

        def counts() -> dict[str, Any]:
            found: dict[str, Any] = flink.rest(f"/jobs/{name}/checkpoints")["counts"]
            return found

        job.until(lambda: counts()["completed"] > 0)
        with small_disk(flink.directory / "checkpoints", tmp_path / "copy") as filler:
            failed = counts()["failed"]
            _fill(filler)
            job.until(lambda: counts()["failed"] > failed, 120)
            produce(kafka.bootstrap, topic, seed_case(START + 3600, "meanwhile"))
            filler.unlink()
            completed = counts()["completed"]
            job.until(lambda: counts()["completed"] > completed, 180)
            produce(kafka.bootstrap, topic, seed_case(START + 7200, "after"))
            wanted = {"/padit/before", "/padit/meanwhile", "/padit/after"}
            job.until(lambda: wanted <= {one["source"] for one in alerts_of(alerts)}, 180)
            summary = job.stop().summary
        wait_for(lambda: flink.rest(f"/jobs/{name}")["state"] in ("CANCELED", "FINISHED"), 60)
    assert (summary["read"], residue(summary)) == (45, 0)
    opened = [one["id"] for one in alerts_of(alerts)]
    assert len(opened) == len(set(opened)) == 3
