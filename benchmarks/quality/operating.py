"""NAB as an operator meets it: openings of alerts, all rows, real times; and the level.

The figures at the best threshold rank scores. Those here are of the threshold where alerts open,
with the rows of the first day too, which NAB's probation leaves out. An opening is one of the job,
of any detector, at the last sample of its window; points are NAB's, of the score of each sample.

VUS-PR (Paparrizos et al., VLDB 2022): the area under precision and recall of the level, labels
widened by 0, a half and one length of a window, averaged.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.corpus import Array
from benchmarks.quality.scoring import Univariate
from padit.domain.alert import Transition
from padit.domain.config import JobConfig, Levels
from padit.domain.features import FeatureTable
from padit.domain.metric import Series
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection
from padit.transforms.features import compute_features
from padit.transforms.windows import WindowOptions

__all__ = [
    "AGES",
    "Judged",
    "critical_times",
    "judged",
    "measure_operating",
    "opening_times",
    "print_operating",
    "real_times",
    "vus_pr",
]

MICROS = 1_000_000
MINUTE = 60 * MICROS
AGES = (("first 1,024 samples", 0, 1024), ("later", 1024, 2**62))
Ints = NDArray[np.int64]


def real_times(texts: list[str]) -> Ints:
    """Microseconds of the times of a file, those that do not rise moved on by a millisecond."""
    found = [datetime.fromisoformat(one.strip()).replace(tzinfo=UTC) for one in texts]
    time = np.array([int(one.timestamp() * MICROS) for one in found], np.int64)
    for i in range(1, len(time)):
        time[i] = max(time[i], time[i - 1] + 1000)
    return time


class Judged(NamedTuple):
    """A series as the shipped configuration judges it, in windows of a minute.

    Attributes:
        score: of each sample, float64 (n,).
        level: of the window of each sample, float64 (n,).
        transitions: of the job's alerts, in their order.
    """

    score: Array
    level: Array
    transitions: list[Transition]


def judged(time: Ints, value: Array) -> Judged:
    """Scores, levels and alerts of one series from its first sample on."""
    config = JobConfig()
    detection = Detection(config.detectors, levels=Levels.of(config.alerts))
    end = time // MINUTE * MINUTE + MINUTE
    ends, first = np.unique(end, return_index=True)
    size = np.diff(np.append(first, len(time)))
    table = FeatureTable(
        (Series("file", "value"),), ends, np.zeros(len(ends), np.int32),
        compute_features(value, first.astype(np.int64), size.astype(np.int64)),
        np.append(first, len(time)), time, value, int(ends[-1]),
    )  # fmt: skip
    _, detected = detection.step(detection.initial(), table)
    score = np.nan_to_num(detection.samples(detected))
    level = np.repeat(np.nan_to_num(detected.states.level)[: len(size)], size)
    alerts = Alerts.of(detection, config.alerts, WindowOptions(MINUTE, MINUTE, 1000))
    _, transitions = alerts.step(alerts.initial(), detected)
    return Judged(score, level, transitions)


def opening_times(transitions: Iterable[Transition]) -> list[int]:
    """When each alert opened, microseconds."""
    return sorted(one.time for one in transitions if one.kind == "opened")


def critical_times(transitions: Iterable[Transition]) -> list[int]:
    """When each alert that was CRITICAL became so, microseconds."""
    found: dict[str, int] = {}
    for one in transitions:
        if one.alert.severity == "CRITICAL":
            found.setdefault(one.alert.id, one.time)
    return sorted(found.values())


def measure_operating(corpus: Univariate, counted: str = "real") -> dict[str, Any]:
    """Windows found, false openings a series-day by age, and VUS-PR of the level, of a corpus.

    Args:
        corpus: the series with their labelled windows.
        counted: windows and false openings are counted in series whose name begins so.
    """
    open_at = Levels.of(JobConfig().alerts).open_at
    found = windows = critical = critical_false = 0
    days = 0.0
    false = {name: 0 for name, _, _ in AGES}
    areas, scores = [], {}
    for name, (texts, values) in corpus.series.items():
        time = real_times(texts)
        score, level, transitions = judged(time, np.nan_to_num(values))
        scores[name] = score
        of = corpus.windows(name)
        opened = np.searchsorted(time, opening_times(transitions)) - 1
        if of.max(initial=-1) >= 0:
            areas.append(vus_pr(level, of >= 0))
        if not name.startswith(counted):
            continue
        found += len(set(of[opened].tolist()) - {-1})
        windows += len(set(of.tolist()) - {-1})
        days += float(time[-1] - time[0]) / MICROS / 86400
        at = np.searchsorted(time, critical_times(transitions)) - 1
        critical += len(at)
        critical_false += int((of[at] < 0).sum())
        for age, since, until in AGES:
            mine = opened[(opened >= since) & (opened < until)]
            false[age] += int((of[mine] < 0).sum())
    return {
        "threshold": open_at,
        "points": corpus.points_at(scores, open_at),
        "best": corpus.score(scores)["standard"],
        "windows_found": found,
        "windows": windows,
        "series_days": days,
        "false_per_series_day": sum(false.values()) / days,
        "false_by_age": false,
        "critical": critical,
        "critical_false": critical_false,
        "vus_pr": float(np.mean(areas)),
    }


def vus_pr(level: Array, label: NDArray[np.bool_]) -> float:
    """Volume under the surface of precision and recall.

    >>> round(vus_pr(np.r_[np.zeros(50), np.ones(10), np.zeros(50)],
    ...              np.r_[np.zeros(50), np.ones(10), np.zeros(50)] > 0), 1)
    0.8
    """
    begins = np.flatnonzero(np.diff(np.r_[0, label.astype(int)]) == 1)
    ends = np.flatnonzero(np.diff(np.r_[label.astype(int), 0]) == -1)
    length = int(np.median(ends - begins + 1))
    areas = [_area(level, label, begins, ends, share * length // 2) for share in (0, 1, 2)]
    return float(np.mean(areas))


def _area(level: Array, label: NDArray[np.bool_], begins: Any, ends: Any, wide: int) -> float:
    soft = label.astype(float)
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        for away in range(1, wide // 2 + 1):
            weight = float(np.sqrt(1 - away / wide))
            for at in (begin - away, end + away):
                if 0 <= at < len(soft):
                    soft[at] = max(soft[at], weight)
    positive = (label.sum() + soft.sum()) / 2
    points = [(0.0, 1.0)]
    for line in np.unique(np.quantile(level, np.linspace(0, 1, 250)))[::-1]:
        chosen = level >= line
        hits = float(soft[chosen].sum())
        seen = np.mean([chosen[b : e + 1].any() for b, e in zip(begins, ends, strict=True)])
        points.append((min(hits / positive, 1.0) * float(seen), hits / chosen.sum()))
    recall, precision = np.array(points).T
    order = np.argsort(recall, kind="stable")
    recall, precision = recall[order], precision[order]
    return float((np.diff(recall) * (precision[1:] + precision[:-1]) / 2).sum())


def print_operating(name: str, found: Mapping[str, Any], series: str) -> None:
    """One paragraph: the name of the corpus, its figures, and which series were counted."""
    print(
        f"\n{name} at {found['threshold']:g}, where alerts open, with real times and all rows: "
        f"{found['points']:.1f} points (best threshold {found['best']:.1f}); {series}: "
        f"{found['windows_found']} of {found['windows']} windows, "
        f"{found['false_per_series_day']:.4f} false a series-day "
        f"({', '.join(f'{name}: {count}' for name, count in found['false_by_age'].items())}); "
        f"CRITICAL {found['critical']}, of them {found['critical_false']} in no window; "
        f"VUS-PR of the level {found['vus_pr']:.3f}"
    )
