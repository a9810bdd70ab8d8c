"""Sparkplug B: births name metrics, data is read with them, all that was there is accounted for."""

import gzip
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.codecs.sparkplug import Births, Message, read_message, rebirth_request
from padit.codecs.sparkplug_proto import Payload

T = 1_767_323_045_000  # 2026-01-02T03:04:05Z
NBIRTH = "spBv1.0/plant/NBIRTH/edge-1"
NDATA = "spBv1.0/plant/NDATA/edge-1"
DBIRTH = "spBv1.0/plant/DBIRTH/edge-1/press"
DDATA = "spBv1.0/plant/DDATA/edge-1/press"


def payload(*metrics: dict[str, Any], seq: int = 0) -> bytes:
    """A payload; `engUnit` among the fields becomes a property."""
    message = Payload(timestamp=T, seq=seq)
    for fields in metrics:
        unit = fields.pop("engUnit", None)
        one = message.metrics.add(**fields)
        if unit is not None:
            one.properties.keys.append("engUnit")
            one.properties.values.add(type=12, string_value=unit)
    return bytes(message.SerializeToString())


def read(births: Births, topic: str, *metrics: dict[str, Any], seq: int = 0) -> Message:
    return read_message(topic, payload(*metrics, seq=seq), births, T / 1000)


def plain(found: Message) -> list[tuple[Any, ...]]:
    return [(m.source_id, m.metric_name, m.value, m.unit, m.timestamp) for m in found.metrics]


def test_the_bytes_of_a_payload_are_those_of_the_standard() -> None:
    """Written by hand from the field numbers of sparkplug_b.proto."""
    metric = (
        b"\x0a\x04rate"  # name = 1
        + b"\x20\x0a"  # datatype = 4: Double
        + b"\x69" + struct.pack("<d", 12.5)  # double_value = 13
    )  # fmt: skip
    whole = b"\x08" + _varint(T) + b"\x12" + bytes([len(metric)]) + metric + b"\x18\x00"
    found = read_message(NBIRTH, whole, Births(), 0.0)
    assert plain(found) == [("plant/edge-1", "rate", 12.5, "", T)]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def test_data_with_aliases_gets_name_type_and_unit_of_the_birth() -> None:
    births = Births()
    temperature = {"name": "T/oil", "alias": 7, "datatype": 3, "int_value": 20, "engUnit": "°C"}
    assert plain(read(births, DBIRTH, temperature)) == [
        ("plant/edge-1/press", "T/oil", 20.0, "°C", T)
    ]
    minus_5 = {"alias": 7, "int_value": 2**32 - 5, "timestamp": T + 1000}
    assert plain(read(births, DDATA, minus_5)) == [
        ("plant/edge-1/press", "T/oil", -5.0, "°C", T + 1000)
    ]
    by_name = {"name": "T/oil", "int_value": 21}
    assert plain(read(births, DDATA, by_name))[0][2:4] == (21.0, "°C")


def test_every_type_of_number_is_read() -> None:
    kinds: dict[int, tuple[dict[str, Any], float]] = {
        1: ({"int_value": 2**32 - 1}, -1.0), 2: ({"int_value": 0xFFFF}, -1.0),
        3: ({"int_value": 2**31}, -(2.0**31)), 4: ({"long_value": 2**64 - 2}, -2.0),
        5: ({"int_value": 255}, 255.0), 6: ({"int_value": 65_535}, 65_535.0),
        7: ({"int_value": 2**32 - 1}, 2.0**32 - 1), 8: ({"long_value": 2**63}, 2.0**63),
        9: ({"float_value": 0.5}, 0.5), 10: ({"double_value": 0.1}, 0.1),
        11: ({"boolean_value": True}, 1.0),
    }  # fmt: skip
    for datatype, (value, expected) in kinds.items():
        found = read(Births(), NBIRTH, {"name": "m", "datatype": datatype, **value})
        assert [m.value for m in found.metrics] == [expected], datatype


def test_arrays_become_one_metric_an_element_and_templates_one_a_member() -> None:
    births = Births()
    array = {"name": "v", "datatype": 30, "bytes_value": struct.pack("<3f", 1, 2, 3)}
    bits = {"name": "b", "datatype": 32, "bytes_value": b"\x03\0\0\0\xa0"}
    found = read(births, NBIRTH, array, bits)
    assert [(m.metric_name, m.value) for m in found.metrics] == [
        ("v[0]", 1.0), ("v[1]", 2.0), ("v[2]", 3.0), ("b[0]", 1.0), ("b[1]", 0.0), ("b[2]", 1.0)
    ]  # fmt: skip
    message = Payload(timestamp=T)
    pump = message.metrics.add(name="pump", datatype=19)
    pump.template_value.metrics.add(name="rpm", datatype=9, float_value=1480)
    pump.template_value.metrics.add(name="model", datatype=12, string_value="P1")
    found = read_message(DBIRTH, message.SerializeToString(), births, 0.0)
    assert [(m.metric_name, m.value) for m in found.metrics] == [("pump/rpm", 1480.0)]
    assert [note.what for note in found.unwatched] == ["String"]


