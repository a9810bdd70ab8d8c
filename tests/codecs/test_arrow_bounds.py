"""Headers of Arrow streams: every number is read from its place, every bound holds to the one."""

import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.arrow_headers import (
    MOST_UNPACKED,
    ROW_BYTES,
    UNPACKED_AT_LEAST,
    _check_fields,
    _Header,
    _header,
    weigh,
)
from padit.domain.errors import WireFormatError
from tests.codecs.flat import Table, Vector, batch, dictionary, header, message, pairs_of
from tests.codecs.samples import T, arrow, steady

_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_MARKER = b"\xff\xff\xff\xff"
_WHOLE = arrow(timestamp=[float(T)], source_id=["a"], metric_name=["b"], value=[1.5])
_SCHEMA_ONLY = _WHOLE[: 8 + struct.unpack_from("<I", _WHOLE, 4)[0]]
LENGTHS = st.integers(0, 2**40)
BUFFERS = st.lists(st.tuples(LENGTHS, LENGTHS), max_size=5)


def _framed(head: bytes, body: bytes = b"") -> bytes:
    return _MARKER + struct.pack("<I", len(head)) + head + body


def _root(data: bytes) -> int:
    return int(struct.unpack_from("<I", data)[0])


@steady
@given(
    st.sampled_from([_DICTIONARY, _BATCH]), st.none() | LENGTHS, st.lists(LENGTHS, max_size=4),
    BUFFERS, st.booleans(), st.none() | LENGTHS, st.none() | LENGTHS, st.none() | st.booleans(),
)  # fmt: skip
def test_header_is_read_as_it_was_put_together(
    kind: int, rows: int | None, nodes: list[int], buffers: list[tuple[int, int]], packed: bool,
    body: int | None, number: int | None, delta: bool | None,
) -> None:  # fmt: skip
    part = batch(rows, nodes, buffers, packed=packed)
    if kind == _DICTIONARY:
        part = dictionary(number, part, delta)
    else:
        number = delta = None
    expected = _Header(
        kind, body or 0, max([rows or 0, *nodes]), 0 if packed else sum(one for _, one in buffers),
        tuple(one for one in buffers if one[1]) if packed else (), number or 0, bool(delta),
    )  # fmt: skip
    assert _header(header(message(kind, part, body))) == expected


def test_header_without_lists_is_one_of_nothing() -> None:
    assert _header(header(message(_BATCH, Table(()), None))) == _Header(_BATCH, 0)
    assert _Header(_BATCH, 0) == (3, 0, 0, 0, (), 0, False)


@pytest.mark.parametrize("kind", [0, 1, 4, 5, 255])
def test_message_that_is_no_batch_is_refused_by_its_kind(kind: int) -> None:
    with pytest.raises(WireFormatError, match=f"a message of the kind {kind}$"):
        _header(header(message(kind, batch(1, [], [], packed=False), 0)))


def test_message_without_a_kind_or_a_part_is_refused() -> None:
    with pytest.raises(WireFormatError, match="a message of the kind 0"):
        _header(header(Table((("h", 4), None, batch(1, [], [], packed=False), ("q", 0)))))
    for part in (message(_BATCH, None, 0), message(_DICTIONARY, dictionary(1, None, None), 0)):  # type: ignore[arg-type]
        with pytest.raises(WireFormatError, match="a header lacks a part"):
            _header(header(part))


@pytest.mark.parametrize(
    ("part", "body", "reason"),
    [
        (batch(1, [], [], packed=False), -1, "a body of negative length"),
        (batch(1, [], [(0, -1)], packed=False), 0, "a negative length"),
        (batch(1, [], [(8, 9), (0, -1)], packed=True), 0, "a negative length"),
        (batch(-1, [], [], packed=False), 0, "a negative length"),
        (batch(-1, [-2], [], packed=False), 0, "a negative length"),
    ],
)
def test_negative_lengths_are_refused(part: Table, body: int, reason: str) -> None:
    with pytest.raises(WireFormatError, match=f"Corrupted Arrow stream: {reason}$"):
        _header(header(message(_BATCH, part, body)))


