"""Packed state: read back it is the same, to the byte, and no bytes do more than raise an error."""

import lz4.block
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.errors import StateError
from padit.transforms import packed as module
from padit.transforms.packed import packed, unpacked
from tests.codecs.samples import steady


@steady
@given(st.binary(max_size=300), st.integers(0, 400))
def test_what_is_unpacked_is_what_was_packed(data: bytes, times: int) -> None:
    encoded = msgspec.msgpack.encode([data * times])
    assert unpacked(packed(encoded)) == encoded
    assert len(packed(encoded)) <= len(encoded)


@pytest.mark.parametrize("size", [99, 100, 101, 250])
def test_large_state_is_packed_in_pieces(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE", 100)
    data = b"\x91" + bytes(size - 1)
    assert len(msgspec.msgpack.decode(packed(data)[1:])) == -(-size // 100)
    assert unpacked(packed(data)) == data


@steady
@given(st.binary(max_size=60))
def test_no_packed_bytes_do_anything_but_a_clear_error(data: bytes) -> None:
    try:
        found = unpacked(b"\x01" + data)
    except StateError:
        return
    assert len(found) <= 255 * len(data)


@pytest.mark.parametrize("claimed", [1 << 31, 1 << 24, 100_000])
def test_a_block_that_lies_about_its_size_gets_no_room(claimed: int) -> None:
    block = claimed.to_bytes(4, "little") + lz4.block.compress(bytes(100), store_size=False)
    data = b"\x01" + msgspec.msgpack.encode([block])
    with pytest.raises(StateError, match="would become"):
        unpacked(data)
