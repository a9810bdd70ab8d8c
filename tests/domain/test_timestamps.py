"""Event time: three forms in, one inside."""

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from padit.domain.timestamps import (
    EARLIEST_US,
    LATEST_US,
    format_utc,
    micros_from_numbers,
    parse_timestamp,
    seconds_to_micros,
)
from tests.codecs.samples import steady

MICROS = st.integers(EARLIEST_US, LATEST_US - 1)
OFFSETS = st.integers(-14 * 60, 14 * 60)


@steady
@given(MICROS)
def test_a_written_time_is_read_back_to_the_microsecond(micros: int) -> None:
    assert parse_timestamp(format_utc(micros)) == micros


@steady
@given(MICROS, OFFSETS)
def test_an_offset_changes_the_text_and_not_the_moment(micros: int, minutes: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert parse_timestamp(local.isoformat()) == micros


@steady
@given(MICROS)
def test_text_without_an_offset_counts_as_utc(micros: int) -> None:
    assert parse_timestamp(format_utc(micros).removesuffix("Z")) == micros


@steady
@given(st.integers(EARLIEST_US // 1000, LATEST_US // 1000 - 1))
def test_seconds_milliseconds_and_text_of_a_moment_agree(millis: int) -> None:
    expected = millis * 1000
    assert parse_timestamp(millis) == expected
    assert parse_timestamp(millis / 1000) == expected
    assert parse_timestamp(format_utc(expected)) == expected


@steady
@example([1.797693134862316e302])
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1))
def test_numbers_convert_alone_as_they_do_together(numbers: list[float]) -> None:
    together = micros_from_numbers(np.array(numbers))
    assert together.tolist() == [parse_timestamp(number) for number in numbers]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e300, -1e300])
def test_a_number_that_is_no_time_lies_before_the_earliest(number: float) -> None:
    assert parse_timestamp(number) < EARLIEST_US


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "17673230", "NaN"])
def test_text_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month"):
        parse_timestamp(text)


def test_a_duration_is_rounded_to_the_microsecond() -> None:
    assert seconds_to_micros(0.1) == 100_000
