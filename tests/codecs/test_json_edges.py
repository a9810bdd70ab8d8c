"""Where JSON values, keys, numbers and times end, by hand: few and short, so quick uncompiled."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.codecs import json_numbers
from padit.codecs.json_numbers import micros_of, read_number, read_time
from padit.codecs.json_scan import (
    METADATA,
    METRIC,
    OTHER,
    PADDING,
    SOURCE,
    TIME,
    TYPE,
    UNIT,
    VALUE,
    closing_quote,
    is_null,
    read_key,
    skip_space,
    skip_value,
)
from padit.domain.timestamps import EARLIEST_US, LATEST_US

AT = 3  # what stands before a value must not matter


def _arrays(token: bytes, behind: bytes) -> tuple[NDArray[np.uint8], Any, int]:
    """The text, its words, and where the token ends."""
    text = np.frombuffer(bytearray(b'"0{' + token + behind.ljust(PADDING + 8, behind)), np.uint8)
    words: Any = np.ndarray((len(text) - 7,), np.uint64, text.data, strides=(1,))
    return text, words, AT + len(token)


def _skipped(token: bytes, behind: bytes = b"0") -> bytes | None:
    """What of a token is one value; None if it is left to the parser."""
    text, words, end = _arrays(token, behind)
    inside = np.full(34, 9, np.uint64)
    at = skip_value(text, words, AT, end, inside)
    assert at == -1 or AT < at <= end
    return None if at < 0 else token[: at - AT]


WHOLE = [
    b"0", b"-0", b"7", b"-12", b"1.5", b"0.0", b"-0.25", b"1e5", b"1E5", b"0e0", b"1.5e-7",
    b"2E+10", b"10", b"9", b'""', b'"a"', b'"abcdefg"', b'"abcdefgh"', b'"abcdefghijklmnopq"',
    b'"\\""', b'"\\\\"', b'"\\/\\b\\f\\n\\r\\t"', b'"\\u0041"', b'"\\uAFaf"', b'"\\u09c9x"',
    b'"\\ud7ff"', b'"\\uD799"', b'"\\ue800"', b'"Z\xc3\xbcrich"', b'"\x7f "', b"null", b"true",
    b"false", b"[]", b"{}", b"[ ]", b"{\n}", b"[1]", b"[[]]", b"[1,2]", b"[1 , 2]", b"[\t1\r,\n2 ]",
    b'{"a":1}', b'{"a" : 1 , "b":[]}', b'{"a":{"b":{}},"c":[{},[]]}', b'["a",null,true,-1.5e3]',
    b"[" * 32 + b"1" + b"]" * 32, b"[" * 32 + b"]" * 32, b'{"":' * 31 + b"[0]" + b"}" * 31,
    b'["' + b"a" * 40 + b'"]',
]  # fmt: skip
BROKEN = [
    b"", b"-", b"01", b"-01", b"00", b"1.", b".5", b"1.e5", b"1e", b"1e+", b"1E-", b"-e5", b"+1",
    b"1.-", b'"', b'"a', b'"abcdefgh', b'"\\"', b'"\\q"', b'"\\', b'"\\u', b'"\\u00', b'"\\u004"',
    b'"\\u004g"', b'"\\u00/1"', b'"\\u00:1"', b'"\\u00`1"', b'"\\u00@1"', b'"\\u00G1"',
    b'"\\ud800"', b'"\\uD8ff"', b'"\\udfff"', b'"\\uDFFF"', b'"\n"', b'"a\x1f"', b'"a\x00bcdefghi"',
    b"nul", b"nulL", b"tru", b"trua", b"fals", b"falsx", b"False", b"Null", b"x", b"]", b"}", b",",
    b":", b"[", b"{", b"[1", b"[1,", b"[1,]", b"[,1]", b"[1 2]", b"[}", b"{]", b"[1}", b'{"a":1]',
    b'{"a"}', b'{"a":}', b'{"a" 1}', b'{"a":1,}', b'{"a":1,2}', b"{1:2}", b"{a:1}",
    b'{"a":1 "b":2}',
    b'{"a', b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,"b"', b'{"a\\q":1}',
    b"[" * 33 + b"]" * 33, b'{"":' * 32 + b"[0]" + b"}" * 32, b"[\x0b]", b"[1\x0c]",
]  # fmt: skip


@pytest.mark.parametrize("token", WHOLE)
def test_a_whole_value_ends_where_it_ends(token: bytes) -> None:
    assert _skipped(token, b",") == token
    assert _skipped(token, b"]") == token


@pytest.mark.parametrize("token", BROKEN)
def test_what_is_no_whole_value_is_left_to_the_parser(token: bytes) -> None:
    for behind in (b'"', b"0", b"}"):
        assert _skipped(token, behind) is None


def test_a_value_ends_before_what_follows() -> None:
    for token, value in (
        (b"1,2", b"1"), (b"12]", b"12"), (b'"a"b', b'"a"'), (b"[1]2", b"[1]"), (b"nullx", b"null"),
        (b"falsex", b"false"), (b"truefalse", b"true"), (b"1.5.5", b"1.5"), (b"1-2", b"1"),
        (b"1e5e5", b"1e5"), (b"{}}", b"{}"), (b'{"a":1},', b'{"a":1}'), (b"1/", b"1"),
        (b"1:", b"1"),
    ):  # fmt: skip
        assert _skipped(token) == value


def test_white_space_is_skipped_up_to_the_end() -> None:
    for token, count in (
        (b"", 0), (b"a", 0), (b" \t\n\ra", 4), (b"   ", 3), (b"\x0b", 0), (b" \x0c ", 1),
        (b"\x00", 0), (b" \x1f", 1), (b"\x08", 0), (b" !", 1),
    ):  # fmt: skip
        text, _, end = _arrays(token, b" ")
        assert skip_space(text, AT, end) == AT + count


@pytest.mark.parametrize(
    ("token", "place"),
    [
        (b'"', 0), (b'a"', 1), (b'abcdefg"', 7), (b'abcdefgh"', 8), (b'abcdefghijklmnop"x', 16),
        (b'\\""', 2), (b'abcdef\\""', 8), (b'abcdefg\\""', 9), (b'\\\\"', 2), (b'\\q\x01\xff"', 4),
        (b"", -1), (b"abc", -1), (b'\\"', -1), (b"abcdefgh", -1), (b"abcdefg\\", -1), (b'#!"', 2),
        (b'][\\]"', 4), (b'""', 0),
    ],
)  # fmt: skip
def test_a_string_of_any_content_ends_at_its_quotation_mark(token: bytes, place: int) -> None:
    text, words, end = _arrays(token, b'"')
    assert closing_quote(text, words, AT, end) == (AT + place if place >= 0 else -1)


@pytest.mark.parametrize(
    ("key", "field"),
    [
        (b"timestamp", TIME), (b"source_id", SOURCE), (b"metric_name", METRIC), (b"unit", UNIT),
        (b"metric_type", TYPE), (b"metadata", METADATA), (b"value", VALUE), (b"", OTHER),
        (b"timestamq", OTHER), (b"uimestamp", OTHER), (b"timestamps", OTHER), (b"source_ie", OTHER),
        (b"source_jd", OTHER), (b"metric_namf", OTHER), (b"metric_typf", OTHER),
        (b"metric_mame", OTHER), (b"metric_uype", OTHER), (b"metadatb", OTHER),
        (b"metadata2", OTHER), (b"valuf", OTHER), (b"values", OTHER), (b"unis", OTHER),
        (b"units", OTHER), (b"metric_nype", OTHER), (b"metric_tame", OTHER), (b"Value", OTHER),
        (b"source_ip", OTHER), (b"timestamd", OTHER), (b"a" * 40, OTHER), (b"\xc3\xbc", OTHER),
    ],
)  # fmt: skip
def test_a_key_is_one_of_ours_only_if_all_of_it_is(key: bytes, field: int) -> None:
    for behind in (b":", b'"', b"p"):
        text, words, end = _arrays(key + b'"', behind)
        assert read_key(text, words, AT, end) == (field, end)


@pytest.mark.parametrize("key", [b"val\\u0075e", b"a\\n", b"\\\\", b"a\x01", b"\\q"])
def test_a_key_with_an_escape_may_spell_one_of_ours(key: bytes) -> None:
    text, words, end = _arrays(key + b'"', b":")
    assert read_key(text, words, AT, end) == (OTHER, -1)


def test_null_is_null_whatever_follows() -> None:
    for token, null in ((b"null", True), (b"nullx", True), (b"nulk", False), (b"mull", False),
                        (b"nu", False)):  # fmt: skip
        _, words, _ = _arrays(token, b",")
        assert is_null(words, AT) == null


def _number(token: bytes) -> float | None:
    text, _, end = _arrays(token, b"7")
    value, at = read_number(text, AT, end)
    assert at in (-1, end)
    return value if at == end else None


HARD = [  # 64 bits of a power decide nothing: those behind them are needed
    (106879166031689367, -27), (96605049535150609, -186), (7876295073138509, 190),
    (301269721144311, -278), (5515582150850835799, -193), (8807122872642191241, 62),
    (915260483646633183, 151), (13552134057697205, -1), (2217897958447689529, -116),
]  # fmt: skip


@pytest.mark.parametrize(("digits", "power"), HARD)
def test_a_number_near_the_middle_of_two_floats_takes_128_bits(digits: int, power: int) -> None:
    for token in (f"{digits}e{power}", f"-{digits}E{power}", f"{digits}.0e{power}"):
        assert _number(token.encode()) == float(token)


def test_numbers_of_every_power_are_the_nearest_floats() -> None:
    for power in (-280, -279, -200, -28, -27, -23, -22, -21, -5, -4, -1, 0, 1, 15, 16, 22, 23, 24,
                  55, 56, 200, 279, 280):  # fmt: skip
        for digits in (1, 9, 123456789, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, 10**19 - 1):
            token = f"{digits}e{power}"
            assert _number(token.encode()) in (float(token), None)
            assert _number(token.encode()) is not None or digits == 2**53 + 1
    for power in (-281, 281, 300, -400):
        assert _number(f"1e{power}".encode()) is None


def test_powers_of_five_are_kept_to_128_bits() -> None:
    """Cut off; rounded up where a number may lie between two floats."""
    assert len(json_numbers._POWERS) == 561
    for power, (high, low) in zip(range(-280, 281), json_numbers._POWERS.tolist(), strict=True):
        kept, five = high << 64 | low, 5 ** abs(power)
        assert kept.bit_length() == 128
        if power >= 0:
            shift = five.bit_length() - 128
            assert kept == (five >> shift if shift > 0 else five << -shift)
        else:
            exact, rest = divmod(1 << 127 + five.bit_length(), five)
            assert kept == exact + (1 if power >= -27 else 0)
            assert rest


@pytest.mark.parametrize(
    "token",
    [b"9007199254740993", b"9007199254740995", b"18014398509481986", b"4503599627370497.5",
     b"4503599627370498.5", b"9007199254740993e1", b"45035996273704985e-1", b"1e22", b"1e23",
     b"1e-22", b"1e-23", b"9007199254740992e22", b"9007199254740991e-22", b"-1.5", b"0.1", b"0.3"],
)  # fmt: skip
def test_a_number_between_two_floats_goes_to_the_even_one(token: bytes) -> None:
    assert _number(token) == float(token)


@pytest.mark.parametrize(
    ("token", "value"),
    [
        (b"1234567890123456789", 1234567890123456789.0),
        (b"12345678901234567890", 12345678901234567890.0),
        (b"12345678901234567891", 12345678901234567891.0), (b"1000000000000000000000", 1e21),
        (b"0.00000000000000000001234567890123456789", 1.234567890123456789e-20),
        (b"0.000000000000000000000000000000", 0.0), (b"123456789012345678901234567890.5e-10",
        123456789012345678901234567890.5e-10), (b"9007199254740992.00000000001", 2.0**53),
        (b"9007199254740993.00000000001", None), (b"1.0000000000000000000000", 1.0),
        (b"1e0000000005", 1e5), (b"1e100000", None), (b"1e-9999999999999999999", None),
        (b"0e9999999", 0.0), (b"1e", None), (b"1e-", None), (b"1e+5", 1e5), (b"1e+", None),
        (b"-", None), (b"01", None), (b"0.", None), (b".1", None), (b"0", 0.0), (b"0.5", 0.5),
    ],
)  # fmt: skip
def test_digits_beyond_the_nineteenth_count_only_if_they_cannot_change_it(
    token: bytes, value: float | None
) -> None:
    assert _number(token) == value


def test_zero_has_a_sign_only_where_it_is_no_integer() -> None:
    for token, negative in ((b"-0", False), (b"-0.0", True), (b"-0e1", True), (b"0.0", False)):
        value = _number(token)
        assert value == 0
        assert np.signbit(value) == negative


def _time(token: bytes) -> int | None:
    text, _, end = _arrays(token + b'"', b"0")
    micros, at = read_time(text, AT, end)
    assert at in (-1, end - 1)
    assert micros >= 0
    return micros if at >= 0 else None


def _micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.mark.parametrize("year", [2000, 2001, 2004, 2026, 2096, 2100, 2104, 2199])
def test_the_days_around_each_end_of_a_month_are_right(year: int) -> None:
    for month in range(1, 13):
        first = datetime(year, month, 1, 3, 4, 5, tzinfo=UTC)
        after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        last = after - timedelta(days=1)
        for moment in (first, last):
            assert _time(f"{moment:%Y-%m-%dT%H:%M:%SZ}".encode()) == _micros(moment)
        assert _time(f"{year}-{month:02}-{last.day + 1:02}T00:00:00Z".encode()) is None
        assert _time(f"{year}-{month:02}-00T00:00:00Z".encode()) is None


NEW_YEAR = 1_767_225_600_000_000


@pytest.mark.parametrize(
    ("token", "micros"),
    [
        (b"2026-01-01T00:00:00", 0), (b"2026-01-01 00:00:00Z", 0),
        (b"2026-01-01T23:59:59Z", 86_399_000_000), (b"2026-01-01T00:00:00.5Z", 500_000),
        (b"2026-01-01T00:00:00.000001", 1), (b"2026-01-01T00:00:00.9999999Z", 999_999),
        (b"2026-01-01T00:00:00.123456789012345678Z", 123_456),
        (b"2026-01-01T00:00:00.1234567890123456789Z", None),
        (b"2026-01-01T01:00:00+01:00", 0), (b"2026-01-01T00:00:00-23:59", 86_340_000_000),
        (b"2026-01-01T05:30:00.25+05:30", 250_000), (b"2026-01-02T23:59:00+23:59", 86_400_000_000),
        (b"2026-01-01T24:00:00Z", None), (b"2026-01-01T00:60:00Z", None),
        (b"2026-01-01T00:00:60Z", None), (b"2026-01-01T00:00:00+24:00", None),
        (b"2026-01-01T00:00:00+00:60", None), (b"2026-01-01T00:00:00.Z", None),
        (b"2026-01-01T00:00:00.:Z", None), (b"2026-01-01T00:00:00.5:Z", None),
        (b"2026-01-01T00:00:00.5/Z", None), (b"2026-01-01T00:00:00z", None),
        (b"2026-01-01T00:00:00+01.00", None), (b"2026-01-01T00:00:00*01:00", None),
        (b"2026-01-01T00:00:00,01:00", None), (b"2026-01-01T00:00:00+0a:00", None),
        (b"2026-01-01T00:00:00+01:0", None), (b"2026-01-01T00:00:00Zx", None),
        (b"2026/01-01T00:00:00Z", None), (b"2026-01/01T00:00:00Z", None),
        (b"2026-01-01t00:00:00Z", None), (b"2026-01-01_00:00:00Z", None),
        (b"2026-01-01T00.00:00Z", None), (b"2026-01-01T00:00.00Z", None),
        (b"2026-13-01T00:00:00Z", None), (b"2026-00-01T00:00:00Z", None),
        (b"2O26-01-01T00:00:00Z", None), (b"2026-01-01T0 :00:00Z", None),
        (b"2026-01-01T00:0::00Z", None), (b"2026-01-01T00:00:0/Z", None),
        (b"2026-01-01T00:00:0", None), (b"2026-01-01", None), (b"", None),
    ],
)  # fmt: skip
def test_a_time_of_the_common_form_is_read_and_any_other_left(
    token: bytes, micros: int | None
) -> None:
    assert _time(token) == (None if micros is None else NEW_YEAR + micros)


def test_times_at_the_bounds_are_in_or_out() -> None:
    assert _time(b"2000-01-01T00:00:00Z") == EARLIEST_US
    assert _time(b"1999-12-31T23:59:59.999999Z") is None
    assert _time(b"2000-01-01T00:00:00+00:01") is None
    assert _time(b"1999-12-31T23:59:00-00:01") == EARLIEST_US
    assert _time(b"2199-12-31T23:59:59.999999Z") == LATEST_US - 1
    assert _time(b"2200-01-01T00:00:00Z") is None
    assert _time(b"2200-01-01T00:00:59+00:01") == LATEST_US - 1_000_000
    assert _time(b"1970-01-01T00:00:00Z") is None
    assert _time(b"0000-01-01T00:00:00Z") is None


@pytest.mark.parametrize(
    ("number", "micros"),
    [
        (946_684_800.0, EARLIEST_US), (946_684_799.999999, -1),
        (7_258_118_399.5, LATEST_US - 500_000),
        (7_258_118_400.0, -1), (99_999_999_999.0, -1), (1e11, -1), (946_684_800_000.0, EARLIEST_US),
        (946_684_799_999.0, -1), (7_258_118_399_999.0, LATEST_US - 1000), (1e14, -1),
        (946_684_800_000_000.0, EARLIEST_US), (946_684_799_999_999.0, -1),
        (7_258_118_399_999_999.0, LATEST_US - 1), (7_258_118_400_000_000.0, -1), (1e17, -1),
        (946_684_800_000_000_000.0, EARLIEST_US), (7.2581184e18, -1),
        (1.5e18, 1_500_000_000_000_000),
        (-1.5e9, -1), (0.0, -1), (float("nan"), -1), (float("inf"), -1),
        (1_500_000_000.0000004, 1_500_000_000_000_000),
        (1_500_000_000.0000007, 1_500_000_000_000_001),
    ],
)  # fmt: skip
def test_a_number_is_a_time_in_the_unit_that_its_size_says(number: float, micros: int) -> None:
    assert micros_of(number) == micros
