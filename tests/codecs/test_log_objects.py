"""What a log's fields say: levels, times, names, and how long a text may be where it is quoted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from padit.codecs.logs.parser import LineParser
from padit.codecs.logs.posted import objects_of, read_body
from padit.codecs.logs.record import LogRecord, Settings, template_of
from padit.codecs.logs.times import time_of

RECEIVED = 1_767_323_045.0  # 2026-01-02T03:04:05Z


def parsed(*lines: str | bytes, **settings: Any) -> list[LogRecord]:
    parser = LineParser("app", Settings(**settings))
    raw = [one.encode() if isinstance(one, str) else one for one in lines]
    return parser.feed(raw, RECEIVED) + parser.flush()


def level(line: str, **settings: Any) -> str:
    (record,) = parsed(line, **settings)
    return record.level


def test_a_number_off_every_scale_is_its_own_level_and_at_most_20_characters_long() -> None:
    assert level('{"level": 1234567, "msg": "a"}') == "1234567"
    assert level('{"level": 1234567890123456789012345, "msg": "a"}') == "12345678901234567890"
    assert level('{"level": true, "msg": "a"}') == ""


def test_the_configured_scale_comes_before_that_of_the_logger() -> None:
    assert level('{"level": 40, "msg": "a"}') == "WARNING"
    for scale, found in (("python", "ERROR"), ("pino", "WARNING"), ("otel", "FATAL")):
        assert level('{"level": 40, "msg": "a"}', scale=scale) == found
        assert level('{"levelno": 40, "msg": "a"}', scale=scale) == found


def test_configured_words_count_among_the_first_six() -> None:
    levels = {"OOPS": "ERROR"}
    assert level("a b c d e oops x", levels=levels) == "ERROR"
    assert level("a b c d e f oops", levels=levels) == ""
    assert level("a b [oops]: x", levels=levels) == "ERROR"


def test_a_field_without_a_value_states_nothing_and_the_next_is_looked_at() -> None:
    for empty in ("null", '""'):
        (record,) = parsed(f'{{"level": {empty}, "severity": "error", "msg": "fine"}}')
        assert record.level == "ERROR"


def test_a_message_states_the_level_that_no_field_does() -> None:
    assert level('{"msg": "[ERROR] no route", "a": 1}') == "ERROR"
    assert level('{"msg": "no route", "a": 1}') == ""


@pytest.mark.parametrize(
    ("status", "found"),
    [("399", "INFO"), ("400", "WARNING"), ("401", "WARNING"), ("499", "WARNING"), ("500", "ERROR"),
     ("200", "INFO"), ("99", ""), ("abc", "")],
)  # fmt: skip
def test_the_status_of_a_request_is_its_level(status: str, found: str) -> None:
    line = f'{{"status": "{status}", "method": "GET", "path": "/", "msg": "x"}}'
    assert level(line, client_errors="WARNING") == found


def test_many_shapes_of_objects_are_read_alike() -> None:
    lines = [f'{{"field{n}": {n}, "level": "error", "msg": "m{n}"}}' for n in range(700)]
    for _ in range(2):
        found = parsed(*lines)
        assert [(one.level, one.message) for one in found] == [
            ("ERROR", f"m{n}") for n in range(700)
        ]


def test_a_time_that_is_none_is_noted_with_its_first_100_characters() -> None:
    parser = LineParser("app", Settings())
    parser.feed([b'{"time": "%s", "msg": "a"}' % (b"x" * 150)], RECEIVED)
    assert parser.notes["time"] == (1, "x" * 100)


def test_a_template_is_made_of_the_first_500_characters() -> None:
    assert template_of("x y" * 400) == ("x y" * 400)[:500]
    assert template_of("a" * 498 + " 7") == "a" * 498 + " <n>"


UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@pytest.mark.parametrize("unit", UNITS)
def test_an_epoch_time_is_read_by_its_size_whole_or_with_a_fraction_or_as_text(unit: str) -> None:
    number = int(RECEIVED) * UNITS[unit]
    moment = datetime.fromtimestamp(RECEIVED, UTC)
    for value in (number, str(number), float(number), f"{number}.0", f" {number} "):
        found = time_of(value, UTC, moment)
        assert found is not None
        assert abs(found - moment) < timedelta(milliseconds=1)
    assert time_of(number + UNITS[unit] // 2, UTC, moment) == moment + timedelta(
        seconds=(UNITS[unit] // 2) / UNITS[unit]
    )


def test_times_lie_in_the_years_2000_to_2199() -> None:
    moment = datetime.fromtimestamp(RECEIVED, UTC)
    first, after = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2000, 2200))
    assert time_of(first, UTC, moment) == datetime(2000, 1, 1, tzinfo=UTC)
    assert time_of(first - 1, UTC, moment) is None
    assert time_of(after - 1, UTC, moment) == datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert time_of(after, UTC, moment) is None
    others: list[Any] = [True, None, [], float("nan"), float("inf"), 10**30, "soon"]
    for value in others:
        assert time_of(value, UTC, moment) is None


ACCESS = '10.0.0.1 - - [02/Jan/2026:03:04:05 +0000] "GET /a HTTP/1.1" 404 12'


def test_a_request_is_the_message_of_an_access_log_and_a_dash_is_nothing() -> None:
    (record,) = parsed(ACCESS)
    assert record.message == "GET /a HTTP/1.1 404"
    assert record.attributes == {
        "client": "10.0.0.1", "request": "GET /a HTTP/1.1", "status": "404", "bytes": "12",
    }  # fmt: skip
    assert record.latency_ms is None


@pytest.mark.parametrize(
    ("end", "bare", "latency"),
    [
        (' "-" "curl" 0.25', None, 250.0), (' "-" "curl" rt=0.5', None, 500.0),
        (' "-" "curl" 25ms', None, 25.0), (' "-" "curl" 1500', None, None),
        (' "-" "curl" 1500', 1e-3, 1.5), (' "-" "curl" 1500', 1.0, 1500.0),
        (" 0.125", None, 125.0), (' "-" "curl" gone', 1.0, None),
    ],
)  # fmt: skip
def test_the_time_taken_stands_at_the_end_of_an_access_log(
    end: str, bare: float | None, latency: float | None
) -> None:
    (record,) = parsed(ACCESS + end, bare=bare)
    assert record.latency_ms == latency


def test_a_whole_line_of_pairs_is_not_added_to_the_one_before() -> None:
    found = parsed('level=error msg="no route"', "  at x", 'level=info msg="up" took=5ms')
    assert (found[0].level, found[0].message.split("\n")[0]) == ("ERROR", "no route")
    assert found[-1].level == "INFO"
    assert found[-1].message == "up"


@pytest.mark.parametrize("first", ["INFO", "WARN", "ERROR", "[ERROR]:"])
def test_a_padded_level_begins_a_record_and_not_a_trace(first: str) -> None:
    found = parsed("ERROR something broke", f" {first} [main] started")
    assert len(found) == 2
    assert found[1].message.strip().startswith(first)


def test_colours_of_a_terminal_are_taken_out() -> None:
    (record,) = parsed("\x1b[31mERROR\x1b[0m no route")
    assert (record.level, "\x1b" in record.message) == ("ERROR", False)
    (record,) = parsed('{"level": "\\u001b[31merror\\u001b[0m", "msg": "\\u001b[1mx\\u001b[0m"}')
    assert (record.level, record.message) == ("ERROR", "x")


def test_posted_text_is_lines_unless_it_begins_with_a_bracket() -> None:
    def read(body: bytes, kind: str = "text/plain; charset=utf-8") -> Any:
        return read_body(body, kind, "app", RECEIVED, Settings())

    found = read(b"ERROR a\nINFO b\n").records
    assert [(one.level, one.message[-1]) for one in found] == [("ERROR", "a"), ("INFO", "b")]
    for body in (b' {"msg": "x"}', b'[{"msg": "x"}]'):
        assert [one.message for one in read(body).records] == ["x"]
    assert [one.message for one in read(b'{"msg": "x"}', "application/json").records] == ["x"]
    assert read(b"").records == []


def test_posted_objects_stand_in_an_array_or_one_to_a_line() -> None:
    body = b'{"a": 1}\n\n  {"b": 2}\n[3]\n{"c"\n'
    found, refused = objects_of(body)
    assert found == [{"a": 1}, {"b": 2}]
    assert refused[0] == "line 4 is no JSON object"
    assert refused[1].startswith("line 5: neither JSON nor one JSON object per line: ")
    assert objects_of(b'[{"a": 1}, 7, {"b": 2}]') == (
        [{"a": 1}, {"b": 2}], ["record 2 is no JSON object"],
    )  # fmt: skip
