"""Presets of `format`: mappings of the common forms of JSON, in the form of `mapping_model`.

Each was made after the documentation of its project; `docs/payloads.md` shows a message of each.
"""

from collections.abc import Mapping
from typing import Any

__all__ = [
    "BATCH", "ELEMENT_SOURCES", "LAID_OUT", "PRESETS", "SIGNS", "SOURCES", "TIME_COLUMNS",
]  # fmt: skip

SOURCES = (
    "source_id", "machine_id", "device_id", "sensor_id", "equipment_id", "asset_id", "host",
    "hostname", "machine", "device", "sensor", "source",
)  # fmt: skip
"""Names that a source has in other systems, the most particular first."""
_TIMES = ("timestamp", "event_time", "time", "ts", "recorded_at", "created_at", "@timestamp")
ELEMENT_SOURCES = (
    "service.instance.id", "host.name", "service.name", "instance",
    *(one for one in SOURCES if one != "source"), "job", "source",
)  # fmt: skip
"""Labels and columns that can be the source of a layout's elements; the first is taken."""
TIME_COLUMNS = (*_TIMES, "datetime", "date", "timestamps", "dates", "_time")
_METRICS = ("metric_name", "metric", "sensor_name", "signal", "tag_name")
_VALUES = ("value", "reading", "measurement_value")


def _below(prefix: str, names: tuple[str, ...]) -> list[str]:
    return [f"{prefix}.{name}" for name in names]


def _spelled(*names: str) -> list[str]:
    """Spellings of a column: as given, and in camel case."""
    camel = [first + "".join(w.title() for w in rest)
             for first, *rest in (name.split("_") for name in names)]  # fmt: skip
    return list(dict.fromkeys((*names, *camel)))


def _laid_out(name: str) -> dict[str, Any]:
    """The mapping of the elements that a layout gives; see `codecs.layouts`."""
    return {
        "layout": name, "source": "source", "source_id": name, "metric": "{field}",
        "by": "labels.*", "labels_below": "labels", "values": "values", "text_numbers": True,
        "time": "time", "unit": "unit",
    }  # fmt: skip


LAID_OUT: Mapping[str, str] = {
    "prometheus": "a query answer of Prometheus",
    "graphite": "a query answer of Graphite",
    "opentsdb_query": "a query answer of OpenTSDB",
    "influxdb": "a query answer of InfluxDB 1.x",
    "grafana": "a data frame of Grafana",
    "elasticsearch": "a search answer of Elasticsearch",
    "datadog": "a query answer of Datadog",
    "cloudwatch": "a query answer of CloudWatch",
    "senml": "a pack of SenML (RFC 8428)",
    "ngsi": "an entity or notification of NGSI",
    "iperf": "a report of iperf3 --json",
    "rrdtool": "an export of rrdtool xport --json",
    "pandas": "a table as pandas writes it",
    "columns": "a table by columns",
}
"""Presets of messages that `codecs.layouts` lays out, and what these are for people."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "telegraf": {
        "each": ["metrics[*]", "."],
        "source": ["tags.host", "name"],
        "metric": "{name}_{field}",
        "by": "tags.*",
        "labels_below": "tags",
        "values": "fields",
        "time": "timestamp",
    },
    "opentsdb": {
        "source": ["tags.host", "metric"],
        "metric": "metric",
        "by": "tags.*",
        "labels_below": "tags",
        "value": "value",
        "time": "timestamp",
    },
    "connect": {
        "root": ["payload", "$"],
        "ignore": "schema",
        "source": list(SOURCES),
        "metric": [*_METRICS, "{field}"],
        "value": list(_VALUES),
        "values": ".",
        "time": list(_TIMES),
        "unit": "unit",
        "metric_type": "metric_type",
        "labels_below": ["metadata", "."],
    },
    "debezium": {
        "root": ["payload", "$"],
        "where": {"op": ["c", "u", "r"]},
        "ignore": ["before", "source", "transaction", "ts_ms", "ts_us", "ts_ns", "schema"],
        "source": _below("after", SOURCES),
        "metric": [*_below("after", _METRICS), "{field}"],
        "value": _below("after", _VALUES),
        "values": "after",
        "time": [*_below("after", _TIMES), "source.ts_ms", "ts_ms"],
        "unit": "after.unit",
        "metric_type": "after.metric_type",
        "labels_below": ["after.metadata", "after"],
    },
    "cloudevents": {
        "source": [*_below("data", SOURCES), "source"],
        "metric": [*_below("data", _METRICS), "{field}"],
        "value": _below("data", _VALUES),
        "values": "data",
        "time": [*_below("data", _TIMES), "time"],
        "unit": "data.unit",
        "metric_type": "data.metric_type",
        "labels_below": ["data.metadata", "data", "."],
        "ignore": [
            "specversion", "id", "type", "subject", "datacontenttype", "dataschema", "sequence",
            "sequencetype", "partitionkey", "traceparent", "tracestate",
        ],
    },
    "metricbeat": {
        "source": ["host.name", "host.hostname", "agent.name", "beat.name"],
        "metric": "{field}",
        "values": ".",
        "ignore": [
            "agent", "beat", "ecs", "event", "host", "metricset", "service", "cloud", "tags",
            "container", "orchestrator", "process.pid", "process.ppid", "process.pgid", "@metadata",
        ],
        "by": [
            "system.core.id", "system.network.name", "system.diskio.name",
            "system.filesystem.mount_point", "process.name", "process.pid",
            "docker.container.name", "kubernetes.pod.name", "kubernetes.container.name",
            "service.address",
        ],
        "time": ["@timestamp"],
        "labels_below": ["labels", "fields", "."],
    },
    "factory": {
        "source": _spelled("machine_id", "machine", "device_id", "source_id", "udi", "product_id"),
        "time": list(_TIMES),
        "labels_below": ["metadata", "."],
        "values": {
            "air_temp_k": [
                *_spelled("air_temp_k", "air_temperature_k", "air_temp", "air_temperature"),
                '["Air temperature [K]"]',
            ],
            "process_temp_k": [
                *_spelled(
                    "process_temp_k", "process_temperature_k", "process_temp",
                    "process_temperature",
                ),
                '["Process temperature [K]"]',
            ],
            "rpm": [*_spelled("rpm", "rotational_speed_rpm", "rotational_speed"),
                    '["Rotational speed [rpm]"]'],
            "torque_nm": [*_spelled("torque_nm", "torque"), '["Torque [Nm]"]'],
            "tool_wear_min": [*_spelled("tool_wear_min", "tool_wear"), '["Tool wear [min]"]'],
        },
        "units": {
            "air_temp_k": "K", "process_temp_k": "K", "rpm": "1/min", "torque_nm": "Nm",
            "tool_wear_min": "min",
        },
    },
    **{name: _laid_out(name) for name in LAID_OUT},
}  # fmt: skip
"""Mappings by name."""

BATCH = "a Telegraf batch"
SIGNS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("telegraf", "a Telegraf record", ("fields", "tags", "name")),
    ("telegraf", BATCH, ("metrics",)),
    ("debezium", "a Debezium change event", ("op", "after")),
    ("debezium", "a Debezium change event", ("payload.op", "payload.after")),
    ("cloudevents", "a CloudEvent", ("specversion", "type")),
    ("metricbeat", "a Metricbeat event", ("@timestamp", "metricset")),
    ("connect", "a Kafka Connect envelope", ("schema", "payload")),
    ("opentsdb", "an OpenTSDB data point", ("metric", "value", "tags")),
    ("factory", "a wide machine record", ("machine_id", "timestamp")),
)
"""Preset, what it is for people, and the paths that such a message has."""
