"""Record batches are walked to exactly what was written; damaged ones are refused, never read past.

The damage tests run the kernels as plain Python over arrays that raise wherever an index or a slice
lies outside them, so that "never a read outside the buffer" is seen and not hoped for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import cramjam
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from padit.codecs import record_batches, record_walk
from padit.codecs.contract import AT_LEAST, MOST_TIMES
from padit.codecs.record_batches import Aborted, Walked, committed, headers_in, headers_of, walk
from padit.codecs.values import JoinedValues
from padit.domain.errors import WireFormatError
from tests.codecs.batches import PACKERS, Batch, Item, encode, marker, sealed

Record = tuple[int, int, bytes | None]

_BYTES = st.one_of(st.none(), st.binary(max_size=40), st.integers(0, 3000).map(lambda n: b"x" * n))
_HEADERS = st.lists(
    st.tuples(st.text(max_size=5), st.one_of(st.none(), st.binary(max_size=9))), max_size=3
).map(tuple)
_TIMES = st.one_of(st.integers(-5, 5), st.integers(-(2**40), 2**40))


@st.composite
def batches(draw: st.DrawFn) -> list[Batch]:
    """Batches of one log: gaps of compaction, also empty batches, and every kind of time."""
    found: list[Batch] = []
    at = draw(st.integers(0, 2**40))
    for _ in range(draw(st.integers(0, 5))):
        numbers = sorted(draw(st.sets(st.integers(0, 60), max_size=12)))
        items = tuple(
            Item(n, draw(_BYTES), draw(_TIMES), draw(_BYTES), draw(_HEADERS)) for n in numbers
        )
        last = at + (numbers[-1] if numbers else 0) + draw(st.integers(0, 3))
        one = Batch(
            at,
            items,
            last,
            base_time=draw(st.sampled_from([-1, 0, 1_700_000_000_000])),
            append_time=draw(st.sampled_from([None, None, 0, 1_800_000_000_000])),
            packed=draw(st.sampled_from(sorted(PACKERS))),
        )
        found.append(one)
        at = last + 1 + draw(st.integers(0, 3))
    return found


def _records(written: Sequence[Batch]) -> list[Record]:
    return [
        (
            one.first + item.number,
            one.base_time + item.time if one.append_time is None else one.append_time,
            item.value,
        )
        for one in written
        for item in one.items
    ]


def _found(walked: Walked) -> list[Record]:
    return list(zip(walked.offset.tolist(), walked.time.tolist(), list(walked.values), strict=True))


@given(batches(), st.integers(0, 200), st.integers(0, 70))
def test_what_was_written_is_what_is_walked(written: list[Batch], skipped: int, cut: int) -> None:
    data = b"".join(map(encode, written))
    data += encode(Batch(2**41, (Item(0, b"cut"),)))[:cut]  # a part at the end is left out
    start = (written[0].first if written else 0) + skipped
    walked = walk(list(headers_of(memoryview(data))), start, headers=True, keys=True)
    assert _found(walked) == [one for one in _records(written) if one[0] >= start]
    items = [item for one in written for item in one.items if one.first + item.number >= start]
    assert walked.keys is not None
    assert list(walked.keys) == [item.key for item in items]
    assert walked.headers is not None
    assert [tuple(headers_in(one)) for one in walked.headers] == [item.headers for item in items]
    assert _found(walk(list(headers_of(memoryview(data))), start)) == _found(walked)
    assert walked.following == max([start, *(one.end + 1 for one in written)])


@given(batches(), st.integers(0, 80), st.integers(0, 80))
def test_values_lie_joined_as_they_were_written(
    written: list[Batch], first: int, last: int
) -> None:
    data = b"".join(map(encode, written))
    start = written[0].first if written else 0
    every = [value for _, _, value in _records(written)]
    values = walk(list(headers_of(memoryview(data))), start).values
    assert isinstance(values, JoinedValues)
    chosen = values[first:last]
    assert list(chosen) == every[first:last]
    assert [chosen[i] for i in range(len(chosen))] == every[first:last]
    whole = [value for value in every[first:last] if value is not None]
    joined = chosen.joined(3, 2)
    if not whole or len(whole) < len(chosen):
        assert joined is None
    else:
        assert joined is not None
        assert joined.tobytes() == b"   \n" + b"\n".join(whole) + b"\n  "


def test_many_small_batches_are_walked_together_with_large_ones() -> None:
    written = [
        Batch(10 * n, tuple(Item(i, b"%d" % i * (1 + 4000 * (n % 7 == 0))) for i in range(9)),
              packed="lz4")
        for n in range(200)
    ]  # fmt: skip
    data = memoryview(b"".join(map(encode, written)))
    assert _found(walk(list(headers_of(data)), 0)) == _records(written)


@st.composite
def transactions(draw: st.DrawFn) -> tuple[list[Batch], list[Aborted], list[Record]]:
    """A log with transactions of a few producers, what a broker says of it, and what counts."""
    log: list[Batch] = []
    aborted: list[Aborted] = []
    open_: dict[int, list[Batch]] = {}
    given_up: set[int] = set()
    for at in range(draw(st.integers(0, 30))):
        producer = draw(st.integers(0, 3))
        act = draw(st.sampled_from(["write", "write", "commit", "abort"]))
        if producer == 0:  # without transactions
            log.append(Batch(at, (Item(0, b"plain %d" % at),)))
        elif act == "write":
            one = Batch(at, (Item(0, b"%d of %d" % (at, producer)),), producer=producer,
                        transactional=True)  # fmt: skip
            open_.setdefault(producer, []).append(one)
            log.append(one)
        else:
            mine = open_.pop(producer, [])
            log.append(marker(at, producer, commit=act == "commit"))
            if mine and act == "abort":
                aborted.append(Aborted(producer, mine[0].first))
                given_up.update(one.first for one in mine)
    # A broker gives nothing from the first open transaction on.
    stable = min([mine[0].first for mine in open_.values()], default=len(log))
    log = [one for one in log if one.first < stable]
    kept = [one for one in log if not one.control and one.first not in given_up]
    return log, draw(st.permutations(aborted)), _records(kept)


@given(transactions())
def test_records_of_transactions_that_were_given_up_are_left_out(
    case: tuple[list[Batch], list[Aborted], list[Record]],
) -> None:
    log, aborted, expected = case
    headers = list(headers_of(memoryview(b"".join(map(encode, log)))))
    walked = walk(list(committed(headers, aborted)), 0)
    assert _found(walked) == expected


def test_the_end_of_a_transaction_that_cannot_be_read_is_an_error_and_no_guess() -> None:
    broken = replace(marker(1, 5, commit=False), items=(Item(0, b"", key=b"\x00"),))
    data = encode(Batch(0, (Item(0, b"x"),), producer=5, transactional=True)) + encode(broken)
    with pytest.raises(WireFormatError, match="the end of a transaction at offset 1"):
        list(committed(headers_of(memoryview(data)), [Aborted(5, 0)]))


SOME = Batch(7, (Item(0, b"a" * 50), Item(1, None), Item(2, b"")))


def _only(data: bytes) -> str:
    """What is wrong with the only batch of these bytes."""
    (one,) = headers_of(memoryview(data))
    if one.damage:
        return one.damage
    with pytest.raises(WireFormatError) as caught:
        walk([one], 0)
    return str(caught.value)


def test_a_wrong_checksum_is_named_and_can_be_passed_over() -> None:
    data = bytearray(encode(SOME))
    data[-10] ^= 1
    assert _only(bytes(data)) == (
        "the record batch at offset 7 is damaged: its checksum does not fit"
    )
    (one,) = headers_of(memoryview(bytes(data)), checked=False)
    assert one.damage == ""


def test_a_damaged_batch_is_the_last_one_and_ends_before_the_next() -> None:
    data = bytearray(encode(SOME) + encode(replace(SOME, first=20)))
    data[23:27] = struct.pack(">i", 2**30)  # it claims to end far behind the next
    (one,) = headers_of(memoryview(bytes(data)))
    assert one.damage
    assert (one.first, one.last) == (7, 19)


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (replace(SOME, attributes=5), "the record batch at offset 7 has the unknown compression 5"),
        (replace(SOME, attributes=4), "the record batch at offset 7 cannot be unpacked (zstd)"),
        (replace(SOME, attributes=1), "the record batch at offset 7 cannot be unpacked (gzip)"),
        (replace(SOME, attributes=2), "the record batch at offset 7 cannot be unpacked (snappy)"),
        (replace(SOME, attributes=3), "the record batch at offset 7 cannot be unpacked (lz4)"),
        (replace(SOME, records=2), "the records of the batch at offset 7 are damaged"),
        (replace(SOME, last=8), "the record batch at offset 7 claims 3 records in 2"),
        (replace(SOME, records=-1), "the record batch at offset 7 claims -1 records in 3"),
        (replace(SOME, last=7 + 2**30, records=2**30),
         f"the record batch at offset 7 claims {2**30} records in 71 bytes"),
        (replace(SOME, items=(Item(1, b"x"), Item(0, b"y"))),
         "the records of the batch at offset 7 are damaged"),
        (replace(SOME, items=(Item(3, b"x"),), last=8),
         "the records of the batch at offset 7 are damaged"),
        (replace(SOME, items=(Item(2**62, b"x"),), last=8),
         "the records of the batch at offset 7 are damaged"),
        (replace(SOME, items=(Item(-1, b"x"),), last=8),
         "the records of the batch at offset 7 are damaged"),
    ],
)  # fmt: skip
def test_a_batch_that_lies_is_refused_by_its_place(batch: Batch, words: str) -> None:
    assert _only(encode(batch)) == words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encode(SOME)[:8] + struct.pack(">i", 48) + encode(SOME)[12:], "claims a length of 48"),
        (encode(SOME)[:8] + struct.pack(">i", -9) + encode(SOME)[12:], "claims a length of -9"),
        (encode(replace(SOME, magic=1)), "message format 1, of brokers before 0.11"),
        (encode(SOME) + encode(SOME), "at offset 7 follows one that ends at 9"),
        (encode(SOME) + encode(replace(SOME, first=5)), "at offset 5 follows one that ends at 9"),
    ],
)  # fmt: skip
def test_where_nothing_can_be_told_behind_a_batch_reading_stops(data: bytes, words: str) -> None:
    with pytest.raises(WireFormatError, match=words):
        list(headers_of(memoryview(data)))


@pytest.mark.parametrize("packed", ["gzip", "lz4", "zstd"])
def test_a_bomb_is_refused_before_it_is_large(packed: str) -> None:
    number, pack = PACKERS[packed]
    body = pack(bytes(100 << 20))
    most = MOST_TIMES * len(body) + AT_LEAST
    assert most < 100 << 20
    data = encode(replace(SOME, attributes=number, body=body))
    assert _only(data) == (
        f"the record batch at offset 7 unpacks from {len(body)} bytes to more than {most}"
    )


@pytest.mark.parametrize("framed", [True, False])
def test_a_snappy_block_that_claims_too_much_is_refused_unread(framed: bool) -> None:
    block = bytes(cramjam.snappy.compress_raw(b"x" * 100))
    block = b"\xff\xff\xff\xff\x0f" + block[1:]  # 4 GiB
    head = b"\x82SNAPPY\x00" + struct.pack(">iii", 1, 1, len(block))
    data = encode(replace(SOME, attributes=2, body=head + block if framed else block))
    assert _only(data) == "the record batch at offset 7 cannot be unpacked (snappy)"


# --- damage of any kind, with kernels as plain Python ---


class Guarded:
    """An array that raises wherever an index or a slice is not inside it."""

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def _check(self, key: Any) -> None:
        keys = key if isinstance(key, tuple) else (key,)
        for one, size in zip(keys, self.array.shape, strict=False):
            if isinstance(one, slice):
                begin = 0 if one.start is None else one.start
                end = size if one.stop is None else one.stop
                assert 0 <= begin <= end <= size, (one, size)
            else:
                assert 0 <= one < size, (one, size)

    def __getitem__(self, key: Any) -> Any:
        self._check(key)
        found = self.array[key]
        return Guarded(found) if isinstance(found, np.ndarray) else found

    def __setitem__(self, key: Any, value: Any) -> None:
        self._check(key)
        self.array[key] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(self.array)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels as plain Python over guarded arrays."""
    for name in ("varint", "_record", "_copied", "_walk_batch"):
        monkeypatch.setattr(record_walk, name, getattr(record_walk, name).py_func)
    monkeypatch.setattr(record_batches, "varint", record_walk.varint)
    inner = getattr(record_walk.walk_records, "py_func")  # noqa: B009

    def walked(body: Any, table: Any, copies: record_walk.Copies, found: Any, done: Any) -> int:
        guarded = tuple(Guarded(one) for one in copies)
        return int(inner(Guarded(body), table, guarded, Guarded(found), done))

    monkeypatch.setattr(record_batches, "walk_records", walked)