def test_null_text_and_control_metrics_are_named_and_counted() -> None:
    found = read(
        Births(), NBIRTH,
        {"name": "bdSeq", "datatype": 4, "long_value": 3},
        {"name": "Node Control/Rebirth", "datatype": 11, "boolean_value": False},
        {"name": "a", "datatype": 10, "is_null": True},
        {"name": "b", "datatype": 12, "string_value": "x"},
        {"name": "c", "datatype": 13, "long_value": T},
        {"name": "d", "datatype": 16, "dataset_value": b""},
    )  # fmt: skip
    assert found.metrics == []
    assert found.rejects == []
    counts = {note.what: note.amount for note in found.unwatched}
    assert counts == {"control": 2, "null": 1, "String": 1, "DateTime": 1, "DataSet": 1}


def test_an_alias_without_a_birth_is_a_reject_and_asks_for_one() -> None:
    found = read(Births(), DDATA, {"alias": 7, "int_value": 1}, {"name": "x", "int_value": 1})
    assert found.metrics == []
    assert found.rebirth
    assert [(note.what, note.amount) for note in found.rejects] == [("no birth", 1), ("value", 1)]
    topic, command = rebirth_request(DDATA)
    assert topic == "spBv1.0/plant/NCMD/edge-1"
    assert Payload.FromString(command).metrics[0].name == "Node Control/Rebirth"


def test_a_node_birth_forgets_its_devices_and_an_old_death_does_not() -> None:
    births = Births()
    read(births, NBIRTH, {"name": "bdSeq", "datatype": 4, "long_value": 1})
    read(births, DBIRTH, {"name": "m", "alias": 1, "datatype": 10, "double_value": 1.0})
    data = {"alias": 1, "double_value": 2.0}
    death = "spBv1.0/plant/NDEATH/edge-1"
    read(births, death, {"name": "bdSeq", "datatype": 4, "long_value": 0})
    assert len(read(births, DDATA, dict(data)).metrics) == 1
    read(births, death, {"name": "bdSeq", "datatype": 4, "long_value": 1})
    assert read(births, DDATA, dict(data)).rebirth
    read(births, DBIRTH, {"name": "m", "alias": 1, "datatype": 10, "double_value": 1.0})
    read(births, NBIRTH, {"name": "bdSeq", "datatype": 4, "long_value": 2})
    assert read(births, DDATA, dict(data)).rebirth


def test_historical_samples_are_marked_and_missing_messages_counted() -> None:
    births = Births()
    one = {"name": "m", "datatype": 10, "double_value": 1.0}
    read(births, NBIRTH, dict(one), seq=0)
    assert read(births, NDATA, dict(one), seq=1).missed == 0
    assert read(births, NDATA, dict(one), seq=1).missed == 0
    found = read(births, NDATA, one | {"is_historical": True}, seq=5)
    assert found.missed == 3
    assert found.metrics[0].metadata == {"historical": True}


def test_times_outside_the_years_and_values_that_are_no_number_are_rejects() -> None:
    births = Births()
    found = read(
        births, NBIRTH,
        {"name": "a", "datatype": 10, "double_value": float("nan")},
        {"name": "b", "datatype": 10, "double_value": 1.0, "timestamp": 5},
        {"name": "c", "datatype": 1, "int_value": 300},
        {"name": "d", "datatype": 23, "bytes_value": b"abc"},
    )  # fmt: skip
    assert found.metrics == []
    assert [(note.what, note.amount) for note in found.rejects] == [("value", 4)]


def test_other_topics_are_named() -> None:
    for topic, rejected in (
        ("spBv1.0/STATE/host", 0), ("spBv1.0/a/NCMD/b", 0), ("spBv1.0/a/NDATA", 1),
        ("spAv1.0/a/NDATA/b", 1), ("x", 1), ("spBv1.0/a/ODD/b", 1),
    ):  # fmt: skip
        found = read_message(topic, b"", Births(), 0.0)
        assert (len(found.unwatched), len(found.rejects)) == (1 - rejected, rejected), topic


def test_births_are_bounded() -> None:
    births = Births(most=4)
    many = [{"name": f"m{i}", "alias": i, "datatype": 10, "double_value": 1.0} for i in range(5)]
    found = read(births, NBIRTH, *many)
    assert len(found.metrics) == 5
    assert [(note.what, note.amount) for note in found.rejects] == [("births", 3)]


