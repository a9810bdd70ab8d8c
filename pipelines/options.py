"""Pipeline options: settings of a single run. Everything else is YAML (`--config`)."""

import argparse
import difflib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from apache_beam.options.pipeline_options import PipelineOptions

from padit.analysis.audit_log import audit_log_beside
from padit.domain.errors import ConfigurationError
from padit.domain.renamed import RenamedOption
from padit.domain.timestamps import MICROS, parse_timestamp, seconds_to_micros
from padit.pipelines.bootstrap import with_bootstrap

__all__ = ["JobOptions", "PaditOptions", "parse_options"]


class PaditOptions(PipelineOptions):  # type: ignore[misc]
    """Options of the job; Beam's own options (runner, parallelism, ...) pass through."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        _add_places(parser)
        _add_windows(parser)
        _add_reading(parser)
        group = parser.add_argument_group("on a Flink cluster")
        group.add_argument(
            "--savepoint_path",
            help="Restore a savepoint, or the last checkpoint of a lost job (its directory); "
            "inputs, windows, groups and detectors have to be the same as then.",
        )
        group.add_argument(
            "--operator_chaining",
            choices=("true", "false"),
            help="Let Flink chain steps; off, so that a savepoint fits any parallelism.",
        )


def _add_places(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("inputs and outputs (URIs)")
    group.add_argument("--input", help="kafka://host:9092/topic, a .jsonl, .csv or .parquet file.")
    group.add_argument("--output", default="-", help="Alerts, as CloudEvents; - prints them.")
    group.add_argument("--features", help="Features of every window and series; off by default.")
    group.add_argument("--anomalies", help="Scores of every anomalous window; off by default.")
    group.add_argument("--late", help="Late records; only counted by default.")
    group.add_argument(
        "--dlq", help="Dead letters: records that cannot be processed; only counted by default."
    )
    group.add_argument(
        "--audit",
        "--journal",  # the earlier name
        action=RenamedOption,
        help="Audit log: run totals, idleness decisions and provenance of alerts; by default "
        "beside the alerts (alerts.audit.jsonl, topic alerts-audit); null switches it off.",
    )
    group.add_argument("--config", help="YAML file with detectors and alert settings.")


def _add_windows(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("windows")
    group.add_argument("--window_size_sec", type=float, default=300.0, help="Length of a window.")
    group.add_argument(
        "--extract_interval_sec", type=float, default=60.0, help="Time between two windows."
    )
    group.add_argument(
        "--max_samples", type=int, default=1000, help="Latest samples of a series in a window."
    )
    group.add_argument(
        "--out_of_orderness_sec",
        type=float,
        default=10.0,
        help="How much older than the newest record of its partition a record may be.",
    )
    group.add_argument(
        "--max_ahead_sec",
        type=float,
        default=3600.0,
        help="How far an event may be ahead of the timestamp of its Kafka record.",
    )
    group.add_argument(
        "--key_groups",
        type=int,
        default=32,
        help="Number of groups that series are distributed to.",
    )


def _add_reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to read")
    group.add_argument("--start_offset", help="earliest, latest or a number; for every partition.")
    group.add_argument("--end_offset", type=int, help="Offset after the last one to read.")
    group.add_argument(
        "--bootstrap_from",
        help="Live: build the state from history first: -6h, a timestamp, earliest or offset:N. "
        "Results before --live_from are not written.",
    )
    group.add_argument(
        "--live_from",
        help="With --bootstrap_from: results from this event time on are written: now (the "
        "default), -10m or a timestamp, such as the time another job was stopped.",
    )
    group.add_argument(
        "--allow_missing",
        nargs="?",
        const="true",
        choices=("true", "false"),
        help="Continue although retention has deleted part of the requested range.",
    )
    group.add_argument(
        "--decisions",
        help="Replay: audit log of a live run (a file or a topic) whose decisions about idle "
        "partitions are repeated.",
    )
    group.add_argument("--start_time", help="Read from here on; any form of timestamp.")
    group.add_argument("--end_time", help="Read up to here; any form of timestamp.")
    group.add_argument("--max_record_bytes", type=int, default=4 << 20, help="Largest record.")
    group.add_argument("--read_shards", type=int, default=1, help="Readers that work in parallel.")
    group.add_argument(
        "--idle_timeout_sec",
        type=float,
        default=30.0,
        help="Live: a partition without new records for this long holds no window open.",
    )
    group.add_argument(
        "--broker_timeout_sec",
        type=float,
        default=60.0,
        help="How long to wait for a broker at start.",
    )


# Options that only the Java side of a Flink job knows; Beam passes them on.
_JAVA_OPTIONS = (
    "checkpointing_interval",
    "externalized_checkpoints_enabled",
    "finish_bundle_before_checkpointing",
    "max_bundle_size",
    "max_bundle_time_mills",
    "max_parallelism",
    "min_pause_between_checkpoints",
    "number_of_execution_retries",
    "execution_retry_delay",
    "retain_externalized_checkpoints_on_cancellation",
    "shutdown_sources_after_idle_ms",
    "state_backend",
    "state_backend_storage_path",
)


def parse_options(argv: Sequence[str]) -> PipelineOptions:
    """Read the command line.

    Raises:
        ConfigurationError: an unknown option; the message names the nearest known one.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, conflict_handler="resolve")
    for options in [PaditOptions, *PipelineOptions.__subclasses__()]:
        options._add_argparse_args(parser)
    for name in _JAVA_OPTIONS:
        parser.add_argument(f"--{name}", nargs="?")  # some are flags
    known = sorted(name for action in parser._actions for name in action.option_strings)
    parser.error = _refuse  # type: ignore[method-assign]
    _, unknown = parser.parse_known_args(list(argv))
    if unknown:
        name = unknown[0].split("=", 1)[0]
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else "; `padit run --help` lists all"
        message = f"unknown option {name}{hint}"
        raise ConfigurationError(message)
    return PipelineOptions(list(argv))


