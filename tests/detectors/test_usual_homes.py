"""Homes of `usual`: what is visited within a day stays known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from padit.transforms.detectors.usual_homes import HOMES, at_home, keep_home
from padit.transforms.detectors.usual_scale import CENTRE, CHANNEL, HIGH, LOW

DAY = 26 * 3600 * 10**6


def _channel(centre: float) -> NDArray[np.float64]:
    c = np.zeros(CHANNEL)
    c[LOW], c[CENTRE], c[HIGH] = centre - 1.0, centre, centre + 1.0
    return c


@pytest.mark.parametrize(("until", "known"), [(0.0, False), (1.0, True)])
def test_a_home_that_is_visited_each_hour_is_known_for_longer_than_a_day(
    until: float, known: bool
) -> None:
    homes, away = np.zeros(3 * HOMES), _channel(5.0)
    keep_home(homes, _channel(50.0), float(DAY))
    keep_home(homes, away, float(DAY))
    for hour in range(1, 25):
        now = hour * 3600 * 10**6
        assert at_home(homes, away, now, 50.0, until * (now + DAY))
    assert at_home(homes, away, DAY + 1, 50.0, 0.0) == known
    assert not at_home(homes, away, DAY + 1, 70.0, float(2 * DAY))  # no home is there
    assert not at_home(homes, away, 3 * DAY, 50.0, float(4 * DAY))  # not visited for a day
