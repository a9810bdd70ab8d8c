"""Avro and JSON with schemas: the wire format, a folder, and a registry as a real HTTP server."""

import datetime
import decimal
import io
import json
import struct
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.records import Decoded
from padit.codecs.registry_format import RegistryFormat, Schema
from padit.connectors.payloads import payload_of
from padit.connectors.schema_registry import SchemaOptions, SchemaRegistry, schema_options
from padit.connectors.source import Decoder
from padit.domain.errors import ConfigurationError, SourceError
from tests.codecs.samples import T, steady
from tests.connectors.reading import decoder as own
from tests.serving import Serving

TIME = T * 1_000_000
MOMENT = datetime.datetime.fromtimestamp(T, datetime.UTC)
READING = {
    "type": "record",
    "name": "plant.Reading",
    "fields": [
        {"name": "machine", "type": {"type": "record", "name": "Machine", "fields": [
            {"name": "id", "type": "string"}, {"name": "line", "type": ["null", "string"]}]}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "torque", "type": ["null", "double"], "default": None},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9,
                                   "scale": 2}},
        {"name": "parts", "type": {"type": "array", "items": "int"}},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["RUN", "STOP"]}},
    ],
}  # fmt: skip
FORM = {"source": "machine.id", "time": "at", "metric": "{field}", "values": "."}
VALUE = {"machine": {"id": "m-1", "line": None}, "at": MOMENT, "torque": 40.5,
         "price": decimal.Decimal("12.50"), "parts": [1, 2], "state": "RUN"}  # fmt: skip


