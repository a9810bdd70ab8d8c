"""Reading records of a Kafka topic: batches to rows, in the order of each partition's log."""

import dataclasses
import itertools
import logging
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from padit.codecs.cloudevents import structured
from padit.codecs.dead_letter import DeadRecord
from padit.codecs.record_batches import BatchHeader, Walked, headers_in
from padit.connectors.kafka_fetch import Fetcher
from padit.connectors.kafka_records import Opened, letter_of, open_answer, portions
from padit.connectors.kafka_request import Answer
from padit.connectors.kafka_settings import FetchSettings
from padit.connectors.source import Decoder, PartitionRange, ReadBatch
from padit.domain.errors import SourceError, WireFormatError
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_NONE

__all__ = ["KafkaReader"]

_LOG = logging.getLogger(__name__)
_NO_TIME = 2**53  # milliseconds: no event lies ahead of it

_Portions = Iterator[Walked | BatchHeader]


class KafkaReader:
    """A `Reader`: fetches of some partitions of a topic.

    Args:
        settings: how to connect and to fetch.
        topic: name of the topic.
        ranges: what to read.
        decode: record values to rows.
        look_every: seconds between two looks for added partitions; None for a bounded read.
        decisions: (partition, offset, watermark) of a recorded run, to be repeated there.
        in_headers: whether the attributes of CloudEvents may stand in the headers of a record.
        patience: seconds in which a broker may answer that it does not know a partition, as happens
            briefly after its restart.
    """

    _keyed = False  # whether keys of records are read

    def __init__(
        self,
        settings: FetchSettings,
        topic: str,
        ranges: Sequence[PartitionRange],
        decode: Decoder,
        look_every: float | None,
        decisions: Sequence[tuple[int, int, int]] = (),
        patience: float = 60.0,
        *,
        in_headers: bool = False,
    ) -> None:
        self._in_headers = in_headers
        self._settings = settings
        self._decisions = _by_partition(decisions)
        self._topic = topic
        self._look_every = look_every
        self._decode = decode
        self._stop = {one.partition: one.stop for one in ranges}
        self._at = {one.partition: one.start for one in ranges}
        self._nothing = [
            one.partition for one in ranges if one.stop is not None and one.start >= one.stop
        ]
        self._paused: frozenset[int] = frozenset()
        self._suspect: dict[int, int] = {}
        self._open: dict[int, tuple[_Portions, int]] = {}
        self._reading = {one.partition for one in ranges if one.partition not in self._nothing}
        self._fetcher = self._connected(patience)
        for number in sorted(self._reading):
            self._fetcher.go_on(number, self._at[number])

    def _connected(self, patience: float) -> Fetcher:
        """What fetches; a log that lies elsewhere has a fetcher of its own."""
        return Fetcher(self._settings, self._topic, patience, self._look_every)

    def read(self, seconds: float) -> list[ReadBatch]:
        """Wait at most so long for records; see `Reader`."""
        reads = [
            ReadBatch(number, self._at[number], Rows.empty(), ended=True)
            for number in self._nothing
        ]
        self._nothing = []
        left = seconds
        until = time.monotonic() + seconds
        while self._reading and not reads and left >= 0:
            number = next((n for n in self._open if n not in self._paused), None)
            if number is not None:
                reads = self._next(number)
            elif (answer := self._fetcher.take(left)) is not None:
                self._begin(answer)
            left = until - time.monotonic()  # answers may hold nothing that counts
        return reads

    def _begin(self, answer: Answer) -> None:
        """Take the batches of an answer, and fetch what comes behind them meanwhile."""
        number, settings = answer.partition, self._settings
        if number not in self._reading:
            return
        try:
            opened = open_answer(answer, checked=settings.checked, stable=settings.committed)
        except WireFormatError as error:
            message = (
                f"{self._topic} partition {number}: {error}. It cannot be read; to go on behind "
                "it, start again with --start_offset"
            )
            raise SourceError(message) from error
        last = opened.batches[-1] if opened.batches else None
        if last is not None and last.damage and self._suspect.get(number) != last.first:
            self._suspect[number] = last.first  # it may have been damaged on its way
            opened = Opened(opened.batches[:-1], max(answer.at, last.first), last.epoch)
        stop = self._stop[number]
        if stop is None or opened.following < stop:
            self._fetcher.go_on(number, opened.following, opened.epoch)
        self._open[number] = (
            portions(opened.batches, answer.at, headers=self._in_headers, keys=self._keyed),
            opened.following,
        )

    def _next(self, number: int) -> list[ReadBatch]:
        """The next records of an answer, or what follows from its end."""
        parts, following = self._open[number]
        found = next(parts, None)
        if found is None:
            return self._end(number, following)
        if isinstance(found, BatchHeader):
            return self._damaged(number, found)
        reads, taken = self._runs(number, found)
        if taken < len(found.offset) and number in self._open:
            rest = itertools.chain([found.part(taken)], parts)
            self._open[number] = rest, following
        return reads

    def _end(self, number: int, following: int) -> list[ReadBatch]:
        """An answer is used up; the last records before `stop` may be compacted or aborted."""
        del self._open[number]
        self._at[number] = max(self._at[number], following)
        stop = self._stop[number]
        if stop is None or following < stop:
            return []
        self._forget(number)
        return [ReadBatch(number, stop, Rows.empty(), ended=True)]

    def _damaged(self, number: int, batch: BatchHeader) -> list[ReadBatch]:
        stop = self._stop[number]
        if stop is not None and batch.first >= stop:
            return []
        following = batch.last + 1 if stop is None else min(batch.last + 1, stop)
        dead = [letter_of(batch, self._topic, number)]
        _LOG.warning("%s partition %d: %s", self._topic, number, batch.damage)
        self._at[number] = following
        return [ReadBatch(number, following, Rows.empty(), dead)]

    def _runs(self, number: int, found: Walked) -> tuple[list[ReadBatch], int]:
        """Consecutive records of one partition, cut where a recorded run decided something.

        Returns:
            What was read, and how many of the records were taken.
        """
        offsets, watermarks = self._decisions.get(number, ((), ()))
        if not offsets:
            return self._run(number, found)
        at = found.offset
        inside = offsets[bisect_right(offsets, at[0]) : bisect_right(offsets, at[-1])]
        cuts = sorted(set(np.searchsorted(at, np.array(inside, np.int64)).tolist()))
        reads: list[ReadBatch] = []
        for first, last in itertools.pairwise([0, *cuts, len(at)]):
            part, taken = self._run(number, found.part(first, last))
            known = bisect_right(offsets, at[first])
            decided = watermarks[known - 1] if known else WATERMARK_NONE
            reads += [dataclasses.replace(one, decided=decided) for one in part]
            if taken < last - first:
                return reads, first + taken
        return reads, len(at)

    def _within(self, number: int, found: Walked) -> tuple[Walked, int, bool]:
        """Records before the end that was asked for, where to go on, and whether it is reached."""
        stop = self._stop[number]
        following = int(found.offset[-1]) + 1
        if stop is None or following < stop:
            return found, following, False
        if following > stop:
            found = found.part(0, int(np.searchsorted(found.offset, stop)))
        return found, stop, True

    def _run(self, number: int, found: Walked) -> tuple[list[ReadBatch], int]:
        """Turn consecutive records of one partition into rows; returns as `_runs`."""
        taken = len(found.offset)
        if number not in self._reading:
            return [], taken
        found, following, ended = self._within(number, found)
        if not len(found.offset):
            self._forget(number)
            return [ReadBatch(number, following, Rows.empty(), ended=True)], taken
        decoded = self._decode(_with_headers(found), _micros(found.time))
        if decoded.taken < len(found.offset):
            taken, ended = decoded.taken, False
            following = int(found.offset[taken])
        dead = [
            DeadRecord(
                found.values[reject.record],
                reject,
                self._topic,
                number,
                int(found.offset[reject.record]),
            )
            for reject in decoded.rejects
        ]
        self._at[number] = following
        if ended:
            self._forget(number)
        left = tuple(one._replace(place=self._topic) for one in decoded.unwatched)
        return [ReadBatch(number, following, decoded.rows, dead, ended, unwatched=left)], taken

    def _forget(self, number: int) -> None:
        self._reading.discard(number)
        self._open.pop(number, None)
        self._fetcher.forget(number)

    def pause(self, partitions: frozenset[int]) -> None:
        """Read only the other partitions; see `Reader`."""
        self._paused = partitions
        self._fetcher.pause(partitions)

    def lag(self, *, lately: bool = False) -> Mapping[int, int]:
        """Records behind the last one read; see `Reader`.

        A partition is left out unless its broker said within the last seconds where the log ends.
        Records of open transactions count: they may become readable.
        """
        ends = self._fetcher.ends(lately=lately)
        return {n: max(0, ends[n] - self._at[n]) for n in self._reading if n in ends}

    def added(self, known: int) -> list[PartitionRange]:
        """Partitions that were found since; see `Reader`. The client looks for them by itself."""
        if self._look_every is None:
            return []
        numbers = sorted(self._fetcher.partitions())
        return [PartitionRange(number, 0, None) for number in numbers if number >= known]

    def extend(self, ranges: Sequence[PartitionRange]) -> None:
        """Read these partitions too; see `Reader`."""
        numbers = ", ".join(str(one.partition) for one in ranges)
        if numbers:
            _LOG.warning("%s: partitions were added and are read, too: %s", self._topic, numbers)
        for one in ranges:
            self._stop[one.partition] = one.stop
            self._at[one.partition] = one.start
            self._reading.add(one.partition)
            self._fetcher.go_on(one.partition, one.start)

    def close(self) -> None:
        """Leave the broker."""
        self._fetcher.close()


def _with_headers(found: Walked) -> Sequence[bytes | None]:
    """Values as they are; those of CloudEvents in binary mode with what stands in their headers."""
    if found.headers is None:
        return found.values
    pairs = zip(found.headers, found.values, strict=True)
    return [structured(headers_in(headers), value) for headers, value in pairs]


def _micros(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times of records in microseconds; far ahead of every event where a record has none."""
    return np.where(times < 0, _NO_TIME, np.minimum(times, _NO_TIME)) * 1000


def _by_partition(
    decisions: Sequence[tuple[int, int, int]],
) -> dict[int, tuple[tuple[int, ...], tuple[int, ...]]]:
    """By partition the offsets, ascending, and the highest watermark decided up to each."""
    grouped: dict[int, list[tuple[int, int]]] = {}
    for number, offset, watermark in sorted(decisions):
        grouped.setdefault(number, []).append((offset, watermark))
    return {
        number: (
            tuple(offset for offset, _ in pairs),
            tuple(itertools.accumulate((watermark for _, watermark in pairs), max)),
        )
        for number, pairs in grouped.items()
    }
