"""What the laws of codecs share: valid records of each, ways to break them, and bombs."""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from padit.codecs.contract import LONGEST_REASON, MOST_NAMED, Reject
from padit.codecs.records import Decoded, decode
from padit.domain.rows import Rows
from padit.domain.timestamps import EARLIEST_US, LATEST_US

__all__ = [
    "MAX_BYTES", "SEEDS", "check_decoded", "check_reject", "bombs", "check_rows", "decode_all",
    "mutate", "mutated", "outcome", "stream",
]  # fmt: skip

MAX_BYTES = 4 << 20
T = 1_767_323_045
ROW_BYTES = 24  # code, time, value and element

Outcome = tuple[Any, ...]


def stream(columns: Mapping[str, Any], compression: str | None = None, batches: int = 1) -> bytes:
    """An Arrow IPC stream of any columns."""
    batch = pa.RecordBatch.from_arrays(
        [pa.array(column) if isinstance(column, list) else column for column in columns.values()],
        names=list(columns),
    )
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        for _ in range(batches):
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def _object(**fields: Any) -> bytes:
    whole = {"timestamp": T, "source_id": "a", "metric_name": "b", "value": 1.5} | fields
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()


def _columns(n: int, **columns: Any) -> dict[str, Any]:
    names = pa.array([f"s{i % 3}" for i in range(n)])
    return {
        "timestamp": pa.array(np.arange(T, T + n, dtype=np.float64)),
        "source_id": names,
        "metric_name": names.dictionary_encode(),
        "value": pa.array(np.arange(n) / 2),
    } | columns


def _repeats() -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.array([0, 1, None, 2], pa.int8()), pa.array(["", "ms", "ms"])
    )


SEEDS: Mapping[str, list[bytes]] = {
    "JSON object": [
        _object(),
        _object(unit="ms", metric_type="latency", metadata={"a": [1, {"b": "}{"}]}),
        _object(timestamp="2026-01-02T03:04:05.5Z", source_id="é\U0001f600"),
        _object(timestamp=T * 1000, value=-1e-300),
        b" \n" + _object(value=0) + b"\n",
    ],
    "JSON array": [
        b"[" + _object() + b"]",
        b"[" + b",".join(_object(value=i, source_id=f"s{i % 3}") for i in range(30)) + b"]",
        b"[%b,%b,{},%b]" % (_object(), _object(timestamp="soon"), _object(source_id="")),
    ],
    "Arrow stream": [
        stream(_columns(4)),
        stream(_columns(9, unit=pa.array(["ms"] * 9), metadata=pa.array([{"a": 1}] * 9)), "zstd"),
        stream(_columns(40, metric_type=pa.array(["latency"] * 40)), "lz4", batches=2),
        stream(_columns(4, unit=_repeats(), metric_name=_repeats())),
        stream(_columns(2, timestamp=pa.array([T, None]).cast(pa.timestamp("s", "UTC")))),
        stream(_columns(2, timestamp=pa.array(["2026-01-02T03:04:05Z", "soon"]))),
        stream(_columns(2, value=pa.array([np.nan, 2]))),
    ],
}  # fmt: skip
"""Valid records by the codec's name; those with a few bad samples among them count as valid."""

_PIECES = (
    b"[" * 3000, b'{"a":' * 3000, b"9" * 400, b"1e999", b"-", b"\x00", b"\xff\xff\xff\xff",
    b"\xed\xa0\x80", b'"\\ud800"', b"\\u0000", b"null", b"NaN", b"\n", b"}\n{", b",", b"[]", b"{}",
    struct.pack("<q", 2**62), struct.pack("<q", -1), struct.pack("<q", -(2**63)),
    struct.pack("<I", 0x7FFFFFFF), struct.pack("<I", 0xFFFFFFF0), b"\x04\x00\x00\x00",
)  # fmt: skip

Draw = Callable[[int, int], int]


