"""Records of the inputs, and the entries of the log that they are."""

from typing import NamedTuple

import msgspec

from padit.alerting.entries import (
    AlertEvent,
    Entry,
    Progress,
    RunBegan,
    Tick,
    command_of,
    event_of,
)
from padit.domain.audit import RunStarted, decode_record
from padit.domain.errors import StateError, WireFormatError
from padit.domain.timestamps import parse_timestamp

__all__ = ["Record", "audit_record", "entry_of", "logged", "rank_of"]


class Record(NamedTuple):
    """Bytes of an input.

    Attributes:
        kind: `alert`, `command` or `audit`.
        place: topic or file.
        partition: of the topic; 0 of a file.
        number: of the record in there: line or offset.
        following: where reading goes on behind it.
        data: the bytes.
        written: when it was written, microseconds; 0: not known.
    """

    kind: str
    place: str
    partition: int
    number: int
    following: int
    data: bytes
    written: int = 0


def entry_of(kind: str, data: bytes) -> tuple[str | None, Entry] | None:
    """Identity and entry from bytes; None for a record of the audit log that is no entry.

    Raises:
        WireFormatError: it is none.
    """
    if kind == "alert":
        event = event_of(data)
        return event.id, event
    if kind == "command":
        command = command_of(data)
        return command.id, command
    if kind == "tick":
        return None, Tick(*map(int, data.split()))
    if kind == "progress":
        return None, msgspec.json.decode(data, type=Progress)
    record = audit_record(data)
    if isinstance(record, RunStarted):
        began = parse_timestamp(record.moment) if record.moment else record.live_from
        return None if began is None else (record.run, RunBegan(began, record.run))
    return None


def logged(number: int, kind: str, payload: bytes) -> Entry | None:
    """An entry of the log; None for a record of the audit log that is none.

    Raises:
        StateError: it is damaged. It was an entry when it was appended, so to leave it out would
            change what was decided.
    """
    try:
        found = entry_of(kind, payload)
    except (WireFormatError, ValueError) as error:
        message = (
            f"entry {number} of the log is damaged: {error}; bring the store back from a backup, "
            "or begin a new one (--data) with the topics"
        )
        raise StateError(message) from error
    return None if found is None else found[1]


def audit_record(data: bytes) -> object:
    """A record of the job's audit log.

    Raises:
        WireFormatError: it is none.
    """
    try:
        return decode_record(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"it is no record of an audit log: {error}"
        raise WireFormatError(message) from error


def rank_of(identity: str | None, entry: Entry) -> tuple[int, bool, str]:
    """The place of an entry in a log that is built from inputs: event time, then id."""
    return entry.time, isinstance(entry, AlertEvent), identity or ""
