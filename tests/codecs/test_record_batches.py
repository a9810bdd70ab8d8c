"""Record batches as brokers keep them, written by the book: what went in comes out."""

from __future__ import annotations

import gzip
import struct
from typing import Any, NamedTuple

import crc32c
import lz4.frame
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from padit.codecs.record_batches import Aborted, headers_of, walk
from padit.domain.errors import WireFormatError

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
APPEND, TRANSACTIONAL, CONTROL = 8, 16, 32
MS = 1_767_323_045_000


class Record(NamedTuple):
    offset: int
    value: bytes | None
    time: int = MS
    key: bytes | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()


def varint(number: int) -> bytes:
    rest, out = (number << 1) ^ (number >> 63), bytearray()
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    return bytes([*out, rest])


def sized(data: bytes | None) -> bytes:
    return varint(-1) if data is None else varint(len(data)) + data


def body(records: list[Record], first: int, base: int) -> bytes:
    out = b""
    for one in records:
        inner = b"\x00" + varint(one.time - base) + varint(one.offset - first)
        inner += sized(one.key) + sized(one.value) + varint(len(one.headers))
        inner += b"".join(sized(name) + sized(value) for name, value in one.headers)
        out += varint(len(inner)) + inner
    return out


def packed(data: bytes, codec: int) -> bytes:
    if codec == SNAPPY:
        return bytes(pa.compress(data, "snappy", asbytes=True))
    made: dict[int, Any] = {
        NONE: lambda: data, GZIP: lambda: gzip.compress(data),
        LZ4: lambda: lz4.frame.compress(data),
        ZSTD: lambda: pa.compress(data, "zstd", asbytes=True),
    }  # fmt: skip
    return bytes(made[codec]())


def batch(
    records: list[Record], *, first: int | None = None, last: int | None = None, codec: int = NONE,
    attributes: int = 0, producer: int = -1, claimed: int | None = None, raw: bytes | None = None,
    magic: int = 2,
) -> bytes:  # fmt: skip
    first = records[0].offset if first is None else first
    last = records[-1].offset if last is None else last
    base = records[0].time if records else MS
    newest = max((one.time for one in records), default=MS)
    inside = packed(body(records, first, base), codec) if raw is None else raw
    tail = struct.pack(">hiqqqhii", codec | attributes, last - first, base, newest, producer, 0, -1,
                       len(records) if claimed is None else claimed) + inside  # fmt: skip
    head = struct.pack(">ibI", 0, magic, crc32c.crc32c(tail))
    return struct.pack(">qi", first, len(head) + len(tail)) + head + tail


def read(data: bytes, aborted: list[Aborted] | None = None, start: int = 0) -> list[Any]:
    found = walk(list(headers_of(memoryview(data))), aborted, start)
    assert len(found.values) == len(found.offset) == len(found.time)
    return list(zip(found.offset.tolist(), found.time.tolist(), found.values, strict=True))


