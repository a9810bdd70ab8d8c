"""Requested records that retention has deleted are reported, and passed over only when allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from padit.connectors.kafka_source import KafkaSource
from padit.domain.errors import SourceError
from tests.integration.helpers import padit, produce, seed_case
from tests.parts import KafkaPart

START = 1_767_600_000
MICROS = 1_000_000


@pytest.fixture(scope="module")
def cut(kafka: KafkaPart) -> str:
    """Two partitions; the first five records of the second are gone."""
    topic = kafka.topic("cut", 2)
    produce(kafka.bootstrap, topic, [*seed_case(START), *seed_case(START, "cell-8", 1)])
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
    for future in admin.delete_records([TopicPartition(topic, 1, 5)]).values():
        future.result(30)
    return topic


OFFSETS = "--start_offset=2"
TIME = f"--start_time={START + 20}"


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (OFFSETS, "partition 1 begins at offset 5: offsets 2 to 4 are gone"),
        (
            TIME,
            "partition 1 begins at offset 5: records of 2026-01-05T08:00:20.000000Z "
            "to 2026-01-05T08:00:50.000000Z are gone",
        ),
    ],
)
def test_deleted_records_are_reported_by_partition(
    kafka: KafkaPart, cut: str, tmp_path: Path, start: str, words: str
) -> None:
    place = ["--input", kafka.uri(cut), "--output", tmp_path / "a.jsonl"]
    run = padit("replay", *place, start, code=1)
    assert words in run.err
    assert "partition 0" not in run.err
    assert "--allow_missing" in run.err


@pytest.mark.parametrize("start", [OFFSETS, TIME])
def test_with_the_flag_the_rest_is_read_and_the_gap_still_reported(
    kafka: KafkaPart, cut: str, tmp_path: Path, start: str
) -> None:
    place = ["--input", kafka.uri(cut), "--output", tmp_path / "a.jsonl"]
    run = padit("replay", *place, start, "--allow_missing")
    assert run.summary["read"] == 13 + 10
    assert "are gone (retention); going on without" in run.err


def test_a_time_from_which_on_all_is_there_needs_no_flag(kafka: KafkaPart, cut: str) -> None:
    start = (START + 50) * MICROS
    ranges = KafkaSource(kafka.bootstrap, cut, live=False, start_time=start).ranges()
    assert [(one.start, one.stop) for one in ranges] == [(5, 15), (5, 15)]


def test_a_time_range_without_records_is_an_error_that_says_what_times_there_are(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    topic = kafka.topic("times")
    produce(kafka.bootstrap, topic, seed_case(START))
    place = ["--input", kafka.uri(topic), "--output", tmp_path / "a.jsonl"]
    run = padit("replay", *place, f"--start_time={START + 3600}", code=1)
    assert f"topic {topic} has no record from 2026-01-05T09:00:00" in run.err
    assert "its records are of 2026-01-05T08:00:00" in run.err
    assert "2026-01-05T08:02:20" in run.err


def test_a_topic_without_any_record_left_is_reported(kafka: KafkaPart) -> None:
    topic = kafka.topic("gone")
    produce(kafka.bootstrap, topic, seed_case(START))
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
    for future in admin.delete_records([TopicPartition(topic, 0, 15)]).values():
        future.result(30)
    source = KafkaSource(kafka.bootstrap, topic, live=False, start_time=START * MICROS)
    with pytest.raises(SourceError, match=r"begins at offset 15: records of .* to now are gone"):
        source.ranges()
