"""The audit log: records of a run that depend on arrival, and so do not belong in its alerts.

It lies beside the alerts, one JSON object a record: the totals of the run, the offsets behind each
alert, decisions by the clock, and how far a live run has come. Alerts hold nothing that a
re-recorded topic would not share.
"""

from collections.abc import Iterable

import msgspec

from padit.domain.losses import Loss

__all__ = [
    "FleetTotals",
    "IdlenessDecision",
    "JobProgress",
    "RunTotals",
    "Provenance",
    "ReaderLosses",
    "Record",
    "RunStarted",
    "Silenced",
    "Witness",
    "decode_record",
    "encode_record",
    "judged_by",
    "total",
]


class RunTotals(msgspec.Struct, frozen=True, tag="run_totals", tag_field="record"):
    """Totals of one key group at the end of its input.

    They are part of the state, so they survive restarts; a runner's counters do not.

    Attributes:
        read: (read, late, dead-lettered) metrics by partition, since the job began; every group
            sees all partitions, so at the end these are equal in all groups.
        scored, duplicate, windows, anomalies, alerts: of this group, since the job began.
        series: series met.
        warm: those of them that a detector has judged; the others are warming up.
        waiting: samples taken whose windows are open; 0 at the end of the input.
        dead_lettered: samples of series beyond `--max_series_per_group`; those in `read` could
            not be read.
        series_evicted: series whose state made room for others.
        group: number of the key group.
        judged: by name of the detector, series that it has scored.
        judged_hours: hours in which a series was judged, of all series.
        budget_alerts: alerts under the budget.
        budget_more: alerts that twice the budget would have added.
    """

    read: dict[int, tuple[int, int, int]]
    scored: int
    duplicate: int
    windows: int
    anomalies: int
    alerts: int
    series: int = 0
    warm: int = 0
    group: int = 0
    waiting: int = 0
    dead_lettered: int = 0
    series_evicted: int = 0
    judged: dict[str, int] = {}
    judged_hours: int = 0
    budget_alerts: int = 0
    budget_more: int = 0


class IdlenessDecision(msgspec.Struct, frozen=True, tag="idleness_decision", tag_field="record"):
    """The watermarks of partitions were set by the clock: idle ones, or one that was added.

    Attributes:
        following: by partition of the reader, the offset it had come to when it decided.
        watermarks: by such a partition, its watermark from then on, microseconds.
    """

    following: dict[int, int]
    watermarks: dict[int, int]


class ReaderLosses(
    msgspec.Struct, frozen=True, omit_defaults=True, tag="losses", tag_field="record"
):
    """What a reader lost or left unwatched, once it has read all of a bounded input.

    Attributes:
        reader: its number.
        losses: by kind of reason, since the job began.
        unwatched: what a mapping left, with the fields of `domain.findings.Unwatched`.
    """

    reader: int
    losses: tuple[Loss, ...]
    unwatched: tuple[dict[str, str | int], ...] = ()


class Provenance(msgspec.Struct, frozen=True, tag="provenance", tag_field="record"):
    """Offsets behind the window that opened or raised an alert.

    The ranges are those of whole batches: they hold every record of the window, and others. A
    topic is cut into batches differently in every run, so the ranges differ too.

    Attributes:
        transition: id of the transition.
        alert: id of its alert.
        time: event time of the transition, microseconds.
        offsets: by partition, the first offset and the one after the last.
        began: by partition, where the job began to read.
        state: digest of the detectors' state of the series before the window; empty where they
            have none. It depends on where the job began.
        source: topic or file.
    """

    transition: str
    alert: str
    time: int
    offsets: dict[int, tuple[int, int]]
    began: dict[int, int]
    state: str = ""
    source: str = ""


class RunStarted(msgspec.Struct, frozen=True, tag="run_started", tag_field="record"):
    """A run began without state: what an earlier run left open, it does not know of.

    It stands before everything else that the run writes. A run that is restored from a savepoint
    writes none. So a reader of the alerts can close those that a lost run left open: of the same
    source, opened before, and not met again.

    Attributes:
        run: identity of this start.
        shape: digest of the options and the configuration that decide results.
        source: topic or file.
        live: whether the input has no end.
        ranges: by partition, where reading begins and the offset after the last (None: no end).
        version: of PADIT.
        live_from: results of earlier event times are not written, microseconds; None: all are.
        moment: when, by the clock, RFC 3339; empty for a run over a bounded input, which gives
            the same bytes whenever it is made.
    """

    run: str
    shape: str
    source: str
    live: bool
    ranges: dict[int, tuple[int, int | None]]
    version: str
    live_from: int | None = None
    moment: str = ""


class JobProgress(msgspec.Struct, frozen=True, tag="progress", tag_field="record"):
    """A key group of a live run has come to an event time.

    No transition of the group with an earlier event time follows in the alerts, but for those of
    alerts that peers silenced and that are told after all. Time has passed once all groups have
    come to it. Only an audit log that is a topic has these records.

    Attributes:
        watermark: event time, microseconds.
        run: identity of the start, as in `RunStarted`; empty of a restored run.
        shape: digest of what decides results, as in `RunStarted`.
        group: number of the key group.
        groups: how many there are.
    """

    watermark: int
    run: str
    shape: str
    group: int
    groups: int


