"""`padit explain` against a real broker: alerts, audit log and rows in topics, and bad input."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from padit.cli.main import main
from tests.analysis.explaining import noisy_lines
from tests.parts import KafkaPart
from tests.pipelines.seed import NEXT_HOUR, line, seed_lines, with_rule

Capture = pytest.CaptureFixture[str]


class Topics(NamedTuple):
    """URIs of one run, and the id of its first alert."""

    input: str
    alerts: str
    alert: str


def _produce(kafka: KafkaPart, topic: str, lines: Sequence[bytes], partition: int = 0) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for one in lines:
        producer.produce(topic, one, partition=partition)
        producer.poll(0)
    assert producer.flush(30) == 0


def _run(kafka: KafkaPart, topic: str, capsys: Capture, *options: str) -> Topics:
    alerts = kafka.uri(kafka.topic("alerts"))
    assert (
        main(["replay", f"--input={kafka.uri(topic)}", f"--output={alerts}", *with_rule(options)])
        == 0
    )
    assert main(["explain", "nothing", "--from", alerts]) == 2
    (listed,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("  ")][:1]
    return Topics(kafka.uri(topic), alerts, listed.split()[0])


@pytest.fixture
def early(kafka: KafkaPart) -> str:
    """A topic whose rows of the alert do not stand at its beginning."""
    topic = kafka.topic("metrics", 2)
    _produce(kafka, topic, [line(i - 4000, 5.0, "probe-2") for i in range(40)])
    _produce(kafka, topic, [*seed_lines(), NEXT_HOUR])
    _produce(kafka, topic, [line(3600, 1.0, "probe-3")], 1)
    return topic


def test_an_alert_in_a_topic_is_recomputed_from_a_topic(
    kafka: KafkaPart, early: str, capsys: Capture
) -> None:
    run = _run(kafka, early, capsys)
    assert main(["explain", run.alert, "--from", run.alerts, "--input", run.input]) == 0
    out = capsys.readouterr().out
    assert out.endswith("equal: 2 transitions, every byte, from the rows\n")
    assert "note" not in out


def test_detectors_that_remember_give_every_byte_again_from_a_topic(
    kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory, capsys: Capture
) -> None:
    config = tmp_path_factory.mktemp("config") / "job.yaml"
    config.write_text("detectors: [{name: changepoint, parameters: {threshold: 8}}]")
    topic = kafka.topic("metrics")
    _produce(kafka, topic, noisy_lines())
    windows = ("--window_size_sec=120", "--extract_interval_sec=30")
    run = _run(kafka, topic, capsys, f"--config={config}", *windows)
    place = ["--from", run.alerts, "--input", run.input, "--config", str(config)]
    assert main(["explain", run.alert, *place]) == 0
    assert "every byte" in capsys.readouterr().out


def test_rows_that_retention_has_deleted_are_named(
    kafka: KafkaPart, early: str, capsys: Capture
) -> None:
    run = _run(kafka, early, capsys)
    _delete_before(kafka, early, 45)
    assert main(["explain", run.alert, "--from", run.alerts, "--input", run.input]) == 2
    err = capsys.readouterr().err
    assert f"partition 0 of {early} begins at offset 45: offsets 0 to 44" in err
    assert "are gone (retention); leave out --input to use the evidence alone" in err
    assert main(["explain", run.alert, "--from", run.alerts]) == 0


def test_the_rest_is_read_with_an_explicit_start_time(
    kafka: KafkaPart, early: str, capsys: Capture
) -> None:
    run = _run(kafka, early, capsys)
    _delete_before(kafka, early, 10)
    places = ["--from", run.alerts, "--input", run.input]
    # The job read the topic in one batch, so that its first offset may hold rows, too.
    assert main(["explain", run.alert, *places]) == 2
    capsys.readouterr()
    assert main(["explain", run.alert, *places, "--start_time=2020-01-01T00:00:00Z"]) == 0
    assert "every byte" in capsys.readouterr().out


def test_a_topic_without_these_records_is_an_error(
    kafka: KafkaPart, early: str, capsys: Capture
) -> None:
    run = _run(kafka, early, capsys)
    other = kafka.topic("other")
    _produce(kafka, other, [line(i, 5.0, "probe-7") for i in range(9)])
    assert main(["explain", run.alert, "--from", run.alerts, "--input", kafka.uri(other)]) == 1
    out = capsys.readouterr().out
    assert "there are no rows of probe-1 rtt_ms from" in out
    assert "9 rows of all sources" in out
    assert f"the rows came from {early}, this is {other}" in out


def test_a_re_recorded_topic_gives_every_byte_again(
    kafka: KafkaPart, early: str, capsys: Capture
) -> None:
    run = _run(kafka, early, capsys)
    other = kafka.topic("other")
    _produce(kafka, other, [*seed_lines(), NEXT_HOUR])
    assert main(["explain", run.alert, "--from", run.alerts, "--input", kafka.uri(other)]) == 0
    assert "every byte" in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--from"], ["--from", "--input"]])
def test_a_missing_topic_is_an_error(
    kafka: KafkaPart, early: str, capsys: Capture, options: list[str]
) -> None:
    run = _run(kafka, early, capsys)
    missing = kafka.uri("nowhere")
    places = ["--from", missing] if options == ["--from"] else [
        "--from", run.alerts, "--input", missing]  # fmt: skip
    assert main(["explain", run.alert, *places]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_a_missing_broker_is_an_error(capsys: Capture) -> None:
    assert main(["explain", "abcd", "--from", "kafka://127.0.0.1:9/alerts"]) == 2
    assert "no broker answers at 127.0.0.1:9" in capsys.readouterr().err


def _delete_before(kafka: KafkaPart, topic: str, offset: int) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for done in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        assert done.result(30).low_watermark == offset
