"""The headers of an Arrow IPC stream, read before Arrow allocates anything for its body.

A stream is a sequence of messages, each a header (a FlatBuffers table) and a body. The first eight
bytes of a compressed buffer are its unpacked length, a dictionary may be repeated or grow, an array
without buffers may have any length, and tables inside a header may be shared: a few kilobytes can
ask for gigabytes. `weigh` adds up what the headers ask for and refuses more than `MOST_UNPACKED`
bytes for each byte of the stream, or `UNPACKED_AT_LEAST` where that is more: what Arrow itself
writes with LZ4 or Zstandard for samples stays far below either.

The layout is that of Apache Arrow's `format/Message.fbs` and `Schema.fbs`, version 1.5.
"""

import struct
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa

from padit.domain.errors import WireFormatError
from padit.domain.metric import Series

__all__ = ["MOST_UNPACKED", "UNPACKED_AT_LEAST", "ROW_BYTES", "Layout", "weigh"]

MOST_UNPACKED = 16
"""Bytes that a stream may unpack to, for each of its own."""
UNPACKED_AT_LEAST = 4 << 20
"""Bytes that a stream of any size may unpack to: 45,000 samples of a dead sensor take 1.3 MB."""
ROW_BYTES = 32
"""Least bytes counted for a row: its names, time and value take as many when read."""

_LARGEST_SCHEMA = 64 << 10
_MOST_FIELDS = 256
_MOST_TEXT = 256 << 10
_ENTRY_BYTES = 8  # least bytes counted for an entry of a dictionary
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_VERSION_5 = 4
_MARKER = 0xFFFFFFFF
_USED = {"timestamp", "value", "metric_type", *Series._fields}
_METADATA = "metadata"
_CUT = "Corrupted Arrow stream: it is cut, or has no schema"
_OLD = "an Arrow stream of a version before 0.15, or corrupted"
_prefix = struct.Struct("<II")
_i16, _i32, _u16, _u32, _i64 = (struct.Struct(f"<{kind}") for kind in "hiHIq")


class Layout(NamedTuple):
    """The schema of a stream, and how to read its columns.

    Attributes:
        schema: as Arrow reads it.
        options: for reading only the columns that are used; None where all are used.
        body: bytes that follow the schema's header.
        no_labels: why no label can be read of it, although some are wanted; or empty.
        others: columns of numbers that no sample has.
    """

    schema: pa.Schema
    options: pa.ipc.IpcReadOptions | None
    body: int
    no_labels: str = ""
    others: tuple[str, ...] = ()


class _Header(NamedTuple):
    """One message: what it asks for, and the places of its body's compressed buffers."""

    kind: int
    body: int
    rows: int = 0
    plain: int = 0
    packed: tuple[tuple[int, int], ...] = ()
    dictionary: int = 0
    delta: bool = False


def weigh(value: bytes, *, labelled: bool = False) -> tuple[int, Layout]:
    """Bytes that a stream takes once it is unpacked, and its layout.

    Args:
        value: the stream.
        labelled: whether the column `metadata` is used, too.

    Raises:
        WireFormatError: the headers are damaged or ask for too much, or the schema is one that
            samples cannot have.
    """
    try:
        layout, size, rows = _add_up(value, labelled)
    except (struct.error, IndexError) as error:
        message = "Corrupted Arrow stream: a header points outside of it"
        raise WireFormatError(message) from error
    weight = max(size, ROW_BYTES * rows)
    most = max(MOST_UNPACKED * len(value), UNPACKED_AT_LEAST)
    if weight > most:
        message = (
            f"an Arrow stream of {len(value)} bytes that takes {weight} when it is unpacked "
            f"({rows} rows), more than {most}: send smaller batches"
        )
        raise WireFormatError(message)
    return weight, layout


def _add_up(value: bytes, labelled: bool) -> tuple[Layout, int, int]:
    """The layout of a stream, the bytes of all its buffers, and its rows."""
    layout: Layout | None = None
    size = rows = at = 0
    dictionaries: dict[int, int] = {}
    while at + 8 <= len(value):
        marker, length = _prefix.unpack_from(value, at)
        if not length or not marker:
            break
        start, end = at + 8, at + 8 + length
        if marker != _MARKER or end > len(value):
            raise WireFormatError(_CUT if marker == _MARKER else _OLD)
        if layout is None:
            layout = _layout(value[start:end], labelled)
            at = end + layout.body
            continue
        head = _header(value[start:end])
        at = end + head.body
        asked = head.plain + (_unpacked(value, end, head) if head.packed else 0)
        if head.kind == _DICTIONARY:
            asked = max(asked, _ENTRY_BYTES * head.rows)
            if head.delta:  # every growth makes a copy
                asked += dictionaries.get(head.dictionary, 0)
            dictionaries[head.dictionary] = asked
        else:
            rows += head.rows
        size += asked
    if layout is None or at > len(value):
        raise WireFormatError(_CUT)
    return layout, size, rows


