"""Options of the `syslog` adapter: where it listens, who may send, and its bounds."""

import ipaddress
import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from padit.adapters.access import is_loopback
from padit.adapters.base import AdapterOptions, Seconds
from padit.adapters.log_options import LogParsing

__all__ = ["SERVICE_PART", "SyslogOptions"]

SERVICE_PART = re.compile(r"\{(host|app|peer)\}")
"""What a rule of `service` fills in."""


class SyslogOptions(LogParsing, AdapterOptions):
    """Options of the `syslog` adapter."""

    interval_sec: Seconds = Field(default=5.0, description="Seconds from poll to poll.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(
        default=5514,
        ge=0,
        le=65_535,
        description="Port, of UDP and TCP alike; 0 takes a free one. Below 1024 (514, 601, 6514) "
        "needs a right of the system.",
    )
    transports: tuple[Literal["udp", "tcp"], ...] = Field(
        default=("udp", "tcp"), min_length=1, description="Which to listen for: udp, tcp."
    )
    certificate: str = Field(default="", description="PEM file with the certificate: TLS for tcp.")
    private_key: str = Field(default="", description="PEM file with its key.")
    client_ca_file: str = Field(
        default="", description="PEM file: with TLS, senders need a certificate of its authorities."
    )
    allow_from: tuple[str, ...] = Field(
        default=(),
        description="Networks of senders; others are refused. The address of a datagram can be "
        "forged. Empty: all.",
        examples=[["10.0.0.0/8", "fd00::/8"]],
    )
    allow_anonymous: bool = Field(
        default=False,
        description="Listen on an address other than the loopback without allow_from and without "
        "client_ca_file.",
    )
    service: tuple[str, ...] = Field(
        default=("{host}/{app}", "{peer}/{app}", "{host}", "{peer}"),
        min_length=1,
        description="Service of a message: the first of these whose parts it has. `host` and `app` "
        "are those of the message, `peer` is the address that it came from.",
        examples=[["{app}", "{host}"]],
    )
    max_message_bytes: int = Field(
        default=65_536, ge=480, le=1_000_000, description="Bytes of a message that are kept."
    )
    max_connections: int = Field(
        default=1_000,
        ge=1,
        description="Connections; for one more the one that was silent longest is closed.",
    )
    waiting_mb: float = Field(
        default=16.0, ge=0.1, description="Messages that may wait here, MB; also the size asked of "
        "the kernel for datagrams, at most 8 MB."
    )  # fmt: skip
    topic: str = Field(default="logs.ingestion", description="Topic of the records.")
    learn_sec: float = Field(
        default=300.0, ge=0, description="Seconds in which a service's templates are learned."
    )
    max_services: int = Field(default=10_000, ge=1, description="Services with metrics.")

    @field_validator("allow_from")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                ipaddress.ip_network(one)
            except ValueError as error:
                message = f"{one!r} is no network, such as 10.0.0.0/8: {error}"
                raise ValueError(message) from error
        return value

    @field_validator("service")
    @classmethod
    def _has_parts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if "{" in SERVICE_PART.sub("", one):
                message = f"{one!r}: a part is one of {{host}}, {{app}}, {{peer}}"
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _guarded(self) -> "SyslogOptions":
        if self.client_ca_file and not self.certificate:
            message = "client_ca_file needs TLS: set certificate"
            raise ValueError(message)
        by_certificate = self.client_ca_file and "udp" not in self.transports
        if not (
            is_loopback(self.host) or self.allow_from or self.allow_anonymous or by_certificate
        ):
            message = (
                f"host {self.host} can be reached from outside: set `allow_from`, or "
                "`client_ca_file` with `transports: [tcp]`, or `allow_anonymous: true`"
            )
            raise ValueError(message)
        return self
