"""`padit look` on a topic of a real broker."""

import json
from typing import Any

import pytest

from padit.cli.main import main
from padit.ops.run_context import RunContext
from tests.integration.helpers import Record, metric, produce
from tests.parts import KafkaPart
from tests.pipelines.seed import RULE, START

Capture = pytest.CaptureFixture[str]


def _look(capsys: Capture, *argv: str, code: int = 0) -> Any:
    assert main(["look", *argv, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_last_records_of_each_partition_are_looked_at(
    kafka: KafkaPart, capsys: Capture
) -> None:
    topic = kafka.topic("metrics", 3)
    produce(
        kafka.bootstrap,
        topic,
        [metric(f"cell-{i % 2}", "rtt_ms", START + i, 5.0, i % 2, unit="ms") for i in range(400)],
    )
    found = _look(capsys, kafka.uri(topic), "--records=50")
    assert (found["partitions"], found["present"], found["looked_at"]) == (3, 400, 100)
    assert (found["read"], found["usable"], found["lost"]) == (100, 100, [])
    assert [(one["source_id"], one["samples"], one["interval_sec"]) for one in found["series"]] == [
        ("cell-0", 50, 2), ("cell-1", 50, 2),
    ]  # fmt: skip
    assert found["series"][1]["last"] == "2026-01-01T00:06:39.000000Z"
    uri = kafka.uri(topic)
    assert found["command"] == f"padit run --input {uri} --output alerts.jsonl"
    assert main(["look", uri]) == 0
    assert "400 records in 3 partitions, all looked at" in " ".join(capsys.readouterr().out.split())


def test_foreign_and_late_records_of_a_topic_are_named_with_partition_and_offset(
    kafka: KafkaPart, capsys: Capture
) -> None:
    topic = kafka.topic("mixed", 2)
    records = [metric("a", "m", START + i, 1.0) for i in range(200)]
    records[100:100] = [metric("a", "m", START - 900, 1.0)]
    records += [Record(b'{"specversion": "1.0", "data": {}}', START + i, 1) for i in range(3)]
    produce(kafka.bootstrap, topic, records)
    found = _look(capsys, kafka.uri(topic))
    assert (found["usable"], found["late"], found["dead_lettered"]) == (200, 1, 3)
    foreign, late = found["lost"]
    assert f'{topic}, partition 1, offset 0: {{"specversion"' in foreign["example"]
    assert f"late: {topic}, partition 0 is up to 16.6 min out of order" in late["what"]
    assert late["remedy"] == "--out_of_orderness_sec=1020"
    assert found["command"].endswith(" --out_of_orderness_sec=1020")


def test_an_empty_topic_ends_with_3(kafka: KafkaPart, capsys: Capture) -> None:
    found = _look(capsys, kafka.uri(kafka.topic("empty", 2)), code=3)
    assert (found["present"], found["read"]) == (0, 0)


def test_a_topic_that_does_not_exist_ends_with_3(kafka: KafkaPart, capsys: Capture) -> None:
    assert main(["look", kafka.uri("nowhere-to-be-found")]) == 3
    assert "does not exist" in capsys.readouterr().err


def test_reasons_come_from_the_audit_topic_where_readers_run_elsewhere(
    kafka: KafkaPart, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The readers of a cluster have no other way to the command than the audit log."""
    topic, alerts = kafka.topic("metrics"), kafka.uri(kafka.topic("alerts"))
    records = [metric("a", "m", START + i, 1.0) for i in range(20)]
    records += [Record(b"{}", START + i) for i in range(5)]
    produce(kafka.bootstrap, topic, records)
    monkeypatch.setattr(RunContext, "losses", lambda self: None)
    argv = ["replay", f"--input={kafka.uri(topic)}", f"--output={alerts}", RULE]
    for _ in range(2):  # the topic then holds the records of two runs
        assert main(argv) == 3
        error = capsys.readouterr().err
        assert "5 of 25 values (20 %) were lost" in error
        assert "  20 % (5) unusable, such as: Object missing required field" in error
        assert f"example: {topic}, partition 0, offset 20: {{}}" in error
