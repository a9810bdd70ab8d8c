"""`padit why-not` says which alerts peers silenced, and which peers."""

from pathlib import Path

import pytest

from padit.analysis.silenced import silenced_lines
from padit.cli.main import main
from padit.domain.audit import FleetTotals, Record, Silenced, Witness, decode_record, encode_record

OPENED = "2026-01-05T08:15:30Z"
SILENCED = Silenced(
    alert="id",
    source_id="host-5",
    metric_name="load",
    time=1_767_600_930_000_000,
    opened=OPENED,
    value=59.5,
    usual=50.0,
    peers=(Witness("host-4", 60.5, OPENED), Witness("host-2", 61.5, OPENED)),
    option="alerts: {peers: null} tells all of them",
)


def test_a_silenced_alert_comes_back_from_the_audit_log() -> None:
    for one in (SILENCED, FleetTotals(3, 2, 1)):
        assert decode_record(encode_record(one)) == one


def test_only_alerts_of_the_series_near_the_time_are_named() -> None:
    records: list[Record] = [FleetTotals(1, 1, 0), SILENCED]
    (line,) = silenced_lines(records, ("host-5", "load"), SILENCED.time, 1)
    assert "59.5, where 50 is usual" in line
    assert "host-4 (60.5" in line
    assert "host-2 (61.5" in line
    assert not list(silenced_lines(records, ("host-4", "load"), None, 1))
    assert not list(silenced_lines(records, ("host-5", "load"), SILENCED.time + 10, 1))


def test_why_not_names_the_peers_and_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "alerting.yaml").write_text("{}")
    (tmp_path / "alerts.jsonl").write_text("")
    (tmp_path / "audit.jsonl").write_bytes(encode_record(SILENCED) + b"\n")
    places = [f"--{name}={tmp_path}/{name}.jsonl" for name in ("alerts", "audit")]
    place = ["why-not", "host-5", "load", "--at", OPENED, f"--config={tmp_path}/alerting.yaml"]
    assert main([*place, *places]) == 1
    said = capsys.readouterr().out
    assert "host-4" in said
    assert "peers: null" in said