class Witness(msgspec.Struct, frozen=True):
    """Another source that had been as far out, outside of its alerts.

    Attributes:
        source_id: the source.
        value: farthest median of a window then, in the unit of the metric.
        time: when that was over, RFC 3339.
    """

    source_id: str
    value: float
    time: str


class Silenced(msgspec.Struct, frozen=True, tag="silenced", tag_field="record"):
    """An alert opened that is not told, because it was no news on two other sources.

    A second record of the same alert says that it was told after all.

    Attributes:
        alert: id of the alert, as it would be in the alerts.
        source_id, metric_name: of the series.
        time: event time of the decision, microseconds.
        opened: when it opened, RFC 3339.
        value: median of the window.
        usual: what is usual for the series.
        peers: the two others.
        told_after_all: why, if it was.
        option: what changes it.
    """

    alert: str
    source_id: str
    metric_name: str
    time: int
    opened: str
    value: float
    usual: float
    peers: tuple[Witness, ...]
    told_after_all: str = ""
    option: str = ""


class FleetTotals(msgspec.Struct, frozen=True, tag="fleet_totals", tag_field="record"):
    """Totals of the option `peers` at the end of the input.

    Attributes:
        asked: alerts that peers could have silenced.
        silenced: those that they silenced.
        released: of these, alerts that were told after all.
    """

    asked: int
    silenced: int
    released: int


_OF_GROUPS = (
    "scored", "duplicate", "windows", "anomalies", "alerts", "series", "warm", "waiting",
    "series_evicted", "judged_hours", "budget_alerts", "budget_more",
)  # fmt: skip
Record = (
    RunTotals
    | IdlenessDecision
    | Provenance
    | RunStarted
    | ReaderLosses
    | JobProgress
    | Silenced
    | FleetTotals
)
_OLD_TAGS = {"ledger": "run_totals", "idle": "idleness_decision"}

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """One record as a JSON object."""
    return _encoder.encode(record)


def decode_record(data: bytes | str) -> Record:
    """Read what `encode_record` wrote, also under the earlier tags.

    >>> decode_record('{"record":"idle","following":{"0":7},"watermarks":{"1":5}}')
    IdlenessDecision(following={0: 7}, watermarks={1: 5})

    Raises:
        msgspec.DecodeError: it is no record of an audit log.
    """
    record: Record
    try:
        record = _decoder.decode(data)
    except msgspec.ValidationError:
        content = msgspec.json.decode(data)
        tag = content.get("record") if isinstance(content, dict) else None
        if tag not in _OLD_TAGS:
            raise
        content["record"] = _OLD_TAGS[tag]
        record = msgspec.convert(content, Record, str_keys=True)
    return record


def total(run_totals: Iterable[RunTotals]) -> dict[str, int]:
    """Totals of a whole run, by the names of the conservation line.

    A group restored from a savepoint has several records; the one that read most counts.

    >>> one = RunTotals({0: (3, 1, 0)}, 1, 0, 1, 0, 0, 1, 1)
    >>> total([one, RunTotals({0: (3, 1, 0)}, 1, 0, 1, 1, 1, 1, 0, group=1)])
    {'read': 3, 'late': 1, 'dead_lettered': 0, 'scored': 2, 'duplicate': 0, 'windows': 2, \
'anomalies': 1, 'alerts': 1, 'series': 2, 'warm': 1, 'waiting': 0, 'series_evicted': 0, \
'judged_hours': 0, 'budget_alerts': 0, 'budget_more': 0}
    """
    latest = _latest(run_totals)
    read = [sum(column) for column in zip(*_furthest(latest), strict=True)] or [0, 0, 0]
    totals = dict(zip(("read", "late", "dead_lettered"), read, strict=True))
    for name in _OF_GROUPS:
        totals[name] = sum(getattr(run_totals, name) for run_totals in latest)
    totals["dead_lettered"] += sum(run_totals.dead_lettered for run_totals in latest)
    return totals


def judged_by(run_totals: Iterable[RunTotals]) -> dict[str, int]:
    """Series that each detector has scored in a whole run, by its name.

    >>> one = RunTotals({}, 1, 0, 1, 0, 0, 2, 2, judged={"novelty": 2, "multivariate": 0})
    >>> judged_by([one, RunTotals({}, 1, 0, 1, 0, 0, group=1)])
    {'novelty': 2, 'multivariate': 0}
    """
    found: dict[str, int] = {}
    for one in _latest(run_totals):
        for name, count in one.judged.items():
            found[name] = found.get(name, 0) + count
    return found


def _latest(run_totals: Iterable[RunTotals]) -> list[RunTotals]:
    """Of each group the one that read most."""
    latest: dict[int, RunTotals] = {}
    for one in run_totals:
        before = latest.get(one.group)
        if before is None or _has_read(one) >= _has_read(before):
            latest[one.group] = one
    return list(latest.values())


def _has_read(one: RunTotals) -> int:
    return sum(read for read, _, _ in one.read.values())


def _furthest(run_totals: Iterable[RunTotals]) -> list[tuple[int, int, int]]:
    read: dict[int, tuple[int, int, int]] = {}
    for one in run_totals:
        for number, counts in one.read.items():
            read[number] = max(counts, read.get(number, counts))
    return list(read.values())