METRIC = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", "b", "bdSeq", "", "Node Control/x", "x" * 600]),
        "alias": st.integers(0, 3),
        "timestamp": st.sampled_from([0, T, 2**64 - 1]),
        "datatype": st.integers(0, 40),
        "is_null": st.booleans(),
        "is_historical": st.booleans(),
    },
)
VALUE = st.one_of(
    st.tuples(st.just("int_value"), st.integers(0, 2**32 - 1)),
    st.tuples(st.just("long_value"), st.integers(0, 2**64 - 1)),
    st.tuples(st.just("double_value"), st.floats()),
    st.tuples(st.just("boolean_value"), st.booleans()),
    st.tuples(st.just("string_value"), st.text(max_size=5)),
    st.tuples(st.just("bytes_value"), st.binary(max_size=4)),
    st.none(),
)
TOPIC = st.sampled_from([NBIRTH, NDATA, DBIRTH, DDATA])


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(TOPIC, st.lists(st.tuples(METRIC, VALUE), max_size=4)), max_size=5))
def test_every_metric_is_a_sample_unwatched_or_rejected(
    messages: list[tuple[str, list[tuple[dict[str, Any], Any]]]],
) -> None:
    births = Births()
    for topic, metrics in messages:
        fields = [one | ({} if value is None else {value[0]: value[1]}) for one, value in metrics]
        found = read(births, topic, *fields)
        arrays = sum("[" in m.metric_name and not m.metric_name.endswith("[0]")
                     for m in found.metrics)  # fmt: skip
        notes = [note for note in (*found.unwatched, *found.rejects) if note.what != "births"]
        accounted = len(found.metrics) - arrays + sum(note.amount for note in notes)
        assert len(fields) <= accounted <= len(fields) + arrays


@settings(derandomize=True, deadline=None)
@given(TOPIC, st.binary(max_size=200), st.integers(0, 400))
def test_no_bytes_raise(topic: str, noise: bytes, at: int) -> None:
    births = Births()
    good = payload({"name": "a", "datatype": 10, "double_value": 1.0, "engUnit": "ms"}, seq=1)
    read_message(topic, good, births, T / 1000)
    read_message(topic, noise, births, T / 1000)
    read_message(topic, good[: at % len(good)] + noise + good[at % len(good) :], births, T / 1000)


# Attacked: what real edge nodes, and broken ones, send.

NDEATH = "spBv1.0/plant/NDEATH/edge-1"
DDEATH = "spBv1.0/plant/DDEATH/edge-1/press"


def notes(found: Message) -> dict[str, int]:
    return {note.what: note.amount for note in (*found.unwatched, *found.rejects)}


def test_a_death_of_a_device_has_its_place_in_the_sequence() -> None:
    births = Births()
    read(births, NBIRTH, {"name": "a", "datatype": 10, "double_value": 1.0}, seq=0)
    assert read_message(DDEATH, payload(seq=1), births, 0.0).missed == 0
    data = {"name": "a", "datatype": 10, "double_value": 2.0}
    assert read(births, NDATA, data, seq=2).missed == 0
    assert read_message(DDEATH, payload(seq=5), births, 0.0).missed == 2


def test_one_alias_for_two_metrics_mixes_none_of_them() -> None:
    births = Births()
    born = read(
        births, DBIRTH,
        {"name": "temp", "alias": 5, "datatype": 10, "double_value": 20.0},
        {"name": "force", "alias": 5, "datatype": 10, "double_value": 900.0},
        {"name": "speed", "alias": 6, "datatype": 10, "double_value": 3.0},
    )  # fmt: skip
    assert [m.metric_name for m in born.metrics] == ["temp", "force", "speed"]
    assert notes(born) == {"births": 0}
    found = read(
        births, DDATA, {"alias": 5, "double_value": 1.0}, {"alias": 6, "double_value": 4.0},
        {"name": "temp", "double_value": 21.0},
    )  # fmt: skip
    assert [(m.metric_name, m.value) for m in found.metrics] == [("speed", 4.0), ("temp", 21.0)]
    assert notes(found) == {"alias": 1}
    assert not found.rebirth


def template(*members: dict[str, Any], definition: bool = False, **fields: Any) -> bytes:
    message = Payload(timestamp=T)
    one = message.metrics.add(name="pump", datatype=19, **fields)
    one.template_value.is_definition = definition
    for member in members:
        one.template_value.metrics.add(**member)
    return bytes(message.SerializeToString())


