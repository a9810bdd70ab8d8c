"""Attributes of series: of several the latest counts, in any order, after a restore, in silence."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest

from padit.domain.attributes import UNSTATED, Attributes
from padit.domain.config import DetectorSetting, SeriesSetting
from padit.domain.errors import StateError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.series_rules import SeriesRules
from padit.transforms.attributes import keep_latest, load_known
from padit.transforms.checksum import without_checksum
from padit.transforms.detect import Detection
from padit.transforms.detectors import Scores
from padit.transforms.saved_rows import read_rows
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions
from tests.codecs.samples import attributes
from tests.laws.machine import (
    SECOND,
    Sample,
    detection_in,
    machine_of,
    rows_of,
    run,
    schedule_by,
)
from tests.transforms.keyed import keyed_batch

START = 1_767_225_600
NAME = Series("press-1", "load_percent")
WINDOWS = WindowOptions(20 * SECOND, 10 * SECOND, 100)
LIMIT = {"conditions": [{"feature": "p99", "limit": 50.0, "adds": 0.8}]}
RULE = [DetectorSetting(name="rule", parameters={"rules": [LIMIT]})]


def _labels(**labels: str) -> Attributes:
    return Attributes("custom", tuple(sorted(labels.items())))


def _sample(second: float, value: float, known: Attributes = UNSTATED) -> Sample:
    return Sample(round((START + second) * SECOND), NAME, value, known)


class _Spy:
    """A detection that keeps the attributes of every row it was given."""

    def __init__(self, *rules: SeriesSetting, detectors: Any = RULE) -> None:
        self.detection = Detection(detectors, rules=SeriesRules(rules))
        self.seen: list[tuple[int, Attributes]] = []
        self.bounds: list[list[float]] = []
        self.types: list[str] = []
        [first, *_] = self.detection.detectors
        step = first.step

        def watched(state: Any, table: FeatureTable) -> tuple[Any, Scores]:
            for row in range(len(table)):
                end = int(table.window_end[row]) // SECOND - START
                self.seen.append((end, table.attributes_of(row)))
            self.bounds += table.bounds.tolist()
            self.types += table.metric_types
            return step(state, table)

        first.step = watched  # type: ignore[method-assign]


def test_of_several_labels_that_of_the_windows_latest_time_counts() -> None:
    a, b = _labels(site="a"), _labels(site="b")
    log = [_sample(1, 5, a), _sample(4, 5, b), _sample(3, 5, a), _sample(12, 5, a)]
    spy = _Spy()
    run([log], spy.detection, windows=WINDOWS)
    assert spy.seen == [(10, b), (20, a), (30, a)]


def test_at_one_time_that_of_the_greatest_value_counts() -> None:
    a, b = _labels(site="a"), _labels(site="b")
    for order in ([_sample(1, 5, b), _sample(1, 7, a)], [_sample(1, 7, a), _sample(1, 5, b)]):
        spy = _Spy()
        run([order], spy.detection, windows=WINDOWS)
        assert spy.seen[0] == (10, a)


@pytest.mark.parametrize("known", [_labels(site="a"), Attributes("latency")])
def test_of_a_repeat_with_and_without_a_label_the_one_with_counts(known: Attributes) -> None:
    for pair in ([UNSTATED, known], [known, UNSTATED]):
        spy = _Spy()
        found = run([[_sample(1, 5, one) for one in pair]], spy.detection, windows=WINDOWS)
        assert found.counts.duplicate == 1
        assert spy.seen[0] == (10, known)


def test_a_sample_without_a_label_leaves_a_series_without() -> None:
    spy = _Spy()
    run([[_sample(1, 5, _labels(site="a")), _sample(2, 5)]], spy.detection, windows=WINDOWS)
    assert {one for _, one in spy.seen} == {UNSTATED}


def _alerts(found: Any) -> list[dict[str, Any]]:
    return [json.loads(event) for events in found.alerts for event in events]


def test_an_alert_has_the_labels_of_its_window_and_one_without_labels_has_no_such_key() -> None:
    site = Attributes("latency", (("cluster", "7"), ("site", "a")))
    hot = [_sample(second, 80, site) for second in range(10)]
    [opened, resolved] = _alerts(run([hot], _Spy().detection, windows=WINDOWS))
    for event in (opened, resolved):
        assert event["data"]["labels"] == {"cluster": "7", "site": "a"}
        assert event["data"]["metric_type"] == "latency"
        assert "stated" not in event["data"]["evidence"]
    plain = [one._replace(attributes=UNSTATED) for one in hot]
    [bare, _] = _alerts(run([plain], _Spy().detection, windows=WINDOWS))
    assert {"labels", "metric_type"}.isdisjoint(bare["data"])
    assert bare["id"] == opened["id"]
    assert bare["data"]["id"] == opened["data"]["id"]
    rest = {k: v for k, v in opened["data"].items() if k not in ("labels", "metric_type")}
    assert rest == bare["data"]


def test_a_series_is_the_same_whatever_its_labels() -> None:
    log = [_sample(i, 5.0, _labels(trace=f"{i}")) for i in range(200)]
    bare = [one._replace(attributes=UNSTATED) for one in log]
    found, expected = run([log], _Spy().detection), run([bare], _Spy().detection)
    assert found.counts == expected.counts
    assert found.counts.series == 1


def test_a_configuration_beats_the_wire_and_adds_to_it() -> None:
    rules = (
        SeriesSetting(metric="*_percent", bounds=(0, 100), labels={"site": "yaml", "line": "1"}),
        SeriesSetting(source="press-*", metric_type="availability", labels={"line": "2"}),
        SeriesSetting(metric="other", bounds=(5, 6)),
    )
    wire = Attributes("latency", (("cluster", "c"), ("site", "wire")))
    spy = _Spy(*rules)
    found = run([[_sample(i, 80, wire) for i in range(10)]], spy.detection, windows=WINDOWS)
    labels = {"cluster": "c", "line": "2", "site": "yaml"}
    expected = Attributes("availability", tuple(sorted(labels.items())), (0.0, 100.0), "low")
    assert {one for _, one in spy.seen} == {expected}
    assert spy.bounds == [[0, 100]] * len(spy.seen)
    assert set(spy.types) == {"availability"}
    data = _alerts(found)[0]["data"]
    assert (data["labels"], data["metric_type"]) == (labels, "availability")
    assert data["evidence"]["stated"] == {
        "metric_type": "availability", "bounds": [0, 100], "labels": {"line": "2", "site": "yaml"},
    }  # fmt: skip


def test_bounds_may_lie_on_one_side_only() -> None:
    spy = _Spy(SeriesSetting(bounds=(0, None)))
    run([[_sample(1, 5)]], spy.detection, windows=WINDOWS)
    assert spy.bounds == [[0, np.inf]] * len(spy.seen)
    spy = _Spy()
    run([[_sample(1, 5)]], spy.detection, windows=WINDOWS)
    assert spy.bounds == [[-np.inf, np.inf]] * len(spy.seen)


NO_DATA = [DetectorSetting(name="no_data", parameters={"minimum_sec": 30})]


def _silent() -> list[Sample]:
    """A sample a second for two minutes, its site moves, then silence; another series goes on."""
    first = [_sample(i, 5, _labels(site="a" if i < 60 else "b")) for i in range(120)]
    other = Series("press-1", "other")
    return [*first, *(Sample((START + i) * SECOND, other, 5.0) for i in range(120, 400))]


def test_an_alert_of_a_series_that_is_silent_has_its_last_labels() -> None:
    events = _alerts(run([_silent()], Detection(NO_DATA), windows=WINDOWS))
    mine = [one for one in events if one["subject"] == NAME.metric_name]
    assert mine
    assert {one["data"]["labels"]["site"] for one in mine} == {"b"}


def test_labels_survive_any_cut_and_any_restore_of_the_state() -> None:
    rules = SeriesRules((SeriesSetting(labels={"line": "1"}),))
    whole = run([_silent()], Detection(NO_DATA, rules=rules), windows=WINDOWS)
    for seed in range(3):
        schedule = schedule_by(np.random.default_rng(seed), [_silent()], 30)
        found = run([_silent()], Detection(NO_DATA, rules=rules), schedule, windows=WINDOWS)
        assert (found.rows, found.alerts, found.state) == (whole.rows, whole.alerts, whole.state)
    assert {one["data"]["labels"]["line"] for one in _alerts(whole)} == {"1"}


def test_a_restored_machine_knows_the_labels_of_a_series_that_went_silent_before() -> None:
    log = _silent()
    store = MemoryStore()
    for first, following, watermark in ((0, 125, 120), (125, 400, 400)):
        machine = machine_of(Detection(NO_DATA), WINDOWS)  # as after a restart
        rows = rows_of(log[first:following])
        outcome = machine.advance(store, keyed_batch(rows, first, following, START + watermark))
    events = [json.loads(one.to_cloud_event()) for one in outcome.transitions]
    assert [one["data"]["labels"] for one in events if one["subject"] == NAME.metric_name]


def test_a_label_that_is_new_in_every_sample_takes_one_place_for_each_series_and_slot() -> None:
    log = [_sample(i / 100, 5, _labels(trace=f"{i:06}" * 20)) for i in range(5_000)]  # 50 s
    machine, store = machine_of(Detection(RULE), WINDOWS), MemoryStore()
    machine.advance(store, keyed_batch(rows_of(log), 0, 5_000, START - 5))
    kept = read_rows(without_checksum(store.rows[0], ""))[0].rows
    assert kept.attributes is not None
    assert len(kept.attributes.table) == 5
    assert len(store.rows[0]) < 5_000 * 16
    machine.advance(store, keyed_batch(rows_of([]), 5_000, 5_000, START + 60))
    saved = detection_in(store)
    assert saved is not None
    assert load_known(saved[-1]) == {NAME: log[-1].attributes}


def test_rows_of_one_label_are_left_as_they_are() -> None:
    rows = rows_of([_sample(i, 5, _labels(site="a")) for i in range(30)])
    assert keep_latest(rows, 10 * SECOND) is rows
    assert set(attributes(rows)) == {_labels(site="a")}


def test_labels_go_with_the_series_that_makes_room_for_another() -> None:
    machine, store = machine_of(Detection(RULE), WINDOWS, most_series=1), MemoryStore()
    old = [_sample(i, 5, _labels(site="a")) for i in range(10)]
    new = Series("press-1", "other")
    later = [Sample((START + 100 + i) * SECOND, new, 5.0, _labels(site="b")) for i in range(10)]
    machine.advance(store, keyed_batch(rows_of(old), 0, 10, START + 60))
    machine.advance(store, keyed_batch(rows_of(later), 10, 20, START + 160))
    saved = detection_in(store)
    assert saved is not None
    assert load_known(saved[-1]) == {new: _labels(site="b")}


def test_damaged_attributes_of_the_state_are_a_clear_error() -> None:
    for data in (b"\xc1", msgspec.msgpack.encode([1, [], [NAME], [5]])):
        with pytest.raises(StateError, match=r"attributes of series.*damaged"):
            load_known(data)
    with pytest.raises(StateError, match="version 9, this code reads 1"):
        load_known(msgspec.msgpack.encode([9, [], [], []]))
