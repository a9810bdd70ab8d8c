"""Recordings of faults through `padit run` and alerting, as somebody on call would meet them.

The calm part of a recording comes first, so that the job knows what is usual, then its faults; the
pet shop has an hour of calm between two of them. All components are one cluster, and the graph
is given. A fault is told if a message that wakes somebody is handed out before the next one
begins; its cause is what the incident says at that time, from the members that alerted.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

from benchmarks.cause_recordings import Fault, Recording, Table
from padit.alerting.compiled import Policy
from padit.alerting.effects import Handed, View
from padit.alerting.engine import Engine
from padit.alerting.entries import Entry, Tick
from padit.alerting.messages import view_of
from padit.alerting.policy import AlertingConfig
from padit.alerting.preview import QUIET_KINDS
from padit.alerting.recorded import merged
from padit.alerting.state import State
from padit.domain.timestamps import MICROS, format_utc

__all__ = ["end_to_end"]

Graph = Mapping[str, Sequence[str]]
_BEGIN = 1_700_000_100
_LASTS_SAMPLES = 10
_CALM_SAMPLES = 12
_SAMPLES_OF_A_WINDOW = 5
_SOON_SAMPLES = 3
_JOB = 'series: [{source: "*", labels: {cluster: recorded}}]\n'  # else as shipped


class Told(NamedTuple):
    """What became of a fault.

    Attributes:
        fault: of the recording.
        pages: messages that woke somebody, microseconds after it began.
        views: of the incident when its first message was handed out, and at its end.
        ranked: components that alerted.
    """

    fault: Fault
    pages: Sequence[int]
    views: Sequence[View]
    ranked: frozenset[str]


def end_to_end(
    recording: Recording, folder: Path, raw: Callable[[Fault, Graph], tuple[list[str], bool]]
) -> None:
    """Run the job and alerting over a recording, and print how its faults were told.

    Args:
        recording: to run.
        folder: for its files.
        raw: the scorer over the recorded values, to stand beside.
    """
    place = folder / recording.title.replace(",", "").replace(" ", "-")
    place.mkdir(parents=True, exist_ok=True)
    starts = _write(recording, place / "metrics.jsonl")
    _job(recording, place)
    lines = (place / "alerts.jsonl").read_bytes().splitlines()
    entries, _ = merged([("alert", [line for line in lines if line.strip()])])
    told, others = _alerting(recording, starts, entries)
    _print(recording, told, others, raw)


def _write(recording: Recording, path: Path) -> list[int]:
    """All samples in one file, on one grid; the beginnings of the faults there, microseconds."""
    step, calm = recording.step, recording.calm
    tables: list[Table] = [calm]
    pause = 0
    for part in recording.parts:
        tables.append(part)
        if len(recording.parts) > 1:
            tables.append(_rows(calm, pause, pause + _CALM_SAMPLES))
            pause = (pause + _CALM_SAMPLES) % (len(calm.time) - _CALM_SAMPLES)
    at, starts, faults = _BEGIN, [], list(recording.faults)
    with path.open("w", encoding="utf-8") as file:
        for table in tables:
            first, last = float(table.time[0]), float(table.time[-1]) + step
            while faults and table is not calm and first <= faults[0].start < last:
                starts.append(round((at + faults.pop(0).start - first) * MICROS))
            for number in range(len(table.time)):
                stamp = format_utc((at + number * step) * MICROS)
                for (component, metric), values in table.columns.items():
                    if np.isfinite(values[number]):
                        row = {"timestamp": stamp, "source_id": component, "metric_name": metric,
                               "value": float(values[number])}  # fmt: skip
                        file.write(json.dumps(row) + "\n")
            at += len(table.time) * step
    return starts


def _rows(table: Table, begin: int, end: int) -> Table:
    return Table(
        table.time[begin:end] - 1e9,
        {name: values[begin:end] for name, values in table.columns.items()},
    )


def _job(recording: Recording, place: Path) -> None:
    config = place / "job.yaml"
    config.write_text(_JOB, encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("padit")), "run",
        "--input", str(place / "metrics.jsonl"), "--output", str(place / "alerts.jsonl"),
        "--config", str(config), "--overwrite",
        f"--window_size_sec={recording.step * _SAMPLES_OF_A_WINDOW}",
        f"--extract_interval_sec={recording.step}",
    ]  # fmt: skip
    with (place / "job.log").open("wb") as log:
        subprocess.run(command, check=True, stdout=log, stderr=log)


def _alerting(
    recording: Recording, starts: Sequence[int], entries: Sequence[Entry]
) -> tuple[list[Told], int]:
    """What was told of each fault, and messages outside of all of them."""
    lasts = _LASTS_SAMPLES * recording.step * MICROS
    following = [*starts[1:], starts[-1] + lasts]
    ends = [min(begin + lasts, end) for begin, end in zip(starts, following, strict=True)]
    policy = Policy(
        AlertingConfig.model_validate(
            yaml.safe_load("{receivers: {r: {kind: webhook}}, routes: [{name: all, receiver: r}]}")
            | {"incidents": {"share": ["cluster", "source"], "depends_on": recording.depends_on}}
        )
    )
    engine, state = Engine(policy), State()
    pages: list[Handed] = []
    told, left = [], list(zip(recording.faults, starts, ends, strict=True))
    for entry in _with_ends(entries, ends):
        pages += [
            one
            for one in engine.apply(state, entry)
            if isinstance(one, Handed) and one.kind not in QUIET_KINDS and one.view is not None
        ]
        while left and isinstance(entry, Tick) and entry.time == left[0][2]:
            fault, begin, end = left.pop(0)
            mine = [one for one in pages if begin <= one.time < end]
            views = []
            if mine and mine[0].view is not None:
                incident = state.incidents.get(mine[0].view.id)
                views = [mine[0].view, view_of(policy, incident) if incident else mine[0].view]
            ranked = frozenset(
                one.event.source_id
                for incident in state.incidents.values()
                for one in incident.members.values()
                if begin <= one.opened < end or not one.closed
            )
            told.append(Told(fault, [one.time - begin for one in mine], views, ranked))
    within = sum(len(one.pages) for one in told)
    return told, len(pages) - within


def _with_ends(entries: Sequence[Entry], ends: Sequence[int]) -> Iterator[Entry]:
    """The log, with a tick at the end of each fault."""
    waiting = sorted(ends)
    for entry in entries:
        while waiting and waiting[0] <= entry.time:
            yield Tick(waiting.pop(0))
        yield entry
    yield from (Tick(one) for one in waiting)


def _print(
    recording: Recording,
    found: Sequence[Told],
    others: int,
    raw: Callable[[Fault, Graph], tuple[list[str], bool]],
) -> None:
    told = [one for one in found if one.pages]
    print(f"\n{recording.title}, through the job and alerting: {len(found)} faults")
    print(f"told                 {len(told) / len(found):.2f}  (bar 0.80)")
    by_kind = {kind: [bool(one.pages) for one in found if one.fault.kind == kind]
               for kind in sorted({one.fault.kind for one in found})}  # fmt: skip
    print("  " + ", ".join(f"{kind} {sum(hits)} of {len(hits)}" for kind, hits in by_kind.items()))
    if not told:
        return
    delays = sorted(one.pages[0] / MICROS / recording.step for one in told)
    soon = sum(one <= _SOON_SAMPLES for one in delays) / len(delays)
    print(f"first message        {delays[len(delays) // 2]:.1f} samples (median), "
          f"{soon:.2f} of them within {_SOON_SAMPLES}")  # fmt: skip
    print(f"messages a told fault {sum(len(one.pages) for one in told) / len(told):.2f}  "
          f"(bar 1.3); {others} others")  # fmt: skip
    for words, number in (("in the first message", 0), ("at its end", 1)):
        ranks = [([name for name, _, _ in one.views[number].causes], one) for one in told]
        sure = [(names, one) for names, one in ranks if one.views[number].decided]
        wrong = sum(names[:1] != [one.fault.cause] for names, one in sure)
        print(f"{words:<20} {_share(ranks, 1)}  {_share(ranks, 3)}  (AC@1, AC@3 of told faults); "
              f"decided {len(sure)}, of these wrong {wrong}")  # fmt: skip
    beside = [(raw(one.fault, recording.depends_on)[0], one) for one in told]
    print(f"{'the raw series':<20} {_share(beside, 1)}  {_share(beside, 3)}  (the same faults)")
    silent = [one for one in told if one.fault.cause not in one.ranked]
    components = {component for component, _ in recording.calm.columns}
    mean = sum(len(components - one.ranked) for one in told) / len(told)
    print(f"unranked             {mean:.1f} of {len(components)} components never alerted (mean); "
          f"in {len(silent)} of {len(told)} faults the cause is one of them")  # fmt: skip
    for one in silent:
        print(f"  unranked: {one.fault.cause} ({one.fault.kind})")


def _share(ranks: Sequence[tuple[list[str], Told]], first: int) -> str:
    hits = sum(one.fault.cause in names[:first] for names, one in ranks)
    return f"{hits / len(ranks):.2f}"
