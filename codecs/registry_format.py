"""Records of a schema registry: magic byte 0, the schema's id in four bytes, Avro or JSON.

Pure: what an id means is asked of a function. In: the bytes of a record. Out: plain values for a
mapping (`codecs.mapping`); times of Avro's logical types are `datetime`, decimals `Decimal`.

An Avro schema that could make much out of few bytes is refused with its reason: one that refers to
itself, and arrays or maps of what takes no byte.
"""

import io
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import fastavro
import msgspec

from padit.domain.errors import SourceError

__all__ = ["RegistryFormat", "Schema"]

_HEADER = 5
_MOST_SCHEMAS = 1000
_FEWEST_BYTES = {"boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1,
                 "string": 1, "enum": 1, "array": 1, "map": 1, "null": 0}  # fmt: skip
_json = msgspec.json.Decoder()


class Schema(NamedTuple):
    """A schema as a registry has it.

    Attributes:
        kind: AVRO, JSON or PROTOBUF.
        text: the schema.
        references: texts of the schemas that it refers to, those first that others refer to.
    """

    kind: str
    text: str
    references: tuple[str, ...] = ()


Read = Callable[[bytes], Any]


class RegistryFormat:
    """Reads records by the schema whose id they carry.

    Args:
        lookup: id to schema. It raises ValueError for an id that is unknown, SourceError where
            the registry cannot be asked.
    """

    def __init__(self, lookup: Callable[[int], Schema]) -> None:
        self._lookup = lookup
        self._lock = threading.Lock()
        self._known: dict[int, Read | str] = {}

    def __call__(self, record: bytes) -> Any:
        """The values of a record. Raises ValueError with the reason, or SourceError."""
        if record[:1] != b"\x00" or len(record) < _HEADER:
            message = (
                "the record does not begin with the byte 0 and the id of a schema; without "
                "`schemas` under `input` it is read as JSON"
            )
            raise ValueError(message)
        number = int.from_bytes(record[1:_HEADER], "big")
        read = self._known.get(number)
        if read is None:
            read = self._make(number)
        if isinstance(read, str):
            raise ValueError(read)
        return read(record[_HEADER:])

    def _make(self, number: int) -> Read | str:
        schema = self._lookup(number)
        try:
            read: Read | str = _reader_of(schema)
        except SourceError:
            raise
        except Exception as error:  # whatever a library says of a schema that is none
            read = f"schema {number} cannot be used: {error}"
        with self._lock:
            if len(self._known) >= _MOST_SCHEMAS:
                self._known.clear()
            self._known[number] = read
        return read


def _reader_of(schema: Schema) -> Read:
    if schema.kind == "JSON":
        return _json.decode
    if schema.kind != "AVRO":
        message = f"it is {schema.kind}; read are AVRO and JSON"
        raise ValueError(message)
    names: dict[str, Any] = {}
    for text in schema.references:
        fastavro.parse_schema(msgspec.json.decode(text), named_schemas=names)
    content = msgspec.json.decode(schema.text)
    _refuse(content, {}, (), "")
    for text in schema.references:
        _refuse(msgspec.json.decode(text), {}, (), "")
    parsed = fastavro.parse_schema(content, named_schemas=names)
    return _AvroReader(parsed, names)


class _AvroReader:
    """Bytes of one schema to values."""

    def __init__(self, schema: Any, names: Mapping[str, Any]) -> None:
        self._schema = schema

    def __call__(self, data: bytes) -> Any:
        stream = io.BytesIO(data)
        try:
            found = fastavro.schemaless_reader(stream, self._schema, None)
        except Exception as error:  # what fastavro raises for bytes of another schema has no base
            message = f"the bytes do not fit the schema: {type(error).__name__}: {error}"
            raise ValueError(message) from error
        left = len(data) - stream.tell()
        if left:
            message = f"{left} bytes are left behind a value of the schema"
            raise ValueError(message)
        return found


def _refuse(schema: Any, named: dict[str, Any], within: tuple[str, ...], space: str) -> int:
    """The fewest bytes that a value of a schema takes. Raises ValueError for a dangerous one."""
    if isinstance(schema, list):
        return 1 + min((_refuse(one, named, within, space) for one in schema), default=0)
    if isinstance(schema, str):
        name = schema if "." in schema or schema in _FEWEST_BYTES or not space else (
            f"{space}.{schema}"
        )  # fmt: skip
        if name in within or schema in within:
            message = f"the type {schema} refers to itself"
            raise ValueError(message)
        return int(named.get(name, named.get(schema, _FEWEST_BYTES.get(schema, 1))))
    if not isinstance(schema, dict):
        message = f"{schema!r} is no schema"
        raise ValueError(message)
    return _refuse_complex(schema, named, within, space)


def _refuse_complex(
    schema: dict[str, Any], named: dict[str, Any], within: tuple[str, ...], space: str
) -> int:
    kind = schema.get("type")
    if kind in ("array", "map"):
        inner = schema.get("items", schema.get("values"))
        if not _refuse(inner, named, within, space) and kind == "array":
            message = "an array of values that take no byte"
            raise ValueError(message)
        return 1
    if kind in ("record", "error"):
        name = str(schema.get("name", ""))
        space = str(schema.get("namespace", name.rpartition(".")[0] or space))
        full = name if "." in name or not space else f"{space}.{name}"
        inside = (*within, full)
        fewest = sum(_refuse(one.get("type"), named, inside, space) for one in schema["fields"])
        named[full] = fewest
        return fewest
    if kind == "fixed":
        return int(schema.get("size", 1))
    if isinstance(kind, dict | list):
        return _refuse(kind, named, within, space)
    return _FEWEST_BYTES.get(str(kind), 1) if kind in _FEWEST_BYTES else _refuse(
        str(kind), named, within, space
    )  # fmt: skip
