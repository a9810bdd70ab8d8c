"""Exactly once into Kafka: what comes again adds nothing, and a zombie cannot write any more."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import apache_beam as beam
import pytest
from confluent_kafka import Producer

from padit.connectors.deliver import Deliver
from padit.connectors.sink import Message, Writer
from padit.connectors.sinks.kafka import KafkaOptions, KafkaSink
from padit.connectors.uris import sink_from_uri
from padit.domain.errors import SinkError
from padit.domain.message import Kind
from tests.integration.helpers import ROOT, read_topic
from tests.limits import allowed
from tests.parts import KafkaPart

OPTIONS = KafkaOptions(delivery="exactly_once", timeout_sec=20)


def sink_to(kafka: KafkaPart, partitions: int = 1) -> KafkaSink:
    return KafkaSink(kafka.bootstrap, kafka.topic("once", partitions), OPTIONS)


def ids(kafka: KafkaPart, sink: KafkaSink) -> list[str]:
    return [one.headers["id"] for one in read_topic(kafka.bootstrap, sink.topic)]


def messages(*numbers: int) -> list[Message]:
    return [Message(Kind.ALERT, f"id{n}", f"k{n % 3}", n, b'{"n":%d}' % n) for n in numbers]


def deliver(writer: Writer, *numbers: int) -> None:
    writer.write(messages(*numbers))
    writer.flush()


def test_a_bundle_that_comes_again_to_the_same_writer_adds_nothing(kafka: KafkaPart) -> None:
    sink = sink_to(kafka)
    writer = sink.open()
    deliver(writer, 1, 2, 1)
    deliver(writer, 2, 1, 3)
    writer.close()
    assert ids(kafka, sink) == ["id1", "id2", "id3"]


def test_a_bundle_that_comes_again_after_a_restart_adds_nothing(kafka: KafkaPart) -> None:
    """Written, then a crash before the checkpoint: the restored job brings it again."""
    sink = sink_to(kafka, 3)
    for bundle in [(1, 2, 3), (1, 2, 3), (3, 4)]:
        writer = sink.open()
        deliver(writer, *bundle)
        writer.close()
    assert sorted(ids(kafka, sink)) == ["id1", "id2", "id3", "id4"]


def test_at_least_once_doubles_what_comes_again(kafka: KafkaPart) -> None:
    """What the tests here would see without the transactions."""
    sink = sink_to(kafka)
    plain = dataclasses.replace(sink, options=KafkaOptions())
    for _ in range(2):
        writer = plain.open()
        deliver(writer, 1)
        writer.close()
    assert ids(kafka, sink) == ["id1", "id1"]


def test_the_writers_of_a_process_do_not_shut_each_other_out(kafka: KafkaPart) -> None:
    sink = sink_to(kafka)
    writers = [sink.open(), sink.open()]
    for n in range(4):
        deliver(writers[n % 2], n)
    for writer in writers:
        writer.close()
    assert ids(kafka, sink) == ["id0", "id1", "id2", "id3"]


def zombie(kafka: KafkaPart, sink: KafkaSink, identity: str) -> Producer:
    """Another process's producer in the middle of its transaction."""
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "transactional.id": f"padit-{sink.topic}",
            "log_level": 2,
        }
    )
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(sink.topic, b"{}", b"k", headers=[("id", identity.encode())])
    producer.flush(20)
    return producer


def test_what_a_zombie_has_not_committed_is_never_seen(kafka: KafkaPart) -> None:
    sink = sink_to(kafka)
    left = zombie(kafka, sink, "id1")
    writer = sink.open()
    deliver(writer, 1, 2)
    with pytest.raises(Exception, match=r"fenced|newer|epoch"):
        left.commit_transaction(20)
    writer.close()
    assert ids(kafka, sink) == ["id1", "id2"]


def test_two_zombies_in_turn_leave_each_transition_once(kafka: KafkaPart) -> None:
    sink = sink_to(kafka)
    writer = sink.open()
    deliver(writer, 1)
    first = zombie(kafka, sink, "id2")
    second = zombie(kafka, sink, "id2")
    second.commit_transaction(20)
    with pytest.raises(SinkError, match=r"another writer took over as 'padit-once.*\?writer=NAME"):
        deliver(writer, 2)
    deliver(writer, 1, 2, 3)  # the runner brings the bundle again
    with pytest.raises(Exception, match=r"fenced|newer|epoch"):
        first.commit_transaction(20)
    writer.close()
    assert ids(kafka, sink) == ["id1", "id2", "id3"]


def test_a_job_opens_its_topic_before_its_first_alert(kafka: KafkaPart) -> None:
    """Opening takes up to a second, by which the first alert would be delayed."""
    sink = sink_to(kafka)
    left = zombie(kafka, sink, "id1")
    with beam.Pipeline(runner="DirectRunner") as pipeline:
        created = pipeline | beam.Create(messages(1, 2)).with_output_types(Message)
        created | "Alerts" >> Deliver(sink, since=3)
    with pytest.raises(Exception, match=r"fenced|newer|epoch"):
        left.commit_transaction(20)
    assert ids(kafka, sink) == []


_KILLED = """
import os, sys
from padit.connectors.sinks.kafka import KafkaOptions, KafkaSink
from padit.domain.message import Kind, Message
writer = KafkaSink(sys.argv[1], sys.argv[2], KafkaOptions(delivery="exactly_once")).open()
for bundle in ([1, 2], [3]):
    writer.write([Message(Kind.ALERT, f"id{n}", "k", n, b"{}") for n in bundle])
    writer.flush()
os.kill(os.getpid(), 9)
"""


def test_a_process_killed_between_writing_and_the_checkpoint_doubles_nothing(
    kafka: KafkaPart,
) -> None:
    sink = sink_to(kafka)
    for _ in range(2):
        command = [sys.executable, "-c", _KILLED, kafka.bootstrap, sink.topic]
        assert subprocess.run(command, cwd=ROOT, timeout=allowed(60), check=False).returncode == -9
    assert ids(kafka, sink) == ["id1", "id2", "id3"]


def test_what_is_further_back_than_it_remembers_comes_again(kafka: KafkaPart) -> None:
    """The bound is real, and this is where it lies: `remember` offsets back."""
    sink = sink_to(kafka)
    small = dataclasses.replace(sink, options=OPTIONS.model_copy(update={"remember": 1000}))
    writer = small.open()
    deliver(writer, *range(1200))
    writer.close()
    writer = small.open()
    deliver(writer, 0, 1199)
    writer.close()
    found = ids(kafka, sink)
    assert (found.count("id0"), found.count("id1199")) == (2, 1)


def test_alerts_are_once_by_default_and_other_results_at_least_once() -> None:
    assert sink_from_uri("kafka://h:1/t", once=True).single_writer
    assert not sink_from_uri("kafka://h:1/t").single_writer
    assert not sink_from_uri("kafka://h:1/t?delivery=at_least_once", once=True).single_writer
    assert not sink_from_uri("null", once=True).single_writer


def test_a_broker_that_is_not_there_is_an_error_that_names_the_sink() -> None:
    sink = KafkaSink("127.0.0.1:1", "t", OPTIONS.model_copy(update={"timeout_sec": 1.0}))
    writer = sink.open()
    with pytest.raises(SinkError, match=r"kafka://127.0.0.1:1/t: "):
        deliver(writer, 1)
    writer.close()
