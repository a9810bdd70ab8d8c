"""Reading records of a Kafka topic: polls to rows, in the order of each partition's log."""

import dataclasses
import itertools
import logging
import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from confluent_kafka import (
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from numpy.typing import NDArray

from padit.codecs.cloudevents import structured
from padit.codecs.dead_letter import DeadRecord
from padit.connectors.source import Decoder, PartitionRange, ReadBatch
from padit.domain.errors import SourceError
from padit.domain.rows import Rows
from padit.domain.watermark import WATERMARK_NONE

__all__ = ["KafkaReader"]

_LOG = logging.getLogger(__name__)
_MESSAGES_AT_ONCE = 10_000  # what `codecs.records` decodes best at a time
_END_SECONDS = 1.0
_ASK_AGAIN_SECONDS = 1.0
_UNKNOWN = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION)
_GRACE_SECONDS = 0.005  # after the first record, for those that come with it
_NO_TIME = 2**53  # milliseconds: no event lies ahead of it
_FATAL = (
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
)


class _Batch(NamedTuple):
    """Records that were fetched together.

    Attributes:
        messages: without events.
        times: int64 (n,), their timestamps, milliseconds.
        ends: (partition, offset) where a partition's log ends behind them.
    """

    messages: list[Message]
    times: NDArray[np.int64]
    ends: list[tuple[int, int]]


