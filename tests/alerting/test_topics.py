"""Alerting over topics of a real broker: it goes on where it stands, and obeys commands."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, Producer

from padit.alerting import inputs
from padit.alerting.inputs import TopicInput
from padit.alerting.records import Record
from padit.alerting.store.sqlite import SqliteStore
from padit.connectors.uris import parse_address
from padit.domain.audit import JobProgress, RunStarted, encode_record
from padit.domain.timestamps import MICROS, format_utc
from tests.alerting.making import START, cloud_event, event
from tests.alerting.receiving import Receiving, receiving
from tests.integration.helpers import read_topic
from tests.limits import allowed
from tests.parts import KafkaPart


def _produce(kafka: KafkaPart, topic: str, values: Sequence[bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + allowed(90)
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _kinds(got: Receiving) -> list[str]:
    """Of the messages, each once: one that was sent just before a kill is sent again."""
    once = {str(one["id"]): str(one["type"]) for one in got.events}
    return [kind.rsplit(".", 1)[-1] for kind in once.values()]


def test_topics_are_read_once_over_a_kill_and_commands_count(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    alerts, audit, commands, notifications = (
        kafka.topic(name) for name in ("alerts", "alerts-audit", "commands", "notification.alert")
    )
    now = (time.time_ns() // 1000 - START) / MICROS / 60  # minutes since the tests' start
    acknowledge = {
        "id": "c1", "time": format_utc(time.time_ns() // 1000), "by": "ann",
        "kind": "acknowledge", "target": {"source": "press-1"},
    }  # fmt: skip
    lost = RunStarted("run-2", "", "", True, {}, "1", moment=format_utc(time.time_ns() // 1000))
    with receiving() as got:
        (tmp_path / "c.yaml").write_text(
            f"receivers: {{ops: {{kind: webhook, url: '{got.url}'}}}}\n"
            "routes: [{name: all, receiver: ops}]\nincidents: {window: 3s}"
        )
        command = [
            sys.executable, "-m", "padit.cli.main", "alerting",
            "--config", str(tmp_path / "c.yaml"), "--alerts", kafka.uri(alerts),
            "--audit", kafka.uri(audit), "--commands", kafka.uri(commands),
            "--data", str(tmp_path / "data"), "--notifications", kafka.uri(notifications),
        ]  # fmt: skip
        _produce(kafka, alerts, [cloud_event(event("opened", now))])
        process = subprocess.Popen(command)
        try:
            _until(lambda: _kinds(got) == ["opened"])
            process.send_signal(signal.SIGKILL)
            process.wait(allowed(30))
            _produce(kafka, commands, [msgspec.json.encode(acknowledge)])
            soon = time.time_ns() // 1000 + 30 * MICROS  # behind the command's time
            _produce(kafka, audit, [encode_record(JobProgress(soon, "run-1", "s", 0, 1))])
            process = subprocess.Popen(command)
            _until(lambda: _kinds(got) == ["opened", "acknowledged"])
            _produce(kafka, audit, [encode_record(lost)])
            later = time.time_ns() // 1000 + 60 * MICROS
            for moment in (later, later + 10 * MICROS):
                _produce(kafka, audit, [encode_record(JobProgress(moment, "run-2", "s", 0, 1))])
            _until(lambda: _kinds(got) == ["opened", "acknowledged", "resolved"])
            process.send_signal(signal.SIGTERM)
            assert process.wait(allowed(30)) == 0
        finally:
            process.kill()
            process.wait(allowed(30))
    store = SqliteStore(tmp_path / "data", leading=False)
    assert store.counts()["all"] == {"handed": 1, "message delivered": 3}
    places = {place.rsplit("/", 1)[-1] for place, _ in store.positions()}
    assert places == {alerts, audit, commands, "notification.alert"}
    ids = [one.id for one in store.deliveries()]
    store.close()
    written = [msgspec.json.decode(one.value) for one in read_topic(kafka.bootstrap, notifications)
               if one.value]  # fmt: skip
    assert list(dict.fromkeys(one["id"] for one in written)) == ids
    kinds = [one["type"].rsplit(".", 1)[-1] for one in written]
    assert list(dict.fromkeys(kinds)) == ["opened", "acknowledged", "resolved"]


def test_a_broker_that_goes_away_is_waited_for(
    kafka: KafkaPart, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It ended the process, so that nobody heard of alerts until somebody started it again."""
    topic = kafka.topic("alerts")
    source = TopicInput([("alert", parse_address(kafka.uri(topic)))])
    try:
        source.seek({})
        away = Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0})
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(inputs, "_LOOK_EVERY_SECONDS", -1.0)
            meanwhile.setattr(inputs, "_GLANCE_SECONDS", 0.2)
            here, source._consumer = source._consumer, away
            assert list(source.poll(0.01)) == []
            source._consumer = here
        assert "no broker answers" in caplog.text
        away.close()
        _produce(kafka, topic, [cloud_event(event("opened", 0))])
        found: list[Record] = []

        def come() -> bool:
            found.extend(source.poll(0.1))
            return bool(found)

        _until(come)
        assert len(found) == 1
    finally:
        source.close()
