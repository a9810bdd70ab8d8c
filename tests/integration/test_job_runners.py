"""The same alerts, to the byte, whatever runs the job: a real topic in, files compared."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from padit.devcluster.flink import FlinkCluster
from tests.integration.helpers import ROOT, alerts_of, padit, produce, seed_case
from tests.parts import KafkaPart

FACTORY = ("--window_size_sec=120", "--extract_interval_sec=30")
SHIPPED = "--config=/dev/null"  # an empty file: the shipped configuration
RULES = f"--config={ROOT / 'pipelines' / 'demo' / 'factory.yaml'}"


class Reference(NamedTuple):
    """A topic, and the alerts of the DirectRunner with one reader."""

    input: str
    records: int
    alerts: Path


def options(request: pytest.FixtureRequest, runner: str) -> list[str]:
    """Options that choose a runner; its parts are started when they are first needed."""
    if runner == "direct":
        return []
    if runner == "prism":
        location: Path = request.getfixturevalue("prism")
        return ["--runner=PrismRunner", f"--prism_location={location}"]
    cluster: FlinkCluster = request.getfixturevalue("flink")
    return cluster.options(int(runner.removeprefix("flink-")))


@pytest.fixture(scope="module")
def seed(kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    topic = kafka.topic("seed")
    produce(kafka.bootstrap, topic, seed_case(1_767_600_000))
    alerts = tmp_path_factory.mktemp("seed") / "direct.jsonl"
    padit("replay", "--input", kafka.uri(topic), "--output", alerts, SHIPPED)
    return Reference(kafka.uri(topic), 15, alerts)


@pytest.fixture(scope="module")
def factory(kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Eight machines, five metrics, one sample a second for twenty minutes, one fault."""
    topic = kafka.topic("factory", 4)
    simulated = ["--machines=8", f"--hours={1 / 3}", "--seed=7", "--faults=heat_dissipation"]
    written = padit("simulate", *simulated, "--output", kafka.uri(topic)).summary["samples"]
    alerts = tmp_path_factory.mktemp("factory") / "direct.jsonl"
    run = padit("replay", "--input", kafka.uri(topic), "--output", alerts, RULES, *FACTORY)
    assert run.summary["scored"] == written
    return Reference(kafka.uri(topic), written, alerts)


def test_the_seed_case_raises_an_alert(seed: Reference) -> None:
    (alert,) = alerts_of(seed.alerts)
    assert alert["data"]["severity"] == "CRITICAL"


@pytest.mark.parametrize("runner", ["prism", "flink-1"])
def test_the_seed_case_raises_the_same_alert_on_every_runner(
    seed: Reference, runner: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    alerts = tmp_path / "alerts.jsonl"
    padit("replay", "--input", seed.input, "--output", alerts, SHIPPED, *options(request, runner))
    assert alerts.read_bytes() == seed.alerts.read_bytes()


def test_the_factory_with_a_fault_raises_alerts(factory: Reference) -> None:
    assert alerts_of(factory.alerts)


@pytest.mark.parametrize(
    ("runner", "shards"),
    [("direct", 2), ("prism", 1), ("prism", 2), ("flink-1", 1), ("flink-2", 1), ("flink-2", 2)],
)
def test_a_runner_with_so_many_readers_raises_the_alerts_of_the_direct_runner(
    factory: Reference, runner: str, shards: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    alerts = tmp_path / "alerts.jsonl"
    place = ["--input", factory.input, "--output", alerts, f"--read_shards={shards}"]
    run = padit("replay", *place, RULES, *FACTORY, *options(request, runner))
    assert run.summary["read"] == run.summary["scored"] == factory.records
    assert padit("diff", factory.alerts, alerts).out.startswith("equal")
    assert alerts.read_bytes() == factory.alerts.read_bytes()


def test_on_flink_each_of_two_configurations_in_one_pass_gives_what_it_gives_alone(
    factory: Reference, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    (tmp_path / "change.yaml").write_text("detectors: [{name: changepoint}]")
    place = ["replay", "--input", factory.input, *FACTORY]
    change = f"--config={tmp_path}/change.yaml"
    padit(*place, change, "--output", tmp_path / "alone.jsonl")
    both = [RULES, change, "--output", tmp_path / "alerts.jsonl", "--read_shards=2"]
    padit(*place, *both, *options(request, "flink-2"))
    assert (tmp_path / "alerts.factory.jsonl").read_bytes() == factory.alerts.read_bytes()
    alone = (tmp_path / "alone.jsonl").read_bytes()
    assert (tmp_path / "alerts.change.jsonl").read_bytes() == alone != b""


def test_alerts_in_a_topic_are_those_in_a_file(
    factory: Reference, kafka: KafkaPart, tmp_path: Path
) -> None:
    topic = kafka.uri(kafka.topic("alerts", 3))
    padit("replay", "--input", factory.input, "--output", topic, RULES, *FACTORY)
    assert padit("diff", topic, factory.alerts).out.startswith("equal")
