"""A channel of `usual`, its numbers given by name."""

import numpy as np
from numpy.typing import NDArray

from padit.transforms.detectors import usual_scale as scale
from padit.transforms.detectors.usual_scale import CHANNEL, SIDES

__all__ = ["Channel", "channel"]

Channel = NDArray[np.float64]


def channel(**given: float) -> Channel:
    """Centre 0, quartiles at one, edges at two, units of one; swings as white noise."""
    usual: dict[str, float] = {
        "LOW": -1, "HIGH": 1, "COUNT": 600, "SWINGS": 3, "RECENT": 24, "LEAST": -2, "MOST": 2,
    }  # fmt: skip
    c = np.zeros(CHANNEL)
    for side in (SIDES, SIDES + 5):
        c[side + scale.EDGE], c[side + scale.UNIT], c[side + scale.WIDTH] = 2.0, 1.0, 1.0
    for name, value in (usual | given).items():
        c[getattr(scale, name)] = value
    return c
