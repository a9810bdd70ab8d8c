"""The Python workers of a cluster, watched from outside while they work."""

import threading
import time

import psutil

from padit.devcluster.flink import FlinkCluster

__all__ = ["Workers"]

_LOOK_SECONDS = 0.02


class Workers:
    """Watches until `stop`.

    Args:
        cluster: whose workers to watch.
        broker_port: of the broker they read from, on this machine.

    Attributes:
        rss_mb: largest resident memory of one.
        connected: when a worker first had a connection to the broker that was not there before
            (epoch seconds): its reader is open, its first poll follows. None if none had.
    """

    def __init__(self, cluster: FlinkCluster, broker_port: int) -> None:
        self.rss_mb = 0.0
        self.connected: float | None = None
        self._cluster = cluster
        self._port = broker_port
        self._connections = self._find_connections()
        self._before = self._look()
        self._used = dict(self._before)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._done.set()
        self._thread.join()

    @property
    def cpu(self) -> float:
        """Seconds of the worker that did the work."""
        used = [cpu - self._before.get(pid, 0.0) for pid, cpu in self._used.items()]
        return max(used, default=0.0)

    def _watch(self) -> None:
        looked = 0.0
        while not self._done.wait(_LOOK_SECONDS):
            if self.connected is None and self._find_connections() - self._connections:
                self.connected = time.time()
            if time.monotonic() - looked >= 0.1:
                looked = time.monotonic()
                self._used.update(self._look())

    def _find_connections(self) -> set[tuple[int, int]]:
        """(process, local port) of the connections to the broker."""
        found = set()
        for pid in self._cluster.workers.worker_pids():
            try:
                connections = psutil.Process(pid).net_connections("tcp")
            except psutil.Error:
                continue
            found |= {
                (pid, one.laddr.port)
                for one in connections
                if one.raddr and one.raddr.port == self._port
            }
        return found

    def _look(self) -> dict[int, float]:
        used = {}
        for pid in self._cluster.workers.worker_pids():
            try:
                process = psutil.Process(pid)
                times = process.cpu_times()
                self.rss_mb = max(self.rss_mb, process.memory_info().rss / 2**20)
            except psutil.Error:
                continue
            used[pid] = times.user + times.system
        return used
