"""Every preset reads the messages that the documentation of its project shows."""

import json
from typing import Any

import pytest

from padit.codecs.mapping import Mapping
from padit.codecs.mapping_model import format_of
from padit.codecs.presets import PRESETS, SIGNS
from padit.codecs.records import Decoded
from tests.codecs.payloads import MESSAGES

T = 1_767_571_200_000_000


def read(preset: Any, message: Any) -> Decoded:
    mapping = Mapping(format_of("test", preset))
    return mapping.decode([json.dumps(message).encode()], 1 << 20)


def plain(decoded: Decoded) -> list[tuple[str, str, str, int, float]]:
    rows = decoded.rows
    return [
        (*rows.series[code], time - T, value)
        for code, time, value in zip(
            rows.code.tolist(), rows.time.tolist(), rows.value.tolist(), strict=True
        )
    ]


DOCKER = [
    ("raynor", "docker_field_1", "", 0, 30.0), ("raynor", "docker_field_2", "", 0, 4.0),
    ("raynor", "docker_field_N", "", 0, 59.0), ("raynor", "docker_n_images", "", 0, 660.0),
]  # fmt: skip
CPU = [
    ("raynor", 'cpu_usage_idle{cpu="cpu0"}', "", 0, 98.8),
    ("raynor", 'cpu_usage_user{cpu="cpu0"}', "", 0, 0.5),
    ("raynor", 'cpu_active{cpu="cpu0"}', "", 0, 1.0),
]
TORQUE = [
    ("m-7", "id", "", 0, 1004.0), ("m-7", "torque_nm", "", 0, 40.5), ("m-7", "rpm", "", 0, 1480.0),
    ("m-7", "ok", "", 0, 1.0),
]  # fmt: skip
CORE = '{system.core.id="0"}'
NET = '{system.network.name="en0"}'


def machine(name: str, *values: float) -> list[tuple[str, str, str, int, float]]:
    names = (("air_temp_k", "K"), ("process_temp_k", "K"), ("rpm", "1/min"), ("torque_nm", "Nm"),
             ("tool_wear_min", "min"))  # fmt: skip
    return [
        (name, metric, unit, 0, value) for (metric, unit), value in zip(names, values, strict=True)
    ]


