"""Slopes of what a process holds, from samples of each of its lives; extrapolated to a day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["Slope", "floor", "lives", "robust_slope", "slope_of"]

Point = tuple[float, float]
_MOST_POINTS = 400


@dataclass(frozen=True)
class Slope:
    """How something grows.

    Attributes:
        median: of its values.
        hour: by how much it grows an hour; None without enough points.
        seconds: length of what it is from.
    """

    median: float
    hour: float | None
    seconds: float

    @property
    def day(self) -> float | None:
        """By how much it would grow in 24 hours."""
        return None if self.hour is None else 24 * self.hour


def robust_slope(points: Sequence[Point]) -> float:
    """The median of the slopes of all pairs (Theil 1950, Sen 1968): a third may be outliers.

    >>> robust_slope([(0, 1.0), (1, 2.0), (2, 300.0), (3, 4.0), (4, 5.0)])
    1.0
    """
    step = max(1, len(points) // _MOST_POINTS)
    times, values = np.array(points[::step], dtype=float).T
    first, second = np.triu_indices(len(times), 1)
    ahead = times[second] - times[first]
    return float(np.median((values[second] - values[first])[ahead > 0] / ahead[ahead > 0]))


def lives(samples: Iterable[dict[str, Any]]) -> dict[str, list[list[Point]]]:
    """Seconds and MB of each process by its name: a list for each life (process id)."""
    found: dict[str, dict[int, list[Point]]] = {}
    for sample in samples:
        for name, one in sample["memory"].items():
            life = found.setdefault(name, {}).setdefault(one["pid"], [])
            life.append((sample["at"], one["mb"]))
    return {name: list(by_pid.values()) for name, by_pid in found.items()}


def floor(points: Sequence[Point], seconds: float = 120.0) -> list[Point]:
    """The least value of every `seconds`: what a collected heap still holds.

    >>> floor([(0, 5.0), (60, 9.0), (130, 6.0), (190, 4.0)])
    [(0, 5.0), (190, 4.0)]
    """
    best: dict[int, Point] = {}
    for at, value in points:
        slot = int((at - points[0][0]) // seconds)
        if slot not in best or value < best[slot][1]:
            best[slot] = (at, value)
    return list(best.values())


def slope_of(points: Sequence[Point], settle: float = 300.0, least: float = 600.0) -> Slope:
    """The slope of one life without its first `settle` seconds, if `least` are left."""
    kept = [one for one in points if one[0] - points[0][0] >= settle]
    median = float(np.median([value for _, value in kept or points]))
    span = kept[-1][0] - kept[0][0] if kept else 0.0
    if span < least or len(kept) < 10 or not any(a[0] < b[0] for a, b in pairwise(kept)):
        return Slope(median, None, span)
    return Slope(median, 3600 * robust_slope(kept), span)
