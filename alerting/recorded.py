"""A recorded past as entries: the log of a store, or files and topics up to their end."""

from collections.abc import Iterable
from pathlib import Path

from padit.alerting.entries import Entry, Progress
from padit.alerting.job_progress import Reports
from padit.alerting.records import audit_record, entry_of, logged, rank_of
from padit.alerting.store.opening import open_recorded
from padit.alerting.store.retention import horizon_of
from padit.domain.audit import JobProgress
from padit.domain.errors import WireFormatError

__all__ = ["merged", "of_store", "reaches_back_to"]


def of_store(place: str | Path) -> list[Entry]:
    """The log of a store (a folder or a database), as it was applied.

    Raises:
        ConfigurationError: there is none.
    """
    store = open_recorded(place)
    try:
        found = [logged(row.n, row.kind, row.payload) for row in store.entries()]
    finally:
        store.close()
    return [one for one in found if one is not None]


def reaches_back_to(place: str | Path) -> int:
    """Event time from which on the log of a store is kept, microseconds; 0: from its beginning."""
    store = open_recorded(place)
    try:
        found = horizon_of(store)
    finally:
        store.close()
    return 0 if found is None else found.time


def merged(parts: Iterable[tuple[str, Iterable[bytes]]]) -> tuple[list[Entry], int]:
    """Entries of several inputs in the order of event time and id, each once; and what was none.

    Args:
        parts: (kind, records) of each input; kinds as in `records.Record`.
    """
    found: dict[tuple[str, str | None], tuple[tuple[int, bool, str], Entry]] = {}
    refused, reports = 0, Reports(())
    for kind, lines in parts:
        for line in lines:
            try:
                one = entry_of(kind, line) or _progress(kind, line, reports)
            except WireFormatError:
                refused += 1
                continue
            if one is not None:
                identity, entry = one
                found.setdefault((kind, identity), (rank_of(identity, entry), entry))
    ordered = sorted(found.values(), key=lambda one: one[0])
    return [entry for _, entry in ordered], refused


def _progress(kind: str, line: bytes, reports: Reports) -> tuple[str, Entry] | None:
    """What a record of the job's progress adds to those before it."""
    record = audit_record(line) if kind == "audit" else None
    if not isinstance(record, JobProgress):
        return None
    before = reports.reached
    reports.take(record)
    reached = reports.reached
    if reached is None or reached == before:
        return None
    return f"{record.run} {reached}", Progress(reached, record.run, record.shape)
