"""What a series says of itself decides which side is news, and what is never the new normal."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.domain.attributes import AttributeColumn, Attributes, BadEnd
from padit.domain.config import DetectorSetting, Levels, SeriesSetting
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.domain.series_rules import SeriesRules
from padit.transforms.detect import Detection
from padit.transforms.detectors.directions import NEVER_ACCEPTED, at_bad_end, directions_of
from padit.transforms.detectors.relation import RelationDetector, RelationParameters
from padit.transforms.detectors.usual import UsualDetector, UsualParameters

MINUTE = 60_000_000
START = 1_772_409_600_000_000
Bounds = tuple[float | None, float | None]


def _table(
    value: NDArray[np.float64], bounds: Bounds | None, bad: BadEnd | None = None
) -> FeatureTable:
    """Six samples a window of a minute."""
    n = len(value) // 6
    stated = AttributeColumn([Attributes("custom", (), bounds, bad)], np.zeros(1, np.int32), True)
    return FeatureTable(
        (Series("host", "disk_percent", "%"),), START + (1 + np.arange(n)) * MINUTE,
        np.zeros(n, np.int32), {}, np.arange(n + 1) * 6,
        START + np.arange(len(value)) * MINUTE // 6, value, START + n * MINUTE, attributes=stated,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bounds", "never"),
    [
        (None, [0, 0, 0, 0]),
        ((0.0, 100.0), [1, 0, 1, 1]),
        ((None, 100.0), [0, 0, 0, 1]),
        ((0.0, None), [1, 0, 0, 0]),
        ((-1e308, 1e308), [0, 0, 0, 0]),
    ],
)
def test_windows_with_a_sample_at_a_stated_bound_are_never_accepted(
    bounds: Bounds | None, never: list[int]
) -> None:
    value = np.repeat([0.0, 50.0, 98.5, 100.0], 6)
    found = directions_of(_table(value, bounds)) & NEVER_ACCEPTED
    assert (found > 0).tolist() == [one > 0 for one in never]


def test_a_window_without_samples_reaches_no_bound() -> None:
    table = _table(np.full(12, 100.0), (0.0, 100.0))
    empty = FeatureTable(
        table.series, table.window_end, table.code, {}, np.array([0, 0, 12]), table.time,
        table.value, table.closed_until, attributes=table.attributes,
    )  # fmt: skip
    assert (directions_of(empty) & NEVER_ACCEPTED > 0).tolist() == [False, True]


@pytest.mark.parametrize(
    ("bounds", "accepted"), [(None, True), ((0.0, 100.0), False), ((0.0, 200.0), True)]
)
def test_a_disk_that_stays_full_is_not_the_new_normal(
    bounds: Bounds | None, accepted: bool
) -> None:
    value = 55 + np.random.default_rng(1).normal(size=6 * 900)
    value[6 * 500 :] = 99.9 - 0.1 * np.random.default_rng(2).random(6 * 400)
    detector = UsualDetector(UsualParameters.model_validate({}), Levels(accept_after=60 * MINUTE))
    _, scores = detector.step(detector.initial(), _table(value, bounds))
    assert scores.sample is not None
    assert scores.accepted is not None
    assert (scores.sample[6 * 500 :] >= 0.7).sum() >= 1
    assert scores.accepted.any() == accepted


@pytest.mark.parametrize(
    ("bad", "never"), [("high", [0, 0, 1, 1]), ("low", [1, 0, 0, 0]), ("both", [1, 0, 1, 1])]
)
def test_only_the_bad_end_of_the_bounds_is_never_accepted(bad: BadEnd, never: list[int]) -> None:
    table = _table(np.repeat([0.0, 50.0, 98.5, 100.0], 6), (0.0, 100.0), bad)
    assert at_bad_end(table).tolist() == [one > 0 for one in never]


@pytest.mark.parametrize(
    ("metric", "unit", "family", "bad"),
    [
        ("disk_used_percent", "%", None, "high"),
        ("disk_free_percent", "%", None, "low"),
        ("battery.charge", "%", None, "low"),
        ("up", "1", None, "low"),
        ("cpu_busy", "ratio", None, "high"),
        ("valve_position", "mm", None, "both"),
        ("updates", "mm", None, "both"),  # a word is a whole one
        ("probe_success", "1", "availability", "low"),
        ("cpu_idle_percent", "%", "error_rate", "high"),  # the family comes first
        ("requests", "1/s", "throughput", "low"),
        ("rtt", "ms", "latency", "high"),
    ],
)
def test_which_end_is_bad_follows_from_family_name_and_unit(
    metric: str, unit: str, family: str | None, bad: str
) -> None:
    given = {} if family is None else {"metric_type": family}
    rules = SeriesRules([SeriesSetting.model_validate({"bounds": (0, 1), **given})])
    assert rules.over(Series("a", metric, unit)).bad == bad
    stated = SeriesSetting.model_validate({"bounds": (0, 1), "bad": "both", **given})
    assert SeriesRules([stated]).over(Series("a", metric, unit)).bad == "both"
    assert SeriesRules([SeriesSetting(unit=unit)]).over(Series("a", metric, unit)).bad is None


@pytest.mark.parametrize(
    ("family", "bounds", "accepted"),
    [
        ("custom", None, True),
        ("availability", None, False),
        ("custom", (0.0, 45.0), False),
        ("custom", (45.0, 90.0), True),
    ],
)
def test_a_relation_is_not_learnt_anew_at_a_bad_end(
    family: str, bounds: Bounds | None, accepted: bool
) -> None:
    chance = np.random.default_rng(3)
    flow = 30 + np.convolve(chance.normal(size=900), 0.8 ** np.arange(20), "same")
    power = 2 * flow + 0.2 * chance.normal(size=900)
    power[600:] = 45 - 0.5 * chance.random(300)
    end = np.repeat(START + (1 + np.arange(900)) * MINUTE, 2)
    kinds = [Attributes(), Attributes(family, (), bounds, "high" if bounds else None)]
    code = np.tile(np.arange(2, dtype=np.int32), 900)
    value = np.array([flow, power]).T.ravel()
    table = FeatureTable(
        (Series("a", "flow"), Series("a", "power")), end, code, {}, np.arange(1801), end - 1, value,
        int(end[-1]), attributes=AttributeColumn(kinds, np.arange(2, dtype=np.int32), True),
    )  # fmt: skip
    detector = RelationDetector(
        RelationParameters.model_validate({}), Levels(accept_after=60 * MINUTE)
    )
    _, scores = detector.step(detector.initial(), table)
    assert scores.accepted is not None
    assert (scores.score[1::2][600:] >= 0.7).sum() >= 1
    assert scores.accepted[1::2].any() == accepted


def test_no_detector_has_its_alert_accepted_at_a_bad_end() -> None:
    detection = Detection(
        [DetectorSetting(name="novelty")], rules=SeriesRules([SeriesSetting(bounds=(0, 100))])
    )
    value = 55 + np.random.default_rng(1).normal(size=600)
    value[300:] = 100
    table = _table(value, None)
    table = replace(table, attributes=None, features={"count": np.full(100, 6.0)})
    _, detected = detection.step(detection.initial(), table)
    assert detected.states.held.tolist() == [False] * 50 + [True] * 50
