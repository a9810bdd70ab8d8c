"""The fault harness, short: a seed that is fixed, faults that are quick to recover from.

One of them stops the job with a savepoint, which starts that do not fit are tried with afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from padit.devcluster.flink import FlinkCluster
from tests.faults.job import Job, Outputs
from tests.faults.rounds import Round, play, table
from tests.faults.site import Site, prepare
from tests.integration.helpers import padit
from tests.parts import KafkaPart

KINDS = (
    "TaskManager killed", "workers killed", "JobManager killed", "stopped, on at parallelism 1",
)  # fmt: skip
RECORDS = 200_000
EACH_S = 75.0  # a slow machine needs a minute to recover, and must still have records to read


class Played(NamedTuple):
    """A round, and where it was played."""

    outcome: Round
    site: Site


@pytest.fixture(scope="module")
def played(
    kafka: KafkaPart, flink: FlinkCluster, tmp_path_factory: pytest.TempPathFactory
) -> Played:
    place = prepare(tmp_path_factory.mktemp("faults"), kafka.broker, flink, RECORDS)
    try:
        (outcome,) = play(place, 1, 4, KINDS, print, each_s=EACH_S)
    finally:
        place.limit(None)  # the other tests share the broker
    return Played(outcome, place)


@pytest.fixture
def struck(played: Played) -> Round:
    return played.outcome


def test_every_fault_met_the_job_while_it_ran(struck: Round) -> None:
    assert Counter(one.kind for one in struck.strikes) == Counter(KINDS)
    assert all(0 < one.at < RECORDS for one in struck.strikes)


def test_after_each_of_these_faults_flink_restored_state(struck: Round) -> None:
    assert [one.kind for one in struck.strikes if not one.restored] == []


def test_killed_processes_and_a_savepoint_change_no_byte_and_lose_nothing(struck: Round) -> None:
    verdict = struck.verdict
    assert verdict is not None
    assert (verdict.lost, verdict.changed, verdict.doubled) == (0, 0, 0), verdict.diff
    assert verdict.diff.startswith("equal")


def test_a_struck_run_accounts_for_every_record_in_its_last_line(struck: Round) -> None:
    verdict = struck.verdict
    assert verdict is not None
    assert (verdict.residue, verdict.read, verdict.exit_code) == (0, 0, 0)


def test_the_table_counts_what_a_round_lost_for_every_kind_that_struck_it(struck: Round) -> None:
    rows = {row["fault"]: row for row in table([struck, struck], [*KINDS, "never"])}
    assert rows["workers killed"]["rounds"] == 2
    assert rows["never"]["rounds"] == 0
    assert rows["never"]["recovery_s_median"] is None


def test_a_run_whose_job_is_stopped_prints_how_to_go_on(struck: Round) -> None:
    (stopped,) = struck.stopped
    assert f"continue with --savepoint_path={stopped.place}" in stopped.said


Refusal = Callable[..., str]


@pytest.fixture
def refused(played: Played) -> Refusal:
    """The last line of a start from the savepoint that does not fit."""

    def last_line(parallelism: int, *more: str) -> str:
        (stopped,) = played.outcome.stopped
        outputs = Outputs.of(played.site, "refused", alerts_to_topic=False)
        command = Job(played.site, outputs, 1.0).command(parallelism, stopped.place)
        if any(one.startswith("--config=") for one in more):
            command = [one for one in command if not one.startswith("--config=")]
        return padit(*command, *more, code=1).err.strip().splitlines()[-1]

    return last_line


def test_a_savepoint_of_other_detectors_is_refused_with_the_reason(
    refused: Refusal, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("detectors:\n  - name: changepoint\n")
    last = refused(2, f"--config={other}")
    assert last.startswith("padit: the saved state belongs to a job with other options (")
    assert "detectors[0] was rule and is changepoint" in last
    assert "start without --savepoint_path" in last


def test_a_savepoint_of_another_graph_is_refused_with_the_reason(refused: Refusal) -> None:
    # Chained steps get other names, as the steps of another version of the job do.
    last = refused(1, "--operator_chaining=true")
    assert last.startswith("padit: the savepoint belongs to a job of another shape")
    assert "start without --savepoint_path" in last
