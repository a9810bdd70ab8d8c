"""A job that takes over from another: state from history, and every alert once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
from tests.parts import KafkaPart

START = 1_767_600_000
HELD = ("--idle_timeout_sec=3600",)


def _later(time: int) -> list[Record]:
    """Two sources that go on: one alone might have a wrong clock, and would move no watermark."""
    return [metric(source, "x", time, 1.0) for source in ("tick", "tock")]


FIRST = [*seed_case(START, "first"), *_later(START + 900)]
SECOND = [*seed_case(START + 1800, "second"), *_later(START + 3600)]


def transitions(kafka: KafkaPart, topic: str) -> list[tuple[str, bytes | None]]:
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


# Before all that was sent: only ids distinguish results. Where the old job stood: time does, too.
@pytest.mark.parametrize(
    ("runner", "live_from"),
    [("direct", START), ("direct", START + 890), ("flink", START), ("flink", START + 890)],
)
def test_two_jobs_in_turn_send_what_one_would_have_sent_each_once(
    request: pytest.FixtureRequest, kafka: KafkaPart, tmp_path: Path, runner: str, live_from: int
) -> None:
    options: list[str] = []
    if runner == "flink":
        cluster: FlinkCluster = request.getfixturevalue("flink")
        options = cluster.options()
    topic, both, one = kafka.topic("upgrade"), kafka.topic("both"), kafka.topic("one")
    produce(kafka.bootstrap, topic, FIRST)
    run_until(kafka, tmp_path, topic, both, "first", "--start_offset=earliest", *options)
    before = transitions(kafka, both)
    produce(kafka.bootstrap, topic, SECOND)
    begin = [f"--bootstrap_from={START - 60}", f"--live_from={live_from}"]
    run_until(kafka, tmp_path, topic, both, "second", *begin, *options)
    run_until(kafka, tmp_path, topic, one, "second", "--start_offset=earliest")
    union = transitions(kafka, both)
    assert len({identity for identity, _ in union}) == len(union) > len(before) > 0
    assert sorted(union) == sorted(transitions(kafka, one))


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
