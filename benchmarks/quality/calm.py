"""False alerts of the shipped configuration over series with nothing wrong in them.

    python -m benchmarks.quality.calm                   all samplings; writes build/calm.json
    python -m benchmarks.quality.calm --step 60 --seeds 11,12,13

Each series of `calm_series` goes through detectors and alerts as in the job, in windows of a
minute, from its first sample on. Every alert that opens is false. Printed are those of the first
day of a series and of later ones, a series-day, against the budget; by family and by what reported
them; and how many of them were CRITICAL, which has a budget of its own.
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.quality.calm_series import FAMILIES, KINDS, calm_series
from benchmarks.quality.corpus import Array
from benchmarks.quality.operating import judged
from padit.domain.config import AlertSettings, Budget

__all__ = ["DAYS", "FalseAlert", "false_alerts", "measure_calm", "print_calm"]

ROOT = Path(__file__).resolve().parents[2]
SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_772_409_600 * SECOND
DAYS = {1.0: 3.0, 60.0: 14.0, 300.0: 28.0, 900.0: 56.0, 3600.0: 112.0}
"""How long the series of a sampling are, by seconds between samples."""
SEEDS = (201, 202, 203)
KIND_OF = {family: kind for kind, some in KINDS.items() for family in some}


class FalseAlert(NamedTuple):
    """An alert that opened although nothing is wrong.

    Attributes:
        family: of its series.
        first_day: whether it opened in the first day of it.
        by: the detector, and what it reported.
        critical: whether it was CRITICAL at any time.
    """

    family: str
    first_day: bool
    by: str
    critical: bool


def false_alerts(family: str, values: Array, step: float) -> list[FalseAlert]:
    """The alerts of one series, in their order."""
    time = START + np.round(np.arange(len(values)) * step * SECOND).astype(np.int64)
    transitions = judged(time, values).transitions
    critical = {one.alert.id for one in transitions if one.alert.severity == "CRITICAL"}
    return [
        FalseAlert(
            family,
            one.time - START <= DAY,
            f"{one.alert.detector['name']}: {_what(one.alert.evidence)}",
            one.alert.id in critical,
        )
        for one in transitions
        if one.kind == "opened"
    ]


def _what(evidence: dict[str, Any]) -> str:
    reasons = evidence.get("reasons", evidence)
    return str(reasons.get("what", reasons.get("text", "")))


def measure_calm(step: float, days: float, seeds: Sequence[int]) -> dict[str, Any]:
    """Figures of one sampling: a series-day each, and how many.

    Args:
        step: seconds between samples.
        days: how long each series is.
        seeds: of the families; each gives one series of each.
    """
    found: list[FalseAlert] = []
    for seed in seeds:
        for family, values in calm_series(seed, step, days):
            found += false_alerts(family, values, step)
    first = min(days, 1.0) * len(seeds)
    later = days * len(seeds) - first
    every = len(FAMILIES)
    kinds = {kind: len(some) for kind, some in KINDS.items()}
    return {
        "step": step,
        "series": every * len(seeds),
        "series_days": every * days * len(seeds),
        "all": _rates(found, every * first, every * later),
        "by_kind": {
            kind: _rates([one for one in found if KIND_OF[one.family] == kind],
                         size * first, size * later)
            for kind, size in kinds.items()
        },
        "by_family": {
            family: _rates([one for one in found if one.family == family], first, later)
            for family in FAMILIES
        },
        "by_what": _by_what(found),
    }  # fmt: skip


def _rates(found: Sequence[FalseAlert], first: float, later: float) -> dict[str, float]:
    young = sum(one.first_day for one in found)
    critical = sum(one.critical for one in found)
    return {
        "alerts": len(found),
        "first_day": young / first,
        "later": (len(found) - young) / later if later else 0.0,
        "critical": critical,
        "a_series_day": len(found) / (first + later),
        "critical_a_series_day": critical / (first + later),
    }


def _by_what(found: Iterable[FalseAlert]) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for one in found:
        counted[one.by]["first_day" if one.first_day else "later"] += 1
    order = sorted(counted, key=lambda by: (-counted[by].total(), by))
    return {by: dict(counted[by]) for by in order}


def print_calm(found: dict[str, Any]) -> None:
    """The tables of one sampling."""
    settings = AlertSettings()
    budget = Budget.parse(settings.budget or settings.critical_budget)
    critical = Budget.parse(settings.critical_budget)
    every = found["all"]
    print(
        f"\na sample each {found['step']:g} s, {found['series']} series, "
        f"{found['series_days']:,.0f} series-days: {every['alerts']} false alerts, "
        f"{every['a_series_day']:.4f} a series-day (budget {budget.daily:g}); "
        f"first day {every['first_day']:.3f}, later {every['later']:.4f}; "
        f"CRITICAL {every['critical']}, {every['critical_a_series_day']:.4f} a series-day "
        f"(budget {critical.daily:g})"
    )
    row = "{:24} {:>10} {:>10} {:>9}"
    print(row.format("", "first day", "later", "CRITICAL"))
    for kind, one in found["by_kind"].items():
        print(_line(row, kind, one))
        for family in KINDS[kind]:
            if found["by_family"][family]["alerts"]:
                print(_line(row, f"  {family}", found["by_family"][family]))
    print(row.format("alerts, by what they tell", "first day", "later", "").rstrip())
    for by, of in found["by_what"].items():
        print(f"  {by:55} {of.get('first_day', 0):>5} {of.get('later', 0):>5}")


def _line(row: str, name: str, one: dict[str, float]) -> str:
    return row.format(name, f"{one['first_day']:.3f}", f"{one['later']:.4f}", f"{one['critical']}")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.quality.calm",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--step", type=float, choices=sorted(DAYS), help="this sampling only")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    options = parser.parse_args()
    seeds = [int(one) for one in options.seeds.split(",")]
    steps = [options.step] if options.step else list(DAYS)
    found = [measure_calm(step, DAYS[step], seeds) for step in steps]
    for one in found:
        print_calm(one)
    target = ROOT / "build" / "calm.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
