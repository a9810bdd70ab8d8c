"""Settings of the Redis store: which keys there are, and how long they live."""

import string
from typing import Literal

from pydantic import Field, field_validator

from padit.domain.config import Section

__all__ = ["LiveKey", "Settings"]

_FIELDS = {"source", "metric", "unit"}


def _checked(template: str, needed: set[str]) -> str:
    """A template of a key. Raises ValueError with the remedy."""
    names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    if not needed <= names <= _FIELDS:
        message = (
            f"{template!r} must hold {', '.join(f'{{{one}}}' for one in sorted(needed))} and may "
            f"hold {', '.join(f'{{{one}}}' for one in sorted(_FIELDS))}"
        )
        raise ValueError(message)
    return template


class LiveKey(Section):
    """A key that is computed from the samples of one metric."""

    metric: str = Field(description="Name of the metric.", examples=["torque_nm"])
    key: str = Field(description="Name of the key, with {source}.",
                     examples=["machine:{source}:last_torque"])  # fmt: skip
    value: Literal["last", "mean", "variance", "min", "max"] = Field(
        default="last", description="What it holds; the variance is that of the population."
    )
    seconds: float = Field(
        default=60.0, gt=0, le=86_400, description="Of event time that a value is computed over."
    )

    @field_validator("key")
    @classmethod
    def _key(cls, key: str) -> str:
        return _checked(key, {"source"})


_MACHINE = (
    LiveKey(metric="torque_nm", key="machine:{source}:last_torque"),
    LiveKey(metric="air_temp_k", key="machine:{source}:temp_1m_avg", value="mean"),
    LiveKey(metric="rpm", key="machine:{source}:rpm_variance", value="variance"),
)


class Settings(Section):
    """Settings of a Redis store."""

    client_config: str | None = Field(
        default=None,
        description="File with username= and password=, one a line; without it the variables "
        "REDIS_USERNAME and REDIS_PASSWORD.",
    )
    keys: tuple[LiveKey, ...] = Field(
        default=_MACHINE, description="Keys that are computed from samples."
    )
    features_key: str = Field(
        default="features:{source}:{metric}:{unit}",
        description="Name of the hash with the latest features of a series.",
    )
    expire_sec: float = Field(
        default=86_400.0, ge=1, le=31_536_000, description="After which a key without news is gone."
    )
    stream: str = Field(default="alerts", min_length=1, description="Name of the stream of alerts.")
    stream_length: int = Field(
        default=100_000, ge=1, description="Alerts that the stream keeps, about."
    )
    groups: tuple[str, ...] = Field(
        default=(), description="Consumer groups of the stream that are created, from its start."
    )
    positions_key: str = Field(
        default="padit:positions", description="Name of the hash with the positions of the topics."
    )
    timeout_sec: float = Field(default=5.0, gt=0, le=300, description="Of one call, seconds.")

    @field_validator("features_key")
    @classmethod
    def _features(cls, key: str) -> str:
        return _checked(key, {"source", "metric"})