def test_list_that_reaches_beyond_its_header_is_refused() -> None:
    part = message(_BATCH, batch(1, [], [(1, 2), (3, 4)], packed=False), 0)
    data = header(part)
    at = data.index(struct.pack("<Iq", 2, 1))
    assert _header(data[: at + 4 + 32]).plain == 6
    with pytest.raises(WireFormatError, match="a list beyond its header"):
        _header(data[: at + 4 + 31])


@pytest.mark.parametrize("version", [None, 0, 3, 4])
@pytest.mark.parametrize("noted", [True, False])
def test_metadata_of_a_batch_are_read_from_version_5_on(version: int | None, noted: bool) -> None:
    more = (pairs_of(("a", "b")),) if noted else ()
    data = header(message(_BATCH, batch(7, [], [], packed=False), 0, *more, version=version))
    if noted and version != 4:
        with pytest.raises(WireFormatError, match="custom metadata of a batch"):
            _header(data)
    else:
        assert _header(data).rows == 7


_MOST_TEXT, _MOST_FIELDS = 1 << 18, 256


@pytest.mark.parametrize(
    ("pairs", "fits"),
    [
        ([("k", "v" * (_MOST_TEXT - 1))], True),
        ([("k", "v" * _MOST_TEXT)], False),
        ([("k" * 128, "v" * 128)] * 1024, True),  # 1024 entries, one table
        ([("k" * 128, "v" * 128)] * 1024 + [("k", None)], False),
        ([("k" * 128, "v" * 128)] * 1024 + [(None, "v")], False),
        ([("k" * 128, "v" * 128)] * 1024 + [(None, None)], True),
    ],
)
def test_metadata_of_a_quarter_of_a_megabyte_are_the_most(
    pairs: list[tuple[str | None, str | None]], fits: bool
) -> None:
    noted = pairs_of(*pairs)
    of_batch = header(message(_BATCH, batch(1, [], [], packed=False), 0, noted))
    field = Table((None,) * 6 + (noted,))
    schemas = [
        (header(Table((None, None, noted))), 0),
        (header(Table((None, Vector((Table(()), field))))), 0),
        (header(Table((None, Vector((Table((None,) * 5 + (Vector((field,)),)),))))), 0),
    ]
    for data, text in schemas:
        if fits or data is schemas[0][0]:  # it is looked at with the first field
            _check_fields(data, _root(data), text)
        else:
            with pytest.raises(WireFormatError, match="256 fields or 262144 bytes of metadata"):
                _check_fields(data, _root(data), text)
    if fits:
        assert _header(of_batch).rows == 1
    else:
        with pytest.raises(WireFormatError, match="custom metadata of a batch"):
            _header(of_batch)


def test_metadata_of_schema_field_and_message_add_up() -> None:
    noted = pairs_of(("k", "v"))
    data = header(Table((None, Vector((Table((None,) * 6 + (noted,)),)), pairs_of(("k", "vv")))))
    _check_fields(data, _root(data), _MOST_TEXT - 5)
    with pytest.raises(WireFormatError, match="256 fields"):
        _check_fields(data, _root(data), _MOST_TEXT - 4)


@pytest.mark.parametrize("beside", [0, 1, 100])
@pytest.mark.parametrize("too_many", [0, 1])
def test_schema_has_256_fields_at_most_and_shared_ones_count_each_time(
    beside: int, too_many: int
) -> None:
    leaf = Table((None,))
    inner = Table((None,) * 5 + (Vector((leaf,) * beside),))
    fields = (inner,) + (leaf,) * (_MOST_FIELDS - 1 - beside + too_many)
    data = header(Table((None, Vector(fields))))
    if too_many:
        with pytest.raises(WireFormatError, match="more than 256 fields"):
            _check_fields(data, _root(data), 0)
    else:
        _check_fields(data, _root(data), 0)


BLOCKS = st.lists(st.tuples(st.integers(1, 40), st.integers(-1, 999)), min_size=1, max_size=4)
MESSAGES = st.lists(
    st.tuples(
        st.none() | st.tuples(st.integers(1, 2), st.booleans()), st.integers(0, 50), BLOCKS,
        st.booleans(),
    ),
    max_size=6,
)  # fmt: skip


