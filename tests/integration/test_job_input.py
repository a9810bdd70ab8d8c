"""Input as it should not be, through a real broker: a dead letter or a clear error, no loss."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from padit.codecs.validate import Validate
from padit.connectors.kafka_source import KafkaSource
from padit.connectors.source import PartitionRange
from padit.devcluster.broker import Broker, prepare_broker
from padit.domain.errors import SourceError
from tests.integration.helpers import (
    Record,
    Stored,
    alerts_of,
    live,
    metric,
    padit,
    produce,
    read_topic,
    residue,
    seed_case,
    wait_for,
)
from tests.parts import KafkaPart

START = 1_767_600_000


def _bad() -> dict[str, tuple[Record, str]]:
    """By name, a record that cannot be used, and a pattern of its reason."""
    fields: dict[str, Any] = {
        "timestamp": START,
        "source_id": "cell-7",
        "metric_name": "rtt_ms",
        "value": 5.0,
    }

    def record(value: bytes | None) -> Record:
        return Record(value, START)

    def with_field(**changed: object) -> Record:
        return record(json.dumps({**fields, **changed}).encode())

    without_name = json.dumps({key: fields[key] for key in fields if key != "metric_name"})
    return {
        "invalid UTF-8": (record(b'{"source_id": "\xff\xfe"}'), "utf-8|UTF-8"),
        "no JSON": (record(b'{"timestamp": 1'), "truncated"),
        "another kind of JSON": (record(b'"five"'), "Expected `object`"),
        "a missing field": (record(without_name.encode()), "missing required field `metric_name`"),
        "a field of a wrong type": (with_field(value="five"), "'five'"),
        "infinity": (record(json.dumps(fields).replace("5.0", "1e999").encode()), "range"),
        "far in the future": (with_field(timestamp=START + 7200), "7200.000 s ahead"),
        "centuries in the future": (with_field(timestamp=START * 10), "outside the years"),
        "before 2000": (with_field(timestamp=946_684_799), "outside the years"),
        "unreadable time": (with_field(timestamp="yesterday"), "'yesterday' is neither"),
        "empty": (record(b""), "empty"),
        "a tombstone": (record(None), "tombstone"),
        "no name": (with_field(metric_name=""), "metric_name is empty"),
        "5 MB": (with_field(metadata={"blob": "x" * (5 << 20)}), "more than the 4194304"),
        "one bad element of an array": (
            record(json.dumps([{**fields, "timestamp": START + 15}, {"value": 1}]).encode()),
            "element 1: Object missing",
        ),
    }


BAD = _bad()
# What Python writes for a number that is absent: no letter, as null is none.
ABSENT = Record(
    b'{"timestamp": %d, "source_id": "cell-7", "metric_name": "rtt_ms", "value": NaN}' % START,
    START,
)
# The array's good element and the seed case; three of the latter come twice.
GOOD, REPEATED = 15 + 1, 2


class Mixed(NamedTuple):
    """What a run over a topic of good and bad records gave."""

    topic: str
    summary: dict[str, Any]
    alerts: Path
    letters: list[Stored]


@pytest.fixture(scope="module")
def mixed(kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory) -> Mixed:
    """Bad records before good ones: what drags a watermark makes the rest late."""
    topic, dlq = kafka.topic("mixed", 2), kafka.topic("dlq")
    bad = [record for record, _ in BAD.values()]
    good = seed_case(START)
    half = len(bad) // 2
    repeated = [*good[:REPEATED], *good[:REPEATED]]
    produce(kafka.bootstrap, topic, [*bad[:half], *repeated, ABSENT, *bad[half:], *good[REPEATED:]])
    alerts = tmp_path_factory.mktemp("mixed") / "alerts.jsonl"
    places = ["--input", kafka.uri(topic), "--output", alerts, "--dlq", kafka.uri(dlq)]
    run = padit("replay", *places)
    return Mixed(topic, run.summary, alerts, read_topic(kafka.bootstrap, dlq))


def _letter(mixed: Mixed, name: str) -> Stored:
    original = BAD[name][0].value or b""
    found = [
        letter
        for letter in mixed.letters
        if original.startswith(letter.value or b"") and letter.headers["size"] == f"{len(original)}"
    ]
    if name in ("empty", "a tombstone"):  # both without bytes; their reasons differ
        found = [letter for letter in found if re.search(BAD[name][1], letter.headers["reason"])]
    (letter,) = found
    return letter


def test_good_records_beside_bad_ones_are_all_scored(mixed: Mixed) -> None:
    assert mixed.summary["scored"] == GOOD


def test_a_record_that_comes_twice_is_scored_once_and_counted(mixed: Mixed) -> None:
    assert mixed.summary["duplicate"] == REPEATED


def test_a_time_in_the_future_makes_no_other_record_late(mixed: Mixed) -> None:
    assert mixed.summary["late"] == 0


def test_every_bad_record_is_counted_as_a_dead_letter(mixed: Mixed) -> None:
    assert mixed.summary["dead_lettered"] == len(BAD) == len(mixed.letters)


def test_a_value_that_is_absent_is_counted_as_unwatched(mixed: Mixed) -> None:
    assert mixed.summary["unwatched"] == 1


def test_nothing_is_unaccounted_for_among_bad_records(mixed: Mixed) -> None:
    assert residue(mixed.summary) == 0
    assert mixed.summary["waiting"] == 0


def test_bad_records_change_no_alert(mixed: Mixed, kafka: KafkaPart, tmp_path: Path) -> None:
    topic = kafka.topic("good")
    element = metric("cell-7", "rtt_ms", START + 15, 5.0)
    good = seed_case(START)
    produce(kafka.bootstrap, topic, [*good[:REPEATED], element, *good[REPEATED:]])
    padit("replay", "--input", kafka.uri(topic), "--output", tmp_path / "alerts.jsonl")
    assert alerts_of(mixed.alerts)
    assert mixed.alerts.read_bytes() == (tmp_path / "alerts.jsonl").read_bytes()


@pytest.mark.parametrize("name", BAD)
def test_a_dead_letter_holds_its_reason(mixed: Mixed, name: str) -> None:
    assert re.search(BAD[name][1], _letter(mixed, name).headers["reason"])


def test_a_dead_letter_says_where_it_stood(mixed: Mixed, kafka: KafkaPart) -> None:
    stored = {one.offset: one.value or b"" for one in read_topic(kafka.bootstrap, mixed.topic)}
    for letter in mixed.letters:
        headers = letter.headers
        assert (headers["topic"], headers["partition"]) == (mixed.topic, "0")
        assert stored[int(headers["offset"])].startswith(letter.value or b"")


def test_a_dead_letter_has_the_original_bytes(mixed: Mixed) -> None:
    for name, (record, _) in BAD.items():
        if name != "5 MB":
            assert (_letter(mixed, name).value or b"") == (record.value or b"")


def test_of_a_record_of_5_mb_the_dead_letter_keeps_the_beginning_and_the_size(
    mixed: Mixed,
) -> None:
    original = BAD["5 MB"][0].value or b""
    letter = _letter(mixed, "5 MB")
    assert letter.value == original[:700_000]
    assert letter.headers["size"] == str(len(original))


def test_an_empty_topic_is_read_to_its_end(kafka: KafkaPart, tmp_path: Path) -> None:
    topic = kafka.uri(kafka.topic("empty", 3))
    run = padit("replay", "--input", topic, "--output", tmp_path / "alerts.jsonl", code=3)
    assert run.summary["read"] == 0


@pytest.mark.parametrize("verb", ["replay", "run"])
def test_a_topic_that_does_not_exist_is_an_error_that_names_it(
    kafka: KafkaPart, tmp_path: Path, verb: str
) -> None:
    run = padit(verb, "--input", kafka.uri("no-such"), "--output", tmp_path / "a.jsonl", code=1)
    assert "padit: topic no-such does not exist at" in run.err
    assert "Traceback" not in run.err


def _drop_first(bootstrap: str, topic: str, before: int) -> None:
    """Delete what lies before an offset, as retention does."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    for future in admin.delete_records([TopicPartition(topic, 0, before)]).values():
        future.result(30)


