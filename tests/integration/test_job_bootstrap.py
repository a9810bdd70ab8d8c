"""A job that takes over from another: state from history, and every alert once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from padit.devcluster.flink import FlinkCluster
from tests.integration.helpers import (
    Record,
    live,
    metric,
    padit,
    produce,
    read_topic,
    seed_case,
)
from tests.limits import allowed
from tests.parts import KafkaPart

START = 1_767_600_000
HELD = ("--idle_timeout_sec=3600",)


def _later(time: int) -> list[Record]:
    """Two sources that go on: one alone might have a wrong clock, and would move no watermark."""
    return [metric(source, "x", time, 1.0) for source in ("tick", "tock")]


FIRST = [*seed_case(START, "first"), *_later(START + 900)]
SECOND = [*seed_case(START + 1800, "second"), *_later(START + 3600)]


Transitions = list[tuple[str, bytes | None]]


def transitions(kafka: KafkaPart, topic: str) -> Transitions:
    return [(one.headers["id"], one.value) for one in read_topic(kafka.bootstrap, topic)]


def run_until(
    kafka: KafkaPart, directory: Path, topic: str, alerts: str, source: str, *options: object
) -> None:
    """A live run that is stopped once it has opened an alert of a source."""
    place = ["--input", kafka.uri(topic), "--output", kafka.uri(alerts), "--audit=null"]
    with live(directory, "run", *place, *HELD, *options) as job:

        def opened() -> bool:
            events = [json.loads(value or b"{}") for _, value in transitions(kafka, alerts)]
            return any(event["source"] == f"/padit/{source}" for event in events)

        job.until(opened, 120)
        job.stop()


def copied(kafka: KafkaPart, topic: str) -> str:
    """A topic with the same records: keys, headers and times, too."""
    copy, bootstrap = kafka.topic("copy"), {"bootstrap.servers": kafka.bootstrap}
    producer = Producer({**bootstrap, "log_level": 2})
    consumer = Consumer({**bootstrap, "group.id": "copy", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    while (message := consumer.poll(allowed(10))) is not None and message.error() is None:
        producer.produce(
            copy, message.value(), message.key(), partition=0,
            timestamp=message.timestamp()[1], headers=message.headers(),
        )  # fmt: skip
    consumer.close()
    assert producer.flush(allowed(10)) == 0
    assert read_topic(kafka.bootstrap, copy) == read_topic(kafka.bootstrap, topic)
    return copy


@pytest.fixture(scope="module")
def by_one_job(kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory) -> Transitions:
    """What a job sends that reads everything."""
    topic, alerts = kafka.topic("all"), kafka.topic("one")
    produce(kafka.bootstrap, topic, FIRST + SECOND)
    place = tmp_path_factory.mktemp("one")
    run_until(kafka, place, topic, alerts, "second", "--start_offset=earliest")
    return transitions(kafka, alerts)


class Before(NamedTuple):
    """What the first of two jobs leaves.

    Attributes:
        options: of its runner.
        topic: its input, to which what came since was added.
        alerts: its output.
    """

    options: list[str]
    topic: str
    alerts: str


@pytest.fixture(scope="module", params=["direct", "flink"])
def before(
    request: pytest.FixtureRequest, kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory
) -> Before:
    options: list[str] = []
    if request.param == "flink":
        cluster: FlinkCluster = request.getfixturevalue("flink")
        options = cluster.options()
    topic, alerts = kafka.topic("upgrade"), kafka.topic("first")
    produce(kafka.bootstrap, topic, FIRST)
    place = tmp_path_factory.mktemp("first")
    run_until(kafka, place, topic, alerts, "first", "--start_offset=earliest", *options)
    produce(kafka.bootstrap, topic, SECOND)
    return Before(options, topic, alerts)


# Before all that was sent: only ids distinguish results. Where the old job stood: time does, too.
@pytest.mark.parametrize("live_from", [START, START + 890])
def test_two_jobs_in_turn_send_what_one_would_have_sent_each_once(
    kafka: KafkaPart, tmp_path: Path, by_one_job: Transitions, before: Before, live_from: int
) -> None:
    both = copied(kafka, before.alerts)
    begin = [f"--bootstrap_from={START - 60}", f"--live_from={live_from}", *before.options]
    run_until(kafka, tmp_path, before.topic, both, "second", *begin)
    union, first = transitions(kafka, both), transitions(kafka, before.alerts)
    assert len({identity for identity, _ in union}) == len(union) > len(first) > 0
    assert sorted(union) == sorted(by_one_job)


def test_by_default_nothing_of_the_past_is_sent(kafka: KafkaPart, tmp_path: Path) -> None:
    topic, alerts = kafka.topic("warm"), tmp_path / "alerts.jsonl"
    produce(kafka.bootstrap, topic, FIRST)
    place = ["--input", kafka.uri(topic), "--output", alerts, *HELD]
    with live(tmp_path, "run", *place, "--bootstrap_from=earliest") as job:
        job.until(lambda: "17 records" in job.said)
        summary = job.stop().summary
    assert summary["alerts"] == 1  # found, and not sent
    assert alerts.read_bytes() == b""


@pytest.mark.parametrize(
    ("verb", "options", "words"),
    [
        ("run", ["--bootstrap_from=6 hours"], "none of -6h"),
        ("run", ["--bootstrap_from=-1h", "--start_offset=3"], "give one of them"),
        ("run", ["--bootstrap_from=-1h", "--live_from=-2h"], "is not before --live_from=-2h"),
        ("run", ["--live_from=-2h"], "needs --bootstrap_from"),
        ("run", ["--decisions=a.audit.jsonl"], "goes with `padit replay`"),
        ("replay", ["--bootstrap_from=-1h"], "goes with `padit run`"),
    ],
)
def test_a_start_that_makes_no_sense_is_refused(
    tmp_path: Path, verb: str, options: list[str], words: str
) -> None:
    place = ["--input=kafka://127.0.0.1:1/t", "--output", tmp_path / "a.jsonl"]
    assert words in padit(verb, *place, *options, code=2).err
