"""From options to a finished run: plan, submit, watch, conserve."""

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence

import apache_beam as beam
import msgspec

from padit.analysis.audit_log import read_decisions, read_run_totals
from padit.codecs.validate import Validate
from padit.connectors.cursor import first_cursors
from padit.connectors.read_shard import DEAD, LATE, ReadOptions
from padit.connectors.sink import Sink
from padit.connectors.source import PartitionRange
from padit.connectors.uris import Bounds, sink_from_uri, source_from_uri
from padit.domain.config import load_config
from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import MICROS, format_utc
from padit.ops.metric_names import JUDGED_PREFIX, OF_A_GROUP
from padit.ops.progress_bar import Progress
from padit.pipelines.graph import Plan, ShadowConfig, build
from padit.pipelines.options import JobOptions, parse_options
from padit.pipelines.run_monitor import RunMonitor
from padit.pipelines.runners import choose_runner
from padit.transforms.detect import Detection
from padit.transforms.watch import ALERTS, ANOMALIES, AUDIT, FEATURES
from padit.transforms.windows import WindowOptions

__all__ = ["Summary", "make_plan", "run_job"]

_LOG = logging.getLogger(__name__)


class Summary(msgspec.Struct):
    """The conservation line: read = scored + late + duplicate + dead_lettered + waiting.

    `waiting` are rows whose windows were still open when a live run was stopped; `seconds` is
    the time from the start of the run to its last result. Of the `series` those that are not
    `warm` have no score yet; `judged` says by detector how many series it has judged.
    """

    read: int = 0
    scored: int = 0
    late: int = 0
    duplicate: int = 0
    dead_lettered: int = 0
    waiting: int = 0
    windows: int = 0
    anomalies: int = 0
    alerts: int = 0
    series: int = 0
    warm: int = 0
    judged: dict[str, int] = {}
    seconds: float = 0.0

    @property
    def residue(self) -> int:
        """Records that are unaccounted for; 0 unless something is wrong."""
        accounted = self.scored + self.late + self.duplicate + self.dead_lettered + self.waiting
        return self.read - accounted


def run_job(
    argv: Sequence[str],
    *,
    live: bool,
    detach: bool = False,
    shadow: Mapping[str, Sequence[str]] | None = None,
) -> Summary | None:
    """Run the job that the options describe, to its end or until it is stopped.

    Args:
        argv: command-line options, PADIT's and Beam's.
        live: whether a topic is read for ever, or up to where it ends now.
        detach: return once the job is submitted to a cluster; there is no summary then.
        shadow: by name the options of further configurations over the same rows; of these only
            `--config` and the places of results count.

    Raises:
        PaditError: an option, a place or the run itself is at fault.
    """
    options = parse_options(argv)
    job = JobOptions.of(options)
    plan, ranges = make_plan(job, live=live)
    runner = choose_runner(argv, bounded=_total(ranges) is not None, detach=detach)
    plan = _completed(plan, runner.restorable, shadow or {}, live)
    for sink in plan.every_sink:
        sink.prepare(fresh=not runner.restores)
    started = time.monotonic()
    pipeline = beam.Pipeline(runner=runner.beam, options=runner.options)
    build(pipeline, plan)
    watch = RunMonitor(runner, None if _total(ranges) is None else len(ranges))
    if detach:
        watch.submit(pipeline)
        return None
    with Progress(watch.look, _total(ranges)):
        watch.run(pipeline)
    seconds = round(time.monotonic() - started, 3)
    bounded = _total(ranges) is not None
    if bounded:
        for sink in plan.every_sink:
            sink.finish()
    counts = (read_run_totals(job.audit) if bounded else None) or watch.counts()
    return _summary(counts, seconds, bounded)


def _summary(counts: Mapping[str, int], seconds: float, bounded: bool) -> Summary:
    numbers = [name for name in Summary.__struct_fields__ if name not in ("seconds", "judged")]
    judged = {
        name.removeprefix(JUDGED_PREFIX): count
        for name, count in sorted(counts.items())
        if name.startswith(JUDGED_PREFIX)
    }
    summary = Summary(
        **{name: counts.get(OF_A_GROUP.get(name, name), 0) for name in numbers},
        judged=judged,
        seconds=seconds,
    )
    if not bounded:
        # Only a run without an end can be stopped while windows are open.
        summary.waiting = max(0, summary.residue)
    if summary.residue:
        _LOG.error("the conservation line does not balance: %d records", summary.residue)
    return summary


