"""Clocks: a wild one on a topic, whose clock records carry, and a partition that is added."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path

from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from padit.analysis.audit_log import read_audit_log
from padit.cli.checks.findings import Level
from padit.cli.checks.services import check_broker
from padit.domain.audit import IdlenessDecision
from tests.integration.helpers import (
    Live,
    alerts_of,
    live,
    metric,
    padit,
    produce,
    residue,
    seed_case,
    wait_for,
)
from tests.parts import KafkaPart

START = 1_767_600_000
DAY = 86_400


def _admin(kafka: KafkaPart) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})


def _stamp_by_broker(kafka: KafkaPart, topic: str) -> None:
    entry = ConfigEntry(
        "message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET
    )
    wanted = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin = _admin(kafka)  # an answer is freed with its client
    for future in admin.incremental_alter_configs([wanted]).values():
        future.result(30)


def _has_begun(job: Live) -> bool:
    return "records, " in job.said


def test_a_producer_two_days_ahead_makes_no_other_late(kafka: KafkaPart, tmp_path: Path) -> None:
    topic, dlq = kafka.topic("wild"), tmp_path / "dlq.jsonl"
    records = [
        one
        for second in range(0, 1200, 10)
        for one in (
            metric("good", "rtt_ms", START + second, 5.0),
            metric("wild", "rtt_ms", START + second + 2 * DAY, 5.0),
        )
    ]
    produce(kafka.bootstrap, topic, records)
    place = ["--input", kafka.uri(topic), "--output", "null", "--dlq", dlq]
    summary = padit("replay", *place).summary
    assert summary["late"] == 0
    assert residue(summary) == 0
    letters = [json.loads(one) for one in dlq.read_text().splitlines()]
    assert summary["dead_lettered"] == len(letters) > 100
    assert all("set the clock of its producer" in one["reason"] for one in letters)


def test_doctor_and_the_start_of_a_run_say_whose_clock_the_records_carry(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    topic = kafka.topic("clock")
    for level, warned in ((Level.WARNING, True), (Level.OK, False)):
        found = {one.check: one for one in check_broker(kafka.bootstrap, topic)}["record time"]
        assert found.level is level
        assert ("--add-config message.timestamp.type=LogAppendTime" in found.fix) == warned
        place = ["--input", kafka.uri(topic), "--output", tmp_path / "alerts.jsonl"]
        with live(tmp_path, "run", *place) as job:
            wait_for(partial(_has_begun, job))
            assert ("message.timestamp.type=CreateTime" in job.stop().err) == warned
        _stamp_by_broker(kafka, topic)


def test_a_replay_with_decisions_repeats_a_run_whose_topic_grew_a_partition(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    topic, alerts, again = kafka.topic("grows"), tmp_path / "live.jsonl", tmp_path / "again.jsonl"
    source = f"{kafka.uri(topic)}?look_for_partitions_sec=1"
    begin = int(time.time()) // 60 * 60 - 1800
    held = ["--idle_timeout_sec=600", "--out_of_orderness_sec=1"]
    produce(kafka.bootstrap, topic, seed_case(begin, "old"))
    with live(tmp_path, "run", "--input", source, "--output", alerts, "--start_offset=earliest",
              *held) as job:  # fmt: skip
        job.until(lambda: alerts_of(alerts))
        admin = _admin(kafka)
        admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
        audit = tmp_path / "live.audit.jsonl"
        job.until(lambda: "partitions were added and are read, too: 1" in job.said)
        # Older than where the partition begins: late by that decision alone.
        old = [metric("new", "rtt_ms", begin - 600 + 10 * i, 90.0, partition=1) for i in range(30)]
        produce(kafka.bootstrap, topic, [*old, *seed_case(begin + 180, "new", partition=1)])
        produce(kafka.bootstrap, topic, [metric("old", "rtt_ms", begin + 900, 5.0)])
        produce(kafka.bootstrap, topic, [metric("new", "rtt_ms", begin + 900, 5.0, partition=1)])
        job.until(lambda: [one for one in alerts_of(alerts) if one["source"] == "/padit/new"])
        assert job.stop().summary["late"] == len(old)
    decided = [one for one in read_audit_log(str(audit)) if isinstance(one, IdlenessDecision)]
    assert [list(one.watermarks) for one in decided] == [[1]]
    place = ["--input", kafka.uri(topic), "--output", again, *held]
    summary = padit("replay", *place, f"--decisions={audit}").summary
    assert summary["late"] == len(old)
    during = alerts.read_bytes()
    assert again.read_bytes()[: len(during)] == during
