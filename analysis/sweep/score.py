"""Measures of the alerts of a configuration; docs/sweep.md defines each."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from padit.analysis.report.table import first_delays
from padit.analysis.report.truth import Episode, Match, Truth, match
from padit.analysis.sweep.evaluate import Alerted
from padit.domain.timestamps import MICROS

__all__ = ["Measures", "Wish", "measure", "ranked"]

_DAY = 86_400 * MICROS
_NEAREST = 3


@dataclass(frozen=True, slots=True)
class Wish:
    """The target that configurations are compared with.

    Attributes:
        truths: labels; None where there are none.
        alerts_per_day: target if there are no labels.
        span: first and last event time of the recording, microseconds.
    """

    truths: Sequence[Truth] | None
    alerts_per_day: float
    span: tuple[int, int]

    @property
    def days(self) -> float:
        """Length of the recording, at least a second."""
        return max(self.span[1] - self.span[0], MICROS) / _DAY


@dataclass(slots=True)
class Measures:
    """Measures of one configuration; times in seconds, None: undefined (division by zero).

    Attributes:
        score: for the ranking; F1 with labels, volume times stability without.
        alerts, per_day, flaps: counts.
        precision, recall, f1, found, faults, delay_median, delay_p95: with labels only.
        volume: agreement of the alerts per day with the target, 0 to 1; without labels only.
        halves: balance of the alerts between the halves of the recording, 0 to 1.
        neighbours: agreement with the alerts of neighbouring configurations, 0 to 1.
        stability: mean of the two.
    """

    score: float
    alerts: int
    per_day: float
    flaps: int
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    found: int | None = None
    faults: int | None = None
    delay_median: float | None = None
    delay_p95: float | None = None
    volume: float | None = None
    halves: float = 1.0
    neighbours: float | None = None
    stability: float = 1.0


def measure(
    alerts: Sequence[Sequence[Alerted]],
    windows: Sequence[int],
    places: Sequence[Mapping[str, Any]],
    wish: Wish,
    *,
    grid: bool,
) -> list[Measures]:
    """Measures of every configuration.

    Args:
        alerts: by configuration.
        windows: length of each one's windows, microseconds.
        places: each one's values of the parameters that vary.
        wish: labels or target.
        grid: whether the values are a grid, where a neighbour is one step away.
    """
    near = _neighbours(places, grid=grid)
    by_series = [_intervals(one) for one in alerts]
    found = []
    for number, (mine, window) in enumerate(zip(alerts, windows, strict=True)):
        per_day = len(mine) / wish.days
        halves = _halves(mine, wish.span)
        agreed = [_agreement(by_series[number], by_series[other]) for other in near[number]]
        neighbours = sum(agreed) / len(agreed) if agreed else None
        stability = halves if neighbours is None else (halves + neighbours) / 2
        one = Measures(0.0, len(mine), per_day, _flaps(by_series[number], window))
        one.halves, one.neighbours, one.stability = halves, neighbours, stability
        if wish.truths is None:
            volume = _nearness(per_day, wish.alerts_per_day)
            one.volume, one.score = volume, volume * stability
        else:
            _judge(one, mine, wish.truths, window)
        found.append(one)
    return found


def ranked(measures: Sequence[Measures]) -> list[int]:
    """Numbers of the configurations, the best first.

    Among equal scores a shorter delay comes first, then fewer flaps, then fewer alerts, then the
    order of the trials.
    """
    late = float("inf")

    def order(number: int) -> tuple[float, float, int, float, int]:
        one = measures[number]
        delay = late if one.delay_median is None else one.delay_median
        return (-one.score, delay, one.flaps, one.per_day, number)

    return sorted(range(len(measures)), key=order)


def _judge(one: Measures, alerts: Sequence[Alerted], truths: Sequence[Truth], window: int) -> None:
    lines = _match(alerts, truths, window)
    right = sum(line.verdict == "found" for line in lines)
    delays = np.array(sorted(first_delays(lines).values())) / MICROS
    one.faults, one.found = len(set(truths)), len(delays)
    one.recall = one.found / one.faults
    one.precision = right / len(alerts) if alerts else None
    if one.precision is not None:
        both = one.precision + one.recall
        one.f1 = 2 * one.precision * one.recall / both if both else 0.0
    else:
        one.f1 = 0.0
    one.score = one.f1
    if len(delays):
        one.delay_median, one.delay_p95 = np.quantile(delays, [0.5, 0.95]).tolist()


def _match(alerts: Sequence[Alerted], truths: Sequence[Truth], window: int) -> list[Match]:
    """As `report.match`, source by source: it compares every alert with every truth."""
    mine: dict[str, list[Episode]] = {}
    for number, one in enumerate(alerts):
        episode = Episode(str(number), one.source_id, one.metric_name, 0.0, "", "",
                          [(one.opened, one.severity)], one.resolved)  # fmt: skip
        mine.setdefault(one.source_id, []).append(episode)
    wrong: dict[str, list[Truth]] = {}
    for truth in truths:
        wrong.setdefault(truth.source_id, []).append(truth)
    return [
        line
        for source in sorted(mine.keys() | wrong.keys())
        for line in match(mine.get(source, []), wrong.get(source, []), window)
    ]


Intervals = dict[tuple[str, str], tuple[NDArray[np.int64], NDArray[np.int64]]]


def _intervals(alerts: Sequence[Alerted]) -> Intervals:
    """(opened, resolved) of the alerts of each series, in order of time."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for one in alerts:
        found.setdefault((one.source_id, one.metric_name), []).append((one.opened, one.resolved))
    return {key: (np.array(mine)[:, 0], np.array(mine)[:, 1]) for key, mine in found.items()}


