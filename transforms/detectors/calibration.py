"""The meaning of a score, the same for every detector.

Each detector measures something of its own (a distance, a T2, a gap in units of its limit). This
scale turns it into a score:

    score = m / (m + 3/7 w)

with w the measure that deserves a warning: 0.7 at w, 0.9 at 3.86 w, monotone, without a step. A
detector sets its w so that ordinary series pass 0.7 about once in 10,000 samples (a day at one
sample in nine seconds) and 0.9 about once in 30,000. docs/detectors/calibration.md shows the
measured rates and reliability diagrams; `make quality` writes both again.

`measured_confidence` is the share of results with that score which were right, as measured on the
labelled corpora: of alarms those within a labelled window, of others those outside.
"""

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["CRITICAL_AT", "WARNING_AT", "measured_confidence", "score_of"]

WARNING_AT = 0.7
CRITICAL_AT = 27 / 7  # times the measure that scores 0.7 scores 0.9
# Scores, and the share of results with them that lay in labelled windows.
_RIGHT = ((0.0, 0.01), (0.5, 0.45), (0.7, 0.55), (0.9, 0.9), (1.0, 0.98))


def score_of(measure: NDArray[np.float64], warning: float) -> NDArray[np.float64]:
    """Scores (any shape) in [0, 1) of measures from 0 on; NaN stays NaN.

    >>> score_of(np.array([0.0, 2.0, 54 / 7]), 2.0).round(3).tolist()
    [0.0, 0.7, 0.9]
    """
    score: NDArray[np.float64] = measure / (measure + 3 / 7 * warning)
    return score


def measured_confidence(score: float, anomaly: bool) -> float:
    """How likely a result is right, from its score.

    >>> measured_confidence(0.9, True), measured_confidence(0.0, False)
    (0.9, 0.99)
    """
    right = _between(min(max(score, 0.0), 1.0))
    return round(right if anomaly else 1.0 - right, 3)


def _between(score: float) -> float:
    """On the straight lines through the measured points; a score that is NaN has no share."""
    for (left, low), (right, high) in pairwise(_RIGHT):
        if score <= right:
            return low + (high - low) * ((score - left) / (right - left))
    return math.nan
