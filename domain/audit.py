"""The audit log: records of a run that depend on arrival, and so do not belong in its alerts.

It lies beside the alerts, one JSON object a record: the totals of the run, the offsets behind each
alert, and decisions by the clock. Alerts hold nothing that a re-recorded topic would not share.
"""

from collections.abc import Iterable

import msgspec

__all__ = [
    "IdlenessDecision",
    "RunTotals",
    "Provenance",
    "Record",
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
        series: series seen.
        warm: those of them that a detector has scored; the others are warming up.
        group: number of the key group.
        judged: by name of the detector, series that it has scored.
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
    judged: dict[str, int] = {}


class IdlenessDecision(msgspec.Struct, frozen=True, tag="idleness_decision", tag_field="record"):
    """Idle partitions had their watermarks advanced by wall-clock time, so that windows close.

    Attributes:
        following: by partition of the reader, the offset it had reached at the decision.
        watermarks: by idle partition, its watermark from then on, microseconds.
    """

    following: dict[int, int]
    watermarks: dict[int, int]


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


Record = RunTotals | IdlenessDecision | Provenance
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
'anomalies': 1, 'alerts': 1, 'series': 2, 'warm': 1}
    """
    latest = _latest(run_totals)
    read = [sum(column) for column in zip(*_furthest(latest), strict=True)] or [0, 0, 0]
    totals = dict(zip(("read", "late", "dead_lettered"), read, strict=True))
    for name in ("scored", "duplicate", "windows", "anomalies", "alerts", "series", "warm"):
        totals[name] = sum(getattr(one, name) for one in latest)
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