def avro(number: int, schema: Any, value: Any) -> bytes:
    """A record as Confluent's serializer writes it."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return b"\x00" + struct.pack(">I", number) + out.getvalue()


def plain(decoded: Decoded) -> list[tuple[str, str, int, float]]:
    rows = decoded.rows
    columns = zip(rows.code.tolist(), rows.time.tolist(), rows.value.tolist(), strict=True)
    return [(*rows.series[code][:2], when, value) for code, when, value in columns]


def looked_up(schemas: dict[int, Schema]) -> RegistryFormat:
    def lookup(number: int) -> Schema:
        if number not in schemas:
            message = f"schema {number} is unknown"
            raise ValueError(message)
        return schemas[number]

    return RegistryFormat(lookup)


def read(schemas: dict[int, Schema], *records: bytes, form: Any = FORM) -> Decoded:
    mapping = Mapping(format_of("test", form), looked_up(schemas))
    return mapping.decode([*records], 1 << 20)


AVRO = {7: Schema("AVRO", json.dumps(READING))}


def test_avro_with_nested_records_unions_and_logical_types_is_mapped() -> None:
    decoded = read(AVRO, avro(7, READING, VALUE), avro(7, READING, VALUE | {"torque": None}))
    assert decoded.rejects == []
    assert plain(decoded) == [
        ("m-1", "torque", TIME, 40.5), ("m-1", "price", TIME, 12.5), ("m-1", "price", TIME, 12.5),
    ]  # fmt: skip
    assert {one.what: one.amount for one in decoded.unwatched} == {
        "text of 'machine.line'": 2, "field 'parts[*]'": 4, "text of 'state'": 2,
        "text of 'torque'": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("logical", "stamp"),
    [
        ("timestamp-micros", MOMENT),
        ("local-timestamp-millis", MOMENT.replace(tzinfo=None)),
        (None, T),
        (None, T * 1000),
    ],
)
def test_every_time_of_avro_is_read(logical: str | None, stamp: Any) -> None:
    kind: Any = {"type": "long", "logicalType": logical} if logical else "long"
    schema = {"type": "record", "name": "R", "fields": [
        {"name": "at", "type": kind}, {"name": "v", "type": "float"}]}  # fmt: skip
    form = {"source_id": "s", "time": "at", "values": {"v": "v"}}
    record = avro(1, schema, {"at": stamp, "v": 0.5})
    decoded = read({1: Schema("AVRO", json.dumps(schema))}, record, form=form)
    assert plain(decoded) == [("s", "v", TIME, 0.5)]


def test_json_with_a_schema_id_is_mapped() -> None:
    body = {"machine": {"id": "m"}, "at": T, "torque": 1}
    record = b"\x00\x00\x00\x00\x09" + json.dumps(body).encode()
    decoded = read({9: Schema("JSON", "{}")}, record)
    assert plain(decoded) == [("m", "torque", TIME, 1.0)]


RECURSIVE = {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}
EMPTY = {"type": "record", "name": "E", "fields": [
    {"name": "a", "type": {"type": "array", "items": "null"}}]}  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (Schema("PROTOBUF", "syntax"), "it is PROTOBUF; read are AVRO and JSON"),
        (Schema("AVRO", "{"), "schema 1 cannot be used"),
        (Schema("AVRO", '{"type": "odd"}'), "schema 1 cannot be used"),
        (Schema("AVRO", json.dumps(RECURSIVE)), "refers to itself"),
        (Schema("AVRO", json.dumps(EMPTY)), "values that take no byte"),
    ],
)
def test_a_schema_that_cannot_be_used_makes_dead_letters(schema: Schema, reason: str) -> None:
    decoded = read({1: schema}, b"\x00\x00\x00\x00\x01abc", b"\x00\x00\x00\x00\x01abc")
    assert len(decoded.rejects) == 2
    assert all(reason in one.reason for one in decoded.rejects)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"\x00\x00", "does not begin with the byte 0 and the id"),
        (b'{"a": 1}', "without `schemas` under `input` it is read as JSON"),
        (b"\x00\x00\x00\x00\x08x", "schema 8 is unknown"),
        (b"\x00\x00\x00\x00\x07\x00", "the bytes do not fit the schema"),
        (avro(7, READING, VALUE) + b"x", "1 bytes are left behind a value"),
    ],
)
def test_a_record_of_another_form_is_a_dead_letter(record: bytes, reason: str) -> None:
    good = avro(7, READING, VALUE)
    decoded = read(AVRO, good, record, good)
    assert sorted(set(decoded.record.tolist())) == [0, 2]
    [reject] = decoded.rejects
    assert reason in reject.reason


@steady
@given(st.binary(max_size=80), st.integers(0, 200))
def test_no_bytes_of_avro_can_raise(noise: bytes, at: int) -> None:
    good = avro(7, READING, VALUE)
    cut = at % len(good)
    for record in (good[:5] + noise, good[:cut] + noise, good[:cut] + noise + good[cut:]):
        decoded = read(AVRO, record)
        assert decoded.taken == 1


def test_schemas_of_a_folder_are_found_by_id_and_in_saved_answers(tmp_path: Path) -> None:
    (tmp_path / "7.avsc").write_text(json.dumps(READING))
    (tmp_path / "9.json").write_text("{}")
    saved = {"subject": "a-value", "version": 1, "id": 12, "schema": json.dumps(READING)}
    (tmp_path / "a-value.json").write_text(json.dumps(saved))
    decode = _decoder(str(tmp_path))
    json_record = (
        b"\x00\x00\x00\x00\x09"
        + json.dumps({"machine": {"id": "m"}, "at": T, "torque": 1}).encode()
    )
    records = [avro(7, READING, VALUE), avro(12, READING, VALUE), json_record]
    decoded = decode([*records, avro(13, READING, VALUE)], None)
    assert decoded.record.tolist() == [0, 0, 1, 1, 2]
    assert "schema 13 is unknown" in decoded.rejects[0].reason


def _decoder(schemas: Any) -> Decoder:
    return payload_of("test", FORM, schemas).decoder(own)


class _Registry(ThreadingHTTPServer):
    """A small registry that speaks the REST of Confluent's."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        self.failures = 0
        self.authorization = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, _Registry)
        server.asked.append(self.path)
        status, body = 200, server.answers.get(self.path)
        if server.authorization and self.headers.get("Authorization") != server.authorization:
            status, body = 401, {"error_code": 401, "message": "Unauthorized"}
        elif server.failures:
            server.failures -= 1
            status, body = 500, {}
        elif body is None:
            status, body = 404, {"error_code": 40403, "message": "Schema not found"}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[_Registry]:
    server = _Registry()
    server.answers["/schemas/ids/7"] = {"schema": json.dumps(READING)}
    with Serving(server):
        yield server


