"""A duration in a log is read by its unit, by its field's name, or by the habit of that name."""

from __future__ import annotations

from typing import Any

import pytest

from padit.codecs.logs.durations import DURATION_RANK, UNITS, duration_ms, text_duration

NANOS = ("ns", "nsec", "nanos", "nanoseconds")
MICROS = ("us", "\u00b5s", "\u03bcs", "usec", "micros", "microseconds")  # micro sign, Greek mu
MILLIS = ("ms", "msec", "msecs", "millis", "milliseconds", "millisecond")
SECONDS = ("s", "sec", "secs", "second", "seconds")
MINUTES = ("m", "min", "mins", "minutes")
WORDS = [(word, 1e-6) for word in NANOS] + [(word, 1e-3) for word in MICROS]
WORDS += [(word, 1.0) for word in MILLIS] + [(word, 1000.0) for word in SECONDS]
WORDS += [(word, 60_000.0) for word in MINUTES] + [("h", 3_600_000.0)]

BASES = ("latency", "took", "dur", "response_time", "responseTime", "ResponseTime", "time_taken",
         "Elapsed", "duration", "elapsed", "Duration", "execution_time", "processing_time",
         "request_time", "request_duration", "requestTime", "requestDuration")  # fmt: skip
ENDINGS = {
    1.0: ("_ms", "_millis", "_milliseconds", "_msec", "Ms", "MS", "Millis", "Milliseconds"),
    1000.0: ("_s", "_sec", "_secs", "_seconds", "S", "Sec", "Seconds"),
    1e-3: ("_us", "_micros", "_microseconds", "_usec", "Us", "Micros", "Microseconds"),
    1e-6: ("_ns", "_nanos", "_nanoseconds", "Ns", "Nanos", "Nanoseconds"),
}
MILLISECONDS_BY_HABIT = ("latency", "took", "dur", "response_time", "responseTime", "ResponseTime",
                         "time_taken", "Elapsed")  # fmt: skip
SECONDS_BY_HABIT = ("duration", "elapsed", "Duration", "execution_time", "processing_time")


def read(name: str, value: Any, **more: Any) -> float | None:
    known: dict[str, Any] = {"go": False, "bare": None, "nanos": set(), **more}
    return duration_ms(name, value, **known)


@pytest.mark.parametrize(("word", "factor"), WORDS)
def test_the_unit_behind_a_number_counts_whatever_the_field(word: str, factor: float) -> None:
    for text in (
        f"2.5{word}",
        f"2.5 {word}",
        f" 25e-1{word.upper() if word.isascii() else word} ",
        f"+2.5{word}",
    ):
        for name in ("duration", "took", "request_time", "latency_ns"):
            assert read(name, text) == pytest.approx(2.5 * factor)
            assert read(name, text, bare=7.0, go=True) == pytest.approx(2.5 * factor)


@pytest.mark.parametrize("base", BASES)
def test_the_unit_in_a_field_s_name_counts(base: str) -> None:
    for factor, endings in ENDINGS.items():
        for ending in endings:
            assert base + ending in DURATION_RANK
            for value in (2.5, "2.5"):
                assert read(base + ending, value, bare=7.0) == pytest.approx(2.5 * factor)


def test_fields_that_standards_name_have_the_unit_of_the_standard() -> None:
    assert read("event.duration", 2_500_000) == pytest.approx(2.5)  # ECS
    assert read("request_time", 0.25) == 250.0  # nginx
    assert read("request_duration", "0.25") == 250.0


def test_a_bare_number_has_the_unit_of_its_field_s_habit_until_the_option_states_one() -> None:
    for name in MILLISECONDS_BY_HABIT:
        assert (read(name, 2.5), read(name, "2.5"), read(name, 25)) == (2.5, 2.5, 25.0)
    for name in SECONDS_BY_HABIT:
        assert (read(name, 2.5), read(name, "2.5"), read(name, 25)) == (2500.0, 2500.0, 25_000.0)
    for name in (*MILLISECONDS_BY_HABIT, *SECONDS_BY_HABIT):
        assert read(name, 2.5, bare=UNITS["us"]) == 0.0025
    assert UNITS == {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1000.0}
    assert read("another", 2.5) == 2.5


