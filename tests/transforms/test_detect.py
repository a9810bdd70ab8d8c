"""Several detectors over one table: patterns, the composite score, state by name."""

import numpy as np
import pytest

from padit.domain.config import DetectorSetting
from padit.domain.errors import StateError
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.detect import Detection
from padit.transforms.detectors import registry
from padit.transforms.detectors.rule import RuleDetector, RuleParameters


def _rule(limit: float, **patterns: str) -> DetectorSetting:
    rules = [{"conditions": [{"feature": "mean", "limit": limit, "adds": 1.0}]}]
    return DetectorSetting(name="rule", parameters={"rules": rules}, **patterns)


def _table(*means: float) -> FeatureTable:
    n = len(means)
    series = tuple(Series(f"s{i}", "m") for i in range(n))
    nothing = np.empty(0)
    return FeatureTable(
        series,
        np.full(n, 10),
        np.arange(n, dtype=np.int32),
        {"mean": np.array(means)},
        np.zeros(n + 1, np.int64),
        nothing.astype(np.int64),
        nothing,
        10,
    )


def test_the_composite_is_the_highest_score() -> None:
    detection = Detection([_rule(5), _rule(50)])
    _, detected = detection.step(detection.initial(), _table(1, 10, 100))
    assert detected.matrix.tolist() == [[0, 1, 1], [0, 0, 1]]
    assert detected.composite.tolist() == [0, 1, 1]
    assert detected.anomaly.tolist() == [False, True, True]


def test_a_detector_gives_no_score_to_series_its_patterns_do_not_match() -> None:
    detection = Detection([_rule(5, source="s1")])
    _, detected = detection.step(detection.initial(), _table(10, 10))
    assert np.isnan(detected.composite[0])
    assert detected.composite[1] == 1
    assert detected.anomaly.tolist() == [False, True]


def test_no_detectors_and_no_rows_are_no_error() -> None:
    nothing = Detection([])
    _, detected = nothing.step((), _table(1, 2))
    assert np.isnan(detected.composite).tolist() == [True, True]
    some = Detection([_rule(5)])
    _, detected = some.step(some.initial(), _table())
    assert detected.composite.shape == (0,)


def test_state_of_other_detectors_is_refused_by_name() -> None:
    one, two = Detection([_rule(5)]), Detection([_rule(5), _rule(6)])
    assert two.load(two.dump(two.initial())) == two.initial()
    with pytest.raises(StateError, match=r"belongs to the detectors .*start without"):
        two.load(one.dump(one.initial()))


def test_a_description_names_detector_scores_and_features() -> None:
    detection = Detection([_rule(5), _rule(50)])
    _, detected = detection.step(detection.initial(), _table(10))
    score = detection.describe(detected, 0)
    assert (score.source_id, score.metric_name, score.composite) == ("s0", "m", 1.0)
    assert score.detector == {"name": "rule", "version": 2}
    assert score.evidence["features"] == {"mean": 10.0}
    assert "mean 10 > 5" in score.evidence["text"]


@pytest.mark.parametrize(("mean", "anomaly", "confidence"), [(10, True, 0.8), (1, False, 0.9)])
def test_a_rule_is_less_sure_of_an_anomaly_than_of_an_ordinary_window(
    mean: float, anomaly: bool, confidence: float
) -> None:
    detection = Detection([_rule(5)])
    _, detected = detection.step(detection.initial(), _table(mean))
    score = detection.describe(detected, 0)
    assert (score.is_anomaly, score.confidence) == (anomaly, confidence)


@pytest.mark.parametrize("anomaly", [True, False])
@pytest.mark.parametrize("name", registry())
def test_the_confidence_of_every_detector_is_a_share(name: str, anomaly: bool) -> None:
    detector = object.__new__(registry()[name])  # the rule needs no parameters
    shares = [detector.confidence(score, anomaly) for score in (0.0, 0.5, 0.9, 1.0)]
    assert all(0 <= share <= 1 for share in shares)


def test_the_detector_that_decided_states_how_sure_it_is() -> None:
    class Unsure(RuleDetector):
        def confidence(self, score: float, anomaly: bool) -> float:
            return 0.25

    detection = Detection([_rule(5)], lambda _, parameters: Unsure(RuleParameters(**parameters)))
    _, detected = detection.step(detection.initial(), _table(10))
    assert detection.describe(detected, 0).confidence == 0.25
