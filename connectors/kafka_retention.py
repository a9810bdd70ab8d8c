"""Compares the requested range with what a topic still holds, and describes the difference."""

from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

from padit.connectors.kafka_lookup import Lookup
from padit.domain.errors import SourceError
from padit.domain.timestamps import format_utc

__all__ = ["RequestedRange", "nothing_there", "what_is_gone"]

_SECONDS = 10.0


class RequestedRange(NamedTuple):
    """The part of a topic that was asked for; fields as in `KafkaSource`."""

    start: int | str
    stop: int | None
    start_time: int | None
    stop_time: int | None


def what_is_gone(
    consumer: Consumer, lookup: Lookup, topic: str, number: int, asked: RequestedRange
) -> str | None:
    """The requested part that a partition has lost to retention, in words; None if all is there.

    With a start by time it is only known that the log has been cut and that its first record is
    younger than the start, not whether a deleted record was between them.
    """
    low, high = lookup.kept(number)
    begins = f"partition {number} begins at offset {low}"
    if asked.start_time is None:
        if not isinstance(asked.start, int) or asked.start >= low:
            return None
        last = (low if asked.stop is None else min(low, asked.stop)) - 1
        return f"{begins}: offsets {asked.start} to {last}"
    oldest = _time_of(consumer, topic, number, low) if 0 < low < high else None
    if low == 0 or (oldest is not None and oldest <= asked.start_time):
        return None
    until = "now" if oldest is None else format_utc(oldest)
    return f"{begins}: records of {format_utc(asked.start_time)} to {until}"


def nothing_there(
    consumer: Consumer, lookup: Lookup, topic: str, numbers: list[int], asked: RequestedRange
) -> str:
    """A message that no record is in the requested time range, with the times that there are."""
    times = []
    for number in numbers:
        low, high = lookup.kept(number)
        ends = (low, high - 1) if low < high else ()
        found = [_time_of(consumer, topic, number, offset) for offset in ends]
        times += [one for one in found if one is not None]
    after = "" if asked.start_time is None else f" from {format_utc(asked.start_time)} on"
    before = "" if asked.stop_time is None else f" before {format_utc(asked.stop_time)}"
    held = "it is empty"
    if times:
        held = f"its records are of {format_utc(min(times))} to {format_utc(max(times))}"
    return f"topic {topic} has no record{after}{before}; {held}"


def _time_of(consumer: Consumer, topic: str, number: int, offset: int) -> int | None:
    """Time of the record at an offset or the next one, microseconds; None if there is none.

    Raises:
        SourceError: the broker does not answer, which does not mean that there is none.
    """
    consumer.assign([TopicPartition(topic, number, offset)])
    try:
        record = consumer.poll(_SECONDS)
        while record is not None and record.error() is not None:
            if record.error().code() == KafkaError._PARTITION_EOF:
                return None
            record = consumer.poll(_SECONDS)
        if record is None:
            message = f"{topic} partition {number}: no answer for offset {offset}; try again"
            raise SourceError(message)
        return int(record.timestamp()[1]) * 1000
    finally:
        consumer.unassign()
