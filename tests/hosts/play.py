"""A replay on two hosts, one of which is cut off, and then the other loses its power."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from padit.devcluster.flink import FlinkCluster
from tests.faults.job import Job, Outputs
from tests.faults.judge import Verdict, judge, results
from tests.faults.site import Site, prepare
from tests.hosts.cluster import Host, hosts
from tests.hosts.network import Network
from tests.limits import allowed

__all__ = ["CUT", "DARK", "Loss", "Outcome", "play"]

CUT, DARK = "cable of b pulled out", "power of a lost"
_READ_FOR_S = 90.0  # reading is stretched to so long, so that both losses fall into it


@dataclass(frozen=True)
class Loss:
    """One host that vanished.

    Attributes:
        kind: how.
        at: records that had been read.
        instances: of the job, by host, before and after.
        restored_s: until Flink had restored the last checkpoint on the host that is left.
        read_on_s: until more records had been read than before.
    """

    kind: str
    at: int
    instances: tuple[dict[str, int], dict[str, int]]
    restored_s: float
    read_on_s: float


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        records: of the input.
        losses: in their order.
        rejoined_s: from putting the cable back until the host's TaskManager was there again.
        verdict: the results against those of an undisturbed run on the same two hosts.
    """

    records: int
    losses: list[Loss] = field(default_factory=list)
    rejoined_s: float = 0.0
    verdict: Verdict | None = None


def _instances(cluster: FlinkCluster, network: Network) -> dict[str, int]:
    """Slots in use, by host."""
    known = cluster.rest("/taskmanagers")["taskmanagers"]
    used = {name: 0 for name in sorted(network.outer)}
    for one in known:
        for name in used:
            if f"@{network.address(name)}:" in str(one["path"]):
                used[name] += int(one["slotsNumber"]) - int(one["freeSlots"])
    return used


def _lose(job: Job, network: Network, kind: str, strike: Callable[[], object]) -> Loss:
    job.wait_progress(job.read())
    at, before = job.read(), _instances(job.site.cluster, network)
    began, moment = time.monotonic(), time.time()
    strike()
    job.wait_restored(moment)
    restored = time.monotonic() - began
    job.wait_progress(at)
    read_on = time.monotonic() - began
    after = _instances(job.site.cluster, network)
    return Loss(kind, at, (before, after), round(restored, 1), round(read_on, 1))


def _rejoin(cluster: FlinkCluster, network: Network, host: Host) -> float:
    """Put the cable back and wait until the JobManager hears from the host."""
    began = time.monotonic()
    network.plug(host.name)
    while True:
        known: list[dict[str, Any]] = cluster.rest("/taskmanagers")["taskmanagers"]
        mine = [one for one in known if f"@{network.address(host.name)}:" in str(one["path"])]
        if any(int(one["freeSlots"]) == int(one["slotsNumber"]) for one in mine):
            return round(time.monotonic() - began, 1)
        assert time.monotonic() - began < allowed(60), "the host does not come back"
        time.sleep(0.25)


def _outputs(site: Site, name: str) -> Outputs:
    """To topics: hosts have no file in common."""
    directory = site.directory / name
    directory.mkdir(parents=True)
    alerts, anomalies = (
        f"kafka://{site.broker.bootstrap}/{name}-{one}?delivery=exactly_once"
        for one in ("alerts", "anomalies")
    )
    return Outputs(alerts, anomalies, directory / "features.jsonl", directory / "audit.jsonl")


def play(directory: Path, network: Network, records: int, say: Callable[[str], None]) -> Outcome:
    """Run once undisturbed and once struck, from within the middle host."""
    with hosts(directory, network) as (broker, cluster, (a, b)):
        site = prepare(directory, broker, cluster, records)
        outcome = Outcome(site.records)
        plain = _outputs(site, "undisturbed")
        with Job(site, plain, slowed_s=1.0) as job:
            job.submit()
            run = job.end()
        assert run.code == 0, run.err[-3000:]
        wanted = results(plain)
        say(f"undisturbed: {site.records} records, {len(wanted.alerts)} transitions")
        struck = _outputs(site, "struck")
        site.limit(_READ_FOR_S)
        with Job(site, struck, _READ_FOR_S) as job:
            job.submit()
            outcome.losses.append(_lose(job, network, CUT, lambda: network.pull("b")))
            say(str(outcome.losses[-1]))
            outcome.rejoined_s = _rejoin(cluster, network, b)
            say(f"b is back after {outcome.rejoined_s} s")
            outcome.losses.append(_lose(job, network, DARK, a.lose_power))
            say(str(outcome.losses[-1]))
            site.limit(None)
            run = job.end()
        outcome.verdict = judge(wanted, struck, run, plain.alerts, site.records)
        say(str(outcome.verdict))
        return outcome