def test_offsets_that_retention_took_are_an_error_that_names_them(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    topic = kafka.topic("retained")
    produce(kafka.bootstrap, topic, seed_case(START))
    _drop_first(kafka.bootstrap, topic, 5)
    place = ["--input", kafka.uri(topic), "--output", tmp_path / "alerts.jsonl"]
    run = padit("replay", *place, "--start_offset=0", code=1)
    assert "offsets 0 to 4 are gone (retention); use --start_offset=earliest" in run.err


def test_without_a_start_what_retention_left_is_read(kafka: KafkaPart, tmp_path: Path) -> None:
    topic = kafka.topic("retained")
    produce(kafka.bootstrap, topic, seed_case(START))
    _drop_first(kafka.bootstrap, topic, 5)
    run = padit("replay", "--input", kafka.uri(topic), "--output", tmp_path / "alerts.jsonl")
    assert run.summary["scored"] == 10


def test_a_checkpoint_with_offsets_deleted_by_retention_stops_with_an_error(
    kafka: KafkaPart,
) -> None:
    topic = kafka.topic("retained")
    produce(kafka.bootstrap, topic, seed_case(START))
    _drop_first(kafka.bootstrap, topic, 5)
    source = KafkaSource(kafka.bootstrap, topic, live=True)
    reader = source.open([PartitionRange(0, 0, None)], Validate(1 << 20, 1 << 40))
    try:
        with pytest.raises(SourceError, match=r"offset 0 is gone \(retention\)"):
            wait_for(lambda: reader.read(0.1))
    finally:
        reader.close()


def _recent() -> int:
    """A whole minute, far enough back that a seed case ends by now."""
    return (int(time.time()) - 180) // 60 * 60


QUICK = ("--idle_timeout_sec=2", "--out_of_orderness_sec=1", "--start_offset=earliest")


def test_a_partition_that_never_gets_a_record_holds_no_alert_back(
    kafka: KafkaPart, tmp_path: Path
) -> None:
    topic, alerts = kafka.topic("idle", 3), tmp_path / "alerts.jsonl"
    produce(kafka.bootstrap, topic, seed_case(_recent()))
    with live(tmp_path, "run", "--input", kafka.uri(topic), "--output", alerts, *QUICK) as job:
        job.until(lambda: alerts_of(alerts))
        assert job.stop().summary["read"] == 15


def test_a_partition_added_while_the_job_runs_is_read(kafka: KafkaPart, tmp_path: Path) -> None:
    topic, alerts = kafka.topic("growing"), tmp_path / "alerts.jsonl"
    source = f"{kafka.uri(topic)}?look_for_partitions_sec=1"
    produce(kafka.bootstrap, topic, seed_case(_recent(), "old"))
    # Time must not go on while the partition is made: its records would be late.
    held = ["--idle_timeout_sec=600", *QUICK[1:]]
    with live(tmp_path, "run", "--input", source, "--output", alerts, *held) as job:
        job.until(lambda: alerts_of(alerts))
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 2})
        admin.create_partitions([NewPartitions(topic, 2)])[topic].result(30)
        begin = _recent() + 180
        produce(kafka.bootstrap, topic, seed_case(begin, "new", partition=1))
        job.until(lambda: "30 records" in job.said)
        produce(kafka.bootstrap, topic, [metric("old", "rtt_ms", begin + 600, 5.0)])
        job.until(lambda: [a for a in alerts_of(alerts) if a["source"] == "/padit/new"])
        assert job.stop().summary["read"] == 31


