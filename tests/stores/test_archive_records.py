"""Records come back from the columns of an archive to the byte, whatever they are."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from padit.codecs.archive_numbers import shortest_floats
from padit.codecs.archive_read import COLUMNS, records_of
from padit.codecs.archive_split import FormReader
from padit.codecs.archive_table import SCHEMA, SliceBuilder, checksum_of
from padit.codecs.record_batches import BatchHeader, Walked
from padit.codecs.records import decode
from padit.codecs.values import JoinedValues
from padit.domain.errors import WireFormatError
from padit.stores.archive_files import SegmentBuilder
from tests.stores.records import ODD, START, plain, walked

_NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(lambda one: repr(one).encode()),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(lambda n: str(n).encode()),
    st.integers(-(2**70), 2**70).map(lambda n: b"%d" % n),
    st.from_regex(rb"-?[0-9]{0,20}(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,3})?", fullmatch=True),
)
_TIMES = st.one_of(
    _NUMBERS,
    st.integers(0, 10**7).map(lambda n: b"%r" % (START + n / 1000)),
    st.integers(0, 10**9).map(lambda n: b"%d" % (START * 1000 + n)),
    st.floats(1.7e9, 1.8e9).map(lambda one: b"%r" % one),
)


def _sample(time: bytes, value: bytes, name: bytes, turned: bool) -> bytes:
    first, second = b'"timestamp":' + time, b'"value":' + value
    one, two = (second, first) if turned else (first, second)
    return b'{"source_id":"%b",%b,"metric_name":"m" , %b}' % (name, one, two)


_SAMPLES = st.builds(_sample, _TIMES, _NUMBERS, st.sampled_from([b"a", b"\xc3\xa9", b"x" * 300]),
                     st.booleans())  # fmt: skip
_RECORDS = st.one_of(st.sampled_from(ODD), _SAMPLES, st.binary(max_size=60))


def _stored(parts: Sequence[Walked | BatchHeader]) -> tuple[SliceBuilder, list[pa.Table]]:
    """Through the Parquet files that an archive has."""
    builder, segment = SliceBuilder(3, FormReader()), SegmentBuilder(3, 0, 3)
    for one in parts:
        builder.add_damaged(one) if isinstance(one, BatchHeader) else builder.add(one)
    segment.add(builder, 10**9)
    built = segment.finish(10**9)
    assert built is not None
    files = [pq.ParquetFile(io.BytesIO(data)) for data in built.files.values()]
    for one in files:
        assert one.schema_arrow.equals(SCHEMA)
    return builder, [one.read(columns=[*COLUMNS, "key"]) for one in files]


def _again(tables: Sequence[pa.Table], at_once: int = 10_000) -> list[Walked | BatchHeader]:
    return list(records_of(tables, 10**9, at_once))


@given(st.lists(_RECORDS, min_size=1, max_size=40), st.integers(1, 3), st.integers(1, 50))
@example(list(ODD), 1, 7)
def test_every_record_comes_back_to_the_byte(
    values: list[bytes | None], gap: int, at_once: int
) -> None:
    given_ = walked(values, 5, gap)
    builder, tables = _stored([given_])
    found = [one for one in _again(tables, at_once) if isinstance(one, Walked)]
    assert [value for one in found for value in one.values] == values
    assert np.concatenate([one.offset for one in found]).tolist() == given_.offset.tolist()
    assert np.concatenate([one.time for one in found]).tolist() == given_.time.tolist()
    checksum = 0
    for one in found:
        checksum = checksum_of(one.values, checksum)
    assert checksum == builder.checksum == checksum_of(given_.values)


@given(st.lists(_RECORDS, min_size=1, max_size=40))
@example(list(ODD))
def test_columns_hold_the_samples_that_the_job_reads(values: list[bytes | None]) -> None:
    builder = SliceBuilder(0, FormReader())
    builder.add(walked(values))
    table = builder.table()
    rows = table.filter(pa.compute.is_valid(table["source_id"])).to_pylist()
    expected = decode(values, 4 << 20)
    columns = ("offset", "source_id", "metric_name", "value")
    assert [tuple(one[name] for name in columns) for one in rows] == [
        (record, *expected.rows.series[code][:2], value)
        for record, code, value in zip(
            expected.record.tolist(), expected.rows.code.tolist(), expected.rows.value.tolist(),
            strict=True,
        )
    ]  # fmt: skip
    times = table["time"].drop_null().cast(pa.int64()).to_pylist()
    assert times == expected.rows.time.tolist()


def test_plain_samples_have_no_raw_bytes_and_others_do() -> None:
    builder = SliceBuilder(0, FormReader())
    builder.add(walked(plain(3000)))
    assert builder.raw == 0
    table = builder.table()
    assert table["raw"].null_count == len(table)
    builder.add(walked([b'{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":1e3}']))
    assert builder.raw == 1


def test_a_damaged_batch_keeps_its_place_bytes_and_loss() -> None:
    batch = BatchHeader(40, 49, 0, 0, 0, -1, 7, memoryview(b"\x00bytes"), damage="its checksum")
    _, tables = _stored([walked(plain(10)), batch, walked(plain(5), 50)])
    before, found, after = _again(tables)
    assert isinstance(found, BatchHeader)
    assert (found.first, found.last, found.records, bytes(found.body), found.damage) == (
        40, 49, 7, b"\x00bytes", "its checksum",
    )  # fmt: skip
    assert isinstance(before, Walked)
    assert isinstance(after, Walked)
    assert (before.offset[-1], after.offset[0]) == (9, 50)


def test_headers_come_back_where_there_are_some() -> None:
    one = walked(plain(3))
    text = np.frombuffer(b"\x00\x02\x02a\x02b\x00", np.uint8)
    headers = JoinedValues(text, np.array([0, 1, 6]), np.array([1, 5, 1]))
    _, tables = _stored([one._replace(headers=headers)])
    (found,) = _again(tables)
    assert isinstance(found, Walked)
    assert found.headers is not None
    assert list(found.headers) == [b"", b"\x02\x02a\x02b", b""]


@given(st.lists(st.tuples(_RECORDS, st.none() | st.binary(max_size=9)), min_size=1, max_size=40),
       st.integers(1, 50))  # fmt: skip
def test_every_key_comes_back_with_its_record(
    records: list[tuple[bytes | None, bytes | None]], at_once: int
) -> None:
    keys = [key for _, key in records]
    length = np.array([-1 if key is None else len(key) for key in keys], np.int64)
    text = np.frombuffer(b"".join(key or b"" for key in keys), np.uint8)
    start = np.cumsum(np.maximum(length, 0)) - np.maximum(length, 0)
    given_ = walked([value for value, _ in records])._replace(
        keys=JoinedValues(text, start, length)
    )
    _, tables = _stored([given_, given_.part(1)._replace(offset=given_.offset[1:] + 100)])
    found = [one for one in _again(tables, at_once) if isinstance(one, Walked)]
    assert [key for one in found for key in one.keys or ()] == [*keys, *keys[1:]]


def test_names_that_never_come_again_fill_no_memory() -> None:
    reader = FormReader()
    for turn in range(12):
        values = [
            b'{"timestamp":1767225600,"source_id":"a","metric_name":"b","value":1,"id":"%d"}'
            % (turn * 5000 + n)
            for n in range(5000)
        ]
        reader.split(walked(values).values)
    assert len(reader.forms) < 25_000


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("form", pa.array(["no mark"]), "one place"),
        ("time_style", pa.array([90], pa.int8()), "no known style"),
        ("value_style", pa.array([-3], pa.int8()), "no known style"),
        ("value", pa.array([float("inf")]), "no known style"),
        ("raw", pa.array([b"x"]), "stands whole"),
    ],
)
def test_a_file_that_was_changed_is_refused_with_the_reason(
    column: str, value: pa.Array, reason: str
) -> None:
    builder = SliceBuilder(0, FormReader())
    builder.add(walked(plain(1)))
    table = builder.table()
    place = table.schema.get_field_index(column)
    with pytest.raises(WireFormatError, match=reason):
        _again([table.set_column(place, column, value)])
    with pytest.raises(WireFormatError, match="twice"):
        _again([table, table])


@given(st.lists(st.one_of(_NUMBERS, st.sampled_from([b"", b"-", b"1,2", b"9" * 24, b"9" * 400])),
                max_size=30))  # fmt: skip
@example([b"0.1", b"1e3", b"0.10", b"-0.0", b"-0", b"007", b"1.", b".5", b"0.30000000000000004"])
def test_numbers_are_floats_that_give_their_text_or_are_left_whole(texts: list[bytes]) -> None:
    ends = np.cumsum([len(one) + 1 for one in texts], dtype=np.int64)
    holes = np.array([ends - [len(one) + 1 for one in texts], ends - 1], np.int64).T
    text = np.frombuffer(b"".join(one + b" " for one in texts), np.uint8)
    floats, same = shortest_floats(text, holes.reshape(-1, 2))
    for one, number, taken in zip(texts, floats.tolist(), same.tolist(), strict=True):
        simple = len(one) <= 24 and re.fullmatch(rb"-?(0|[1-9]\d*)(\.\d+)?", one)
        assert taken == bool(simple and msgspec.json.encode(float(one)) == one)
        assert not taken or repr(number) == repr(float(one))
