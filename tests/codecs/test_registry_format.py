"""Records with a schema's id are read by that schema; a dangerous or useless one is refused."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest

from padit.codecs.registry_format import RegistryFormat, Schema
from padit.domain.errors import SourceError

POINT = {
    "type": "record",
    "name": "Point",
    "namespace": "shop",
    "fields": [{"name": "at", "type": "long"}, {"name": "v", "type": ["null", "double"]}],
}


class Registry:
    def __init__(self, *schemas: Schema) -> None:
        self.schemas, self.asked = schemas, 0

    def __call__(self, number: int) -> Schema:
        self.asked += 1
        if number >= len(self.schemas):
            message = f"schema {number} is unknown"
            raise ValueError(message)
        return self.schemas[number]


def avro(content: Any, *references: Any) -> Schema:
    return Schema("AVRO", json.dumps(content), tuple(map(json.dumps, references)))


def record(number: int, body: bytes) -> bytes:
    return b"\x00" + number.to_bytes(4, "big") + body


def encoded(content: Any, value: Any, *references: Any) -> bytes:
    names: dict[str, Any] = {}
    for one in references:
        fastavro.parse_schema(one, named_schemas=names)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(content, named_schemas=names), value)
    return out.getvalue()


def test_a_record_is_read_by_the_schema_of_its_id_which_is_asked_for_once() -> None:
    registry = Registry(avro("long"), avro(POINT), Schema("JSON", "{}"))
    read = RegistryFormat(registry)
    value = {"at": 5, "v": 2.5}
    for _ in range(3):
        assert read(record(1, encoded(POINT, value))) == value
        assert read(record(0, encoded("long", -7))) == -7
        assert read(record(2, b'{"a": [1]}')) == {"a": [1]}
    assert registry.asked == 3


def test_all_four_bytes_are_the_id() -> None:
    asked: list[int] = []
    read = RegistryFormat(lambda number: asked.append(number) or Schema("JSON", ""))  # type: ignore[func-returns-value]
    assert read(b"\x00\x01\x02\x03\x045") == 5
    assert asked == [0x01020304]


def test_schemas_that_are_too_many_to_keep_are_asked_for_again() -> None:
    registry = Registry(*[Schema("JSON", "")] * 1001)
    read = RegistryFormat(registry)
    for number in (*range(1000), 999, 0):
        assert read(record(number, b"1")) == 1
    assert registry.asked == 1000
    for number in (1000, 0, 1000):
        read(record(number, b"1"))
    assert registry.asked == 1002


@pytest.mark.parametrize("value", [b"", b"{}", b"\x01\x00\x00\x00\x00x", b"\x00\x00\x00\x00"])
def test_a_record_without_an_id_is_refused_with_what_it_may_be(value: bytes) -> None:
    with pytest.raises(ValueError, match="does not begin with the byte 0 and the id of a schema"):
        RegistryFormat(Registry())(value)
    assert RegistryFormat(Registry(Schema("JSON", "")))(record(0, b"0")) == 0


def test_a_registry_that_cannot_be_asked_is_no_fault_of_the_record() -> None:
    def fails(_: int) -> Schema:
        message = "away"
        raise SourceError(message)

    with pytest.raises(SourceError):
        RegistryFormat(fails)(record(0, b"1"))
    with pytest.raises(ValueError, match="schema 9 is unknown"):
        RegistryFormat(Registry())(record(9, b"1"))


def test_bytes_that_do_not_fit_are_refused() -> None:
    read = RegistryFormat(Registry(avro(POINT)))
    whole = encoded(POINT, {"at": 5, "v": 2.5})
    with pytest.raises(ValueError, match=r"^the bytes do not fit the schema: "):
        read(record(0, whole[:-1]))
    with pytest.raises(ValueError, match=r"^2 bytes are left behind a value of the schema$"):
        read(record(0, whole + b"12"))


def wrapped(kind: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "R",
        "namespace": "n",
        "fields": [{"name": "f", "type": kind}],
    }


NOTHING = {"type": "record", "name": "Nothing", "fields": []}
FULL_OF_NOTHING = {"type": "record", "name": "Full", "fields": [
    {"name": "a", "type": "null"}, {"name": "b", "type": {"type": "fixed", "name": "Z", "size": 0}},
    {"name": "c", "type": NOTHING}]}  # fmt: skip


@pytest.mark.parametrize(
    "items", ["null", {"type": "null"}, NOTHING, FULL_OF_NOTHING, {"type": {"type": "null"}},
              {"type": "fixed", "name": "F", "size": 0}],
)  # fmt: skip
def test_an_array_of_what_takes_no_byte_is_refused(items: Any) -> None:
    arrays = {"type": "array", "items": items}
    around = [{"type": "map", "values": arrays}, {"type": "array", "items": arrays}]
    for content in (arrays, wrapped(arrays), wrapped(["null", arrays]), *around):
        with pytest.raises(ValueError, match="an array of values that take no byte"):
            RegistryFormat(Registry(avro(content)))(record(0, b"\x00"))


def test_an_array_of_a_named_type_that_takes_no_byte_is_refused_by_its_name() -> None:
    for name in ("Nothing", "n.Nothing"):
        fields = [{"name": "a", "type": NOTHING},
                  {"name": "b", "type": {"type": "array", "items": name}}]  # fmt: skip
        content = {"type": "record", "name": "R", "namespace": "n", "fields": fields}
        with pytest.raises(ValueError, match="an array of values that take no byte"):
            RegistryFormat(Registry(avro(content)))(record(0, b"\x00"))


@pytest.mark.parametrize(
    ("items", "values"),
    [
        ("boolean", [True]), ("int", [1]), ("long", [2]), ("float", [0.5]), ("double", [0.25]),
        ("bytes", [b"a"]), ("string", ["a"]), (["null", "int"], [None, 3]), (["null"], [None]),
        ({"type": "enum", "name": "E", "symbols": ["X", "Y"]}, ["Y"]),
        ({"type": "fixed", "name": "F", "size": 2}, [b"ab"]),
        ({"type": "array", "items": "int"}, [[1], []]), ({"type": "map", "values": "int"}, [{}]),
        ({"type": "map", "values": "null"}, [{"a": None}]),
        ({"type": "record", "name": "I", "fields": [{"name": "i", "type": "int"}]}, [{"i": 1}]),
        ({"type": "long", "logicalType": "x"}, [3]),
    ],
)  # fmt: skip
def test_an_array_of_what_takes_a_byte_is_read(items: Any, values: list[Any]) -> None:
    content = wrapped({"type": "array", "items": items})
    body = encoded(content, {"f": values})
    assert RegistryFormat(Registry(avro(content)))(record(0, body)) == {"f": values}


@pytest.mark.parametrize(
    "kind",
    [
        ["null", "Node"], ["null", "shop.Node"], {"type": "array", "items": "Node"},
        {"type": "map", "values": "shop.Node"}, wrapped(["null", "shop.Node"]),
    ],
)  # fmt: skip
def test_a_type_that_refers_to_itself_is_refused(kind: Any) -> None:
    content = {"type": "record", "name": "Node", "namespace": "shop",
               "fields": [{"name": "next", "type": kind}]}  # fmt: skip
    with pytest.raises(ValueError, match=r"the type (shop\.)?Node refers to itself"):
        RegistryFormat(Registry(avro(content)))(record(0, b"\x00"))


def test_a_namespace_may_stand_in_the_name() -> None:
    content = {"type": "record", "name": "shop.Node",
               "fields": [{"name": "next", "type": ["null", "Node"]}]}  # fmt: skip
    with pytest.raises(ValueError, match="the type Node refers to itself"):
        RegistryFormat(Registry(avro(content)))(record(0, b"\x00"))


def test_a_type_that_is_used_twice_is_no_circle() -> None:
    fields = [{"name": "a", "type": POINT}, {"name": "b", "type": "shop.Point"},
              {"name": "c", "type": {"type": "array", "items": "shop.Point"}}]  # fmt: skip
    content = {"type": "record", "name": "R", "fields": fields}
    one = {"at": 1, "v": None}
    value = {"a": one, "b": one, "c": [one]}
    assert RegistryFormat(Registry(avro(content)))(record(0, encoded(content, value))) == value


def test_schemas_that_others_refer_to_are_known_and_held_to_the_same() -> None:
    content = {"type": "record", "name": "R", "fields": [{"name": "p", "type": "shop.Point"}]}
    value = {"p": {"at": 3, "v": 0.5}}
    read = RegistryFormat(Registry(avro(content, POINT)))
    assert read(record(0, encoded(content, value, POINT))) == value
    bad = {"type": "record", "name": "Bad", "fields": [
        {"name": "x", "type": {"type": "array", "items": "null"}}]}  # fmt: skip
    with pytest.raises(ValueError, match="an array of values that take no byte"):
        RegistryFormat(Registry(avro("long", bad)))(record(0, b"\x00"))


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (Schema("PROTOBUF", ""), "schema 0 cannot be used: it is PROTOBUF; read are AVRO and JSON"),
        (Schema("AVRO", "{"), "schema 0 cannot be used: "),
        (avro(5), "schema 0 cannot be used: 5 is no schema"),
        (avro({"type": "record", "name": "R"}), "schema 0 cannot be used: "),
        (avro("unknown"), "schema 0 cannot be used: "),
    ],
)
def test_a_schema_that_cannot_be_used_is_named_each_time_and_asked_for_once(
    schema: Schema, reason: str
) -> None:
    registry = Registry(schema)
    read = RegistryFormat(registry)
    for _ in range(2):
        with pytest.raises(ValueError, match=reason):
            read(record(0, b"\x00"))
    assert registry.asked == 1