def make_plan(job: JobOptions, *, live: bool) -> tuple[Plan, list[PartitionRange]]:
    """Resolve options to a plan; asks the source where it begins and ends.

    Raises:
        PaditError: an option or a place is at fault.
    """
    _check_verb(job, live)
    config = load_config(job.config)
    Detection(config.detectors)  # a wrong parameter is told here and not by a worker
    source = source_from_uri(
        job.input,
        Bounds(
            start_time=job.start_time,
            stop_time=job.end_time,
            start=job.start_offset or ("latest" if live else "earliest"),
            stop=job.end_offset,
            live=live,
            patience=job.broker_timeout_sec,
            allow_missing=job.allow_missing,
            decisions=read_decisions(job.decisions),
        ),
        config.input,
    )
    ranges = source.ranges()
    plan = Plan(
        source=source,
        cursors=first_cursors(ranges, job.read_shards),
        validate=Validate(job.max_record_bytes, job.max_ahead),
        reading=ReadOptions(
            out_of_orderness=job.out_of_orderness,
            idle_after=job.idle_timeout_sec,
            bundle_seconds=min(1.0, max(0.1, job.extract_interval / MICROS / 2)),
            poll_seconds=min(0.1, max(0.025, job.extract_interval / MICROS / 8)),
        ),
        groups=job.key_groups,
        windows=WindowOptions(job.window_size, job.extract_interval, job.max_samples),
        config=config,
        sinks=_sinks(job),
        off=sink_from_uri("null"),
        live_from=job.live_from,
    )
    return plan, ranges


def _check_verb(job: JobOptions, live: bool) -> None:
    """Refuse what makes sense only live, or only in a replay."""
    if job.live_from is not None and not live:
        message = "--bootstrap_from goes with `padit run`; a replay is told --start_time"
        raise ConfigurationError(message)
    if job.decisions and live:
        message = "--decisions goes with `padit replay`; a live job makes decisions of its own"
        raise ConfigurationError(message)
    if job.live_from is not None:
        _LOG.warning("results from %s on are written", format_utc(job.live_from))


def _completed(
    plan: Plan, restorable: bool, shadow: Mapping[str, Sequence[str]], live: bool
) -> Plan:
    """The plan with what the runner can do, and with further configurations."""
    reading = dataclasses.replace(plan.reading, restorable=restorable)
    others = tuple(_shadow(plan, name, argv, live) for name, argv in shadow.items())
    return dataclasses.replace(plan, reading=reading, shadow=others)


def _shadow(plan: Plan, name: str, argv: Sequence[str], live: bool) -> ShadowConfig:
    """A further configuration; it has to read the input as the first one does."""
    other, _ = make_plan(JobOptions.of(parse_options(argv)), live=live)
    if other.config.input != plan.config.input:
        message = f"configuration {name} reads the input in another way: its `input` must be equal"
        raise ConfigurationError(message)
    outputs = (ALERTS, ANOMALIES, FEATURES, AUDIT)
    return ShadowConfig(name, other.config, {k: v for k, v in other.sinks.items() if k in outputs})


def _sinks(job: JobOptions) -> dict[str, Sink]:
    outputs = {
        ALERTS: job.output,
        ANOMALIES: job.anomalies,
        FEATURES: job.features,
        AUDIT: job.audit,
        LATE: job.late,
        DEAD: job.dlq,
    }
    return {
        name: sink_from_uri(uri, dead_letters=name == DEAD, once=name == ALERTS)
        for name, uri in outputs.items()
        if uri
    }


def _total(ranges: Sequence[PartitionRange]) -> int | None:
    """Records to read, if every partition has an end."""
    if any(one.stop is None for one in ranges):
        return None
    return sum(one.stop - one.start for one in ranges if one.stop is not None)
