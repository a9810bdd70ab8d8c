"""Options of the `logs` adapter: files to follow, and how their lines are read."""

import re
from datetime import tzinfo
from typing import Literal

from pydantic import Field, field_validator

from padit.adapters.base import Options
from padit.adapters.receiver import ReceiverOptions
from padit.codecs.logs.durations import UNITS
from padit.codecs.logs.levels import KNOWN, level_by_word
from padit.codecs.logs.record import Settings
from padit.domain.timestamps import zone_of

__all__ = ["LogFile", "LogParsing", "LogsOptions"]


class LogParsing(Options):
    """How records are read where they do not say it themselves."""

    timezone: str = Field(
        default="UTC",
        description="Zone of times without an offset; in the hour that a clock is put back, the "
        "first of the two is taken.",
        examples=["Europe/Berlin"],
    )
    levels: dict[str, str] = Field(
        default_factory=dict,
        description="Levels by words or numbers of your own.",
        examples=[{"oops": "ERROR", "7": "DEBUG"}],
    )
    numeric_levels: Literal["auto", "pino", "python", "syslog"] = Field(
        default="auto",
        description="Scale of levels that are numbers: 40 is a warning to pino, an error to "
        "Python. `auto`: 0 to 7 syslog; 8 to 99 Python where a record has a field of its logging, "
        "else pino; 100 to 999 Monolog, from 1,000 on Logback.",
    )
    duration_unit: Literal["auto", "ns", "us", "ms", "s"] = Field(
        default="auto",
        description="Unit of durations that have none. `auto`: by the habit of the logger; whole "
        "numbers from 100,000 on are nanoseconds.",
    )
    client_errors: Literal["INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Level of HTTP answers 400 to 499; from 500 on it is ERROR."
    )

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        _zone(value)
        return value

    @field_validator("levels")
    @classmethod
    def _are_levels(cls, value: dict[str, str]) -> dict[str, str]:
        found = {key.strip().upper(): level_by_word(level) for key, level in value.items()}
        for key, level in found.items():
            if level not in KNOWN:
                message = f"{key}: {level} is no level; {', '.join(sorted(KNOWN))} are"
                raise ValueError(message)
        return found

    def settings(self) -> Settings:
        """As the parser takes them."""
        return Settings(
            zone=_zone(self.timezone),
            levels=self.levels,
            scale=self.numeric_levels,
            bare=UNITS.get(self.duration_unit),
            client_errors=self.client_errors,
        )


def _zone(name: str) -> tzinfo:
    found = zone_of(name)
    if found is None:
        message = f"timezone {name!r} is not known; names are like Europe/Berlin"
        raise ValueError(message)
    return found


class LogFile(LogParsing):
    """Files to follow."""

    path: str = Field(description="Path; * and ** match.", examples=["/var/log/shop/*.log"])
    service: str = Field(
        default="", description="Service of lines that name none; by default the file's name."
    )
    format: Literal[
        "auto", "json", "logfmt", "access", "klog", "syslog3164", "syslog5424", "priority", "plain"
    ] = Field(
        default="auto",
        description="Format of the lines; `auto` recognises each line by itself. JSON, and what is "
        "inside Docker's and CRI's lines, is recognised in any case.",
    )
    pattern: str = Field(
        default="",
        description="Expression for plain lines, with the groups timestamp, service, level, "
        "message, latency_ms; others become attributes.",
    )
    multiline: bool = Field(
        default=True,
        description="Whether stack traces and lines without a time of their own belong to the "
        "record before; otherwise every line is a record.",
    )
    from_start: bool = Field(default=False, description="Read what is there already.")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            message = f"{value!r} is no regular expression: {error}"
            raise ValueError(message) from error
        return value

    def settings(self) -> Settings:
        """As the parser takes them."""
        return (
            super()
            .settings()
            ._replace(
                form=self.format,
                pattern=re.compile(self.pattern) if self.pattern else None,
                multiline=self.multiline,
            )
        )


class LogsOptions(ReceiverOptions):
    """Options of the `logs` adapter."""

    interval_sec: float = Field(default=5.0, gt=0, description="Seconds from poll to poll.")
    listen: bool = Field(default=True, description="Whether to accept logs over HTTP.")
    port: int = Field(default=8090, ge=0, le=65_535, description="Port; 0 takes a free one.")
    files: tuple[LogFile, ...] = Field(default=(), description="Files to follow.")
    posted: LogParsing = Field(default=LogParsing(), description="How posted records are read.")
    join_sec: float = Field(
        default=0.25,
        ge=0,
        le=10,
        description="Seconds that the last record of a file waits for further lines of it.",
    )
    state_dir: str = Field(
        default="", description="Where read positions are kept over restarts; none by default."
    )
    topic: str = Field(default="logs.ingestion", description="Topic of the records.")
    learn_sec: float = Field(
        default=300.0, ge=0, description="Seconds in which a service's templates are learned."
    )
    max_services: int = Field(default=10_000, ge=1, description="Services with metrics.")
    store_dir: str = Field(
        default=".padit/logs",
        description="Directory of the searchable store, each adapter in a folder of its name; "
        "empty keeps nothing.",
    )
    store_mb: float = Field(
        default=512.0, ge=1, description="Largest size of the store, MB; the oldest goes first."
    )
    store_days: int = Field(default=7, ge=1, description="Days that records can be found.")
