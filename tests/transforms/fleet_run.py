"""Hosts with loads of their own, and the job's machines over them without Beam."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np

from padit.domain.audit import Silenced
from padit.domain.batch import Batch
from padit.domain.config import JobConfig, Levels
from padit.domain.metric import Series
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_END, Position
from padit.transforms.alerts import Alerts
from padit.transforms.detect import Detection
from padit.transforms.fleet import FleetMachine
from padit.transforms.fleet_state import MemoryFleetStore, Totals
from padit.transforms.group import GroupMachine
from padit.transforms.keying import split_batch
from padit.transforms.peer_report import read_report
from padit.transforms.peers import ALL, Heard, Peers
from padit.transforms.store import MemoryStore
from padit.transforms.windows import WindowOptions

SECOND = 1_000_000
HOUR = 3600 * SECOND
START = 1_767_571_200 * SECOND  # 2026-01-05T00:00:00Z
WINDOWS = WindowOptions(120 * SECOND, 30 * SECOND, 1000)
STEP = 10  # seconds between two samples
Bump = tuple[float, float, float]
"""Hour at which it begins, minutes, and by how much."""


def hosts(
    bumps: Sequence[Sequence[Bump]], hours: float, level: Any = 50.0, noise: float = 1.0
) -> np.ndarray[Any, Any]:
    """float64 (samples, hosts): noise around a level, and bumps."""
    n = int(hours * 3600 / STEP)
    values = np.random.default_rng(11).normal(0.0, noise, (n, len(bumps)))
    values += np.asarray(level).reshape(-1, 1) if np.ndim(level) else level
    at = np.arange(n) * STEP / 3600
    for host, mine in enumerate(bumps):
        for begins, minutes, height in mine:
            values[(at >= begins) & (at < begins + minutes / 60), host] += height
    return values


def by_turns(count: int, hours: float, height: float = 10.0) -> list[list[Bump]]:
    """Each host works for ten minutes every hour, at a time of its own."""
    return [
        [(hour + (host + 1) / (count + 2), 10.0, height) for hour in np.arange(0.5, hours - 1)]
        for host in range(count)
    ]


@dataclass
class Ran:
    """What a run gave.

    Attributes:
        reports: of the key groups, in the order in which they came.
        direct: alerts of a run without peers, as bytes, sorted.
    """

    reports: list[bytes] = field(default_factory=list)
    direct: list[bytes] = field(default_factory=list)


@dataclass
class Told:
    """What the fleet made of reports.

    Attributes:
        alerts: as bytes, in the order in which they were told.
        silenced: audit records.
        totals: of the fleet.
        store: its state.
    """

    alerts: list[bytes] = field(default_factory=list)
    silenced: list[Silenced] = field(default_factory=list)
    totals: Totals = field(default_factory=Totals)
    ended: bool = False
    store: MemoryFleetStore = field(default_factory=MemoryFleetStore)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Alerts of the transitions of one kind."""
        found = [msgspec.json.decode(one) for one in self.alerts]
        return [one["data"] for one in found if one["type"].endswith(f".{kind}")]


def watch(
    values: np.ndarray[Any, Any],
    groups: int = 4,
    cut: Iterable[int] = (),
    *,
    peers: str | None = ALL,
    metric: str = "load",
    config: JobConfig | None = None,
) -> Ran:
    """Run key groups over hosts; `cut`: numbers of the samples at which batches end."""
    config = config or JobConfig()
    ran = Ran()
    stores = [MemoryStore() for _ in range(groups)]
    detection = Detection(config.detectors, levels=Levels.of(config.alerts))
    asks = None if peers is None else Peers.of(peers, detection, WINDOWS)
    alerts = Alerts.of(detection, config.alerts, WINDOWS)
    machine = GroupMachine(WINDOWS, detection, alerts, peers=asks)
    edges = [0, *sorted(set(cut)), len(values)]
    for first, last in pairwise(edges):
        for group, keyed in split_batch(_batch(values, first, last, metric), groups):
            outcome = machine.advance(stores[group], keyed)
            ran.direct += [one.to_cloud_event() for one in outcome.transitions]
            if outcome.passed is not None:
                heard = outcome.heard or Heard()
                ran.reports.append(heard.report(group, groups, outcome.passed).encode())
    ran.direct.sort()
    return ran


def judge(ran: Ran, order: int | None = None, told: Told | None = None) -> Told:
    """Let the fleet judge; `order`: seed of an order in which some reports come twice."""
    reports = list(ran.reports)
    if order is not None:
        chance = random.Random(order)
        reports += chance.sample(reports, len(reports) // 3)
        chance.shuffle(reports)
    told, machine = told or Told(), FleetMachine(WINDOWS.size)
    for one in reports:
        judged = machine.advance(told.store, read_report(one))
        told.alerts += [message.value for message in judged.alerts]
        told.silenced += judged.silenced
        told.totals = judged.totals or told.totals
        told.ended |= judged.ended
    return told


def _batch(values: np.ndarray[Any, Any], first: int, last: int, metric: str) -> Batch:
    count = values.shape[1]
    series = [Series(f"host-{host:02}", metric, "1") for host in range(count)]
    moment = START + np.arange(first, last, dtype=np.int64) * STEP * SECOND
    rows = Rows(
        series,
        np.tile(np.arange(count, dtype=np.int32), last - first),
        np.repeat(moment, count),
        values[first:last].ravel(),
    )
    ended = last == len(values)
    latest = int(moment[-1]) if len(moment) else START
    watermark = WATERMARK_END if ended else latest
    reached = latest if ended else -(2**62)
    return Batch(1, (Position(0, 0, first, last, watermark, last, reached=reached),), rows)
