"""How often the likely first cause of an incident is the right one, on public recordings.

    python -m benchmarks.cause [--data ../shared/data/rca] [--end-to-end]

Each fault of the recordings is one incident. Its members are the metrics whose median moved by at
least two scales from what they were before the fault; the scale is the largest of interquartile
range, standard deviation and a thousandth of the median, because the floor of the scale matters
more than the algorithm. Where the usual values are from other days, a metric must have moved from
those right before the fault, too. AC@k is the share of faults whose component is among the first
k. Beside it stand chance, the number of moved metrics of a component, and the largest robust shift
as BARO computes it (its scale becomes 1 where the interquartile range is 0).

With --end-to-end the recordings also go through `padit run` and alerting; see `cause_run`.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cause_recordings import Fault, Recording, recordings
from benchmarks.cause_run import end_to_end
from padit.alerting.cause import likely_causes
from padit.alerting.entries import AlertEvent
from padit.alerting.policy import Grouping
from padit.alerting.state import Member

Floats = NDArray[np.float64]
Scorer = Callable[[Fault, Mapping[str, Sequence[str]]], tuple[list[str], bool]]
_MOVED = 2.0
_MARGIN = Grouping().margin


def shift(before: Floats, after: Floats, level: Floats) -> float:
    """Distance of the medians in scales; 0 where there are too few values.

    Args:
        before: usual values; they give the scale.
        after: from the fault on.
        level: right before it; where given, the smaller of the two distances counts, and none
            at all if they point to different sides.
    """
    before, after, level = (one[np.isfinite(one)] for one in (before, after, level))
    if len(before) < 3 or not len(after):
        return 0.0
    middle, now = float(np.median(before)), float(np.median(after))
    low, high = np.percentile(before, [25, 75])
    scale = max(float(high - low), float(before.std()), 0.001 * abs(middle), 1e-9)
    found = (now - middle) / scale
    if not len(level):
        return found
    from_level = (now - float(np.median(level))) / scale
    return 0.0 if found * from_level <= 0 else min(found, from_level, key=abs)


def _baro(before: Floats, after: Floats) -> float:
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if not len(before) or not len(after):
        return 0.0
    low, high = np.percentile(before, [25, 75])
    return float(np.abs(after - np.median(before)).max() / (float(high - low) or 1.0))


def ours(fault: Fault, depends_on: Mapping[str, Sequence[str]]) -> tuple[list[str], bool]:
    """Components by `likely_causes`, and whether it is decided."""
    moved = {name: shift(*three) for name, three in fault.windows.items()}
    members = [_member(*name, size) for name, size in moved.items() if abs(size) >= _MOVED]
    causes, decided = likely_causes(members, depends_on, _MARGIN) if members else ((), False)
    return [one.source for one in causes], decided


def _member(component: str, metric: str, size: float) -> Member:
    event = AlertEvent(
        id=metric, kind="opened", time=0, alert=metric, source_id=component, metric_name=metric,
        severity="WARNING", score=0.8, summary="", opened=0, shift=size,
    )  # fmt: skip
    return Member(event, 0)


def without_graph(fault: Fault, _: Mapping[str, Sequence[str]]) -> tuple[list[str], bool]:
    """The same, as if nothing were known of who depends on whom."""
    return ours(fault, {})


def most_moved(fault: Fault, _: Mapping[str, Sequence[str]]) -> tuple[list[str], bool]:
    """Components by how many of their metrics moved."""
    counts: dict[str, int] = {}
    for (component, _metric), three in fault.windows.items():
        counts[component] = counts.get(component, 0) + (abs(shift(*three)) >= _MOVED)
    return sorted(counts, key=lambda one: (-counts[one], one)), False


def baro(fault: Fault, _: Mapping[str, Sequence[str]]) -> tuple[list[str], bool]:
    """Components by the largest robust shift of a value."""
    best: dict[str, float] = {}
    for (component, _metric), (before, after, _level) in fault.windows.items():
        best[component] = max(best.get(component, 0.0), _baro(before, after))
    return sorted(best, key=lambda one: (-best[one], one)), False


SCORERS: Mapping[str, Scorer] = {
    "PADIT": ours, "without graph": without_graph, "moved metrics": most_moved, "BARO-style": baro,
}  # fmt: skip


def report(title: str, faults: Sequence[tuple[Fault, Mapping[str, Sequence[str]]]]) -> None:
    """Print AC@1 and AC@3 of every scorer, and ours by kind of fault."""
    components = [len({name for name, _ in one.windows}) for one, _ in faults]
    chance = [sum(min(k / n, 1) for n in components) / len(faults) for k in (1, 3)]
    print(f"\n{title}: {len(faults)} faults\n{'':<16} AC@1  AC@3")
    print(f"{'chance':<16} {chance[0]:.2f}  {chance[1]:.2f}")
    for name, scorer in SCORERS.items():
        found = [(scorer(one, graph), one) for one, graph in faults]
        first = sum(ranks[:1] == [one.cause] for (ranks, _), one in found)
        three = sum(one.cause in ranks[:3] for (ranks, _), one in found)
        print(f"{name:<16} {first / len(faults):.2f}  {three / len(faults):.2f}")
        if scorer is ours:
            wrong = sum(sure and ranks[:1] != [one.cause] for (ranks, sure), one in found)
            sure_of = sum(sure for (_, sure), _ in found)
            print(f"{'':<16} decided {sure_of}, of these wrong {wrong}")
            for kind in sorted({one.kind for one, _ in faults}):
                some = [ranks[:1] == [one.cause] for (ranks, _), one in found if one.kind == kind]
                print(f"{'  ' + kind:<16} {sum(some)} of {len(some)}")


def _together(found: Sequence[Recording]) -> dict[str, list[Recording]]:
    """Days of one application in one table; a traffic is a table of its own."""
    tables: dict[str, list[Recording]] = {}
    for one in found:
        tables.setdefault(one.group, []).append(one)
    return tables


def main() -> int:
    """Read the recordings and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/rca"))
    parser.add_argument("--end-to-end", action="store_true", help="through the job and alerting")
    parser.add_argument("--keep", type=Path, default=Path("build/cause"), help="for its files")
    args = parser.parse_args()
    found = list(recordings(args.data))
    if not found:
        print(f"there are no recordings in {args.data}; give them with --data", file=sys.stderr)
        return 2
    for title, some in _together(found).items():
        report(title, [(fault, one.depends_on) for one in some for fault in one.faults])
        unknown = sum(one.unknown for one in some)
        if unknown:
            print(f"not counted: {unknown} of which nothing was recorded before it began")
    if args.end_to_end:
        for one in found:
            end_to_end(one, args.keep, ours)
    return 0


if __name__ == "__main__":
    sys.exit(main())
