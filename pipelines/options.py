"""Pipeline options: settings of a single run. Everything else is YAML (`--config`)."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from padit.analysis.audit_log import audit_log_beside
from padit.domain.errors import ConfigurationError
from padit.domain.renamed import RenamedOption
from padit.domain.timestamps import seconds_to_micros
from padit.pipelines.bootstrap import with_bootstrap
from padit.pipelines.bounds import OFFSET, SECONDS, SECONDS_OR_NONE, Number
from padit.pipelines.option_checks import times_of, windows_of
from padit.pipelines.suggest import OptionParser, help_of, unknown_option
from padit.transforms.limit import MOST_SERIES

__all__ = ["JobOptions", "PaditOptions", "option_names", "parse_options"]


class PaditOptions(PipelineOptions):  # type: ignore[misc]
    """Options of the job; Beam's own options (runner, parallelism, ...) pass through."""

    @classmethod
    def _add_argparse_args(cls, parser: argparse.ArgumentParser) -> None:
        _add_places(parser)
        _add_windows(parser)
        _add_reading(parser)
        _add_failing(parser)
        group = parser.add_argument_group("on a Flink cluster")
        group.add_argument(
            "--savepoint_path",
            help="Restore a savepoint, or the last checkpoint of a lost job (its directory); every "
            "option that decides results has to be the same as then.",
        )
        group.add_argument(
            "--operator_chaining",
            choices=("true", "false"),
            help="Let Flink chain steps; off by default, so that a savepoint fits any parallelism.",
        )
        group.add_argument("--submission_id", help=argparse.SUPPRESS)  # see `pipelines.flink_job`


