"""Counts of what a key group did, for the conservation line and the end of a run."""

import operator
from typing import NamedTuple

__all__ = ["Counts"]


class Counts(NamedTuple):
    """Counts of an advance, for the conservation line; `series` and `warm` as in `Gained`.

    Attributes:
        waiting: rows taken, less those that a window scored, dropped as repeats or refused.
        dead_lettered: rows of series beyond the limit.
        series_evicted: series whose state made room for others.
        judged_hours, budget_alerts, budget_more: of the budget of alerts, see `Spent`.
    """

    scored: int = 0
    duplicate: int = 0
    windows: int = 0
    anomalies: int = 0
    alerts: int = 0
    series: int = 0
    warm: int = 0
    waiting: int = 0
    dead_lettered: int = 0
    series_evicted: int = 0
    judged_hours: int = 0
    budget_alerts: int = 0
    budget_more: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """The sum of both."""
        return Counts(*map(operator.add, self, other))