def mutate(record: bytes, other: bytes, draw: Draw) -> bytes:
    """One change to a record; `draw` gives a whole number between two, both included."""
    kind = draw(0, 6)
    at = draw(0, len(record))
    end = min(len(record), at + draw(0, 64))
    if kind == 0 and record:  # a bit flips
        place = min(at, len(record) - 1)
        flipped = record[place] ^ (1 << draw(0, 7))
        return record[:place] + bytes([flipped]) + record[place + 1 :]
    if kind == 1:  # the end is missing
        return record[:at]
    if kind == 2:  # a part comes twice, or many times
        return record[:end] + record[at:end] * draw(1, 50) + record[end:]
    if kind == 3:  # a part of another record
        begin = draw(0, len(other))
        return record[:at] + other[begin : begin + draw(0, 200)] + record[end:]
    piece = _PIECES[draw(0, len(_PIECES) - 1)]
    if kind == 4:  # something odd is inserted
        return record[:at] + piece + record[at:]
    if kind == 5:  # or written over
        return record[:at] + piece + record[at + len(piece) :]
    place = at - at % 8  # or written over where Arrow keeps numbers
    return record[:place] + piece[:8] + record[place + len(piece[:8]) :]


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """A valid record after up to four changes."""
    record = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        other = draw(st.sampled_from(seeds))
        record = mutate(record, other, lambda least, most: draw(st.integers(least, most)))
    return record


def decode_all(values: Sequence[bytes | None]) -> list[tuple[int, Decoded]]:
    """All records in as many calls as it takes; with each the position of its first record."""
    parts = []
    start = 0
    while start < len(values):
        part = decode(values[start:], MAX_BYTES)
        assert part.taken >= 1
        parts.append((start, part))
        start += part.taken
    return parts


def outcome(parts: Sequence[tuple[int, Decoded]]) -> Outcome:
    """All that decoding gives, as values that compare."""
    found: list[Any] = []
    rejects: list[Reject] = []
    for start, part in parts:
        rows = part.rows
        columns = (part.record, part.element, rows.code, rows.time, rows.value)
        for record, element, code, time, value in zip(*(c.tolist() for c in columns), strict=True):
            found.append((start + record, element, rows.series[code], time, value.hex()))
        rejects += [one._replace(record=start + one.record) for one in part.rejects]
    return found, rejects


def check_rows(rows: Rows) -> None:
    """The invariant of `Rows`: every series once, codes within them, values that can be used."""
    assert len(set(rows.series)) == len(rows.series), "a series stands twice in the table"
    assert rows.code.dtype == np.int32
    assert rows.time.dtype == np.int64
    assert rows.value.dtype == np.float64
    assert len(rows.code) == len(rows.time) == len(rows.value)
    if len(rows):
        assert 0 <= rows.code.min() <= rows.code.max() < len(rows.series)
        assert EARLIEST_US <= rows.time.min() <= rows.time.max() < LATEST_US
        assert np.isfinite(rows.value).all()
        for code in np.unique(rows.code).tolist():
            "".join(rows.series[code]).encode()  # raises for half a surrogate pair


def check_reject(reject: Reject) -> None:
    """A reject is bounded whatever the record holds."""
    assert len(reject.reason) <= LONGEST_REASON
    assert len(reject.elements) <= MOST_NAMED
    assert all(len(reason) <= LONGEST_REASON for _, reason in reject.elements)
    assert [element for element, _ in reject.elements] == sorted(
        {element for element, _ in reject.elements}
    )
    assert reject.lost >= max(1, len(reject.elements))
    json.dumps(reject, ensure_ascii=False).encode()


def check_decoded(values: Sequence[bytes | None], part: Decoded) -> int:
    """What holds for every list of records; returns the bytes that came out."""
    check_rows(part.rows)
    assert len(part.record) == len(part.element) == len(part.rows)
    assert part.record.tolist() == sorted(part.record.tolist())
    positions = [reject.record for reject in part.rejects]
    assert positions == sorted(set(positions)), "more than one reject for a record"
    assert {*positions, *part.record.tolist()} == set(range(part.taken)), "a record vanished"
    for reject in part.rejects:
        check_reject(reject)
    used = [part.rows.series[code] for code in np.unique(part.rows.code).tolist()]
    names = sum(len(name) for series in used for name in series)
    texts = sum(len(reason) for reject in part.rejects for _, reason in reject.elements)
    return ROW_BYTES * len(part.rows) + names + texts + sum(len(one.reason) for one in part.rejects)


