"""Settings of a store in PostgreSQL."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from padit.domain.config import Section
from padit.domain.timestamps import parse_duration

__all__ = ["SENSOR_COLUMNS", "Settings"]

SENSOR_COLUMNS = ("air_temp_k", "process_temp_k", "rpm", "torque_nm", "tool_wear_min")
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def _parsed(value: object) -> object:
    if value == "null":
        return None
    return parse_duration(value) if isinstance(value, str) else value


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        message = "a name in PostgreSQL has small letters, digits and _, at most 63"
        raise ValueError(message)
    return value


Duration = Annotated[int | None, BeforeValidator(_parsed)]
Name = Annotated[str, AfterValidator(_name)]


class Settings(Section):
    """Settings of a store in PostgreSQL; durations with a unit (s, min, h, d), null: for ever."""

    client_config: str | None = Field(
        default=None,
        description="File of libpq's settings, name=value per line (user, password, sslmode). "
        "Without it libpq's own places count: PGUSER, PGPASSWORD, PGPASSFILE, PGSERVICE.",
    )
    in_schema: Name = Field(default="public", description="Schema of all tables; made if missing.")
    reader: str = Field(
        default="padit",
        min_length=1,
        max_length=200,
        description="Name of the process: positions are kept under it, and of several with one "
        "name one works and the others stand by.",
    )
    columns: dict[str, Name] = Field(
        default={name: name for name in SENSOR_COLUMNS},
        description="Metric to column of `sensor_log`; a column that is not there is an error.",
    )
    samples: Literal["others", "all", "none"] = Field(
        default="others",
        description="Which metrics go to `metric_sample`: those without a column, all, or none.",
    )
    keep_metrics: Duration = Field(
        default=None,
        description="How long readings and features are kept, by event time; older partitions are "
        "dropped, and rows that are older when they come are counted and left out.",
    )
    keep_results: Duration = Field(
        default=None, description="How long alerts and scores are kept, by event time."
    )
    keep_outbox: Duration = Field(
        default=7 * 86_400 * 10**6,
        description="How long rows of the outbox are kept, by the time of writing; those that the "
        "relay has not published yet are kept longer.",
    )
    keep_dead_letters: Duration = Field(
        default=30 * 86_400 * 10**6, description="How long dead letters are kept."
    )
    partition_days: int = Field(default=1, ge=1, le=366, description="Days in a partition.")
    most_partitions: int = Field(
        default=2000,
        ge=1,
        le=100_000,
        description="Partitions of a table; rows of further days go to its default partition.",
    )
    relay: str | None = Field(
        default=None,
        description="Topic that the built-in relay publishes the outbox to, as "
        "kafka://host:9092/anomaly-alerts; none: Debezium does, or nothing.",
    )
    slot: str | None = Field(
        default=None,
        description="Replication slot of Debezium. With a relay, the relay stands by and takes "
        "over when the slot is lost. Its lag is watched.",
    )
    slot_lag_mib: int = Field(
        default=1024,
        ge=1,
        description="MiB of WAL that a slot may hold back before it is an alert.",
    )
    upkeep_sec: float = Field(
        default=60.0, gt=0, description="Seconds between two rounds of retention and heartbeat."
    )
    timeout_sec: float = Field(
        default=60.0, gt=0, description="Seconds of one statement, and of a connection's silence."
    )
