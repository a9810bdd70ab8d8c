"""Alerts that peers silenced, in words: from the audit log of a job with the option `peers`."""

from collections.abc import Iterable, Iterator

from padit.domain.audit import Record, Silenced
from padit.domain.timestamps import parse_timestamp

__all__ = ["silenced_lines"]


def silenced_lines(
    records: Iterable[Record], series: tuple[str, str], at: int | None, near: int
) -> Iterator[str]:
    """A line for each alert of a series that was silenced, in the order of the records.

    Args:
        records: of the audit log.
        series: source_id and metric_name.
        at: event time, microseconds; None: any.
        near: how far from it the opening counts, microseconds.
    """
    for one in records:
        if not isinstance(one, Silenced) or (one.source_id, one.metric_name) != series:
            continue
        if at is None or abs(parse_timestamp(one.opened) - at) <= near:
            yield _line(one)


def _line(one: Silenced) -> str:
    peers = " and ".join(f"{x.source_id} ({x.value:g} until {x.time})" for x in one.peers)
    line = (
        f"silenced: an alert opened at {one.opened} with {one.value:g}, where {one.usual:g} is "
        f"usual; that was no news on {peers}; {one.option}"
    )
    return f"{line}. It was told after all: {one.told_after_all}" if one.told_after_all else line
