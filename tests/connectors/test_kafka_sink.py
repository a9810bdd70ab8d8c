"""The Kafka sink against a real broker."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer

from padit.codecs.contract import Reject
from padit.codecs.dead_letter import DeadRecord
from padit.connectors.sink import Message, Start
from padit.connectors.sinks.kafka import KafkaOptions, KafkaSink
from padit.connectors.uris import sink_from_uri
from padit.domain.errors import ConfigurationError, SinkError
from padit.domain.message import Kind


def records(bootstrap: str, topic: str, count: int) -> Iterator[Any]:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "test", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    try:
        deadline = time.monotonic() + 60
        while count and time.monotonic() < deadline:
            record = consumer.poll(1.0)
            if record is not None and record.error() is None:
                count -= 1
                yield record
        assert not count, f"{count} records did not come"
    finally:
        consumer.close()


def test_results_arrive_with_key_id_and_the_time_of_writing(kafka: Any) -> None:
    sink = sink_from_uri(f"kafka://{kafka.bootstrap}/results-a?partitions=3")
    sink.prepare(Start())
    sink.prepare(Start(restored=True))
    before = time.time()
    writer = sink.open()
    for number in range(3):
        writer.write([Message(Kind.ALERT, f"id{number}", "m:t", 5, b'{"n":%d}' % number)])
    writer.flush()
    writer.close()
    found = list(records(kafka.bootstrap, "results-a", 3))
    assert [json.loads(record.value())["n"] for record in found] == [0, 1, 2]
    assert {record.key() for record in found} == {b"m:t"}
    assert [record.headers() for record in found] == [[("id", b"id%d" % i)] for i in range(3)]
    assert all(before - 1 <= record.timestamp()[1] / 1000 <= time.time() + 1 for record in found)
    assert not sink.single_writer


def test_a_dead_letter_carries_the_original_bytes(kafka: Any) -> None:
    sink = sink_from_uri(f"kafka://{kafka.bootstrap}/dead-a")
    sink.prepare(Start())
    original = b"\xff" * 700_000
    reject = Reject(0, "no JSON", 2, ((3, "no JSON"), (5, "ö")))
    letter = DeadRecord(original, reject, "metrics", 2, 17).letter()
    assert json.loads(letter.to_json())["original"] == base64.b64encode(original).decode()
    writer = sink.open()
    message = Message.dead_letter(letter)
    writer.write([message])
    writer.flush()
    writer.close()
    assert json.loads(message.json) == json.loads(letter.to_json())
    (record,) = records(kafka.bootstrap, "dead-a", 1)
    assert record.value() == original
    assert dict(record.headers()) == {
        "id": message.id.encode(),
        "reason": b"no JSON",
        "topic": b"metrics",
        "partition": b"2",
        "offset": b"17",
        "size": b"700000",
        "digest": letter.digest.encode(),
        "lost": b"2",
        "elements": '[[3,"no JSON"],[5,"ö"]]'.encode(),
    }


def test_a_message_the_broker_refuses_is_a_sink_error_with_its_reason(kafka: Any) -> None:
    sink = KafkaSink(kafka.bootstrap, "results-b", KafkaOptions(timeout_sec=10))
    sink.prepare(Start())
    writer = sink.open()
    with pytest.raises(SinkError, match=r"results-b.*too large"):
        writer.write([Message(Kind.ALERT, "big", "k", 0, b"x" * (3 << 20))])
    writer.write([Message(Kind.ALERT, "small", "k", 0, b"{}")])
    writer.flush()
    writer.close()
    (record,) = records(kafka.bootstrap, "results-b", 1)
    assert record.headers() == [("id", b"small")]


def test_a_broker_that_is_not_there_is_a_sink_error_that_says_so() -> None:
    sink = KafkaSink("127.0.0.1:1", "t", KafkaOptions(timeout_sec=0.5))
    with pytest.raises(SinkError, match=r"no broker answers for kafka://127.0.0.1:1/t.*padit up"):
        sink.prepare(Start())
    writer = sink.open()
    writer.write([Message(Kind.ALERT, "i", "k", 0, b"{}")])
    with pytest.raises(SinkError, match=r"kafka://127.0.0.1:1/t: "):
        writer.flush()
    writer.close()


def test_options_that_are_not_known_name_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="allowed are: client_config, partitions"):
        sink_from_uri("kafka://h:1/t?partition=3")
    with pytest.raises(ConfigurationError, match="kafka://host:9092/topic"):
        sink_from_uri("kafka://h:1/")
