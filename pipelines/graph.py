"""The graph: names and order of the steps, nothing else.

    Shards > SpreadShards > ReadMetrics > KeyByGroup > WatchGroup > Alerts, Anomalies, Features
                                 |                         |
                                 +--> Late                 |
                                 |                         +--> Progress
                                 |                         +--> WatchFleet > Alerts, Audit
            dead letters         +--> MergeDeadLetters <---+   > DeadLetters
            audit records        +--> MergeAudit <---------+   > Audit

Every label is a fixed literal, because runners map state to steps by label. An output that is
switched off stays in the graph and ends in the null sink, so the graph keeps its shape. Only
`WatchFleet` is there with the option `peers` alone, which state of other jobs does not fit anyway.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import apache_beam as beam
import msgspec

from padit.codecs.validate import Validate
from padit.connectors.coders import register_coders
from padit.connectors.cursor import Cursor
from padit.connectors.deliver import Deliver
from padit.connectors.read_shard import DEAD, LATE, NOTES, ReadOptions, ReadShard
from padit.connectors.sink import Sink
from padit.connectors.source import Source
from padit.domain.batch import Batch
from padit.domain.config import JobConfig
from padit.domain.message import Message
from padit.domain.shape import Shape
from padit.ops.run_context import RunContext
from padit.pipelines.kernels import prepare
from padit.transforms.job_progress import RunName
from padit.transforms.limit import MOST_SERIES
from padit.transforms.watch import (
    ALERTS,
    ANOMALIES,
    AUDIT,
    FEATURES,
    FLEET,
    PROGRESS,
    REFUSED,
    KeyByGroup,
    WatchGroup,
)
from padit.transforms.watch_fleet import fleet_of, told
from padit.transforms.windows import WindowOptions

__all__ = ["ShadowConfig", "Plan", "build"]


@dataclass(frozen=True, slots=True)
class ShadowConfig:
    """A shadow configuration: one more over the same rows.

    Attributes:
        name: of the configuration; a part of the labels of its steps.
        config: detectors and alert settings.
        shape: of the job with this configuration.
        sinks: by output, as of `Plan`; late rows and dead letters are the plan's.
    """

    name: str
    config: JobConfig
    shape: Shape
    sinks: dict[str, Sink]


@dataclass(frozen=True, slots=True)
class Plan:
    """All parts of a job.

    Attributes:
        source: of the rows.
        cursors: start of each reader.
        validate: the decoder.
        reading: how to read, with the shape of the job.
        groups: number of key groups.
        windows: shape of the windows.
        config: detectors and alert settings.
        sinks: by output; outputs not named here are switched off.
        off: the sink of outputs that are switched off.
        live_from: results of earlier event times are not written, microseconds; None: all are.
        shadow: shadow configurations, each with steps of its own behind `KeyByGroup`.
        context: of the run.
        most_series: series of a key group that may have state at a time.
        name: of a run that records its progress; None: it does not.
    """

    source: Source
    cursors: list[Cursor]
    validate: Validate
    reading: ReadOptions
    groups: int
    windows: WindowOptions
    config: JobConfig
    sinks: dict[str, Sink]
    off: Sink
    live_from: int | None = None
    shadow: tuple[ShadowConfig, ...] = ()
    context: RunContext = field(default_factory=RunContext)
    most_series: int = MOST_SERIES
    name: RunName | None = None

    @property
    def outputs(self) -> frozenset[str]:
        """The outputs that are written."""
        return frozenset(name for name, sink in self.sinks.items() if sink != self.off)

    @property
    def shape(self) -> Shape:
        """Shape of the job: only state that was made with the same shape can be restored."""
        return self.reading.shape

    @property
    def every_sink(self) -> list[Sink]:
        """The sinks of all configurations."""
        shadow = [sink for one in self.shadow for sink in one.sinks.values()]
        return [*self.sinks.values(), *shadow]


def build(pipeline: beam.Pipeline, plan: Plan) -> None:
    """Add all steps to a pipeline."""
    register_coders()
    read = _read(pipeline, plan)
    keyed = read.batches | "KeyByGroup" >> beam.ParDo(KeyByGroup(plan.groups)).with_output_types(
        tuple[int, bytes]
    )
    watched = keyed | "WatchGroup" >> beam.ParDo(
        WatchGroup(
            plan.windows,
            plan.config,
            frozenset(plan.sinks) | ({REFUSED} if DEAD in plan.outputs else set()),
            plan.source.name,
            plan.context,
            shape=plan.shape,
            most_series=plan.most_series,
            prepare=prepare,
            name=plan.name,
            fleet=fleet_of(plan.config, plan.groups),
        )
    ).with_outputs(ALERTS, ANOMALIES, FEATURES, AUDIT, PROGRESS, REFUSED, FLEET)
    for messages in (
        read[NOTES], watched[AUDIT], watched[PROGRESS], read[DEAD], watched[REFUSED],
    ):  # fmt: skip
        messages.element_type = Message
    dead = (read[DEAD], watched[REFUSED]) | "MergeDeadLetters" >> beam.Flatten()
    alerts, silenced = told(watched, plan.config, plan.windows, plan.outputs, plan.context)
    audit = (read[NOTES], watched[AUDIT], *silenced) | "MergeAudit" >> beam.Flatten()
    outputs = {
        ALERTS: ("Alerts", alerts),
        ANOMALIES: ("Anomalies", watched[ANOMALIES]),
        FEATURES: ("Features", watched[FEATURES]),
        LATE: ("Late", read[LATE]),
        DEAD: ("DeadLetters", dead),
        AUDIT: ("Audit", audit),
    }
    for name, (label, messages) in outputs.items():
        messages.element_type = Message
        # Dead letters have no event time, and a replay needs the whole audit log.
        since = None if name in (DEAD, AUDIT) else plan.live_from
        messages | label >> Deliver(plan.sinks.get(name, plan.off), since)
    # The DirectRunner hands on what a Flatten merges only when its inputs have ended.
    progress = plan.off if plan.name is None else plan.sinks[AUDIT]
    watched[PROGRESS] | "Progress" >> Deliver(progress)
    for one in plan.shadow:
        _watch_beside(keyed, read[NOTES], plan, one)


def _read(pipeline: beam.Pipeline, plan: Plan) -> Any:
    """The steps up to `ReadMetrics`, with its outputs."""
    reading = replace(plan.reading, outputs=plan.outputs)
    cursors = [
        msgspec.structs.replace(cursor, shape=plan.shape.data).to_bytes() for cursor in plan.cursors
    ]
    read = (
        pipeline
        | "Shards" >> beam.Create(cursors, reshuffle=False)
        | "SpreadShards" >> beam.Reshuffle()
        | "ReadMetrics"
        >> beam.ParDo(
            ReadShard(plan.source, plan.validate, reading, plan.context, prepare)
        ).with_outputs(LATE, DEAD, NOTES, main="batches")
    )
    read.batches.element_type = Batch
    return read


def _watch_beside(
    keyed: beam.PCollection, notes: beam.PCollection, plan: Plan, one: ShadowConfig
) -> None:
    """Steps of a shadow configuration; only the first configuration counts samples read."""
    outputs = frozenset(one.sinks)
    watch = WatchGroup(
        plan.windows,
        one.config,
        outputs,
        plan.source.name,
        shape=one.shape,
        most_series=plan.most_series,
        prepare=prepare,
        fleet=fleet_of(one.config, plan.groups),
    )
    watched = keyed | f"WatchGroup.{one.name}" >> beam.ParDo(watch).with_outputs(
        ALERTS, ANOMALIES, FEATURES, AUDIT, REFUSED, FLEET
    )
    alerts, silenced = told(watched, one.config, plan.windows, outputs, name=f".{one.name}")
    labels = {ALERTS: "Alerts", ANOMALIES: "Anomalies", FEATURES: "Features", AUDIT: "Audit"}
    for name, label in labels.items():
        messages = alerts if name == ALERTS else watched[name]
        messages.element_type = Message
        if name == AUDIT:
            messages = (notes, messages, *silenced) | f"MergeAudit.{one.name}" >> beam.Flatten()
            messages.element_type = Message
        messages | f"{label}.{one.name}" >> Deliver(one.sinks.get(name, plan.off))
