"""Forms of log lines: what becomes a record, of which level, time and duration."""

import re
import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.log_lines import from_object, level_of, parse_line
from padit.codecs.logs.levels import KNOWN, level_in_text
from padit.codecs.logs.parser import LONGEST_RECORD, MOST_LINES, LineParser
from padit.codecs.logs.record import LogRecord, Settings
from padit.codecs.logs.times import leading_time, time_of
from tests.codecs.log_samples import SAMPLES, TRACE, Sample
from tests.limits import allowed

NOW = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


def read(content: bytes, parser: LineParser | None = None, **settings: Any) -> list[LogRecord]:
    parser = parser or LineParser("svc", Settings(**settings))
    lines = content.removesuffix(b"\n").split(b"\n")
    return parser.feed(lines, NOW) + parser.flush()


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_every_form_gives_its_records_with_their_levels(sample: Sample) -> None:
    records = read(sample.content)
    assert tuple(sorted(record.level for record in records)) == tuple(sorted(sample.levels))
    latencies = [one.latency_ms for one in records if one.latency_ms is not None]
    assert max(latencies, default=None) == pytest.approx(sample.latency)


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_every_form_gives_the_times_of_its_lines(sample: Sample) -> None:
    times = [record.timestamp for record in read(sample.content)]
    if sample.dated:
        assert {time[:7] for time in times} <= {"2026-01"}, times


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES.keys())
def test_every_message_says_something(sample: Sample) -> None:
    assert all(
        record.message or "MESSAGE" in str(sample.content) or "- -" in str(sample.content)
        for record in read(sample.content)
    )


def test_a_stack_trace_is_in_the_message_of_its_record() -> None:
    failed = read(SAMPLES["python"].content)[2]
    assert failed.lines == 12
    assert failed.message.startswith("ERROR root failed\nTraceback")
    assert failed.message.endswith("ValueError: no route")


def test_every_line_is_a_record_where_multiline_is_off() -> None:
    content = SAMPLES["java-stack"].content
    assert len(read(content, multiline=False)) == content.count(b"\n")


def test_syslog_gives_structured_data_and_the_program() -> None:
    record = read(SAMPLES["syslog5424"].content)[1]
    assert record.service == "svc"
    assert record.attributes["ex@32473.a"] == "b]"
    assert record.attributes["ex@32473.c"] == '"d'
    assert record.message == "no route"


@pytest.mark.parametrize(
    ("word", "level"),
    [("err", "ERROR"), ("E", "ERROR"), ("warn", "WARNING"), ("Warning", "WARNING"),
     ("fatal", "FATAL"), ("critical", "CRITICAL"), ("emerg", "EMERGENCY"), ("panic", "PANIC"),
     ("notice", "INFO"), ("trace", "TRACE"), (3, "ERROR"), (4, "WARNING"), (50, "ERROR"),
     (30, "INFO"), ("50", "50"), (400, "ERROR"), (40_000, "ERROR"), ("Foo", "FOO"),
     (True, ""), (None, "")],
)  # fmt: skip
def test_levels_are_read_by_word_and_by_number(word: Any, level: str) -> None:
    if word is True:
        assert from_object({"level": word, "msg": "x"}, "s", NOW).level == level
    else:
        assert level_of(word) == level


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("[error] no route", "ERROR"), ("Error: no route", "ERROR"), ("<err> no", "ERROR"),
        ("ERRO[0001] no route", "ERROR"), ("SEVERE: no route", "ERROR"), ("fail: A.B[0]", "ERROR"),
        ("E, [2026-01-05T00:00:01.5 #1] ERROR -- : no", "ERROR"), ("a-7 [crit] no", "CRITICAL"),
        ("started without error", ""), ("I am here", ""), ("A user", ""), ("alert sent to ops", ""),
        ("[E] no route", "ERROR"), ("main.go:10 warn slow", "WARNING"), ("0 errors", ""),
        ("Config loaded", ""), ("CONFIG: loaded", "DEBUG"), ("note to self", ""),
    ],
)  # fmt: skip
def test_a_plain_line_states_its_level_or_none(line: str, level: str) -> None:
    assert parse_line(line, "s", NOW).level == level


def test_levels_of_your_own_go_before_ours() -> None:
    levels = {"OOPS": "ERROR", "7": "INFO", "ERROR": "INFO"}
    records = read(b'oops no route\n{"level":7,"msg":"x"}\nERROR fine\n', levels=levels)
    assert [record.level for record in records] == ["ERROR", "INFO", "INFO"]


def test_the_scale_of_numbers_can_be_stated() -> None:
    line = b'{"level": 40, "msg": "x"}\n'
    assert read(line)[0].level == "WARNING"
    assert read(line, scale="python")[0].level == "ERROR"


def test_client_errors_are_what_the_option_says() -> None:
    line = b'10.0.0.1 - - [05/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 404 6\n'
    assert read(line)[0].level == "INFO"
    assert read(line, client_errors="WARNING")[0].level == "WARNING"


