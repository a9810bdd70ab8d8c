"""The limit of series: decided by event time alone, nothing remembered of what is evicted."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.attributes import UNSTATED, Attributes
from padit.domain.batch import KeyedBatch
from padit.domain.errors import StateError
from padit.domain.features import FEATURES
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import Position
from padit.transforms.alerts import Alerts
from padit.transforms.detectors import registry
from padit.transforms.group import GroupMachine
from padit.transforms.limit import SeriesLimit
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions
from tests.codecs.samples import steady
from tests.detectors.tables import table_of
from tests.laws.machine import SECOND, Log, Sample, machine_of, rows_of, run, schedule_by, setting
from tests.laws.test_laws import PARAMETERS

START = 1_767_225_600
WINDOWS = WindowOptions(20 * SECOND, 10 * SECOND, 100)
NAMES = [Series(source, metric) for source in "abc" for metric in "xy"]
RULE = setting("rule", {"rules": [{"conditions": [{"feature": "max", "limit": 10, "adds": 0.9}]}]})
SAMPLES = st.lists(
    st.builds(
        Sample,
        st.integers(0, 300).map(lambda second: (START + second) * SECOND),
        st.sampled_from(NAMES),
        st.sampled_from([0.0, -0.0, 1.0, 80.0]),
        st.sampled_from(
            [
                UNSTATED,
                Attributes("latency"),
                Attributes("latency", (("site", "a"),)),
                Attributes(bounds=(None, None)),
                Attributes(bounds=(0.0, None)),
            ]
        ),
    ),
    max_size=80,
)


@steady
@given(
    st.lists(SAMPLES, min_size=1, max_size=3),
    st.integers(1, 3),
    st.integers(0, 2**32),
    st.booleans(),
    st.sampled_from(["novelty", "rule", "silence", "multivariate"]),
)
def test_any_cut_evicts_and_refuses_the_same(
    logs: list[Log], most: int, seed: int, ends: bool, name: str
) -> None:
    detection = RULE if name == "rule" else setting(name, PARAMETERS.get(name))
    whole = run(logs, detection, ends=ends, windows=WINDOWS, most_series=most)
    schedule = schedule_by(np.random.default_rng(seed), logs, 9)
    found = run(logs, detection, schedule, ends=ends, windows=WINDOWS, most_series=most)
    assert (found.rows, found.alerts, found.late) == (whole.rows, whole.alerts, whole.late)
    assert sorted(found.refused) == sorted(whole.refused)
    assert (found.counts, found.state) == (whole.counts, whole.state)


@steady
@given(SAMPLES, st.integers(1, 3), st.integers(0, 2**32))
def test_any_order_of_arrival_evicts_and_refuses_the_same(
    samples: list[Sample], most: int, seed: int
) -> None:
    first = np.random.default_rng(seed)
    shuffled = [samples[i] for i in first.permutation(len(samples))]
    results = []
    for log in (samples, shuffled):
        machine, store = machine_of(RULE, WINDOWS, most), MemoryStore()
        at = Position(0, 0, 0, len(log), (START + 1000) * SECOND)
        outcome = machine.advance(store, KeyedBatch(1, (at,), rows_of(log)))
        events = [one.to_cloud_event() for one in outcome.transitions]
        results.append((events, outcome.counts, outcome.refused, store.detection))
    assert results[0] == results[1]


def _minute(names: list[Series], minute: int, value: float = 1.0) -> Log:
    return [
        Sample((START + 60 * minute + second) * SECOND, name, value)
        for second in range(0, 60, 10)
        for name in names
    ]


def _advance(
    machine: Any, store: MemoryStore, minute: int, log: Log, offset: int | None = None
) -> Any:
    first = minute if offset is None else offset
    at = Position(0, 0, first, first + 1, (START + 60 * minute + 60) * SECOND)
    return machine.advance(store, KeyedBatch(1, (at,), rows_of(log)))


def test_state_is_bounded_when_names_change_each_minute() -> None:
    detection = setting("novelty")
    machine, store = machine_of(detection, WINDOWS, 20), MemoryStore()
    sizes, evicted = [], 0
    for minute in range(30):
        names = [Series("pod", f"p{minute}-{i}") for i in range(5)]
        outcome = _advance(machine, store, minute, _minute(names, minute))
        evicted += outcome.counts.series_evicted
        sizes.append(len(store.detection or b""))
        assert not outcome.refused
    assert max(sizes[5:]) <= max(sizes[:5]) * 1.05  # packed bytes are some more or less
    assert evicted == 30 * 5 - 20


def test_the_series_with_the_oldest_sample_is_evicted_and_of_two_the_smaller_name() -> None:
    limit = SeriesLimit(3, WINDOWS, 10**18)
    rows = rows_of([Sample(1000 * SECOND, Series("new", "x"), 1.0)])
    census = {
        Series("b", "x"): 5 * SECOND,
        Series("a", "x"): 5 * SECOND,
        Series("c", "x"): 9 * SECOND,
    }
    _, [first, stage], refused = limit.step(census, rows, 0, 101)
    assert (first.closing, first.evicted) == (100, ())
    assert (stage.closing, stage.evicted, stage.end) == (101, (Series("a", "x"),), 1010 * SECOND)
    assert not refused
    assert set(census) == {Series("b", "x"), Series("c", "x"), Series("new", "x")}


def test_a_new_series_is_refused_while_all_are_within_the_window() -> None:
    machine, store = machine_of(RULE, WINDOWS, 2), MemoryStore()
    a, b, late = Series("a", "x"), Series("b", "x"), Series("0", "x")
    first = _minute([a, b, late], 0)
    outcome = _advance(machine, store, 0, first)
    # All three are new at once: of equal first samples the smaller names have a place.
    assert {one.series for one in outcome.refused} == {b}
    assert sum(one.samples for one in outcome.refused) == outcome.counts.dead_lettered == 6
    assert [one.end // SECOND - START for one in outcome.refused] == [10, 20, 30, 40, 50, 60]
    assert outcome.counts.scored + outcome.counts.dead_lettered == len(first)
    assert machine.waiting(store) == 0


def test_a_resolved_alert_gives_the_eviction_as_its_reason() -> None:
    alerts = Alerts(RULE, 10**12, WINDOWS)  # by itself it would stay open
    machine, store = GroupMachine(WINDOWS, RULE, alerts, most_series=1), MemoryStore()
    _advance(machine, store, 0, _minute([Series("a", "x")], 0, 50.0))
    outcome = _advance(machine, store, 9, _minute([Series("b", "x")], 9), 1)
    [resolved] = outcome.transitions
    assert resolved.kind == "resolved"
    assert resolved.time == (START + 550) * SECOND
    assert resolved.alert.metadata["resolved"].startswith("series_limit: ")
    assert resolved.alert.resolved


@pytest.mark.parametrize("name", registry())
def test_nothing_is_remembered_of_a_series_that_is_forgotten(name: str) -> None:
    detection = setting(name, PARAMETERS.get(name))
    chance = np.random.default_rng(5)
    names = [Series(source, metric) for source in ("gone", "stays") for metric in "xy"]
    table = table_of({series: chance.normal(size=300) for series in names})
    table = replace(table, features=dict.fromkeys(FEATURES, np.full(len(names), 300.0)))
    states, _ = detection.step(detection.initial(), table)
    before = b"".join(data for _, _, data in detection.dump(states))
    after = detection.forget(states, frozenset(one for one in names if one.source_id == "gone"))
    dumped = b"".join(data for _, _, data in detection.dump(after))
    assert b"gone" not in dumped
    assert (b"gone" in before) == (b"stays" in before) == (b"stays" in dumped)
    assert (b"gone" in before) == (name != "rule")


@pytest.mark.parametrize("name", sorted(set(registry()) - {"rule", "model"}))
def test_an_evicted_series_that_comes_back_begins_as_a_new_one(name: str) -> None:
    """It gets the results of a group that never knew it."""
    chance = np.random.default_rng(6)
    names = [Series("a", "x"), Series("a", "y")]

    def stretch(of: list[Series], first: int) -> Log:
        return [
            Sample((START + first + i) * SECOND, one, float(chance.normal()))
            for i in range(400)
            for one in of
        ]

    again = stretch(names, 2000)
    between = stretch([Series("b", "x"), Series("b", "y")], 1000)
    known = run([stretch(names, 0) + between + again], setting(name, PARAMETERS.get(name)),
                windows=WINDOWS, most_series=2)  # fmt: skip
    fresh = run([between + again], setting(name, PARAMETERS.get(name)),
                windows=WINDOWS, most_series=2)  # fmt: skip
    for group, other in zip(known.rows, fresh.rows, strict=True):
        assert group[len(group) - len(other) :] == other


def test_a_damaged_census_is_a_clear_error() -> None:
    limit = SeriesLimit(3, WINDOWS, 10**18)
    data = limit.dump({Series("a", "x"): 1})
    assert limit.load(data) == {Series("a", "x"): 1}
    with pytest.raises(StateError, match="census"):
        limit.load(b"\xc1")


def test_without_rows_nothing_is_decided() -> None:
    rows, stages, refused = SeriesLimit(1, WINDOWS, 0).step({}, Rows.empty(), 0, 5)
    assert (len(rows), [one.closing for one in stages], refused) == (0, [5], [])