def _body(data: bytes, message: int) -> int:
    """Length of the body that follows a header."""
    slot = _slot(data, message, 3)
    length: int = _i64.unpack_from(data, slot)[0] if slot else 0
    if length < 0:
        text = "Corrupted Arrow stream: a body of negative length"
        raise WireFormatError(text)
    return length


def _unpacked(value: bytes, body: int, head: _Header) -> int:
    """Bytes that the compressed buffers of a message become."""
    total = 0
    for offset, length in head.packed:
        if not 0 <= offset <= offset + length <= head.body:
            message = "Corrupted Arrow stream: a buffer outside of its body"
            raise WireFormatError(message)
        (becomes,) = _i64.unpack_from(value, body + offset)
        if becomes < -1:
            message = "Corrupted Arrow stream: a compressed buffer of negative length"
            raise WireFormatError(message)
        total += length if becomes == -1 else becomes
    return total


@lru_cache(maxsize=4096)
def _header(data: bytes) -> _Header:
    """A message's header, cached because the headers of one producer are often equal."""
    message = _root(data, 0)
    kind = data[_slot(data, message, 1)] if _slot(data, message, 1) else 0
    if kind not in (_DICTIONARY, _BATCH):
        text = f"Corrupted Arrow stream: a message of the kind {kind}"
        raise WireFormatError(text)
    _refuse_old_compression(data, message)
    table = _table(data, _slot(data, message, 2))
    number, delta = 0, False
    if kind == _DICTIONARY:
        at, grows = _slot(data, table, 0), _slot(data, table, 2)
        number = _i64.unpack_from(data, at)[0] if at else 0
        delta = bool(grows and data[grows])
        table = _table(data, _slot(data, table, 1))
    lengths = [_i64.unpack_from(data, at)[0] for at in _vector(data, _slot(data, table, 1), 16)]
    at = _slot(data, table, 0)
    rows = max([_i64.unpack_from(data, at)[0] if at else 0, *lengths])
    buffers = tuple(
        (_i64.unpack_from(data, at)[0], _i64.unpack_from(data, at + 8)[0])
        for at in _vector(data, _slot(data, table, 2), 16)
    )
    if rows < 0 or any(length < 0 for _, length in buffers):
        text = "Corrupted Arrow stream: a negative length"
        raise WireFormatError(text)
    body = _body(data, message)
    if _slot(data, table, 3):
        packed = tuple(one for one in buffers if one[1])
        return _Header(kind, body, rows, 0, packed, number, delta)
    return _Header(kind, body, rows, sum(one[1] for one in buffers), (), number, delta)


def _refuse_old_compression(data: bytes, message: int) -> None:
    """Refuse compression that the metadata announces, as before version 5, and not the header."""
    at = _slot(data, message, 0)
    version = _i16.unpack_from(data, at)[0] if at else 0
    noted = _slot(data, message, 4)
    if noted and (version < _VERSION_5 or _text_of(data, noted) > _MOST_TEXT):
        text = "an Arrow stream with custom metadata of a batch, which is not supported"
        raise WireFormatError(text)


@lru_cache(maxsize=256)
def _layout(data: bytes, labelled: bool) -> Layout:
    """The schema message of a stream, after a look at what Arrow would allocate for it."""
    if len(data) > _LARGEST_SCHEMA:
        text = f"an Arrow schema of {len(data)} bytes, more than {_LARGEST_SCHEMA}"
        raise WireFormatError(text)
    message = _root(data, 0)
    at = _slot(data, message, 1)
    if not at or data[at] != _SCHEMA:
        text = "Corrupted Arrow stream: it does not begin with a schema"
        raise WireFormatError(text)
    noted = _slot(data, message, 4)
    table = _table(data, _slot(data, message, 2))
    _check_fields(data, table, _text_of(data, noted) if noted else 0)
    frame = _u32.pack(_MARKER) + _u32.pack(len(data)) + data
    schema = pa.ipc.read_schema(pa.py_buffer(frame))
    _check_names(schema)
    no_labels = _unreadable(schema) if labelled else ""
    wanted = _USED | {_METADATA} if labelled and not no_labels else _USED
    used = [i for i, name in enumerate(schema.names) if name in wanted]
    some = pa.ipc.IpcReadOptions(included_fields=used) if len(used) < len(schema) else None
    return Layout(schema, some, _body(data, message), no_labels, _others(schema))


