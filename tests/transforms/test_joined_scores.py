"""The compiled steps of joining scores are those of numpy, to the bit."""

from types import SimpleNamespace
from typing import cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from padit.domain.alert import CRITICAL_FROM
from padit.domain.config import Levels
from padit.transforms.alert_windows import flags_of
from padit.transforms.budget import Lines
from padit.transforms.detect import DetectionResult
from padit.transforms.detectors.calibration import score_of
from padit.transforms.detectors.directions import NO_SAMPLES, scored
from padit.transforms.levels import highest
from tests.codecs.samples import steady

_NUMBERS = st.one_of(
    st.floats(0, allow_infinity=True, allow_nan=False), st.sampled_from([0.0, float("nan"), 1.0])
)


def _matrix(rows: int) -> st.SearchStrategy[NDArray[np.float64]]:
    column = st.lists(_NUMBERS, min_size=rows, max_size=rows)
    return st.lists(column, min_size=1, max_size=5).map(lambda x: np.array(x, np.float64).T.copy())


@steady
@given(st.integers(1, 5).flatmap(_matrix))
def test_the_highest_of_each_column_is_that_of_fmax(matrix: NDArray[np.float64]) -> None:
    assert highest(matrix).tobytes() == np.fmax.reduce(matrix, axis=0).tobytes()


def test_without_a_detector_nothing_is_highest() -> None:
    assert np.isnan(highest(np.empty((0, 3)))).tolist() == [True] * 3


@steady
@given(_matrix(4), st.sampled_from([0.1, 0.3, 1.0, 7.0]), st.booleans())
def test_scores_of_a_kernel_are_those_of_the_scale(
    facts: NDArray[np.float64], sensitivity: float, with_severe: bool
) -> None:
    sample = facts[3].copy()
    places = (1, 2, 3 if with_severe else -1)
    scores, of_sample = facts.copy(), sample.copy()
    accepted, severe = scored(scores, places, of_sample, sensitivity)
    event, level = scores[0], scores[1]
    is_severe = (facts[3] > 0) & with_severe
    with np.errstate(invalid="ignore", over="ignore"):
        news = score_of(np.where(is_severe, facts[3], facts[0] * sensitivity), 1.0)
        assert np.array_equal(event, news, equal_nan=True)
        assert np.array_equal(level, score_of(facts[1] * sensitivity, 1.0), equal_nan=True)
        assert np.array_equal(of_sample, score_of(sample * sensitivity, 1.0), equal_nan=True)
    assert accepted.tolist() == (facts[2] > 0).tolist()
    assert severe.tolist() == is_severe.tolist()
    assert scores[2:].tobytes() == facts[2:].tobytes()
    scored(facts, places, NO_SAMPLES, sensitivity)
    assert facts.tobytes() == scores.tobytes()


_SCORES = st.one_of(st.floats(0, 1), st.sampled_from([0.5, 0.7, 0.9, float("nan")]))


@steady
@given(st.lists(st.tuples(*[_SCORES] * 5), min_size=1, max_size=6))
def test_what_windows_are_to_alerts_is_what_their_scores_say(rows: list[tuple[float, ...]]) -> None:
    calibrated, stated, level, open_at, critical_at = np.array(rows).T.copy()
    detected = SimpleNamespace(
        table=rows, calibrated=calibrated, stated=stated, states=SimpleNamespace(level=level)
    )
    levels = Levels()
    news, keeps, critical = flags_of(
        cast(DetectionResult, detected), Lines(open_at, critical_at), levels
    )
    assert news.tolist() == ((calibrated >= open_at) | (stated >= levels.open_at)).tolist()
    assert keeps.tolist() == (news | (level >= levels.close_at)).tolist()
    assert critical.tolist() == ((calibrated >= critical_at) | (stated >= CRITICAL_FROM)).tolist()