values = st.one_of(st.none(), st.binary(max_size=300))
some = st.lists(
    st.builds(
        lambda gap, value, away, key: (gap, value, away, key),
        st.integers(1, 400), values, st.integers(-(10**6), 10**9),
        st.one_of(st.none(), st.binary(max_size=90)),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


@settings(max_examples=25)
@given(st.lists(st.tuples(some, st.sampled_from(range(5))), min_size=1, max_size=4),
       st.integers(0, 3000))  # fmt: skip
def test_records_come_out_as_they_went_in(batches: Any, start: int) -> None:
    offset, data, wanted = 10, b"", []
    for records, codec in batches:
        made = []
        for gap, value, away, key in records:
            offset += gap
            made.append(Record(offset, value, MS + away, key, ((b"h", b"v"),)))
        data += batch(made, codec=codec)
        wanted += [(one.offset, one.time, one.value) for one in made]
    assert read(data) == wanted
    assert read(data + data[:50]) == wanted  # a part of a batch at the end is left out
    assert read(data, start=start) == [one for one in wanted if one[0] >= start]
    found = walk(list(headers_of(memoryview(data))), None, start)
    assert found.following == max(offset + 1, start)


def test_values_lie_joined_with_a_line_break_behind_each() -> None:
    found = walk(list(headers_of(memoryview(
        batch([Record(5, b"ab"), Record(6, b""), Record(9, b"cde")])))), None, 0)  # fmt: skip
    joined = found.values.joined(3, 2)
    assert joined is not None
    assert joined.tobytes() == b"   \nab\n\ncde\n  "
    part = found.values[1:].joined(0, 0)
    assert part is not None
    assert part.tobytes() == b"\n\ncde\n"
    assert [found.values[i] for i in range(3)] == [b"ab", b"", b"cde"]
    with_none = walk(list(headers_of(memoryview(
        batch([Record(5, b"ab"), Record(6, None)])))), None, 0)  # fmt: skip
    assert with_none.values.joined(0, 0) is None
    assert with_none.values[1] is None


def test_the_time_that_the_broker_set_counts_for_all_records() -> None:
    data = batch([Record(1, b"a", MS), Record(2, b"b", MS + 5)], attributes=APPEND)
    assert [time for _, time, _ in read(data)] == [MS + 5, MS + 5]


def test_nothing_at_all_is_nothing() -> None:
    found = walk([], None, 7)
    assert (len(found.values), found.following) == (0, 7)
    assert list(headers_of(memoryview(b"\x00" * 11))) == []


def marker(offset: int, producer: int, kind: int) -> bytes:
    end = Record(offset, struct.pack(">hi", 0, 0), key=struct.pack(">hh", 0, kind))
    return batch([end], attributes=CONTROL | TRANSACTIONAL, producer=producer)


def test_records_of_transactions_that_were_given_up_are_left_out() -> None:
    def sent(offset: int, producer: int) -> bytes:
        return batch([Record(offset, b"%d" % offset)], attributes=TRANSACTIONAL, producer=producer)

    data = sent(0, 1) + sent(1, 2) + batch([Record(2, b"2")], producer=1) + sent(3, 1)
    data += marker(4, 1, 0) + marker(5, 2, 1) + sent(6, 1) + marker(7, 1, 1)
    data += sent(8, 2) + sent(9, 1) + marker(10, 2, 0) + sent(11, 2)

    def offsets(aborted: list[Aborted] | None) -> list[int]:
        return [offset for offset, _, _ in read(data, aborted)]

    assert offsets(None) == [0, 1, 2, 3, 6, 8, 9, 11]
    assert offsets([]) == [0, 1, 2, 3, 6, 8, 9, 11]
    assert offsets([Aborted(1, 0)]) == [1, 2, 6, 8, 9, 11]
    assert offsets([Aborted(2, 8), Aborted(1, 0)]) == [1, 2, 6, 9, 11]


@pytest.mark.parametrize("codec", [GZIP, ZSTD])
def test_what_unpacks_beyond_measure_is_refused(codec: int) -> None:
    bomb = batch([Record(3, b"\x00" * 40_000_000)], codec=codec)
    with pytest.raises(WireFormatError, match=r"batch at offset 3 unpacks from \d+ bytes to more"):
        read(bomb)


@pytest.mark.parametrize("codec", [GZIP, SNAPPY, LZ4, ZSTD])
def test_what_cannot_be_unpacked_is_refused(codec: int) -> None:
    for raw in (b"no such thing", packed(b"abc" * 50, codec)[:-4]):
        with pytest.raises(WireFormatError, match="offset"):
            read(batch([Record(3, b"a")], codec=codec, raw=raw))


def test_snappy_comes_in_the_frame_of_the_java_client_too() -> None:
    records = [Record(offset, b"%d" % offset * 20) for offset in range(50)]
    whole = body(records, 0, MS)
    parts = [whole[i : i + 300] for i in range(0, len(whole), 300)]
    framed = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
    for part in parts:
        block = packed(part, SNAPPY)
        framed += struct.pack(">i", len(block)) + block
    data = batch(records, codec=SNAPPY, raw=framed)
    assert [value for _, _, value in read(data)] == [one.value for one in records]
    for size in (0, -1, 10**6):
        raw = framed[:16] + struct.pack(">i", size) + framed[20:]
        with pytest.raises(WireFormatError, match="cannot be unpacked"):
            read(batch(records, codec=SNAPPY, raw=raw))


WHOLE = [Record(4, b"abc"), Record(5, b"de")]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (batch(WHOLE)[:-1] + b"x", "its checksum does not fit"),
        (batch(WHOLE, magic=1), "has the message format 1 of brokers before 0.11"),
        (batch(WHOLE, last=3), "claims 2 records in 0"),
        (batch(WHOLE, claimed=3), "claims 3 records in 2"),
        (batch(WHOLE, claimed=-1), "claims -1 records in 2"),
        (batch(WHOLE) + batch([Record(5, b"x")]), "offset 5 follows one that ends at 5"),
        (struct.pack(">qi", 4, 48) + b"\x00" * 60, "claims a length of 48 bytes"),
        (batch(WHOLE, claimed=1), "the records of the batch at offset 4 are damaged"),
        (batch(WHOLE, last=93, claimed=90), "claim 90 records in"),
        (batch(WHOLE, last=9, claimed=3), "claim 3 records in"),
        (batch(WHOLE, codec=5, raw=b"x" * 40), "has the unknown compression 5"),
        (batch([Record(4, b"a"), Record(4, b"b")], last=9), "are damaged"),
        (batch([Record(4, b"a"), Record(7, b"b")], last=6), "are damaged"),
    ],
)  # fmt: skip
def test_a_batch_that_lies_is_refused_by_its_place(data: bytes, reason: str) -> None:
    with pytest.raises(WireFormatError) as caught:
        read(data)
    assert reason in str(caught.value)


@settings(max_examples=25)
@given(st.data())
def test_damaged_records_are_refused_or_read_and_never_read_past(data: st.DataObject) -> None:
    records = [Record(n, b"%d" % n * 9, key=b"k") for n in range(6)]
    raw = bytearray(body(records, 0, MS))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    try:
        found = read(batch(records, raw=bytes(raw[:cut])))
    except WireFormatError:
        return
    assert len(found) == 6
    assert sum(len(value or b"") for _, _, value in found) < len(raw)
    assert np.all(np.diff([offset for offset, _, _ in found]) > 0)
