"""The graph: names and order of the steps, nothing else.

    Shards > ReadMetrics > KeyByGroup > WatchGroup > alerts, anomalies, features
                  late, dead letters           journal

Every label is a fixed literal, because runners map state to steps by label. An output that is
switched off stays in the graph and ends in the null sink, so the graph keeps its shape.
"""

from dataclasses import dataclass

import apache_beam as beam
from apache_beam.coders import Coder

from connectors.cursor import Cursor
from connectors.deliver import Deliver
from connectors.reader import Source
from connectors.reading import DEAD, LATE, NOTES, ReadOptions, ReadShard
from connectors.sink import Sink
from domain.block import Block, Fragment, decode_fragment, encode_fragment
from domain.config import JobConfig
from domain.message import Message
from transforms.validate import Validate
from transforms.watch import ALERTS, ANOMALIES, FEATURES, JOURNAL, KeyByGroup, WatchGroup
from transforms.windows import WindowOptions

__all__ = ["Beside", "Plan", "build"]


@dataclass(frozen=True, slots=True)
class Beside:
    """A further configuration over the same rows.

    Attributes:
        name: of the configuration; a part of the labels of its steps.
        config: detectors and alert settings.
        sinks: by output, as of `Plan`; late rows and dead letters are the plan's.
    """

    name: str
    config: JobConfig
    sinks: dict[str, Sink]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a job is made of.

    Attributes:
        source: where rows come from.
        cursors: where each reader begins.
        validate: the decoder.
        reading: how to read.
        groups: number of key groups.
        windows: shape of the windows.
        config: detectors and alert settings.
        sinks: by output; outputs not named here are switched off.
        off: the sink of outputs that are switched off.
        live_from: results of earlier event times are not written, microseconds; None: all are.
        beside: further configurations, each with steps of its own behind `KeyByGroup`.
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
    beside: tuple[Beside, ...] = ()

    @property
    def every_sink(self) -> list[Sink]:
        """The sinks of all configurations."""
        beside = [sink for one in self.beside for sink in one.sinks.values()]
        return [*self.sinks.values(), *beside]


class _BlockCoder(Coder):  # type: ignore[misc]
    """Blocks as bytes, should a runner put a boundary between reading and keying."""

    def encode(self, value: Block) -> bytes:
        return encode_fragment(Fragment(value.partitions, value.positions, value.rows))

    def decode(self, encoded: bytes) -> Block:
        fragment = decode_fragment(encoded)
        return Block(fragment.partitions, fragment.positions, fragment.rows)

    def is_deterministic(self) -> bool:
        return True


beam.coders.registry.register_coder(Block, _BlockCoder)


def build(pipeline: beam.Pipeline, plan: Plan) -> None:
    """Add all steps to a pipeline."""
    read = (
        pipeline
        | "Shards" >> beam.Create([cursor.to_bytes() for cursor in plan.cursors], reshuffle=False)
        | "SpreadShards" >> beam.Reshuffle()
        | "ReadMetrics"
        >> beam.ParDo(ReadShard(plan.source, plan.validate, plan.reading)).with_outputs(
            LATE, DEAD, NOTES, main="blocks"
        )
    )
    blocks = read.blocks
    blocks.element_type = Block
    keyed = blocks | "KeyByGroup" >> beam.ParDo(KeyByGroup(plan.groups)).with_output_types(
        tuple[int, bytes]
    )
    watched = keyed | "WatchGroup" >> beam.ParDo(
        WatchGroup(
            plan.windows,
            plan.config,
            frozenset(plan.sinks),
            plan.source.name,
            plan.reading.restorable,
        )
    ).with_outputs(ALERTS, ANOMALIES, FEATURES, JOURNAL)
    for messages in (read[NOTES], watched[JOURNAL]):
        messages.element_type = Message
    journal = (read[NOTES], watched[JOURNAL]) | "MergeJournal" >> beam.Flatten()
    outputs = {
        ALERTS: ("Alerts", watched[ALERTS]),
        ANOMALIES: ("Anomalies", watched[ANOMALIES]),
        FEATURES: ("Features", watched[FEATURES]),
        LATE: ("Late", read[LATE]),
        DEAD: ("DeadLetters", read[DEAD]),
        JOURNAL: ("Journal", journal),
    }
    for name, (label, messages) in outputs.items():
        messages.element_type = Message
        # Dead letters have no event time, and a replay needs the whole journal.
        since = None if name in (DEAD, JOURNAL) else plan.live_from
        messages | label >> Deliver(plan.sinks.get(name, plan.off), since)
    for one in plan.beside:
        _watch_beside(keyed, plan, one)


def _watch_beside(keyed: beam.PCollection, plan: Plan, one: Beside) -> None:
    """Steps of a further configuration; the first one counts what all of them read."""
    outputs = frozenset(one.sinks)
    watch = WatchGroup(plan.windows, one.config, outputs, plan.source.name, counted=False)
    watched = keyed | f"WatchGroup.{one.name}" >> beam.ParDo(watch).with_outputs(
        ALERTS, ANOMALIES, FEATURES, JOURNAL
    )
    labels = {ALERTS: "Alerts", ANOMALIES: "Anomalies", FEATURES: "Features", JOURNAL: "Journal"}
    for name, label in labels.items():
        messages = watched[name]
        messages.element_type = Message
        messages | f"{label}.{one.name}" >> Deliver(one.sinks.get(name, plan.off))
