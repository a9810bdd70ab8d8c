"""How often the likely first cause of an incident is the right one, on public recordings.

    python -m benchmarks.cause [--data ../shared/data/rca]

Each fault of the recordings is one incident. Its members are the metrics whose median moved by at
least two scales from what they were before the fault; the scale is the largest of interquartile
range, standard deviation and a thousandth of the median, because the floor of the scale matters
more than the algorithm. AC@k is the share of faults whose component is among the first k. Beside
it stand chance, the number of moved metrics of a component, and the largest robust shift as BARO
computes it (its scale becomes 1 where the interquartile range is 0).
"""

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from padit.alerting.cause import likely_causes
from padit.alerting.entries import AlertEvent
from padit.alerting.state import Member

Floats = NDArray[np.float64]
Name = tuple[str, str]
_MOVED = 2.0
_BEFORE_SECONDS, _AFTER_SECONDS = 600, 300
_MARGIN = 0.2
_DAYS = ("2022-08-22", "2022-08-23")


class Fault(NamedTuple):
    """One fault of a recording.

    Attributes:
        kind: what was done.
        cause: component that is at fault.
        windows: values before and after it began, by (component, metric).
        depends_on: components that a component depends on; empty where no graph is given.
    """

    kind: str
    cause: str
    windows: Mapping[Name, tuple[Floats, Floats]]
    depends_on: Mapping[str, Sequence[str]]


def nezha(folder: Path) -> Iterator[Fault]:
    """Online boutique, two days, a sample a minute."""
    for day in _DAYS:
        metrics = {
            path.name.removesuffix("_metric.csv"): _table(path)
            for path in sorted((folder / day / "metric").glob("*-*_metric.csv"))
        }
        listed = json.loads((folder / day / f"{day}-fault_list.json").read_text())
        for one in (fault for hour in listed.values() for fault in hour):
            start = int(one["inject_timestamp"])
            windows = {
                (pod, name): (
                    values[(start - _BEFORE_SECONDS <= time) & (time < start)],
                    values[(start <= time) & (time <= start + _AFTER_SECONDS)],
                )
                for pod, (time, columns) in metrics.items()
                for name, values in columns.items()
            }
            yield Fault(one["inject_type"], one["inject_pod"], windows, {})


def _table(path: Path) -> tuple[Floats, dict[str, Floats]]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [
        name
        for name in rows[0]
        if name not in ("Time", "TimeStamp", "PodName") and not name.startswith("Node")
    ]
    time = np.array([float(row["TimeStamp"]) for row in rows])
    return time, {name: np.array([_number(row[name]) for row in rows]) for name in names}


def _number(text: str | None) -> float:
    return float(text) if text else math.nan


def petshop(folder: Path) -> Iterator[Fault]:
    """One traffic of the pet shop, a sample every five minutes, with its graph."""
    (normal,) = (folder / "noissue").glob("*.csv")
    before = _wide(normal)
    graph = _graph(folder / "graph.csv")
    for issue in sorted(folder.glob("t*/issue_*")):
        target = json.loads((issue / "target.json").read_text())
        after = _wide(issue / "metrics.csv")
        nothing = np.empty(0)
        windows = {name: (before.get(name, nothing), values) for name, values in after.items()}
        kind = target["target"]["metric"]
        yield Fault(kind, target["root_cause"]["node"], windows, graph)


def _wide(path: Path) -> dict[Name, Floats]:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    return {
        (component, f"{metric}_{statistic}"): np.array([_number(row[i]) for row in rows[4:]])
        for i, (component, metric, statistic) in enumerate(zip(*rows[:3], strict=True))
        if i
    }


def _graph(path: Path) -> dict[str, list[str]]:
    with path.open(newline="") as file:
        (_, *names), *rows = csv.reader(file)
    return {
        row[0]: [name for name, edge in zip(names, row[1:], strict=True) if float(edge)]
        for row in rows
    }


