"""Numbers and times that are read in compiled code are what the parser gives, to the bit."""

import random
import struct
from decimal import Decimal, getcontext

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.json_numbers import micros_of, read_number, read_time
from padit.codecs.json_scan import PADDING
from padit.domain.timestamps import (
    EARLIEST_US,
    LATEST_US,
    MICROS,
    micros_from_numbers,
    parse_timestamp,
)
from tests.codecs.json_texts import NUMBERS, STAMPS

_parser = msgspec.json.Decoder(float)


def _text(token: bytes, behind: bytes) -> np.typing.NDArray[np.uint8]:
    return np.frombuffer(bytearray(b"9" + token + behind.ljust(PADDING, b"9")), np.uint8)


def _read(token: bytes, behind: bytes = b",") -> float | None:
    """The number, if it is the whole token; what stands around it must not matter."""
    value, at = read_number(_text(token, behind), 1, 1 + len(token))
    return value if at == 1 + len(token) else None


def _bits(value: float) -> bytes:
    return struct.pack("<d", value)


def _check(token: bytes) -> bool:
    """Compare with the parser; whether the number was read."""
    found = [_read(token, behind) for behind in (b",", b"7", b".5", b"e5", b"\xff")]
    for value in found:
        assert value == found[0]
    if found[0] is not None:
        assert _bits(found[0]) == _bits(_parser.decode(token)), token
    return found[0] is not None


@given(NUMBERS)
def test_what_is_read_equals_the_parser_to_the_bit(text: str) -> None:
    _check(text.encode())


@given(st.floats(1e-250, 1e250) | st.floats(-1e250, -1e-250))
def test_every_float_that_is_written_out_is_read_as_itself(value: float) -> None:
    assert _read(repr(value).encode()) == value
    assert _check(f"{value:.17e}".encode())
    assert _check(f"{value:.30g}".encode())


@given(st.integers(-(10**19) + 1, 10**19 - 1), st.integers(0, 18))
def test_every_decimal_of_19_digits_is_read(digits: int, behind: int) -> None:
    assert _check(str(digits).encode())
    assert _check(format(Decimal(digits).scaleb(-behind), "f").encode())


def test_numbers_of_every_size_are_read_to_the_bit() -> None:
    chance = random.Random(1)
    for power in range(-330, 330):
        for digits in (1, 9, 5, 2**53 - 1, 2**53, 2**53 + 1, 10**18 + 1, chance.getrandbits(63)):
            known = _check(f"{digits}e{power}".encode())
            assert known or abs(power) > 280
        assert _check(f"0e{power}".encode())


def test_numbers_between_two_floats_are_rounded_or_left() -> None:
    getcontext().prec = 400
    chance = random.Random(2)
    read = 0
    for _ in range(3_000):
        odd = 2 * (1 << 52 | chance.getrandbits(52)) + 1  # 54 bits: between two floats
        exponent = chance.randint(-80, 80)
        exact = Decimal(odd) * Decimal(2) ** exponent
        read += _check(format(exact, "f").encode())
        for step in (-1, 1):
            near = exact + step * Decimal(10) ** (exact.adjusted() - 18)
            _check(format(near.normalize(), "f").encode())
    for power in range(24):
        for odd in (2**53 + 1, 2**53 + 3, 2**54 + 2, 2**54 + 6):
            if odd % 10**power == 0 or power <= 22:
                assert _check(f"{odd}e{power}".encode())
    assert read > 100


@pytest.mark.parametrize("text", ["-0", "-0.0", "-0e7", "0", "0.0", "-0.000"])
def test_zero_has_the_sign_that_the_parser_gives_it(text: str) -> None:
    assert _check(text.encode())


