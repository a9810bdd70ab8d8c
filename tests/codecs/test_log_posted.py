"""Batches of log shippers: their records are read, and what is none is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.logs.envelopes import unwrapped
from padit.codecs.logs.posted import objects_of, read_body
from padit.codecs.logs.record import Settings
from tests.codecs.samples import steady

RECEIVED = 1_767_571_300.0
NANOS = "1767571200000000000"
MOMENT = "2026-01-05T00:00:00.000000Z"


def _text(value: str) -> dict[str, str]:
    return {"stringValue": value}


def read(body: Any, kind: str = "application/json") -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_body(data, kind, "unknown", RECEIVED, Settings())


LOKI = {"streams": [
    {"stream": {"app": "shop", "level": "error"}, "values": [[NANOS, "no route"]]},
    {"stream": {"job": "cron"}, "values": [[NANOS, "INFO done", {"trace": "a"}]]},
]}  # fmt: skip
OTLP = {"resourceLogs": [{
    "resource": {"attributes": [{"key": "service.name", "value": _text("shop")}]},
    "scopeLogs": [{"scope": {"name": "s"}, "logRecords": [
        {"timeUnixNano": NANOS, "severityText": "ERROR", "severityNumber": 17,
         "body": _text("no route"), "attributes": [{"key": "user", "value": {"intValue": "7"}}]},
        {"timeUnixNano": "0", "observedTimeUnixNano": NANOS, "severityNumber": 9,
         "body": _text("done")},
    ]}],
}]}  # fmt: skip
BULK = (
    b'{"create": {"_index": "logs"}}\n'
    b'{"@timestamp": "2026-01-05T00:00:00Z", "log": {"level": "error"}, "message": "no route",'
    b' "service": {"name": "shop"}}\n{"index": {}}\n'
    b'{"@timestamp": "2026-01-05T00:00:00Z", "message": "done"}\n'
)
HEC = (
    b'{"time": 1767571200, "host": "h", "event": "ERROR no route"} '
    b'{"time": 1767571200, "sourcetype": "x", "event": {"message": "done", "level": "info"}}'
)


@pytest.mark.parametrize(
    ("body", "services"),
    [(LOKI, ["shop", "cron"]), (OTLP, ["shop", "shop"]), (BULK, ["shop", "unknown"]),
     (HEC, ["unknown", "unknown"])],
    ids=["loki", "otlp", "bulk", "hec"],
)  # fmt: skip
def test_records_of_a_batch_are_read(body: Any, services: list[str]) -> None:
    found = read(body)
    assert (found.refused, found.reasons) == (0, [])
    assert [one.service for one in found.records] == services
    assert [one.timestamp for one in found.records] == [MOMENT, MOMENT]
    assert found.records[0].level == "ERROR"
    assert "no route" in found.records[0].message
    assert "done" in found.records[1].message


@pytest.mark.parametrize(
    ("body", "taken", "refused"),
    [
        ({"streams": [5, {"stream": {}}, {"stream": {}, "values": [[NANOS], [NANOS, "ERROR x"]]}]},
         1, 3),
        ({"resourceLogs": [{}, {"scopeLogs": [{}, {"logRecords": [7, {"body": _text("x")}]}]}]},
         1, 3),
        ({"streams": []}, 0, 0),
        ({"create": {"name": "a"}, "message": "x"}, 1, 0),
        ({"event": {"duration": 5}, "@timestamp": MOMENT, "message": "x"}, 1, 0),
    ],
)  # fmt: skip
def test_what_is_no_record_of_a_batch_is_refused_by_number(
    body: Any, taken: int, refused: int
) -> None:
    found = read(body)
    assert (len(found.records), found.refused) == (taken, refused)
    assert all("is no JSON object" in one for one in found.reasons)


def test_values_of_every_type_of_otlp_are_plain() -> None:
    given_values = {
        "a": {"arrayValue": {"values": [_text("x"), {"intValue": "3"}]}},
        "k": {"kvlistValue": {"values": [{"key": "b", "value": {"boolValue": True}}]}},
        "d": {"doubleValue": 1.5},
    }
    pairs = [{"key": key, "value": value} for key, value in given_values.items()]
    [found] = unwrapped(
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": pairs}]}]}]}
    )
    assert found == {"a": ["x", "3"], "k": {"b": True}, "d": 1.5, "message": None}


def test_the_charset_of_a_post_is_read() -> None:
    text = "ERROR Größe\n"
    for kind in ("text/plain; charset=iso-8859-1", 'text/plain;charset="ISO-8859-1"; x=y'):
        assert read(text.encode("latin-1"), kind).records[0].message == "ERROR Größe"
    for kind in ("text/plain; charset=utf-8", "text/plain", "text/plain; charset=nonsense"):
        assert read(text.encode(), kind).records[0].message == "ERROR Größe"


def test_text_that_does_not_say_so_is_refused_with_the_remedy() -> None:
    found = read(b"ERROR hello\n", "")
    assert found.records == []
    assert "lines of text have the Content-Type text/plain" in found.reasons[0]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["x", NANOS, ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["streams", "stream", "values", "resourceLogs", "resource", "scopeLogs",
                 "logRecords", "attributes", "key", "value", "event", "create", "body"]
            ),
            inner, max_size=4,
        )
    ),
    max_leaves=20,
)  # fmt: skip


@steady
@given(ANY)
def test_no_batch_breaks_the_reader(content: Any) -> None:
    objects, reasons = objects_of(json.dumps(content).encode())
    assert all(isinstance(one, dict) for one in objects)
    found = read(content)
    assert len(found.records) + found.refused >= len(objects) + len(reasons)