@pytest.fixture(scope="module")
def fragile(kafka: KafkaPart, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for this module alone, to be stopped; the session's is asked for to skip alike."""
    broker = prepare_broker(tmp_path_factory.mktemp("fragile"))
    yield broker
    broker.stop()


def test_a_job_waits_for_a_broker_that_comes_up_later(fragile: Broker, tmp_path: Path) -> None:
    with fragile:
        topic = fragile.create_topic("early")
        produce(fragile.bootstrap, topic, seed_case(START))
    place = ["--input", f"kafka://{fragile.bootstrap}/{topic}", "--output", tmp_path / "a.jsonl"]
    with live(tmp_path, "replay", *place) as job:
        job.until(lambda: "it is tried until it answers" in job.said)
        with fragile:
            assert job.end().summary["scored"] == 15
        assert job.said.count(f"the broker at {fragile.bootstrap}: it answers again") == 1


def test_a_broker_that_stays_away_is_an_error_that_says_how_to_start_one(
    fragile: Broker, tmp_path: Path
) -> None:
    fragile.stop()
    place = ["--input", f"kafka://{fragile.bootstrap}/early", "--output", tmp_path / "a.jsonl"]
    run = padit("replay", *place, "--broker_timeout_sec=1", code=1)
    assert "no broker answers at" in run.err
    assert "padit up" in run.err


def test_a_broker_that_goes_away_for_30_s_costs_a_live_job_nothing(
    fragile: Broker, tmp_path: Path
) -> None:
    """Producers hold back what they could not send; it comes when the broker is back."""
    away_s, alerts = 30, tmp_path / "alerts.jsonl"
    with fragile:
        topic = fragile.create_topic("outage")
        source = f"kafka://{fragile.bootstrap}/{topic}"
        produce(fragile.bootstrap, topic, seed_case(_recent(), "before"))
        patient = ["--idle_timeout_sec=8", *QUICK[1:]]
        with live(tmp_path, "run", "--input", source, "--output", alerts, *patient) as job:
            job.until(lambda: alerts_of(alerts))
            produce(fragile.bootstrap, topic, [metric("beat", "x", time.time(), 1.0)])
            fragile.stop()
            gone = time.time()
            held_back = [
                metric("after", "rtt_ms", gone + n / 10, value)
                for n, value in enumerate([5.0] * 100 + [90.0] * 100)
            ]
            job.until(lambda: time.time() > gone + away_s)  # the outage itself
            fragile.restart()
            produce(fragile.bootstrap, topic, held_back)
            job.until(lambda: [a for a in alerts_of(alerts) if a["source"] == "/padit/after"])
            summary = job.stop().summary
    assert summary["late"] == 0
    assert summary["read"] == 15 + 1 + len(held_back)
