"""A recorded past as entries: the log of a store, or files and topics up to their end."""

from collections.abc import Iterable
from pathlib import Path

from padit.alerting.entries import Entry
from padit.alerting.sequencer import entry_of, rank_of
from padit.alerting.store.sqlite import SqliteStore
from padit.domain.errors import ConfigurationError, WireFormatError

__all__ = ["merged", "of_store"]


def of_store(folder: Path) -> list[Entry]:
    """The log of a store, as it was applied.

    Raises:
        ConfigurationError: there is none.
    """
    if not (folder / "alerting.sqlite").exists():
        message = f"{folder} holds no store of `padit alerting`"
        raise ConfigurationError(message)
    store = SqliteStore(folder, leading=False)
    try:
        found = [entry_of(row.kind, row.payload) for row in store.entries()]
    finally:
        store.close()
    return [one[1] for one in found if one is not None]


def merged(parts: Iterable[tuple[str, Iterable[bytes]]]) -> tuple[list[Entry], int]:
    """Entries of several inputs in the order of event time and id, each once; and what was none.

    Args:
        parts: (kind, records) of each input; kinds as in `sequencer.Record`.
    """
    found: dict[tuple[str, str | None], tuple[tuple[int, bool, str], Entry]] = {}
    refused = 0
    for kind, lines in parts:
        for line in lines:
            try:
                one = entry_of(kind, line)
            except WireFormatError:
                refused += 1
                continue
            if one is not None:
                identity, entry = one
                found.setdefault((kind, identity), (rank_of(identity, entry), entry))
    ordered = sorted(found.values(), key=lambda one: one[0])
    return [entry for _, entry in ordered], refused