def test_access_log_in_json_has_a_level_by_its_status() -> None:
    line = b'{"request": "GET /", "status": "502", "request_time": "0.25"}\n'
    record = read(line)[0]
    assert (record.level, record.latency_ms) == ("ERROR", 250.0)


@pytest.mark.parametrize(
    ("reference", "text", "expected"),
    [
        ((2026, 1, 2), "Dec 31 23:59:59", "2025-12-31T23:59:59"),
        ((2026, 12, 31), "Jan  1 00:00:01", "2027-01-01T00:00:01"),  # a clock that is ahead
        ((2026, 6, 1), "Jan  1 00:00:01", "2026-01-01T00:00:01"),
        ((2026, 6, 1), "Feb 29 00:00:01", "2024-02-29T00:00:01"),
        ((2026, 6, 1), "23:59:59", "2026-05-31T23:59:59"),
        ((2026, 6, 1), "00:30:00", "2026-06-01T00:30:00"),
        ((2026, 6, 1), "Jan 05, 2026 12:00:01 AM", "2026-01-05T00:00:01"),
        ((2026, 6, 1), "05-Jan-2026 13:00:01.5", "2026-01-05T13:00:01.500000"),
        ((2026, 6, 1), "2026/01/05 13:00:01", "2026-01-05T13:00:01"),
    ],
)
def test_a_missing_year_comes_from_when_the_file_was_written(
    reference: tuple[int, int, int], text: str, expected: str
) -> None:
    written = datetime(*reference, hour=1, tzinfo=UTC)
    when, end = leading_time(f"{text} x", UTC, written)
    assert when is not None
    assert when == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert end >= len(text)


def test_times_without_an_offset_are_of_the_zone() -> None:
    line = b"2026-07-05 02:00:00 ERROR x\n"
    berlin = read(line, zone=ZoneInfo("Europe/Berlin"))[0]
    assert berlin.timestamp == "2026-07-05T00:00:00.000000Z"
    with_offset = read(b"2026-07-05 02:00:00+00:00 ERROR x\n", zone=ZoneInfo("Europe/Berlin"))[0]
    assert with_offset.timestamp == "2026-07-05T02:00:00.000000Z"


@pytest.mark.parametrize("value", [1_767_571_200, 1_767_571_200.0, "1767571200", 1_767_571_200_000,
                                   1_767_571_200_000_000, 1_767_571_200_000_000_000])  # fmt: skip
def test_epoch_is_read_in_any_unit(value: Any) -> None:
    assert time_of(value, UTC, datetime.now(UTC)) == datetime(2026, 1, 5, tzinfo=UTC)


def test_a_time_that_cannot_be_read_is_noted() -> None:
    parser = LineParser("svc")
    read(b'{"time": "yesterday", "msg": "x"}\n2026-99-99 00:00:00 ERROR x\n', parser)
    assert parser.notes["time"][0] == 2


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"duration": "1.5ms"}, 1.5), ({"duration": "1m2.5s"}, 62_500.0), ({"took": "35"}, 35.0),
        ({"duration_ms": 35}, 35.0), ({"elapsedSeconds": 2}, 2000.0), ({"elapsedSec": 2}, 2000.0),
        ({"duration_ns": 1500}, 0.0015), ({"event": {"duration": 1_500_000}}, 1.5),
        ({"duration": 0.5}, 500.0), ({"duration": 2_000_000}, 2.0), ({"Elapsed": 12.5}, 12.5),
        ({"duration": "00:00:01.5"}, 1500.0), ({"request_time": "0.25"}, 250.0),
        ({"duration": -1}, None), ({"duration": "soon"}, None), ({"duration": True}, None),
        ({"duration": 10**400}, None), ({"latency": "250 us"}, 0.25), ({"duration": "nan"}, None),
    ],
)  # fmt: skip
def test_a_duration_is_read_as_its_unit_says(
    fields: dict[str, Any], expected: float | None
) -> None:
    found = from_object({"message": "x", **fields}, "s", NOW).latency_ms
    assert found == (None if expected is None else pytest.approx(expected))


def test_the_unit_of_bare_durations_can_be_stated() -> None:
    line = b'{"msg": "x", "duration": 1500000}\n'
    parser = LineParser("svc")
    assert read(line, parser)[0].latency_ms == 1.5
    assert "duration_unit" in parser.notes
    assert read(line, bare=1.0)[0].latency_ms == 1_500_000.0


def test_small_durations_stay_nanoseconds_once_large_ones_were() -> None:
    lines = b'{"message": "x", "duration": 1500000}\n{"message": "x", "duration": 50}\n'
    assert [record.latency_ms for record in read(lines)] == pytest.approx([1.5, 5e-5])


def test_an_uncaught_exception_is_an_error_of_its_own() -> None:
    trace = "\n".join(TRACE).encode()
    records = read(b"2026-01-05 00:00:00 INFO ok\n" + trace + b"\nValueError: x\n")
    assert [(record.level, record.lines) for record in records] == [("INFO", 1), ("ERROR", 4)]


