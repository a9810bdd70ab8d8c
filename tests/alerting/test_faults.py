"""Ten kills of `make faults-alerting`, on each kind of store."""

from pathlib import Path

from tests.alerting.faults import play
from tests.postgres import Postgres, postgres


def test_killed_at_random_nothing_is_lost_doubled_or_overtaken(tmp_path: Path) -> None:
    verdict = play(tmp_path, 6, seed=7)
    assert verdict.good, verdict
    assert verdict.kills == 6


def test_with_its_database_killed_too_nothing_is_lost_doubled_or_overtaken(
    tmp_path: Path,
) -> None:
    with postgres(tmp_path / "own") as server:
        assert isinstance(server, Postgres)
        verdict = play(tmp_path, 10, seed=8, server=server)
    assert verdict.good, verdict
    assert (verdict.kills, verdict.database_kills, verdict.in_transaction) == (9, 1, 1)
