"""Decimals read many at once are what a JSON parser gives, to the bit."""

import struct
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.decimals import BEFORE, parse_decimals

_parser = msgspec.json.Decoder(float)


def _read(tokens: Sequence[bytes]) -> list[float | None]:
    text = np.frombuffer(b" " * BEFORE + b",".join(tokens), np.uint8)
    length = np.array([len(token) for token in tokens])
    start = BEFORE + np.cumsum(length + 1) - length - 1
    value, good = parse_decimals(text, start, start + length)
    return [one if ok else None for one, ok in zip(value.tolist(), good.tolist(), strict=True)]


def _parsed(token: bytes) -> float | None:
    try:
        return _parser.decode(token)
    except msgspec.DecodeError:
        return None


def _bits(value: float | None) -> bytes | None:
    return None if value is None else struct.pack("<d", value)


DECIMALS = st.from_regex(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?", fullmatch=True)
NEAR = st.text("0123456789.-+eE", min_size=1, max_size=30)
FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(repr)


@given(st.lists(DECIMALS | NEAR | FLOATS, min_size=1, max_size=30))
def test_what_is_read_equals_the_parser_to_the_bit(texts: list[str]) -> None:
    tokens = [text.encode() for text in texts]
    for token, value in zip(tokens, _read(tokens), strict=True):
        if value is not None:
            assert _bits(value) == _bits(_parsed(token)), token


@given(st.lists(DECIMALS, min_size=1, max_size=30))
def test_every_plain_decimal_of_24_characters_is_read(texts: list[str]) -> None:
    tokens = [text.encode() for text in texts]
    for token, value in zip(tokens, _read(tokens), strict=True):
        assert (value is None) == (len(token.removeprefix(b"-")) > 24)


@pytest.mark.parametrize(
    "token",
    [b"-", b".", b"1.", b".5", b"01", b"-01", b"00", b"1.2.3", b"1e3", b"+1", b"1-2", b"--1",
     b"1/2", b"1:2", b"\xff", b"1\x8a", b"\x8a1", b"1 ", b"nan", b"null", b"0" * 25],
)  # fmt: skip
def test_what_is_no_plain_decimal_is_left_to_others(token: bytes) -> None:
    assert _read([b"7", token, b"8"]) == [7.0, None, 8.0]
    assert _read([token]) == [None]


@pytest.mark.parametrize(
    "token", [b"-0", b"-0.0", b"9007199254740993", b"9007199254740993.5", b"0.1234567890123456789",
              b"18446744073709551616", b"999999999999999999999999"],
)  # fmt: skip
def test_zeros_and_long_numbers_are_exact(token: bytes) -> None:
    (value,) = _read([token])
    assert value is not None
    assert _bits(value) == _bits(_parsed(token))