def _others(schema: pa.Schema) -> tuple[str, ...]:
    """Columns of numbers that are not read."""
    known = _USED | {_METADATA}
    return tuple(one.name for one in schema if one.name not in known and _is_number(one.type))


def _is_number(kind: pa.DataType) -> bool:
    """Whether a column holds numbers, perhaps within lists or structs."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_nested(inner):
        return any(_is_number(inner.field(i).type) for i in range(inner.num_fields))
    number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(is_one(inner) for is_one in number)


def _check_fields(data: bytes, schema: int, text: int) -> None:
    """Tables in a header may be shared, so that a few of them stand for very many fields."""
    noted = _slot(data, schema, 2)
    text += _text_of(data, noted) if noted else 0
    waiting = [_slot(data, schema, 1)]
    fields = 0
    while waiting:
        for at in _vector(data, waiting.pop(), 4):
            fields += 1
            field = _table(data, at)
            noted = _slot(data, field, 6)
            text += _text_of(data, noted) if noted else 0
            waiting.append(_slot(data, field, 5))
            if fields > _MOST_FIELDS or text > _MOST_TEXT:
                message = f"an Arrow schema with more than {_MOST_FIELDS} fields or {_MOST_TEXT} "
                raise WireFormatError(message + "bytes of metadata")


def _check_names(schema: pa.Schema) -> None:
    """Refuse used columns that occur twice, or have a type whose size no header states."""
    for name in sorted(_USED & {*schema.names}):
        found = schema.get_all_field_indices(name)
        if len(found) > 1:
            message = f"an Arrow stream with {len(found)} columns of the name {name}"
            raise WireFormatError(message)
        kind = schema.field(found[0]).type
        if not _is_plain(kind):
            message = f"the column {name} holds {str(kind)[:80]}, it must hold plain values"
            raise WireFormatError(message)


def _is_plain(kind: pa.DataType) -> bool:
    """Whether the values of a column are plain ones, or a dictionary of such."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return not (
        pa.types.is_nested(inner)
        or pa.types.is_dictionary(inner)
        or pa.types.is_run_end_encoded(inner)
        or isinstance(inner, pa.BaseExtensionType)
    )


def _unreadable(schema: pa.Schema) -> str:
    """Why no label can be read from the column `metadata`; empty if some can, or it is missing."""
    found = schema.get_all_field_indices(_METADATA)
    if not found:
        return ""
    if len(found) > 1:
        return f"the stream has {len(found)} columns of the name {_METADATA}"
    kind = schema.field(found[0]).type
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = pa.types.is_string(inner) or pa.types.is_large_string(inner)
    if text or pa.types.is_string_view(inner) or pa.types.is_null(inner):
        return ""
    if pa.types.is_struct(kind):
        fields = [kind.field(i).type for i in range(kind.num_fields)]
        if all(_is_plain(one) for one in fields):
            return ""
    held = str(kind)[:80]
    return f"metadata holds {held}: labels are read from JSON text or a struct of plain values"


def _text_of(data: bytes, slot: int) -> int:
    """Bytes of all keys and values of a vector of pairs."""
    total = 0
    for at in _vector(data, slot, 4):
        pair = _table(data, at)
        for number in (0, 1):
            place = _slot(data, pair, number)
            if place:
                total += _u32.unpack_from(data, place + _u32.unpack_from(data, place)[0])[0]
        if total > _MOST_TEXT:
            break
    return total


def _root(data: bytes, at: int) -> int:
    """Position of the outermost table."""
    return at + int(_u32.unpack_from(data, at)[0])


def _table(data: bytes, slot: int) -> int:
    """Position of the table that a slot points to."""
    if not slot:
        message = "Corrupted Arrow stream: a header lacks a part"
        raise WireFormatError(message)
    return slot + int(_u32.unpack_from(data, slot)[0])


def _slot(data: bytes, table: int, number: int) -> int:
    """Position of a field of a table; 0 where it is absent."""
    vtable = table - _i32.unpack_from(data, table)[0]
    if vtable < 0 or 4 + 2 * number >= _u16.unpack_from(data, vtable)[0]:
        return 0
    offset: int = _u16.unpack_from(data, vtable + 4 + 2 * number)[0]
    return table + offset if offset else 0


def _vector(data: bytes, slot: int, width: int) -> range:
    """Positions of the entries of a vector; none where it is absent."""
    if not slot:
        return range(0)
    start = slot + _u32.unpack_from(data, slot)[0]
    count = _u32.unpack_from(data, start)[0]
    if start + 4 + width * count > len(data):
        message = "Corrupted Arrow stream: a list beyond its header"
        raise WireFormatError(message)
    return range(start + 4, start + 4 + width * count, width)
