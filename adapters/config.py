"""The YAML file of `padit adapters --config`: where samples go, and which adapters run."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from padit.adapters.base import Options, Seconds
from padit.domain.config import load_model
from padit.ops.health import HealthOptions

__all__ = ["AdaptersConfig", "BufferOptions", "KafkaOptions", "load_adapters"]


class KafkaOptions(Options):
    """Where the samples go."""

    bootstrap: str = Field(default="localhost:9092", description="Brokers, `host:port,...`.")
    topic: str = Field(default="metrics", description="Topic of the samples.")
    format: Literal["json", "json-array", "arrow"] = Field(
        default="json",
        description="One JSON object per record, or many samples per record: a JSON array or an "
        "Arrow stream.",
    )
    linger_ms: int = Field(
        default=50, ge=0, le=10_000, description="How long samples are gathered, milliseconds."
    )
    batch_samples: int = Field(
        default=5_000, ge=1, le=100_000, description="Most samples in one array or Arrow stream."
    )
    compression: Literal["lz4", "gzip", "zstd", "none"] = Field(
        default="lz4", description="Compression of the records."
    )
    security: dict[str, Any] = Field(
        default_factory=dict,
        description="Settings of librdkafka for TLS and SASL, by their names there.",
        examples=[{"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"}],
    )
    password_file: str = Field(
        default="", description="File with `sasl.password`; read at every start of the client."
    )
    password_env: str = Field(
        default="", description="Environment variable with it.", examples=["KAFKA_PASS"]
    )

    @field_validator("bootstrap")
    @classmethod
    def _has_ports(cls, value: str) -> str:
        for broker in value.split(","):
            host, _, port = broker.strip().rpartition(":")
            if not host or not port.isdecimal():
                message = f"{broker!r} is no host:port"
                raise ValueError(message)
        return value

    @field_validator("security")
    @classmethod
    def _only_security(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key in value:
            if not key.startswith(("ssl.", "sasl.")) and key != "security.protocol":
                message = f"{key} is no security setting; security.protocol, ssl.* and sasl.* are"
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _one_password(self) -> "KafkaOptions":
        places = [self.security.get("sasl.password"), self.password_file, self.password_env]
        if sum(map(bool, places)) > 1:
            message = "`sasl.password`, `password_file` and `password_env` exclude each other"
            raise ValueError(message)
        return self


class BufferOptions(Options):
    """What is kept while the broker is away."""

    directory: str = Field(
        default=".padit/adapters", description="Directory of the disk buffer, for this process."
    )
    max_mb: float = Field(
        default=256.0, gt=0, description="Largest size on disk, MB; the oldest goes first."
    )
    in_flight_mb: float = Field(
        default=16.0,
        gt=0,
        le=512,
        description="Records handed to the client and not acknowledged yet, MB; also the memory "
        "that may wait before the disk is used.",
    )


class AdaptersConfig(Options):
    """All sections of the file."""

    kafka: KafkaOptions = Field(default=KafkaOptions(), description="Where the samples go.")
    buffer: BufferOptions = Field(default=BufferOptions(), description="While it is away.")
    health: HealthOptions = Field(default=HealthOptions(), description="Health and metrics.")
    stop_timeout_sec: Seconds = Field(
        default=10.0, description="Seconds a clean stop may take to deliver what is left."
    )
    adapters: list[dict[str, Any]] = Field(
        min_length=1, description="The adapters; each has a `type` and that type's options."
    )


def load_adapters(path: str) -> AdaptersConfig:
    """Read the YAML file.

    Raises:
        ConfigurationError: unreadable, or a key or value that is not allowed.
    """
    return load_model(path, AdaptersConfig)