@pytest.mark.parametrize(
    "token",
    [b"-", b".", b"1.", b".5", b"01", b"-01", b"00", b"1.2.3", b"1e", b"1e+", b"+1", b"1-2", b"--1",
     b"1/2", b"1:2", b"\xff", b"1\x8a", b"\x8a1", b"1 ", b"nan", b"null", b"0" * 25, b"1.e5",
     b"-e5", b"1e400", b"-1e400", b"9" * 400, b"1e99999999999999999999"],
)  # fmt: skip
def test_what_is_no_number_or_too_large_is_left_to_the_parser(token: bytes) -> None:
    assert _read(token) is None


@given(st.binary(max_size=30) | st.text("0123456789.-+eE", max_size=30).map(str.encode))
def test_any_bytes_are_a_number_only_if_the_parser_says_so(token: bytes) -> None:
    if token:
        _check(token)


@given(
    st.floats(allow_nan=True)
    | st.integers(0, 2**63).map(float)
    | st.sampled_from([1e11, 1e14, 1e17, 946684800.0, 7258118400.0])
    | st.builds(
        lambda stamp, unit: stamp * unit,
        st.floats(946684799, 7258118401),
        st.sampled_from([1, 1e3, 1e6, 1e9]),
    )
)
def test_epoch_times_are_those_of_the_other_formats(number: float) -> None:
    expected = int(micros_from_numbers(np.array([number]))[0])
    inside = EARLIEST_US <= expected < LATEST_US
    assert micros_of(number) == (expected if inside else -1)


def test_epoch_times_around_every_bound_are_exact() -> None:
    for unit, bounds in (
        (1.0, (946684800, 7258118400)),
        (1e3, (1e11,)),
        (1e6, (1e14,)),
        (1e9, (1e17,)),
    ):
        for bound in bounds:
            number = bound * unit if unit == 1 else bound
            for _ in range(4):
                number = float(np.nextafter(number, 0))
            for _ in range(9):
                expected = int(micros_from_numbers(np.array([number]))[0])
                inside = EARLIEST_US <= expected < LATEST_US
                assert micros_of(number) == (expected if inside else -1)
                number = float(np.nextafter(number, np.inf))


def _time(text: str) -> int | None:
    data = text.encode() + b'"'
    micros, at = read_time(_text(data, b"9"), 1, 1 + len(data))
    assert at in (-1, len(data))
    return micros if at >= 0 else None


def _check_time(text: str) -> bool:
    found = _time(text)
    if found is not None:
        assert found == parse_timestamp(text), text
        assert EARLIEST_US <= found < LATEST_US
    return found is not None


@given(STAMPS)
def test_times_as_text_are_read_as_python_reads_them(token: str) -> None:
    _check_time(token.strip('"'))


@given(st.datetimes(), st.integers(-1439, 1439), st.sampled_from("T "), st.integers(0, 18))
def test_every_time_of_the_common_form_in_range_is_read(
    moment: object, ahead: int, between: str, digits: int
) -> None:
    text = f"{moment}".replace(" ", between)[:19]
    fraction = ("." + "987654321012345678"[:digits]) if digits else ""
    sign, minutes = "-" if ahead < 0 else "+", abs(ahead)
    for offset in ("Z", "", f"{sign}{minutes // 60:02}:{minutes % 60:02}"):
        try:
            inside = EARLIEST_US <= parse_timestamp(text + fraction + offset) < LATEST_US
        except OverflowError:
            inside = False
        assert _check_time(text + fraction + offset) == inside


def test_every_day_of_two_hundred_years_is_the_right_one() -> None:
    day = 24 * 3600 * MICROS
    for number in range((LATEST_US - EARLIEST_US) // day):
        moment = np.datetime64(EARLIEST_US + number * day, "us")
        assert _time(f"{moment}"[:19] + "Z") == EARLIEST_US + number * day


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+00:60",
        "2026-01-01",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00z",
        "2026-01-01T00:00:00Z ",
        "1999-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "-026-01-01T00:00:00Z",
        "2026-01-0aT00:00:00Z",
        "2026-01-01T0:00:000Z",
    ],
)
def test_times_of_other_forms_are_left_to_the_parser(text: str) -> None:
    assert _time(text) is None
