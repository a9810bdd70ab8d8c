"""Episodes: opened once, updated when severity rises, resolved once, all by event time."""

import itertools
from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from padit.domain.alert import Transition
from padit.domain.config import AlertSettings, DetectorSetting, Levels
from padit.domain.errors import StateError
from padit.domain.features import FEATURES, FeatureTable
from padit.domain.metric import Series
from padit.domain.timestamps import format_utc
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection
from padit.transforms.windows import WindowOptions
from tests.codecs.samples import steady

SERIES = (Series("a", "x", "ms"), Series("b", "x", "ms"))
# The mean of a window becomes its score: 0.4 from 1 on, 0.75 from 2 on, 0.95 from 3 on.
CONDITIONS = [
    {"feature": "mean", "op": ">=", "limit": 1, "adds": 0.4},
    {"feature": "mean", "op": ">=", "limit": 2, "adds": 0.35},
    {"feature": "mean", "op": ">=", "limit": 3, "adds": 0.2},
]
RULE = [DetectorSetting(name="rule", parameters={"rules": [{"conditions": CONDITIONS}]})]
DETECTION = Detection(RULE)
WINDOWS = WindowOptions(20, 10, 1000)
Level = tuple[int, int, int]
"""End of the window, number of the series, level 0 to 3."""


def _table(levels: Sequence[Level], closed_until: int) -> FeatureTable:
    levels = sorted(levels)
    n = len(levels)
    return FeatureTable(
        SERIES,
        np.array([end for end, _, _ in levels], np.int64),
        np.array([series for _, series, _ in levels], np.int32),
        {
            **{name: np.zeros(n) for name in FEATURES},
            "mean": np.array([float(level) for _, _, level in levels]),
            "count": np.full(n, 9.0),
        },
        np.arange(n + 1),
        np.array([end - 1 for end, _, _ in levels], np.int64),
        np.array([float(level) for _, _, level in levels]),
        closed_until,
    )


def _follow(
    steps: Sequence[tuple[Sequence[Level], int]],
    resolve_after: int = 30,
    open_at: float = 0.7,
    reload: bool = False,
) -> list[Transition]:
    """Transitions of several steps, each with the windows that close in it and up to when."""
    detection = Detection(RULE, levels=Levels.of(AlertSettings(open_at=open_at)))
    alerts = Alerts(detection, resolve_after, WINDOWS)
    episodes, states = alerts.initial(), detection.initial()
    found: list[Transition] = []
    for levels, closed_until in steps:
        if reload:
            episodes = alerts.load(alerts.dump(episodes))
        states, detected = detection.step(states, _table(levels, closed_until))
        episodes, transitions = alerts.step(episodes, detected)
        found += transitions
    return found


def _kinds(transitions: Sequence[Transition]) -> list[tuple[str, int, str, str]]:
    return [(one.kind, one.time, one.alert.source_id, one.alert.severity) for one in transitions]


def test_an_alert_opens_rises_and_resolves_once_each() -> None:
    found = _follow(
        [([(10, 0, 0), (20, 0, 2), (30, 0, 2), (40, 0, 3), (50, 0, 2), (60, 0, 0)], 99)]
    )
    assert _kinds(found) == [
        ("opened", 20, "a", "WARNING"),
        ("updated", 40, "a", "CRITICAL"),
        ("resolved", 80, "a", "CRITICAL"),
    ]
    assert len({one.alert.id for one in found}) == 1
    assert {one.alert.opened for one in found} == {format_utc(20)}


def test_flapping_within_resolve_after_is_one_alert() -> None:
    levels = [(10, 0, 3), (20, 0, 0), (40, 0, 3), (70, 0, 3), (100, 0, 0)]
    assert _kinds(_follow([(levels, 200)])) == [
        ("opened", 10, "a", "CRITICAL"),
        ("resolved", 100, "a", "CRITICAL"),
    ]


def test_flapping_beyond_resolve_after_is_a_new_alert_with_a_new_id() -> None:
    found = _follow([([(10, 0, 3), (41, 0, 3)], 200)])
    assert _kinds(found) == [
        ("opened", 10, "a", "CRITICAL"),
        ("resolved", 40, "a", "CRITICAL"),
        ("opened", 41, "a", "CRITICAL"),
        ("resolved", 71, "a", "CRITICAL"),
    ]
    assert len({one.alert.id for one in found}) == 2


def test_an_alert_resolves_though_its_series_has_no_more_samples() -> None:
    assert _kinds(_follow([([(10, 0, 3)], 10), ([], 39), ([], 40), ([], 90)])) == [
        ("opened", 10, "a", "CRITICAL"),
        ("resolved", 40, "a", "CRITICAL"),
    ]


def test_an_alert_stays_open_while_time_has_not_passed() -> None:
    assert [kind for kind, *_ in _kinds(_follow([([(10, 0, 3)], 39)]))] == ["opened"]


def test_a_resolved_alert_has_its_time_and_keeps_its_highest_score() -> None:
    *_, last = _follow([([(10, 0, 2), (20, 0, 3), (30, 0, 2)], 99)])
    assert (last.alert.score, last.alert.severity) == (0.95, "CRITICAL")
    assert (last.alert.resolved, last.alert.resolved_by) == (True, "padit")
    assert last.alert.resolved_at == format_utc(60)