def _flaps(series: Intervals, window: int) -> int:
    return sum(
        int((opened[1:] - resolved[:-1] <= window).sum()) for opened, resolved in series.values()
    )


def _halves(alerts: Sequence[Alerted], span: tuple[int, int]) -> float:
    middle = (span[0] + span[1]) / 2
    first = sum(one.opened < middle for one in alerts)
    second = len(alerts) - first
    return 1.0 if not alerts else 1 - abs(first - second) / len(alerts)


def _agreement(one: Intervals, other: Intervals) -> float:
    """Share of the alerts of both that overlap with an alert of the other on the same series."""
    total = shared = 0
    for left, right in ((one, other), (other, one)):
        for key, (opened, resolved) in left.items():
            total += len(opened)
            if key in right:
                theirs = right[key]
                at = np.searchsorted(theirs[1], opened)
                inside = at < len(theirs[0])
                shared += int((theirs[0][at[inside]] <= resolved[inside]).sum())
    return shared / total if total else 1.0


def _nearness(found: float, wished: float) -> float:
    """The smaller as a share of the larger."""
    most = max(found, wished)
    return 1.0 if most == 0 else min(found, wished) / most


def _neighbours(places: Sequence[Mapping[str, Any]], *, grid: bool) -> list[list[int]]:
    """Numbers of the neighbours of each configuration."""
    if len(places) < 2:
        return [[] for _ in places]
    ranks = np.array([_ranks([place[path] for place in places]) for path in places[0]]).T
    if grid:
        at = {tuple(rank): number for number, rank in enumerate(ranks.tolist())}
        return [_one_step(rank, at) for rank in ranks.tolist()]
    scaled = ranks / np.maximum(ranks.max(axis=0), 1)
    found = []
    for number, place in enumerate(scaled):
        far = np.abs(scaled - place).sum(axis=1)
        order = [one for one in np.argsort(far, kind="stable").tolist() if one != number]
        found.append(order[:_NEAREST])
    return found


def _one_step(rank: Sequence[int], at: Mapping[tuple[int, ...], int]) -> list[int]:
    near = []
    for position, step in itertools.product(range(len(rank)), (-1, 1)):
        other = (*rank[:position], rank[position] + step, *rank[position + 1 :])
        if other in at:
            near.append(at[other])
    return near


def _ranks(values: Sequence[Any]) -> list[int]:
    """Numbers by size, other values in the order of their first use."""
    distinct = list(dict.fromkeys(values))
    if all(isinstance(one, int | float) for one in distinct):
        distinct.sort()
    rank = {value: number for number, value in enumerate(distinct)}
    return [rank[value] for value in values]
