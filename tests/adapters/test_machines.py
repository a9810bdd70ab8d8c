"""The two adapters that need nothing else: this host, and the simulated factory."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.adapters.factory import UNITS
from padit.adapters.factory_faults import FAULTS, FaultKind, fails
from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import parse_timestamp
from tests.adapters.live import Live, poll_once


def test_host_gives_gauges_at_once_and_rates_from_the_second_poll_on() -> None:
    with Live({"type": "host", "source_id": "h", "per_cpu": True, "interfaces": ["lo"]}) as live:
        live.poll()
        first = {m.metric_name for m in live.emitter.metrics}
        time.sleep(0.1)
        live.poll()
    found = {m.metric_name: m.value for m in live.emitter.metrics}
    assert "memory_percent" in first
    assert {"cpu_percent", "cpu0_percent", "load_1m", "net_sent_bytes_per_s:lo"} <= set(found)
    assert 0 <= found["cpu_percent"] <= 100
    assert any(name.startswith("disk_used_percent:") for name in found)
    assert all(value >= 0 for value in found.values())


def test_disk_that_is_not_mounted_is_left_out() -> None:
    emitter = poll_once({"type": "host", "disks": ["/", "/nowhere"]})
    disks = [m.metric_name for m in emitter.metrics if m.metric_name.startswith("disk_used")]
    assert disks == ["disk_used_percent:/"]


def test_factory_emits_every_step_once() -> None:
    with Live({"type": "factory", "machines": 3, "step_sec": 0.05}) as live:
        for _ in range(4):
            live.poll()
            time.sleep(0.12)
    rows = live.emitter.rows
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
    assert live.emitter.faults["pause"] == 1
    assert len(live.emitter.rows[-1]) <= 13 * len(UNITS)


def test_factory_writes_its_ground_truth(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    fault = {"machine": 2, "kind": "overstrain", "after_sec": 5, "duration_sec": 60}
    poll_once({"type": "factory", "faults": [fault], "labels_file": str(path)})
    labels = json.loads(path.read_text())
    assert [(label["source_id"], label["fault"]) for label in labels] == [
        ("machine-02", "overstrain")
    ]


class Clock:
    """Both clocks of the factory, set by hand: the wall clock may jump, the other never does."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.wall = 1_767_323_045.0

    def time(self) -> float:
        return self.wall + self.seconds

    def monotonic(self) -> float:
        return 1000.0 + self.seconds


PROFILES = {name: number for number, name in enumerate(FAULTS, 1)}


@pytest.fixture
def shift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[NDArray[Any], Any]:
    """Six minutes of five live machines, all profiles: values by (step, machine), and the truth."""
    clock, path = Clock(), tmp_path / "labels.json"
    monkeypatch.setattr("padit.adapters.factory_live.time", clock)
    planned = {"after_sec": 100, "duration_sec": 160, "onset_sec": 40}
    faults = [{"machine": n, "kind": kind, **planned} for kind, n in PROFILES.items()]
    config = {"type": "factory", "machines": 5, "faults": faults, "labels_file": str(path)}
    with Live(config) as live:
        while clock.seconds < 360:
            live.poll()
            clock.seconds += 7.3
            if clock.seconds > 180:
                clock.wall = 0.0  # the wall clock is set
    rows = live.emitter.rows
    times = np.unique(np.concatenate([part.time for part in rows]))
    assert set(np.diff(times)) == {1_000_000}
    assert times[0] == 1_767_323_045_000_000
    values = np.concatenate([part.value for part in rows]).reshape(len(times), 5, len(UNITS))
    return values, json.loads(path.read_text())


@pytest.mark.parametrize("kind", FAULTS)
def test_live_machine_fails_as_its_profile_says_when_its_label_says(
    shift: tuple[NDArray[Any], Any], kind: FaultKind
) -> None:
    values, labels = shift
    machine = PROFILES[kind]
    label = next(one for one in labels if one["fault"] == kind)
    assert label["source_id"] == f"machine-{machine:02d}"
    start, failure, end = (
        parse_timestamp(label[name]) // 10**6 - 1_767_323_045
        for name in ("start", "failure", "end")
    )
    assert (start, end) == (100, 260)
    assert start < failure < end
    failing = np.flatnonzero(fails(kind, values[:, machine - 1], "L"))
    assert failing[0] == failure
    assert failing[-1] < end
    assert len(failing) > 60


def test_machine_without_a_fault_never_fails(shift: tuple[NDArray[Any], Any]) -> None:
    values, labels = shift
    assert sorted(label["fault"] for label in labels) == sorted(FAULTS)
    for variant in "LMH":
        assert not any(fails(kind, values[:, 4], variant).any() for kind in FAULTS)
    for kind, machine in PROFILES.items():
        assert not fails(kind, values[:100, machine - 1], "L").any()


def test_two_faults_of_one_machine_are_refused() -> None:
    fault = {"machine": 1, "kind": "overstrain"}
    with pytest.raises(ConfigurationError, match="machine of its own"):
        poll_once({"type": "factory", "faults": [fault, fault]})
