"""Decimals of every width, wherever they stand: read as the slow way reads them."""

import random
import re
import struct

import numpy as np
import pytest

from padit.codecs.decimals import BEFORE, masks, parse_decimals, windows

_DECIMAL = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_MOST = 24


def _slow(token: bytes) -> float | None:
    if not _DECIMAL.fullmatch(token) or len(token.removeprefix(b"-")) > _MOST:
        return None
    # As a parser of JSON does: an integer has no negative zero.
    return float(token) if b"." in token or int(token) else 0.0


def _fast(tokens: list[bytes], chance: random.Random) -> list[float | None]:
    """The tokens in a text of anything: what stands around them must not matter."""
    text, bounds = bytearray(chance.randbytes(BEFORE)), []
    for token in tokens:
        text += chance.choice(
            [b"", chance.randbytes(1), b"9", b".", b"-", b":", chance.randbytes(9)]
        )
        bounds.append((len(text), len(text) + len(token)))
        text += token
    start, end = (np.array(side) for side in zip(*bounds, strict=True))
    value, good = parse_decimals(np.frombuffer(bytes(text), np.uint8), start, end)
    return [one if ok else None for one, ok in zip(value.tolist(), good.tolist(), strict=True)]


def _check(tokens: list[bytes], chance: random.Random) -> None:
    for token, value in zip(tokens, _fast(tokens, chance), strict=True):
        expected = _slow(token)
        assert (value is None) == (expected is None), token
        if value is not None and expected is not None:
            assert struct.pack("<d", value) == struct.pack("<d", expected), token


def test_decimals_of_every_width_are_read_to_the_bit() -> None:
    chance = random.Random(1)
    tokens = []
    for whole in range(1, 27):
        for behind in range(27 - whole):
            for first in "019":
                digits = first + "".join(chance.choices("0123456789", k=whole - 1))
                part = "." + "".join(chance.choices("0123456789", k=behind)) if behind else ""
                tokens += [f"{sign}{digits}{part}".encode() for sign in ("", "-")]
                tokens.append(f"{'9' * whole}{'.' if behind else ''}{'9' * behind}".encode())
                tokens.append(f"{'0' * whole}{'.' if behind else ''}{'0' * behind}".encode())
    _check(tokens, chance)
    for token in tokens[::37]:
        _check([token], chance)


def test_whole_numbers_around_the_bounds_of_float_and_word_are_exact() -> None:
    near = {2**53, 2**63, 2**64, 10**15, 10**16, 10**18, 10**19, 10**23, 10**24, 1, 10, 100, 10**8}
    tokens = [str(one + step).encode() for one in near for step in range(-3, 4) if one + step >= 0]
    tokens += [b"-" + token for token in tokens]
    _check(tokens, random.Random(2))


def test_fractions_around_the_largest_exact_one_are_exact() -> None:
    tokens = []
    for digits in (2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 123_456_789_012_345_678, 1, 9):
        for behind in range(1, 24):
            text = str(digits).rjust(behind + 1, "0")
            tokens.append(f"{text[:-behind]}.{text[-behind:]}".encode())
    _check(tokens, random.Random(3))


def test_text_that_is_near_a_decimal_is_read_only_if_it_is_one() -> None:
    chance = random.Random(4)
    for signs in (b"0123456789.-", b"01.", b"0123456789.-+eE/:\x80\x8a\xff", b"09./:;"):
        tokens = [bytes(chance.choices(signs, k=chance.randint(1, 27))) for _ in range(4_000)]
        _check(tokens, chance)
    plain = [f"{chance.uniform(-1e4, 1e4):.{chance.randint(0, 9)}f}".encode() for _ in range(999)]
    for place in range(len(plain)):
        token = bytearray(plain[place])
        token[chance.randrange(len(token))] = chance.randrange(256)
        plain[place] = bytes(token)
    _check(plain, chance)


def test_empty_token_is_no_number() -> None:
    text = np.frombuffer(b" " * BEFORE + b"1", np.uint8)
    at = np.array([BEFORE])
    assert parse_decimals(text, at, at)[1].tolist() == [False]
    assert parse_decimals(text, at[:0], at[:0])[0].tolist() == []


def test_so_many_bytes_before_the_first_number_are_enough() -> None:
    assert BEFORE == 25
    text = np.frombuffer(b"\xff" * BEFORE + b"5", np.uint8)
    value, good = parse_decimals(text, np.array([BEFORE]), np.array([BEFORE + 1]))
    assert (value.tolist(), good.tolist()) == ([5.0], [True])


@pytest.mark.parametrize("width", [1, 8, 32])
@pytest.mark.parametrize("at_end", [False, True])
def test_masks_choose_so_many_bytes(width: int, at_end: bool) -> None:
    every = [masks(width, at_end=at_end)[n].tobytes() for n in range(width + 1)]
    ones = [b"\xff" * n for n in range(width + 1)]
    fill = bytes.rjust if at_end else bytes.ljust
    assert every == [fill(one, width, b"\0") for one in ones]
    assert [one.tobytes() for one in masks(width)] == [one.ljust(width, b"\0") for one in ones]


def test_windows_are_all_pieces_of_a_text() -> None:
    text = bytes(range(9))
    found = windows(np.frombuffer(text, np.uint8), 4)
    assert [one.tobytes() for one in found] == [text[i : i + 4] for i in range(6)]
