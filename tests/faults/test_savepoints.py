"""Messages of a job that is stopped, and of a start with a savepoint that does not fit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from padit.devcluster.flink import FlinkCluster
from tests.faults.job import Job, Outputs
from tests.faults.site import prepare
from tests.integration.helpers import padit
from tests.parts import KafkaPart

RECORDS = 150_000
SLOWED_S = 300  # long enough that it is stopped in the middle, on a busy machine, too


class Stopped(NamedTuple):
    """A replay that was stopped with a savepoint.

    Attributes:
        job: with the command that would go on.
        place: of the savepoint.
        said: by the command that had waited for the job.
    """

    job: Job
    place: str
    said: str


@pytest.fixture(scope="module")
def stopped(
    kafka: KafkaPart, flink: FlinkCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stopped]:
    site = prepare(tmp_path_factory.mktemp("savepoints"), kafka.broker, flink, RECORDS)
    outputs = Outputs.of(site, "stopped", alerts_to_topic=False)
    site.limit(SLOWED_S)
    try:
        with Job(site, outputs, SLOWED_S) as job:
            job.submit()
            job.wait_judged()
            place = job.save(cancel=False)
            said = job.leave()
            site.limit(None)
            yield Stopped(job, place, said)
    finally:
        site.limit(None)  # the other tests share the broker


def test_a_run_whose_job_is_stopped_prints_how_to_go_on(stopped: Stopped) -> None:
    assert f"continue with --savepoint_path={stopped.place}" in stopped.said


def test_a_savepoint_of_other_detectors_is_refused_with_the_reason(
    stopped: Stopped, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("detectors:\n  - name: changepoint\n")
    command = [
        f"--config={other}" if argument.startswith("--config=") else argument
        for argument in stopped.job.command(2, stopped.place)
    ]
    run = padit(*command, code=1)
    last = run.err.strip().splitlines()[-1]
    assert last.startswith("padit: the saved state belongs to a job with other options (")
    assert "detectors[0] was rule and is changepoint" in last
    assert "start without --savepoint_path" in last


def test_a_savepoint_of_another_graph_is_refused_with_the_reason(stopped: Stopped) -> None:
    # Chained steps get other names, as the steps of another version of the job do.
    run = padit(*stopped.job.command(1, stopped.place), "--operator_chaining=true", code=1)
    last = run.err.strip().splitlines()[-1]
    assert last.startswith("padit: the savepoint belongs to a job of another shape")
    assert "start without --savepoint_path" in last
