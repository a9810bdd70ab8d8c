"""Reading an audit log back."""

from collections.abc import Iterator
from pathlib import Path, PurePath

import msgspec

from padit.analysis.alert_files import read_lines
from padit.connectors.uris import parse_address
from padit.domain.audit import IdlenessDecision, Record, RunTotals, decode_record, judged_by, total
from padit.domain.errors import ConfigurationError
from padit.transforms.watch import JUDGED

__all__ = ["audit_log_beside", "read_decisions", "read_audit_log", "read_run_totals"]


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


def audit_log_beside(alerts: str) -> str | None:
    """Where the audit log of these alerts lies; None where there is no place beside them."""
    address = parse_address(alerts)
    if address.kind == "kafka":
        # Delivery and the one writer are those of the alerts; client settings are for both.
        options = {k: v for k, v in address.options.items() if k not in ("delivery", "writer")}
        return address.at(f"{address.path}-audit", options)
    if address.kind in (".jsonl", ".ndjson", ".parquet"):
        return str(PurePath(address.path).with_suffix(".audit.jsonl"))
    return None


def read_decisions(uri: str | None) -> tuple[tuple[int, int, int], ...]:
    """What a live run decided about idle partitions, as (partition, offset, watermark).

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
    """The accounts of a run by the names of its counters; None without an audit log to read.

    The audit log must be a file of this machine.

    A cluster's counters begin again when it restores a job, and those of a job that had read
    all by then are lost; the run totals comes from the state and knows better.
    """
    if uri is None or parse_address(uri).kind not in (".jsonl", ".ndjson"):
        return None
    if not Path(parse_address(uri).path).exists():
        return None
    ledgers = [record for record in read_audit_log(uri) if isinstance(record, RunTotals)]
    judged = {f"{JUDGED}{name}": count for name, count in judged_by(ledgers).items()}
    return total(ledgers) | judged if ledgers else None
