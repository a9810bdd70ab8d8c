"""How long a series of two levels stays on one of them; a part of `lasting`.

A series that is now high and now low (a pump, a batch, a duty cycle) lies within 1.25 deviations of
its mean on either side, so sums of distances say nothing. What it has are stays: from where it
crosses half a deviation on one side to where it does on the other. Of each side their number n,
mean, sum of squared deviations and longest are known, and a stay is news beyond

    limit = max(1.5 longest, mean + 6 (1 + 4/n) s, mean + 4 windows)

after eight of them. Stays of exponential length, as a random telegraph has, go beyond that once in
20,000; those of a rule (a timer, a thermostat) have little spread, so twice the usual is news.
Judged is only what has two levels: the mean fourth power of the distances (1 if all are one
deviation, 1.5 of a sine, 3 of noise) is at most 1.5; and stays last three windows or more.
"""

import math

import numpy as np
from numpy.typing import NDArray

from padit.ops.compiled import lean_kernel

__all__ = ["STAY", "stay"]

Array = NDArray[np.float64]
# Numbers of both sides: which one, for how long, and the sum of how far; then of each side.
AT, LASTS, AWAY, SHAPE, KNOWN = 0, 1, 2, 3, 4
NUMBER, MEAN, SQUARES, LONGEST, REPORTED = 0, 1, 2, 3, 4
OF_SIDE = 5
STAY = KNOWN + 2 * OF_SIDE
CROSSED, LEAST_STAYS, MEMORY = 0.5, 8.0, 64.0
SPREADS, LONGER, WINDOWS, CAP = 6.0, 1.5, 4.0, 1.5
NOISE, TWO, SHORT, SLOWLY = 3.0, 1.5, 3.0, 256.0


@lean_kernel
def stay(p: Array, z: float, opened: bool, judge: bool) -> tuple[float, int]:
    """How long the series has been on its side as a share of what would be news, and the side.

    Args:
        p: float64 (STAY,).
        z: how far the window lies from the mean, in deviations.
        opened: whether an alert is open: what it reported is learnt each third time only.
        judge: whether the series is known.
    """
    if judge and not opened:
        p[SHAPE] += (min(z * z * z * z, 81.0) - NOISE - p[SHAPE]) / SLOWLY
    now = 1.0 if z >= CROSSED else (-1.0 if z <= -CROSSED else p[AT])
    if now != p[AT]:
        if p[AT] != 0:
            side = KNOWN if p[AT] > 0 else KNOWN + OF_SIDE
            _learn_stay(p[side : side + OF_SIDE], p[LASTS], opened)
        p[AT], p[LASTS], p[AWAY] = now, 0.0, 0.0
    if now == 0:
        return 0.0, 0
    p[LASTS] += 1.0
    p[AWAY] += min(now * z, 3.0)
    number = 0 if now > 0 else 1
    k = p[KNOWN + number * OF_SIDE : KNOWN + (number + 1) * OF_SIDE]
    other = p[KNOWN + (1 - number) * OF_SIDE]
    if not judge or min(k[NUMBER], other) < LEAST_STAYS or p[SHAPE] > TWO - NOISE:
        return 0.0, number
    if k[MEAN] < SHORT or p[AWAY] < CROSSED * p[LASTS]:
        return 0.0, number
    spread = math.sqrt(k[SQUARES] / k[NUMBER])
    limit = max(LONGER * k[LONGEST], k[MEAN] + SPREADS * (1.0 + 4.0 / k[NUMBER]) * spread)
    return float(min(p[LASTS] / max(limit, k[MEAN] + WINDOWS), CAP)), number


@lean_kernel
def _learn_stay(k: Array, lasted: float, opened: bool) -> None:
    """Put a stay that ended into what is known of its side (Welford 1962), of 64 at most."""
    if opened:
        k[REPORTED] += 1.0
        if k[REPORTED] % 3.0 != 0.0:
            return
    n = min(k[NUMBER] + 1.0, MEMORY)
    if k[NUMBER] >= MEMORY:
        k[SQUARES] *= 1.0 - 1.0 / MEMORY
        k[LONGEST] *= 1.0 - 1.0 / 512
    away = lasted - k[MEAN]
    k[MEAN] += away / n
    k[SQUARES] += away * (lasted - k[MEAN])
    k[LONGEST] = max(k[LONGEST], lasted)
    k[NUMBER] = n
