"""States of a season of `usual`, given by the names of their slots."""

import numpy as np
from numpy.typing import NDArray

from padit.transforms.detectors import usual_season as season
from padit.transforms.detectors.usual_evidence import DOWN, UP
from padit.transforms.detectors.usual_season import (
    DAY,
    HALF_HOUR,
    OF_DAYS,
    OF_WEEKS,
    RING,
    WEEK,
    season_judge,
    season_learn,
)

__all__ = ["BOTH", "NOW", "Found", "judged", "learn", "put", "returning", "slots_of", "state"]

BOTH = UP | DOWN
Found = NDArray[np.float64]
Slots = NDArray[np.float32]
NOW = 10_000  # a half hour


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


def slots_of(**seen: tuple[float, float]) -> Slots:
    """Half hours before `NOW`, such as d2 for two days ago, w1 for a week, h3 for three of them."""
    slots = np.full(2 * RING, np.nan, np.float32)
    for name, (low, high) in seen.items():
        back = int(name[1:]) * {"h": 1, "d": DAY, "w": WEEK}[name[0]]
        put(slots, NOW - back, low, high)
    return slots


def put(slots: Slots, at: int, low: float, high: float) -> None:
    slots[2 * (at % RING) : 2 * (at % RING) + 2] = low, high


def learn(s: Found, slots: Slots, y: float = 1.0, now: int = NOW, *, few: bool = False) -> Found:
    season_learn(s, slots, (now - 1) * HALF_HOUR + 7, y, few)
    assert s[season.NOW] == now
    return s
