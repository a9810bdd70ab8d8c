"""InfluxDB: `influxdb://host:8086/database` (version 1), `influxdb://host:8086/org/bucket` (2).

What an item must look like: records of `metrics`, `features`, `anomalies` and `alerts`. Unit of
parallelism: the process. In a crash: records since the last committed position are written again;
tags and times follow from the records alone, so that changes nothing.
"""

from pydantic import Field

from padit.connectors.uris import Address
from padit.domain.config import Section
from padit.stores.base import Store

__all__ = ["SCHEMES", "Settings", "create"]

SCHEMES = ("influxdb",)


class Settings(Section):
    """Settings of an InfluxDB store."""

    client_config: str | None = Field(
        default=None,
        description="File with token= (version 2), or username= and password= (1); without it the "
        "variables INFLUX_TOKEN, or INFLUX_USERNAME and INFLUX_PASSWORD.",
    )
    tls: bool = Field(default=False, description="Whether the connection is encrypted.")
    prefix: str = Field(
        default="padit_", description="Of the measurements of features, anomalies and alerts."
    )
    timeout_sec: float = Field(default=30.0, gt=0, le=300, description="Of one call, seconds.")
    most_points: int = Field(
        default=10_000, ge=1, le=1_000_000, description="Points in one call at the most."
    )


def create(address: Address, settings: Settings) -> Store:
    """The store at an address; nothing is opened yet."""
    from padit.stores.influx_store import InfluxStore

    return InfluxStore(address, settings)
