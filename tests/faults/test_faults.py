"""The fault harness, short: a seed that is fixed, faults that are quick to recover from."""

from __future__ import annotations

from collections import Counter

import pytest

from padit.devcluster.flink import FlinkCluster
from tests.faults.rounds import Round, play, table
from tests.faults.site import prepare
from tests.parts import KafkaPart

KINDS = ("TaskManager killed", "workers killed", "cancelled with savepoint")
RECORDS = 200_000
EACH_S = 75.0  # a slow machine needs a minute to recover, and must still have records to read


@pytest.fixture(scope="module")
def struck(
    kafka: KafkaPart, flink: FlinkCluster, tmp_path_factory: pytest.TempPathFactory
) -> Round:
    place = prepare(tmp_path_factory.mktemp("faults"), kafka.broker, flink, RECORDS)
    try:
        (outcome,) = play(place, 1, 4, KINDS, print, each_s=EACH_S)
    finally:
        place.limit(None)  # the other tests share the broker
    return outcome


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
