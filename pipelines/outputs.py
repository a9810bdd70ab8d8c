"""Where the results of a run go: no two outputs share a place, and no run erases another's."""

import importlib.metadata
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from padit.connectors.read_shard import DEAD, LATE
from padit.connectors.sink import Sink, Start
from padit.connectors.source import PartitionRange
from padit.connectors.uris import parse_address, takes_several
from padit.domain.audit import RunStarted, encode_record
from padit.domain.errors import ConfigurationError
from padit.domain.message import Kind, Message, digest_of
from padit.domain.run_identity import RunIdentity, shape_digest
from padit.domain.shape import Shape
from padit.domain.timestamps import MICROS, format_utc
from padit.pipelines.graph import Plan
from padit.pipelines.options import JobOptions
from padit.transforms.job_progress import RunName
from padit.transforms.watch import ALERTS, ANOMALIES, AUDIT, FEATURES

__all__ = ["Run", "places_of", "prepare", "refuse_shared", "results_of", "started"]


class Run(NamedTuple):
    """How a job begins.

    Attributes:
        ranges: what is read of each partition.
        restored: whether it goes on from a savepoint.
        detached: whether this process leaves before the end.
        overwrite: whether a bounded run may replace the results of any other.
    """

    ranges: Sequence[PartitionRange]
    restored: bool
    detached: bool
    overwrite: bool


def places_of(job: JobOptions) -> dict[str, str]:
    """URIs by output, of the outputs that are wanted."""
    places = {
        ALERTS: job.output,
        ANOMALIES: job.anomalies,
        FEATURES: job.features,
        AUDIT: job.audit,
        LATE: job.late,
        DEAD: job.dlq,
    }
    return {name: uri for name, uri in places.items() if uri}


def refuse_shared(source: str, outputs: Sequence[Mapping[str, str]]) -> None:
    """Refuse two outputs of a job in one place, and an output in the place of the input.

    Args:
        source: URI of the input.
        outputs: URIs by output, of each configuration.

    Raises:
        ConfigurationError: two share a place.
    """
    taken = {parse_address(source).place: ("the input", source)}
    for places in outputs:
        for name, uri in places.items():
            address = parse_address(uri)
            place = None if takes_several(address) else address.place
            if place is not None and place in taken:
                other, given = taken[place]
                message = (
                    f"{name} ({uri}) and {other} ({given}) are one place: "
                    "give each output a place of its own"
                )
                raise ConfigurationError(message)
            taken[place] = (name, uri)


def prepare(plan: Plan, job: JobOptions, run: Run) -> RunName | None:
    """Prepare all sinks of a job; results of earlier runs stay.

    Returns the name of a live run whose audit log is a topic, where it records its progress.

    Raises:
        SinkError: one cannot be written.
        ConfigurationError: one holds results that this run must not replace.
    """
    ranges = {one.partition: (one.start, one.stop) for one in run.ranges}
    live = any(stop is None for _, stop in ranges.values())
    if run.overwrite and (live or run.restored):
        message = (
            "--overwrite goes with a run that has an end and begins at its start; a live or "
            "restored one goes on where its output stands"
        )
        raise ConfigurationError(message)
    finishes = not live and not run.detached
    recorded = None
    for of_configuration, sinks in _configurations(plan):
        shape = results_of(job, of_configuration)
        for name, sink in sinks.items():
            identity = RunIdentity.of(name, plan.source.name, ranges, shape)
            sink.prepare(Start(identity, run.restored, finishes, run.overwrite))
        record = None if run.restored else started(identity, job.live_from)
        if AUDIT in sinks and record is not None:
            _write(sinks[AUDIT], _audit_message(record))
        if sinks is plan.sinks and live and parse_address(job.audit or "null").kind == "kafka":
            of_start = "" if record is None else record.run
            recorded = RunName(of_start, shape_digest(identity.shape), plan.groups)
    return recorded


def results_of(job: JobOptions, shape: Shape) -> dict[str, Any]:
    """What decides the results of a run, as plain values: the job's shape, and what is written.

    The shape alone decides what is computed. Readers are left out: they decide how fast results
    come. Key groups are not: `--max_series_per_group` holds for each of them.
    """
    options: dict[str, Any] = msgspec.json.decode(shape.data)
    options.pop("--read_shards", None)
    return options | {
        "--start_time": None if job.start_time is None else format_utc(job.start_time),
        "--bootstrap_from": None if job.live_from is None else format_utc(job.live_from),
    }


def started(run: RunIdentity, live_from: int | None) -> RunStarted:
    """The audit record of a start without state.

    That of a bounded run has no moment, so that the run writes the same bytes again.
    """
    moment = format_utc(round(time.time() * MICROS)) if run.live else ""
    shape = shape_digest(run.shape)
    ranges = {int(number): one for number, one in run.ranges.items()}
    identity = digest_of(shape, run.source, moment, *(f"{n}:{one}" for n, one in ranges.items()))
    return RunStarted(
        run=identity,
        shape=shape,
        source=run.source,
        live=run.live,
        ranges=ranges,
        version=importlib.metadata.version("padit"),
        live_from=live_from,
        moment=moment,
    )


def _audit_message(record: RunStarted) -> Message:
    identity = "run_started", record.run
    return Message.of(Kind.AUDIT, ("run_started",), 0, encode_record(record), *identity)


def _configurations(plan: Plan) -> Iterator[tuple[Shape, dict[str, Sink]]]:
    yield plan.shape, plan.sinks
    for one in plan.shadow:
        yield one.shape, one.sinks


def _write(sink: Sink, message: Message) -> None:
    writer = sink.open()
    try:
        writer.write([message])
        writer.flush()
    finally:
        writer.close()