@steady
@given(MESSAGES, st.booleans())
def test_weight_of_a_stream_is_what_its_buffers_become(messages: list, ended: bool) -> None:  # type: ignore[type-arg]
    value, size, rows = _SCHEMA_ONLY, 0, 0
    dictionaries: dict[int, int] = {}
    for named, length, blocks, packed in messages:
        body, places, asked = b"", [], 0
        for stored, becomes in blocks:
            places.append((len(body), stored))
            body += struct.pack("<q", becomes) + bytes(-(-stored // 8) * 8)
            asked += becomes if packed and becomes >= 0 else stored
        part = batch(length, [], places, packed=packed)
        if named is None:
            rows += length
            made = message(_BATCH, part, len(body))
        else:
            number, delta = named
            asked = max(asked, 8 * length) + (dictionaries.get(number, 0) if delta else 0)
            dictionaries[number] = asked
            made = message(_DICTIONARY, dictionary(number, part, delta), len(body))
        size += asked
        value += _framed(header(made), body)
    weight, layout = weigh(value + (_MARKER + bytes(4) + b"rest of any kind" if ended else b""))
    assert weight == max(size, ROW_BYTES * rows)
    assert layout.schema.names == ["timestamp", "source_id", "metric_name", "value"]
    assert layout.options is None


@pytest.mark.parametrize(
    ("place", "length", "fits"),
    [(0, 8, True), (8, 8, True), (0, 16, True), (9, 8, False), (0, 17, False), (16, 1, False),
     (-1, 4, False)],
)  # fmt: skip
def test_compressed_buffer_lies_within_its_body(place: int, length: int, fits: bool) -> None:
    head = header(message(_BATCH, batch(1, [], [(place, length)], packed=True), 16))
    value = _SCHEMA_ONLY + _framed(head, struct.pack("<qq", 100, 100)) + _MARKER + bytes(4)
    if fits:
        assert weigh(value)[0] == 100
    else:
        with pytest.raises(WireFormatError, match="a buffer outside of its body"):
            weigh(value)


@pytest.mark.parametrize("becomes", [-(2**63), -2])
def test_compressed_buffer_of_negative_length_is_refused(becomes: int) -> None:
    head = header(message(_BATCH, batch(1, [], [(0, 8)], packed=True), 8))
    with pytest.raises(WireFormatError, match="a compressed buffer of negative length"):
        weigh(_SCHEMA_ONLY + _framed(head, struct.pack("<q", becomes)))


def test_stream_may_become_sixteen_times_its_size_or_four_megabytes() -> None:
    assert (MOST_UNPACKED, UNPACKED_AT_LEAST, ROW_BYTES) == (16, 4_194_304, 32)

    def stream(rows: int, filling: int) -> bytes:
        head = header(message(_BATCH, batch(rows, [], [(0, 8)], packed=False), filling))
        return _SCHEMA_ONLY + _framed(head, bytes(filling))

    for filling in (8, 1 << 19):
        most = max(16 * len(stream(1, filling)), 4 << 20)
        assert weigh(stream(most // 32, filling))[0] == most // 32 * 32
        with pytest.raises(WireFormatError) as caught:
            weigh(stream(most // 32 + 1, filling))
        assert str(caught.value) == (
            f"an Arrow stream of {len(stream(1, filling))} bytes that takes {most // 32 * 32 + 32} "
            f"when it is unpacked ({most // 32 + 1} rows), more than {most}: send smaller batches"
        )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "it is cut, or has no schema"),
        (_MARKER + bytes(4), "it is cut, or has no schema"),
        (_SCHEMA_ONLY[:-1], "it is cut, or has no schema"),
        (_WHOLE[: len(_SCHEMA_ONLY) + 60], "it is cut, or has no schema"),
        (_SCHEMA_ONLY[4:], "an Arrow stream of a version before 0.15, or corrupted"),
        (_framed(header(message(_BATCH, batch(1, [], [], packed=False), 0))),
         "it does not begin with a schema"),
        (_framed(header(Table((("h", 4), None)))), "it does not begin with a schema"),
        (_framed(header(message(_SCHEMA, None, 0))), "a header lacks a part"),  # type: ignore[arg-type]
        (_framed(b"\xff" * 16), "a header points outside of it"),
        (_framed(b"\x40\0\0\0" + bytes(68)), "it does not begin with a schema"),
    ],
)  # fmt: skip
def test_damaged_stream_is_refused_with_what_is_wrong(value: bytes, reason: str) -> None:
    with pytest.raises(WireFormatError, match=f"{reason}$"):
        weigh(value)


def test_stream_of_a_schema_alone_has_no_weight() -> None:
    assert weigh(_SCHEMA_ONLY)[0] == 0
    assert weigh(_SCHEMA_ONLY + b"\xff" * 7)[0] == 0


@pytest.mark.parametrize("spare", [0, 8])
def test_schema_of_64_kilobytes_is_the_largest(spare: int) -> None:
    def stream(size: int) -> bytes:
        schema = pa.schema([("value", pa.float64())], metadata={"note": "x" * size})
        return bytes(schema.serialize().to_pybytes())

    base = len(stream(0)) - 8
    size = (64 << 10) - base + spare
    value = stream(size)
    while len(value) - 8 < (64 << 10) + spare:
        size += 1
        value = stream(size)
    if spare:
        with pytest.raises(WireFormatError, match=f"of {len(value) - 8} bytes, more than 65536"):
            weigh(value)
    else:
        assert weigh(value)[0] == 0


def test_only_the_columns_that_are_used_are_read() -> None:
    columns = {
        "note": pa.array([1]), "timestamp": pa.array([float(T)]), "source_id": pa.array(["a"]),
        "metric_name": pa.array(["b"]), "value": pa.array([1.5]), "unit": pa.array([""]),
        "metric_type": pa.array(["custom"]), "metadata": pa.array(["{}"]),
    }  # fmt: skip
    value = arrow(**columns)
    for labelled, used in ((False, [1, 2, 3, 4, 5, 6]), (True, [1, 2, 3, 4, 5, 6, 7])):
        _, layout = weigh(value, labelled=labelled)
        assert layout.options is not None
        assert layout.options.included_fields == used
        assert layout.no_labels == ""
    numbers = arrow(**columns | {"metadata": pa.array([1])})
    for labelled in (False, True):
        _, layout = weigh(numbers, labelled=labelled)
        assert layout.options is not None
        assert layout.options.included_fields == [1, 2, 3, 4, 5, 6]
        assert bool(layout.no_labels) == labelled
    assert weigh(arrow(value=np.ones(3)))[1].options is None


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array(["{}"]), ""), (pa.array(["{}"], pa.large_string()), ""),
        (pa.array(["{}"], pa.string_view()), ""), (pa.nulls(1), ""),
        (pa.array(["{}"]).dictionary_encode(), ""), (pa.array([{"a": 1}]), ""),
        (pa.array([{"a": [1]}]), "metadata holds struct<a: list<item: int64>>: labels are read "
                                 "from JSON text or a struct of plain values"),
        (pa.array([1.5]), "metadata holds double: labels are read from JSON text or a struct of "
                          "plain values"),
    ],
)  # fmt: skip
def test_labels_are_read_from_text_and_plain_structs(column: pa.Array, reason: str) -> None:
    assert weigh(arrow(metadata=column, value=[1.0]), labelled=True)[1].no_labels == reason


def test_labels_are_not_read_from_two_columns_of_the_name() -> None:
    for count in (2, 3):
        columns = [pa.array(["{}"])] * count
        made = pa.RecordBatch.from_arrays(columns, names=["metadata"] * count)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, made.schema) as writer:
            writer.write_batch(made)
        value = sink.getvalue().to_pybytes()
        assert weigh(value, labelled=True)[1].no_labels == (
            f"the stream has {count} columns of the name metadata"
        )
        assert weigh(value)[1].no_labels == ""
