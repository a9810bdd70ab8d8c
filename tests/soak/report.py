"""The report of a soak, made from its samples; the same while it runs and at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np

from tests.soak.slopes import Point, Slope, floor, lives, slope_of

__all__ = ["Ending", "Fault", "Plan", "report"]


@dataclass(frozen=True)
class Plan:
    """What was asked for: records a second, hours, seed, sources."""

    rate: int
    hours: float
    seed: int
    sources: int


@dataclass
class Fault:
    """One fault: its kind, when, details, and seconds until the job was level with the topic."""

    kind: str
    at: float
    detail: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Ending:
    """What was counted at the end.

    Attributes:
        sent: acknowledged records by kind, `failed` ones beside it.
        on_topic: records on the topic.
        summary: last line of the job; None if it printed none.
        alerting: the account that alerting prints.
        distinct: messages at the receiver, by their ids.
        messages: by state, in alerting's store.
    """

    sent: dict[str, int]
    failed: dict[str, int]
    on_topic: int
    summary: dict[str, Any] | None
    alerting: str
    distinct: int
    messages: dict[str, int] = field(default_factory=dict)

    @property
    def residue(self) -> int | None:
        """Records on the topic without an account; None if the job gave none."""
        if self.summary is None:
            return None
        names = ("scored", "late", "duplicate", "dead_lettered", "waiting", "in_flight")
        return self.on_topic - sum(int(self.summary.get(name, 0)) for name in names)


def report(
    plan: Plan, samples: Sequence[dict[str, Any]], faults: Sequence[Fault], ending: Ending | None
) -> str:
    """The Markdown of a soak that runs, or has ended."""
    span = samples[-1]["at"] - samples[0]["at"] if len(samples) > 1 else 0.0
    state = "has ended" if ending is not None else "runs, or was cut, here"
    parts = [
        f"# Soak: {plan.rate:,} records/s, {span / 3600:.2f} of {plan.hours:g} h\n",
        f"The run {state}: {_moment(samples[-1]['at']) if samples else 'no sample'}; "
        f"seed {plan.seed}, {plan.sources:,} sources with four metrics each, 1 % poison, 1 % late, "
        f"1 % duplicates, {len(faults)} faults. `make soak HOURS={plan.hours:g} "
        f"RATE={plan.rate} SEED={plan.seed}`.\n",
        _flow(samples),
        _faults(faults),
        _memory(samples),
        _state(samples),
        _end(ending),
    ]
    return "\n".join(part for part in parts if part)


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(one) for one in line) + " |\n" for line in lines)


def _quantiles(values: Sequence[float]) -> list[str]:
    if not values:
        return ["-"] * 4
    found = np.quantile(np.array(values), [0.5, 0.95, 0.99, 1.0])
    return [f"{one:,.1f}" for one in found]


def _flow(samples: Sequence[dict[str, Any]]) -> str:
    sent, read = [], []
    for before, after in pairwise(samples):
        seconds = after["at"] - before["at"]
        sent.append((after["sent"] - before["sent"]) / seconds)
        if "read" in before and "read" in after and after["read"] >= before["read"]:
            read.append((after["read"] - before["read"]) / seconds)
    lag = [float(one["end"] - one["read"]) for one in samples if {"end", "read"} <= one.keys()]
    features = [value for one in samples for value in one["features"]]
    alerts = [value for one in samples for value in one["alerts"]]
    rows = [
        ["records/s written", *_quantiles(sent)],
        ["records/s read by the job", *_quantiles(read)],
        ["lag, records", *_quantiles(lag)],
        [f"window's end to features on the topic, s ({len(features):,})", *_quantiles(features)],
        [f"window's end to alert on the topic, s ({len(alerts):,})", *_quantiles(alerts)],
    ]
    last = samples[-1] if samples else {}
    return (
        "## Flow\n\n"
        + _table(["in pieces of 10 s", "median", "p95", "p99", "most"], rows)
        + f"\n{last.get('sent', 0):,} records written, {last.get('transitions', 0):,} transitions "
        f"of alerts, {last.get('opened', 0):,} opened, {last.get('received', 0):,} requests at the "
        "receiver. 10 s of every latency are `--out_of_orderness_sec`.\n"
    )


def _faults(faults: Sequence[Fault]) -> str:
    rows = [
        [f"{_moment(one.at)[11:19]}", one.kind, one.detail or "", _seconds(one.seconds)]
        for one in faults
    ]
    if not rows:
        return ""
    return "## Faults\n\n" + _table(["UTC", "fault", "", "level with the topic after, s"], rows)


def _seconds(seconds: float | None) -> str:
    return "not before the next" if seconds is None else f"{seconds:.0f}"


def _signed(value: float | None, digits: int = 1) -> str:
    return "too short" if value is None else f"{value:+,.{digits}f}"


def _memory(samples: Sequence[dict[str, Any]]) -> str:
    rows = []
    for name, found in sorted(lives(samples).items()):
        longest = max(found, key=lambda life: life[-1][0] - life[0][0])
        slope = slope_of(longest)
        cpu = [one["memory"][name]["cpu"] for one in samples if name in one["memory"]]
        share = (cpu[-1] - cpu[0]) / max(samples[-1]["at"] - samples[0]["at"], 1.0)
        rows.append(
            [name, len(found), f"{slope.median:,.0f}", f"{max(v for _, v in longest):,.0f}",
             _signed(slope.hour), _signed(slope.day, 0), f"{slope.seconds / 60:.0f}",
             f"{share:.2f}" if len(found) == 1 else "-"]
        )  # fmt: skip
    head = ["process", "lives", "MB, median", "most", "MB an hour", "MB a day",
            "minutes of the longest life", "cores"]  # fmt: skip
    return (
        "## Memory of every process\n\n"
        + _table(head, rows)
        + "\nResident memory; the slope (Theil-Sen) is that of the longest life without its first "
        "five minutes, a day is 24 times an hour.\n"
    )


def _series(samples: Sequence[dict[str, Any]], key: str, scale: float = 1.0) -> list[Point]:
    return [
        (one["at"], one["flink"][key] * scale) for one in samples if key in one.get("flink", {})
    ]


def _state(samples: Sequence[dict[str, Any]]) -> str:
    mb = 1 / (1 << 20)
    wanted = [
        ("checkpoint, MB written", _series(samples, "bytes", mb)),
        ("checkpoint, MB of state", _series(samples, "state", mb)),
        ("checkpoint, ms", _series(samples, "ms")),
        ("heap of the TaskManager, least of 2 minutes, MB", _least(samples, "tm heap", mb)),
        ("metaspace of the TaskManager, MB", _series(samples, "tm metaspace", mb)),
        ("heap of the JobManager, least of 2 minutes, MB", _least(samples, "jm heap", mb)),
        ("metaspace of the JobManager, MB", _series(samples, "jm metaspace", mb)),
    ]
    rows = []
    for name, points in wanted:
        slope = slope_of(points) if points else Slope(0.0, None, 0.0)
        rows.append([name, f"{slope.median:,.1f}", _signed(slope.hour), _signed(slope.day, 0)])
    counts: dict[str, int] = next(
        (one["flink"]["checkpoints"] for one in reversed(samples) if "flink" in one), {}
    )
    return (
        "## Checkpoints and heaps\n\n"
        + _table(["", "median", "an hour", "a day"], rows)
        + f"\nCheckpoints: {', '.join(f'{count} {name}' for name, count in counts.items())}.\n"
    )


def _least(samples: Sequence[dict[str, Any]], key: str, scale: float) -> list[Point]:
    points = _series(samples, key, scale)
    return floor(points) if points else []


def _end(ending: Ending | None) -> str:
    if ending is None:
        return ""
    summary = ending.summary or {}
    rows: list[list[object]] = [
        ["all", ending.on_topic, summary.get("read", "-")],
        ["good", ending.sent.get("good", 0), summary.get("scored", "-")],
        ["late", ending.sent.get("late", 0), summary.get("late", "-")],
        ["duplicate", ending.sent.get("duplicate", 0), summary.get("duplicate", "-")],
        ["poison", ending.sent.get("poison", 0), summary.get("dead_lettered", "-")],
        ["still waiting for their window", "", summary.get("waiting", "-")],
        ["in flight at the stop", "", summary.get("in_flight", 0)],
        ["**residue**", "", ending.residue if ending.residue is not None else "unknown"],
    ]
    failed = sum(ending.failed.values())
    states = ", ".join(f"{count} {name}" for name, count in sorted(ending.messages.items()))
    return (
        "## The account\n\n"
        + _table(["", "on the topic", "by the job"], rows)
        + f"\n{failed} records were given up by the producer. Alerting: {ending.alerting}. "
        f"The receiver took {ending.distinct} different messages; {states}.\n"
    )
