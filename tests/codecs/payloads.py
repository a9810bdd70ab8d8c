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
}  # fmt: skip
"""By preset."""
