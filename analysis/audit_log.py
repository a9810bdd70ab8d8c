"""Reads audit logs back."""

from collections.abc import Iterator
from pathlib import Path, PurePath

import msgspec

from padit.analysis.alert_files import read_lines
from padit.connectors.uris import parse_address
from padit.domain.audit import (
    FleetTotals,
    IdlenessDecision,
    ReaderLosses,
    Record,
    RunStarted,
    RunTotals,
    decode_record,
    judged_by,
    total,
)
from padit.domain.errors import ConfigurationError, SourceError
from padit.domain.findings import Unwatched, UnwatchedCounts
from padit.domain.losses import Loss, add_losses
from padit.ops.metric_names import JUDGED_PREFIX, OF_A_GROUP, OF_THE_FLEET

__all__ = [
    "audit_log_beside",
    "audit_logs_beside",
    "read_decisions",
    "read_audit_log",
    "read_losses",
    "read_run_totals",
    "read_unwatched",
]


def read_audit_log(uri: str) -> Iterator[Record]:
    """The records of an audit log: a file, or a topic up to its end.

    Raises:
        SourceError: it cannot be read.
        ConfigurationError: it holds something else.
    """
    for number, line in enumerate(read_lines(uri)):
        try:
            yield decode_record(line)
        except msgspec.DecodeError as error:
            message = f"{uri}, line {number + 1}, is no record of an audit log: {error}"
            raise ConfigurationError(message) from error


def audit_logs_beside(alerts: str) -> list[str]:
    """Possible places of the audit log of these alerts: the present one, then the earlier one."""
    places = audit_log_beside(alerts), audit_log_beside(alerts, "journal")
    return [place for place in places if place is not None]


def audit_log_beside(alerts: str, word: str = "audit") -> str | None:
    """Place of the audit log of these alerts; None if there is none beside them."""
    address = parse_address(alerts)
    if address.kind == "kafka":
        # Delivery and the one writer are those of the alerts; client settings are for both.
        options = {k: v for k, v in address.options.items() if k not in ("delivery", "writer")}
        return address.at(f"{address.path}-{word}", options)
    if address.kind in (".jsonl", ".ndjson", ".parquet"):
        return str(PurePath(address.path).with_suffix(f".{word}.jsonl"))
    return None


def read_decisions(uri: str | None) -> tuple[tuple[int, int, int], ...]:
    """Decisions of a live run about idle partitions, as (partition, offset, watermark).

    Raises:
        SourceError: the audit log cannot be read.
        ConfigurationError: it is no audit log.
    """
    if uri is None:
        return ()
    decisions = [one for one in read_audit_log(uri) if isinstance(one, IdlenessDecision)]
    return tuple(
        (number, one.following[number], watermark)
        for one in decisions
        for number, watermark in one.watermarks.items()
    )


def read_run_totals(uri: str | None) -> dict[str, int] | None:
    """The totals of a run by the names of its counters; None without an audit log to read.

    The audit log must be a file of this machine.

    The totals in state survive restarts. A cluster's counters do not: they begin again at zero
    when a job is restored, and are lost if that job had already read everything.
    """
    if uri is None or parse_address(uri).kind not in (".jsonl", ".ndjson"):
        return None
    if not Path(parse_address(uri).path).exists():
        return None
    wanted = RunTotals | FleetTotals
    records = [record for record in read_audit_log(uri) if isinstance(record, wanted)]
    run_totals = [record for record in records if isinstance(record, RunTotals)]
    judged = {f"{JUDGED_PREFIX}{name}": count for name, count in judged_by(run_totals).items()}
    totals = {OF_A_GROUP.get(name, name): count for name, count in total(run_totals).items()}
    for one in records:
        if isinstance(one, FleetTotals):
            totals |= {name: getattr(one, name) for name in OF_THE_FLEET}
    return totals | judged if run_totals else None


def read_losses(uri: str | None, most: int) -> tuple[Loss, ...] | None:
    """What a run lost by kind of reason; None without an audit log that says so.

    Args:
        uri: file or topic; a topic may hold records of earlier runs, of which the last count.
        most: samples that the run has lost; records of more are those of another run.
    """
    latest = _of_readers(uri)
    if latest is None:
        return None
    found = add_losses((), (one for reader in sorted(latest) for one in latest[reader].losses))
    return found if found and sum(one.count for one in found) <= most else None


def read_unwatched(uri: str | None) -> list[Unwatched]:
    """What the readers of a run left unwatched; nothing without an audit log that says so.

    Args:
        uri: file or topic; a topic may hold records of earlier runs, of which the last count.
    """
    latest = _of_readers(uri, since_start=True) or {}
    counts = UnwatchedCounts()
    for reader in sorted(latest):
        counts.add(msgspec.convert(one, _AsObject).value() for one in latest[reader].unwatched)
    return counts.all()


class _AsObject(msgspec.Struct):
    """A tally of the audit log."""

    place: str
    what: str
    reason: str
    remedy: str
    amount: int
    unit: str
    numeric: int = 0

    def value(self) -> Unwatched:
        return Unwatched(*msgspec.structs.astuple(self))


def _of_readers(uri: str | None, *, since_start: bool = False) -> dict[int, ReaderLosses] | None:
    """By reader its last record; None without an audit log.

    Args:
        uri: file or topic.
        since_start: whether records of a topic before the last start do not count. The records of
            a file are those of one run, and sorted.
    """
    if uri is None or parse_address(uri).kind not in (".jsonl", ".ndjson", "kafka"):
        return None
    latest: dict[int, ReaderLosses] = {}
    is_topic = parse_address(uri).kind == "kafka"
    try:
        for record in read_audit_log(uri):
            if isinstance(record, RunStarted) and since_start and is_topic:
                latest.clear()
            elif isinstance(record, ReaderLosses):
                latest[record.reader] = record
    except (SourceError, ConfigurationError):
        return None
    return latest