EXPECTED: dict[str, list[list[tuple[str, str, str, int, float]]]] = {
    "telegraf": [DOCKER, CPU, DOCKER + CPU],
    "opentsdb": [
        [("web01", 'sys.cpu.nice{dc="lga"}', "", 0, 18.0)],
        [("web01", "sys.cpu.nice", "", 0, 18.0), ("b", "sys.cpu.nice", "", 0, 9.5)],
    ],
    "connect": [
        [("s", "m", "", 0, 1.0)],
        [("m-1", "temp", "", 0, 21.5), ("m-1", "rpm", "", 0, 900.0)],
        [("h", "load", "", 0, 0.5)],
    ],
    "debezium": [TORQUE, TORQUE, [("s", "m", "ms", 0, 1.25)]],
    "cloudevents": [
        [("/sensors/tn-1234567/alerts", "temperature", "", 0, 21.5)],
        [("s", "m", "", 0, 1.0)],
        [("/x", "a", "", 0, 1.0)],
    ],
    "metricbeat": [
        [("host.example.com", f"system.core.{name}.pct{CORE}", "", 0, value)
         for name, value in (("idle", 0.8823), ("irq", 0.0), ("user", 0.0588))],
        [("a", f"system.network.in.bytes{NET}", "", 0, 5817.0),
         ("a", f"system.network.in.errors{NET}", "", 0, 0.0)],
    ],
    "factory": [
        machine("m-1", 298.1, 308.6, 1551, 42.8, 0),
        machine("m-2", 298.2, 308.7, 1408, 46.3, 3),
        machine("m-3", 298.1, 308.6, 1551, 42.8, 0),
    ],
}  # fmt: skip
LAID_OUT: dict[str, list[list[tuple[str, str, str, int, float]]]] = {
    "prometheus": [
        [("a:9090", 'up{job="node"}', "", 0, 1.0), ("a:9090", 'up{job="node"}', "", 15000000, 0.0)],
        [("b", "value", "", 0, 0.5)],
        [("prometheus", "value", "", 0, 3.0)],
    ],
    "graphite": [
        [("web01", "web.cpu", "", 0, 1.5), ("web01", "web.cpu", "", 120000000, 2.5)],
        [("graphite", "disk", "", 0, 7.0)],
    ],
    "senml": [
        [
            ("urn:dev:ow:10e2073a01080063", "current", "A", 0, 1.5),
            ("urn:dev:ow:10e2073a01080063", "current", "A", -5000000, 1.25),
            ("urn:dev:ow:10e2073a01080063", "voltage", "V", 0, 120.1),
        ],
        [
            ("urn:dev:mac:0024befffe804ff1", "open", "", 0, 1.0),
            ("urn:dev:mac:0024befffe804ff1", "flow", "", 0, 2.0),
            ("urn:dev:mac:0024befffe804ff1", "flow_sum", "", 0, 40.0),
        ],
        [("pump", "level", "", 0, 21.5)],
    ],
    "ngsi": [
        [("Room1", "temperature", "C", 0, 21.5)],
        [("Room2", "open", "", 1000000, 0.0)],
        [("Room3", "level", "", 3000000, 2.5)],
        [("urn:ngsi-ld:Tank:7", "level", "MTR", 2000000, 3.5)],
    ],
    "iperf": [
        [("10.0.0.1", "rtt", "", 1000000, 50.0), ("10.0.0.1", "bits_per_second", "", 1000000, 1e9)],
        [
            ("iperf", "bytes", "", 1000000, 3.0),
            ("iperf", 'bytes{stream="0"}', "", 1000000, 1.0),
            ("iperf", 'bytes{stream="1"}', "", 1000000, 2.0),
        ],
    ],
    "rrdtool": [
        [
            ("rrdtool", "in", "", 0, 1.5),
            ("rrdtool", "out", "", 0, 2.5),
            ("rrdtool", "out", "", 60000000, 3.5),
        ],
        [("rrdtool", "in", "", 0, 1.0), ("rrdtool", "in", "", 60000000, 2.0)],
    ],
    "opentsdb_query": [
        [
            ("web01", 'sys.cpu.nice{cpu="0"}', "", 0, 18.0),
            ("web01", 'sys.cpu.nice{cpu="0"}', "", 60000000, 9.5),
        ],
        [("opentsdb_query", "m", "", 0, 1.0), ("opentsdb_query", "m", "", 1000000, 2.0)],
    ],
    "influxdb": [
        [
            ("a", 'cpu_usage_idle{cpu="cpu0"}', "", 0, 98.8),
            ("a", 'cpu_usage_user{cpu="cpu0"}', "", 0, 0.5),
            ("a", 'cpu_usage_idle{cpu="cpu0"}', "", 0, 97.0),
        ],
        [("b", "mem_used", "", 0, 5.0)],
    ],
    "grafana": [
        [
            ("a", 'load{cpu="0"}', "percent", 0, 1.5),
            ("a", 'load{cpu="0"}', "percent", 60000000, 2.5),
        ],
        [("x", "temp", "", 0, 20.5), ("y", "temp", "", 0, 21.5)],
    ],
    "elasticsearch": [
        [("elasticsearch", "doc_count", "", 0, 12.0), ("elasticsearch", "load", "", 0, 0.75)],
        [("web01", "system.load", "", 0, 1.5)],
        [
            ("web01", "doc_count", "", 0, 3.0),
            ("web01", "p.50.0", "", 0, 1.0),
            ("web01", "p.95.0", "", 0, 4.0),
        ],
    ],
    "datadog": [
        [("web01", "system.load.1", "", 0, 0.5), ("web01", "system.load.1", "", 60000000, 0.75)]
    ],
    "cloudwatch": [
        [
            ("cloudwatch", "CPUUtilization", "", 60000000, 12.5),
            ("cloudwatch", "CPUUtilization", "", 0, 11.0),
        ]
    ],
    "pandas": [
        [
            ("pandas", "bar", "", 0, 1.5),
            ("pandas", "rpm", "", 0, 900.0),
            ("pandas", "bar", "", 1000000, 2.5),
        ],
        [("press-1", "bar", "", 0, 1.5)],
        [("h", "bar", "", 0, 1.5)],
    ],
    "columns": [
        [
            ("columns", "temperature_2m", "°C", 0, -2.5),
            ("columns", "temperature_2m", "°C", 3600000000, -3.0),
        ],
        [("a", "bar", "", 0, 1.5), ("b", "bar", "", 1000000, 2.5)],
    ],
}
EXPECTED |= LAID_OUT
"""By preset the samples of each of its messages; times are relative."""


