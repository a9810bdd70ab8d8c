"""Prometheus remote write, `prometheus://host:9090`: features, scores and bands for Grafana.

What an item must look like: records of `features` and `metrics`. Unit of parallelism: the process.
In a crash: records since the last committed position come again. Prometheus takes no sample that is
older than the newest one of its series, so what comes again is counted as repeated.
"""

import re

from pydantic import Field, field_validator

from padit.connectors.uris import Address
from padit.domain.config import Section
from padit.stores.base import Store

__all__ = ["SCHEMES", "Settings", "create"]

SCHEMES = ("prometheus",)
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


class Settings(Section):
    """Settings of a remote-write store."""

    client_config: str | None = Field(
        default=None,
        description="File with username= and password=, or token=; without it the variables "
        "PROMETHEUS_USERNAME, PROMETHEUS_PASSWORD and PROMETHEUS_TOKEN.",
    )
    tls: bool = Field(default=False, description="Whether the connection is encrypted.")
    path: str = Field(default="/api/v1/write", pattern="^/", description="Path of the receiver.")
    prefix: str = Field(default="padit_", description="Of the names of all metrics.")
    fields: tuple[str, ...] = Field(
        default=(),
        description="Fields of features that are written (score, expected_low, mean, ...); "
        "empty: all numbers.",
    )
    labels: dict[str, str] = Field(default={}, description="Labels that every series gets.")
    timeout_sec: float = Field(default=30.0, gt=0, le=300, description="Of one call, seconds.")
    most_points: int = Field(
        default=20_000, ge=1, le=1_000_000, description="Points in one call, about."
    )

    @field_validator("prefix", "labels")
    @classmethod
    def _names(cls, value: str | dict[str, str]) -> str | dict[str, str]:
        for name in [value] if isinstance(value, str) else value:
            if name and not _NAME.fullmatch(name):
                message = f"{name!r} is no name in Prometheus: letters, digits and _"
                raise ValueError(message)
        return value


def create(address: Address, settings: Settings) -> Store:
    """The store at an address; nothing is opened yet."""
    from padit.stores.remote_write_store import RemoteWriteStore

    return RemoteWriteStore(address, settings)