def _refuse(message: str) -> NoReturn:
    raise ConfigurationError(message)


@dataclass(frozen=True, slots=True)
class JobOptions:
    """Checked options, in the units of the job (microseconds unless named)."""

    input: str
    output: str
    features: str | None
    anomalies: str | None
    late: str | None
    dlq: str | None
    audit: str | None
    config: str | None
    window_size: int
    extract_interval: int
    max_samples: int
    out_of_orderness: int
    max_ahead: int
    key_groups: int
    start_offset: str | None
    end_offset: int | None
    start_time: int | None
    end_time: int | None
    max_record_bytes: int
    read_shards: int
    idle_timeout_sec: float
    broker_timeout_sec: float
    allow_missing: bool
    decisions: str | None
    live_from: int | None

    @classmethod
    def of(cls, options: PipelineOptions) -> "JobOptions":
        """Check the options of a pipeline; raises as `checked`."""
        return cls.checked(options.view_as(PaditOptions).get_all_options())

    @classmethod
    def checked(cls, raw: dict[str, Any]) -> "JobOptions":
        """Check options by name, as they come from the command line.

        Raises:
            ConfigurationError: one is out of range, or two contradict each other.
        """
        if not raw["input"]:
            message = "--input is missing: --input kafka://127.0.0.1:9092/metrics, or a file"
            raise ConfigurationError(message)
        raw, live_from = with_bootstrap(raw, time.time())
        return cls(
            allow_missing=raw["allow_missing"] == "true",
            live_from=live_from,
            **{name: raw[name] for name in _AS_THEY_ARE},
            audit=raw["audit"] or audit_log_beside(raw["output"]),
            idle_timeout_sec=_micros(raw, "idle_timeout_sec") / MICROS,
            broker_timeout_sec=_micros(raw, "broker_timeout_sec", zero=True) / MICROS,
            max_samples=_positive(raw, "max_samples"),
            key_groups=_positive(raw, "key_groups", 4096),
            max_record_bytes=_positive(raw, "max_record_bytes"),
            read_shards=_positive(raw, "read_shards"),
            max_ahead=_micros(raw, "max_ahead_sec"),
            out_of_orderness=_micros(raw, "out_of_orderness_sec", zero=True),
            **_windows(raw),
            **_times(raw),
        )


