"""What a fleet memory could save on factories: offline, with the alerts that the job opens today.

    python -m benchmarks.quality.fleet [--seeds 1,2,3,4]

An opening is silenced if `usual` told a level below 0.9, and the window's median lies no farther
out than windows of two other machines did before, outside of their own alerts. Once in the unit of
the metric ("absolute"), once from each machine's own median so far ("relative"). Nothing of this is
in the job: see docs/adr/0042.
"""

import argparse
from collections import Counter, defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.machines import HOURS, MACHINES, START, WINDOWS, belongs
from padit.adapters.factory import Factory
from padit.adapters.factory_faults import FAULTS, schedule_faults
from padit.domain.alert import CRITICAL_FROM, Transition
from padit.domain.config import JobConfig, Levels
from padit.domain.rows import Rows
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection
from padit.transforms.windows import close_windows

__all__ = ["Watched", "silenced", "watched"]

RULES = ("today", "absolute", "relative")
LEVELS = ("above its", "below its", "higher than usual", "lower than usual")
Key = tuple[str, str]


class Watched(NamedTuple):
    """A factory as the job saw it.

    Attributes:
        opened: openings in their order.
        end: of the windows of each series, microseconds.
        median: of their values.
        calm: bool, whether no alert of the series was open.
    """

    opened: list[Transition]
    end: dict[Key, NDArray[np.int64]]
    median: dict[Key, NDArray[np.float64]]
    calm: dict[Key, NDArray[np.bool_]]


def watched(factory: Factory) -> Watched:
    """Run windows, detectors and alerts of the default over a factory."""
    config = JobConfig()
    detection = Detection(config.detectors, levels=Levels.of(config.alerts))
    alerts = Alerts.of(detection, config.alerts, WINDOWS)
    states, followed = detection.initial(), alerts.initial()
    kept, closed = Rows.empty(), -(2**40)
    windows: dict[Key, list[tuple[int, float]]] = defaultdict(list)
    transitions: list[Transition] = []
    for block in factory.blocks(HOURS * 3600, START):
        closing = WINDOWS.slot_before(int(block.time[-1]))
        result = close_windows([kept, block], closed, closing, WINDOWS)
        kept, closed = result.kept, closing
        states, detected = detection.step(states, result.table)
        for row in range(len(result.table)):
            series = result.table.series[result.table.code[row]]
            _, value = result.table.window(row)
            windows[series.key].append((int(result.table.window_end[row]), float(np.median(value))))
        followed, found = alerts.step(followed, detected)
        transitions += found
    end = {key: np.array([one for one, _ in some], np.int64) for key, some in windows.items()}
    median = {key: np.array([one for _, one in some]) for key, some in windows.items()}
    opened = [one for one in transitions if one.kind == "opened"]
    return Watched(opened, end, median, {key: _calm(key, end[key], transitions) for key in end})


def _calm(key: Key, end: NDArray[np.int64], transitions: list[Transition]) -> NDArray[np.bool_]:
    calm, since = np.ones(len(end), bool), None
    for one in transitions:
        if (one.alert.source_id, one.alert.metric_name) != key:
            continue
        if one.kind == "opened":
            since = one.time - WINDOWS.size
        elif one.kind == "resolved" and since is not None:
            calm &= (end < since) | (end > one.time)
            since = None
    return calm if since is None else calm & (end < since)


def silenced(seen: Watched, one: Transition, rule: str) -> bool:
    """Whether two other machines had been as far out as the window of an opening."""
    alert = one.alert
    told = alert.detector["name"] == "usual" and any(words in alert.summary for words in LEVELS)
    if rule == "today" or not told or alert.score >= CRITICAL_FROM:
        return False
    key = (alert.source_id, alert.metric_name)
    so_far = seen.median[key][seen.end[key] <= one.time]
    usual, now = float(np.median(so_far)), float(so_far[-1])
    side = 1.0 if now >= usual else -1.0
    peers = 0
    for other, end in seen.end.items():
        if other[1] != key[1] or other[0] == key[0]:
            continue
        before = seen.median[other][end <= one.time]
        known = before[seen.calm[other][end <= one.time]]
        apart = float(np.median(before)) - usual if rule == "relative" else 0.0
        peers += bool((side * (known - apart) >= side * now).any())
    return peers >= 2


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.quality.fleet", description=__doc__)
    parser.add_argument("--seeds", default="1,2,3,4")
    seeds = [int(one) for one in parser.parse_args().seeds.split(",")]
    found: Counter[tuple[str, str]] = Counter()
    for seed in seeds:
        faults = schedule_faults(FAULTS, MACHINES, HOURS * 3600, seed)
        factory = Factory(MACHINES, seed, 1.0, faults)
        labels, seen = factory.labels(START), watched(factory)
        for rule in RULES:
            left = [one for one in seen.opened if not silenced(seen, one, rule)]
            of = [[label for label in labels if belongs(one, label)] for one in left]
            found[rule, "false"] += sum(not some for some in of)
            found[rule, "faults"] += sum(any(label in some for some in of) for label in labels)
        found["all", "faults"] += len(labels)
    days = len(seeds) * MACHINES * HOURS / 24
    for rule in RULES:
        false = found[rule, "false"]
        print(
            f"{rule:9} {found[rule, 'faults']} of {found['all', 'faults']} faults, {false} false "
            f"alerts ({false / days:.2f} a machine-day)"
        )


if __name__ == "__main__":
    main()
