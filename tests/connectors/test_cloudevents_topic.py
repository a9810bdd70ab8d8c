"""CloudEvents on a real topic, in both modes; numbers of own JSON that no sample has."""

import json

from confluent_kafka import Producer

from padit.codecs.validate import Validate
from padit.connectors.side_outputs import LabelLog
from padit.connectors.uris import Bounds, source_from_uri
from tests.connectors.reading import letters, reads_of, samples
from tests.parts import KafkaPart

T = 1_767_571_200
ATTRIBUTES = {"specversion": "1.0", "id": "7", "type": "reading", "source": "/press/1"}
BOUNDS = Bounds(start="earliest", live=False)


def test_events_in_binary_and_in_structured_mode_are_read_alike(kafka: KafkaPart) -> None:
    topic = kafka.topic("events")
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    headers = {f"ce_{name}": text.encode() for name, text in ATTRIBUTES.items()}
    for second in range(4):
        data, when = {"bar": 2.5 + second}, f"2026-01-05T00:00:0{second}Z"
        if second % 2:
            producer.produce(topic, json.dumps({**ATTRIBUTES, "time": when, "data": data}).encode())
        else:
            of_one = {**headers, "ce_time": when.encode()}
            producer.produce(topic, json.dumps(data).encode(), headers=[*of_one.items()])
    producer.produce(topic, b"2.5 bar", headers=[*headers.items()])
    assert producer.flush(30) == 0
    reads = reads_of(source_from_uri(f"{kafka.uri(topic)}?format=cloudevents", BOUNDS))
    found = [(series.source_id, series.metric_name, value) for series, _, value in samples(reads)]
    assert found == [("/press/1", "bar", 2.5 + second) for second in range(4)]
    (letter,) = letters(reads)
    assert (letter.offset, letter.original) == (4, b"2.5 bar")


def test_numbers_of_own_json_that_no_sample_has_are_counted_on_a_topic(kafka: KafkaPart) -> None:
    topic = kafka.topic("others")
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    one = {"source_id": "s", "metric_name": "m", "value": 1.5, "value2": 7}
    for second in range(2000):
        producer.produce(topic, json.dumps({**one, "timestamp": T + second}).encode())
    assert producer.flush(30) == 0
    source = source_from_uri(kafka.uri(topic), BOUNDS)
    reader = source.open(source.ranges(), LabelLog(Validate(1 << 20, 10**18), "t"))
    left, ended = 0, False
    while not ended:
        for read in reader.read(1.0):
            left += sum(each.numeric for each in read.unwatched)
            ended = read.ended
    reader.close()
    assert left == 2000
