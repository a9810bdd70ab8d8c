"""Alerts: identities that repeat in every run, and the event a sink delivers."""

import json

import msgspec
import pytest

from padit.domain.alert import Alert, Transition, alert_id, severity_of
from padit.domain.metric import Series


def _alert() -> Alert:
    return Alert(
        id=alert_id(Series("a/b", "m"), "rule", 5),
        source_id="a/b",
        metric_name="m",
        severity="CRITICAL",
        score=1.0,
        summary="m of a/b: ü",
        evidence={"text": "x"},
        detector={"name": "rule", "version": 1},
        event_time="2026-01-01T00:00:00.000000Z",
        opened="2026-01-01T00:00:00.000000Z",
    )


def test_an_alert_has_the_same_id_in_every_run() -> None:
    assert alert_id(Series("cell-7", "rtt_ms"), "rule", 1_767_323_045_000_000) == (
        "5f02e3c290ce092a5cdcfc2682cb6f6c"
    )


def test_names_that_only_together_are_equal_have_different_ids() -> None:
    ids = {
        alert_id(Series("ab", "c"), "d", 1),
        alert_id(Series("a", "bc"), "d", 1),
        alert_id(Series("a", "b"), "cd", 1),
        alert_id(Series("ab", "c"), "d", 11),
        alert_id(Series("ab", "c"), "d1", 1),
        alert_id(Series("1:ab", "c"), "d", 1),
    }
    assert len(ids) == 6


def test_every_step_of_an_alert_has_an_id_of_its_own() -> None:
    alert = _alert()
    steps = [
        Transition("opened", 5, alert),
        Transition("updated", 5, alert),
        Transition("updated", 6, alert),
        Transition("resolved", 6, alert),
    ]
    assert len({step.id for step in steps}) == 4
    assert Transition("opened", 5, _alert()).id == steps[0].id


def test_a_step_is_a_cloud_event_with_the_alert_inside() -> None:
    step = Transition("opened", 1_767_225_600_000_000, _alert())
    data = step.to_cloud_event()
    assert b"\n" not in data
    event = json.loads(data)
    assert {name: event[name] for name in event if name != "data"} == {
        "specversion": "1.0",
        "id": step.id,
        "source": "/padit/a/b",
        "type": "io.padit.alert.opened",
        "subject": "m",
        "time": "2026-01-01T00:00:00.000000Z",
        "datacontenttype": "application/json",
    }
    inside = event["data"]
    assert (inside["id"], inside["severity"], inside["summary"]) == (
        _alert().id,
        "CRITICAL",
        "m of a/b: ü",
    )
    assert list(inside) == [
        "id", "source_id", "metric_name", "severity", "score", "summary", "evidence", "detector",
        "event_time", "opened", "tags", "metadata", "acknowledged", "acknowledged_by",
        "acknowledged_at", "resolved", "resolved_by", "resolved_at",
    ]  # fmt: skip


def test_an_alert_of_the_job_knows_no_people_and_its_event_has_their_fields_empty() -> None:
    assert not [name for name in Alert.__struct_fields__ if "acknowledged" in name]
    ended = msgspec.structs.replace(_alert(), resolved=True, resolved_by="padit", resolved_at="t")
    inside = json.loads(Transition("resolved", 5, ended).to_cloud_event())["data"]
    people = {name: value for name, value in inside.items() if name.startswith("acknowledged")}
    assert people == {"acknowledged": False, "acknowledged_by": None, "acknowledged_at": None}
    assert (inside["resolved"], inside["resolved_by"]) == (True, "padit")


def test_an_event_with_what_people_did_is_read_as_what_the_job_said() -> None:
    """Events of before, or of another program, may say so."""
    inside = json.loads(Transition("opened", 5, _alert()).to_cloud_event())["data"]
    inside |= {"acknowledged": True, "acknowledged_by": "ann", "acknowledged_at": "2026"}
    assert msgspec.convert(inside, Alert) == _alert()


def test_labels_and_family_of_an_alert_stand_in_its_event_where_there_are_any() -> None:
    alert = msgspec.structs.replace(_alert(), labels={"site": "a"}, metric_type="latency")
    inside = json.loads(Transition("opened", 5, alert).to_cloud_event())["data"]
    assert (inside["labels"], inside["metric_type"]) == ({"site": "a"}, "latency")


def test_the_same_step_always_has_the_same_bytes() -> None:
    first, second = (Transition("opened", 5, _alert()).to_cloud_event() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("score", "severity"),
    [(0.0, "INFO"), (0.699, "INFO"), (0.7, "WARNING"), (0.899, "WARNING"), (0.9, "CRITICAL")],
)
def test_severity_begins_at_its_limit(score: float, severity: str) -> None:
    assert severity_of(score) == severity