def test_every_preset_has_messages_and_expected_samples() -> None:
    assert PRESETS.keys() == MESSAGES.keys() == EXPECTED.keys()
    assert {preset for preset, _, _ in SIGNS} <= PRESETS.keys()


@pytest.mark.parametrize(
    ("preset", "number"), [(name, i) for name in PRESETS for i in range(len(EXPECTED[name]))]
)
def test_a_message_gives_the_samples_that_its_project_means(preset: str, number: int) -> None:
    decoded = read(preset, MESSAGES[preset][number])
    assert decoded.rejects == []
    assert plain(decoded) == EXPECTED[preset][number]


def test_a_number_beside_the_data_of_a_cloudevent_is_named() -> None:
    decoded = read("cloudevents", MESSAGES["cloudevents"][0])
    assert [one.what for one in decoded.unwatched if one.numeric] == [
        "field 'comexampleothervalue'"
    ]


def test_deletes_and_tombstones_of_debezium_are_counted_and_not_lost() -> None:
    mapping = Mapping(format_of("test", "debezium"))
    event = MESSAGES["debezium"][0] | {"op": "d", "after": None, "before": {"id": 1}}
    decoded = mapping.decode([json.dumps(event).encode(), None], 1 << 20)
    assert decoded.rejects == []
    assert {one.what: one.amount for one in decoded.unwatched} == {
        "filtered by op": 1, "tombstone": 1,
    }  # fmt: skip


def test_a_table_without_a_column_that_names_its_source_asks_for_one() -> None:
    event = MESSAGES["debezium"][0] | {"after": {"id": 7, "press": "p1", "bar": 2.5}}
    [reject] = read("debezium", event).rejects
    assert "name its place in format: source" in reject.reason
    form = {"preset": "debezium", "source": "after.press", "values": {"bar": "after.bar"}}
    assert plain(read(form, event)) == [("p1", "bar", "", 0, 2.5)]


def test_the_keys_of_a_configuration_replace_those_of_its_preset() -> None:
    form = {"preset": "telegraf", "source": "{tags.host}/{name}", "metric": "{field}"}
    assert plain(read(form, MESSAGES["telegraf"][0]))[0][:2] == ("raynor/docker", "field_1")


def test_a_number_beside_the_metrics_of_a_batch_is_named() -> None:
    decoded = read("telegraf", MESSAGES["telegraf"][2] | {"interval": 10})
    assert [one.what for one in decoded.unwatched if one.numeric] == ["field 'interval'"]
    assert len(decoded.rows) == 7


def test_a_text_or_a_state_of_senml_is_no_base_value() -> None:
    pack = [
        {"bn": "a/", "bt": 1_767_571_200, "bv": 5, "n": "x", "v": 1}, {"n": "text", "vs": "on"},
        {"n": "state", "vb": True}, {"n": "y"},
    ]  # fmt: skip
    found = [(metric, value) for _, metric, _, _, value in plain(read("senml", pack))]
    assert found == [("x", 6.0), ("state", 1.0), ("y", 5.0)]


def test_a_report_of_iperf_with_streams_of_another_kind_is_no_crash() -> None:
    report = {
        "start": {"timestamp": {"timesecs": 1_767_571_200}},
        "intervals": [{"streams": [5], "sum": {"end": 1, "bits": 2}}],
    }
    assert [row[1:] for row in plain(read("iperf", report))] == [("bits", "", 1_000_000, 2.0)]