def test_a_registry_is_asked_once_for_each_id(registry: _Registry) -> None:
    decode = _decoder(registry.url)
    for _ in range(3):
        decoded = decode([avro(7, READING, VALUE), avro(8, READING, VALUE)], None)
        assert sorted(set(decoded.record.tolist())) == [0]
        assert f"schema 8 is unknown to the registry {registry.url}" in decoded.rejects[0].reason
    assert registry.asked == ["/schemas/ids/7", "/schemas/ids/8"]


def test_a_schema_that_refers_to_others_is_put_together(registry: _Registry) -> None:
    machine = READING["fields"][0]["type"] | {"name": "plant.Machine"}  # type: ignore[index]
    fields: list[Any] = [{"name": "machine", "type": "plant.Machine"}, *READING["fields"][1:]]
    registry.answers["/schemas/ids/7"] = {
        "schema": json.dumps(READING | {"fields": fields}),
        "references": [{"name": "plant.Machine", "subject": "plant/machine", "version": 2}],
    }
    answer = {"schema": json.dumps(machine)}
    registry.answers["/subjects/plant%2Fmachine/versions/2"] = answer
    decoded = _decoder(registry.url)([avro(7, READING, VALUE)], None)
    assert decoded.rejects == []
    assert len(decoded.rows) == 2


def test_a_registry_that_fails_for_a_while_is_asked_again(registry: _Registry) -> None:
    registry.failures = 1
    decoded = _decoder({"registry": registry.url, "wait_sec": 5})([avro(7, READING, VALUE)], None)
    assert len(decoded.rows) == 2


@pytest.mark.parametrize("answer", [b"[]", b"{", b"x" * 100])
def test_a_registry_that_stays_away_stops_the_job_and_loses_nothing(
    registry: _Registry, answer: bytes
) -> None:
    registry.answers["/schemas/ids/7"] = answer
    decode = _decoder({"registry": registry.url, "wait_sec": 0})
    with pytest.raises(SourceError, match=r"has not answered .* so that no record is lost"):
        decode([avro(7, READING, VALUE)], None)
    registry.answers["/schemas/ids/7"] = {"schema": json.dumps(READING)}
    assert len(decode([avro(7, READING, VALUE)], None).rows) == 2


def test_a_registry_that_cannot_be_reached_names_its_address() -> None:
    server = _Registry()
    server.server_close()
    decode = _decoder({"registry": server.url, "wait_sec": 0, "timeout_sec": 1})
    with pytest.raises(SourceError, match=f"{server.url} has not answered"):
        decode([avro(7, READING, VALUE)], None)


def test_credentials_come_from_a_file_and_a_refusal_stops_at_once(
    registry: _Registry, tmp_path: Path
) -> None:
    registry.authorization = "Basic dTpw"  # u:p
    started = time.monotonic()
    with pytest.raises(SourceError, match=r"refuses: 401 .*see client_config under schemas"):
        _decoder(registry.url)([avro(7, READING, VALUE)], None)
    assert time.monotonic() - started < 30
    path = tmp_path / "registry.properties"
    path.write_text("basic.auth.user.info=u:p\n")
    options = {"registry": registry.url, "client_config": str(path)}
    assert len(_decoder(options)([avro(7, READING, VALUE)], None).rows) == 2
    path.write_text("bearer.auth.token=secret\n")
    registry.authorization = "Bearer secret"
    assert len(_decoder(options)([avro(7, READING, VALUE)], None).rows) == 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give registry or folder"),
        ({"registry": "http://h", "folder": "x"}, "give registry or folder"),
        ({"registry": "ftp://h"}, "must read http://host:port"),
        ({"registry": "http://u:p@h"}, "must not carry a user or password"),
        ({"registry": "http://h", "url": "x"}, "unknown key url; allowed are: registry, folder"),
        ("nowhere", "nowhere is no folder"),
    ],
)
def test_wrong_options_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        schema_options("x.yaml", given)


def test_tls_files_that_are_missing_are_named(tmp_path: Path) -> None:
    path = tmp_path / "r.properties"
    path.write_text("ssl.ca.location=/nowhere/ca.pem\n")
    options = SchemaOptions(registry="https://h:1", client_config=str(path))
    with pytest.raises(ConfigurationError, match="TLS files"):
        SchemaRegistry(options)