def _zeros(n: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int8)), pa.array(["a"]))


def _same(n: int, **columns: Any) -> dict[str, Any]:
    return {
        "timestamp": pa.array(np.full(n, T, np.float64)),
        "source_id": _zeros(n),
        "metric_name": _zeros(n),
        "value": pa.array(np.zeros(n)),
    } | columns


def _growing() -> bytes:
    """A dictionary that grows by a word a batch: each growth would copy all of it."""
    words = [f"{i:04}" * 100 for i in range(300)]
    sink = pa.BufferOutputStream()
    fields = _same(1) | {"source_id": pa.DictionaryArray.from_arrays([0], ["w"])}
    schema = pa.RecordBatch.from_pydict(fields).schema
    options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with pa.ipc.new_stream(sink, schema, options=options) as writer:
        for known in range(1, len(words)):
            chosen = pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(words[:known]))
            batch = pa.RecordBatch.from_pydict(_same(1) | {"source_id": chosen}, schema=schema)
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def _views(n: int) -> pa.Array:
    """One long text, shown by every row."""
    text = b"x" * 10_000
    view = struct.pack("<i4sii", len(text), text[:4], 0, 0)
    return pa.Array.from_buffers(
        pa.string_view(), n, [None, pa.py_buffer(view * n), pa.py_buffer(text)]
    )


def bombs() -> dict[str, bytes]:
    """Small records that ask for very much memory."""
    good = _object()
    distinct = pa.array([f"{i:x}" for i in range(30_000)])
    long = pa.DictionaryArray.from_arrays(np.zeros(60_000, np.int8), ["x" * 100_000])
    return {
        "zeros, Zstandard": stream(_same(8_000_000), "zstd"),
        "zeros, LZ4": stream(_same(1_000_000), "lz4"),
        "zeros, just accepted": stream(_same(100_000), "zstd"),
        "one dead sensor": stream(_same(45_000, value=pa.array(np.full(45_000, np.nan)))),
        "names without end": stream(_same(30_000, source_id=distinct, metric_name=distinct)),
        "a long name for every row": stream(_same(60_000, source_id=long)),
        "a long kind for every row": stream(_same(60_000, metric_type=long)),
        "views of one text": stream(_same(60_000, source_id=_views(60_000))),
        "nulls without a buffer": stream(_same(2_000, unit=pa.nulls(2_000)), batches=300),
        "a growing dictionary": _growing(),
        "many columns": stream(_same(2) | {f"c{i}": pa.array([1, 2]) for i in range(500)}),
        "array of numbers": b"[" + b"1," * 1_000_000 + b"1]",
        "array of nothing": b"[" + b"{}," * 500_000 + b"{}]",
        "array of short samples": b"[" + b",".join([b'{"value":1.2345}'] * 30_000) + b"]",
        "array with one long timestamp": b"[" + b",".join(
            [good] * 3_000 + [_object(timestamp="x" * 100_000)]
        ) + b"]",
        "array of distinct names": b"[" + b",".join(
            _object(source_id=f"{i:x}") for i in range(15_000)
        ) + b"]",
        "deep lists": b"[" * 4_000_000,
        "deep objects": b'{"a":' * 800_000,
        "a number of a megabyte": _object(value=0).replace(b":0", b":" + b"9" * 1_000_000),
        "a name of a megabyte": _object(source_id="x" * 1_000_000),
        "an escaped name": good.replace(b'"a"', b'"' + b"\\u0041" * 500_000 + b'"'),
        "a kind of a megabyte": _object(metric_type="x" * 1_000_000),
        "a time of a megabyte": _object(timestamp="x" * 1_000_000),
        "commas": b"{" + b"," * 4_000_000 + b"}",
    }  # fmt: skip
