"""Sparkplug B over a real mosquitto: births, aliases, deaths, gaps, a new birth; and the books."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from padit.adapters.mqtt_reading import Reading
from padit.adapters.mqtt_sparkplug import Nodes
from padit.adapters.mqtt_subscription import Subscription
from padit.codecs.sparkplug_proto import Payload
from tests.adapters.live import Live, until
from tests.adapters.test_mqtt import Mosquitto, send

T = 1_767_323_045_000
NODE = "spBv1.0/plant/{}/edge-1"
DEVICE = "spBv1.0/plant/{}/edge-1/press"
FLOAT, INT32, TEXT, UINT64 = 9, 3, 12, 8


def payload(*metrics: dict[str, Any], seq: int = -1) -> bytes:
    message = Payload(timestamp=T)
    if seq >= 0:
        message.seq = seq
    for fields in metrics:
        message.metrics.add(**fields)
    return bytes(message.SerializeToString())


BIRTH = payload(
    {"name": "bdSeq", "datatype": UINT64, "long_value": 1},
    {"name": "rpm", "alias": 5, "datatype": INT32, "int_value": 900, "timestamp": T + 500},
    seq=0,
)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path)
    made.start()
    yield made
    made.stop()


def config(broker: Mosquitto, **more: Any) -> dict[str, Any]:
    subscription = {"topic": "spBv1.0/#", "payload": "sparkplug"}
    return {"type": "mqtt", "host": "127.0.0.1", "port": broker.port,
            "subscriptions": [subscription], **more}  # fmt: skip


def test_births_name_what_data_sends_by_alias(broker: Mosquitto) -> None:
    with Live(config(broker)) as live:
        send(broker, NODE.format("NBIRTH"), BIRTH)
        load = {"name": "load", "alias": 9, "datatype": FLOAT, "float_value": 0.5}
        send(broker, DEVICE.format("DBIRTH"), payload(load, seq=1))
        send(broker, NODE.format("NDATA"), payload({"alias": 5, "int_value": 950}, seq=2))
        old = {"alias": 9, "float_value": 0.75, "is_historical": True, "timestamp": T - 1000}
        send(broker, DEVICE.format("DDATA"), payload(old, seq=3))
        until(lambda: len(live.emitter.metrics) == 4, "four samples")
    found = [(m.source_id, m.metric_name, m.value, m.timestamp) for m in live.emitter.metrics]
    assert found == [
        ("plant/edge-1", "rpm", 900.0, T / 1000 + 0.5),
        ("plant/edge-1/press", "load", 0.5, T / 1000),
        ("plant/edge-1", "rpm", 950.0, T / 1000),
        ("plant/edge-1/press", "load", 0.75, T / 1000 - 1),
    ]
    behind = {"depends_on": "plant/edge-1"}
    assert [one.metadata for one in live.emitter.metrics] == [
        {}, behind, {}, {"historical": True} | behind,
    ]  # fmt: skip
    assert live.emitter.faults == {}
    assert live.emitter.left == {"control": 1}


def test_death_is_named_and_gives_no_sample(broker: Mosquitto) -> None:
    with Live(config(broker)) as live:
        send(broker, NODE.format("NBIRTH"), BIRTH)
        last = {"name": "bdSeq", "datatype": UINT64, "long_value": 1}
        send(broker, NODE.format("NDEATH"), payload(last))
        send(broker, NODE.format("NDATA"), payload({"alias": 5, "int_value": 1}, seq=1))
        until(lambda: live.emitter.faults, "the alias that is not known any more")
    assert live.emitter.values("rpm") == [900.0]
    assert live.emitter.left["death"] == 1
    assert live.emitter.faults == {"no_birth": 1}
    assert "`rebirth: true`" in live.emitter.messages["no_birth"]


def test_births_are_forgotten_where_messages_may_have_been_missed(broker: Mosquitto) -> None:
    """An alias may have another name by now."""
    with Live(config(broker)) as live:
        send(broker, NODE.format("NBIRTH"), BIRTH)
        until(lambda: live.emitter.values("rpm"), "the birth")
        live.call(live.adapter.close())
        live.call(live.adapter.open(live.emitter))
        send(broker, NODE.format("NDATA"), payload({"alias": 5, "int_value": 1}, seq=1))
        until(lambda: live.emitter.faults, "the alias that is not known any more")
    assert live.emitter.values("rpm") == [900.0]
    assert live.emitter.faults == {"no_birth": 1}


def test_lost_messages_are_counted_by_the_sequence(broker: Mosquitto) -> None:
    with Live(config(broker)) as live:
        send(broker, NODE.format("NBIRTH"), BIRTH)
        send(broker, NODE.format("NDATA"), payload({"alias": 5, "int_value": 1}, seq=4))
        until(lambda: len(live.emitter.values("rpm")) == 2, "the sample after the gap")
    assert live.emitter.faults == {"sequence_gap": 3}


def test_missing_birth_is_asked_for_once_a_minute(broker: Mosquitto) -> None:
    """An edge node that answers the command with its birth."""
    commands: list[bytes] = []
    edge = paho.Client(CallbackAPIVersion.VERSION2)

    def answer(client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        commands.append(bytes(message.payload))
        client.publish(NODE.format("NBIRTH"), BIRTH, qos=1)

    edge.on_message = answer
    edge.connect("127.0.0.1", broker.port)
    edge.loop_start()
    edge.subscribe(NODE.format("NCMD"), 1)
    try:
        with Live(config(broker, rebirth=True)) as live:
            for number in range(3):
                data = payload({"alias": 5, "int_value": number}, seq=7 + number)
                send(broker, NODE.format("NDATA"), data)
            until(lambda: live.emitter.values("rpm") == [900.0], "the birth")
            send(broker, NODE.format("NDATA"), payload({"alias": 5, "int_value": 42}, seq=1))
            until(lambda: 42.0 in live.emitter.values("rpm"), "data with a known alias")
    finally:
        edge.loop_stop()
        edge.disconnect()
    assert len(commands) == 1
    command = Payload.FromString(commands[0]).metrics[0]
    assert (command.name, command.boolean_value) == ("Node Control/Rebirth", True)


def take(nodes: Nodes, topic: str, data: bytes, **options: Any) -> Reading:
    subscription = Subscription.model_validate({"topic": "#", "payload": "sparkplug", **options})
    return nodes.read(subscription, topic, data, T / 1000)[0]


def test_templates_over_the_topic_name_the_source() -> None:
    reading = take(Nodes(False), NODE.format("NBIRTH"), BIRTH, source_id="{3}", unit="1/min")
    assert [(m.source_id, m.unit) for m in reading.samples] == [("edge-1", "1/min")]


def test_types_that_nobody_knows_are_counted_under_one_name() -> None:
    odd = [{"name": f"m{i}", "datatype": 1000 + i, "int_value": 1} for i in range(5)]
    assert take(Nodes(False), NODE.format("NBIRTH"), payload(*odd)).left["unknown_type"][1] == 5


FIELDS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b", "bdSeq", ""])},
    optional={
        "alias": st.integers(0, 3),
        "datatype": st.sampled_from([0, 1, FLOAT, INT32, TEXT, UINT64, 13]),
        "is_null": st.booleans(),
        "timestamp": st.sampled_from([0, T, 2**63]),
    },
)
READINGS: list[dict[str, Any]] = [
    {},
    {"int_value": 7},
    {"float_value": float("nan")},
    {"string_value": "x"},
]
METRICS = st.builds(lambda fields, value: {**fields, **value}, FIELDS, st.sampled_from(READINGS))
KINDS = st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH", "NCMD", "DCMD"])


@given(st.lists(st.tuples(KINDS, st.lists(METRICS, max_size=4), st.booleans()), max_size=12))
def test_books_of_metrics_balance_lost_messages_too(
    messages: list[tuple[str, list[dict[str, Any]], bool]],
) -> None:
    """A metric is one; so is a message without any, a death, a command, and one that is lost."""
    nodes, seq, heard = Nodes(False), 0, False
    present = total = lost = 0
    for kind, metrics, arrives in messages:
        topic = (DEVICE if kind[0] == "D" else NODE).format(kind)
        alone = kind in ("NDEATH", "DDEATH", "NCMD", "DCMD")
        if alone and not arrives:
            continue  # no sequence number shows it
        if not alone:
            seq = 0 if kind == "NBIRTH" else (seq + 1) % 256
            if not arrives and kind == "NBIRTH":  # the sequence cannot show how many are lost
                nodes.forget()
                lost, heard = 0, False
                continue
            if not arrives:
                lost += 1
                continue
            present += lost if heard and kind != "NBIRTH" else 0
            lost, heard = 0, True
        reading = take(nodes, topic, payload(*metrics, seq=-1 if alone else seq))
        present += 1 if alone else max(1, len(metrics))
        total += len(reading.samples)
        total += sum(count for _, count in [*reading.faults.values(), *reading.left.values()])
    assert total == present


@given(st.binary(max_size=80), st.text(max_size=30))
def test_no_bytes_raise(data: bytes, topic: str) -> None:
    for place in (topic, DEVICE.format("DDATA")):
        reading = take(Nodes(True), place, data)
        assert reading.samples or reading.faults or reading.left