def _read_or_refuse(data: bytes, start: int, aborted: Sequence[Aborted]) -> None:
    try:
        headers = list(headers_of(memoryview(data)))
        walked = walk(list(committed(headers, aborted)), start, headers=True, keys=True)
    except WireFormatError:
        return
    assert walked.offset.tolist() == sorted(set(walked.offset.tolist()))
    assert len(list(walked.values)) == len(walked.offset) == len(walked.time)
    assert walked.keys is not None
    assert len(list(walked.keys)) == len(walked.offset)


_EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["set", "cut", "more", "large"]), st.binary(
        min_size=1, max_size=9)),
    min_size=1, max_size=4,
)  # fmt: skip


def _edited(data: bytes, edits: list[tuple[float, str, bytes]]) -> bytes:
    for where, act, some in edits:
        at = int(where * len(data))
        if act == "cut":
            data = data[:at] + data[at + len(some) :]
        elif act == "more":
            data = data[:at] + some + data[at:]
        else:
            piece = b"\xff" * len(some) if act == "large" else some
            data = data[:at] + piece + data[at + len(piece) :]
    return data


@pytest.mark.usefixtures("plain")
@given(batches(), _EDITS, st.integers(0, 2**41), st.booleans())
@example([Batch(0, (Item(0, b"x", key=b"k"),))], [(0.9, "large", b"123456789")], 0, True)
def test_damaged_records_are_refused_and_never_read_past(
    written: list[Batch], edits: list[tuple[float, str, bytes]], start: int, packed: bool
) -> None:
    data = b""
    for one in written:  # checksums fit: only what lies behind them is damaged
        body = encode(replace(one, packed="none"))[61:]
        name = one.packed if packed else "none"
        body = PACKERS[name][1](_edited(body, edits))
        data += encode(replace(one, packed=name, body=body))
    _read_or_refuse(data, start if start % 2 else 0, [])


