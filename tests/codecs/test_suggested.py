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
    "a name beside several numbers": (
        {"time": T, "resourceId": "/vm1", "metricName": "Percentage CPU", "average": 2, "count": 4},
        [("/vm1", "Percentage CPU_average", 2.0), ("/vm1", "Percentage CPU_count", 4.0)]),
    "tags tell series apart": (
        {"metric": "req", "type": "Point",
         "data": {"time": T, "value": 1.5, "tags": {"method": "GET"}}},
        [("NAME", 'req{method="GET"}', 1.5)]),
    "a value without a name": (
        {"id": 1, "result": [{"itemid": "23296", "clock": f"{T}", "value": "1.5", "ns": "5"}]},
        [("23296", "value", 1.5)]),
    "arrays in arrays": (
        {"span": "a", "value": [{"name": {"value": "CPU"}, "id": "/vm1", "timeseries": [
            {"data": [{"timeStamp": T, "average": None}, {"timeStamp": T, "average": 1.5}]}]}]},
        [("/vm1", "CPU_average", 1.5)]),
    "numbers as text": (
        {"channel": {"id": 9}, "feeds": [{"created_at": T, "field1": "1.5", "field2": "2"}]},
        [("9", "field1", 1.5), ("9", "field2", 2.0)]),
    "an array beside the numbers": (
        {"received_at": T, "device_id": "d", "up": {"temp": 1.5, "hum": 2, "gateways": [{"r": 3}]}},
        [("d", "up.temp", 1.5), ("d", "up.hum", 2.0)]),
    "a time that names UTC": ({"_time": "2026-01-05 08:00:00.000 UTC", "host": "h", "avg": "1.5"},
                              [("h", "avg", 1.5)]),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_the_proposed_mapping_reads_the_message(name: str) -> None:
    message, expected = MESSAGES[name]
    found = mapped(yaml.safe_load(suggested(message)), message)
    assert found.rejects == []
    assert found.rows.code.size == len(expected)
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


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a", "c")])
def test_two_series_are_never_mixed_by_what_is_proposed(names: tuple[str, ...]) -> None:
    """Records that differ in a name, a tag or an item, as exports of monitoring systems do."""
    kinds: list[Any] = [
        [{"time": T, "metricName": one, "max": 1, "min": 2} for one in names],
        [{"ts": T, "metric": one, "data": {"value": 1}} for one in names],
        [{"ts": T, "host": "h", "load": 1, "tags": {"cpu": one}} for one in names],
        [{"clock": T, "itemid": one, "value": 1} for one in names],
    ]
    for messages in kinds:
        [form] = {suggested(message) for message in messages}
        found = mapped(yaml.safe_load(form), *messages)
        assert found.rejects == []
        assert len({*found.rows.code.tolist()}) % len(names) == 0, form


def test_a_mapping_that_would_be_long_is_not_proposed() -> None:
    def deep(names: str, last: str, value: Any) -> dict[str, Any]:
        found: dict[str, Any] = {last: value}
        for name in names:
            found = {name * 40: found}
        return found

    message = deep("abc", "time", T) | deep("def", "host", "h") | {"v": 1}
    assert 250 < len(suggested(message)) <= 300
    assert suggested(message | deep("ghi", "metricName", "m")) == ""


def test_names_deeper_than_three_objects_are_not_looked_at() -> None:
    def below(depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {"time": T}
        for _ in range(depth):
            found = {"a": found}
        return found | {"v": 1}

    assert [bool(suggested(below(depth))) for depth in (0, 1, 2, 3, 4)] == [True] * 4 + [False]
    tags = {"t": T, "v": 1, "a": {"b": {"c": {"tags": {"x": "y"}}}}}
    assert "by" not in suggested(tags | {"a": {"b": {"c": {"d": {"tags": {"x": "y"}}}}}})
    assert 'by: "a.b.tags.*"' in suggested(tags | {"a": {"b": {"tags": {"x": "y"}}}})


def test_an_element_with_a_time_of_its_own_keeps_its_arrays_as_they_are() -> None:
    message = {"rows": [{"ts": T, "id": "a", "v": 1, "parts": [{"n": "x", "v": 2}]}]}
    assert suggested(message).startswith('{each: "rows[*]"')
    message["rows"][0]["parts"] = [{"n": "x", "v": i} for i in range(50)]
    assert suggested(message).startswith('{each: "rows[*]"')


def test_a_large_message_costs_no_more_than_a_small_one() -> None:
    wide = {f"name{i}": {f"inner{j}": j for j in range(90)} for i in range(90)}
    assert suggested(wide) == ""
    assert suggested({"ts": T, "v": 1, "name": "a"} | wide)


def test_otlp_in_a_record_is_refused_with_who_receives_it() -> None:
    message = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "cpu"}]}]}]}
    hint = hint_of(json.dumps(message).encode())
    assert "this looks like OTLP" in hint
    assert "`otlp`" in hint
