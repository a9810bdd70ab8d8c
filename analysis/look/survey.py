"""Reads a bounded part of a source as the job does, and sums up what there is."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from padit.analysis.losses.report import Counted, Reason, reasons_of
from padit.connectors.cursor import advance, first_cursors
from padit.connectors.source import Decoder, PartitionRange, ReadBatch, Source
from padit.domain.findings import Findings, Guess, UnwatchedCounts
from padit.domain.metric import Series
from padit.domain.rows import Rows, concatenate
from padit.domain.timestamps import MICROS

__all__ = ["Extent", "Sample", "SeriesSeen", "Survey", "survey"]

SAMPLE_ROWS = 10
_MOST_SAMPLES = 2_000_000
"""Samples that are kept in memory; after them a survey ends."""


class Extent(NamedTuple):
    """How much of an input a survey may read.

    Attributes:
        records: of each partition: the last of a topic, the first of a file.
        seconds: at most so long.
        from_end: whether they are the last ones.
    """

    records: int
    seconds: float
    from_end: bool


class Sample(NamedTuple):
    """One sample; `time` in microseconds."""

    time: int
    series: Series
    value: float


class SeriesSeen(NamedTuple):
    """One series of a survey.

    Attributes:
        series: its names and unit.
        samples: how many there are.
        first, last: event times, microseconds.
        interval: the median time between two samples, seconds; None for a single one.
        lowest, highest: values.
    """

    series: Series
    samples: int
    first: int
    last: int
    interval: float | None
    lowest: float
    highest: float


class Survey(NamedTuple):
    """What a survey found.

    Attributes:
        name: topic or file.
        partitions: how many partitions or files there are.
        present: records in all of them.
        looked_at: those that were read.
        counted: their samples; `scored` are those that a job would use.
        series: in the order of their names.
        samples: the first few.
        findings: what the source guessed and leaves unwatched.
        reasons: why samples are lost, the commonest first.
        behind: by how much the latest late sample is late, microseconds; 0 where none is.
    """

    name: str
    partitions: int
    present: int
    looked_at: int
    counted: Counted
    series: tuple[SeriesSeen, ...]
    samples: tuple[Sample, ...]
    findings: Findings
    reasons: tuple[Reason, ...]
    behind: int

    def guessing(self, one: Guess) -> "Survey":
        """The same with one more guess, which is shown first."""
        guesses = (one, *self.findings.guesses)
        return self._replace(findings=self.findings._replace(guesses=guesses))


def survey(source: Source, decode: Decoder, out_of_orderness: int, extent: Extent) -> Survey:
    """Look at a bounded source.

    Args:
        source: of the rows.
        decode: the decoder of the job.
        out_of_orderness: as in the job, microseconds.
        extent: how much to read.

    Raises:
        SourceError: the source cannot be read.
    """
    ranges = source.ranges()
    findings = source.findings()
    chosen = [_part(one, extent) for one in ranges]
    [cursor] = first_cursors(chosen, 1)
    parts: list[Rows] = []
    kept = 0
    left = UnwatchedCounts()
    for reads in _reads(source, chosen, decode, extent.seconds):
        found = advance(cursor, reads, out_of_orderness, source.name)
        cursor = found.cursor
        parts.append(found.batch.rows)
        left.add(one for read in reads for one in read.unwatched)
        kept += len(found.batch.rows)
        if kept >= _MOST_SAMPLES:
            break
    rows = concatenate(parts)
    findings = findings.adding(left.all())
    at = cursor.at.values()
    late, dead = sum(one.late for one in at), sum(one.dead_lettered for one in at)
    counted = Counted(sum(one.read for one in at), len(rows), late, dead)
    return Survey(
        source.name,
        len(ranges),
        sum(_records(one) for one in ranges),
        sum(min(_records(one), cursor.at[one.partition].following - one.start) for one in chosen),
        counted,
        _series(rows),
        tuple(_first(rows)),
        findings,
        tuple(reasons_of(counted, findings, cursor.losses)),
        max((one.behind for one in cursor.losses), default=0),
    )


def _records(one: PartitionRange) -> int:
    return (one.stop or 0) - one.start if one.records is None else one.records


def _part(one: PartitionRange, extent: Extent) -> PartitionRange:
    stop = one.stop or 0
    if one.records is not None:  # sorted, so its first samples may stand anywhere
        return one
    if extent.from_end:
        return replace(one, start=max(one.start, stop - extent.records))
    return replace(one, stop=min(stop, one.start + extent.records))


def _reads(
    source: Source, ranges: Sequence[PartitionRange], decode: Decoder, seconds: float
) -> Iterator[list[ReadBatch]]:
    """Reads until all ranges have ended, or the time is over."""
    if not ranges:
        return
    until = time.monotonic() + seconds
    waiting = {one.partition for one in ranges}
    reader = source.open(ranges, decode)
    try:
        while waiting and time.monotonic() < until:
            reads = reader.read(min(0.5, seconds))
            waiting -= {read.partition for read in reads if read.ended}
            if reads:
                yield reads
    finally:
        reader.close()


def _first(rows: Rows) -> Iterator[Sample]:
    columns = (rows.time, rows.code, rows.value)
    first = (column[:SAMPLE_ROWS].tolist() for column in columns)
    for moment, code, value in zip(*first, strict=True):
        yield Sample(moment, rows.series[code], value)


def _series(rows: Rows) -> tuple[SeriesSeen, ...]:
    if not len(rows):
        return ()
    order = np.lexsort((rows.time, rows.code))
    code, moment, value = rows.code[order], rows.time[order], rows.value[order]
    starts = np.flatnonzero(np.diff(code, prepend=code[0] - 1))
    ends = np.append(starts[1:], len(code))
    seen = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):  # once for each series
        times = moment[start:end]
        steps = np.diff(np.unique(times))
        seen.append(
            SeriesSeen(
                rows.series[int(code[start])],
                end - start,
                int(times[0]),
                int(times[-1]),
                float(np.median(steps)) / MICROS if len(steps) else None,
                float(value[start:end].min()),
                float(value[start:end].max()),
            )
        )
    return tuple(sorted(seen, key=lambda one: one.series))
