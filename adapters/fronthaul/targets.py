"""The targets of the `oran-cfm` adapter, as in the configuration."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from padit.adapters.base import Options
from padit.adapters.fronthaul import echo, ecpri
from padit.adapters.fronthaul.links import parse_mac

__all__ = ["CfmTarget", "EchoTarget", "EcpriTarget", "Train"]


class Train(Options):
    """How the requests of one poll are sent."""

    count: int = Field(default=5, ge=1, le=100, description="Requests per target and poll.")
    spacing_ms: float = Field(default=10.0, ge=0, le=1000, description="Time between requests.")
    reply_timeout_ms: float = Field(
        default=500.0, gt=0, le=10_000, description="Wait for the answer to the last request."
    )


class _Target(Options):
    source_id: str = Field(
        default="", description="Source of the samples; by default the adapter's `source_id`."
    )


class EchoTarget(_Target):
    """A UDP echo server."""

    host: str = Field(description="Name or address.", examples=["10.0.0.2"])
    port: int = Field(default=echo.PORT, ge=1, le=65_535, description="UDP port.")
    size: int = Field(
        default=64, ge=echo.HEADER_BYTES, le=9_000, description="Bytes of each datagram."
    )


class _Frames(_Target):
    interface: str = Field(default="", description="Network interface.", examples=["eth1"])
    mac: str = Field(
        default="", description="MAC address of the peer.", examples=["02:00:00:00:00:01"]
    )
    vlan: int | None = Field(default=None, ge=0, le=4094, description="VLAN id; none: untagged.")
    priority: int = Field(default=0, ge=0, le=7, description="Priority in the VLAN tag.")

    @field_validator("mac")
    @classmethod
    def _is_mac(cls, value: str) -> str:
        if value:
            parse_mac(value)
        return value


class EcpriTarget(_Frames):
    """A peer that answers eCPRI one-way delay measurements."""

    transport: Literal["udp", "ethernet"] = Field(default="udp", description="How to reach it.")
    host: str = Field(default="", description="Name or address (udp).")
    port: int = Field(default=ecpri.PORT, ge=1, le=65_535, description="UDP port (udp).")
    two_step: bool = Field(default=False, description="Send t1 in a follow-up message.")
    both_ways: bool = Field(
        default=False,
        description="Also ask for the way back (remote request): `ecpri_return_delay_us`.",
    )
    dummy_bytes: int = Field(
        default=0, ge=0, le=9_000, description="Bytes to lengthen each request by."
    )
    compensation_ns: float = Field(
        default=0.0, description="tcv1: delay between our clock and the wire, nanoseconds."
    )

    @model_validator(mode="after")
    def _reachable(self) -> "EcpriTarget":
        if self.transport == "udp" and not self.host:
            message = "transport udp needs `host`"
            raise ValueError(message)
        if self.transport == "ethernet" and not (self.interface and self.mac):
            message = "transport ethernet needs `interface` and `mac`"
            raise ValueError(message)
        return self


class CfmTarget(_Frames):
    """A maintenance point that answers loopback messages."""

    interface: str = Field(description="Network interface.", examples=["eth1"])
    level: int = Field(default=0, ge=0, le=7, description="MD level.")
    data_bytes: int = Field(default=32, ge=0, le=1_480, description="Length of the Data TLV.")
