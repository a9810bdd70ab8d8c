"""No data from a topic of several partitions: the same bytes whatever runs the job."""

import json
import time
from pathlib import Path

import pytest

from tests.integration.helpers import Record, alerts_of, live, metric, padit, produce
from tests.integration.test_job_runners import options
from tests.parts import KafkaPart

START = 1_767_600_000


def _records() -> list[Record]:
    """Six sources on three partitions; one stops for good, one for ten minutes, one is hourly."""
    return [
        metric(f"m{source}", "rpm", START + second, 5.0 + second % 7, source % 3)
        for second in range(0, 20 * 3600, 60)
        for source in range(6)
        if not (source == 1 and second >= 7200)
        and not (source == 2 and 3600 <= second < 4800)
        and not (source == 3 and second % 3600)
    ]


LIVE = ("--window_size_sec=10", "--extract_interval_sec=1", "--out_of_orderness_sec=1",
        "--idle_timeout_sec=1")  # fmt: skip


@pytest.fixture(scope="module")
def stopping(kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, str]:
    """A topic, the alerts of the DirectRunner with one reader, and the configuration."""
    folder = tmp_path_factory.mktemp("stopping")
    config = folder / "job.yaml"
    config.write_text("detectors: [{name: rule}, {name: no_data}]")
    topic = kafka.topic("stopping", 3)
    produce(kafka.bootstrap, topic, _records())
    alerts = folder / "direct.jsonl"
    padit("replay", "--input", kafka.uri(topic), "--output", alerts, f"--config={config}")
    return kafka.uri(topic), alerts, f"--config={config}"


def test_only_a_source_that_stopped_is_reported(stopping: tuple[str, Path, str]) -> None:
    told = [
        (one["type"].rpartition(".")[2], one["data"]["source_id"], one["data"]["event_time"][11:16])
        for one in map(json.loads, stopping[1].read_text().splitlines())
    ]
    assert [one for one in told if one[1] == "m2"] == [
        ("opened", "m2", "09:04"), ("updated", "m2", "09:19"), ("resolved", "m2", "09:25"),
    ]  # fmt: skip
    assert [one[:2] for one in told if one[1] == "m1"] == [
        ("opened", "m1"), ("updated", "m1"), ("resolved", "m1"),
    ]  # fmt: skip
    assert {source for _, source, _ in told} == {"m1", "m2"}


@pytest.mark.parametrize(
    ("runner", "shards"), [("direct", 3), ("prism", 2), ("flink-1", 1), ("flink-2", 2)]
)
def test_every_runner_gives_the_same_no_data_alerts(
    stopping: tuple[str, Path, str],
    runner: str,
    shards: int,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    topic, expected, config = stopping
    alerts = tmp_path / "alerts.jsonl"
    place = ["--input", topic, "--output", alerts, f"--read_shards={shards}", config]
    summary = padit("replay", *place, *options(request, runner)).summary
    assert alerts.read_bytes() == expected.read_bytes()
    assert (summary["series"], summary["warm"]) == (6, 6)
    assert summary["judged"] == {"rule": 6, "no_data": 6}


def test_live_a_source_without_data_is_reported_and_a_replay_repeats_it(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    config = tmp_path / "job.yaml"
    config.write_text("detectors: [{name: no_data, parameters: {minimum_sec: 3}}]")
    topic, alerts, again = kafka.topic("stops"), tmp_path / "live.jsonl", tmp_path / "again.jsonl"
    place = ["--input", kafka.uri(topic), f"--config={config}", *LIVE]
    begin = int(time.time()) - 60
    produce(kafka.bootstrap, topic, [metric("m", "rpm", begin + i, 5.0) for i in range(60)])
    with live(tmp_path, "run", *place, "--output", alerts, "--start_offset=earliest") as job:
        job.until(lambda: alerts_of(alerts), 60)
        # It comes back; what follows of it moves the watermarks past the end of the alert.
        back = int(time.time()) + 1
        produce(kafka.bootstrap, topic, [metric("m", "rpm", back + i, 5.0) for i in range(20)])
        job.until(lambda: b"resolved" in alerts.read_bytes(), 60)
        job.stop()
    decisions = f"--decisions={tmp_path}/live.audit.jsonl"
    padit("replay", *place, "--output", again, decisions)
    during, whole = alerts.read_bytes().splitlines(), again.read_bytes().splitlines()
    assert "no sample for 5.0 s; usual gap 1.0 s" in json.loads(during[0])["data"]["summary"]
    assert whole[: len(during)] == during
