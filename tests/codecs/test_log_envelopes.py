"""Lines within Docker's envelope: what is in it reads as it would without, and nothing else is."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from padit.codecs.logs.parser import MOST_LINES, LineParser
from padit.codecs.logs.record import LogRecord, Settings

NOW = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


def read(*lines: dict[str, Any]) -> list[LogRecord]:
    parser = LineParser("svc", Settings())
    return parser.feed([json.dumps(one).encode() for one in lines], NOW) + parser.flush()


def docker(text: str, **more: Any) -> dict[str, Any]:
    return {"log": text, "stream": "stdout", "time": "2026-01-05T00:00:00.1Z"} | more


def test_colours_within_an_envelope_hide_no_level() -> None:
    [plain] = read(docker("ERROR order 7 failed\n"))
    [coloured] = read(docker("\x1b[31mERROR\x1b[0m order 7 failed\n"))
    assert (coloured.level, coloured.message) == (plain.level, plain.message)
    assert coloured.level == "ERROR"


@pytest.mark.parametrize(
    "fields",
    [
        {"log": 5, "stream": "stdout"}, {"log": {"a": 1}, "stream": "stdout"},
        {"log": "audit", "logger": "x"}, {"log": None, "time": "2026-01-05T00:00:00Z"},
    ],
)  # fmt: skip
def test_an_object_with_a_field_log_of_its_own_is_no_envelope(fields: dict[str, Any]) -> None:
    [record] = read({"level": "error", "msg": "order 7 failed"} | fields)
    assert record.level == "ERROR"
    assert "order 7 failed" in record.message


@pytest.mark.parametrize("parts", [MOST_LINES - 1, MOST_LINES, MOST_LINES + 1, 2 * MOST_LINES + 3])
def test_a_stream_without_any_end_of_a_line_loses_none_of_its_parts(parts: int) -> None:
    records = read(*(docker(f"ERROR part {i}") for i in range(parts)))
    assert [one.message.rpartition(" ")[2] for one in records] == [str(i) for i in range(parts)]


def test_parts_of_one_line_are_one_record_and_what_is_beyond_the_most_is_counted() -> None:
    parser = LineParser("svc", Settings())
    lines = [docker("first\n"), *(docker(f"{i},") for i in range(MOST_LINES + 5)), docker("end\n")]
    records = parser.feed([json.dumps(one).encode() for one in lines], NOW) + parser.flush()
    assert len(records) == 2
    assert records[1].message.startswith("0,1,2,")
    assert {kind: count for kind, (count, _) in parser.left.items()} == {"long_record": 6}
