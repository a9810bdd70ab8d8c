"""Messages as the documentation of other projects shows them, by the preset that reads them."""

from typing import Any

__all__ = ["MESSAGES"]

T = 1_767_571_200

_TELEGRAF = {
    "fields": {"field_1": 30, "field_2": 4, "field_N": 59, "n_images": 660},
    "name": "docker",
    "tags": {"host": "raynor"},
    "timestamp": 1_767_571_200,
}
_CPU = {
    "fields": {"usage_idle": 98.8, "usage_user": 0.5, "active": True, "state": "ok"},
    "name": "cpu",
    "tags": {"cpu": "cpu0", "host": "raynor"},
    "timestamp": T * 1000,
}
_DEBEZIUM = {
    "before": None,
    "after": {"id": 1004, "machine_id": "m-7", "torque_nm": 40.5, "rpm": 1480, "ok": True,
              "operator": "Anne"},
    "source": {"version": "2.7.0.Final", "connector": "postgresql", "name": "plant",
               "ts_ms": T * 1000, "snapshot": "true", "db": "plant", "schema": "public",
               "table": "sensor_log", "txId": 555, "lsn": 24023128, "xmin": None},
    "op": "c",
    "ts_ms": T * 1000 + 451,
    "transaction": None,
}  # fmt: skip
_SCHEMA = {"type": "struct", "optional": False, "name": "plant.Envelope", "version": 1,
           "fields": [{"type": "int64", "optional": False, "field": "id"}]}  # fmt: skip

