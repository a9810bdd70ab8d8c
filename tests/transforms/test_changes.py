"""States of which only what changed is written: read back they are the same, to the byte."""

import random
from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.errors import StateError
from padit.transforms import changes
from padit.transforms.changes import DetectionCell
from padit.transforms.store import MemoryStore
from tests.codecs.samples import steady

LENGTHS = st.lists(st.sampled_from([0, 1, 63, 64, 2047, 2048, 2049, 5000]), min_size=1, max_size=4)
EDITS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 3), st.floats(0, 1, exclude_max=True), st.integers(0, 255)),
        max_size=6,
    ),
    max_size=12,
)


def _noise(size: int) -> bytes:
    """Bytes that cannot be packed, always the same."""
    return random.Random(size).randbytes(size)


def _written(values: list[list[bytes]]) -> MemoryStore:
    store = MemoryStore()
    for parts in values:
        cell = DetectionCell(store)
        cell.read()
        cell.write(parts)
    return store


def _edited(parts: list[bytes], edits: list[tuple[int, float, int]]) -> list[bytes]:
    found = [bytearray(one) for one in parts]
    for number, place, byte in edits:
        part = found[number % len(found)]
        if byte == 0:
            part.append(byte)  # a part that grows
        elif part:
            part[int(place * len(part))] = byte
    return [bytes(one) for one in found]


@steady
@given(LENGTHS, EDITS, st.sampled_from([bytes, _noise]))
def test_what_is_read_is_what_was_written_last(
    lengths: list[int],
    edits: list[list[tuple[int, float, int]]],
    filled: Callable[[int], bytes],
) -> None:
    values = [[filled(length) for length in (*lengths, 9000)]]
    for one in edits:
        values.append(_edited(values[-1], one))
    store = MemoryStore()
    for parts in values:
        cell = DetectionCell(store)
        cell.read()
        cell.write(parts)
        assert DetectionCell(store).read() == parts
        store.changes.reverse()  # a bag has no order
        assert DetectionCell(store).read() == parts
    size = sum(map(len, store.pieces()))
    assert size <= 2 * sum(map(len, values[-1])) + 50 * (len(lengths) + len(edits) + 1)


def test_a_byte_that_changes_costs_a_word_and_what_does_not_change_costs_nothing() -> None:
    first = [_noise(100_000), _noise(50_000)]
    second = [first[0][:500] + b"\x01" + first[0][501:], first[1]]
    store = _written([first, second, second])
    assert len(store.changes) == 1
    assert len(store.changes[0]) < 40


def test_states_that_change_everywhere_are_written_as_a_whole() -> None:
    values = [[bytes([i]) * 5000] for i in range(4)]
    store = _written(values)
    assert store.changes == []
    assert DetectionCell(store).read() == values[-1]


def test_many_changes_are_written_as_one() -> None:
    values = [[_noise(50_000)]]
    for i in range(100):
        flipped = bytes([values[-1][0][i] ^ 1])
        values.append([values[-1][0][:i] + flipped + values[-1][0][i + 1 :]])
    sizes = [len(_written(values[:n]).changes) for n in (2, 33, 34, 35)]
    assert sizes == [1, 32, 1, 2]
    assert all(one != other for one, other in pairwise(values))
    assert DetectionCell(_written(values)).read() == values[-1]


def test_blocks_that_change_again_and_again_are_written_once_and_the_parts_seldom() -> None:
    quiet = _noise(100_000)
    values = [[bytes([i]) * 20_000 + quiet, bytes([i]) * 1000] for i in range(60)]
    wholes = sum(
        _written(values[: n + 1]).detection != _written(values[:n]).detection
        for n in range(1, len(values))
    )
    assert wholes == 1  # then it is without what changes each time
    store = _written(values)
    assert sum(map(len, store.changes)) <= 1.25 * 21_500
    assert DetectionCell(store).read() == values[-1]


def test_a_part_that_becomes_empty_when_changes_are_many_is_written() -> None:
    values = [[_noise(50_000), b"x"]]
    for i in range(32):
        flipped = bytes([values[-1][0][i] ^ 1])
        values.append([values[-1][0][:i] + flipped + values[-1][0][i + 1 :], b"x"])
    values.append([values[-1][0], b""])
    store = _written(values)
    assert len(store.changes) == 1
    assert DetectionCell(store).read() == values[-1]


