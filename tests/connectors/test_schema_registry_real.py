"""A topic of Avro records with the schemas in a real registry: Kafka and Apicurio."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from padit.connectors.source import ReadBatch
from padit.connectors.uris import source_from_uri
from tests.apicurio import Apicurio, start_apicurio
from tests.codecs.payloads import MESSAGES
from tests.codecs.samples import T
from tests.connectors.reading import letters, reads_of, samples
from tests.connectors.test_schema_registry import FORM, READING, VALUE, avro
from tests.parts import KafkaPart, required

FIELDS: Any = READING["fields"]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apicurio]:
    directory = tmp_path_factory.mktemp("apicurio")
    found = required(lambda: start_apicurio(directory, lambda text: print(text, flush=True)))
    yield found
    found.part.stop()


def _read(kafka: KafkaPart, records: list[bytes], mapping: dict[str, Any]) -> list[ReadBatch]:
    topic = kafka.topic("payloads")
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for one in records:
        producer.produce(topic, one, timestamp=T * 1000)
    assert producer.flush(30) == 0
    return reads_of(source_from_uri(kafka.uri(topic), mapping=mapping))


def test_a_topic_of_telegraf_records_is_read(kafka: KafkaPart) -> None:
    records = [json.dumps(one).encode() for one in MESSAGES["telegraf"]]
    reads = _read(kafka, [*records, b"{"], {"format": "telegraf"})
    assert [len(read.rows) for read in reads if len(read.rows)] == [14]
    assert len(letters(reads)) == 1
    [left] = [one for read in reads for one in read.unwatched]
    assert left.place.startswith("payloads")
    assert (left.what, left.amount) == ("text of 'fields.state'", 2)


def test_records_of_every_kind_are_read_by_the_schemas_of_a_registry(
    kafka: KafkaPart, registry: Apicurio, tmp_path: Path
) -> None:
    machine = json.dumps(FIELDS[0]["type"] | {"name": "plant.Machine"})
    parts = READING | {"name": "plant.Other"}
    parts["fields"] = [{"name": "machine", "type": "plant.Machine"}, *FIELDS[1:]]
    reference = {"name": "plant.Machine", "subject": "machine", "version": 1}
    draft = "http://json-schema.org/draft-07/schema#"
    one = registry.register("one-value", json.dumps(READING))
    registry.register("machine", machine)
    other = registry.register("other-value", json.dumps(parts), references=[reference])
    form = json.dumps({"$schema": draft, "type": "object"})
    plain = registry.register("json-value", form, schemaType="JSON")
    proto = 'syntax = "proto3"; message A { string a = 1; }'
    buffers = registry.register("proto-value", proto, schemaType="PROTOBUF")
    body = json.dumps({"machine": {"id": "m-2"}, "at": T, "torque": 1}).encode()
    records = [
        avro(one, READING, VALUE), avro(other, READING, VALUE),
        b"\x00" + plain.to_bytes(4, "big") + body, b"\x00" + buffers.to_bytes(4, "big") + b"\x00",
        avro(999, READING, VALUE),
    ]  # fmt: skip
    reads = _read(kafka, records, {"format": FORM, "schemas": registry.url})
    found = [(series.source_id, series.metric_name, value) for series, _, value in samples(reads)]
    assert found == [
        ("m-1", "torque", 40.5), ("m-1", "price", 12.5), ("m-1", "torque", 40.5),
        ("m-1", "price", 12.5), ("m-2", "torque", 1.0),
    ]  # fmt: skip
    reasons = [letter.reason for letter in letters(reads)]
    assert "it is PROTOBUF; read are AVRO and JSON" in reasons[0]
    assert "schema 999 is unknown to the registry" in reasons[1]
