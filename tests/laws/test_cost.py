"""Cost is a law: the calls of a close grow at most linearly. They are counted, not timed."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from padit.domain.batch import KeyedBatch
from padit.domain.config import DetectorSetting
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import Position
from padit.transforms.alerts import Alerts
from padit.transforms.audit import Audit
from padit.transforms.detect import Detection
from padit.transforms.detectors import create_detector, registry
from padit.transforms.group import GroupMachine, Outcome
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions
from tests.laws.machine import SECOND
from tests.laws.test_laws import PARAMETERS

START = 1_767_225_600
WINDOWS = WindowOptions(40 * SECOND, 20 * SECOND, 100)
RULE = DetectorSetting(
    name="rule",
    parameters={"rules": [{"conditions": [{"feature": "max", "limit": 50, "adds": 0.9}]}]},
)
"""Runs beside the detector under test: makes every series alert in every window of the storm."""


class _Counting:
    """A detector that counts the calls of its methods."""

    def __init__(self, inner: Any, calls: Counter[str]) -> None:
        self._inner, self._calls = inner, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name == "at":  # the detector that follows the job's levels is another one
            return lambda levels: _Counting(found(levels), self._calls)
        return found

    def step(self, state: Any, table: FeatureTable) -> Any:
        self._calls["step"] += 1
        self._calls["rows"] += len(table)
        return self._inner.step(state, table)

    def load(self, data: bytes) -> Any:
        self._calls["load"] += 1
        return self._inner.load(data)

    def dump(self, state: Any) -> bytes:
        self._calls["dump"] += 1
        return bytes(self._inner.dump(state))


def _storm(name: str, sources: int, ends: int, audit: bool = True) -> tuple[Counter[str], Outcome]:
    """The calls of a close of several windows, in each of which all series open an alert."""
    calls: Counter[str] = Counter()

    def create(which: str, parameters: Any) -> Any:
        made = create_detector(which, parameters)
        return _Counting(made, calls) if which == name else made

    settings = [DetectorSetting(name=name, parameters=PARAMETERS.get(name, {})), RULE]
    detection = Detection(settings if name != "rule" else [RULE], create)
    alerts = Alerts(detection, SECOND, WINDOWS)  # so short that each window opens one
    log = Audit(detection, WINDOWS) if audit else None
    machine, store = GroupMachine(WINDOWS, detection, alerts, audit=log), MemoryStore()
    names = [Series(f"s{i:04d}", metric) for i in range(sources) for metric in "xy"]
    machine.advance(store, _keyed(names, 0, 120, 0.0))
    calls.clear()
    return calls, machine.advance(store, _keyed(names, 120, 20 * ends, 100.0))


def _keyed(names: list[Series], first: int, seconds: int, jump: float) -> KeyedBatch:
    size = len(names)
    chance = np.random.default_rng(first)
    rows = Rows(
        names,
        np.tile(np.arange(size, dtype=np.int32), seconds),
        np.repeat((START + first + np.arange(seconds)) * SECOND, size),
        chance.normal(size=seconds * size) + jump,
    )
    at = Position(0, 0, first, first + seconds, (START + first + seconds) * SECOND)
    return KeyedBatch(1, (at,), rows)


@pytest.mark.parametrize("name", registry())
def test_a_storm_loads_once_and_steps_each_row_at_most_twice(name: str) -> None:
    for sources, ends in ((4, 1), (8, 1), (8, 4)):
        calls, outcome = _storm(name, sources, ends)
        series = 2 * sources
        caused = sum(one.kind != "resolved" for one in outcome.transitions)
        assert caused >= series * ends
        assert calls["load"] == 2  # for the close, and for what was remembered before it
        assert calls["step"] <= 1 + ends
        assert calls["rows"] <= 2 * len(outcome.closings[0].detected.table)
        assert calls["dump"] <= caused + 2


@pytest.mark.parametrize("name", registry())
def test_without_an_audit_log_a_storm_calls_what_a_calm_close_calls(name: str) -> None:
    calls, outcome = _storm(name, 4, 2, audit=False)
    assert outcome.transitions
    assert not outcome.provenance
    assert (calls["load"], calls["step"], calls["dump"]) == (1, 1, 1)


def test_a_piece_of_rows_is_added_without_a_copy_of_the_others() -> None:
    store = MemoryStore()
    store.add_rows(b"first")
    before = store.rows
    store.add_rows(b"second")
    assert store.rows is before
    assert list(store.read_rows()) == [b"first", b"second"]
