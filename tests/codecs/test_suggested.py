"""The mapping that is proposed for a message which nothing recognises: it reads that message."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from padit.analysis.losses import remedies
from padit.codecs.forgiving import hint_of
from padit.codecs.suggested import suggested
from tests.codecs.samples import T, steady
from tests.codecs.test_mapping import mapped

MESSAGES: dict[str, tuple[dict[str, Any], list[tuple[str, str, float]]]] = {
    "flat": ({"time": "2026-01-05T08:00:00Z", "device_id": "d", "temp": 1.5, "hum": 2},
             [("d", "temp", 1.5), ("d", "hum", 2.0)]),
    "below": ({"at": T, "sensor": "s", "reading": {"temp": 1.5, "deep": {"x": 3}}},
              [("s", "reading.temp", 1.5), ("s", "reading.deep.x", 3.0)]),
    "points": ({"ts": T * 1000, "device": {"id": "d", "at": "x"},
                "points": [{"n": "a", "v": "1.5", "unit": "bar"}, {"n": "b", "v": 2}]},
               [("d", "a", 1.5), ("d", "b", 2.0)]),
    "rows": ({"meta": {"n": 1}, "rows": [{"@timestamp": T, "host": "h", "load": 1.5}]},
             [("h", "load", 1.5)]),
    "words": ({"data": {"on": [{"t": T, "id": 7, "value": 1.5, "key": "a"}]}}, [("7", "a", 1.5)]),
    "nobody": ({"t": T, "temp": 1.5}, [("NAME", "temp", 1.5)]),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_the_proposed_mapping_reads_the_message(name: str) -> None:
    message, expected = MESSAGES[name]
    found = mapped(yaml.safe_load(suggested(message)), message)
    assert found.rejects == []
    series = [found.rows.series[code] for code in found.rows.code.tolist()]
    values = found.rows.value.tolist()
    assert [(*one[:2], value) for one, value in zip(series, values, strict=True)] == expected
    assert set(found.rows.time.tolist()) <= {T * 1_000_000, 1_767_600_000_000_000}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_dead_letter_names_the_mapping_and_the_remedy_has_it(name: str) -> None:
    message = MESSAGES[name][0]
    hint = hint_of(json.dumps(message).encode())
    proposed = suggested(message)
    assert f"set `format: {proposed}` under `input`" in hint
    found = remedies._FORMAT.search(hint)
    assert found is not None
    assert yaml.safe_load(f"input: {{format: {found[1]}}}")["input"]["format"]["time"]


@pytest.mark.parametrize(
    "message",
    [{"a": 1}, {"time": T}, {"time": "noon", "v": 1}, {"ts": [T], "v": [1]}, {"x y": {"ts": T}}],
)
def test_where_names_lead_to_nothing_nothing_is_proposed(message: dict[str, Any]) -> None:
    assert suggested(message) == ""


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["time", "ts", "id", "value", "v", "on", "@t", "a.b", ""])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@steady
@given(ANY)
def test_whatever_the_message_is_a_proposal_is_short_and_a_valid_mapping(message: Any) -> None:
    text = suggested(message)
    assert len(text) <= 300
    if text:
        mapped(yaml.safe_load(text), message)


def test_a_large_message_costs_no_more_than_a_small_one() -> None:
    wide = {f"name{i}": {f"inner{j}": j for j in range(90)} for i in range(90)}
    assert suggested(wide) == ""
    assert suggested({"ts": T, "v": 1, "name": "a"} | wide)