class KafkaReader:
    """A `Reader`: one consumer over some partitions of a topic.

    Args:
        consumer: connected, with nothing assigned.
        topic: name of the topic.
        ranges: what to read.
        decode: record values to rows.
        look_every: seconds between two looks for added partitions; None for a bounded read.
        decisions: (partition, offset, watermark) of a recorded run, to be repeated there.
        in_headers: whether the attributes of CloudEvents may stand in the headers of a record.
        patience: seconds in which a broker may answer that it does not know a partition, as happens
            briefly after its restart.
    """

    def __init__(
        self,
        consumer: Consumer,
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
        self._patience = patience
        self._unknown: dict[int, float] = {}
        self._asked = 0.0
        self._decisions = _by_partition(decisions)
        self._consumer = consumer
        self._topic = topic
        self._look_every = look_every
        self._decode = decode
        self._stop = {one.partition: one.stop for one in ranges}
        self._following = {one.partition: one.start for one in ranges}
        self._nothing = [
            one.partition for one in ranges if one.stop is not None and one.start >= one.stop
        ]
        self._paused: frozenset[int] = frozenset()
        self._left: _Batch | None = None
        self._delivered: set[int] = set()
        self._end_reached: dict[int, int] = {}
        self._looked = time.monotonic()
        self._reading = {one.partition for one in ranges if one.partition not in self._nothing}
        self._consumer.assign(
            [
                TopicPartition(topic, one.partition, one.start)
                for one in ranges
                if one.partition in self._reading
            ]
        )

    def read(self, seconds: float) -> list[ReadBatch]:
        """Wait at most so long for records; see `Reader`."""
        reads = [
            ReadBatch(number, self._following[number], Rows.empty(), ended=True)
            for number in self._nothing
        ]
        self._nothing = []
        if not self._reading:
            return reads
        batch = self._next(seconds) if self._left is None else self._left
        self._left = None
        messages, times, ends = batch
        number = np.fromiter(map(Message.partition, messages), np.int64, len(messages))
        bounds = (np.flatnonzero(number[1:] != number[:-1]) + 1).tolist()
        for first, last in itertools.pairwise([0, *bounds, len(number)]):
            if first < last:
                found, taken = self._runs(
                    int(number[first]), messages[first:last], times[first:last]
                )
                reads += found
                if taken < last - first:
                    first += taken
                    self._left = _Batch(messages[first:], times[first:], ends)
                    return reads
        # An end may come together with the last records before it.
        return reads + self._ended(ends)

    def _next(self, seconds: float) -> "_Batch":
        """Wait at most so long for records."""
        self._check_unknown()
        # Asked for many, the consumer waits out its time unless there are so many.
        messages = self._consumer.consume(1, seconds)
        if messages:
            messages += self._consumer.consume(_MESSAGES_AT_ONCE - 1, _GRACE_SECONDS)
        times = _record_times(messages)
        ends: list[tuple[int, int]] = []
        if len(times) and int(times.min()) < 0:  # an event, or a record without a timestamp
            messages, ends = self._take_events(messages)
            self._end_reached.update(ends)
            times = _record_times(messages)
            times[times < 0] = _NO_TIME
        return _Batch(messages, times, ends)

    def _runs(
        self, number: int, messages: list[Message], times: NDArray[np.int64]
    ) -> tuple[list[ReadBatch], int]:
        """Consecutive records of one partition, cut where a recorded run decided something.

        Returns:
            What was read, and how many of the records were taken.
        """
        offsets, watermarks = self._decisions.get(number, ((), ()))
        if not offsets:
            return self._run(number, messages, times)
        at = [message.offset() for message in messages]
        inside = offsets[bisect_right(offsets, at[0]) : bisect_right(offsets, at[-1])]
        cuts = sorted({bisect_left(at, offset) for offset in inside})
        reads: list[ReadBatch] = []
        for first, last in itertools.pairwise([0, *cuts, len(messages)]):
            found, taken = self._run(number, messages[first:last], times[first:last])
            known = bisect_right(offsets, at[first])
            decided = watermarks[known - 1] if known else WATERMARK_NONE
            reads += [dataclasses.replace(one, decided=decided) for one in found]
            if taken < last - first:
                return reads, first + taken
        return reads, len(messages)

    def _run(
        self, number: int, messages: list[Message], times: NDArray[np.int64]
    ) -> tuple[list[ReadBatch], int]:
        """Turn consecutive records of one partition into rows; returns as `_runs`."""
        taken = len(messages)
        if number not in self._reading:
            return [], taken
        stop = self._stop[number]
        following = messages[-1].offset() + 1
        ended = stop is not None and following >= stop
        if stop is not None and following > stop:
            messages = [message for message in messages if message.offset() < stop]
            times = times[: len(messages)]
            following = stop
        values = [message.value() for message in messages]
        read = values
        if self._in_headers:
            read = [structured(message.headers(), message.value()) for message in messages]
        decoded = self._decode(read, np.minimum(times, _NO_TIME) * 1000)
        if decoded.taken < len(messages):
            taken, ended = decoded.taken, False
            following = messages[taken].offset()
        dead = [
            DeadRecord(
                values[reject.record], reject, self._topic, number, messages[reject.record].offset()
            )
            for reject in decoded.rejects
        ]
        self._following[number] = following
        self._delivered.add(number)
        self._unknown.pop(number, None)
        if ended:
            self._forget(number)
        left = tuple(one._replace(place=self._topic) for one in decoded.unwatched)
        return [ReadBatch(number, following, decoded.rows, dead, ended, unwatched=left)], taken

    def _take_events(self, messages: list[Message]) -> tuple[list[Message], list[tuple[int, int]]]:
        """Records alone; and (partition, offset) where a partition's log ends."""
        records = []
        ends = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ends.append((message.partition(), message.offset()))
                self._unknown.pop(message.partition(), None)
            elif error.code() in _UNKNOWN:
                self._unknown.setdefault(message.partition(), time.monotonic())
                _LOG.warning("%s: %s; waiting", self._topic, error.str())
            elif error.code() in _FATAL or error.fatal():
                raise SourceError(self._explain(error, message.partition()))
            else:
                _LOG.warning("%s: %s", self._topic, error.str())
        return records, ends

    def _check_unknown(self) -> None:
        """Look for partitions that no broker knows; give up one that stays unknown for too long.

        A client reports this once, and then waits for its own next refresh.
        """
        now = time.monotonic()
        if not self._unknown or now - self._asked < _ASK_AGAIN_SECONDS:
            return
        self._asked = now
        try:
            topic = self._consumer.list_topics(self._topic, timeout=_END_SECONDS).topics[
                self._topic
            ]
        except KafkaException:
            return  # no broker answers: that is an outage, which may last
        for number, since in list(self._unknown.items()):
            if topic.error is None and number in topic.partitions:
                del self._unknown[number]
            elif now - since >= self._patience:
                message = (
                    f"{self._topic} partition {number}: no broker has known it for "
                    f"{self._patience:g} s; was the topic deleted?"
                )
                raise SourceError(message)

    def _ended(self, ends: list[tuple[int, int]]) -> list[ReadBatch]:
        """Partitions whose last records before `stop` do not exist (compacted, aborted)."""
        reads = []
        for number, offset in ends:
            stop = self._stop.get(number)
            if number in self._reading and stop is not None and offset >= stop:
                self._forget(number)
                reads.append(ReadBatch(number, stop, Rows.empty(), ended=True))
        return reads

    def _forget(self, number: int) -> None:
        self._reading.discard(number)
        self._consumer.incremental_unassign([TopicPartition(self._topic, number)])

    def _explain(self, error: KafkaError, partition: int) -> str:
        text = f"{self._topic} partition {partition}: {error.str()}"
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            following = self._following.get(partition)
            text += f"; offset {following} is gone (retention). Start again with --start_offset"
        return text

    def pause(self, partitions: frozenset[int]) -> None:
        """Read only the other partitions; see `Reader`."""
        topic = self._topic
        on = [TopicPartition(topic, n) for n in self._paused - partitions if n in self._reading]
        off = [TopicPartition(topic, n) for n in partitions - self._paused if n in self._reading]
        if on:
            self._consumer.resume(on)
        if off:
            self._consumer.pause(off)
        self._paused = partitions

    def lag(self) -> Mapping[int, int]:
        """Records behind the last one read; see `Reader`.

        Live, the end of a partition that gave nothing since the last call is looked up, and the
        partition is left out if its broker does not answer: from the fetches alone an idle topic
        and an outage look the same.
        """
        quiet = self._reading - self._delivered if self._look_every is not None else set()
        self._delivered = set()
        ends = self._ask_ends(sorted(quiet))
        for number in self._reading - quiet:
            partition = TopicPartition(self._topic, number)
            _, ends[number] = self._consumer.get_watermark_offsets(partition, cached=True)
        # Markers of transactions are offsets that no record comes from.
        at = {n: max(self._following[n], self._end_reached.get(n, 0)) for n in ends}
        return {number: max(0, end - at[number]) for number, end in ends.items()}

    def _ask_ends(self, numbers: list[int]) -> dict[int, int]:
        """Where partitions end now, as far as their brokers answer."""
        if not numbers:
            return {}
        # In Kafka's protocol the end is the offset "of the time -1".
        wanted = [TopicPartition(self._topic, number, OFFSET_END) for number in numbers]
        try:
            answers = self._consumer.offsets_for_times(wanted, timeout=_END_SECONDS)
        except KafkaException as error:
            _LOG.info("%s: asking for its end: %s", self._topic, error)
            answers = []
        ends = {one.partition: one.offset for one in answers if not one.error and one.offset >= 0}
        for number in numbers:
            if number not in ends:  # an outage, or it is gone
                self._unknown.setdefault(number, time.monotonic())
        return ends

    def added(self, known: int) -> list[PartitionRange]:
        """Look for new partitions now and then; see `Reader`."""
        now = time.monotonic()
        if self._look_every is None or now - self._looked < self._look_every:
            return []
        self._looked = now
        try:
            topic = self._consumer.list_topics(self._topic, timeout=1.0).topics
        except KafkaException as error:
            _LOG.warning("%s: looking for partitions: %s", self._topic, error)
            return []
        if topic[self._topic].error is not None:
            _LOG.warning("%s: looking for partitions: %s", self._topic, topic[self._topic].error)
            return []
        numbers = sorted(topic[self._topic].partitions)
        return [PartitionRange(number, 0, None) for number in numbers if number >= known]

    def extend(self, ranges: Sequence[PartitionRange]) -> None:
        """Read these partitions too; see `Reader`."""
        numbers = ", ".join(str(one.partition) for one in ranges)
        if numbers:
            _LOG.warning("%s: partitions were added and are read, too: %s", self._topic, numbers)
        for one in ranges:
            self._stop[one.partition] = one.stop
            self._following[one.partition] = one.start
            self._reading.add(one.partition)
        self._consumer.incremental_assign(
            [TopicPartition(self._topic, one.partition, one.start) for one in ranges]
        )

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


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


def _record_times(messages: list[Message]) -> NDArray[np.int64]:
    """Milliseconds since 1970; -1 for events and records without a timestamp."""
    return np.array([message.timestamp()[1] for message in messages], np.int64)
