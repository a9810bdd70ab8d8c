"""CPU, memory, disk and network of this machine, from the kernel's counters (psutil).

Rates are differences between two polls, so the first poll gives gauges only. A counter that
went back (an interface was re-created) gives no rate for that poll.
"""

import socket
import time
from typing import ClassVar

import psutil
from pydantic import Field

from padit.adapters.base import AdapterOptions, Emitter, now
from padit.adapters.threads import Worker
from padit.domain.metric import Metric, MetricType

__all__ = ["HostAdapter", "HostOptions"]

_SHORTEST_SEC = 0.05  # a rate over less is noise
_PSEUDO_FILE_SYSTEMS = {"squashfs", "overlay", "tmpfs", "devtmpfs", "proc", "sysfs", "cgroup2"}


class HostOptions(AdapterOptions):
    """Options of the `host` adapter."""

    source_id: str = Field(
        default_factory=socket.gethostname, description="Name of the machine; its host name."
    )
    disks: tuple[str, ...] = Field(
        default=(),
        description="Mount points to watch; by default every mounted file system of a device.",
        examples=[["/", "/var"]],
    )
    interfaces: tuple[str, ...] = Field(
        default=(),
        description="Network interfaces to watch; by default all except the loopback.",
        examples=[["eth0"]],
    )
    per_cpu: bool = Field(default=False, description="Also the load of every single CPU.")


class HostAdapter:
    """Load of the machine it runs on."""

    Options: ClassVar[type[AdapterOptions]] = HostOptions

    def __init__(self, options: HostOptions) -> None:
        self.options = options
        self._worker = Worker(options.name)
        self.workers = (self._worker,)
        self._before: dict[str, float] = {}
        self._before_at = 0.0

    async def open(self, emitter: Emitter) -> None:
        """Take the first readings, against which the first poll is compared."""
        psutil.cpu_percent(None, percpu=False)
        psutil.cpu_percent(None, percpu=True)
        self._before, self._before_at = self._counters(), time.monotonic()

    async def poll(self, emitter: Emitter) -> None:
        """Gauges, and rates since the poll before."""
        found = [*self._memory(), *await self._disks()]
        if time.monotonic() - self._before_at > _SHORTEST_SEC:
            found += [*self._cpu(), *self._rates()]
        emitter.emit(found)

    async def close(self) -> None:
        """Nothing is held but the thread."""
        self._before = {}
        self._worker.close()

    def _metric(self, name: str, value: float, unit: str, kind: MetricType = "custom") -> Metric:
        return Metric(now(), self.options.source_id, name, value, unit, kind, "host")

    def _cpu(self) -> list[Metric]:
        found = [self._metric("cpu_percent", psutil.cpu_percent(None), "%")]
        if self.options.per_cpu:
            loads = psutil.cpu_percent(None, percpu=True)
            found += [self._metric(f"cpu{i}_percent", load, "%") for i, load in enumerate(loads)]
        for minutes, load in zip((1, 5, 15), psutil.getloadavg(), strict=True):
            found.append(self._metric(f"load_{minutes}m", load, "1"))
        return found

    def _memory(self) -> list[Metric]:
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        return [
            self._metric("memory_percent", memory.percent, "%"),
            self._metric("memory_available_bytes", float(memory.available), "B"),
            self._metric("swap_percent", swap.percent, "%"),
        ]

    async def _disks(self) -> list[Metric]:
        # A dead network file system blocks: not in the loop.
        usage = await self._worker.run(self._usage)
        return [
            self._metric(f"disk_used_percent:{mount}", percent, "%") for mount, percent in usage
        ]

    def _usage(self) -> list[tuple[str, float]]:
        mounts = self.options.disks or tuple(
            part.mountpoint
            for part in psutil.disk_partitions()
            if part.fstype not in _PSEUDO_FILE_SYSTEMS
        )
        found = []
        for mount in dict.fromkeys(mounts):
            try:
                found.append((mount, psutil.disk_usage(mount).percent))
            except OSError:  # unmounted since
                continue
        return found

    def _counters(self) -> dict[str, float]:
        """Ever-growing counters by the name of their rate."""
        found: dict[str, float] = {}
        disk = psutil.disk_io_counters()
        if disk is not None:
            found |= {
                "disk_read_bytes_per_s": disk.read_bytes,
                "disk_write_bytes_per_s": disk.write_bytes,
            }
        for name, net in psutil.net_io_counters(pernic=True).items():
            wanted = name in self.options.interfaces if self.options.interfaces else name != "lo"
            if wanted:
                found |= {
                    f"net_received_bytes_per_s:{name}": net.bytes_recv,
                    f"net_sent_bytes_per_s:{name}": net.bytes_sent,
                    f"net_errors_per_s:{name}": net.errin + net.errout,
                    f"net_dropped_per_s:{name}": net.dropin + net.dropout,
                }
        return found

    def _rates(self) -> list[Metric]:
        counters, moment = self._counters(), time.monotonic()
        elapsed = moment - self._before_at
        found = []
        for name, value in counters.items():
            before = self._before.get(name)
            if before is not None and value >= before and elapsed > 0:
                lossy = name.startswith(("net_errors", "net_dropped"))
                kind: MetricType = "error_rate" if lossy else "throughput"
                unit = "1/s" if lossy else "B/s"
                found.append(self._metric(name, (value - before) / elapsed, unit, kind))
        self._before, self._before_at = counters, moment
        return found
