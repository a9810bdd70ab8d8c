"""Payloads that people really have on topics and in files, through whole runs.

The first inputs are the case "Kafka payloads"; the second ones are of the same kinds.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from padit.pipelines.job import Summary, run_job

T = 1_767_571_200
CASE: dict[str, list[Any]] = {
    "variants": [
        {"timestamp": 1767571200, "source_id": "s", "metric_name": "m", "value": 1.0},
        {"timestamp": 1767571201, "source_id": "s", "metric_name": "text", "value": "12.5"},
        {"timestamp": 1767571202, "source_id": "s", "metric_name": "unit_null", "value": 1.0,
         "unit": None},
        {"timestamp": 1767571203, "source_id": "s", "metric_name": "meta_null", "value": 1.0,
         "metadata": None},
        {"timestamp": 1767571204, "source_id": "s", "metric_name": "type_gauge", "value": 1.0,
         "metric_type": "gauge"},
        {"timestamp": 1767571205, "source_id": "s", "metric_name": "bool", "value": True},
        {"timestamp": "1767571206", "source_id": "s", "metric_name": "epoch_text", "value": 1.0},
        {"timestamp": 1767571207000000, "source_id": "s", "metric_name": "us", "value": 1.0},
    ],
    "connect": [
        {"schema": {"type": "struct"},
         "payload": {"timestamp": T, "source_id": "s", "metric_name": "m", "value": 1.0}},
    ],
    "cloudevents": [
        {"specversion": "1.0", "id": "1", "source": "/x", "type": "metric",
         "data": {"timestamp": T, "source_id": "s", "metric_name": "m", "value": 1.0}},
    ],
    "telegraf": [
        {"fields": {"usage_idle": 91.5}, "name": "cpu", "tags": {"host": "srv-1"}, "timestamp": T},
    ],
}  # fmt: skip
SECOND: dict[str, list[Any]] = {
    "variants": [
        {"timestamp": f"{T}250", "source_id": "s", "metric_name": "ms_text", "value": " -0.5 ",
         "unit": None, "metric_type": None, "protocol": None, "metadata": None},
        {"timestamp": f"{T}.5", "source_id": "s", "metric_name": "counter", "value": "1e3",
         "metric_type": "counter"},
        {"timestamp": T * 10**9, "source_id": "s", "metric_name": "ns", "value": False},
    ],
    "connect": [
        {"schema": None, "payload": {"event_time": T * 1000, "device_id": "d", "bar": 2.5}},
    ],
    "cloudevents": [
        {"specversion": "1.0", "id": "9", "source": "/press/4", "type": "reading",
         "time": "2026-01-05T00:00:00Z", "data": {"bar": "2.5", "rpm": 900}},
    ],
    "telegraf": [
        {"metrics": [{"fields": {"used": 5, "free": 7.5}, "name": "mem", "tags": {"host": "b"},
                      "timestamp": T * 10**9}]},
    ],
    "opentsdb": [
        [{"metric": "sys.if.bytes", "timestamp": T, "value": 7, "tags": {"host": "w", "i": "eth0"}}]
    ],
    "debezium": [
        {"payload": {"before": None, "after": {"machine_id": "m", "rpm": 9}, "op": "r",
                     "ts_ms": T * 1000}},
    ],
}  # fmt: skip


def _run(tmp_path: Path, messages: list[Any], form: Any = None) -> tuple[Summary, list[str]]:
    """A whole run over messages; its summary and the reasons of its dead letters."""
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(one) + "\n" for one in messages))
    options = [f"--input={source}", f"--output={tmp_path}/a.jsonl", f"--dlq={tmp_path}/dlq.jsonl"]
    if form is not None:
        config = tmp_path / "config.yaml"
        config.write_text(yaml.safe_dump({"input": {"format": form}}))
        options.append(f"--config={config}")
    summary = run_job(options, live=False)
    assert summary is not None
    assert summary.residue == 0
    lines = (tmp_path / "dlq.jsonl").read_bytes().splitlines()
    return summary, [msgspec.json.decode(line)["reason"] for line in lines]


@pytest.mark.parametrize("inputs", [CASE, SECOND], ids=["case", "second"])
def test_small_differences_cost_nothing(tmp_path: Path, inputs: dict[str, list[Any]]) -> None:
    summary, reasons = _run(tmp_path, inputs["variants"])
    assert reasons == []
    assert summary.scored == summary.series == len(inputs["variants"])


@pytest.mark.parametrize(
    ("inputs", "preset"),
    [(inputs, name) for inputs in (CASE, SECOND) for name in inputs if name != "variants"],
    ids=lambda one: one if isinstance(one, str) else "case" if one is CASE else "second",
)
def test_an_envelope_is_named_without_its_format_and_read_with_it(
    tmp_path: Path, inputs: dict[str, list[Any]], preset: str
) -> None:
    (tmp_path / "without").mkdir()
    summary, reasons = _run(tmp_path / "without", inputs[preset])
    assert (summary.scored, summary.dead_lettered) == (0, 1)
    assert f"set `format: {preset}` under `input`" in reasons[0]
    summary, reasons = _run(tmp_path, inputs[preset], preset)
    assert reasons == []
    assert summary.scored == summary.read > 0
