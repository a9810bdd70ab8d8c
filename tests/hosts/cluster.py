"""A broker and a JobManager on the middle host, a TaskManager with a worker pool on the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from padit.devcluster.broker import Broker, broker_answers, prepare_broker
from padit.devcluster.flink import FlinkCluster, prepare_flink
from padit.devcluster.ports import LOOPBACK
from padit.devcluster.processes import Part
from padit.devcluster.workers import worker_environment
from tests.hosts.network import MIDDLE, Network
from tests.namespaces import run_in

__all__ = ["Host", "hosts"]

_SETTINGS = {
    # One instance of the job on each host; else Flink fills the slots of one TaskManager first.
    "taskmanager.load-balance.mode": "SLOTS",
    # Its own REST interface reaches it on loopback, the TaskManagers through the bridge.
    "jobmanager.rpc.address": MIDDLE,
    "jobmanager.bind-host": "0.0.0.0",  # noqa: S104
}


@dataclass(frozen=True)
class Host:
    """One outer host.

    Attributes:
        name: of it.
        taskmanager, pool: what runs there.
    """

    name: str
    taskmanager: Part
    pool: Part

    def lose_power(self) -> None:
        """SIGKILL for every process on it, the workers of the pool too."""
        workers = psutil.Process(self.pool.pid).children(recursive=True)
        self.taskmanager.kill()
        self.pool.kill()
        for one in workers:
            one.kill()

    def stop(self) -> None:
        """End what runs there."""
        self.taskmanager.stop()
        self.pool.stop()


def _broker(directory: Path) -> Broker:
    broker = prepare_broker(directory)
    config = directory / "server.properties"
    config.write_text(config.read_text().replace(LOOPBACK, MIDDLE))
    bootstrap = broker.bootstrap.replace(LOOPBACK, MIDDLE)
    part = Part(
        "Kafka broker",
        broker.part.command,
        log=broker.part.log,
        answers=lambda: broker_answers(bootstrap),
    )
    return replace(broker, bootstrap=bootstrap, part=part)


def _host(network: Network, name: str, cluster: FlinkCluster, described: Part) -> Host:
    """A TaskManager, and a pool at its own loopback address, the same on every host."""
    space, address = network.outer[name], network.address(name)
    place = [f"taskmanager.host={address}", f"taskmanager.bind-host={address}"]
    command = [*described.command, *(word for one in place for word in ("-D", one))]

    def registered() -> bool:
        known = cluster.rest("/taskmanagers")["taskmanagers"]
        return any(f"@{address}:" in str(one["path"]) for one in known)

    log = cluster.directory / f"taskmanager-{name}.log"
    taskmanager = Part(f"TaskManager {name}", run_in(space, command), log=log, answers=registered)
    pool = cluster.workers.part
    pool_log = cluster.directory / f"workers-{name}.log"
    reached = f"worker pool on {cluster.worker_endpoint}"
    workers = Part(
        f"worker pool {name}",
        run_in(space, pool.command),
        log=pool_log,
        answers=lambda: reached in pool_log.read_text(),
        env=worker_environment(),
    )
    return Host(name, taskmanager, workers)


@contextmanager
def hosts(directory: Path, network: Network) -> Iterator[tuple[Broker, FlinkCluster, list[Host]]]:
    """Start all, from within the middle host, and end all."""
    with ExitStack() as stack:
        broker = _broker(directory / "kafka")
        # JobManager and job server; what submits jobs is on the same host.
        cluster = prepare_flink(directory / "flink", taskmanagers=2, settings=_SETTINGS)
        outer = [
            _host(network, name, cluster, described)
            for name, described in zip(sorted(network.outer), cluster.taskmanagers, strict=True)
        ]
        cluster.taskmanagers.clear()  # those that would run beside the JobManager
        for part in (broker.part, cluster.jobmanager, cluster.job_server):
            stack.callback(part.launch().stop)
        for host in outer:
            stack.callback(host.stop)
            host.pool.launch()
            host.taskmanager.launch()
        started = [broker.part, cluster.jobmanager, cluster.job_server]
        for part in [*started, *(one for h in outer for one in (h.pool, h.taskmanager))]:
            part.wait()
        yield broker, cluster, outer