def test_the_score_is_the_highest_also_below_a_warning() -> None:
    *_, last = _follow([([(10, 0, 1), (20, 0, 2)], 99)], open_at=0.3)
    assert last.alert.score == 0.75
    lower = _follow([([(10, 0, 2), (20, 0, 1)], 99)], open_at=0.3)
    assert _kinds(lower) == [("opened", 10, "a", "WARNING"), ("resolved", 50, "a", "WARNING")]


def test_an_emitted_transition_is_not_changed_by_later_windows() -> None:
    opened, updated, resolved = _follow([([(10, 0, 2), (20, 0, 3)], 99)])
    assert (opened.alert.severity, opened.alert.score) == ("WARNING", 0.75)
    assert not opened.alert.resolved
    assert not updated.alert.resolved
    assert resolved.alert.resolved


def test_evidence_holds_window_features_limits_and_samples() -> None:
    opened, *_ = _follow([([(10_000_000, 0, 3)], 10_000_000)])
    evidence = opened.alert.evidence
    assert evidence["window"] == {
        "start": format_utc(9_999_980), "end": format_utc(10_000_000), "interval_sec": 10e-6,
        "max_samples": 1000,
    }  # fmt: skip
    assert evidence["unit"] == "ms"
    assert evidence["features"]["mean"] == 3.0
    assert evidence["latest"] == {"time_us": [9_999_999], "value": [3.0]}
    assert (len(evidence["digest"]), evidence["samples"]) == (64, 1)
    assert "mean 3 >= 3" in opened.alert.summary
    msgspec.json.encode(evidence)


def test_evidence_holds_every_detector_with_its_parameters_and_the_thresholds() -> None:
    opened, *_ = _follow([([(10_000_000, 0, 3)], 10_000_000)])
    assert (opened.alert.detector["name"], opened.alert.detector["version"]) == ("rule", 2)
    (rule,) = opened.alert.detector["parameters"]["rules"]
    assert [one["limit"] for one in rule["conditions"]] == [1, 2, 3]
    assert rule["source"] == "*"  # a default, not in the configuration
    evidence = opened.alert.evidence
    assert evidence["detectors"] == [{"name": "rule", "version": 2, "score": 0.95}]
    assert evidence["thresholds"] == {
        "open_at": 0.7, "close_at": 0.35, "resolve_after_sec": 30e-6, "accept_after_sec": 7200.0,
        "anomaly_above": 0.5, "warning_from": 0.7, "critical_from": 0.9,
    }  # fmt: skip


def test_evidence_names_only_detectors_that_look_at_the_series() -> None:
    settings = [
        DetectorSetting(name="changepoint", metric="x", parameters={"threshold": 3}),
        DetectorSetting(name="novelty", metric="y"),
        DetectorSetting(name="rule", parameters={"rules": [{"conditions": CONDITIONS}]}),
    ]
    detection = Detection(settings)
    _, detected = detection.step(detection.initial(), _table([(10, 0, 3)], 10))
    winner, said = detection.account(detected, 0)
    assert (winner["name"], [one["name"] for one in said]) == ("rule", ["changepoint", "rule"])
    assert (said[0]["score"], said[0]["parameters"]["threshold"]) == (None, 3.0)
    assert "parameters" not in said[1]


LEVELS = st.dictionaries(
    st.tuples(st.integers(1, 30).map(lambda slot: slot * 10), st.integers(0, 1)),
    st.integers(0, 3),
    max_size=25,
).map(lambda found: [(end, series, level) for (end, series), level in found.items()])


@steady
@given(LEVELS, st.sets(st.integers(0, 40)), st.sampled_from([5, 10, 25, 30]), st.booleans())
def test_transitions_do_not_depend_on_how_time_is_cut(
    levels: list[Level], cuts: set[int], resolve_after: int, reload: bool
) -> None:
    whole = _follow([(levels, 1000)], resolve_after)
    bounds = [0, *sorted(cut * 10 for cut in cuts), 1000]
    steps = [
        ([level for level in levels if low < level[0] <= high], high)
        for low, high in itertools.pairwise(bounds)
    ]
    found = _follow(steps, resolve_after, reload=reload)
    assert [one.to_cloud_event() for one in found] == [one.to_cloud_event() for one in whole]


@steady
@given(LEVELS)
def test_every_alert_opens_first_resolves_last_and_rises_between(levels: list[Level]) -> None:
    lives: dict[str, list[str]] = {}
    found = _follow([(levels, 1000)])
    for one in found:
        lives.setdefault(one.alert.id, []).append(one.kind)
    for kinds in lives.values():
        assert kinds in (["opened", "resolved"], ["opened", "updated", "resolved"])
    assert [one.time for one in found] == sorted(one.time for one in found)
    assert len({one.id for one in found}) == len(found)


def test_damaged_state_and_other_versions_are_a_clear_error() -> None:
    alerts = Alerts(DETECTION, 30, WINDOWS)
    with pytest.raises(StateError, match="damaged"):
        alerts.load(b"\xc1")
    with pytest.raises(StateError, match=r"version 9, this code reads 2: start without"):
        alerts.load(msgspec.msgpack.encode([9, []]))