def shift(before: Floats, after: Floats) -> float:
    """Distance of the medians in scales; 0 where there are too few values."""
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if len(before) < 3 or not len(after):
        return 0.0
    middle = float(np.median(before))
    low, high = np.percentile(before, [25, 75])
    scale = max(float(high - low), float(before.std()), 0.001 * abs(middle), 1e-9)
    return (float(np.median(after)) - middle) / scale


def _baro(before: Floats, after: Floats) -> float:
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if not len(before) or not len(after):
        return 0.0
    low, high = np.percentile(before, [25, 75])
    return float(np.abs(after - np.median(before)).max() / (float(high - low) or 1.0))


def ours(fault: Fault) -> tuple[list[str], bool]:
    """Components by `likely_causes`, and whether it is decided."""
    moved = {name: shift(*pair) for name, pair in fault.windows.items()}
    members = [_member(*name, size) for name, size in moved.items() if abs(size) >= _MOVED]
    causes, decided = likely_causes(members, fault.depends_on, _MARGIN) if members else ((), False)
    return [one.source for one in causes], decided


def _member(component: str, metric: str, size: float) -> Member:
    event = AlertEvent(
        id=metric, kind="opened", time=0, alert=metric, source_id=component, metric_name=metric,
        severity="WARNING", score=0.8, summary="", opened=0, shift=size,
    )  # fmt: skip
    return Member(event, 0)


def most_moved(fault: Fault) -> tuple[list[str], bool]:
    """Components by how many of their metrics moved."""
    counts: dict[str, int] = {}
    for (component, _), pair in fault.windows.items():
        counts[component] = counts.get(component, 0) + (abs(shift(*pair)) >= _MOVED)
    return sorted(counts, key=lambda one: (-counts[one], one)), False


def baro(fault: Fault) -> tuple[list[str], bool]:
    """Components by the largest robust shift of a value."""
    best: dict[str, float] = {}
    for (component, _), pair in fault.windows.items():
        best[component] = max(best.get(component, 0.0), _baro(*pair))
    return sorted(best, key=lambda one: (-best[one], one)), False


SCORERS: Mapping[str, Callable[[Fault], tuple[list[str], bool]]] = {
    "PADIT": ours, "moved metrics": most_moved, "BARO-style": baro,
}  # fmt: skip


def report(title: str, faults: Sequence[Fault]) -> None:
    """Print AC@1 and AC@3 of every scorer, and ours by kind of fault."""
    components = [len({name for name, _ in one.windows}) for one in faults]
    chance = [sum(min(k / n, 1) for n in components) / len(faults) for k in (1, 3)]
    print(f"\n{title}: {len(faults)} faults\n{'':<16} AC@1  AC@3")
    print(f"{'chance':<16} {chance[0]:.2f}  {chance[1]:.2f}")
    for name, scorer in SCORERS.items():
        found = [(scorer(one), one) for one in faults]
        first = sum(ranks[:1] == [one.cause] for (ranks, _), one in found)
        three = sum(one.cause in ranks[:3] for (ranks, _), one in found)
        print(f"{name:<16} {first / len(faults):.2f}  {three / len(faults):.2f}")
        if scorer is ours:
            wrong = sum(sure and ranks[:1] != [one.cause] for (ranks, sure), one in found)
            sure_of = sum(sure for (_, sure), _ in found)
            print(f"{'':<16} decided {sure_of}, of these wrong {wrong}")
    kinds = sorted({one.kind for one in faults})
    for kind in kinds:
        some = [one for one in faults if one.kind == kind]
        hits = sum(ours(one)[0][:1] == [one.cause] for one in some)
        print(f"{'  ' + kind:<16} {hits} of {len(some)}")


def main() -> int:
    """Read the recordings and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/rca"))
    folder = parser.parse_args().data
    if not folder.is_dir():
        print(f"there is no {folder}; give the recordings with --data", file=sys.stderr)
        return 2
    report("Nezha, online boutique", list(nezha(folder / "nezha" / "rca_data")))
    for traffic in ("low", "high"):
        report(
            f"PetShop, {traffic} traffic",
            list(petshop(folder / "petshop" / "dataset" / f"{traffic}_traffic")),
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