def test_a_trace_behind_a_record_without_a_level_makes_it_an_error() -> None:
    trace = "\n".join(TRACE).encode()
    records = read(b"2026-01-05 00:00:00 failed\n" + trace + b"\nValueError: x\n")
    assert [(record.level, record.lines) for record in records] == [("ERROR", 5)]


def test_a_record_is_bounded_and_what_is_behind_is_counted() -> None:
    parser = LineParser("svc")
    records = read(b"2026-01-05 00:00:00 ERROR x\n" + b"\tat a\n" * 5_000, parser)
    assert [record.lines for record in records] == [MOST_LINES]
    assert parser.left["long_record"][0] == 5_001 - MOST_LINES


def test_partial_lines_are_bounded() -> None:
    piece = b"2026-01-05T00:00:00.123456Z stdout P " + b"x" * 10_000 + b"\n"
    parser = LineParser("svc")
    records = read(piece * 200, parser)
    assert [record.lines for record in records] == [LONGEST_RECORD // 10_000]
    assert parser.left["long_record"][0] == 100


@pytest.mark.parametrize("line", [b"\0" * 500, bytes(range(1, 9)) * 9, b"\xff\xfe" * 50])
def test_binary_lines_are_refused(line: bytes) -> None:
    parser = LineParser("svc")
    assert [record.message for record in read(line + b"\nERROR x\n", parser)] == ["ERROR x"]
    assert parser.refused["binary"][0] == 1


def test_zero_bytes_before_a_line_are_left_out_and_noted() -> None:
    parser = LineParser("svc")
    assert read(b"\0" * 5_000 + b"ERROR x\n", parser)[0].level == "ERROR"
    assert parser.notes["nul"][0] == 1


LINES = st.one_of(
    st.sampled_from(b"".join(sample.content for sample in SAMPLES.values()).split(b"\n")),
    st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")),
    st.text(max_size=40).map(lambda line: line.replace("\n", "").encode()),
)


@given(st.lists(LINES, max_size=40), st.data(), st.booleans())
def test_every_line_is_in_a_record_or_counted_however_reads_are_cut(
    lines: list[bytes], data: st.DataObject, multiline: bool
) -> None:
    settings_of = Settings(multiline=multiline)
    whole, cut = LineParser("svc", settings_of), LineParser("svc", settings_of)
    expected = whole.feed(lines, NOW) + whole.flush()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=5)))
    found: list[LogRecord] = []
    for begin, end in zip([0, *cuts], [*cuts, len(lines)], strict=True):
        found += cut.feed(lines[begin:end], NOW)
    found += cut.flush()
    assert found == expected
    counted = [n for book in (whole.left, whole.refused) for n, _ in book.values()]
    assert sum(record.lines for record in expected) + sum(counted) == len(lines)
    assert "internal" not in whole.refused, whole.refused
    assert whole.pending == 0
    assert all(record.level in KNOWN or not record.is_error for record in expected)


@given(st.text(max_size=300))
def test_no_text_breaks_the_search_for_a_level(text: str) -> None:
    assert level_in_text(text) in KNOWN | {""}


def test_a_pattern_and_a_format_can_be_stated() -> None:
    pattern = re.compile(r"(?P<level>\w)/(?P<message>.*)")
    assert read(b"E/no route\n", pattern=pattern)[0].level == "ERROR"
    line = b"level=error msg=x\n"
    assert read(line, form="plain")[0].message == "level=error msg=x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05 00:00:01,5", "2026-01-05T00:00:01.500000"),
        ("2026/01/05 00:00:01.123456789", "2026-01-05T00:00:01.123456"),
        ("2026-01-05_00:00:01 +0130", "2026-01-04T22:30:01"),
        ("2026-12-31T23:59:60Z", "2027-01-01T00:00:00"),
        ("[2026-01-05T00:00:01.12-01:00]", "2026-01-05T01:00:01.120000"),
    ],
)
def test_leading_times_are_read_to_the_microsecond(text: str, expected: str) -> None:
    when, _ = leading_time(f"{text} x", UTC, datetime(2026, 1, 1, tzinfo=UTC))
    assert when == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_colours_inside_json_are_left_out() -> None:
    colour = "\\u001b[31m"
    record = read(f'{{"level": "{colour}error", "message": "{colour}x"}}'.encode())[0]
    assert (record.level, record.message) == ("ERROR", "x")


LONG = ["a" * 10, " ", "=", "a=", 'a="', "[", "<11>", '] "', "1 ", "a.", ".", "\x1b[", "\\",
        "{", "0:", "2026-01-05 ", "ERROR ", "::", "(", "'", "\0a", "took 3", "\xfc"]  # fmt: skip


@pytest.mark.parametrize("part", LONG)
@pytest.mark.parametrize("head", ["", "<11>1 - - - - - [a ", "10.0.0.1 - - [", "Jan  5 00:00:00 "])
def test_no_long_line_takes_long(head: str, part: str) -> None:
    line = (head + part * (1_000_000 // len(part))).encode()
    begin = time.process_time()
    read(line)
    assert time.process_time() - begin < allowed(2)
