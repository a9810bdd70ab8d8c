"""MQTT payloads read by a preset or a mapping, and passwords that stand elsewhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.adapters.encode import usable
from padit.adapters.errors import AdapterError
from padit.adapters.mqtt_mapping import MappedReader
from padit.adapters.mqtt_reading import Reading
from padit.adapters.mqtt_subscription import Subscription
from padit.adapters.registry import create_adapter
from padit.domain.errors import ConfigurationError
from tests.adapters.live import Live, until
from tests.adapters.test_mqtt import Mosquitto, broker, config, send

__all__ = ["broker"]

T = 1_767_571_200.25
TELEGRAF = {"fields": {"used": 30, "free": 4}, "name": "disk", "tags": {"host": "raynor"},
            "timestamp": 1_767_571_200}  # fmt: skip
ROOMS = {"each": "rooms[*]", "source": "{$.site}/{room}", "metric": "name", "value": "v",
         "unit": "u", "time": "$.at"}  # fmt: skip


def read(sent: Any, form: Any, topic: str = "plant/press-2/state", **options: Any) -> Reading:
    subscription = Subscription.model_validate({"topic": "#", "format": form, **options})
    data = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return MappedReader(subscription).read(topic, data, T)


def counted(reading: Reading) -> int:
    return sum(count for _, count in [*reading.faults.values(), *reading.left.values()])


def test_messages_of_a_broker_are_read_by_preset_and_by_mapping(broker: Mosquitto) -> None:
    mapped = {"topic": "site/#", "format": ROOMS}
    subscriptions = [{"topic": "telegraf/#", "format": "telegraf"}, mapped]
    rooms = {"site": "hall-2", "at": "2026-01-05T00:00:01Z", "rooms": [
        {"room": "a", "name": "temp", "v": "21.5", "u": "°C"},
        {"room": "b", "name": "temp", "v": "warm", "u": "°C"},
    ], "serial": 17}  # fmt: skip
    with Live(config(broker, subscriptions=subscriptions)) as live:
        send(broker, "telegraf/raynor/disk", json.dumps(TELEGRAF))
        send(broker, "telegraf/raynor/disk", "no JSON")
        send(broker, "site/2", json.dumps(rooms))
        until(lambda: live.emitter.faults.get("malformed") == 2, "both bad parts")
    found = {(m.source_id, m.metric_name): (m.value, m.unit) for m in live.emitter.metrics}
    assert found == {
        ("raynor", "disk_used"): (30.0, ""),
        ("raynor", "disk_free"): (4.0, ""),
        ("hall-2/a", "temp"): (21.5, "°C"),
    }
    assert {m.timestamp for m in live.emitter.metrics} == {1_767_571_200.0, 1_767_571_201.0}
    assert {m.protocol for m in live.emitter.metrics} == {"mqtt"}
    assert live.emitter.left == {"not_chosen": 1}  # serial
    assert "site/2: field 'serial'" in live.emitter.messages["not_chosen"]


@pytest.mark.parametrize(
    ("retained", "values", "left"),
    [("skip", [], {"retained": 1}), ("mark", [30.0, 4.0], {}), ("read", [30.0, 4.0], {})],
)
def test_retained_message_is_treated_as_the_option_says(
    broker: Mosquitto, retained: str, values: list[float], left: dict[str, int]
) -> None:
    send(broker, "t/a", json.dumps(TELEGRAF), retain=True)
    subscription = {"topic": "t/#", "format": "telegraf", "retained": retained}
    with Live(config(broker, subscriptions=[subscription])) as live:
        send(broker, "t/a", "no JSON")
        until(lambda: live.emitter.faults, "the message behind it")
    assert [m.value for m in live.emitter.metrics] == values
    assert live.emitter.left == left
    marked = any(m.metadata == {"retained": True} for m in live.emitter.metrics)
    assert marked == (retained == "mark")


@pytest.mark.parametrize(
    ("form", "options", "source"),
    [
        ({"values": "."}, {}, "plant/press-2"),
        ({"values": "."}, {"source_id": "{1}"}, "press-2"),
        ({"values": ".", "source_id": "x"}, {}, "x"),
        ({"values": ".", "source": "id"}, {"source_id": "by-{1}"}, "by-press-2"),
        ({"values": ".", "source": "id", "source_id": "x"}, {}, "x"),
    ],
)
def test_topic_is_the_source_where_the_mapping_leads_to_none(
    form: dict[str, Any], options: dict[str, Any], source: str
) -> None:
    reading = read({"bar": 2.5}, form, **options)
    found = [(m.source_id, m.metric_name, m.value, m.timestamp) for m in reading.samples]
    assert found == [(source, "bar", 2.5, T)]
    if "source" in form:
        (metric,) = read({"bar": 2.5, "id": "own"}, form, **options).samples
        assert metric.source_id == "own"


def test_message_without_a_source_is_refused_and_not_given_to_its_topic() -> None:
    reading = read({"bar": 2.5}, {"values": ".", "source": "id"})
    assert reading.samples == []
    assert "no source at id" in reading.faults["malformed"][0]
    short = read({"bar": 2.5}, {"values": "."}, topic="a", source_id="{3}")
    assert short.faults == {"malformed": ("a: the topic a has no level {3}", 1)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "telegraph"}, "known are: .*telegraf"),
        ({"format": {"vallues": "."}}, "vallues"),
        ({"format": {"source": "a"}}, "give value, values or both"),
        ({"format": {"values": "a[", "source": "a"}}, r"a\["),
        ({"format": "telegraf", "payload": "json"}, "takes the part of `payload`"),
        ({"format": "telegraf", "payload": "sparkplug"}, "takes the part of `payload`"),
        ({"format": "telegraf", "metric_name": "{-1}"}, "takes the part of `metric_name`"),
        ({"format": "telegraf", "unit": "bar"}, "takes the part of `unit`"),
        ({"format": "telegraf", "states": {"on": 1}}, "takes the part of `states`"),
        ({"format": "telegraf", "array_limit": 32}, "takes the part of `array_limit`"),
        ({"format": "telegraf", "source_id": "{$.host}"}, r"format: \{source: \.\.\.\}"),
        ({"format": {"values": ".", "source_id": "x"}, "source_id": "{0}"}, "not both"),
    ],
)
def test_options_that_a_mapping_replaces_are_refused_beside_it(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_adapter({"type": "mqtt", "subscriptions": [{"topic": "plant/#", **options}]})


_LEAVES = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), st.booleans(),
    st.none(), st.text(max_size=6), st.sampled_from(["21.5", "1e400", "on"]),
)  # fmt: skip
_NAMES = st.text("abc.[é", min_size=1, max_size=5)
_NUMBERS = st.lists(st.integers(-9, 9), min_size=1, max_size=4)
_FIELDS = st.dictionaries(_NAMES, st.one_of(_LEAVES, _NUMBERS), min_size=1, max_size=6)


@given(st.lists(_FIELDS, min_size=1, max_size=4), st.booleans())
def test_every_field_is_a_sample_or_is_counted(elements: list[Any], text_numbers: bool) -> None:
    form = {"each": "points[*]", "values": ".", "text_numbers": text_numbers}
    reading = read({"points": elements}, form)
    fields = sum(
        len(one) if isinstance(one, list) else 1 for each in elements for one in each.values()
    )
    silent = sum(
        not any(isinstance(one, int | float) for one in each.values()) for each in elements
    )
    total = len(reading.samples) + counted(reading)
    assert fields <= total <= fields + silent  # an element without a sample is said as well
    assert all(usable(metric) for metric in reading.samples)


@given(st.binary(max_size=80))
def test_no_bytes_raise_or_vanish(payload: bytes) -> None:
    for form in ("telegraf", ROOMS, {"values": "."}):
        reading = read(payload, form)
        assert len(reading.samples) + counted(reading) >= 1
        assert all(usable(metric) for metric in reading.samples)


@pytest.mark.parametrize("broker", [True], indirect=True)
@pytest.mark.parametrize("way", ["password_file", "password_env"])
def test_password_comes_from_a_file_or_the_environment_and_is_read_again(
    broker: Mosquitto, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = {"password_file": str(tmp_path / "word"), "password_env": "PLANT_WORD"}[way]

    def keep(word: str) -> None:
        (tmp_path / "word").write_text(f"{word}\n")
        monkeypatch.setenv("PLANT_WORD", word)

    settings = config(broker, username="u", **{way: place})
    with pytest.raises(AdapterError, match=place) as caught, Live(settings):
        pass
    assert caught.value.cause == "secret"
    keep("")
    with pytest.raises(AdapterError, match=f"{place} is empty"), Live(settings):
        pass
    keep("wrong")
    with pytest.raises(AdapterError, match="refuses") as caught, Live(settings):
        pass
    assert "wrong" not in str(caught.value)
    keep("p")
    with Live(settings) as live:
        send(broker, "plant/a/b", "1", auth={"username": "u", "password": "p"})
        until(lambda: live.emitter.metrics, "a sample")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"username": "u", "password": "p", "password_file": "f"}, "exclude each other"),
        ({"username": "u", "password_env": "E", "password_file": "f"}, "exclude each other"),
        ({"password_file": "f"}, "needs `username`"),
    ],
)
def test_password_stands_in_one_place_and_has_a_user(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_adapter({"type": "mqtt", "subscriptions": [{"topic": "#"}], **options})