MESSAGES: dict[str, list[Any]] = {
    "telegraf": [_TELEGRAF, _CPU, {"metrics": [_TELEGRAF, _CPU]}],
    "opentsdb": [
        {"metric": "sys.cpu.nice", "timestamp": T, "value": 18,
         "tags": {"host": "web01", "dc": "lga"}},
        [{"metric": "sys.cpu.nice", "timestamp": T, "value": 18, "tags": {"host": "web01"}},
         {"metric": "sys.cpu.nice", "timestamp": T * 1000, "value": "9.5", "tags": {"host": "b"}}],
    ],
    "connect": [
        {"schema": _SCHEMA, "payload": {"timestamp": T * 1000, "source_id": "s",
                                        "metric_name": "m", "value": 1.0, "unit": None}},
        {"schema": _SCHEMA, "payload": {"ts": T * 1000, "machine_id": "m-1", "temp": 21.5,
                                        "rpm": 900, "name": "left"}},
        {"timestamp": "2026-01-05T00:00:00Z", "host": "h", "load": 0.5},
    ],
    "debezium": [
        _DEBEZIUM,
        {"schema": _SCHEMA, "payload": _DEBEZIUM},
        _DEBEZIUM | {"op": "u", "after": {"source_id": "s", "metric_name": "m", "value": "1.25",
                                          "timestamp": T * 1_000_000, "unit": "ms"}},
    ],
    "cloudevents": [
        {"specversion": "1.0", "id": "C234-1234-1234", "source": "/sensors/tn-1234567/alerts",
         "type": "com.example.reading", "time": "2026-01-05T00:00:00Z",
         "datacontenttype": "application/json", "comexampleothervalue": 5,
         "data": {"temperature": 21.5, "unit": {"name": "C"}}},
        {"specversion": "1.0", "id": "1", "source": "/x", "type": "metric",
         "data": {"timestamp": T, "source_id": "s", "metric_name": "m", "value": 1.0}},
        [{"specversion": "1.0", "id": "1", "source": "/x", "type": "m",
          "time": "2026-01-05T00:00:00Z", "data": {"a": 1}}],
    ],
    "metricbeat": [
        {"@timestamp": "2026-01-05T00:00:00.000Z", "agent": {"hostname": "host.example.com"},
         "event": {"dataset": "system.core", "duration": 115000, "module": "system"},
         "host": {"name": "host.example.com", "ip": ["10.0.0.1"]},
         "metricset": {"name": "core", "period": 10000}, "service": {"type": "system"},
         "system": {"core": {"id": 0, "idle": {"pct": 0.8823}, "irq": {"pct": 0},
                             "user": {"pct": 0.0588}}}},
        {"@timestamp": "2026-01-05T00:00:00.000Z", "host": {"name": "a"},
         "metricset": {"name": "network"}, "event": {"duration": 1},
         "system": {"network": {"name": "en0", "in": {"bytes": 5817, "errors": 0}}}},
    ],
    "factory": [
        {"machine_id": "m-1", "timestamp": "2026-01-05T00:00:00Z", "air_temp_k": 298.1,
         "process_temp_k": 308.6, "rpm": 1551, "torque_nm": 42.8, "tool_wear_min": 0},
        {"machineId": "m-2", "timestamp": T * 1000, "airTempK": 298.2, "processTempK": 308.7,
         "rpm": 1408, "torqueNm": "46.3", "toolWearMin": 3},
        {"UDI": 1, "machine_id": "m-3", "ts": T, "Air temperature [K]": 298.1,
         "Process temperature [K]": 308.6, "Rotational speed [rpm]": 1551, "Torque [Nm]": 42.8,
         "Tool wear [min]": 0},
    ],
    "prometheus": [
        {"status": "success", "data": {"resultType": "matrix", "result": [
            {"metric": {"__name__": "up", "instance": "a:9090", "job": "node"},
             "values": [[T, "1"], [T + 15, "0"]]}]}},
        {"status": "success", "data": {"resultType": "vector", "result": [
            {"metric": {"instance": "b"}, "value": [T, "0.5"]}]}},
        {"status": "success", "data": {"resultType": "scalar", "result": [T, "3"]}},
    ],
    "graphite": [
        [{"target": "web.cpu", "tags": {"name": "web.cpu", "host": "web01"},
          "datapoints": [[1.5, T], [None, T + 60], [2.5, T + 120]]}],
        {"target": "disk", "datapoints": [[7, T]]},
    ],
    "opentsdb_query": [
        [{"metric": "sys.cpu.nice", "tags": {"host": "web01", "cpu": "0"}, "aggregateTags": [],
          "dps": {f"{T}": 18, f"{T + 60}": 9.5}}],
        {"metric": "m", "dps": [[T, 1], [T + 1, 2]]},
    ],
    "influxdb": [
        {"results": [{"statement_id": 0, "series": [
            {"name": "cpu", "tags": {"host": "a", "cpu": "cpu0"},
             "columns": ["time", "usage_idle", "usage_user"],
             "values": [["2026-01-05T00:00:00Z", 98.8, 0.5], [T * 1000, 97.0, None]]}]}]},
        {"results": [{"series": [{"name": "mem", "columns": ["time", "host", "used"],
                                  "values": [[T * 10**9, "b", 5]]}]}]},
    ],
    "grafana": [
        {"results": {"A": {"status": 200, "frames": [
            {"schema": {"refId": "A", "fields": [
                {"name": "Time", "type": "time"},
                {"name": "Value", "type": "number", "config": {"unit": "percent"},
                 "labels": {"__name__": "load", "instance": "a", "cpu": "0"}}]},
             "data": {"values": [[T * 1000, T * 1000 + 60_000], [1.5, 2.5]]}}]}}},
        {"schema": {"name": "room", "fields": [
            {"name": "time", "type": "time"}, {"name": "host", "type": "string"},
            {"name": "temp", "type": "number"}]},
         "data": {"values": [[T * 1000] * 2, ["x", "y"], [20.5, 21.5]]}},
    ],
    "senml": [
        [{"bn": "urn:dev:ow:10e2073a01080063:", "bt": T, "bu": "A", "n": "current", "v": 1.5},
         {"n": "current", "t": -5, "v": 1.25}, {"n": "voltage", "u": "V", "v": 120.1}],
        [{"n": "urn:dev:mac:0024befffe804ff1/open", "t": T, "vb": True},
         {"n": "urn:dev:mac:0024befffe804ff1/flow", "t": T, "v": 2, "s": 40}],
        {"bn": "pump", "bt": T, "bv": 20, "v": 1.5, "n": "level"},
    ],
    "ngsi": [
        {"id": "Room1", "type": "Room",
         "temperature": {"type": "Number", "value": 21.5, "metadata": {
             "unit": {"type": "Text", "value": "C"}}},
         "TimeInstant": {"type": "DateTime", "value": "2026-01-05T00:00:00Z"}},
        {"subscriptionId": "57458eb60962ef754e7c0998", "data": [
            {"id": "Room2", "type": "Room", "open": {"type": "Boolean", "value": False,
             "metadata": {"TimeInstant": {"type": "DateTime", "value": "2026-01-05T00:00:01Z"}}}},
        ]},
        {"id": "Room3", "type": "Room", "level": 2.5, "TimeInstant": "2026-01-05T00:00:03Z"},
        {"id": "urn:ngsi-ld:Tank:7", "type": "Tank", "@context": ["https://uri.etsi.org/x.jsonld"],
         "level": {"type": "Property", "value": 3.5, "unitCode": "MTR",
                   "observedAt": "2026-01-05T00:00:02Z"}},
    ],
    "iperf": [
        {"start": {"timestamp": {"time": "Mon, 05 Jan 2026 00:00:00 GMT", "timesecs": T},
                   "connected": [{"socket": 5, "local_host": "10.0.0.1"}]},
         "intervals": [{"streams": [{"socket": 5, "start": 0, "end": 1, "rtt": 50}],
                        "sum": {"start": 0, "end": 1, "bits_per_second": 1e9}}],
         "end": {"sum_sent": {"bits_per_second": 1e9}}},
        {"start": {"timestamp": {"timesecs": T}},
         "intervals": [{"streams": [{"socket": 5, "end": 1, "bytes": 1},
                                    {"socket": 7, "end": 1, "bytes": 2}],
                        "sum": {"end": 1, "bytes": 3}}]},
    ],
    "rrdtool": [
        {"about": "RRDtool graph JSON output",
         "meta": {"start": T, "end": T + 60, "step": 60, "legend": ["in", "out"]},
         "data": [[1.5, 2.5], [None, 3.5]]},
        {"meta": {"start": T, "step": 60, "legend": ["in"]}, "data": [[T, 1], [T + 60, 2]]},
    ],
    "elasticsearch": [
        {"took": 5, "timed_out": False, "hits": {"hits": []}, "aggregations": {"per_minute": {
            "buckets": [{"key_as_string": "2026-01-05T00:00:00.000Z", "key": T * 1000,
                         "doc_count": 12, "load": {"value": 0.75}}]}}},
        {"hits": {"total": {"value": 1, "relation": "eq"}, "hits": [
            {"_index": "m", "_id": "1", "_source": {
                "@timestamp": "2026-01-05T00:00:00Z", "host": {"name": "web01"},
                "system": {"load": 1.5}}}]}},
        {"aggregations": {"host": {"buckets": [{"key": "web01", "doc_count": 3, "t": {"buckets": [
            {"key": T * 1000, "doc_count": 3, "p": {"values": {"50.0": 1.0, "95.0": 4.0}}}]}}]}}},
    ],
    "datadog": [
        {"status": "ok", "query": "avg:system.load.1{*}by{host}", "series": [
            {"metric": "system.load.1", "scope": "host:web01", "interval": 60, "unit": None,
             "pointlist": [[T * 1000.0, 0.5], [T * 1000.0 + 60_000, 0.75]]}]},
    ],
    "cloudwatch": [
        {"MetricDataResults": [
            {"Id": "m1", "Label": "CPUUtilization", "StatusCode": "Complete",
             "Timestamps": ["2026-01-05T00:01:00+00:00", "2026-01-05T00:00:00+00:00"],
             "Values": [12.5, 11.0]}], "Messages": []},
    ],
    "pandas": [
        {"bar": {f"{T * 1000}": 1.5, f"{T * 1000 + 1000}": 2.5}, "rpm": {f"{T * 1000}": 900}},
        {"columns": ["machine", "bar"], "index": [T * 1000], "data": [["press-1", 1.5]]},
        {"0": {"time": "2026-01-05T00:00:00Z", "host": "h", "bar": 1.5}},
    ],
    "columns": [
        {"latitude": 52.5, "hourly_units": {"time": "iso8601", "temperature_2m": "°C"},
         "hourly": {"time": ["2026-01-05T00:00", "2026-01-05T01:00"],
                    "temperature_2m": [-2.5, -3.0]}},
        {"ts": [T, T + 1], "machine": ["a", "b"], "bar": [1.5, 2.5]},
    ],
}  # fmt: skip
"""By preset."""
