"""Public recordings of faults with a known first cause: Nezha and the pet shop.

Every folder of these makers is read that has their layout: days below `nezha/rca_data`, traffics
below `petshop/dataset`.
"""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Fault", "Name", "Recording", "recordings"]

Floats = NDArray[np.float64]
Name = tuple[str, str]
_BEFORE_SECONDS, _AFTER_SECONDS = 600, 300
_PETSHOP_STEP = 300
_PETSHOP_SAMPLES = 3


class Fault(NamedTuple):
    """One fault of a recording.

    Attributes:
        kind: what was done.
        cause: component that is at fault.
        start: when, epoch seconds.
        windows: usual values, values from its beginning on, and those right before it where
            the usual ones are from other days, by (component, metric).
    """

    kind: str
    cause: str
    start: float
    windows: Mapping[Name, tuple[Floats, Floats, Floats]]


class Table(NamedTuple):
    """Values of series over time, epoch seconds; NaN: no sample."""

    time: Floats
    columns: Mapping[Name, Floats]


class Recording(NamedTuple):
    """Faults of one system.

    Attributes:
        title: for people.
        group: of the table in which it stands.
        step: seconds between two samples.
        faults: by time.
        depends_on: components that a component depends on.
        calm: values without faults.
        parts: values with faults.
        unknown: faults of which nothing was recorded before they began.
    """

    title: str
    group: str
    step: int
    faults: Sequence[Fault]
    depends_on: Mapping[str, Sequence[str]]
    calm: Table
    parts: Sequence[Table]
    unknown: int = 0


def recordings(folder: Path) -> Iterator[Recording]:
    """All recordings in a folder, by name."""
    for day in sorted((folder / "nezha" / "rca_data").glob("*/*-fault_list.json")):
        yield _nezha(day.parent)
    for graph in sorted((folder / "petshop" / "dataset").glob("*/graph.csv")):
        yield _petshop(graph.parent)


def _nezha(folder: Path) -> Recording:
    """One day of an application, a sample a minute."""
    tables = {
        path.name.removesuffix("_metric.csv"): _pod(path)
        for path in sorted((folder / "metric").glob("*-*_metric.csv"))
    }
    listed = json.loads((folder / f"{folder.name}-fault_list.json").read_text())
    faults, unknown = [], 0
    for one in (fault for hour in listed.values() for fault in hour):
        start = int(one["inject_timestamp"])
        windows = {
            (pod, name): (
                values[(start - _BEFORE_SECONDS <= time) & (time < start)],
                values[(start <= time) & (time <= start + _AFTER_SECONDS)],
                np.empty(0),
            )
            for pod, (time, columns) in tables.items()
            for name, values in columns.items()
        }
        if max(np.isfinite(before).sum() for before, _, _ in windows.values()) < 3:
            unknown += 1
        else:
            faults.append(Fault(one["inject_type"], one["inject_pod"], start, windows))
    whole = _aligned(tables, 60)
    last = faults[-1].start + 3600
    graph = _edges(folder / "metric" / "dependency.csv", list(tables))
    sources = "train ticket" if any("ts-" in pod for pod in tables) else "online boutique"
    return Recording(
        f"Nezha, {folder.name}",
        f"Nezha, {sources}",
        60,
        faults,
        graph,
        _only(whole, whole.time > last),
        [_only(whole, whole.time <= last)],
        unknown,
    )


def _only(table: Table, which: NDArray[np.bool_]) -> Table:
    return Table(table.time[which], {name: values[which] for name, values in table.columns.items()})


def _pod(path: Path) -> tuple[Floats, dict[str, Floats]]:
    """A pod's own metrics; those of its node are of no component."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [
        name
        for name in rows[0]
        if name not in ("Time", "TimeStamp", "PodName") and not name.startswith("Node")
    ]
    # The column TimeStamp of one pod has a wrong digit; its text has not.
    time = np.array([_seconds(row["Time"]) for row in rows])
    return time, {name: np.array([_number(row[name]) for row in rows]) for name in names}


def _aligned(tables: Mapping[str, tuple[Floats, dict[str, Floats]]], step: int) -> Table:
    """Series of all pods on one grid; samples of a pod come within a step of each other's."""
    begin = min(time[0] for time, _ in tables.values())
    count = int(max(time[-1] for time, _ in tables.values()) - begin) // step + 1
    columns = {}
    for pod, (time, values) in tables.items():
        at = ((time - begin) // step).astype(int)
        for name, one in values.items():
            columns[pod, name] = np.full(count, math.nan)
            columns[pod, name][at] = one
    return Table(begin + step * np.arange(count, dtype=np.float64), columns)


def _edges(path: Path, pods: Sequence[str]) -> dict[str, list[str]]:
    """Edges between services as edges between their pods."""
    pod_of = {pod.rsplit("-", 2)[0]: pod for pod in pods}
    found: dict[str, list[str]] = {}
    if path.is_file():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                if row["Source"] in pod_of and row["Target"] in pod_of:
                    found.setdefault(pod_of[row["Source"]], []).append(pod_of[row["Target"]])
    return found


def _petshop(folder: Path) -> Recording:
    """One traffic of the pet shop, a sample every five minutes, with its graph.

    An issue's file begins ten minutes before the alarm and ends ten minutes after it; what counts
    are three samples from that on in which the alarm came.
    """
    (path,) = (folder / "noissue").glob("*.csv")
    calm = _wide(path)
    faults, parts = [], []
    for issue in folder.glob("t*/issue_*"):
        target = json.loads((issue / "target.json").read_text())
        start = target["target"]["timestamp"]
        table = _wide(issue / "metrics.csv")
        before = table.time + _PETSHOP_STEP <= start
        after = np.flatnonzero(~before)[:_PETSHOP_SAMPLES]
        nothing = np.empty(0)
        windows = {
            name: (calm.columns.get(name, nothing), values[after], values[before])
            for name, values in table.columns.items()
        }
        kind = target["target"]["metric"]
        faults.append(Fault(kind, target["root_cause"]["node"], start, windows))
        parts.append(table)
    faults.sort(key=lambda one: one.start)
    parts.sort(key=lambda one: float(one.time[0]))
    title = f"pet shop, {folder.name.replace('_', ' ')}"
    graph = _matrix(folder / "graph.csv")
    return Recording(title, title, _PETSHOP_STEP, faults, graph, calm, parts)


def _wide(path: Path) -> Table:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    columns = {
        (component, f"{metric}_{statistic}"): np.array([_number(row[i]) for row in rows[4:]])
        for i, (component, metric, statistic) in enumerate(zip(*rows[:3], strict=True))
        if i
    }
    return Table(np.array([float(row[0]) for row in rows[4:]]), columns)


def _matrix(path: Path) -> dict[str, list[str]]:
    with path.open(newline="") as file:
        (_, *names), *rows = csv.reader(file)
    return {
        row[0]: [name for name, edge in zip(names, row[1:], strict=True) if float(edge)]
        for row in rows
    }


def _seconds(text: str) -> float:
    """Epoch seconds of `2022-08-22 03:51:19.607158889 +0000 UTC m=+0.11`."""
    return float(np.floor(datetime.fromisoformat(f"{text[:19]}+00:00").timestamp()))


def _number(text: str | None) -> float:
    return float(text) if text else math.nan
