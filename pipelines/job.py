"""From options to a finished run: plan, submit, watch, conserve."""

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import apache_beam as beam
import msgspec
from msgspec import UNSET, UnsetType

from padit.analysis.audit_log import read_decisions, read_run_totals, read_unwatched
from padit.analysis.losses.report import Verdict, counted_unwatched
from padit.codecs.validate import Validate
from padit.connectors.cursor import first_cursors
from padit.connectors.read_shard import ReadOptions
from padit.connectors.sink import Sink
from padit.connectors.source import PartitionRange
from padit.connectors.units import with_labels, with_units
from padit.connectors.uris import Bounds, sink_from_uri, source_from_uri
from padit.domain.config import load_config
from padit.domain.errors import ConfigurationError
from padit.domain.timestamps import MICROS, format_utc
from padit.ops.allocator import keep_memory
from padit.ops.exporter import ADDRESS, serving
from padit.ops.metric_names import JUDGED_PREFIX, OF_A_GROUP
from padit.ops.progress_bar import Progress
from padit.ops.run_context import RunContext
from padit.pipelines import kernels
from padit.pipelines.graph import Plan, ShadowConfig, build
from padit.pipelines.options import JobOptions, parse_options
from padit.pipelines.outputs import Run, places_of, prepare, refuse_shared
from padit.pipelines.run_monitor import RunMonitor
from padit.pipelines.run_report import Ending, announce, verdict_of
from padit.pipelines.runners import Runner, choose_runner
from padit.pipelines.shape import shape_of, units_of
from padit.transforms.watch import ALERTS, ANOMALIES, AUDIT, FEATURES
from padit.transforms.windows import WindowOptions

__all__ = ["Ended", "Summary", "make_plan", "run_job", "run_to_end"]

_LOG = logging.getLogger(__name__)
_OF_EACH = (ALERTS, ANOMALIES, FEATURES, AUDIT)  # what each of several configurations writes


class Summary(msgspec.Struct):
    """Totals of a run, with the conservation line.

        read = scored + late + duplicate + dead_lettered + waiting + in_flight

    Each is counted where it happens, none is computed from the others, except `in_flight`: rows
    between two steps when a live job is cancelled on a cluster, which does not deliver them
    first. It is the difference there, and 0 everywhere else.

    Attributes:
        read, scored, late, duplicate, dead_lettered: samples.
        waiting: samples whose windows were still open when a live run was stopped.
        in_flight: see above.
        windows, anomalies, alerts: how many.
        series, warm: series met, and those of them that a detector has scored.
        series_evicted: series that made room for others (`--max_series_per_group`).
        judged_hours: hours in which a series was judged, of all series.
        budget_alerts, budget_more: alerts under the budget, and those that twice the budget would
            have added.
        silenced, released: alerts that peers silenced, and those of them that were told after all;
            only with the option `peers`; `alerts` counts them, too.
        judged: series that each detector has scored, by its name.
        unwatched: what the source holds and becomes no sample, each thing in the source's own
            unit (cells, fields, messages); it is no part of `read`.
        seconds: from the start of the run to its last result.
    """

    read: int = 0
    scored: int = 0
    late: int = 0
    duplicate: int = 0
    dead_lettered: int = 0
    waiting: int = 0
    in_flight: int = 0
    windows: int = 0
    anomalies: int = 0
    alerts: int = 0
    series: int = 0
    warm: int = 0
    series_evicted: int = 0
    judged_hours: int = 0
    budget_alerts: int = 0
    budget_more: int = 0
    silenced: int | UnsetType = UNSET
    released: int | UnsetType = UNSET
    judged: dict[str, int] = {}
    unwatched: int = 0
    seconds: float = 0.0

    @property
    def residue(self) -> int:
        """Records that are unaccounted for; 0 unless something is wrong."""
        accounted = self.scored + self.late + self.duplicate + self.dead_lettered
        return self.read - accounted - self.waiting - self.in_flight


class Ended(NamedTuple):
    """A run that has ended.

    Attributes:
        summary: its totals.
        verdict: whether it has lost too much, and what.
    """

    summary: Summary
    verdict: Verdict


def run_job(
    argv: Sequence[str],
    *,
    live: bool,
    detach: bool = False,
    shadow: Mapping[str, Sequence[str]] | None = None,
    context: RunContext | None = None,
) -> Summary | None:
    """The totals of a run, however much it lost; see `run_to_end`."""
    ended = run_to_end(argv, live=live, detach=detach, shadow=shadow, context=context)
    return None if ended is None else ended.summary