def test_names_with_a_unit_come_before_those_without() -> None:
    stated = [DURATION_RANK[base + "_ms"] for base in BASES]
    assert max(stated) < min(DURATION_RANK[one] for one in MILLISECONDS_BY_HABIT)
    assert DURATION_RANK["event.duration"] < DURATION_RANK["duration"]


@pytest.mark.parametrize("value", [100_000, "100000", 10**18 - 1])
def test_a_large_whole_number_without_a_unit_is_nanoseconds_and_so_are_later_ones(
    value: Any,
) -> None:
    nanos: set[str] = set()
    assert read("duration", value, nanos=nanos) == pytest.approx(int(value) * 1e-6)
    assert nanos == {"duration"}
    assert read("duration", 5, nanos=nanos) == pytest.approx(5e-6)
    assert read("duration", 5.0, nanos=nanos) == 5000.0
    assert read("latency", 5, nanos=nanos) == 5.0


@pytest.mark.parametrize("value", [99_999, "99999", 10**18])
def test_any_other_whole_number_is_not(value: Any) -> None:
    nanos: set[str] = set()
    assert read("latency", value, nanos=nanos) == float(value)
    assert nanos == set()


def test_whole_numbers_of_a_logger_of_go_are_nanoseconds() -> None:
    assert read("duration", 5_000, go=True) == pytest.approx(0.005)
    assert read("duration", "5000", go=True) == pytest.approx(0.005)
    assert read("duration", 0.5, go=True) == 500.0
    assert read("duration_ms", 5, go=True) == 5.0


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1m2s", 62_000.0), ("1h2m3.5s", 3_723_500.0), ("1.5s20ms", 1520.0), ("2m", 120_000.0),
        ("3ms4us5ns", 3.004005), ("3\u00b5s1\u03bcs", 0.004),
        ("00:00:01.5", 1500.0), ("01:02:03", 3_723_000.0), ("1.02:03:04", 93_784_000.0),
        ("2:00:00:01", 172_801_000.0),
        ("PT0.2S", 200.0), ("PT1H", 3_600_000.0), ("PT2M", 120_000.0), ("PT1H2M3S", 3_723_000.0),
        ("1e2 ms", 100.0), ("5.", 5000.0), ("0", 0.0),
    ],
)  # fmt: skip
def test_written_durations_are_read(text: str, milliseconds: float) -> None:
    assert read("duration", text) == pytest.approx(milliseconds)


@pytest.mark.parametrize(
    "value",
    [None, True, False, [], {}, "", "fast",
      "5 parsecs", "PT", "P1D", "1:2", "12:00", "-5", -5, -0.1,
     "-5ms", float("nan"), float("inf"), "1" * 65, 10**400, "1ms fast", "ms"],
)  # fmt: skip
def test_what_is_no_duration_gives_none(value: Any) -> None:
    assert read("duration", value) is None


def test_a_text_of_64_characters_is_read_and_a_longer_one_is_not() -> None:
    text = "0ms" * 21 + "5s"
    assert read("duration", text[: 3 * 20] + "25ms") == 25.0
    assert len(text[: 3 * 20] + "25ms") == 64
    assert read("duration", "0ms" + text[: 3 * 20] + "25ms") is None


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("took 35 ms", 35.0), ("done: took=1.5s", 1500.0), ("latency_us=2500", 2.5),
        ("elapsed: 20 us", 0.02), ("duration 3 secs", 3000.0), ("response time: 5ms", 5.0),
        ("response_time_ns = 5000000", 5.0), ("TOOK 2 M", 120_000.0), ("elapsed_s 2", 2000.0),
        ("took 40", 40.0), ("took 200000", 0.2), ("duration_ms=5s", 5000.0), ("took 7 years", 7.0),
        ("ok", None), ("overtook 5 cars", None), ("took it", None), ("", None),
        ("x" * 1997 + " took 5 ms", None), ("x" * 1980 + " took 5 ms", 5.0),
    ],
)  # fmt: skip
def test_a_message_may_name_a_duration(text: str, milliseconds: float | None) -> None:
    found = text_duration(text, None, set())
    assert found == (milliseconds if milliseconds is None else pytest.approx(milliseconds))


def test_a_bare_number_in_a_message_has_the_unit_of_the_option() -> None:
    assert text_duration("took 40", 1000.0, set()) == 40_000.0
    assert text_duration("took 40 ms", 1000.0, set()) == 40.0