_AS_THEY_ARE = (
    "input",
    "output",
    "features",
    "anomalies",
    "late",
    "dlq",
    "config",
    "decisions",
    "start_offset",
    "end_offset",
)


def _windows(raw: dict[str, Any]) -> dict[str, Any]:
    size = _micros(raw, "window_size_sec")
    interval = _micros(raw, "extract_interval_sec")
    if size < interval:
        message = (
            f"--window_size_sec={raw['window_size_sec']:g} is smaller than "
            f"--extract_interval_sec={raw['extract_interval_sec']:g}: samples between two windows "
            "would never be used; make the interval at most as long as the window"
        )
        raise ConfigurationError(message)
    if size % interval:
        nearest = max(1, round(size / interval)) * interval / 1e6
        message = (
            f"--window_size_sec={raw['window_size_sec']:g} must be a whole multiple of "
            f"--extract_interval_sec={raw['extract_interval_sec']:g}; the nearest is {nearest:g}"
        )
        raise ConfigurationError(message)
    return {"window_size": size, "extract_interval": interval}


def _times(raw: dict[str, Any]) -> dict[str, Any]:
    start, end = _moment(raw, "start_time"), _moment(raw, "end_time")
    if start is not None and end is not None and start >= end:
        message = f"--start_time={raw['start_time']} is not before --end_time={raw['end_time']}"
        raise ConfigurationError(message)
    if start is not None and raw["start_offset"] is not None:
        message = "--start_time and --start_offset both set where to begin; give one of them"
        raise ConfigurationError(message)
    if end is not None and raw["end_offset"] is not None:
        message = "--end_time and --end_offset both set where to end; give one of them"
        raise ConfigurationError(message)
    if raw["end_offset"] is not None and raw["end_offset"] < 0:
        message = f"--end_offset={raw['end_offset']} must not be negative"
        raise ConfigurationError(message)
    offset = raw["start_offset"]
    if offset is not None and offset not in ("earliest", "latest") and not offset.isdigit():
        message = f"--start_offset={offset} is neither earliest, latest nor a number"
        raise ConfigurationError(message)
    if offset is not None and offset.isdigit() and (raw["end_offset"] or 2**63) <= int(offset):
        message = f"--start_offset={offset} is not before --end_offset={raw['end_offset']}"
        raise ConfigurationError(message)
    return {"start_time": start, "end_time": end}


def _moment(raw: dict[str, Any], name: str) -> int | None:
    text = raw[name]
    if text is None:
        return None
    try:
        return parse_timestamp(float(text) if _is_number(text) else text)
    except ValueError as error:
        message = f"--{name}={text} is neither RFC 3339 nor epoch seconds or milliseconds"
        raise ConfigurationError(message) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _micros(raw: dict[str, Any], name: str, *, zero: bool = False) -> int:
    micros = seconds_to_micros(raw[name]) if math.isfinite(raw[name]) else -1
    if micros < 0 or (micros == 0 and not zero) or micros > 10**15:
        low = "at least 0" if zero else "at least 0.000001"
        message = f"--{name}={raw[name]:g} must be {low} and at most 1e9 seconds"
        raise ConfigurationError(message)
    return micros


def _positive(raw: dict[str, Any], name: str, largest: int = 2**31) -> int:
    value = int(raw[name])
    if not 1 <= value <= largest:
        message = f"--{name}={value} must lie between 1 and {largest}"
        raise ConfigurationError(message)
    return value