def run_to_end(
    argv: Sequence[str],
    *,
    live: bool,
    detach: bool = False,
    shadow: Mapping[str, Sequence[str]] | None = None,
    context: RunContext | None = None,
    submitted: Callable[[str | None, str | None], None] | None = None,
) -> Ended | None:
    """Run the job that the options describe, to its end or until it is stopped.

    Args:
        argv: command-line options, PADIT's and Beam's.
        live: whether a topic is read for ever, or up to where it ends now.
        detach: return once the job is submitted to a cluster; nothing is known of its end then.
        shadow: by name the options of further configurations over the same rows; of these only
            `--config` and the places of results count.
        context: of the run, to stop it from another thread; None: a new one.
        submitted: called before a detached run is left, with the cluster's address and job id.

    Raises:
        PaditError: an option or a place is wrong, or the run failed.
    """
    options = parse_options(argv)
    job = JobOptions.of(options)
    others = {name: JobOptions.of(parse_options(one)) for name, one in (shadow or {}).items()}
    refuse_shared(job.input, [places_of(job), *(_own_places(one) for one in others.values())])
    plan, ranges = make_plan(job, live=live)
    runner = choose_runner(argv, bounded=to_read(ranges) is not None, detach=detach)
    if runner.here:
        _make_ready()
    context = context or RunContext()
    plan = _completed(plan, context, others, live)
    name = prepare(plan, job, Run(ranges, runner.restores, detach, job.overwrite))
    plan = dataclasses.replace(plan, name=name)
    findings = announce(plan)
    started = time.monotonic()
    pipeline = beam.Pipeline(runner=runner.beam, options=runner.options)
    build(pipeline, plan)
    watch = RunMonitor(runner, context, None if to_read(ranges) is None else len(ranges))
    if detach:
        return _leave(watch, runner, pipeline, submitted)
    with (
        serving(os.environ.get(ADDRESS), healthy=lambda: not context.stopping),
        Progress(watch.look, to_read(ranges)),
    ):
        watch.run(pipeline)
    seconds = round(time.monotonic() - started, 3)
    return _ended(plan, job, runner, watch, Ending(findings, to_read(ranges) is not None, seconds))


def _make_ready() -> None:
    """Prepare this process for the work of a job."""
    keep_memory()
    kernels.prepare()


def _leave(
    watch: RunMonitor,
    runner: Runner,
    pipeline: beam.Pipeline,
    submitted: Callable[[str | None, str | None], None] | None,
) -> Ended | None:
    """Submit a run that goes on without this process: nothing is known of its end."""
    watch.submit(pipeline)
    if submitted is not None:
        submitted(runner.rest_url, watch.submitted())
    return None


def _ended(plan: Plan, job: JobOptions, runner: Runner, watch: RunMonitor, end: Ending) -> Ended:
    """Let the sinks of a bounded run finish; sum up, and judge."""
    bounded = end.bounded
    if bounded:
        for sink in plan.every_sink:
            sink.finish(complete=not watch.stopped)
    counts = None if runner.here or not bounded else read_run_totals(job.audit)
    left = plan.context.unwatched() if runner.here else read_unwatched(job.audit) if bounded else []
    end = end._replace(findings=end.findings.adding(left))
    summary = _summary(counts or watch.counts(), end, cancelled=not (runner.here or bounded))
    if plan.config.alerts.peers is None:
        summary.silenced = summary.released = UNSET
    losses = plan.context.losses() if runner.here else None
    judged = bounded and not watch.stopped
    return Ended(summary, verdict_of(summary, plan, job, end, losses, judged=judged))


def _summary(counts: Mapping[str, int], end: Ending, *, cancelled: bool) -> Summary:
    numbers = [
        name for name in Summary.__struct_fields__ if name not in ("seconds", "judged", "unwatched")
    ]
    judged = {
        name.removeprefix(JUDGED_PREFIX): count
        for name, count in sorted(counts.items())
        if name.startswith(JUDGED_PREFIX)
    }
    summary = Summary(
        **{name: counts.get(OF_A_GROUP.get(name, name), 0) for name in numbers},
        judged=judged,
        unwatched=counted_unwatched(end.findings),
        seconds=end.seconds,
    )
    if cancelled:
        summary.in_flight = max(0, summary.residue)
    if summary.residue:
        _LOG.error("the conservation line does not balance: %d records", summary.residue)
    return summary