@pytest.mark.usefixtures("plain")
@given(batches(), _EDITS, st.booleans())
def test_damaged_batches_are_refused_and_never_read_past(
    written: list[Batch], edits: list[tuple[float, str, bytes]], seal: bool
) -> None:
    data = b"".join(map(encode, written))
    data = _edited(data, edits)
    if seal and len(data) > 61:
        data = sealed(data)
    _read_or_refuse(data, 0, [Aborted(0, 0), Aborted(-1, 3)])


@pytest.mark.usefixtures("plain")
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    _read_or_refuse(data, 0, [])
    if data:
        body = Batch(0, (), last=len(data), records=len(data) // 7, body=data)
        _read_or_refuse(encode(body), 0, [])


def test_kernels_say_the_same_compiled_and_plain(plain: None) -> None:
    """The guarded run is of the code that the job runs."""
    data = b"".join(encode(Batch(9 * n, (Item(0, b"a"), Item(5, None)))) for n in range(30))
    assert len(_found(walk(list(headers_of(memoryview(data))), 100))) == 37


def test_headers_are_read_only_where_they_are_wanted_and_to_where_they_are_sound() -> None:
    sound = b"\x04" + b"\x04k1\x06abc" + b"\x04k2\x01"
    assert headers_in(sound) == [("k1", b"abc"), ("k2", None)]
    for cut in range(len(sound)):
        assert headers_in(sound[:cut]) in ([], [("k1", b"abc")])
    assert headers_in(b"\xff" * 20) == headers_in(b"") == headers_in(None) == []
    data = encode(Batch(0, (Item(0, b"a"), Item(1, None))))
    assert walk(list(headers_of(memoryview(data))), 0).headers is None
    found = walk(list(headers_of(memoryview(data))), 0, headers=True)
    assert [headers_in(one) for one in found.headers or ()] == [[], []]
    assert list(found.values) == [b"a", None]