def test_where_most_has_changed_all_parts_are_written() -> None:
    values = [[_noise(100_000)]]
    for i in range(10):  # each time another tenth, so one change of all would be as large
        at = 10_000 * i
        values.append(
            [values[-1][0][:at] + _noise(10_001 + i)[:10_000] + values[-1][0][at + 10_000 :]]
        )
    store = _written(values)
    assert sum(map(len, store.changes)) <= 40_500
    assert store.detection != _written(values[:1]).detection
    assert DetectionCell(store).read() == values[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (changes._Change(9, 0, []), "version 9 and number 0"),
        (changes._Change(2, 1, []), "number 1"),
        (changes._Change(2, 0, [changes._Part(1, None, b"")]), "no part 1"),
        (changes._Change(2, 0, [changes._Part(-1, None, b"")]), "no part -1"),
        (changes._Change(2, 0, [changes._Part(0, b"\0\1", b"x")]), "1 bytes where"),
        (changes._Change(2, 0, [changes._Part(0, b"\0\1", bytes(13))]), "1 words and 4 bytes"),
        (changes._Change(2, 0, [changes._Part(0, b"\2\1", bytes(12))]), "meant of 12"),
        (changes._Change(2, 0, [changes._Part(0, b"\1\x10", bytes(12))]), "meant of 12"),
        (changes._Change(2, 0, [changes._Part(0, b"\0\1\1\1", bytes(20))]), "meant of 12"),
        (changes._Change(2, 0, [changes._Part(0, b"\0", bytes(12))]), "meant of 12"),
        (changes._Change(2, 0, [changes._Part(0, b"\xff" * 9 + b"\1", b"")]), "meant of 12"),
        (changes._Change(1, 0, [changes._Part(0, b"\0\0\0\0", b"x")]), "block 0 of 100 bytes"),
        (changes._Change(1, 0, [changes._Part(0, b"\x02\0\0\0", b"x" * 64)]), "block 2 of 100"),
        (changes._Change(1, 0, [changes._Part(0, b"\x01\0\0\0", b"x" * 9)]), "block 1 of 100"),
        (changes._Change(1, 0, [changes._Part(0, b"\0\0\0\0", b"x" * 70)]), "64 were expected"),
    ],
)
def test_changes_that_do_not_fit_are_a_clear_error(change: changes._Change, message: str) -> None:
    store = _written([[bytes(100)]])
    store.changes.append(msgspec.msgpack.encode(change))
    with pytest.raises(StateError, match=message):
        DetectionCell(store).read()


def test_changes_of_before_are_read_and_the_next_close_writes_new_ones() -> None:
    first = [_noise(20_000), _noise(100)]
    block = changes._Part(0, b"\x02\0\0\0\x38\x01\0\0", bytes(96))  # the last block is short
    old = [changes._Change(1, n, [block, changes._Part(1, None, b"x")]) for n in range(2)]
    store = _written([first])
    store.changes = [msgspec.msgpack.encode(msgspec.structs.astuple(one)[:3]) for one in old]
    parts = DetectionCell(store).read()
    assert parts == [first[0][:128] + bytes(64) + first[0][192:19_968] + bytes(32), b"x"]
    for n in range(3):
        cell = DetectionCell(store)
        before = cell.read()
        assert before is not None
        cell.write([before[0][:n] + b"abc" + before[0][n + 3 :], b"x"])
    assert DetectionCell(store).read() == [b"aaabc" + parts[0][5:], b"x"]


def test_what_changes_at_each_close_is_saved_once_where_nothing_can_be_packed() -> None:
    values = [[_noise(100_000)]]
    for i in range(1, 40):
        often = _noise(200_000 + i)[:15_000]
        values.append([often + values[-1][0][15_000 : 15_000 + 100 * i] + bytes([i]) * 100
                       + values[-1][0][15_100 + 100 * i :]])  # fmt: skip
    sizes = []
    store = MemoryStore()
    for parts in values:
        cell = DetectionCell(store)
        cell.read()
        cell.write(parts)
        assert DetectionCell(store).read() == parts
        sizes.append(sum(map(len, store.pieces())))
    assert max(sizes[2:]) <= 109_000


def test_parts_whose_changes_are_missing_are_a_clear_error() -> None:
    values = [[bytes([i]) * 20_000 + _noise(20_000)] for i in range(3)]
    store = _written(values)
    assert len(store.changes) == 1
    store.changes.clear()
    with pytest.raises(StateError, match="changes are missing"):
        DetectionCell(store).read()


@pytest.mark.parametrize("parts", [[True, b"x"], [b"x", False], [True, True]])
def test_what_is_no_list_of_parts_is_a_clear_error(parts: list[object]) -> None:
    with pytest.raises(StateError, match="damaged"):
        DetectionCell(MemoryStore(detection=msgspec.msgpack.encode(parts))).read()


def test_a_cell_that_is_kept_writes_what_one_that_is_read_again_writes() -> None:
    values = [[_noise(60_000)]]
    for i in range(50):
        often = _noise(100_000 + i)[:6000]
        values.append([often + values[-1][0][6000 : 6000 + 400 * i] + bytes(400)
                       + values[-1][0][6400 + 400 * i :]])  # fmt: skip
    store = MemoryStore()
    cell = DetectionCell(store)
    for n, parts in enumerate(values):
        cell.write(parts)
        assert store == _written(values[: n + 1])


def test_parts_that_are_little_when_packed_are_written_as_a_whole() -> None:
    values = [[bytes([i]) * 100_000] for i in range(3)]
    store = _written(values)
    assert store.changes == []
    assert store.detection is not None
    assert len(store.detection) < 1000


def test_state_of_before_it_was_packed_is_read() -> None:
    parts = [bytes(3000), _noise(5000)]
    store = MemoryStore(detection=msgspec.msgpack.encode(parts))
    assert DetectionCell(store).read() == parts


@steady
@given(st.binary(max_size=40))
def test_no_bytes_of_a_change_do_anything_but_a_clear_error(data: bytes) -> None:
    store = _written([[bytes(100), bytes(3000)]])
    store.changes.append(data)
    try:
        parts = DetectionCell(store).read()
    except StateError:
        return
    assert parts is not None


@pytest.mark.parametrize("blocks", [b"\x00", b"\0\0\0\0\0"])
def test_numbers_of_blocks_that_are_cut_are_a_clear_error(blocks: bytes) -> None:
    store = _written([[bytes(100)]])
    change = changes._Change(1, 0, [changes._Part(0, blocks, b"x" * 64)])
    store.changes.append(msgspec.msgpack.encode(change))
    with pytest.raises(StateError, match="damaged"):
        DetectionCell(store).read()
