"""A live run: stopped cleanly, accounted for, and the beginning of what a replay gives."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from padit.analysis.alert_files import read_events
from padit.analysis.audit_log import read_audit_log
from padit.devcluster.flink import FlinkCluster
from padit.domain.audit import RunStarted, decode_record
from tests.integration.helpers import (
    Record,
    alerts_of,
    live,
    padit,
    produce,
    read_topic,
    residue,
    seed_case,
    wait_for,
)
from tests.limits import allowed
from tests.parts import KafkaPart

START = 1_767_600_000
# Event time stands still when nothing comes: what is open at the stop stays open.
HELD = ("--start_offset=earliest", "--idle_timeout_sec=3600")


def _options(request: pytest.FixtureRequest, runner: str) -> list[str]:
    if runner == "direct":
        return []
    cluster: FlinkCluster = request.getfixturevalue("flink")
    return cluster.options()


class Stopped(NamedTuple):
    """What a live run over a seed case wrote until it was stopped, and what a replay writes."""

    summary: dict[str, Any]
    during: list[bytes]
    whole: list[bytes]


@pytest.fixture(scope="module", params=["direct", "flink"])
def stopped(
    request: pytest.FixtureRequest, kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory
) -> Stopped:
    directory = tmp_path_factory.mktemp("stopped")
    topic, alerts, again = kafka.topic("live"), directory / "live.jsonl", directory / "replay.jsonl"
    place = ["--input", kafka.uri(topic), "--output", alerts, *HELD]
    produce(kafka.bootstrap, topic, seed_case(START))
    with live(directory, "run", *place, *_options(request, request.param)) as job:
        job.until(lambda: alerts_of(alerts), 120)
        summary = job.stop().summary
    padit("replay", "--input", kafka.uri(topic), "--output", again)
    during, whole = ([event.line for event in read_events(str(path))] for path in (alerts, again))
    return Stopped(summary, during, whole)


def test_a_live_run_that_is_stopped_has_written_the_beginning_of_its_replay(
    stopped: Stopped,
) -> None:
    assert 0 < len(stopped.during) < len(stopped.whole)
    assert stopped.during == stopped.whole[: len(stopped.during)]


def test_a_live_run_that_is_stopped_accounts_for_every_record(stopped: Stopped) -> None:
    assert stopped.summary["read"] == 15
    assert stopped.summary["waiting"] > 0  # of the last window, which is open
    assert residue(stopped.summary) == 0


def _jobs(cluster: FlinkCluster) -> dict[str, str]:
    return {job["id"]: job["status"] for job in cluster.rest("/jobs")["jobs"]}


def _cancel(cluster: FlinkCluster, job: str) -> None:
    url = f"{cluster.rest_url}/jobs/{job}?mode=cancel"
    request = urllib.request.Request(url, method="PATCH")  # noqa: S310 - http only
    with urllib.request.urlopen(request, timeout=allowed(10)) as answer:  # noqa: S310
        assert answer.status == 202
    wait_for(lambda: _jobs(cluster)[job] == "CANCELED", 60)


def test_a_detached_job_goes_on_after_the_command_has_returned(
    kafka: KafkaPart, flink: FlinkCluster, tmp_path: Path
) -> None:
    topic, alerts = kafka.topic("detached"), tmp_path / "alerts.jsonl"
    before = set(_jobs(flink))
    place = ["--input", kafka.uri(topic), "--output", alerts, *HELD]
    said = padit("run", *place, *flink.options(), "--detach").out
    wait_for(lambda: set(_jobs(flink)) - before, 60)
    (job,) = set(_jobs(flink)) - before
    assert json.loads(said) == {"flink": flink.rest_url, "job": job}
    try:
        produce(kafka.bootstrap, topic, seed_case(START))
        wait_for(lambda: alerts_of(alerts), 90)
    finally:
        _cancel(flink, job)


def test_a_stop_ends_the_own_job_and_not_another_of_the_same_name(
    kafka: KafkaPart, flink: FlinkCluster, tmp_path: Path
) -> None:
    name, before = "--job_name=press_line_3", set(_jobs(flink))

    def job_options(alerts: Path) -> list[object]:
        topic = kafka.topic("named")
        produce(kafka.bootstrap, topic, seed_case(START))
        return ["--input", kafka.uri(topic), "--output", alerts, name, *flink.options(), *HELD]

    padit("run", *job_options(tmp_path / "other.jsonl"), "--detach")
    wait_for(lambda: set(_jobs(flink)) - before, 60)
    (other,) = set(_jobs(flink)) - before
    try:
        alerts = tmp_path / "alerts.jsonl"
        with live(tmp_path, "run", *job_options(alerts)) as job:
            job.until(lambda: alerts_of(alerts), 120)
            assert job.stop().summary["read"] == 15
        (stopped,) = set(_jobs(flink)) - before - {other}
        found = _jobs(flink)
        assert (found[stopped], found[other]) == ("CANCELED", "RUNNING")
    finally:
        _cancel(flink, other)


def test_a_live_run_without_a_start_reads_only_what_comes(kafka: KafkaPart, tmp_path: Path) -> None:
    topic, alerts = kafka.topic("latest"), tmp_path / "alerts.jsonl"
    produce(kafka.bootstrap, topic, seed_case(START, "before"))
    place = ["--input", kafka.uri(topic), "--output", alerts, "--idle_timeout_sec=1"]
    now = int(time.time()) // 60 * 60 - 180
    with live(tmp_path, "run", *place) as job:
        # The output is made when the job begins, which is after it has asked where topics end.
        job.until(alerts.exists)
        produce(kafka.bootstrap, topic, seed_case(now, "after"))
        job.until(lambda: alerts_of(alerts))
        assert job.stop().summary["read"] == 15
    assert {alert["source"] for alert in alerts_of(alerts)} == {"/padit/after"}


def test_a_replay_repeats_the_decisions_of_a_live_run_about_an_idle_partition(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    """A partition becomes idle, and comes back with rows of windows that are closed."""
    topic, alerts = kafka.topic("back", 2), tmp_path / "alerts.jsonl"
    place = ["--input", kafka.uri(topic), "--output"]
    produce(kafka.bootstrap, topic, [*seed_case(START), *seed_case(START, "early", 1)[:1]])
    quick = ["--start_offset=earliest", "--idle_timeout_sec=2"]
    with live(tmp_path, "run", *place, alerts, *quick) as job:
        job.until(lambda: alerts_of(alerts))
        produce(kafka.bootstrap, topic, seed_case(START, "back", partition=1))
        job.until(lambda: "31 records" in job.said)
        summary = job.stop().summary
    assert summary["late"] == 15
    audit = tmp_path / "alerts.audit.jsonl"
    again, without = tmp_path / "again.jsonl", tmp_path / "without.jsonl"
    repeated = padit("replay", *place, again, "--decisions", audit).summary
    told = kafka.topic("back-audit", 2)
    records = audit.read_bytes().splitlines()
    produce(kafka.bootstrap, told, [Record(one, START, n % 2) for n, one in enumerate(records)])
    from_topic = tmp_path / "from_topic.jsonl"
    padit("replay", *place, from_topic, "--decisions", kafka.uri(told))
    assert from_topic.read_bytes() == again.read_bytes()
    padit("replay", *place, without)
    lines = [event.line for event in read_events(str(alerts))]
    assert repeated["late"] == 15
    assert [event.line for event in read_events(str(again))][: len(lines)] == lines
    assert {alert["source"] for alert in alerts_of(again)} == {"/padit/cell-7"}
    assert {alert["source"] for alert in alerts_of(without)} == {"/padit/cell-7", "/padit/back"}


@pytest.mark.parametrize("runner", ["direct", "flink"])
def test_a_live_job_that_is_started_again_keeps_its_alerts_and_warns_of_its_lost_state(
    request: pytest.FixtureRequest, kafka: KafkaPart, tmp_path: Path, runner: str
) -> None:
    """As a service manager does after a crash: the same command, without a savepoint."""
    topic, alerts = kafka.topic("again"), tmp_path / "alerts.jsonl"
    place = ["--input", kafka.uri(topic), "--output", alerts, *HELD[1:]]
    begin = ["--start_offset=earliest", *_options(request, runner)]
    produce(kafka.bootstrap, topic, seed_case(START))
    with live(tmp_path, "run", *place, *begin) as job:
        job.until(lambda: alerts_of(alerts), 120)
        job.stop()
    before = alerts.read_bytes()
    produce(kafka.bootstrap, topic, seed_case(START + 3600, "later"))
    with live(tmp_path, "run", *place, *begin) as job:
        job.until(lambda: len(alerts_of(alerts)) > 1, 120)
        job.stop()
    assert alerts.read_bytes().startswith(before)
    lines = alerts.read_bytes().splitlines()
    assert len(set(lines)) == len(lines)
    started = [
        record
        for record in read_audit_log(f"{tmp_path}/alerts.audit.jsonl")
        if isinstance(record, RunStarted)
    ]
    assert [(one.live, one.ranges) for one in started] == 2 * [(True, {0: (0, None)})]
    assert started[0].run != started[1].run
    assert started[0].shape == started[1].shape
    refused = padit("replay", "--input", kafka.uri(topic), "--output", alerts, code=2)
    assert "live run over" in refused.err
    assert alerts.read_bytes().startswith(before)


def test_a_start_without_state_is_recorded_on_the_topic_before_its_results(
    kafka: KafkaPart,
) -> None:
    topic, alerts = kafka.topic("told"), kafka.topic("told-alerts")
    produce(kafka.bootstrap, topic, seed_case(START))
    padit("replay", "--input", kafka.uri(topic), "--output", kafka.uri(alerts))
    first, *others = read_topic(kafka.bootstrap, f"{alerts}-audit")
    record = decode_record(first.value or b"")
    assert isinstance(record, RunStarted)
    assert (record.source, record.ranges) == (topic, {0: (0, 15)})
    assert others
