"""What an MQTT message means: numbers in every form, paths, arrays, and the books."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.encode import usable
from padit.adapters.mqtt_messages import MessageReader
from padit.adapters.mqtt_reading import Reading
from padit.adapters.mqtt_subscription import Subscription, delivered_filter
from padit.adapters.registry import create_adapter
from padit.codecs.payloads import leaf_count
from padit.domain.errors import ConfigurationError

T = 1_767_323_045.5


def read(sent: Any, topic: str = "plant/press-2/state", **options: Any) -> Reading:
    subscription = Subscription.model_validate({"topic": "#", **options})
    data = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return MessageReader(subscription).read(topic, data, T)


def values(reading: Reading) -> dict[str, float]:
    return {metric.metric_name: metric.value for metric in reading.samples}


def counted(reading: Reading) -> int:
    both = [*reading.faults.values(), *reading.left.values()]
    return sum(count for _, count in both)


def test_numbers_as_text_and_short_arrays_are_samples() -> None:
    reading = read({"flow": "-3.25", "axes": [0.1, "0.2", 9.81], "ok": "offline", "id": "0042"})
    assert values(reading) == {
        "state_flow": -3.25, "state_axes.0": 0.1, "state_axes.1": 0.2, "state_axes.2": 9.81,
        "state_ok": 0.0,
    }  # fmt: skip
    assert list(reading.left) == ["text"]
    assert reading.faults == {}


@pytest.mark.parametrize(
    ("payload", "options", "value", "unit"),
    [
        (b"7,5", {"decimal_comma": True}, 7.5, ""),
        (b"18.2 km/h", {"strip_units": True}, 18.2, "km/h"),
        (b"45%", {"strip_units": True}, 45.0, "%"),
        ("3,5 m³".encode(), {"strip_units": True, "decimal_comma": True}, 3.5, "m³"),
        (b"Idle", {"states": {"idle": 0, "busy": 1}}, 0.0, ""),
    ],
)
def test_text_is_read_as_an_option_says_and_refused_without_it(
    payload: bytes, options: dict[str, Any], value: float, unit: str
) -> None:
    for sent in (payload, json.dumps({"x": payload.decode()}).encode()):
        (metric,) = read(sent, **options).samples
        assert (metric.value, metric.unit) == (value, unit)
        without = read(sent)
        assert without.samples == []
        assert counted(without) == 1


@pytest.mark.parametrize(
    "payload", [b'"21.5"', b"\xef\xbb\xbf21.5", b'\xef\xbb\xbf"21.5"', b" 21.5\r\n", b"+2.15e1"]
)
def test_one_number_is_read_in_quotes_and_behind_a_byte_order_mark(payload: bytes) -> None:
    assert values(read(payload)) == {"state": 21.5}


@pytest.mark.parametrize("text", ["0x1F", "1.234,5", "10:30", "5 minutes ago", "1_000", "12AB34"])
def test_text_that_is_no_number_stays_none_whatever_the_options(text: str) -> None:
    reading = read(text.encode(), decimal_comma=True, strip_units=True)
    assert reading.samples == []
    assert list(reading.faults) == ["malformed"]


def test_items_of_an_array_have_source_name_value_unit_and_time_by_path() -> None:
    payload = {
        "gateway": {"id": "gw-7"},
        "readings": [
            {"tag": "temp", "v": "21.5", "u": "Cel", "at": 1_767_323_045_000, "q": "good"},
            {"tag": "rpm", "v": 1480, "u": "1/min", "at": "1767323046"},
            {"tag": "idle", "u": "1"},
        ],
    }
    reading = read(
        payload, items="readings", value_field="v", unit_field="u", timestamp_field="at",
        source_id="{1}/{$.gateway.id}", metric_name="{$.tag}",
    )  # fmt: skip
    found = [(m.source_id, m.metric_name, m.value, m.unit, m.timestamp) for m in reading.samples]
    assert found == [
        ("press-2/gw-7", "temp", 21.5, "Cel", 1_767_323_045.0),
        ("press-2/gw-7", "rpm", 1480.0, "1/min", 1_767_323_046.0),
    ]
    assert reading.faults["no_value"][1] == 2
    assert reading.left["not_chosen"][1] == 1  # q; the id of the gateway is the source


@pytest.mark.parametrize("path", ["a.0.b.c", "$.a[0].b.c", 'a[0]["b.c"]', "a[0]['b.c']"])
def test_paths_may_be_written_in_the_usual_ways(path: str) -> None:
    payload = {"a": [{"b.c": 7}], "n": "level"}
    found = values(read(payload, value_field=path, metric_name="{$.n}_{$.a[0]['b.c']}"))
    assert found == {"level_7": 7.0}
    both = read({"data": {"points": [{"v": 1}]}}, items="$.data.points[*]", value_field="v")
    assert len(both.samples) == 1


def test_senml_and_other_arrays_at_the_top_are_read_item_by_item() -> None:
    payload = [
        {"bn": "urn:dev:1", "n": "temp", "u": "Cel", "v": 23.1},
        {"n": "hum", "u": "%RH", "v": 61},
    ]
    paths = {"items": "$", "value_field": "v", "unit_field": "u", "metric_name": "{$.n}"}
    reading = read(payload, **paths)
    assert values(reading) == {"temp": 23.1, "hum": 61.0}
    assert values(read([3, 4], items="$")) == {"state_0": 3.0, "state_1": 4.0}
    plain = read(payload)
    assert plain.samples == []
    assert plain.left["objects"][1] == 7
    assert "`items: $`" in plain.left["objects"][0]


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05.5Z"),
        (1_767_323_045_500, T),
        ("1767323045.5", T),
        (1_767_323_045_500_000, T),
        (1_767_323_045_500_000_000, T),
    ],
)
def test_time_is_read_in_any_unit(stamp: Any, time: float | str) -> None:
    (metric,) = read({"v": 1, "meta": {"t": stamp}}, timestamp_field="meta.t").samples
    assert metric.timestamp == time


@pytest.mark.parametrize("stamp", [None, True, "yesterday", 5, 1e300])
def test_time_that_is_none_costs_the_values_and_is_a_fault(stamp: Any) -> None:
    reading = read({"a": 1, "b": 2, "t": stamp}, timestamp_field="t")
    assert reading.samples == []
    assert sum(count for _, count in reading.faults.values()) == 2


def test_key_that_stands_twice_is_counted() -> None:
    reading = read(b'{"a": 1, "a": 2}')
    assert values(reading) == {"state_a": 2.0}
    assert reading.faults["duplicate_key"][1] == 1


def test_long_arrays_and_deep_values_are_named_with_their_option() -> None:
    deep: Any = 1
    for _ in range(12):
        deep = {"x": deep}
    reading = read({"wave": list(range(100)), "deep": deep, "none": [], "n": None})
    assert {what: count for what, (_, count) in reading.left.items()} == {
        "array": 100, "deep": 1, "empty": 1, "null": 1,
    }  # fmt: skip
    assert "array_limit" in reading.left["array"][0]
    assert len(read({"wave": list(range(100))}, array_limit=100).samples) == 100


SHORT = st.text(st.sampled_from("abt.0 5,°"), max_size=5)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | SHORT
    | st.sampled_from(["21.5", "22,5", "22.5 °C", "running", "ON", "NaN", "007", "1e999"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(SHORT, inner, max_size=4),
    max_leaves=20,
)
PATHS = st.sampled_from(["", "a", "b", "t", "a.b", "a.0"])


@given(VALUES, PATHS, st.sampled_from(["", "$", "a", "b"]), PATHS)
def test_books_of_json_values_balance(content: Any, value: str, items: str, time: str) -> None:
    data = json.dumps({"x": content} if not isinstance(content, dict | list) else content).encode()
    content = json.loads(data)
    reading = read(
        data, topic="a/b", payload="json", value_field=value, items=items, timestamp_field=time,
        array_limit=2,
    )  # fmt: skip
    present = leaf_count(content)
    total = len(reading.samples) + counted(reading)
    whole = reading.faults.get("malformed", ("", 0))[0].find("`items") >= 0
    if whole:
        assert total == 1
    elif time:
        assert total <= present  # a value that gives the time is none of them
    else:
        assert total == present
    assert all(math.isfinite(metric.value) and usable(metric) for metric in reading.samples)


@given(st.lists(st.dictionaries(st.sampled_from("nvtu"), SCALARS, min_size=1), min_size=1))
def test_books_of_items_balance(items: list[dict[str, Any]]) -> None:
    reading = read(items, items="$", value_field="v", timestamp_field="t", metric_name="{$.n}")
    labels = sum(("t" in item) + ("n" in item) for item in items if "v" in item)
    assert len(reading.samples) + counted(reading) == leaf_count(items) - labels


@given(
    st.binary(max_size=60) | SHORT.map(str.encode), st.sampled_from(["number", "metric", "json"])
)
def test_payload_that_cannot_be_read_counts_as_one(payload: bytes, kind: str) -> None:
    reading = read(payload, payload=kind)
    assert len(reading.samples) + counted(reading) >= 1


@pytest.mark.parametrize(
    ("sent", "preset"),
    [
        (
            {"fields": {"usage": 1}, "name": "cpu", "tags": {"cpu": "cpu0"}, "timestamp": 1},
            "telegraf",
        ),
        ({"metrics": [{"fields": {"a": 1}, "name": "m"}]}, "telegraf"),
        ({"metric": "m", "value": 1, "tags": {}, "timestamp": 1}, "opentsdb"),
        ({"machine_id": "a", "timestamp": 1, "rpm": 2}, None),
        ({"temperature": 21.5, "tags": {"a": "b"}}, None),
    ],
)
def test_a_record_whose_series_would_be_mixed_is_said_with_its_preset(
    sent: Any, preset: str | None
) -> None:
    reading = read(sent)
    text, count = reading.left.get("form", ("", 0))
    assert count == 0
    assert (f"`format: {preset}`" in text) == (preset is not None)
    assert "form" not in read(sent, value_field="value").left


def test_only_the_first_messages_are_looked_at_for_their_form() -> None:
    subscription = Subscription.model_validate({"topic": "#"})
    reader = MessageReader(subscription)
    body = json.dumps({"fields": {"a": 1}, "name": "cpu", "tags": {}}).encode()
    said = ["form" in reader.read("a/b", body, T).left for _ in range(150)]
    assert sum(said) == 100


@pytest.mark.parametrize("kind", ["auto", "number", "json", "metric"])
def test_an_empty_message_removes_a_retained_one_and_is_no_fault(kind: str) -> None:
    reading = read(b"", payload=kind)
    assert reading.faults == {}
    assert list(reading.left) == ["empty"]


def test_filters_are_matched_without_the_way_of_sharing() -> None:
    assert delivered_filter("$share/g/a/+/#") == "a/+/#"
    assert delivered_filter("$queue/a/b") == "a/b"
    assert delivered_filter("$SYS/broker/load/#") == "$SYS/broker/load/#"


@pytest.mark.parametrize(
    ("subscriptions", "message"),
    [
        ([{"topic": "a/#/b"}], "no topic filter"),
        ([{"topic": "a+/b"}], "no topic filter"),
        ([{"topic": "$share/plant"}], "no topic filter"),
        ([{"topic": "$share//plant"}], "no topic filter"),
        ([{"topic": ""}], "no topic filter"),
        ([{"topic": "$share/g/a"}, {"topic": "a"}], "stands there twice"),
        ([{"topic": "$share/g/spBv1.0/#", "payload": "sparkplug"}], "Sparkplug needs all"),
        ([{"topic": "a", "metric_name": "{$x}"}], "is none of"),
    ],
)
def test_subscriptions_that_would_get_nothing_are_refused(
    subscriptions: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_adapter({"type": "mqtt", "subscriptions": subscriptions})


@pytest.mark.parametrize("digits", [400, 4_300, 4_301, 100_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_number_with_too_many_digits_costs_only_itself(digits: int, sign: str) -> None:
    reading = read(f'{{"a": 1, "b": {sign}{digits * "9"}, "c": 9007199254740993}}'.encode())
    assert values(reading) == {"state_a": 1.0, "state_c": 9007199254740992.0}
    message = f"plant/press-2/state: b is {sign}inf"
    assert reading.faults == {"not_finite": (message, 1)}


def test_long_integer_in_a_name_keeps_its_digits() -> None:
    reading = read({"id": 9007199254740993, "v": 1}, value_field="v", source_id="{$.id}")
    assert [metric.source_id for metric in reading.samples] == ["9007199254740993"]
