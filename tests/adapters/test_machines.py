"""The two adapters that need nothing else: this host, and the simulated factory."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from adapters.factory import UNITS
from domain.errors import ConfigurationError
from tests.adapters.live import Live, poll_once


def test_host_gives_gauges_at_once_and_rates_from_the_second_poll_on() -> None:
    with Live({"type": "host", "source_id": "h", "per_cpu": True, "interfaces": ["lo"]}) as live:
        live.poll()
        first = {m.metric_name for m in live.outlet.metrics}
        time.sleep(0.1)
        live.poll()
    found = {m.metric_name: m.value for m in live.outlet.metrics}
    assert "memory_percent" in first
    assert {"cpu_percent", "cpu0_percent", "load_1m", "net_sent_bytes_per_s:lo"} <= set(found)
    assert 0 <= found["cpu_percent"] <= 100
    assert any(name.startswith("disk_used_percent:") for name in found)
    assert all(value >= 0 for value in found.values())


def test_disk_that_is_not_mounted_is_left_out() -> None:
    outlet = poll_once({"type": "host", "disks": ["/", "/nowhere"]})
    disks = [m.metric_name for m in outlet.metrics if m.metric_name.startswith("disk_used")]
    assert disks == ["disk_used_percent:/"]


def test_factory_emits_every_step_once() -> None:
    with Live({"type": "factory", "machines": 3, "step_sec": 0.05}) as live:
        for _ in range(4):
            live.poll()
            time.sleep(0.12)
    rows = live.outlet.rows
    times = np.concatenate([part.time for part in rows])
    steps = np.unique(times)
    assert len(times) == len(steps) * 3 * len(UNITS)
    assert set(np.diff(steps)) == {50_000}
    assert abs(steps[0] / 1e6 - time.time()) < 60


def test_factory_leaves_out_a_long_pause_and_says_so() -> None:
    config = {"type": "factory", "machines": 1, "step_sec": 0.01, "catch_up_sec": 0.1}
    with Live(config) as live:
        live.poll()
        time.sleep(0.5)
        live.poll()
    assert live.outlet.faults["pause"] == 1
    assert len(live.outlet.rows[-1]) <= 13 * len(UNITS)


def test_factory_writes_its_ground_truth(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    fault = {"machine": 2, "kind": "overstrain", "after_sec": 5, "duration_sec": 60}
    poll_once({"type": "factory", "faults": [fault], "labels_file": str(path)})
    labels = json.loads(path.read_text())
    assert [(label["source_id"], label["fault"]) for label in labels] == [
        ("machine-02", "overstrain")
    ]


def test_two_faults_of_one_machine_are_refused() -> None:
    fault = {"machine": 1, "kind": "overstrain"}
    with pytest.raises(ConfigurationError, match="machine of its own"):
        poll_once({"type": "factory", "faults": [fault, fault]})