def test_members_of_a_template_have_in_data_the_type_of_the_birth() -> None:
    """The standard says that data should leave types out."""
    births = Births()
    born = template({"name": "rpm", "datatype": 3, "int_value": 7}, {"name": "t", "datatype": 9})
    assert [m.value for m in read_message(DBIRTH, born, births, 0.0).metrics] == [7.0]
    found = read_message(DDATA, template({"name": "rpm", "int_value": 2**32 - 5}), births, 0.0)
    assert [(m.metric_name, m.value) for m in found.metrics] == [("pump/rpm", -5.0)]
    assert (notes(found), found.rebirth) == ({}, False)


def test_members_without_names_are_rejects_and_definitions_measure_nothing() -> None:
    two = ({"datatype": 9, "float_value": 1.0}, {"alias": 3, "datatype": 9, "float_value": 2.0})
    assert notes(read_message(DBIRTH, template(*two), Births(), 0.0)) == {"nameless": 2}
    defined = template(*two, definition=True)
    assert notes(read_message(NBIRTH, defined, Births(), 0.0)) == {"definition": 1}


@pytest.mark.parametrize(
    ("quality", "good"), [(192, True), (216, True), (64, True), (256, True), (0, False),
                          (500, False), (512, False), (2**31 + 512, False)]
)  # fmt: skip
def test_a_value_of_bad_quality_is_no_sample(quality: int, good: bool) -> None:
    message = Payload(timestamp=T)
    one = message.metrics.add(name="t", datatype=10, double_value=0.0)
    one.properties.keys.append("Quality")
    one.properties.values.add(type=3, int_value=quality)
    found = read_message(DBIRTH, message.SerializeToString(), Births(), 0.0)
    assert len(found.metrics) == good
    assert notes(found) == ({} if good else {"quality": 1})


@pytest.mark.parametrize(("name", "pack"), [("GZIP", gzip.compress), ("DEFLATE", zlib.compress)])
def test_a_compressed_payload_is_unpacked(name: str, pack: Any) -> None:
    births = Births()
    for topic, seq, value in ((NBIRTH, 0, 1.5), (NDATA, 1, 2.5)):
        inner = payload({"name": "t", "datatype": 10, "double_value": value}, seq=seq)
        outer = Payload(seq=seq, uuid="SPBV1.0_COMPRESSED", body=pack(inner))
        outer.metrics.add(name="algorithm", datatype=12, string_value=name)
        found = read_message(topic, outer.SerializeToString(), births, 0.0)
        assert [(m.metric_name, m.value, m.timestamp) for m in found.metrics] == [("t", value, T)]
        assert (notes(found), found.missed) == ({}, 0)


@pytest.mark.parametrize(
    ("algorithm", "body"),
    [("LZ4", b"x"), ("GZIP", b"x"), ("GZIP", gzip.compress(bytes(8 << 20))),
     ("DEFLATE", zlib.compress(b"ab")[:-1]), ("DEFLATE", zlib.compress(b"\xff\xff"))],
)  # fmt: skip
def test_a_compressed_payload_that_cannot_be_read_is_a_reject(algorithm: str, body: bytes) -> None:
    outer = Payload(uuid="SPBV1.0_COMPRESSED", body=body)
    outer.metrics.add(name="algorithm", datatype=12, string_value=algorithm)
    found = read_message(NDATA, outer.SerializeToString(), Births(), 0.0)
    assert (found.metrics, notes(found)) == ([], {"malformed": 1})
    other = read_message(NDATA, Payload(body=b"x").SerializeToString(), Births(), 0.0)
    assert notes(other) == {"body": 1}


def birth(session: int, stamp: int, alias: int) -> bytes:
    message = Payload(timestamp=stamp, seq=0)
    message.metrics.add(name="bdSeq", datatype=4, long_value=session)
    message.metrics.add(name=f"m{alias}", alias=1, datatype=10, double_value=1.0)
    return bytes(message.SerializeToString())


def test_a_birth_that_comes_after_a_later_one_changes_no_alias() -> None:
    births = Births()
    read_message(NBIRTH, birth(7, T + 1000, 7), births, 0.0)
    late = read_message(NBIRTH, birth(6, T, 6), births, 0.0)
    assert (late.metrics, notes(late)) == ([], {"old birth": 2})
    found = read(births, NDATA, {"alias": 1, "double_value": 2.0}, seq=1)
    assert [m.metric_name for m in found.metrics] == ["m7"]
    assert found.missed == 0


@pytest.mark.parametrize(
    ("session", "stamp"), [(8, T), (0, T + 2000), (7, T + 1000), (7, T - 5000), (100, T - 9000)]
)
def test_a_node_that_starts_again_is_believed(session: int, stamp: int) -> None:
    """Its sessions begin again, or its clock was set back; not both."""
    births = Births()
    read_message(NBIRTH, birth(7, T + 1000, 7), births, 0.0)
    assert read_message(NBIRTH, birth(session, stamp, 9), births, 0.0).metrics
