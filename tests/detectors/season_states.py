"""States of a season of `usual`, given by the names of their slots."""

import numpy as np
from numpy.typing import NDArray

from padit.transforms.detectors import usual_season as season
from padit.transforms.detectors.usual_evidence import DOWN, UP
from padit.transforms.detectors.usual_season import OF_DAYS, OF_WEEKS, season_judge

__all__ = ["BOTH", "Found", "judged", "returning", "state"]

BOTH = UP | DOWN
Found = NDArray[np.float64]


def state(**given: float) -> Found:
    s = np.zeros(season.SEASON)
    for name, value in given.items():
        place = getattr(season, name.removeprefix("D_").removeprefix("W_"))
        s[place + {"D": OF_DAYS, "W": OF_WEEKS}.get(name[: name.find("_")] or "", 0)] = value
    return s


def returning(**given: float) -> Found:
    """A season that explains all: five days between 10 and 20, judged since long, never wrong."""
    usual: dict[str, float] = {
        "DAYS": 5, "LOW": 10, "HIGH": 20, "STRICT_LOW": 10, "STRICT_HIGH": 20, "SEEN": 1e9,
        "D_COMPARED": 48, "D_BETWEEN": 2.0, "D_ERROR": 1.0, "D_TOTAL": 2.0,
    }  # fmt: skip
    return state(**(usual | given))


def judged(
    s: Found, y: float, *, directions: int = BOTH, learn: bool = True, doubt: float = 1.0
) -> tuple[float, int]:
    verdict, context = season_judge(s, y, directions, learn, doubt)
    return float(verdict), int(context)