def make_plan(job: JobOptions, *, live: bool) -> tuple[Plan, list[PartitionRange]]:
    """Resolve options to a plan; asks the source where it begins and ends.

    Raises:
        PaditError: an option or a place is wrong.
    """
    _check_verb(job, live)
    config = load_config(job.config)
    decisions = read_decisions(job.decisions)
    shape = shape_of(job, config, decisions)  # a wrong parameter is an error here, not in a worker
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
            decisions=decisions,
        ),
        config.input,
    )
    source = with_units(with_labels(source, config.labels), config.series)
    ranges = source.ranges()
    _check_history(job, ranges)
    plan = Plan(
        source=source,
        cursors=first_cursors(ranges, job.read_shards),
        validate=Validate(job.max_record_bytes, job.max_ahead, config.labels),
        reading=ReadOptions(
            out_of_orderness=job.out_of_orderness,
            idle_after=job.idle_timeout_sec,
            bundle_seconds=min(1.0, max(0.1, job.extract_interval / MICROS / 2)),
            poll_seconds=min(0.1, max(0.025, job.extract_interval / MICROS / 8)),
            shape=shape,
        ),
        groups=job.key_groups,
        windows=WindowOptions(job.window_size, job.extract_interval, job.max_samples),
        config=config,
        sinks=_sinks(job),
        off=sink_from_uri("null"),
        live_from=job.live_from,
        most_series=job.max_series_per_group,
    )
    return plan, ranges


def _check_verb(job: JobOptions, live: bool) -> None:
    """Refuse options that make sense only live, or only in a replay."""
    if job.live_from is not None and not live:
        message = "--bootstrap_from goes with `padit run`; for a replay give --start_time"
        raise ConfigurationError(message)
    if job.decisions and live:
        message = "--decisions goes with `padit replay`; a live job makes decisions of its own"
        raise ConfigurationError(message)


def _check_history(job: JobOptions, ranges: Sequence[PartitionRange]) -> None:
    """Refuse history without anything behind it; say from when on results are written."""
    if job.live_from is None:
        return
    if job.live_from_now and to_read(ranges) is not None:
        message = (
            f"{job.input} has an end, so all of it would be history of which no result is written: "
            "leave out --bootstrap_from, or say with --live_from=TIME from when on they are"
        )
        raise ConfigurationError(message)
    _LOG.warning("results from %s on are written", format_utc(job.live_from))


def _completed(
    plan: Plan, context: RunContext, others: Mapping[str, JobOptions], live: bool
) -> Plan:
    """The plan of this run, with further configurations."""
    shadow = tuple(_shadow(plan, name, other, live) for name, other in others.items())
    return dataclasses.replace(plan, context=context, shadow=shadow)


def _shadow(plan: Plan, name: str, job: JobOptions, live: bool) -> ShadowConfig:
    """A further configuration; it has to read the input as the first one does."""
    other, _ = make_plan(job, live=live)
    if other.config.input != plan.config.input:
        message = f"configuration {name} reads the input in another way: its `input` must be equal"
        raise ConfigurationError(message)
    if other.config.labels != plan.config.labels or units_of(other.config) != units_of(plan.config):
        message = (
            f"configuration {name} reads other labels or units: its `labels`, and the entries of "
            "its `series` with a unit, must be equal"
        )
        raise ConfigurationError(message)
    shape = shape_of(job, other.config, read_decisions(job.decisions))
    sinks = {k: v for k, v in other.sinks.items() if k in _OF_EACH}
    return ShadowConfig(name, other.config, shape, sinks)


def _own_places(job: JobOptions) -> dict[str, str]:
    """Places of a further configuration; late rows and dead letters are those of the first."""
    return {name: uri for name, uri in places_of(job).items() if name in _OF_EACH}


def _sinks(job: JobOptions) -> dict[str, Sink]:
    return {name: sink_from_uri(uri, once=name == ALERTS) for name, uri in places_of(job).items()}


def to_read(ranges: Sequence[PartitionRange]) -> int | None:
    """Records that will come, if every partition has an end: fewer than offsets where it sorts.

    >>> to_read([PartitionRange(0, 0, 20, 10), PartitionRange(1, 3, 5)])
    12
    """
    if any(one.stop is None for one in ranges):
        return None
    spans = [(one.stop or 0) - one.start for one in ranges]
    return sum(span if one.records is None else one.records
               for one, span in zip(ranges, spans, strict=True))  # fmt: skip
