"""Delay, jitter and loss of a fronthaul link, by three protocols with real packets.

Each poll sends a train of requests to every target: `count` of them, `spacing_ms` apart, and
waits `reply_timeout_ms` for the last answer. Every answer is a sample; every poll adds one
sample of jitter (mean change from one answer to the next, as RFC 3550 without smoothing) and
one of loss (share of requests without answer, 0 to 1). A target that cannot be reached at all
counts as lost, so that an alert on loss sees it.

`ecpri_delay_us` is a one-way delay: both ends need synchronised clocks (PTP in the field). It is
negative where they are not, which is counted as a fault. `ecpri_rtt_us` needs none.
"""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field, model_validator

from padit.adapters.base import AdapterOptions, Emitter
from padit.adapters.fronthaul.probes import CfmProbe, EchoProbe, EcpriProbe, Probe
from padit.adapters.fronthaul.targets import CfmTarget, EchoTarget, EcpriTarget, Train

__all__ = ["OranCfmAdapter", "OranCfmOptions"]


class OranCfmOptions(AdapterOptions):
    """Options of the `oran-cfm` adapter."""

    interval_sec: float = Field(default=1.0, gt=0, description="Seconds from poll to poll.")
    source_id: str = Field(default="fronthaul", description="Source of the samples.")
    train: Train = Field(default=Train(), description="The requests of one poll.")
    udp_echo: tuple[EchoTarget, ...] = Field(default=(), description="UDP echo servers.")
    ecpri: tuple[EcpriTarget, ...] = Field(default=(), description="eCPRI peers.")
    cfm: tuple[CfmTarget, ...] = Field(default=(), description="CFM maintenance points.")

    @model_validator(mode="after")
    def _distinct(self) -> "OranCfmOptions":
        for kind in ("udp_echo", "ecpri", "cfm"):
            names = [target.source_id or self.source_id for target in getattr(self, kind)]
            if len(set(names)) < len(names):
                message = f"{kind}: give each target a `source_id` of its own, or series mix"
                raise ValueError(message)
        if not (self.udp_echo or self.ecpri or self.cfm):
            message = "name at least one target in `udp_echo`, `ecpri` or `cfm`"
            raise ValueError(message)
        return self


class OranCfmAdapter:
    """Delay, jitter and loss of fronthaul links: UDP echo, eCPRI delay, CFM loopback."""

    Options: ClassVar[type[AdapterOptions]] = OranCfmOptions

    def __init__(self, options: OranCfmOptions) -> None:
        self.options = options
        self._probes: Sequence[Probe] = ()

    async def open(self, emitter: Emitter) -> None:
        """Prepare the probes; each opens its own link at its first poll."""
        options = self.options
        self._probes = [
            *(EchoProbe(t, t.source_id or options.source_id, emitter) for t in options.udp_echo),
            *(EcpriProbe(t, t.source_id or options.source_id, emitter) for t in options.ecpri),
            *(CfmProbe(t, t.source_id or options.source_id, emitter) for t in options.cfm),
        ]

    async def poll(self, emitter: Emitter) -> None:
        """One train of requests to every target, all at the same time."""
        found = await asyncio.gather(*(probe.measure(self.options.train) for probe in self._probes))
        for metrics in found:
            emitter.emit(metrics)

    async def close(self) -> None:
        """Close all links."""
        for probe in self._probes:
            probe.close()
