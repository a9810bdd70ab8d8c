"""The canary: known anomalies come through as alerts, and nothing else takes notice of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from padit.adapters.canary import RAISED, CanaryOptions, samples
from padit.alerting.canary import SLOT, WITHIN, CanaryWatch
from padit.alerting.inputs import FileInput
from padit.alerting.policy import AlertingConfig
from padit.alerting.service import Service
from padit.alerting.store.opening import open_store
from padit.domain.config import JobConfig, load_config
from padit.domain.timestamps import MICROS, parse_timestamp
from padit.pipelines.detect_table import Detected, detect
from tests.alerting.receiving import receiving

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "deploy" / "canary.yaml"
START = 1_767_600_000
MINUTES = 40
OPTIONS = CanaryOptions(name="canary", type="canary")


def table(rename: str | None = None) -> pa.Table:
    """What the adapter sends in 40 minutes; a sample 3 s after every tenth second."""
    rows = [
        one
        for second in range(3, MINUTES * 60, 10)
        for one in samples(float(START + second), OPTIONS.sources, OPTIONS.every_sec)
    ]
    names = [one.source_id.replace("padit-canary", rename or "padit-canary") for one in rows]
    return pa.table(
        {
            "timestamp": [one.timestamp for one in rows],
            "source_id": names,
            "metric_name": [one.metric_name for one in rows],
            "value": [one.value for one in rows],
        }
    )


@pytest.fixture(scope="module")
def found() -> Detected:
    return detect(table(), str(CONFIG))


def opened(found: Detected) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in found.json["alerts"].splitlines()]
    return [one for one in events if one["type"] == "io.padit.alert.opened"]


def test_one_source_at_a_time_is_anomalous_for_a_minute() -> None:
    for minute in range(20):
        values = [one.value for one in samples(START + 60.0 * minute + 7, 7, 60.0)]
        assert values.count(RAISED) == 1
        assert values.count(0.0) == 6


def test_each_minute_one_alert_of_the_canary_opens(found: Detected) -> None:
    times = [one["time"] for one in opened(found)]
    assert len(times) == len(set(times))
    assert MINUTES - 2 <= len(times) <= MINUTES
    assert {one["data"]["detector"]["name"] for one in opened(found)} == {"rule"}


def test_only_the_detector_that_names_the_canary_judges_it() -> None:
    config = load_config(str(CONFIG))
    assert config.detectors[:-1] == JobConfig().detectors  # the shipped ones, and the rule
    only_shipped = detect(table())
    assert set(only_shipped.scores["judged_by"].to_pylist()) == {"[]"}
    assert only_shipped.json["alerts"] == b""
    others = detect(table("probe"))
    assert any("usual" in one for one in others.scores["judged_by"].to_pylist())


def alerting(found: Detected, folder: Path, routes: str) -> tuple[list[dict[str, Any]], Service]:
    """The messages that a receiver got of the canary's alerts."""
    alerts = folder / "alerts.jsonl"
    alerts.write_bytes(found.json["alerts"])
    with receiving() as got:
        text = {
            "receivers": {"switch": {"kind": "webhook", "url": got.url}},
            "routes": json.loads(routes),
        }
        config = AlertingConfig.model_validate(text)
        store = open_store(str(folder / "data"))
        try:
            source = FileInput([("alert", alerts)])
            service = Service(config, str(folder / "data"), store, source)
            service.run(lambda: False)
        finally:
            store.close()
        return got.events, service


def test_a_route_that_names_the_canary_gets_a_message_for_each_alert(
    found: Detected, tmp_path: Path
) -> None:
    route = '[{"name":"canary","receiver":"switch","match":{"source":"padit-canary-*"}}]'
    events, _ = alerting(found, tmp_path, route)
    kinds = [str(one["type"]).rpartition(".")[2] for one in events]
    assert kinds.count("opened") == len(opened(found))


def test_no_other_route_gets_the_canary(found: Detected, tmp_path: Path) -> None:
    all_of_it = '{"name":"all","receiver":"switch","go_on":true}'
    by_pattern = '{"name":"p","receiver":"switch","match":{"source":"*"}}'
    events, service = alerting(found, tmp_path, f"[{all_of_it},{by_pattern}]")
    assert events == []
    assert service.canary.slots > 0  # it is counted all the same


def ends(found: Detected) -> list[float]:
    """Ends of the windows of the alerts, epoch seconds."""
    return [parse_timestamp(one["time"]) / MICROS for one in opened(found)]


def shown(found: Detected, delays: dict[int, float], until: float) -> CanaryWatch:
    """What is counted by `until`, seconds after the last window.

    Each alert comes 15 s after its window; some, by their number, later.
    """
    watch = CanaryWatch()
    arrivals = []
    for number, event in enumerate(opened(found)):
        end = ends(found)[number]
        arrivals.append((end + 15 + delays.get(number, 0.0), json.dumps(event).encode()))
    for moment, data in sorted(arrivals):
        watch.judge(moment)
        watch.note([data], moment)
    watch.judge(ends(found)[-1] + until)
    return watch


def test_every_slot_counts_as_available_while_canaries_come_in_time(found: Detected) -> None:
    watch = shown(found, {}, WITHIN + SLOT)
    assert watch.slots >= 6 * (len(opened(found)) - 1)
    assert watch.through == watch.slots


def test_slots_whose_canaries_come_too_late_are_not_available(found: Detected) -> None:
    """Five minutes in which nothing came, and then all of it at once."""
    down = {number: ends(found)[24] - ends(found)[number] for number in range(20, 24)}
    watch = shown(found, down, WITHIN + SLOT)
    missed = watch.slots - watch.through
    # Five minutes of samples come together, 15 s after the last; those of two minutes are in time.
    assert missed == (300 + 15 - WITHIN) // SLOT
    assert watch.through > watch.slots / 2


def test_bytes_that_are_no_alert_are_passed_over() -> None:
    watch = CanaryWatch()
    watch.note([b"", b"padit-canary", b'{"type":"x","data":{"source_id":"padit-canary-1"}}'], 1.0)
    watch.judge(1e9)
    assert (watch.slots, watch.through) == (0, 0)
