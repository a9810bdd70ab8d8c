"""Compressed bodies: read up to their bound to the byte, refused one byte beyond it."""

import gzip
import random
import zlib
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.bodies import (
    ENCODINGS,
    MOST_MEMBERS,
    BadRequestError,
    EncodingError,
    TooLargeError,
    decompressed,
    unsnappy,
)
from tests.codecs.samples import steady

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": lambda body: b"".join(gzip.compress(body[i::3]) for i in range(3)),
    "deflate": zlib.compress,
    "zstd": lambda body: bytes(cramjam.zstd.compress(body)),
    "snappy": lambda body: bytes(cramjam.snappy.compress_raw(body)),
}
UNREADABLE = {
    "gzip": "the body cannot be decompressed: ",
    "x-gzip": "the body cannot be decompressed: ",
    "deflate": "the body cannot be decompressed: ",
    "zstd": "the body cannot be decompressed: ",
    "snappy": "the body is no snappy block: ",
}


def _read(body: bytes, encoding: str, most: int) -> bytes:
    if encoding == "snappy":
        return unsnappy(body, most)
    return decompressed(body, encoding, most)


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("size", [1, 2, 3, 30, 1000, 200_000])
@pytest.mark.parametrize("dull", [True, False])
def test_body_is_read_up_to_its_bound_and_refused_one_byte_beyond(
    encoding: str, size: int, dull: bool
) -> None:
    body = b"a" * size if dull else random.Random(size).randbytes(size)
    packed = PACKED[encoding](body)
    expected = b"".join(body[i::3] for i in range(3)) if encoding == "x-gzip" else body
    assert _read(packed, encoding, size) == expected
    assert _read(packed, encoding, size + 1) == expected
    for most in (size - 1, size // 2, 0):
        with pytest.raises(TooLargeError) as caught:
            _read(packed, encoding, most)
        assert str(caught.value) == f"the body has more than {most} bytes when decompressed"


@pytest.mark.parametrize("encoding", PACKED)
def test_empty_body_that_was_compressed_is_empty(encoding: str) -> None:
    assert _read(PACKED[encoding](b""), encoding, 0) == b""


@steady
@given(st.binary(max_size=300), st.sampled_from([*PACKED]), st.integers(0, 300))
def test_body_is_what_was_compressed_or_too_large(body: bytes, encoding: str, most: int) -> None:
    packed = PACKED[encoding](body)
    try:
        found = _read(packed, encoding, most)
    except TooLargeError:
        assert len(body) > most
    else:
        assert len(body) <= most
        assert sorted(found) == sorted(body)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_body_that_ends_within_its_data_is_refused_in_those_words(encoding: str) -> None:
    packed = PACKED[encoding](b"a body of some length")
    for end in range(1, len(packed)):
        with pytest.raises(BadRequestError, match="the body ends within its compressed data"):
            _read(packed[:end], encoding, 1000)


@pytest.mark.parametrize("encoding", PACKED)
def test_damaged_body_is_refused_with_its_reason(encoding: str) -> None:
    with pytest.raises(BadRequestError, match=UNREADABLE[encoding]) as caught:
        _read(b"\xff" * 40, encoding, 1000)
    assert type(caught.value) is BadRequestError


@pytest.mark.parametrize("encoding", ["zstd", "snappy"])
def test_cut_block_is_refused(encoding: str) -> None:
    packed = PACKED[encoding](random.Random(1).randbytes(500))
    with pytest.raises(BadRequestError, match=UNREADABLE[encoding]):
        _read(packed[:-5], encoding, 1000)


@pytest.mark.parametrize("encoding", ["", "identity", " Identity\t"])
def test_body_without_an_encoding_is_taken_as_it_is(encoding: str) -> None:
    assert decompressed(b"\x1f\x8b", encoding, 0) == b"\x1f\x8b"


@pytest.mark.parametrize("encoding", [" GZip ", "\tgzip"])
def test_name_of_an_encoding_is_read_in_any_case(encoding: str) -> None:
    assert decompressed(gzip.compress(b"ab"), encoding, 2) == b"ab"


def test_encoding_that_is_not_read_is_named_with_those_that_are() -> None:
    assert ENCODINGS == ("identity", "gzip", "deflate", "zstd")
    for encoding in ("br", "b" * 70, "gzip, br"):
        with pytest.raises(EncodingError) as caught:
            decompressed(b"", encoding, 9)
        assert str(caught.value) == (
            f"content-encoding {encoding[:60]!r}; one of: identity, gzip, deflate, zstd"
        )


@pytest.mark.parametrize("size", [0, 100, 1_000])
def test_each_byte_of_many_members_is_handed_on_a_few_times_at_most(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, handed = zlib.decompressobj, 0

    class Counted:
        def __init__(self, wbits: int) -> None:
            self._stream: Any = made(wbits=wbits)

        def decompress(self, piece: bytes, most: int) -> bytes:
            nonlocal handed
            handed += len(piece)
            return bytes(self._stream.decompress(piece, most))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    member = gzip.compress(random.Random(size).randbytes(size))
    monkeypatch.setattr("padit.codecs.bodies.zlib.decompressobj", Counted)
    assert len(decompressed(member * 2_000, "gzip", 10_000_000)) == 2_000 * size
    assert handed <= 2_000 * (3 * len(member) + 256)


def test_body_of_more_members_than_a_writer_makes_is_refused() -> None:
    member = gzip.compress(b"")
    assert decompressed(member * MOST_MEMBERS, "gzip", 10) == b""
    with pytest.raises(BadRequestError, match="more than 10000 compressed members; send one"):
        decompressed(member * (MOST_MEMBERS + 1), "gzip", 10)
