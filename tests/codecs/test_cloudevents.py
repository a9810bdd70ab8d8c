"""CloudEvents in binary mode: headers and data as one event, whatever they hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.codecs.cloudevents import structured
from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of

HEADERS = [
    ("ce_specversion", b"1.0"),
    ("ce_id", b"7"),
    ("ce_type", b"com.example.reading"),
    ("ce_source", b"/press/1"),
    ("ce_time", b"2026-01-05T00:00:00Z"),
    ("content-type", b"application/json"),
]


def test_an_event_in_binary_mode_gives_the_samples_of_the_structured_one() -> None:
    data = {"temperature": 21.5, "pressure": 3}
    attributes = {name[3:]: text.decode() for name, text in HEADERS[:5]}
    event = json.dumps({**attributes, "data": data}).encode()
    binary = structured(HEADERS, json.dumps(data).encode())
    found = [
        Mapping(format_of("t", "cloudevents")).decode([one], 1 << 20) for one in (event, binary)
    ]
    assert found[0].rejects == found[1].rejects == []
    assert found[0].unwatched == found[1].unwatched == ()
    rows = [(one.rows.series, one.rows.time.tolist(), one.rows.value.tolist()) for one in found]
    assert rows[0] == rows[1]
    assert rows[0][2] == [21.5, 3.0]


@pytest.mark.parametrize("prefix", ["ce-", "CE_", "Ce-"])
def test_names_of_headers_are_read_in_any_spelling(prefix: str) -> None:
    headers = [(name.replace("ce_", prefix), text) for name, text in HEADERS]
    assert structured(headers, b"1") == structured(HEADERS, b"1")


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        (None, b"{}"),
        ([], b"{}"),
        (HEADERS[1:], b'{"a": 1}'),
        (HEADERS, None),
        (HEADERS, b""),
        (HEADERS, b"21.5 C"),
        (HEADERS, b'1,"source":"x"'),
        ([("other", None)], b"1"),
    ],
)
def test_other_records_are_left_as_they_are(headers: object, value: bytes | None) -> None:
    assert structured(headers, value) == value  # type: ignore[arg-type]


@given(
    headers=st.lists(st.tuples(st.text(), st.none() | st.binary())),
    value=st.none() | st.binary(),
)
def test_no_headers_and_no_bytes_can_raise(
    headers: list[tuple[str, bytes | None]], value: bytes | None
) -> None:
    structured([*HEADERS, *headers], value)