def _add_places(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("inputs and outputs (URIs)")
    group.add_argument("--input", help="kafka://host:9092/topic, a .jsonl, .csv or .parquet file.")
    group.add_argument(
        "--output", default="-", help="Alerts, as CloudEvents; - prints them; see --overwrite."
    )
    group.add_argument("--features", help="Features of every window and series; off by default.")
    group.add_argument("--anomalies", help="Scores of every anomalous window; off by default.")
    group.add_argument("--late", help="Late samples; only counted by default.")
    group.add_argument(
        "--dlq",
        help="Records that cannot be processed, with the reason; by default they are counted, and "
        "the first of each kind is logged.",
    )
    group.add_argument(
        "--audit",
        "--journal",  # the earlier name
        action=RenamedOption,
        help="Audit log: starts, decisions by the clock, provenance of alerts, run totals; by "
        "default beside the alerts (alerts.audit.jsonl, topic alerts-audit); null switches it off.",
    )
    _add_flag(
        group,
        "--overwrite",
        "A run with an end may replace results of any other run, once its own are complete. "
        "Without it the results of the same run are written again, and others refused; a live "
        "run adds to its output.",
    )
    group.add_argument("--config", help="YAML file with detectors and alert settings.")


def _add_flag(group: Any, name: str, words: str) -> None:
    group.add_argument(name, nargs="?", const="true", choices=("true", "false"), help=words)


def _add_windows(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("windows")
    group.add_argument("--window_size_sec", type=SECONDS, default=300.0, help="Length of a window.")
    group.add_argument(
        "--extract_interval_sec", type=SECONDS, default=60.0, help="Time between two windows."
    )
    group.add_argument(
        "--max_samples",
        type=Number(1, 10_000_000),
        default=1000,
        help="Latest samples of a series in a window.",
    )
    group.add_argument(
        "--out_of_orderness_sec",
        type=SECONDS_OR_NONE,
        default=10.0,
        help="How much older than the newest sample of its partition a sample may be.",
    )
    group.add_argument(
        "--max_ahead_sec",
        type=SECONDS,
        default=3600.0,
        help="How far a sample may be ahead of the timestamp of its Kafka record.",
    )
    group.add_argument(
        "--key_groups",
        type=Number(1, 4096),
        default=32,
        help="Groups that sources are distributed to; their number bounds the parallelism.",
    )
    group.add_argument(
        "--max_series_per_group",
        type=Number(1, 1 << 20),
        default=MOST_SERIES,
        help="Series of a key group that have state at a time. A new one takes the place of the "
        "one without samples for longest, if that is longer than a window; else its samples are "
        "dead letters.",
    )


def _add_reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to read")
    group.add_argument("--start_offset", help="earliest, latest or a number; for every partition.")
    group.add_argument("--end_offset", type=OFFSET, help="Offset after the last one to read.")
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
    _add_flag(
        group,
        "--allow_missing",
        "Continue although retention has deleted part of the requested range.",
    )
    group.add_argument(
        "--decisions",
        help="Replay: audit log of a live run (a file or a topic) whose decisions about idle and "
        "added partitions are repeated.",
    )
    group.add_argument("--start_time", help="Read from here on; any form of timestamp.")
    group.add_argument("--end_time", help="Read up to here; any form of timestamp.")
    group.add_argument(
        "--max_record_bytes",
        type=Number(1, 1 << 30, "bytes"),
        default=4 << 20,
        help="Largest record; a larger one is a dead letter.",
    )
    group.add_argument(
        "--read_shards", type=Number(1, 4096), default=1, help="Readers that work in parallel."
    )
    group.add_argument(
        "--idle_timeout_sec",
        type=SECONDS,
        default=30.0,
        help="Live: without new records for this long a partition holds no window open.",
    )
    group.add_argument(
        "--broker_timeout_sec",
        type=SECONDS_OR_NONE,
        default=60.0,
        help="How long the start waits for a broker.",
    )


def _add_failing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("when a run with an end has failed (exit code 3)")
    group.add_argument(
        "--max_loss_share",
        type=Number(0.0, 1.0),
        default=0.1,
        help="Share of the values that may be late, unusable or not watched; text is not counted.",
    )
    _add_flag(
        group,
        "--strict",
        "Any such loss is a failure. A live run never fails for it: it logs and counts.",
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

# Options of runners that PADIT does not run on; `--bootstrap_servers` is one of Kafka Streams.
_OTHER_RUNNERS = ("KafkaStreamsRunnerOptions", "SparkRunnerOptions")


def parse_options(argv: Sequence[str]) -> PipelineOptions:
    """Read the command line.

    Raises:
        ConfigurationError: an option that does not exist, with the one that was probably meant,
            or a value that an option does not take.
    """
    own = OptionParser(add_help=False, allow_abbrev=False)
    PaditOptions._add_argparse_args(own)
    parser = _all_options()
    wrong = unknown_option(argv, help_of(own), help_of(parser))
    if wrong is not None:
        raise ConfigurationError(wrong)
    _, unexpected = parser.parse_known_args(list(argv))
    if unexpected:
        message = f"unexpected {unexpected[0]!r}: a value belongs to an option, as in --input FILE"
        raise ConfigurationError(message)
    return PipelineOptions(list(argv))


def option_names() -> set[str]:
    """Every option that a job takes, with dashes: ours, Beam's, and those of its Java side."""
    return set(help_of(_all_options()))


def _all_options() -> OptionParser:
    parser = OptionParser(add_help=False, allow_abbrev=False, conflict_handler="resolve")
    for options in [PaditOptions, *PipelineOptions.__subclasses__()]:
        if options.__name__ not in _OTHER_RUNNERS:
            options._add_argparse_args(parser)
    for name in _JAVA_OPTIONS:
        parser.add_argument(f"--{name}", nargs="?")  # some are flags
    return parser


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
    max_series_per_group: int
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
    live_from_now: bool
    overwrite: bool
    max_loss_share: float
    strict: bool

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
        raw, live_from = with_bootstrap(_within_bounds(raw), time.time())
        return cls(
            allow_missing=raw["allow_missing"] == "true",
            live_from=live_from,
            live_from_now=live_from is not None and raw["live_from"] in (None, "now"),
            overwrite=raw["overwrite"] == "true",
            strict=raw["strict"] == "true",
            **{name: raw[name] for name in _AS_THEY_ARE},
            audit=raw["audit"] or audit_log_beside(raw["output"]),
            max_ahead=seconds_to_micros(raw["max_ahead_sec"]),
            out_of_orderness=seconds_to_micros(raw["out_of_orderness_sec"]),
            **windows_of(raw),
            **times_of(raw),
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
    "max_samples",
    "key_groups",
    "max_series_per_group",
    "max_record_bytes",
    "read_shards",
    "idle_timeout_sec",
    "broker_timeout_sec",
    "max_loss_share",
)


def _within_bounds(raw: dict[str, Any]) -> dict[str, Any]:
    """The options with every number checked; a sweep's come from a file, not from `argparse`."""
    parser = argparse.ArgumentParser(add_help=False)
    PaditOptions._add_argparse_args(parser)
    checked = dict(raw)
    for action in parser._actions:
        if isinstance(action.type, Number) and raw[action.dest] is not None:
            try:
                checked[action.dest] = action.type(raw[action.dest])
            except argparse.ArgumentTypeError as error:
                message = f"--{action.dest}: {error}"
                raise ConfigurationError(message) from error
    return checked
