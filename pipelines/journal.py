"""Reading a journal back."""

from collections.abc import Iterator
from pathlib import Path, PurePath

import msgspec

from connectors.uris import parse_address
from domain.errors import ConfigurationError
from domain.journal import IdleDecision, Ledger, Record, decode_record, judged_by, total
from pipelines.alertfiles import read_lines
from transforms.watch import JUDGED

__all__ = ["journal_beside", "read_decisions", "read_journal", "read_ledger"]


def read_journal(uri: str) -> Iterator[Record]:
    """The records of a journal: a file, or a topic up to its end.

    Raises:
        SourceError: it cannot be read.
        ConfigurationError: it holds something else.
    """
    for number, line in enumerate(read_lines(uri)):
        try:
            yield decode_record(line)
        except msgspec.DecodeError as error:
            message = f"{uri}, line {number + 1}, is no record of a journal: {error}"
            raise ConfigurationError(message) from error


def journal_beside(alerts: str) -> str | None:
    """Where the journal of these alerts lies; None where there is no place beside them."""
    address = parse_address(alerts)
    if address.kind == "kafka":
        return alerts.replace(f"/{address.path}", f"/{address.path}-journal", 1)
    if address.kind in (".jsonl", ".ndjson", ".parquet"):
        return str(PurePath(address.path).with_suffix(".journal.jsonl"))
    return None


def read_decisions(uri: str | None) -> tuple[tuple[int, int, int], ...]:
    """What a live run decided about idle partitions, as (partition, offset, mark).

    Raises:
        SourceError: the journal cannot be read.
        ConfigurationError: it is no journal.
    """
    if uri is None:
        return ()
    decisions = [one for one in read_journal(uri) if isinstance(one, IdleDecision)]
    return tuple(
        (number, one.following[number], mark)
        for one in decisions
        for number, mark in one.marks.items()
    )


def read_ledger(uri: str | None) -> dict[str, int] | None:
    """The accounts of a run by the names of its counters; None without a journal to read.

    The journal must be a file of this machine.

    A cluster's counters begin again when it restores a job, and those of a job that had read
    all by then are lost; the ledger comes from the state and knows better.
    """
    if uri is None or parse_address(uri).kind not in (".jsonl", ".ndjson"):
        return None
    if not Path(parse_address(uri).path).exists():
        return None
    ledgers = [record for record in read_journal(uri) if isinstance(record, Ledger)]
    judged = {f"{JUDGED}{name}": count for name, count in judged_by(ledgers).items()}
    return total(ledgers) | judged if ledgers else None
